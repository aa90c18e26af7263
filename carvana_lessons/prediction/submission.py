"""From a network to the challenge's submission file, and to masks and cut-outs on disk.

Lesson:
    09.
"""

import hashlib
import lzma
import tarfile
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from carvana_lessons.data import CarFolder, read_photo, read_resized, submission_line
from carvana_lessons.data.batches import floats
from carvana_lessons.data.images import read_size, unreadable
from carvana_lessons.data.layout import listed
from carvana_lessons.data.workers import watch_workers
from carvana_lessons.prediction.background_removal import from_logits
from carvana_lessons.prediction.doubts import to_note
from carvana_lessons.prediction.image_files import (
    PhotoErrors,
    content,
    find_photos,
    missing_outputs,
    refuse_equal_names,
    save,
)
from carvana_lessons.prediction.inference import Ensemble, Size, pad_batch, predict
from carvana_lessons.prediction.manifest import DOUBT, made_with, to_text
from carvana_lessons.prediction.shards import join, lines_done, part_of, verify
from carvana_lessons.prediction.uncertainty import uncertainty
from carvana_lessons.utils.errors import CarvanaError, DataError
from carvana_lessons.utils.files import destination, make_folder, new_file, replacing, writing
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.prefetch import prefetch
from carvana_lessons.utils.progress import bar
from carvana_lessons.utils.wording import counted


def submit(
    model: nn.Module | Sequence[nn.Module],
    photos: CarFolder,
    out: str | Path,
    size: Size = None,
    sample: str | Path | None = None,
    batch_size: int = 16,
    flip: bool = False,
    workers: int = 0,
    shard: tuple[int, int] = (0, 1),
    overwrite: bool = False,
    precision: str | None = None,
) -> Path:
    """Write ``submission.csv`` or ``submission.csv.gz`` line by line; a run that was killed continues where it stopped.

    Lines written so far are in a part beside ``out``. Its first line is a note of the settings: it is not continued
    with other networks, another size or other photos.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w), or several whose logits are averaged.
        photos: with or without masks.
        out: the file to write.
        size: side, or (height, width), of the input; None: each network at the size that it was trained for.
        sample: the challenge's ``sample_submission.csv``: its photos are written, in its order.
        batch_size: photos per forward pass.
        flip: average with the answer for the mirrored photo.
        workers: processes that decode photos.
        shard: (k, n) writes part k of n, for n processes at once; `merge` joins the parts.
        overwrite: replace an existing submission, and start again a part that was begun with other settings.
        precision: as `car_logits`.

    Returns:
        the file written; for a shard, its part.

    Raises:
        DataError: if the sample asks for a photo that is not here, or names none.
        ExistsError: for a submission that is there.
        CarvanaError: for an ending other than .csv and .csv.gz, a part that was begun with other settings or that
            another process writes, or a full disk: lines written by then are continued.

    Lesson:
        09.
    """
    out = _named(out)
    k, n = shard
    if not 0 <= k < n:
        raise CarvanaError(f"Of {counted(n, 'shard')} there is no number {k}: the first is 0, the last {n - 1}.")
    if sample is not None:
        photos = _in_order(photos, sample)
    if not len(photos):
        raise DataError(f"There is no photo of {photos.root} to write a line for; choose some.")
    batch_size = min(batch_size, len(photos))  # of all photos, so that every shard computes alike
    note = made_with(model, size, flip, precision) | {"batch size": batch_size, "photos": _digest(photos)}
    photos = photos.subset(range(k * len(photos) // n, (k + 1) * len(photos) // n))
    note |= {"shard": f"{k + 1}/{n}", "lines": len(photos)}
    part = part_of(out, k, n)
    with owned(part):
        done = lines_done(part, photos, note, overwrite)
        if done is None or done < len(photos):
            new_file(out, overwrite)  # raises before the work, not after it
        if done is None:
            with replacing(part) as temporary:
                temporary.write_text(to_text(note) + "\n", encoding="ascii", newline="\n")
        rest = photos[done or 0 :]
        masks = predict(model, rest, size, batch_size, False, flip, workers, pad_batches=True, precision=precision)
        with watch_workers(workers), writing(part), part.open("a", encoding="ascii", newline="\n") as file:
            for photo, mask in zip(rest, bar(masks, total=len(rest), desc="writing", unit="photo"), strict=True):
                file.write(submission_line(photo.name, mask) + "\n")
        return part if n > 1 else join(out, [part], overwrite)


def merge(out: str | Path, shards: int, overwrite: bool = False) -> Path:
    """Join the parts that `submit` wrote into the submission; they are removed when it is whole.

    Args:
        out: the submission, as `submit` was told.
        shards: how many parts.
        overwrite: replace one that is there.

    Returns:
        the submission's file.

    Raises:
        CarvanaError: if a part is missing, not complete, still written, or made with other settings than the first.
        ExistsError: for a submission that is there.
    """
    out = _named(out)
    if shards < 1:
        raise CarvanaError(f"A submission has 1 part or more, not {shards}.")
    parts = [part_of(out, k, shards) for k in range(shards)]
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(owned(part))
        verify(out, parts)
        return join(out, parts, overwrite)


def predict_folder(
    model: nn.Module | Sequence[nn.Module],
    folder: str | Path | Sequence[str | Path],
    out: str | Path,
    size: Size = None,
    batch_size: int = 16,
    cut_outs: bool = False,
    flip: bool = False,
    overwrite: bool = False,
    precision: str | None = None,
) -> int:
    """Write a mask for every photo of a folder, for any file names: ``NAME_mask.png``, 0 and 255.

    The EXIF orientation is applied first, so the mask fits what a viewer shows. Each file has a note of the settings,
    so a second call skips the photos that have their mask, and masks of different networks are not mixed. The note of a
    mask also says how doubtful it is; `carvana_lessons.prediction.doubts.read_doubts` reads that.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w), or several whose logits are averaged.
        folder: photos, a folder of them, or several of either; `carvana_lessons.data.formats` lists their formats.
        out: where to write; photos are never changed.
        size: side, or (height, width), of the input; None: each network at the size that it was trained for.
        batch_size: photos per forward pass.
        cut_outs: also write ``NAME_cut_out.png``: what the mask calls car, soft at the edge, on a transparent
            background.
        flip: average with the answer for the mirrored photo, in twice the time; doubt then counts whether both agree.
        overwrite: replace masks that other networks, other settings or another photo of that name made.
        precision: as `car_logits`.

    Returns:
        the number of photos that got their files now.

    Raises:
        DataError: if there is no photo, or two that differ in their ending or in upper and lower case alone; at the
            end, when all others are written, for those that cannot be decoded.
        ExistsError: for masks of another kind.
        CarvanaError: for a batch of less than one photo, where nothing says the size, or if another process writes
            ``out``.

    Warns:
        UserWarning: of photos in formats that are not read, and of masks that `predict` wrote among the photos.

    Lesson:
        09.
    """
    found, out = find_photos(folder), expand(out)
    files = found.photos
    refuse_equal_names(files)
    networks = Ensemble(model, size)
    if batch_size < 1:
        raise CarvanaError(f"A batch is 1 photo or more, not {batch_size}.")
    if found.left_out:
        warnings.warn(found.left_out, UserWarning, stacklevel=2)
    note = made_with(model, size, flip, precision)
    with owned(out):
        errors = PhotoErrors()
        endings = ("_mask.png", "_cut_out.png") if cut_outs else ("_mask.png",)
        todo = missing_outputs(files, out, note, endings, overwrite, errors)
        make_folder(out)
        batch_size = min(batch_size, len(files))  # of all photos, so that a second call computes as the first
        with bar(total=len(todo), desc="predicting", unit="photo") as progress:
            for batch, xs in prefetch(_batches(todo, networks.sizes, batch_size, errors)):
                passes = networks.passes([pad_batch(x, batch_size) for x in xs], flip, precision)
                answers = [both.mean(dim=0) for both in passes]
                for k, (file, digest) in enumerate(batch):
                    with errors.collect(file):
                        full = networks.at_size(answers, k, read_size(file))[0, 0].cpu()
                        doubt = to_note(uncertainty(*_seen(networks, passes, k)))
                        _write_mask(file, out, full, cut_outs, note | {"photo": digest, DOUBT: doubt})
                    progress.update()
    errors.raise_if_any(len(files), out)
    return len(todo)


def _batches(
    files: list[Path], sizes: Sequence[tuple[int, int]], batch_size: int, errors: PhotoErrors
) -> Iterator[tuple[list[tuple[Path, str]], list[Tensor]]]:
    """Files, each with a digest of its content, and their photos at each of some sizes, upright.

    What cannot be decoded is collected in ``errors``, and the others continue.
    """
    for first in range(0, len(files), batch_size):
        batch, pixels = [], []
        for file in files[first : first + batch_size]:
            with errors.collect(file):
                digest = content(file)
                pixels.append([read_resized(file, size, upright=True) for size in sizes])
                batch.append((file, digest))
        if batch:
            stacked = (np.stack(photos) for photos in zip(*pixels, strict=True))
            yield batch, [floats(torch.from_numpy(photos).permute(0, 3, 1, 2)) for photos in stacked]


def _seen(networks: Ensemble, passes: Sequence[Tensor], k: int) -> list[Tensor]:
    """Logits (h, w) of one photo, and of its mirror image if that was predicted, at the networks' largest size."""
    size = max(networks.sizes)
    return [networks.at_size([both[n] for both in passes], k, size)[0, 0] for n in range(len(passes[0]))]


def _write_mask(file: Path, out: Path, full: Tensor, cut_outs: bool, note: dict) -> None:
    """One photo's files, from its logits (height, width) at its own size."""
    save(out / f"{file.stem}_mask.png", (full > 0).numpy().astype(np.uint8) * 255, note)
    if cut_outs:
        # Of this very mask, specks and all: whoever wants the best edge takes `cut-out`.
        cut = from_logits(read_photo(file, upright=True), full, tidied=False)
        save(out / f"{file.stem}_cut_out.png", cut, note)


def _named(out: str | Path) -> Path:
    out = expand(out)
    if not out.name.lower().endswith((".csv", ".csv.gz")):
        raise CarvanaError(f"{out.name} is no name for a submission; it must end in .csv or .csv.gz.")
    destination(out)  # a part beside a place for devices would be refused under its own name
    return out


def _digest(photos: CarFolder) -> str:
    """A hash of names, sizes and order of photos; it is the same for a copy on another machine."""
    digest = hashlib.blake2b(digest_size=8)
    for photo in photos:
        try:
            digest.update(f"{photo.name} {photo.image.stat().st_size}\n".encode())
        except OSError as error:
            raise unreadable(photo.image, error) from error
    return digest.hexdigest()


def _names(sample: str | Path) -> list[str]:
    """The photos that a sample names, as it writes them."""
    names: list[str] = []
    try:
        for chunk in pd.read_csv(sample, usecols=["img"], dtype=str, chunksize=10_000):
            names += chunk["img"].tolist()
    except ImportError as error:
        raise DataError(f"{sample} is packed in a way that is not read here: unpack it first.") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{sample} is no sample submission with a column img ({error}); fetch it again.") from error
    if not names:
        raise DataError(f"{sample} names no photo; fetch the challenge's sample_submission.csv again.")
    return names


def _in_order(photos: CarFolder, sample: str | Path) -> CarFolder:
    """The photos that the sample names, in its order."""
    row = {f"{photo.name}.jpg": k for k, photo in enumerate(photos)}
    names = _names(sample)
    if empty := sum(not isinstance(name, str) for name in names):
        raise DataError(
            f"{sample} has {counted(empty, 'row')} without a name; remove what is empty, or fetch the file again."
        )
    names = [name if name.lower().endswith(".jpg") else f"{name}.jpg" for name in names]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{sample} names {listed(twice)} more than once; leave one row of each.")
    if missing := [name for name in names if name not in row]:
        if (small := missing[0].lower()) in row:
            raise DataError(
                f"{sample} writes {missing[0]} and the photo is {small}: write names in small letters there."
            )
        raise DataError(
            f"{sample} asks for {counted(len(missing), 'photo')} not in {photos.root}, {missing[0]} for one; "
            f"fetch the challenge's test photos."
        )
    return photos.subset([row[name] for name in names])
