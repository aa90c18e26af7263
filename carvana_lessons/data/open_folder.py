"""Open any folder of photos and masks, Kaggle's layout or another one."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.formats import CURES
from carvana_lessons.data.layout import PHOTO, Index, fingerprint, header, listed
from carvana_lessons.data.mask_rule import Color, MaskRule, mask_rule
from carvana_lessons.data.pairs import FoundPairs, find_pairs
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.paths import existing_folder, expand
from carvana_lessons.utils.wording import counted


def open_folder(
    root: str | Path,
    masks: str | Path | None = None,
    group: str | None = None,
    car: int | str | Iterable[int | str | Color] | None = None,
    soft: bool = False,
) -> CarFolder:
    r"""Open a folder of photos and masks: Kaggle's layout where it is one, else pairs by their names.

    Nothing is ever written into the folder.

    Args:
        root: the folder of the photos, or of photos and masks.
        masks: the folder of the masks, within ``root`` or anywhere; None: as `find_pairs`.
        group: a regular expression with one bracket, around what a photo's name says that it belongs to: a car, a
            patient, a scene, ``(.+)_\d+``. A split never divides such a group.
        car: the values of the masks that are car, or their colours: 1, "1,3", "#ff0000"; None: the brighter of two.
        soft: cut masks with soft edges at one half.

    Returns:
        the folder.

    Raises:
        ArgumentError: for a group or values that are none.
        DataError: if there are no pairs, a photo has several masks, sizes differ, a file is cut off, …

    Warns:
        UserWarning: of photos and masks that are left out, and where no group is known.

    Lesson:
        01.
    """
    rule = mask_rule(car, soft)
    place = existing_folder(root)
    if group is None and _is_kaggle(place, masks):
        return CarFolder(place, masks="train_masks" if masks is None else str(masks), rule=rule)
    mask_place = None if masks is None else _mask_folder(place, masks)
    found = find_pairs(place, mask_place, group)
    notes = _notes(place, found, group)
    index = _index(place, mask_place or place, found, rule, notes)
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    return CarFolder.from_index(place, index)


def _is_kaggle(root: Path, masks: str | Path | None) -> bool:
    """Whether a folder is in Kaggle's layout, whatever may be wrong with it."""
    if masks is not None and (expand(masks).is_absolute() or not (root / masks).is_dir()):
        return False
    return any(
        PHOTO.fullmatch(entry.name.lower())
        for images in ("train", "train_images")
        if (root / images).is_dir()
        for entry in os.scandir(root / images)
    )


def _mask_folder(root: Path, masks: str | Path) -> Path:
    inside = root / expand(masks)
    return inside if inside.is_dir() else existing_folder(masks)


def _notes(root: Path, found: FoundPairs, group: str | None) -> list[str]:
    """What is left out, and what is to be known of a split.

    Raises:
        DataError: if there is no pair, or a photo has several masks.
    """
    if found.ambiguous:
        photo, masks = found.ambiguous[0]
        more = f" ({len(found.ambiguous):,} photos are so)" if len(found.ambiguous) > 1 else ""
        raise DataError(
            f"{photo} has several masks, {listed([str(mask) for mask in masks])}{more}: name the folder of the right "
            "ones with --masks (masks= in Python), or move the others elsewhere."
        )
    skipped = [
        f"{counted(len(paths), 'file')} of {reason} ({listed([path.name for path in paths])}; {CURES[reason]})"
        for reason, paths in found.skipped.items()
        if reason in CURES
    ]
    if not found.pairs:
        photos, masks = counted(len(found.without_mask), "photo"), counted(len(found.without_photo), "mask")
        there = f"{photos} and {masks}" if found.without_mask or found.without_photo else "no picture"
        beside = f", beside {skipped[0]}" if skipped else ""
        raise DataError(
            f"{root} holds {there} and no mask that belongs to a photo{beside}: a mask has its photo's name "
            "(photos/1.jpg with masks/1.png, or 1.jpg with 1_mask.png)."
        )
    notes = []
    total = len(found.pairs) + len(found.without_mask)
    if found.without_mask:
        names = listed([path.name for path in found.without_mask], total)
        notes.append(f"Photos without a mask are left out: {names}.")
    if found.without_photo:
        names = listed([path.name for path in found.without_photo])
        notes.append(f"Masks without a photo are left out: {names}.")
    notes += [f"Left out: {some}." for some in skipped]
    if not found.grouped and group is None:
        notes.append(
            "No group is named, so a split takes every photo for itself: photos of one car, or of one scene, would lie "
            r"in several parts, and scores would be too good; name what must stay together, --group '(.+)_\d+' for "
            "example (group= in Python), if the names say it."
        )
    return notes


def _index(images: Path, masks: Path, found: FoundPairs, rule: MaskRule | None, notes: list[str]) -> Index:
    """The index of pairs; what can be checked without decoding is.

    Raises:
        DataError: for files that are cut off, and masks of another size than their photo's.
    """
    pairs = found.pairs
    views, counts = np.zeros(len(pairs), dtype=np.int32), Counter[str]()
    sizes = np.zeros((len(pairs), 2), dtype=np.int32)
    broken, unequal = [], []
    for i, pair in enumerate(pairs):
        counts[pair.group] += 1
        views[i] = counts[pair.group]
        photo, mask = header(pair.image), header(pair.mask)
        broken += [str(path) for path, size in ((pair.image, photo), (pair.mask, mask)) if size is None]
        if photo is None or mask is None:
            continue
        sizes[i] = photo
        if photo != mask:
            unequal.append(f"{pair.mask} ({mask[0]}×{mask[1]}, its photo {photo[0]}×{photo[1]})")
    faults = [f"Cut off or not an image: {listed(broken)}. Copy or download again."] if broken else []
    if unequal:
        faults.append(f"The mask has another size than its photo: {listed(unequal)}. Put the original mask back.")
    if faults:
        raise DataError("\n".join(faults))
    image_files = [pair.image.relative_to(images).as_posix() for pair in pairs]
    mask_files = [pair.mask.relative_to(masks).as_posix() for pair in pairs]
    files = [(f"{a}|{b}", path.stat()) for pair, a, b in zip(pairs, image_files, mask_files, strict=True)
             for path in (pair.image, pair.mask)]  # fmt: skip
    return Index(
        images=images,
        masks=masks,
        names=[pair.name for pair in pairs],
        cars=np.array([pair.group for pair in pairs]),
        views=views,
        image_files=image_files,
        mask_files=mask_files,
        sizes=sizes,
        fingerprint=fingerprint(files, rule),
        unit="group" if found.grouped else "photo",
        rule=rule,
    )
