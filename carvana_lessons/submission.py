"""From a network to the challenge's submission file, and to masks and cut-outs on disk.  Lesson: 09."""

import gzip
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from carvana_lessons.ahead import ahead
from carvana_lessons.cutout import feather, transparent
from carvana_lessons.data import CarFolder, read_photo, read_resized, submission_line
from carvana_lessons.data.batches import floats
from carvana_lessons.data.cache import as_size
from carvana_lessons.data.reading import read_size
from carvana_lessons.data.workers import watch_workers
from carvana_lessons.errors import CarvanaError, DataError
from carvana_lessons.evaluate import car_logits, enlarge, filled, predict
from carvana_lessons.files import make_folder, replacing, writing
from carvana_lessons.progress import bar

HEADER = "img,rle_mask"
PHOTOS = {".jpg", ".jpeg", ".png"}


def submit(
    model: nn.Module | Sequence[nn.Module],
    photos: CarFolder,
    out: str | Path,
    size: int | tuple[int, int],
    sample: str | Path | None = None,
    batch_size: int = 16,
    flip: bool = False,
    workers: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Path:
    """Write ``submission.csv`` or ``submission.csv.gz``, line by line; a run that was killed goes on where it stopped.

    Args:
        model, size, batch_size, flip: as `carvana_lessons.evaluate.evaluate`.
        photos: photos, with or without masks.  out: the file to write.
        sample: the challenge's ``sample_submission.csv``: its names, in its order, are what is written.
        workers: processes that decode photos.
        shard: (k, n) writes part k of n, for n processes at once; `merge` joins the parts.
    Returns: the file written; for a shard, its part.
    Raises: DataError if the sample asks for a photo that is not here; CarvanaError for an ending other than .csv and
        .csv.gz, a part that was begun for other photos, or a full disk: what is written by then is gone on with.
    Lesson: 09.
    """
    out = Path(out)
    if not out.name.endswith((".csv", ".csv.gz")):
        raise CarvanaError(f"{out.name} is no name for a submission; let it end in .csv or .csv.gz.")
    if sample is not None:
        photos = _in_order(photos, sample)
    batch_size = min(batch_size, len(photos))  # of all photos, so that every shard computes alike
    k, n = shard
    photos = photos.subset(range(k * len(photos) // n, (k + 1) * len(photos) // n))
    part = _part(out, k, n)
    done = _lines_done(part, photos)
    rest = photos[done:]
    masks = predict(model, rest, size, batch_size, cached=False, flip=flip, workers=workers, fill=True)
    make_folder(part.parent)
    with watch_workers(workers), writing(part), part.open("a", encoding="ascii", newline="\n") as file:
        for photo, mask in zip(rest, bar(masks, total=len(rest), desc="writing", unit="photo"), strict=True):
            file.write(submission_line(photo.name, mask) + "\n")
    return part if n > 1 else merge(out, n)


def merge(out: str | Path, shards: int) -> Path:
    """Join the parts that `submit` wrote into the submission; they are removed when it is whole.

    Raises: CarvanaError if a part is missing.
    """
    out = Path(out)
    parts = [_part(out, k, shards) for k in range(shards)]
    if missing := [p.name for p in parts if not p.exists()]:
        raise CarvanaError(f"Parts are missing: {', '.join(missing)}; run their shards first.")
    opener = gzip.open if out.suffix == ".gz" else open
    with replacing(out) as temporary, opener(temporary, "wb") as file:
        file.write(f"{HEADER}\n".encode())
        for part in parts:
            with part.open("rb") as lines:
                shutil.copyfileobj(lines, file)
    for part in parts:
        part.unlink()
    return out


def predict_folder(
    model: nn.Module | Sequence[nn.Module],
    folder: str | Path,
    out: str | Path,
    size: int | tuple[int, int],
    batch_size: int = 16,
    cut_outs: bool = False,
    flip: bool = False,
) -> int:
    """Write a mask for every photo of a folder, whatever the photos are called: ``NAME_mask.png``, 0 and 255.

    A photo that EXIF wants turned is turned first: its mask fits what a viewer shows.

    Args:
        model, size, batch_size, flip: as `carvana_lessons.evaluate.evaluate`.
        folder: JPEG or PNG files.  out: where to write; photos are never changed.
        cut_outs: write ``NAME_cut_out.png`` too: the photo with a transparent background, soft at the edge.
    Returns: the number of photos.
    Raises: DataError if there is no photo, one that cannot be decoded, or two that differ in their ending
        or in upper and lower case alone.
    Lesson: 09.
    """
    folder, out = Path(folder), Path(out)
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in PHOTOS and not p.name.startswith("._"))
    if not files:
        raise DataError(f"There is no .jpg or .png in {folder}; name the folder that holds the photos.")
    for one, other in pairwise(sorted(files, key=lambda p: p.stem.casefold())):
        if one.stem.casefold() == other.stem.casefold():  # most disks of Windows and Macs do not tell them apart
            raise DataError(f"{one.name} and {other.name} would share one mask; rename one of the two.")
    side = as_size(size)
    if batch_size < 1:
        raise CarvanaError(f"A batch is 1 photo or more, not {batch_size}.")
    make_folder(out)
    batch_size = min(batch_size, len(files))
    with bar(total=len(files), desc="predicting", unit="photo") as progress:
        for batch, x in ahead(_batches(files, side, batch_size)):
            for file, logit in zip(batch, car_logits(model, filled(x, batch_size), flip), strict=False):
                _write_mask(file, out, logit[None], cut_outs)
                progress.update()
    return len(files)


def _batches(files: list[Path], size: tuple[int, int], batch_size: int) -> Iterator[tuple[list[Path], Tensor]]:
    """Files, and their photos as a network takes them, upright."""
    for first in range(0, len(files), batch_size):
        batch = files[first : first + batch_size]
        pixels = np.stack([read_resized(file, size, upright=True) for file in batch])
        yield batch, floats(torch.from_numpy(pixels).permute(0, 3, 1, 2))


def _write_mask(file: Path, out: Path, logit: Tensor, cut_outs: bool) -> None:
    """One photo's files, from its logits (1, 1, h, w)."""
    full = enlarge(logit, read_size(file))[0, 0].cpu()
    _write(out / f"{file.stem}_mask.png", (full > 0).numpy().astype(np.uint8) * 255)
    if cut_outs:
        _write(out / f"{file.stem}_cut_out.png", transparent(read_photo(file, upright=True), feather(full)))


def _write(path: Path, pixels: np.ndarray) -> None:
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def _part(out: Path, k: int, n: int) -> Path:
    return out.with_name(f"{out.name}.{k + 1}-of-{n}.part")


def _names(sample: str | Path) -> Iterator[str]:
    try:
        for chunk in pd.read_csv(sample, usecols=["img"], dtype=str, chunksize=10_000):
            yield from (name.removesuffix(".jpg") for name in chunk["img"])
    except (ValueError, OSError) as error:
        raise DataError(f"{sample} is no sample submission with a column img ({error}); fetch it again.") from error


def _in_order(photos: CarFolder, sample: str | Path) -> CarFolder:
    """The photos that the sample names, in its order."""
    row = {photo.name: k for k, photo in enumerate(photos)}
    names = list(_names(sample))
    if missing := [name for name in names if name not in row]:
        raise DataError(
            f"{sample} asks for {len(missing):,} photos that are not in {photos.root}, {missing[0]}.jpg for one; "
            f"fetch the challenge's test photos."
        )
    return photos.subset([row[name] for name in names])


def _lines_done(part: Path, photos: CarFolder) -> int:
    """Whole lines that a killed run left, after the last half one was cut off."""
    if not part.exists():
        return 0
    done, end = 0, 0
    with part.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            if done >= len(photos) or line.split(b",")[0].decode() != f"{photos[done].name}.jpg":
                raise CarvanaError(f"{part} was begun for other photos; remove it, or choose another name.")
            done, end = done + 1, end + len(line)
    with part.open("rb+") as file:
        file.truncate(end)
    return done
