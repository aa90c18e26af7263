"""The still pictures that are read, by ending, and the files that are none: one table for every room.

What a file is, its content decides when it is opened; the ending only says whether it is worth opening.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from PIL import Image, features

#: Formats that are read, and the endings of their files.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".mpo",),
    "PNG": (".png",),
    "WebP": (".webp",),
    "AVIF": (".avif",),
    "HEIC": (".heic", ".heif", ".hif"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
}
LOSSY = {"JPEG", "MPO", "WebP", "AVIF", "HEIC"}  # how cameras and phones save photos, and nobody a mask
PICTURES = {ending: name for name, endings in FORMATS.items() for ending in endings}
# Photos too, and not read: of cameras, of the web, of editors.
NOT_READ = {
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    *(".jxl", ".jp2", ".psd", ".xcf", ".svg"),
}
LITTER = {".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints", "__macosx"}  # what systems leave behind

HIDDEN = "hidden"
SYSTEM = "left by a system"
NO_PICTURE = "no picture"
OTHER_MASK = "a mask beside those that are named"
OTHER_FORMAT = "a format that is not read"
NEEDS_HEIF = "a format that needs pillow-heif"
NEEDS_AVIF = "a format that needs a newer Pillow"
#: What to do about the files of a kind that was skipped; the other kinds need no cure.
CURES = {
    OTHER_FORMAT: "save them as JPEG or PNG",
    NEEDS_HEIF: "install it with `pip install pillow-heif`, or save them as JPEG",
    NEEDS_AVIF: "install it with `pip install -U pillow`, or save them as JPEG",
}


def skip_reason(path: str | Path) -> str | None:
    """Why a file is not read, from its name alone; None for a picture that is.

    Args:
        path: of a file, or of a folder for what systems leave behind.

    Returns:
        one of the kinds of this module: "hidden", "left by a system", "no picture", …

    Lesson:
        01.
    """
    name, ending = Path(path).name.lower(), Path(path).suffix.lower()
    if name in LITTER or name.startswith("._"):
        return SYSTEM
    if name.startswith("."):
        return HIDDEN
    if ending in NOT_READ:
        return OTHER_FORMAT
    kind = PICTURES.get(ending)
    if kind is None:
        return NO_PICTURE
    if kind == "HEIC" and not has_heif():
        return NEEDS_HEIF
    return NEEDS_AVIF if kind == "AVIF" and not features.check("avif") else None


def is_lossy(path: str | Path) -> bool:
    """Whether a picture's ending is one under which photos are stored and masks are not.

    Args:
        path: of a picture.
    """
    return PICTURES.get(Path(path).suffix.lower()) in LOSSY


def has_heif() -> bool:
    """Whether pillow-heif is installed, which reads the photos of phones."""
    return importlib.util.find_spec("pillow_heif") is not None


@cache
def enable_heif() -> bool:
    """Let Pillow read HEIC, where pillow-heif is installed; loaded only when such a file is met.

    Returns:
        whether it does.
    """
    if not has_heif():
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return "HEIF" in Image.OPEN


def is_heif(start: bytes) -> bool:
    """Whether a file is HEIC by its first bytes, whatever its name says.

    Args:
        start: 12 bytes or more.
    """
    return start[4:8] == b"ftyp" and start[8:12] in {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1"}
