"""Decoding an image file: its pixels count, and broken metadata does not prevent reading them.

Pillow reads the metadata (resolution, colour profile, texts) when it opens a file, and fails where metadata is cut
short or of a wrong type. Such a file is opened once more without its metadata.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image

from carvana_lessons.data.formats import enable_heif, is_heif
from carvana_lessons.utils.errors import DataError

Read = TypeVar("Read")

#: What Pillow raises on a file that is no image, is cut off, has broken metadata, or claims a size that no photo
#: has.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
PNG = b"\x89PNG\r\n\x1a\n"
PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}  # the chunks of a PNG that say what its pixels are
PIXELS_OF_JPEG = 0xDA  # the segment that they follow
STRETCHED = {"L;2": 85, "L;4": 17}  # grey of 2 and 4 bits, in Pillow's words: what one step of it becomes
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(file: str | Path | BinaryIO, read: Callable[[Image.Image], Read]) -> Read:
    """Open an image and read something from it; if that fails, once more without its metadata.

    Args:
        file: a path, or an open file.
        read: takes the open image; its result must not need the file any more.

    Returns:
        what ``read`` returned.

    Raises:
        Exception: one of `UNREADABLE`, as Pillow raises it of the whole file.
        DataError: in place of one that ``read`` raises, and for a HEIC file where nothing reads these.
    """
    if not isinstance(file, str | Path):
        file.seek(0)
    try:
        return _opened(file, read)
    except (DataError, Image.DecompressionBombError):
        raise
    except UNREADABLE as error:
        if getattr(error, "errno", None) is not None:  # the disk's own: no such file, say
            raise
        bare = _without_metadata(_content(file))
        if bare is None:
            raise
        try:
            return _opened(io.BytesIO(bare), read)
        except (DataError, Image.DecompressionBombError):
            raise
        except UNREADABLE:
            raise error from None


def _opened(file: str | Path | BinaryIO, read: Callable[[Image.Image], Read]) -> Read:
    with _open(file) as image:
        _stretch_transparency(image)
        return read(image)


def _open(file: str | Path | BinaryIO) -> Image.Image:
    try:
        return Image.open(file)
    except Image.UnidentifiedImageError:
        if not is_heif(_start(file)):
            raise
        if not enable_heif():
            name = file if isinstance(file, str | Path) else getattr(file, "name", "The file")
            raise DataError(
                f"{name} is a HEIC picture, which needs one more package: `pip install pillow-heif`, or save it as "
                "JPEG."
            ) from None
        return Image.open(file)


def _start(file: str | Path | BinaryIO) -> bytes:
    """The first bytes of a file."""
    if isinstance(file, str | Path):
        with Path(file).open("rb") as opened:
            return opened.read(16)
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    return start


def _stretch_transparency(image: Image.Image) -> None:
    """Let the transparent colour of a PNG be one of its pixels: Pillow stretches these to 8 bits, and not that one."""
    clear = image.info.get("transparency")
    if image.format != "PNG" or clear is None or not image.tile:
        return
    bits = image.tile[0][3]
    if bits in STRETCHED and isinstance(clear, int) and clear <= 255 // STRETCHED[bits]:
        image.info["transparency"] = clear * STRETCHED[bits]
    elif bits == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def exif_orientation(image: Image.Image, whole: bool = True) -> int:
    """The orientation that EXIF states, 2 to 8; 1 for a photo that is upright or states none.

    The only place where that is decided: the size of an upright photo and its pixels both follow from it.

    Args:
        image: open; its pixels are not decoded, but for a PNG, whose EXIF may follow them.
        whole: also look for EXIF behind the pixels.

    Returns:
        1 to 8, as in EXIF.
    """
    if image.format == "TIFF":
        return 1  # Pillow itself turns these
    if image.format == "PNG":
        if not whole and not {"exif", "Raw profile type exif", "XML:com.adobe.xmp"} & image.info.keys():
            return 1
        image.load()  # EXIF may follow the pixels
    try:
        value = image.getexif().get(0x0112)
        return int(value) if value in TURNS else 1
    except UNREADABLE:
        return 1


def is_rotated_90(image: Image.Image) -> bool:
    """Whether EXIF states a rotation by 90 or 270 degrees, so that width and height are exchanged.

    Args:
        image: open; its pixels are not decoded.
    """
    return exif_orientation(image) > 4


def apply_exif_orientation(image: Image.Image) -> Image.Image:
    """Rotate and flip a photo as EXIF states. `ImageOps.exif_transpose` also rewrites EXIF, which may be broken.

    Args:
        image: any.

    Returns:
        the image, upright.
    """
    method = TURNS.get(exif_orientation(image))
    return image if method is None else image.transpose(method)


def as_rgb(image: Image.Image) -> Image.Image:
    """Any image as 8-bit RGB; transparent pixels become white.

    Args:
        image: of any mode.

    Returns:
        an image of mode RGB and the same size.
    """
    image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image with 16 bits of grey as one with 8; Pillow would cut at 255 and leave it almost white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))


def _content(file: str | Path | BinaryIO) -> bytes:
    if isinstance(file, str | Path):
        return Path(file).read_bytes()
    file.seek(0)
    return file.read()


def _without_metadata(content: bytes) -> bytes | None:
    """A JPEG or PNG with its pixels and its EXIF alone; None for anything else, or one that is cut off before them."""
    if content.startswith(b"\xff\xd8"):
        parts = list(_segments(content))
        return b"\xff\xd8" + b"".join(parts) if parts and parts[-1][1] == PIXELS_OF_JPEG else None
    if content.startswith(PNG):
        return PNG + b"".join(_chunks(content))
    return None


def _segments(content: bytes) -> Iterator[bytes]:
    """The segments of a JPEG up to the pixels, and these with all that follows, less what only describes them."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        kind = content[at + 1]
        if kind == 0xFF:  # padding
            at += 1
            continue
        if kind == PIXELS_OF_JPEG:
            yield content[at:]
            return
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at:end]
        exif = kind == 0xE1 and segment[4:10] == b"Exif\0\0"
        colours = kind == 0xEE and segment[4:9] == b"Adobe" and len(segment) >= 16  # how CMYK is stored, for one
        if exif or colours or not (0xE0 <= kind <= 0xEF or kind == 0xFE):
            yield segment
        at = end


def _chunks(content: bytes) -> Iterator[bytes]:
    """The chunks of a PNG, less what only describes its pixels."""
    at = len(PNG)
    while at + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        chunk = content[at : at + 12 + length]
        if kind in PIXELS or (kind == b"eXIf" and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")):
            yield chunk
        at += 12 + length
