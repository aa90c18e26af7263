"""Kaggle's folder layout: check a folder, with a clear error for each way in which it differs.

``inspect`` reads names and headers only, no pixels: about 5,000 pairs take a few seconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from carvana_lessons.data.decode import UNREADABLE, decode, exif_orientation
from carvana_lessons.data.formats import LITTER, PICTURES
from carvana_lessons.data.images import unreadable
from carvana_lessons.data.mask_rule import MaskRule
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.paths import existing_folder
from carvana_lessons.utils.progress import bar

NAME = re.compile(r"[0-9a-f]{12}_(?:0[1-9]|1[0-6])")
PHOTO = re.compile(rf"(?P<name>{NAME.pattern})\.jpe?g")
MASK = re.compile(rf"(?P<name>{NAME.pattern})(?:_mask)?\.(?:gif|png)")  # a widely used copy has PNG masks
PICTURE = re.compile(rf"[^.].*(?:{'|'.join(map(re.escape, PICTURES))})")
AS_KAGGLE = "photos are named <12 hex digits>_<01 to 16>.jpg, as in 00087a6bd4dc_05.jpg"
ENDINGS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "GIF": b"\0;", "PNG": b"IEND\xaeB`\x82"}


@dataclass(frozen=True)
class Index:
    """The photos of a folder: one entry per photo, in the order of the names.

    Attributes:
        images: folder of the photos.
        masks: folder of the masks; None where none are wanted.
        names: of the photos, sorted, without ending.
        cars: the car of each photo, or whatever else its group is.
        views: number of each photo within its group, counted from 1.
        image_files: path of each photo within ``images``.
        mask_files: path of each mask within ``masks``.
        sizes: (width, height) of each photo, in pixels.
        fingerprint: hex digits that change when a file does.
        unit: what a group is, in a word: "car", "group" or "photo".
        upright: whether each photo is turned as its EXIF says; None where none is.
        rule: which values of a mask are car; None for the brighter of two.
    """

    images: Path
    masks: Path | None
    names: list[str]
    cars: np.ndarray  # (N,) str
    views: np.ndarray  # (N,) int32
    image_files: list[str]
    mask_files: list[str] | None
    sizes: np.ndarray  # (N, 2) int32: width, height
    fingerprint: str
    unit: str = "car"
    upright: np.ndarray | None = None  # (N,) bool
    rule: MaskRule | None = None


def inspect(root: Path, images: str, masks: str | None, rule: MaskRule | None = None) -> Index:
    """Find the pairs of a folder and check all that can be checked without decoding pixels.

    Args:
        root: the data set's folder.
        images: name of the folder of photos in it.
        masks: name of the folder of masks in it; None where none are wanted.
        rule: which values of a mask are car; None for the brighter of two.

    Returns:
        the index.

    Raises:
        DataError: with one line for every kind of fault that names the files and the cure.

    Warns:
        UserWarning: of stray files and of masks without a photo, which do no harm.
    """
    image_folder, mask_folder = _find(root, images, masks)
    faults: list[str] = []
    notes: list[str] = []
    photos = _scan(image_folder, PHOTO, faults, notes)
    if not photos and not faults:
        raise _no_photos(image_folder)
    pairs = None
    if mask_folder is not None:
        pairs = _scan(mask_folder, MASK, faults, notes)
        if missing := sorted(set(photos) - set(pairs)):
            faults.append(
                f"No mask in {mask_folder} for {listed(missing, len(photos))}: copy the masks again, remove these "
                "photos, or, in Python, open photos without masks with masks=None."
            )
        if orphans := sorted(set(pairs) - set(photos)):
            notes.append(
                f"No photo in {image_folder} for the masks of {listed(orphans, len(pairs))}: they are left out; copy "
                "the photos again if they should be there."
            )
    names = sorted(photos)
    sizes = np.zeros((len(names), 2), dtype=np.int32)
    broken, unequal = [], []
    steps = names if len(names) < 10_000 else bar(names, desc="checking photos", unit="photo")  # 0.1 ms each
    for i, name in enumerate(steps):
        files = [image_folder / photos[name].name]
        if pairs is not None and name in pairs:
            files.append(mask_folder / pairs[name].name)
        found = [header(file) for file in files]
        broken += [str(file) for file, size in zip(files, found, strict=True) if size is None]
        if found[0] is not None:
            sizes[i] = found[0]
        if len(set(found)) > 1 and None not in found:
            unequal.append((files[1].name, found[1], found[0]))
    if broken:
        faults.append(f"Cut off or not an image: {listed(broken)}. Copy or download again.")
    faults += size_faults(unequal)
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=3)  # 3: the line that opened the CarFolder
    if faults:
        raise DataError("\n".join(faults))
    entries = [files[name] for files in (photos, pairs) if files is not None for name in names]
    return Index(
        images=image_folder,
        masks=mask_folder,
        names=names,
        cars=np.array([name[:12] for name in names]),
        views=np.array([int(name[13:]) for name in names], dtype=np.int32),
        image_files=[photos[name].name for name in names],
        mask_files=None if pairs is None else [pairs[name].name for name in names],
        sizes=sizes,
        fingerprint=fingerprint(((entry.name, entry.stat()) for entry in entries), rule),
        rule=rule,
    )


def header(path: Path) -> tuple[int, int] | None:
    """(width, height) of an image file, or None if it is no image or is cut off.

    A whole file ends in its format's end mark, padding aside. Only one that does not is decoded, to be sure.

    Args:
        path: of the file.

    Returns:
        (width, height), in pixels as stored, or None.

    Raises:
        DataError: for a file that claims more pixels than any photo has, or that may not be read.
    """
    found = oriented_header(path, orientation=False)
    return None if found is None else found[0]


def oriented_header(path: Path, orientation: bool = True) -> tuple[tuple[int, int], int] | None:
    """As `header`, with the orientation that EXIF states.

    Args:
        path: of the file.
        orientation: whether to look for it.

    Returns:
        (width, height) in pixels as stored, and 1 to 8 as in EXIF; or None.

    Raises:
        DataError: as `header`.
    """
    try:
        with path.open("rb") as file:
            kind, size, turn = decode(
                file,
                lambda image: (
                    image.format or "",
                    image.size,
                    exif_orientation(image, whole=False) if orientation else 1,
                ),
            )
            file.seek(-min(1024, file.seek(0, os.SEEK_END)), os.SEEK_END)
            if not file.read().rstrip(b"\0\r\n \xff").endswith(ENDINGS.get(kind, b"")):
                decode(file, lambda image: image.load())
            return size, turn
    except DataError:
        raise
    except (Image.DecompressionBombError, PermissionError) as error:
        raise unreadable(path, error) from error
    except UNREADABLE:
        return None


def size_faults(unequal: Sequence[tuple[str, tuple[int, int], tuple[int, int]]]) -> list[str]:
    """What to say of masks that have another size than their photos: one sentence for each cure.

    Args:
        unequal: name and (width, height) of each mask, and (width, height) of its photo.

    Returns:
        one sentence for each kind; none where there is no such mask.
    """
    by_cure: dict[str, list[str]] = {}
    for name, (mw, mh), (w, h) in unequal:
        if (mw, mh) == (h, w):
            cure = ", or turn this one by 90 degrees, as it is turned against its photo"
        elif abs(mw - w) <= 1 and abs(mh - h) <= 1:
            cure = ", or crop or pad this one: it differs by a single row or column"
        elif abs(mw * h - mh * w) <= max(w, h):  # one factor, but for the rounding of a side
            cure = ", or resize this one, of the same shape: mask.resize(photo.size, Image.Resampling.NEAREST)"
        else:
            cure = ""
        by_cure.setdefault(cure, []).append(f"{name} ({mw}×{mh}, its photo {w}×{h})")
    return [
        f"The mask has another size than its photo: {listed(names)}. Put the original mask back{cure}."
        for cure, names in by_cure.items()
    ]


def listed(names: Sequence[str], total: int | None = None) -> str:
    """The first three names and how many more: ``a, b, c and 5 more (8 of 1,536)``.

    A name with unprintable characters is escaped, so that the sentence can be printed.

    Args:
        names: the names to list, at least one.
        total: how many there are in all; None leaves it out.

    Returns:
        words for a sentence.
    """
    text = ", ".join(name if name.isprintable() else ascii(name) for name in names[:3]) + (
        f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    )
    return f"{text} ({len(names):,} of {total:,})" if total is not None else text


def _find(root: Path, images: str, masks: str | None) -> tuple[Path, Path | None]:
    """The two folders; a sentence that says where they might be if they are not there."""
    existing_folder(root)
    if not (root / images).is_dir() and images == "train" and (root / "train_images").is_dir():
        images = "train_images"
    for wanted in (images, masks):
        if wanted is not None and not (root / wanted).is_dir():
            raise DataError(f"{root} holds no folder {wanted}/: {_elsewhere(root, wanted, images)}")
    return root / images, root / masks if masks is not None else None


def _elsewhere(root: Path, wanted: str, images: str) -> str:
    """What to do about a folder that is not there, from what is there instead."""
    places = {wanted, images, "train", "train_images"}
    if root.name in places | {"train_masks"} and any((root.parent / place).is_dir() for place in places):
        return f"it seems to be such a folder itself; give its parent, {root.parent}."
    folders = sorted(
        p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".") and p.name.lower() not in LITTER
    )
    if capitals := [p.name for p in folders if p.name.lower() == wanted]:
        return f"its name is written in small letters; rename {capitals[0]} to {wanted}."
    if below := [p for folder in folders for p in (folder, *_folders(folder)) if (p / wanted).is_dir()]:
        return f"but {below[0]} does; give that one."
    if wanted != images:
        if beside := _some(root / images, MASK):
            return f"the masks lie among the photos ({listed(beside)}); move them to {root / wanted}."
        return (
            "copy the masks there; in Python, masks=… names another folder of them, and masks=None opens photos alone."
        )
    if loose := _some(root, PHOTO):
        both = f", and the masks to {root / 'train_masks'}" if _some(root, MASK) else ""
        return f"photos lie in it themselves ({listed(loose)}); move them to {root / wanted}{both}."
    if loose := _some(root, PICTURE):
        return (
            f"pictures lie in it themselves ({listed(loose)}). A network's masks of any such folder are made by "
            f"`carvana-lessons predict`; {AS_KAGGLE}, and lie in {wanted}/."
        )
    others = [p.name for p in folders if not p.name.startswith(".")]
    if not others:
        return "it has no folders at all; copy the photos there, or make some with `carvana-lessons studio`."
    if set(others) <= {"train_masks"}:
        return f"it has masks alone; copy their photos to {root / wanted}."
    return (
        f'name it with images="…" (there is {listed(others)}), with --images where the command is `submit`, or rename '
        f"it to {wanted}; or make photos with `carvana-lessons studio`."
    )


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir())
    except OSError:  # not ours to look into
        return []


def _some(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """The names there that follow a pattern, in whatever letters."""
    return sorted(p.name for p in folder.iterdir() if pattern.fullmatch(p.name.lower()))


def _scan(folder: Path, pattern: re.Pattern[str], faults: list[str], notes: list[str]) -> dict[str, os.DirEntry[str]]:
    """The files of a folder by photo name; what is wrong with others goes to ``faults`` and ``notes``."""
    found: dict[str, os.DirEntry[str]] = {}
    strays, capitals, twice = [], [], []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            match = pattern.fullmatch(entry.name.lower())
            if match and _is_file(entry):
                if match["name"] in found:
                    twice.append(f"{found[match['name']].name} and {entry.name}")
                elif entry.name != entry.name.lower():
                    capitals.append(f"{entry.name} to {entry.name.lower()}")
                found[match["name"]] = entry
            elif entry.name.lower() not in LITTER and not entry.name.startswith("._"):
                strays.append(entry.name)
    if not found and folder.name in strays and (folder / folder.name).is_dir():
        raise DataError(
            f"{folder} holds another {folder.name}/ instead of files (unpacked twice): move what is in "
            f"{folder / folder.name} one folder up."
        )
    if capitals:
        faults.append(f"Names in {folder} are written in small letters; rename {listed(capitals)}.")
    if twice:
        faults.append(f"Two files in {folder} for one photo: {listed(twice)}. Keep one of the two.")
    if strays and found:
        notes.append(f"Left out of {folder}, not named like its other files: {listed(strays)}. Move them elsewhere.")
    return found


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _no_photos(folder: Path) -> DataError:
    some = sorted(p.name for p in folder.iterdir() if p.name.lower() not in LITTER)
    if not some:
        return DataError(f"{folder} holds nothing: {AS_KAGGLE}; copy them there, or make some with `carvana-lessons "
                         "studio`.")  # fmt: skip
    for below in _folders(folder):
        if inside := _some(below, PHOTO):
            return DataError(f"{folder} holds no photos itself, {below} does ({listed(inside)}): move them one folder "
                             "up.")  # fmt: skip
    return DataError(
        f"{folder} holds only other files ({listed(some)}): {AS_KAGGLE}; rename them, copy the right ones there, or "
        "make some with `carvana-lessons studio`."
    )


def fingerprint(files: Iterable[tuple[str, os.stat_result]], *told: object) -> str:
    """A hash of the names, sizes and times of files, and of what else decides what is read from them.

    Args:
        files: name and state of each.
        told: what is not None changes it.

    Returns:
        16 hex digits.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name, stat in files:
        digest.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    for value in told:
        if value is not None:
            digest.update(f"{value}\n".encode())
    return digest.hexdigest()
