"""Pseudo-labels: unlabelled photos get the masks that a network predicts, as files in Kaggle's layout."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from carvana_lessons.data import CarFolder, Photo
from carvana_lessons.prediction.inference import Size, predict
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.progress import bar


def pseudo_label(
    model: nn.Module | Sequence[nn.Module],
    labelled: CarFolder,
    unlabelled: CarFolder,
    out: str | Path,
    size: Size = None,
    flip: bool = False,
) -> CarFolder:
    """Write a folder of both: labelled photos with their own masks, the others with predicted ones.

    Photos are linked, not copied, where the disk allows it. Masks that ``unlabelled`` may have are never read.

    Args:
        model: as `carvana_lessons.evaluation.scoring.evaluate`.
        labelled: photos with masks.
        unlabelled: other photos, with or without masks.
        out: a new folder; it appears when it is complete.
        size: as `carvana_lessons.evaluation.scoring.evaluate`.
        flip: as `carvana_lessons.evaluation.scoring.evaluate`.

    Returns:
        the folder, opened.

    Raises:
        DataError: if ``out`` exists, a folder is not in Kaggle's layout, a photo is in both, ``labelled`` has no masks,
            or ``unlabelled`` no photos.
        CarvanaError: if another process is filling it.

    Source:
        Lee 2013, "Pseudo-label"; used by the 4th place of the challenge.

    Lesson:
        10.
    """
    if len(labelled):
        labelled.require("Pseudo-labelling")
    unlabelled.require("Pseudo-labelling", masks=False)
    for photos in (labelled, unlabelled):
        if photos.unit != "car" or any(photo.rule is not None for photo in photos[:1]):
            raise DataError(
                f"Pseudo-labels are written in Kaggle's layout, and {photos.root} is not in it: name its photos so, "
                "<12 hex digits>_<01 to 16>.jpg, with masks of two values."
            )
    out = expand(out)
    if out.exists():
        raise DataError(f"{out} exists already; name a new folder for the pseudo-labels, or remove that one first.")
    if twice := {photo.name for photo in labelled} & {photo.name for photo in unlabelled}:
        raise DataError(f"{min(twice)} is both labelled and unlabelled; split the photos first.")
    with owned(out), building(out) as folder:
        (folder / "train").mkdir()
        (folder / "train_masks").mkdir()
        for photo in labelled:
            _link(photo.image, folder / "train")
            _link(photo.mask, folder / "train_masks")
        masks = predict(model, unlabelled, size, flip=flip)
        for photo, mask in zip(unlabelled, bar(masks, total=len(unlabelled), desc="labelling"), strict=True):
            _link(photo.image, folder / "train")
            _save(mask, photo, folder / "train_masks")
        metadata = labelled.root / "metadata.csv"
        if metadata.is_file():
            shutil.copy(metadata, folder)
    return CarFolder(out)


def _save(mask: np.ndarray, photo: Photo, folder: Path) -> None:
    Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{photo.name}_mask.png")


def _link(file: Path, folder: Path) -> None:
    """A second name for the same bytes; a copy on another disk."""
    try:
        os.link(file.resolve(), folder / file.name)
    except OSError:
        shutil.copy(file, folder / file.name)
