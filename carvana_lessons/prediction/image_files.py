"""Image files of any name in any folder: photos, files that are left out, and masks that `predict` wrote."""

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from carvana_lessons.data.formats import CURES, NO_PICTURE, PICTURES, skip_reason
from carvana_lessons.data.images import UNREADABLE, unreadable
from carvana_lessons.data.layout import listed
from carvana_lessons.prediction.manifest import KEY, difference, from_text, to_text
from carvana_lessons.utils.errors import DataError, ExistsError
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.paths import check_there, expand
from carvana_lessons.utils.wording import counted

LONGEST = 255  # bytes of a name on most disks
# Endings of what is written, and how: colours that the eye does not tell from the photo's, and edges that stay sharp.
WRITTEN = {
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 92},  # alpha is stored without loss
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}
NOTED = {*WRITTEN, ".jpeg"}
NOTE_TAG = ExifTags.Base.ImageDescription
WIDEST = {".webp": 16_383, ".jpg": 65_535}  # pixels of a side


class UnusablePhotos(DataError):
    """Some photos cannot be used; all that was wanted of the others is done."""


@dataclass
class PhotoFiles:
    """The image files of some folders, by what they are.

    Attributes:
        photos: in the order of their names.
        others: photos that are not read, by the reason, as `skip_reason` gives it.
        own: masks and cut-outs that `predict` and `cut-out` wrote.
    """

    photos: list[Path] = field(default_factory=list)
    others: dict[str, list[Path]] = field(default_factory=dict)
    own: list[Path] = field(default_factory=list)

    @property
    def left_out(self) -> str:
        """What is left out, and the cure; empty where all is used."""
        told = [
            f"{_named(files, 'file')} {reason}"
            if reason not in CURES
            else f"{_named(files, 'file')} of {reason} ({CURES[reason]})"
            for reason, files in sorted(self.others.items())
        ]
        if self.own:
            told.append(f"{_named(self.own, 'file')} that `predict` or `cut-out` wrote")
        return f"Left out: {' and '.join(told)}." if told else ""


@dataclass
class PhotoErrors:
    """Errors of photos that cannot be used, collected while the others are processed.

    Attributes:
        messages: by photo, the sentence of its error.
    """

    messages: dict[Path, str] = field(default_factory=dict)

    @contextmanager
    def collect(self, file: Path) -> Iterator[None]:
        """Wrap the work on one photo: its DataError is kept, not raised.

        Args:
            file: the photo.
        """
        try:
            yield
        except DataError as error:
            self.messages[file] = str(error)

    def raise_if_any(self, total: int, out: Path, what: str = "mask") -> None:
        """Report them, when all other photos are done.

        Args:
            total: photos, these included.
            out: where the masks of the others are.
            what: a photo was to get.

        Raises:
            UnusablePhotos: if there are any; it names them.
        """
        if not self.messages:
            return
        first, *more = self.messages
        also = f" Nor can {listed([file.name for file in more])} be used." if more else ""
        others = f"; the others have theirs in {out}" if len(self.messages) < total else ""
        count = f"{len(self.messages):,} of {counted(total, 'photo')} got no {what}"
        raise UnusablePhotos(f"{self.messages[first]}{also} So {count}{others}.")


def find_photos(sources: str | Path | Sequence[str | Path]) -> PhotoFiles:
    """Photos of folders, without what lies in sub-folders, and photos that are named one by one.

    A mask or a cut-out of `predict` is recognised by the note in it, not by its name: a photo may be called
    ``car_mask.png``.

    Args:
        sources: a folder or a file, or several of either.

    Returns:
        the photos, and what was passed over.

    Raises:
        DataError: for a name that is no photo and no folder, or if no photo is found.
    """
    sources = [expand(s) for s in ([sources] if isinstance(sources, str | Path) else sources)]
    found = PhotoFiles()
    for source in sources:
        check_there(source)
        if source.is_dir():
            for file in _below(source)[0]:
                _sort_in(file, found)
        elif skip_reason(source) != NO_PICTURE:
            _sort_in(source, found)
        else:
            raise DataError(f"{source} is no photo by its ending; name photos, or the folder that holds them.")
    found.photos = list({photo.absolute(): photo for photo in found.photos}.values())  # named twice, used once
    if not found.photos:
        raise _no_photos(sources, found)
    return found


def refuse_equal_names(files: list[Path], what: str = "mask") -> None:
    """Refuse photos whose outputs would have one name.

    Args:
        files: the photos.
        what: is made of each.

    Raises:
        DataError: for two that differ in their folder, their ending, or in upper and lower case alone.
    """
    for one, other in pairwise(sorted(files, key=lambda p: p.stem.casefold())):
        if one.stem.casefold() == other.stem.casefold():  # most disks of Windows and Macs do not tell them apart
            names = (one, other) if one.name == other.name else (one.name, other.name)
            raise DataError(f"{names[0]} and {names[1]} would share one {what}; rename one of the two.")


def missing_outputs(
    files: list[Path], out: Path, note: dict, endings: Sequence[str], overwrite: bool, errors: PhotoErrors
) -> list[Path]:
    """The photos of which a mask or a cut-out is still to be written.

    Args:
        files: the photos.
        out: the folder of the masks or cut-outs.
        note: what is to make them, see `manifest.made_with`.
        endings: what follows a photo's name in the name of each file that is wanted, ``_mask.png`` for example.
        overwrite: whether files with another note may be replaced.
        errors: collects photos that cannot be read.

    Returns:
        those of ``files``, in their order.

    Raises:
        ExistsError: for a file that is there and is none that would be written now.
    """
    todo, photos = [], {os.path.realpath(file) for file in files}
    for file in files:
        names = [f"{file.stem}{ending}" for ending in endings]
        there = [out / name for name in names if os.path.lexists(out / name)]
        for path in there:
            if os.path.realpath(path) in photos:
                raise ExistsError(
                    f"{path} is one of the photos, and what is made of {file.name} would take its place: choose "
                    "another folder."
                )
            then = read_note(path)
            digest = None
            with errors.collect(file):
                digest = content(file)
            if digest is None:
                break
            told = difference(then, note | {"photo": digest}) if then is not None else "by something else"
            if told and not overwrite:
                raise ExistsError(
                    f"{path} is there and was made otherwise ({told}): choose another folder, or have it replaced "
                    "with --overwrite."
                )
            if told:
                todo.append(file)
                break
        else:
            if len(there) < len(names):
                todo.append(file)
    return todo


def save(path: Path, pixels: np.ndarray, note: dict) -> None:
    """Write a picture that carries a note of what made it, whole or not at all.

    Args:
        path: the file to write, ``.png``, ``.webp`` or ``.jpg``.
        pixels: (H, W) or (H, W, C) uint8; a JPEG has no transparency.
        note: what made it, as `manifest.made_with` gives it.

    Raises:
        DataError: for more pixels than the format can hold.
    """
    ending = path.suffix.lower()
    options = dict(WRITTEN[ending])
    if max(pixels.shape[:2]) > WIDEST.get(ending, max(pixels.shape[:2])):
        raise DataError(f"{path.name} would have more pixels than {options['format']} can hold; take PNG.")
    if ending == ".png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text(KEY, to_text(note))
    else:
        options["exif"] = Image.Exif()
        options["exif"][NOTE_TAG] = to_text(note)
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, **options)


def read_note(path: Path) -> dict | None:
    """The note in a file that `predict` or `cut-out` wrote; None for any other file.

    Args:
        path: any file.

    Returns:
        the note, or None.
    """
    if path.suffix.lower() not in NOTED or not path.is_file():
        return None
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # of broken EXIF: whoever wrote the note wrote it well
            text = image.info.get(KEY, "") if image.format == "PNG" else image.getexif().get(NOTE_TAG, "")
            return from_text(text)
    except UNREADABLE:
        return None


def content(photo: Path) -> str:
    """A hash of a photo's bytes, in hex: another photo under the same name has another one.

    Args:
        photo: the file.

    Returns:
        hex digits of a SHA-256.

    Raises:
        DataError: if it cannot be read.
    """
    if photo.exists() and not photo.is_file():
        raise DataError(f"{photo} is no file but a pipe or a device: remove it from the photos.")
    if len(os.fsencode(f"{photo.stem}_cut_out.webp")) > LONGEST:
        raise DataError(f"{photo} has so long a name that its mask would have none on most disks: rename it.")
    try:
        return hashlib.blake2b(photo.read_bytes(), digest_size=8).hexdigest()
    except OSError as error:
        raise unreadable(photo, error) from error


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files and folders of a folder."""
    try:
        entries = sorted(folder.iterdir())
        folders = [p for p in entries if p.is_dir()]
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read ({error.strerror}): copy the photos to a folder of your own."
        ) from error
    return [p for p in entries if p not in set(folders)], folders


def _sort_in(file: Path, found: PhotoFiles) -> None:
    reason = skip_reason(file)
    if reason is None:
        (found.photos if read_note(file) is None else found.own).append(file)
    elif reason in CURES or file.suffix.lower() in PICTURES:  # what was never a photo is not worth a word
        found.others.setdefault(reason, []).append(file)


def _named(files: list[Path], thing: str) -> str:
    return f"{counted(len(files), thing)}, {listed([f.name for f in files])},"


def _no_photos(sources: list[Path], found: PhotoFiles) -> DataError:
    where = str(sources[0]) if len(sources) == 1 else "these folders"
    if found.others or found.own:
        return DataError(f"There is no photo to predict in {where}. {found.left_out}")
    folders = [folder for source in sources if source.is_dir() for folder in _below(source)[1]]
    holding = next((f for f in folders if any(skip_reason(p) is None for p in _below(f)[0])), None)
    if holding is not None:
        return DataError(f"There is no photo in {where} itself, and sub-folders are not searched: name {holding}.")
    return DataError(f"There is no photo in {where}; name the folder that holds the photos.")
