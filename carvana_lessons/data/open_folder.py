"""Open any folder of photos and masks, Kaggle's layout or another one.

Lesson:
    11.
"""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from carvana_lessons.data.decode import UNREADABLE, decode, is_rotated_90
from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.formats import CURES
from carvana_lessons.data.images import read_mask
from carvana_lessons.data.layout import MASK, PHOTO, Index, fingerprint, header, listed, oriented_header, size_faults
from carvana_lessons.data.mask_rule import Color, MaskRule, mask_rule
from carvana_lessons.data.mask_values import in_words, values_of
from carvana_lessons.data.masks import FULL, car_value, load_mask
from carvana_lessons.data.pairs import FoundPairs, find_pairs
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.paths import existing_folder, expand
from carvana_lessons.utils.progress import bar
from carvana_lessons.utils.wording import counted

MANY = 10_000  # pairs: the headers of fewer are read in a second or two
LOOKS = 12  # masks of a folder that are compared with each other


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
        UserWarning: of photos and masks that are left out, where no group is known, where EXIF leaves it open how a
            photo lies, and where the masks seem to be of several classes.

    Lesson:
        11.
    """
    rule = mask_rule(car, soft)
    place = existing_folder(root)
    notes: list[str] = []
    mask_place = mask_folder(place, masks)
    if group is None and is_kaggle(place, mask_place):
        cars = CarFolder(place, masks="train_masks" if mask_place is None else str(mask_place), rule=rule)
    else:
        found = find_pairs(place, mask_place, group)
        notes += _notes(place, found)
        cars = CarFolder.from_index(place, _index(place, mask_place or place, found, rule, notes))
        notes += _notes_of_classes(cars) if rule is None else []
    if rule is not None:
        _check_rule(cars, rule)
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    return cars


def as_folder(folder: str | Path | CarFolder) -> CarFolder:
    """A folder that somebody named or has opened.

    Args:
        folder: a path, which is opened as by `open_folder`, or an open folder.

    Returns:
        the open folder.
    """
    return folder if isinstance(folder, CarFolder) else open_folder(folder)


def is_kaggle(root: Path, masks: Path | None) -> bool:
    """Whether a folder is in Kaggle's layout, whatever may be wrong with it.

    Args:
        root: the folder.
        masks: of `mask_folder`.

    Returns:
        True for ``train/`` or ``train_images/`` with photos named as Kaggle's, and masks that are too.
    """
    folders = [root / "train", root / "train_images"]
    return _has(folders, PHOTO) and (masks is None or _has([masks], MASK))


def _has(folders: list[Path], names: re.Pattern[str]) -> bool:
    """Whether one of these folders holds a name of that kind."""
    return any(
        names.fullmatch(entry.name.lower()) for folder in folders if folder.is_dir() for entry in folder.iterdir()
    )


def mask_folder(root: Path, masks: str | Path | None) -> Path | None:
    """The folder of the masks that somebody named.

    Args:
        root: the folder of the photos.
        masks: within it, or anywhere; None where none is named.

    Returns:
        the path; None where none is named, or the photos' own.

    Raises:
        DataError: if it is in neither place.
    """
    if masks is None:
        return None
    inside = root / expand(masks)
    place = inside if inside.is_dir() else existing_folder(masks)
    return None if os.path.realpath(place) == os.path.realpath(root) else place


def _notes(root: Path, found: FoundPairs) -> list[str]:
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
        f"{counted(len(paths), 'file')} of {reason}, {listed([path.name for path in paths])} ({CURES[reason]})"
        for reason, paths in found.skipped.items()
        if reason in CURES
    ]
    if not found.pairs:
        if any(names.fullmatch(path.name.lower()) for path in (*found.without_mask, *found.without_photo)
               for names in (PHOTO, MASK)):  # fmt: skip
            CarFolder(root)  # Kaggle's, and something is wrong with it
        photos, masks = counted(len(found.without_mask), "photo"), counted(len(found.without_photo), "mask")
        there = f"{photos} and {masks}" if found.without_mask or found.without_photo else "no picture"
        beside = f"; there {'is' if len(skipped) == 1 else 'are'} {' and '.join(skipped)}" if skipped else ""
        raise DataError(
            f"{root} holds {there}, and no mask that belongs to a photo: a mask has its photo's name, as in "
            f"photos/1.jpg with masks/1.png, or 1.jpg with 1_mask.png{beside}."
        )
    notes = []
    if found.without_mask:
        names = listed([path.name for path in found.without_mask], len(found.pairs) + len(found.without_mask))
        notes.append(f"Photos without a mask are left out: {names}.")
    if found.without_photo:
        names = listed([path.name for path in found.without_photo], len(found.pairs) + len(found.without_photo))
        notes.append(f"Masks without a photo are left out: {names}.")
    notes += [f"Left out: {some}." for some in skipped]
    if not found.grouped:
        notes.append(
            "No group is named, so a split takes every photo for itself: photos of one car, or of one scene, may lie "
            r"in several parts, and scores are then too good; name what must stay together, --group '(.+)_\d+' for "
            "example (group= in Python), where the names say it."
        )
    return notes


def _index(images: Path, masks: Path, found: FoundPairs, rule: MaskRule | None, notes: list[str]) -> Index:
    """The index of pairs; what can be checked without decoding is, and what was assumed goes to ``notes``.

    Raises:
        DataError: for files that are cut off, and masks of another size than their photo's.
    """
    pairs = found.pairs
    views, counts = np.zeros(len(pairs), dtype=np.int32), Counter[str]()
    sizes, upright = np.zeros((len(pairs), 2), dtype=np.int32), np.zeros(len(pairs), dtype=bool)
    broken, unequal, unclear, as_stored = [], [], [], 0
    for i, pair in enumerate(pairs if len(pairs) < MANY else bar(pairs, desc="checking photos", unit="photo")):
        counts[pair.group] += 1
        views[i] = counts[pair.group]
        photo, mask = oriented_header(pair.image), header(pair.mask)
        broken += [str(path) for path, told in ((pair.image, photo), (pair.mask, mask)) if told is None]
        if photo is None or mask is None:
            continue
        size, turn = photo
        sizes[i] = mask
        upright[i] = mask != size and mask == size[::-1] and decode(pair.image, is_rotated_90)
        if mask != size and not upright[i]:
            unequal.append((_within(pair.mask, masks), mask, size))
        elif turn > 1 and (turn < 5 or size == size[::-1]):
            unclear.append(i)
        elif turn > 1 and not upright[i]:
            as_stored += 1
    faults = [f"Cut off or not an image: {listed(broken)}. Copy or download again."] if broken else []
    if faults := faults + size_faults(unequal):
        raise DataError("\n".join(faults))
    if unclear:
        turned = bool(upright.any() and not as_stored)
        notes.append(_note_of_turns([pairs[i].name for i in unclear], len(pairs), turned))
        upright[unclear] = turned
    image_files = [_within(pair.image, images) for pair in pairs]
    mask_files = [_within(pair.mask, masks) for pair in pairs]
    files = [(name, pair.image.stat()) for name, pair in zip(image_files, pairs, strict=True)]
    files += [(name, pair.mask.stat()) for name, pair in zip(mask_files, pairs, strict=True)]
    return Index(
        images=images,
        masks=masks,
        names=[pair.name for pair in pairs],
        cars=np.array([pair.group for pair in pairs]),
        views=views,
        image_files=image_files,
        mask_files=mask_files,
        sizes=sizes,
        fingerprint=fingerprint(files, rule, np.flatnonzero(upright).tolist() or None),
        unit="group" if found.grouped else "photo",
        upright=upright if upright.any() else None,
        rule=rule,
    )


def _within(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _note_of_turns(names: list[str], total: int, turned: bool) -> str:
    return (
        "EXIF turns photos so that their size stays, and nothing says whether their masks were drawn on the turned "
        f"ones: {listed(names, total)}. They are read "
        f"{'turned, as the other turned photos here are' if turned else 'as they are stored'}; look at one with its "
        "mask, and save these photos again without EXIF if the two do not fit."
    )


def _notes_of_classes(cars: CarFolder) -> list[str]:
    """What to say if the value that is car is another one in every mask: of several classes, each mask has one."""
    found: dict[str, str] = {}
    for row in np.unique(np.linspace(0, len(cars) - 1, LOOKS).round().astype(int)):
        path = cars[int(row)].mask
        with suppress(DataError, *UNREADABLE):  # told when the mask is used
            if (value := decode(path, lambda image: car_value(load_mask(image)))) is not None:
                found.setdefault(value, path.name)
    if len(found) < 2 or found.keys() <= {str(value) for value in FULL}:
        return []
    some = ", ".join(f"{value} in {name}" for value, name in list(found.items())[:4])
    return [
        f"In every mask the brighter of two values is taken for car, and it is not always the same one: {some}. If "
        "they are classes, name those that are car with --car (car= in Python)."
    ]


def _check_rule(cars: CarFolder, rule: MaskRule) -> None:
    """Refuse a rule by which no mask has any car; of one that fits, the first mask mostly shows it.

    Raises:
        DataError: for such a rule, and for a mask to which it cannot be applied.
    """
    if any(read_mask(photo).any() for photo in cars):
        return
    held = in_words(decode(cars[0].mask, lambda image: values_of(load_mask(image))))
    what = "cut at one half" if rule.soft else f"where car is {', '.join(map(_as_typed, rule.car or ()))}"
    raise DataError(
        f"No mask of {cars.root} has any car, {what}: {cars[0].mask.name} holds {held}; name the values of the car "
        "with --car (car= in Python), or leave it to the brighter of two."
    )


def _as_typed(value: int | Color) -> str:
    return str(value) if isinstance(value, int) else "#{:02x}{:02x}{:02x}".format(*value)
