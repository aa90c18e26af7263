"""Photos and their masks in any folder, found by their names.

A mask has its photo's name, with a word beside it (``IMG_001_mask``, ``label-IMG_001``), another ending
(``IMG_001.png``, ``IMG_001.jpg.png``), or in a folder of masks with the same sub-folders (``masks/a/1.tif`` of
``images/a/1.jpg``). No file is opened but where two of one name could both be the photo.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from carvana_lessons.data.decode import UNREADABLE, decode
from carvana_lessons.data.formats import HIDDEN, OTHER_MASK, PICTURES, is_lossy, skip_reason
from carvana_lessons.utils.errors import ArgumentError, DataError
from carvana_lessons.utils.paths import existing_folder

MASK_WORDS = {
    *("mask", "masks", "label", "labels", "seg", "segs", "segmentation", "segmentations", "segmentationclass"),
    *("gt", "gts", "groundtruth", "annotation", "annotations", "annot", "ann", "anns", "matte", "mattes", "alpha"),
    *("silhouette", "silhouettes", "binary"),
}
PHOTO_WORDS = {
    *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "pic", "pics", "rgb", "jpegimages"),
    *("original", "originals", "input", "inputs", "jpg", "jpgs", "jpeg", "jpegs"),
}
BETWEEN = re.compile(r"[-_. ]+")  # words of a name
KAGGLE = re.compile(r"(?:.*/)?([0-9a-f]{12})_(?:0[1-9]|1[0-6])")  # a car and its view, wherever the photos lie
FEW_COLORS = 8  # a mask has two, or some classes; the corner of a photo has more


@dataclass(frozen=True)
class Pair:
    """A photo and its mask.

    Attributes:
        name: the photo's path within its folder without its ending, "/" between folders; no two are alike.
        image: the photo's file.
        mask: the mask's file.
        group: what must not be divided by a split: a car, a patient, a scene; the name itself where none is known.

    Lesson:
        11.
    """

    name: str
    image: Path
    mask: Path
    group: str


@dataclass(frozen=True)
class FoundPairs:
    """What `find_pairs` found, by what it is.

    Attributes:
        pairs: photos with their masks, in the order of their names.
        without_mask: photos that have none.
        without_photo: masks that have none.
        ambiguous: photos with several files that could be their mask, and these.
        skipped: files that are no pictures to read, by the reason.
        grouped: whether the groups are more than single photos: a pattern was given, or names are Kaggle's.

    Lesson:
        11.
    """

    pairs: list[Pair]
    without_mask: list[Path]
    without_photo: list[Path]
    ambiguous: list[tuple[Path, list[Path]]]
    skipped: dict[str, list[Path]] = field(default_factory=dict)
    grouped: bool = False


def find_pairs(photos: str | Path, masks: str | Path | None = None, group: str | None = None) -> FoundPairs:
    r"""Find photos and their masks by their names, in a folder and what is below it.

    Args:
        photos: the folder of the photos, or of both.
        masks: the folder of the masks; None where they lie in ``photos``: beside their photos, or in folders whose
            name says so (masks, labels, train_masks, …).
        group: a regular expression with one bracket, searched in each name: the bracket is what the photo belongs to,
            ``(.+)_\d+`` for the views of a car. None: every photo is its own group, but for names as Kaggle's, where
            the car is.

    Returns:
        the pairs, and everything that was not paired.

    Raises:
        ArgumentError: for a pattern that is none, or has not one bracket.
        DataError: if a folder is not there, or a name does not follow the pattern.

    Lesson:
        11.
    """
    pattern = None if group is None else _pattern(group)
    root = existing_folder(photos)
    mask_root = None if masks is None else existing_folder(masks)
    if mask_root is not None and os.path.realpath(mask_root) == os.path.realpath(root):
        mask_root = None
    skipped: dict[str, list[Path]] = defaultdict(list)
    files = list(_walk(root, skipped, leave=mask_root))
    photo_files, mask_files = _told_apart(files)
    if mask_root is not None:
        if photo_files and mask_files:
            skipped[OTHER_MASK] += [file.path for file in mask_files]
        photo_files, mask_files = photo_files or files, list(_walk(mask_root, skipped, leave=root))
    found = _match(photo_files, mask_files)
    if mask_root is None:
        _match_leftovers(found, photo_files, mask_files)
    names = _names(photo_files)
    pairs = [(names[photo], photo, found[photo][0]) for photo in photo_files if len(found.get(photo, ())) == 1]
    groups, grouped = _groups([name for name, _, _ in pairs], [photo for _, photo, _ in pairs], pattern, group)
    used = {mask for candidates in found.values() for mask in candidates}
    return FoundPairs(
        pairs=sorted(
            (Pair(name, p.path, m.path, g) for (name, p, m), g in zip(pairs, groups, strict=True)),
            key=lambda pair: pair.name,
        ),
        without_mask=sorted(photo.path for photo in photo_files if not found.get(photo)),
        without_photo=sorted(mask.path for mask in mask_files if mask not in used),
        ambiguous=sorted((p.path, sorted(m.path for m in masks)) for p, masks in found.items() if len(masks) > 1),
        skipped={reason: sorted(paths) for reason, paths in sorted(skipped.items())},
        grouped=grouped,
    )


@dataclass(frozen=True)
class _File:
    """A picture, and the keys by which it may be found; a key is (folders, name), of one writing of every letter."""

    path: Path
    inner: PurePosixPath  # path within its folder of photos or masks

    @cached_property
    def stem(self) -> str:
        """The name without its ending, and without that of the photo in ``IMG_001.jpg.png``."""
        stem = self.inner.stem
        return stem[: -len(inner)] if (inner := PurePosixPath(stem).suffix) and inner.lower() in PICTURES else stem

    @cached_property
    def folders(self) -> str:
        """The folders, less the words that only say what lies in them."""
        kept = (_less_words(part, MASK_WORDS | PHOTO_WORDS) for part in self.inner.parts[:-1])
        return "/".join(part for part in kept if part)

    @cached_property
    def exact(self) -> tuple[str, str]:
        return _plain(self.folders), _plain(self.stem)

    @cached_property
    def less_mask_words(self) -> tuple[str, str]:
        return _plain(self.folders), _plain(_less_words(self.stem, MASK_WORDS, outer=True) or self.stem)

    @cached_property
    def less_words(self) -> tuple[str, str]:
        return _plain(self.folders), _plain(_less_words(self.stem, MASK_WORDS | PHOTO_WORDS, outer=True) or self.stem)

    @property
    def in_masks(self) -> bool:
        """Whether one of its folders is named as one of masks."""
        return any(MASK_WORDS & set(BETWEEN.split(part.lower())) for part in self.inner.parts[:-1])

    @property
    def named_mask(self) -> bool:
        return self.less_mask_words != self.exact


_Found = dict[_File, list[_File]]


def _pattern(group: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise ArgumentError(rf"The group {group!r} is no regular expression ({error}); write (.+)_\d+ for example, "
                            "where the bracket is what a photo belongs to.") from error  # fmt: skip
    if pattern.groups != 1:
        raise ArgumentError(
            rf"The group {group!r} has {pattern.groups} brackets and needs one, around what a photo belongs to: "
            r"(.+)_\d+ for example; a bracket that is not meant begins with (?:"
        )
    return pattern


def _walk(root: Path, skipped: dict[str, list[Path]], leave: Path | None) -> Iterator[_File]:
    """The pictures of a folder and all below it, in the order of their names; ``leave`` is a folder of others."""
    left = None if leave is None else os.path.realpath(leave)
    seen = set()

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}): copy it to a folder of your own.")

    for folder, below, names in os.walk(root, onerror=refuse, followlinks=True):
        here = os.path.realpath(folder)
        if here in seen or (here == left and here != os.path.realpath(root)):  # a link in a circle, or the masks
            below.clear()
            continue
        seen.add(here)
        for name in list(below):
            if (reason := skip_reason(name)) == HIDDEN or name.lower() == "__macosx":
                skipped[reason].append(Path(folder, name))
                below.remove(name)
        below.sort()
        for name in sorted(names):
            path = Path(folder, name)
            reason = skip_reason(path)
            if reason is None:
                yield _File(path, PurePosixPath(path.relative_to(root).as_posix()))
            else:
                skipped[reason].append(path)


def _told_apart(files: list[_File]) -> tuple[list[_File], list[_File]]:
    """Photos and masks that lie in one folder."""
    masks = [file for file in files if file.in_masks]
    others = [file for file in files if not file.in_masks]
    there = Counter(file.exact for file in others)
    photos: dict[tuple[str, str], list[_File]] = defaultdict(list)
    for file in others:
        own = file.less_mask_words
        of_another = file.named_mask and (there[own] or (not is_lossy(file.path)))
        (masks if of_another else photos[file.exact]).append(file)
    left = []
    for twins in photos.values():
        shots = [file for file in twins if not _is_mask_of(file, twins)]
        left += shots
        masks += [file for file in twins if file not in shots]
    return left, masks


def _is_mask_of(file: _File, twins: list[_File]) -> bool:
    """Whether of several pictures of one name this one is the mask, not the photo."""
    others = [other for other in twins if other is not file]
    if not others:
        return False
    if PurePosixPath(file.inner.stem).suffix.lower() in PICTURES:  # IMG_001.jpg.png beside IMG_001.jpg
        return any(other.inner.name == file.inner.stem for other in others)
    if is_lossy(file.path) != is_lossy(others[0].path):
        return not is_lossy(file.path)
    looks = {other: _looks_like_mask(other.path) for other in twins}
    return looks[file] and not all(looks.values())


def _looks_like_mask(path: Path) -> bool:
    """Whether a picture has few colours."""
    try:
        return decode(path, lambda image: image.convert("RGB").getcolors(FEW_COLORS) is not None)
    except UNREADABLE:  # told when the folder is opened
        return False


def _match(photos: list[_File], masks: list[_File]) -> _Found:
    """The files that may be the mask of each photo; of one that is certain, one."""
    of = _by(photos, "exact")
    found: _Found = defaultdict(list)
    open_masks = []
    for mask in masks:
        owners = _own(of.get(mask.exact, ()), mask)
        for photo in owners:
            found[photo].append(mask)
        if not owners:
            open_masks.append(mask)
    rest = []
    for mask in open_masks:
        owners = _own(of.get(mask.less_mask_words, ()), mask)
        for photo in owners:
            found[photo].append(mask)
        if not owners:
            rest.append(mask)
    rest = _add(found, [p for p in photos if p not in found], rest)
    _add_by_name(found, [p for p in photos if p not in found], rest)
    if (left := [p for p in photos if p not in found]) and rest:
        used = {mask for candidates in found.values() for mask in candidates}
        _add_by_affix(found, left, [mask for mask in rest if mask not in used])
    return found


def _own(photos: Sequence[_File], mask: _File) -> list[_File]:
    """Of photos whose names differ in capitals alone, those that are written as in the mask's name."""
    same = [photo for photo in photos if photo.stem in mask.stem]
    return same if len({photo.stem for photo in photos}) > 1 and same else list(photos)


def _match_leftovers(found: _Found, photos: list[_File], masks: list[_File]) -> None:
    """Of what seems to be photos without masks, some may be masks with an unknown word in their names."""
    left = [photo for photo in photos if photo not in found]
    if found or not any(is_lossy(file.path) for file in left):
        return
    candidates = [file for file in left if not is_lossy(file.path)]
    _add_by_affix(found, [file for file in left if is_lossy(file.path)], candidates)
    taken = {mask for some in found.values() for mask in some}
    photos[:] = [file for file in photos if file not in taken]
    masks += [file for file in candidates if file in taken]


def _by(files: Iterable[_File], key: str) -> dict[tuple[str, str], list[_File]]:
    table = defaultdict(list)
    for file in files:
        table[getattr(file, key)].append(file)
    return dict(table)


def _add(found: _Found, photos: list[_File], masks: list[_File]) -> list[_File]:
    """Pair ``image_1`` with ``label_1``, where no other photo is left without these words too; the masks left."""
    of, rest = _by(photos, "less_words"), []
    for mask in masks:
        owners = of.get(mask.less_words, ())
        if len(owners) == 1:
            found[owners[0]].append(mask)
        else:
            rest.append(mask)
    return rest


def _add_by_name(found: _Found, photos: list[_File], masks: list[_File]) -> None:
    """Pair by name alone where the masks lie in one folder and the photos in several, or the other way round."""
    if all(mask.folders for mask in masks) and all(photo.folders for photo in photos):
        return
    for key in ("exact", "less_mask_words"):
        owners, own = defaultdict(list), defaultdict(list)
        for photo in photos:
            owners[photo.exact[1]].append(photo)
        for mask in masks:
            own[getattr(mask, key)[1]].append(mask)
        for name, some in own.items():
            if len(some) == 1 and len(owners.get(name, ())) == 1 and owners[name][0] not in found:
                photo = owners[name][0]
                if not (photo.folders and some[0].folders):
                    found[photo].append(some[0])


def _add_by_affix(found: _Found, photos: list[_File], masks: list[_File]) -> None:
    """Pair by a word that is not known but is the same in most names: ``x_car.png`` of ``x.jpg``, for all x."""
    of = _by(photos, "exact")
    tried: dict[tuple[str, str], list[tuple[_File, _File]]] = defaultdict(list)
    for mask in masks:
        folder, stem = mask.exact
        ends = [0, *(m.end() for m in BETWEEN.finditer(stem))]
        stops = [*(m.start() for m in BETWEEN.finditer(stem)), len(stem)]
        for start in ends:
            for stop in stops:
                around = stem[:start], stem[stop:]
                if stop <= start or not any(around) or any(c.isdigit() for c in "".join(around)):
                    continue
                for photo in of.get((folder, stem[start:stop]), ()):
                    tried[around].append((photo, mask))
    if not tried:
        return
    most = max(tried.values(), key=len)
    if 2 * len(most) >= len(photos):  # a word that some names share by chance is no rule
        for photo, mask in most:
            found[photo].append(mask)


def _less_words(name: str, words: set[str], outer: bool = False) -> str:
    """A name without these words: all of them, or those at its two ends."""
    if not outer:
        return "_".join(part for part in BETWEEN.split(name) if part and part.lower() not in words)
    while (cut := re.match(r"([^-_. ]+)[-_. ]+(?=.)", name)) and cut[1].lower() in words:
        name = name[cut.end() :]
    while (cut := re.search(r"(?<=.)[-_. ]+([^-_. ]+)$", name)) and cut[1].lower() in words:
        name = name[: cut.start()]
    return name


def _plain(text: str) -> str:
    """One writing of every letter: small, and composed as on other systems than macOS."""
    return unicodedata.normalize("NFC", text).casefold()


def _names(photos: list[_File]) -> dict[_File, str]:
    """A name for each photo; a first folder that all share and that only says "photos" is left out."""
    tops = {file.inner.parts[0] for file in photos if len(file.inner.parts) > 1}
    if len(tops) == 1 and all(len(file.inner.parts) > 1 for file in photos):
        top = next(iter(tops))
        cut = len(top) + 1 if not _less_words(top, PHOTO_WORDS) else 0
    else:
        cut = 0
    names = {file: file.inner.with_suffix("").as_posix()[cut:] for file in photos}
    twice = {name for name, count in Counter(names.values()).items() if count > 1}
    return {file: file.inner.as_posix()[cut:] if name in twice else name for file, name in names.items()}


def _groups(
    names: list[str], photos: list[_File], pattern: re.Pattern[str] | None, group: str | None
) -> tuple[list[str], bool]:
    """The group of each name, and whether there are any but the photos themselves."""
    if pattern is None and names and all(KAGGLE.fullmatch(name) for name in names):
        pattern = KAGGLE
    if pattern is None:
        # Two files of one name, 1.jpg and 1.webp, are one picture; their endings are in their names.
        return [name.removesuffix(photo.inner.suffix) for name, photo in zip(names, photos, strict=True)], False
    found = [pattern.search(name) for name in names]
    if wrong := [name for name, match in zip(names, found, strict=True) if not (match and match[1])]:
        some = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3:,} more" if len(wrong) > 3 else "")
        raise DataError(
            f"The group {group!r} does not fit {some} ({len(wrong):,} of {len(names):,} names): write a pattern that "
            "fits all of them."
        )
    return [match[1] for match in found], True
