"""Cut-outs of many photos, as files; the command `cut-out` in Python.

Lesson:
    cut-out.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from carvana_lessons.data import read_photo
from carvana_lessons.prediction.backdrop import Background, find_background
from carvana_lessons.prediction.background_removal import from_logits
from carvana_lessons.prediction.crop import check_margin
from carvana_lessons.prediction.cutout import RADIUS, WHITE, photo_logits
from carvana_lessons.prediction.image_files import (
    PhotoErrors,
    content,
    find_photos,
    missing_outputs,
    refuse_equal_names,
    save,
)
from carvana_lessons.prediction.inference import Ensemble, Size
from carvana_lessons.prediction.manifest import made_with
from carvana_lessons.prediction.refine import refined_logits
from carvana_lessons.utils.catalog import PICTURES, check_picture
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.files import make_folder
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.prefetch import prefetch
from carvana_lessons.utils.progress import bar


class CutOuts(NamedTuple):
    """What a call has done.

    Attributes:
        written: photos that got their cut-out now.
        kept: photos that had theirs already.
    """

    written: int
    kept: int


def cut_out_files(
    model: nn.Module | Sequence[nn.Module],
    photos: str | Path | Sequence[str | Path],
    out: str | Path,
    size: Size = None,
    *,
    radius: float = RADIUS,
    refined: bool = True,
    tidied: bool = True,
    background: str | Background | None = None,
    shadow: bool = False,
    margin: float | None = None,
    picture: str = "png",
    precision: str | None = None,
    overwrite: bool = False,
) -> CutOuts:
    """Write ``NAME_cut_out.png`` for every photo, for any file names.

    The EXIF orientation is applied first, and what is transparent in a photo is white. Each file has a note of the
    settings, so a second call skips the photos that have their cut-out, and cut-outs of two kinds are not mixed.

    Args:
        model: as `carvana_lessons.prediction.cut_out`.
        photos: image files, a folder of them, or several of either.
        out: a folder; photos are never changed.
        size: as `carvana_lessons.prediction.cut_out`.
        radius: as `carvana_lessons.prediction.cut_out`.
        refined: as `carvana_lessons.prediction.cut_out`.
        tidied: as `carvana_lessons.prediction.cut_out`.
        background: as `carvana_lessons.prediction.cut_out`, or as
            `carvana_lessons.utils.catalog.check_background` takes it: "white", "hall.jpg", "blur".
        shadow: as `carvana_lessons.prediction.cut_out`.
        margin: as `carvana_lessons.prediction.cut_out`.
        picture: the format, "png", "webp" or "jpeg".
        precision: as `carvana_lessons.prediction.cut_out`.
        overwrite: replace cut-outs that other networks, other settings or another photo of that name made.

    Returns:
        how many were written, and how many were there.

    Raises:
        DataError: if there is no photo, or two that differ in their ending or in upper and lower case alone; at the
            end, when all others are written, for those that cannot be decoded or in which no car is found.
        ExistsError: for cut-outs of another kind.
        ArgumentError: for a background, a format or a margin that is none.
        CarvanaError: where nothing says the size, or if another process writes ``out``.

    Warns:
        UserWarning: of photos in formats that are not read, of cut-outs among the photos, and where a JPEG gets a white
            background because it has no transparency.

    Lesson:
        cut-out.
    """
    ending = f"_cut_out{PICTURES[check_picture(picture)]}"
    behind = find_background(background) if isinstance(background, str) else background
    check_margin(margin)
    Ensemble(model, size)  # says what it lacks, before a photo is read
    found, out = find_photos(photos), expand(out)
    files = found.photos
    refuse_equal_names(files, "cut-out")
    note = made_with(model, size, flip=False, precision=precision) | {
        "edge": f"{'refined' if refined else 'not refined'}, {radius:g} px",
        "specks": "removed" if tidied else "kept",
        "background": _told(behind),
        "shadow": shadow,
        "crop": "none" if margin is None else f"{margin:g} %",
    }
    if found.left_out:
        warnings.warn(found.left_out, UserWarning, stacklevel=2)
    if behind is None and picture == "jpeg":
        behind, note["background"] = WHITE, _told(WHITE)
        warnings.warn(
            "A JPEG has no transparency, so the background is white; --background names another, and --format png or "
            "webp keeps it transparent.",
            UserWarning,
            stacklevel=2,
        )
    look = refined_logits if refined else photo_logits
    with owned(out):
        errors = PhotoErrors()
        todo = missing_outputs(files, out, note, (ending,), overwrite, errors)
        kept, written = len(files) - len(todo) - len(errors.messages), 0
        make_folder(out)
        with bar(total=len(todo), desc="cutting out", unit="photo") as progress:
            for file, digest, photo in prefetch(_pixels(todo, errors)):
                with errors.collect(file):
                    if photo is not None:
                        logits = look(model, photo, size, precision=precision)
                        if not (logits > 0).any():
                            raise DataError(f"{file} shows no car, as far as the network can see; leave it out.")
                        cut = from_logits(
                            photo, logits, radius, tidied=tidied, background=behind, shadow=shadow, margin=margin
                        )
                        save(out / f"{file.stem}{ending}", cut, note | {"photo": digest})
                        written += 1
                progress.update()
    errors.raise_if_any(len(files), out, "cut-out")
    return CutOuts(written, kept)


def _pixels(files: list[Path], errors: PhotoErrors) -> Iterator[tuple[Path, str, np.ndarray | None]]:
    """Files, each with a digest of its content and its pixels, upright; None for what cannot be decoded."""
    for file in files:
        digest, photo = "", None
        with errors.collect(file):
            digest, photo = content(file), read_photo(file, upright=True)
        yield file, digest, photo


def _told(background: Background | None) -> str:
    """A background in words, for the note: a picture by a hash of its pixels."""
    if background is None:
        return "transparent"
    if isinstance(background, np.ndarray):
        digest = hashlib.blake2b(np.ascontiguousarray(background), digest_size=8).hexdigest()
        return f"picture {digest}"
    return background if isinstance(background, str) else "#{:02x}{:02x}{:02x}".format(*background)
