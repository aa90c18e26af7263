"""Everything that is wrong or odd in a folder of photos and masks, each with its cure; no fault ends the search.

`CarFolder` refuses a folder at its first kinds of fault, because a training must not begin; here all are told.

Lesson:
    11.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from carvana_lessons.data.duplicates import clusters, exact_groups, near_pairs
from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.formats import CURES
from carvana_lessons.data.layout import size_faults
from carvana_lessons.data.look import Look, look_at
from carvana_lessons.data.mask_rule import Color, MaskRule, mask_rule
from carvana_lessons.data.open_folder import is_kaggle, mask_folder, open_folder
from carvana_lessons.data.pairs import FoundPairs, Pair, find_pairs
from carvana_lessons.data.strange import STRANGE
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.measure import cores
from carvana_lessons.utils.paths import existing_folder
from carvana_lessons.utils.progress import bar
from carvana_lessons.utils.wording import counted

PROBLEM, DOUBT, NOTE = "problem", "doubt", "note"  # must be mended; is to be looked at; is to be known
LEVELS = (PROBLEM, DOUBT, NOTE)
THREADS = 4
FAR = np.log(3), 6.0  # an outlier is three times the median share or a third of it, and six median deviations away
# How sentences of `open_folder` begin whose files are found here one by one.
TOLD_HERE = (
    *("Cut off or not an image", "The mask has another size", "No mask in", "No photo in", "Photos without a mask"),
    *("Masks without a photo", "Left out: ", "No group is named"),
)


@dataclass(frozen=True)
class Finding:
    """Something wrong or odd.

    Attributes:
        level: "problem" must be mended before a training, "doubt" is to be looked at, "note" is to be known.
        kind: a short name, the same in every report: "damaged photo".
        what: the fact, as a sentence without its full stop.
        files: all files that it is about, within the folder where they lie there.
        cure: what to do, as a sentence; empty where nothing is to be done.
        total: of how many files; None where that says nothing.
    """

    level: str
    kind: str
    what: str
    files: tuple[str, ...] = ()
    cure: str = ""
    total: int | None = None


@dataclass(frozen=True)
class FolderReport:
    """What a folder holds and what is wrong with it.

    Attributes:
        root: the folder.
        findings: the gravest first.
        looks: at every pair.
        cars: the folder, opened; None where problems prevent it.
        unit: what the photos are grouped by: "car", "group" or "photo".
        found: what `find_pairs` found.
        rule: which values of the masks are car; None for the brighter of two.
    """

    root: Path
    findings: tuple[Finding, ...]
    looks: tuple[Look, ...] = field(repr=False)
    cars: CarFolder | None
    unit: str
    found: FoundPairs = field(repr=False)
    rule: MaskRule | None = None

    @property
    def suspects(self) -> list[Pair]:
        """Those pairs of which a problem or a doubt names a file."""
        told = [file for finding in self.findings if finding.level != NOTE for file in finding.files]
        named = {*told, *(file.rpartition(" (")[0] for file in told)}
        tell = _Names(self.root)
        return [look.pair for look in self.looks if {tell(look.pair.image), tell(look.pair.mask)} & named]

    @property
    def problems(self) -> list[Finding]:
        """Those findings that must be mended."""
        return self.of(PROBLEM)

    def of(self, level: str) -> list[Finding]:
        """The findings of one level.

        Args:
            level: "problem", "doubt" or "note".

        Returns:
            in their order.
        """
        return [finding for finding in self.findings if finding.level == level]


def check_folder(
    root: str | Path,
    masks: str | Path | None = None,
    group: str | None = None,
    car: int | str | Iterable[int | str | Color] | None = None,
    soft: bool = False,
    progress: bool = True,
) -> FolderReport:
    """Look at every file of a folder of photos and masks; about 40 ms per pair at 1918×1280.

    A JPEG that is damaged in the middle may still decode, to a picture that is wrong from there on: Pillow does not
    complain. PNG and GIF do.

    Args:
        root: as `open_folder`.
        masks: as `open_folder`.
        group: as `open_folder`.
        car: as `open_folder`.
        soft: as `open_folder`.
        progress: show a progress bar.

    Returns:
        the report.

    Raises:
        ArgumentError: for a group or values that are none.
        DataError: if there is no such folder, or a name does not follow the pattern of the group.

    Lesson:
        11.
    """
    place, rule = existing_folder(root), mask_rule(car, soft)
    found, kaggle = _pairs(place, masks, group)
    looks = _look(found, rule, progress)
    cars, told, refused = _open(partial(open_folder, place, masks, group, car, soft))
    unit = "car" if kaggle else "group" if found.grouped else "photo"
    tell = _Names(place)
    findings = [
        *_of_pairing(found, tell, kaggle),
        *told,
        *_of_decoding(looks, tell),
        *_of_sizes(looks, tell),
        *_of_masks(looks, tell),
        *_of_duplicates(looks, tell, unit),
        *_of_photos(looks, tell),
        *_of_skipped(found, tell),
    ]
    if refused and not any(finding.level == PROBLEM for finding in findings):
        findings.append(Finding(PROBLEM, "layout", refused.rstrip(".")))
    findings.sort(key=lambda finding: LEVELS.index(finding.level))  # stable: in a level the order above
    return FolderReport(place, tuple(findings), tuple(looks), cars, unit, found, rule)


class _Names:
    """Paths as a report shows them: within the folder where they lie there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def _pairs(root: Path, masks: str | Path | None, group: str | None) -> tuple[FoundPairs, bool]:
    """The pairs; of Kaggle's layout those of its two folders alone, as test/ may lie beside them."""
    mask_place = mask_folder(root, masks)
    if group is None and is_kaggle(root, mask_place):
        images = next(root / name for name in ("train", "train_images") if (root / name).is_dir())
        beside = mask_place or root / "train_masks"
        return find_pairs(images, beside if beside.is_dir() else None), True
    return find_pairs(root, mask_place, group), False


def _look(found: FoundPairs, rule: MaskRule | None, progress: bool) -> list[Look]:
    with ThreadPoolExecutor(min(THREADS, cores())) as pool:
        seen = pool.map(partial(look_at, rule=rule), found.pairs)
        return list(bar(seen, total=len(found.pairs), desc="looking", unit="photo", disable=not progress))


def _open(opened: Callable[[], CarFolder]) -> tuple[CarFolder | None, list[Finding], str]:
    """The folder as a training opens it, what that says which nothing else here says, and why it was refused."""
    findings, refused = [], ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cars = opened()
        except DataError as error:
            cars, refused = None, str(error)
            findings += [Finding(PROBLEM, "layout", line.rstrip(".")) for line in _untold(refused.splitlines())]
    texts = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    return cars, findings + [Finding(DOUBT, "layout", text.rstrip(".")) for text in _untold(texts)], refused


def _untold(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if not text.startswith(TOLD_HERE) and " has several masks, " not in text]


def _of_pairing(found: FoundPairs, tell: _Names, kaggle: bool) -> Iterator[Finding]:
    for photo, masks in found.ambiguous:
        yield Finding(
            PROBLEM, "several masks", f"{tell(photo)} has several masks", tuple(map(tell, masks)),
            "Name the folder of the right ones with --masks, or move the others elsewhere.",
        )  # fmt: skip
    total = len(found.pairs) + len(found.without_mask)
    if found.without_mask and (found.pairs or kaggle):
        cure = "Copy their masks again, or remove these photos"
        yield Finding(
            PROBLEM if kaggle else DOUBT, "photo without mask", "Photos without a mask",
            tuple(map(tell, found.without_mask)),
            f"{cure}." if kaggle else f"{cure}; until then they are left out.", total,
        )  # fmt: skip
    if found.without_photo and found.pairs:
        yield Finding(
            DOUBT, "mask without photo", "Masks without a photo", tuple(map(tell, found.without_photo)),
            "Copy their photos again, or remove these masks; until then they are left out.",
            len(found.pairs) + len(found.without_photo),
        )  # fmt: skip
    if found.pairs and not found.grouped:
        yield Finding(
            DOUBT, "no groups", "No group is named, so photos of one thing may lie in several parts of a split, and "
            "scores are then too good",
            cure=r"Name what must stay together, --group '(.+)_\d+' for example, where the names say it.",
        )  # fmt: skip


def _of_decoding(looks: list[Look], tell: _Names) -> Iterator[Finding]:
    for look in looks:
        if look.photo_fault is not None:
            yield _fault("damaged photo", look.photo_fault, look.pair.image, tell)
    for look in looks:
        if look.mask_fault is not None:
            kind = "damaged mask" if look.mask_size is None else "no mask"
            yield _fault(kind, look.mask_fault, look.pair.mask, tell)


def _fault(kind: str, text: str, path: Path, tell: _Names) -> Finding:
    """A sentence of `read_photo` or `read_mask`, which holds its cure, with the file's short name."""
    return Finding(PROBLEM, kind, text.replace(str(path), tell(path)).rstrip("."), (tell(path),))


def _of_sizes(looks: list[Look], tell: _Names) -> Iterator[Finding]:
    for look in looks:
        if look.size is None or look.mask_size is None or look.mask_size == look.size:
            continue
        if look.turned and look.mask_size == look.size[::-1]:
            continue  # drawn on the turned photo
        name = tell(look.pair.mask)
        [sentence] = size_faults([(name, look.mask_size, look.size)])
        what, _, cure = sentence.partition(". ")
        yield Finding(PROBLEM, "another size", what, (name,), cure)


def _of_masks(looks: list[Look], tell: _Names) -> Iterator[Finding]:
    for kind, sentence in STRANGE.items():
        if files := tuple(tell(look.pair.mask) for look in looks if look.strange == kind):
            what, _, cure = sentence.partition("; ")
            yield Finding(DOUBT, f"{kind} mask", what, files, f"{cure[0].upper()}{cure[1:]}.", len(looks))
    plain = [look for look in looks if look.share is not None and look.strange is None]
    far = _outliers(np.array([look.share for look in plain]))
    if far:
        median = float(np.median([look.share for look in plain]))
        yield Finding(
            DOUBT, "unusual share", f"The object fills much more or less of the photo than elsewhere ({median:.1%} in "
            "the median)",
            tuple(f"{tell(plain[k].pair.mask)} ({plain[k].share:.1%})" for k in far),
            "Look whether these masks are right.", len(looks),
        )  # fmt: skip
    # A mask without object, or with nothing else, has one value and is told above.
    told = [(look, look.values) for look in looks if look.mask_fault is None and look.strange not in ("empty", "full")]
    values = Counter(held for _, held in told if held is not None)
    if len(values) > 1:
        usual = values.most_common(1)[0][0]
        files = tuple(f"{tell(look.pair.mask)} ({held})" for look, held in told if held not in (usual, None))
        yield Finding(
            NOTE, "other values", f"Masks hold other values than {usual}, as most do", files,
            "The brighter of two is the object, so nothing is to be done unless they are classes.", len(looks),
        )  # fmt: skip


def _outliers(shares: np.ndarray) -> list[int]:
    """Positions of shares far from the median, in times and in median deviations; the farthest first."""
    if len(shares) < 3:
        return []
    away = np.abs(np.log(shares / np.median(shares)))
    limit = max(FAR[0], FAR[1] * float(np.median(away)))
    return [int(k) for k in np.argsort(-away, kind="stable") if away[k] > limit]


def _of_duplicates(looks: list[Look], tell: _Names, unit: str) -> Iterator[Finding]:
    read = [look for look in looks if look.bits is not None]
    if len(read) < 2:
        return
    groups = np.array([look.pair.group for look in read])
    exact = exact_groups([look.digest or "" for look in read])
    same = {(i, j) for members in exact for i in members for j in members}
    apart = "photos that a split may divide" if unit == "photo" else f"different {unit}s"
    for members in exact:
        files = tuple(tell(read[k].pair.image) for k in members)
        if len(set(groups[members])) > 1:
            yield Finding(
                PROBLEM, "duplicates across groups", f"One file under several names, as {apart}", files,
                "Remove all but one, or put them into one group: what is in training and in the test alike makes "
                "scores too good.",
            )  # fmt: skip
        else:
            yield Finding(NOTE, "duplicates", "One file under several names", files, "All but one can be removed.")
    pairs = near_pairs(np.stack([look.bits for look in read]))
    # Those across groups alone: views of one thing may well look alike, and stay together in a split.
    keep = [groups[i] != groups[j] and (i, j) not in same for i, j in pairs.tolist()]
    for members in clusters(len(read), pairs[np.array(keep, bool)]):
        yield Finding(
            DOUBT, "near-duplicates across groups", f"Photos that look like one, as {apart}",
            tuple(tell(read[k].pair.image) for k in members),
            "Look at them; if they are one picture, remove all but one, or put them into one group.",
        )  # fmt: skip


def _of_photos(looks: list[Look], tell: _Names) -> Iterator[Finding]:
    turned = [look for look in looks if look.turned]
    if files := [tell(look.pair.image) for look in turned]:
        yield Finding(
            DOUBT, "turned photo", "Photos that EXIF turns", tuple(files),
            "They are read turned where their masks are, else as they are stored; look at one with its mask (--sheet).",
            len(looks),
        )  # fmt: skip
    odd = tuple(
        f"{tell(look.pair.image)} ({look.kind})" for look in looks if look.kind and not look.kind.endswith(", RGB")
    )
    if odd:
        yield Finding(NOTE, "colours", "Photos that are not plain RGB are read as RGB", odd, total=len(looks))
    sizes = Counter(look.size for look in looks if look.size is not None)
    if len(sizes) > 1:
        width, height = sizes.most_common(1)[0][0]
        yield Finding(
            NOTE, "mixed sizes",
            f"The photos have {len(sizes):,} sizes, {width}×{height} most often; all are resized to the input of the "
            "network",
        )  # fmt: skip


def _of_skipped(found: FoundPairs, tell: _Names) -> Iterator[Finding]:
    for reason, paths in found.skipped.items():
        cure = CURES.get(reason, "")
        yield Finding(
            DOUBT if cure else NOTE, "skipped", f"Skipped: {counted(len(paths), 'file')}, {reason}",
            tuple(map(tell, paths)), f"{cure[0].upper()}{cure[1:]}." if cure else "",
        )  # fmt: skip
