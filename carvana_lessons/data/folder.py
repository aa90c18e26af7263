"""A folder of car photos in Kaggle's layout, checked once, up front.

Lesson:
    01.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import pandas as pd

from carvana_lessons.data.decode import decode, exif_orientation
from carvana_lessons.data.images import Photo, read_mask, unreadable
from carvana_lessons.data.layout import Index, inspect, listed
from carvana_lessons.data.mask_rule import MaskRule
from carvana_lessons.data.strange import STRANGE, strange
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.progress import bar
from carvana_lessons.utils.wording import counted

CAR = re.compile("[0-9a-f]{12}")
ENDS = 1 << 15  # bytes at either end of a photo that tell it from others
COLUMNS = ["year", "make", "model", "trim1", "trim2"]


class CarFolder:
    """An index of a folder in Kaggle's layout; iterating gives `Photo` after `Photo`, in the order of the names.

    Opening it checks names, pairs, headers and file endings (not the pixels: ``check`` does). A slice, a selection or
    a part of a split is again a CarFolder, a view on the same index that is not checked again. Nothing is ever
    written into the folder.

    Args:
        root: holds ``train/`` (``<car>_<view>.jpg``), ``train_masks/`` (``<car>_<view>_mask.gif`` or ``.png``) and, if
            there is one, ``metadata.csv``. Where ``train/`` is missing ``train_images/`` is used.
        images: name of the folder of photos.
        masks: name of the folder of masks, None for photos without masks.
        rule: which values of the masks are car; None for the brighter of two.

    Raises:
        DataError: if a photo lacks its mask, sizes differ, a file is cut off, …; it names the file and the cure.

    Warns:
        UserWarning: of stray files, of masks without a photo, and of cars with contradictory rows in metadata.csv.

    Lesson:
        01.
    """

    def __init__(
        self,
        root: str | Path,
        images: str = "train",
        masks: str | None = "train_masks",
        rule: MaskRule | None = None,
    ) -> None:
        self.root = expand(root).absolute()
        self._index: Index = inspect(self.root, images, masks, rule)
        self._table = _read_metadata(self.root / "metadata.csv")
        self._rows = np.arange(len(self._index.names))

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: int) -> Photo: ...
    @overload
    def __getitem__(self, key: slice) -> CarFolder: ...
    def __getitem__(self, key: int | slice) -> Photo | CarFolder:
        if isinstance(key, slice):
            return self._view(self._rows[key])
        row = int(self._rows[key])
        index = self._index
        name = index.names[row]
        return Photo(
            name=name,
            car=str(index.cars[row]),
            view=int(index.views[row]),
            image=index.images / index.image_files[row],
            mask=index.masks / index.mask_files[row] if index.masks and index.mask_files else None,
            size=(int(index.sizes[row, 0]), int(index.sizes[row, 1])),
            index=row,
            upright=index.upright is not None and bool(index.upright[row]),
            rule=index.rule,
        )

    def __iter__(self) -> Iterator[Photo]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"CarFolder({self.root.name}: {self.size_in_words}, {self.source})"

    def subset(self, indices: Iterable[int]) -> CarFolder:
        """The photos at these positions (or where a boolean list of the same length is True), in that order.

        Args:
            indices: positions counted from 0, or one boolean per photo.

        Returns:
            a folder of those photos.
        """
        chosen = np.asarray(list(indices))
        return self._view(self._rows[chosen if len(chosen) else chosen.astype(int)])

    def select(self, cars: Iterable[str] | str | None = None, views: Iterable[int] | int | None = None) -> CarFolder:
        """The photos of these cars, from these views (1 to 16 in Kaggle's layout); None means all.

        Args:
            cars: ids of cars, or one id.
            views: numbers from 1, or one number.

        Returns:
            a folder of those photos.

        Raises:
            DataError: for a car that is not here, or a view that does not exist.
        """
        keep = np.ones(len(self), dtype=bool)
        if cars is not None:
            wanted = {cars} if isinstance(cars, str) else set(cars)
            if unknown := sorted(wanted - set(self.ids)):
                things = f"the {self.unit}s {listed(unknown)}" if self.unit != "photo" else listed(unknown)
                raise DataError(f"No photos here of {things}; `cars.ids` lists those there are.")
            keep &= np.isin(self._index.cars[self._rows], list(wanted))
        if views is not None:
            angles = {int(v) for v in ([views] if isinstance(views, int | np.integer) else views)}
            most = 16 if self.unit == "car" else int(self._index.views.max())
            if wrong := sorted(angles - set(range(1, most + 1))):
                raise DataError(
                    f"A {self.unit} has the view{f's 1 to {most}' if most > 1 else ' 1'}, not "
                    f"{', '.join(map(str, wrong))}."
                )
            keep &= np.isin(self._index.views[self._rows], list(angles))
        return self._view(self._rows[keep])

    @property
    def whole(self) -> CarFolder:
        """The complete folder that this is a part of."""
        return self._view(np.arange(len(self._index.names)))

    @property
    def fingerprint(self) -> str:
        """A hash of the names, sizes and times of all files of the *whole* folder; every part shares it."""
        return self._index.fingerprint

    @property
    def unit(self) -> str:
        """What a split does not divide, as a word ("car", in a folder of other names "group", or "photo")."""
        return self._index.unit

    @cached_property
    def marks(self) -> dict[str, frozenset[str]]:
        """What tells each car from all others, in this folder and elsewhere; `Provenance` holds these.

        An id of 12 hex digits does, as Kaggle's. Other names do not (two folders may both have a ``1``): there the
        bytes of the photos do, of which the first and the last are read.

        Returns:
            by car, its id, or a hash of each of its photos.
        """
        found: dict[str, set[str]] = {}
        for photo in self:
            known = CAR.fullmatch(photo.car)
            found.setdefault(photo.car, set()).add(photo.car if known else _digest(photo.image))
        return {car: frozenset(marks) for car, marks in found.items()}

    @property
    def size_in_words(self) -> str:
        """How many photos of how many cars there are ("1,536 photos of 96 cars", "40 photos" where none are known)."""
        photos = counted(len(self), "photo")
        return photos if self.unit == "photo" else f"{photos} of {counted(len(self.ids), self.unit)}"

    @property
    def mask_folder(self) -> Path | None:
        """Where the masks lie; None for a folder opened without."""
        return self._index.masks

    @property
    def has_masks(self) -> bool:
        """False for a folder opened with ``masks=None``."""
        return self._index.masks is not None

    def require(self, what: str, masks: bool = True) -> None:
        """Raise where photos or masks are missing, before any work is done.

        Args:
            what: is done with them, to begin a sentence: "A score".
            masks: needed for that; photos always are.

        Raises:
            DataError: if there is no photo here, or no masks.

        Lesson:
            01.
        """
        if masks and not self.has_masks:
            raise DataError(
                f"{what} needs masks, and {self.root} was opened without: open it with their folder, "
                'masks="train_masks" for example.'
            )
        if not len(self):
            raise DataError(f"{what} needs photos, and this part of {self.root} has none: take a larger part.")

    @cached_property
    def ids(self) -> list[str]:
        """The cars' ids, sorted; in a folder of other names the groups.

        Returns:
            one id per car, in Kaggle's layout of 12 hex digits.
        """
        return np.unique(self._index.cars[self._rows]).tolist()

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """The rows of ``metadata.csv`` about the cars here: indexed by car id, in its order; year, make, model, trim1,
        trim2 (missing values where the file lacks a column) and whatever else it has. Empty where there is no file.

        Returns:
            one row per car, all values text.
        """
        return self._table.loc[self._table.index.isin(self.ids)].sort_index()

    @cached_property
    def source(self) -> str:
        """``"synthetic studio"`` where metadata.csv says so of the cars here, else ``"photos"``.

        Returns:
            one of the two texts.
        """
        if "source" not in self.metadata:
            return "photos"
        return " and ".join(sorted(set(self.metadata["source"].fillna("photos")))) or "photos"

    def frame(self) -> pd.DataFrame:
        """One row per photo: name, car, view, width, height.

        Returns:
            the table; width and height in pixels.
        """
        names = [self._index.names[row] for row in self._rows]
        sizes = self._index.sizes[self._rows]
        cars, views = self._index.cars[self._rows].tolist(), self._index.views[self._rows].tolist()
        table = {"name": names, "car": cars, "view": views}
        return pd.DataFrame(table | {"width": sizes[:, 0], "height": sizes[:, 1]})

    def check(self, progress: bool = True) -> None:
        """Decode every file here; about 30 ms per pair at 1918×1280.

        A JPEG that is damaged in the middle may still decode, to a picture that is wrong from there on: Pillow does
        not complain. PNG and GIF do.

        Args:
            progress: show a progress bar.

        Raises:
            DataError: listing files that do not decode and files that are no masks.

        Warns:
            UserWarning: of masks that are empty, full, or look inverted, and of photos that are not RGB, or that EXIF
                rotates: all are used as they are stored.
        """
        faults, odd, looks = [], [], {look: [] for look in STRANGE}
        for photo in bar(self, total=len(self), desc="decoding", unit="photo") if progress else self:
            try:
                photo.read()
                mode, turned = decode(photo.image, lambda image: (image.mode, exif_orientation(image) != 1))
                turned = turned and not photo.upright
                if mode != "RGB" or turned:
                    odd.append(f"{photo.image.name} ({mode}{', turned' * turned})")
                if photo.mask is not None and (look := strange(read_mask(photo))):
                    looks[look].append(photo.mask.name)
            except DataError as error:
                faults.append(str(error))
        notes = [f"{STRANGE[look]}: {listed(names, len(self))}." for look, names in looks.items() if names]
        if odd:
            notes.append(f"Not plain upright RGB, read as RGB and not turned: {listed(odd, len(self))}.")
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        if faults:
            raise DataError("\n".join(faults[:3]) + (f"\nand {len(faults) - 3:,} more." if len(faults) > 3 else ""))

    @classmethod
    def from_index(cls, root: Path, index: Index) -> CarFolder:
        """A folder whose photos were found otherwise than by Kaggle's layout; see `open_folder`.

        Args:
            root: the folder.
            index: its photos.

        Returns:
            the folder, opened; ``metadata.csv`` is not looked for.
        """
        folder = cls.__new__(cls)
        folder.root, folder._index, folder._table = root, index, _no_metadata()
        folder._rows = np.arange(len(index.names))
        return folder

    def _view(self, rows: np.ndarray) -> CarFolder:
        view = copy.copy(self)
        for name in ("ids", "marks", "metadata", "source"):
            view.__dict__.pop(name, None)  # what was computed for other rows
        view._rows = rows
        return view


def _digest(file: Path) -> str:
    """A hash of a file's length, beginning and end."""
    try:
        with file.open("rb") as opened:
            length = opened.seek(0, os.SEEK_END)
            digest = hashlib.blake2b(str(length).encode(), digest_size=8)
            for place in (0, max(0, length - ENDS)):
                opened.seek(place)
                digest.update(opened.read(ENDS))
            return digest.hexdigest()
    except OSError as error:
        raise unreadable(file, error) from error


def _no_metadata() -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS, index=pd.Index([], name="id", dtype=object))


def _read_metadata(path: Path) -> pd.DataFrame:
    """metadata.csv by car id; an empty table with its columns where there is none. Of a car's rows the first counts."""
    if not path.is_file():
        return _no_metadata()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header: columns slip
            # 12 hex digits may look like a number (1234e5678901); a year is an integer even where some are missing.
            types = {"id": str, "year": "Int64", "source": str}
            table = pd.read_csv(path, dtype=types, index_col=False)
        if "id" not in table:
            raise ValueError("it has no column id")
    except (ValueError, TypeError, OverflowError, OSError, pd.errors.ParserWarning) as error:
        columns = ", ".join(["id", *COLUMNS])
        raise DataError(f"{path} is not the table of cars ({columns}): {error}. Copy it again.") from error
    table = table.dropna(subset="id").drop_duplicates()
    if twice := sorted(set(table.loc[table["id"].duplicated(), "id"])):
        text = f"{path} has several rows of {listed(twice)}, and they differ: the first one counts. Remove the others."
        warnings.warn(text, UserWarning, stacklevel=3)  # 3: the line that opened the CarFolder
    table = table.drop_duplicates("id").set_index("id")
    return table.reindex(columns=[*table.columns, *(c for c in COLUMNS if c not in table)])
