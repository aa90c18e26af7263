"""From a file to an array: a photo, a mask, or both at the size that a network takes.

Arrays are (height, width); only Pillow, and ``photo.size`` after it, say (width, height).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from carvana_lessons.data.shrink import shrink_mask
from carvana_lessons.errors import DataError

if TYPE_CHECKING:
    from carvana_lessons.data.folder import Photo

# What Pillow raises on a file that is no image, is cut off, or claims a size that no photo has.
UNREADABLE = (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError)


def read_photo(path: str | Path, upright: bool = False) -> np.ndarray:
    """Decode a photo at full size.

    Grey, CMYK and 16-bit files come out as 8-bit RGB too. A rotation noted in EXIF is *not* applied: the masks were
    drawn on the pixels as they are stored, and turning the photo alone would part the two.

    Args:
        path: JPEG or PNG.  upright: turn it as EXIF says after all, for a photo that has no mask to part from.
    Returns: (H, W, 3) uint8, RGB.
    Raises: DataError if the file is missing, not a whole image, or larger than any photo.
    Lesson: 01.
    """
    try:
        with Image.open(path) as image:
            return np.array(_rgb(image, upright))
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def read_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of a photo that is turned as EXIF says, as ``read_photo(path, upright=True)`` would find it."""
    try:
        with Image.open(path) as image:
            return image.size if _lies(image) else image.size[::-1]
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def read_mask(path: str | Path) -> np.ndarray:
    """Decode a mask at full size: 1 where the car is, 0 elsewhere.

    Kaggle's masks are palette GIFs that hold 0 and 1, but the same file turned to grey holds 0 and 255, and a PNG
    made by other hands holds either. So the only safe rule is *above zero is car*, and it is applied here, once.

    Returns: (H, W) uint8 in {0, 1}.
    Raises: DataError if the file is missing, not a whole image, or has more than two values (soft edges).
    Lesson: 01.
    """
    return _mask(path).copy()  # Pillow's own memory is read-only


def read_resized(path: str | Path, size: tuple[int, int], upright: bool = False) -> np.ndarray:
    """Decode a photo at the size that a network takes, as `read_pair` does.

    Args:
        path: JPEG or PNG.  size: (height, width) wanted, both at least 1.  upright: as `read_photo`.
    Returns: (h, w, 3) uint8, RGB.
    Raises: DataError if the file cannot be decoded.
    Lesson: 03.
    """
    height, width = size
    try:
        with Image.open(path) as image:
            # A draft keeps the mode; a JPEG alone heeds it.
            image.draft(None, (height, width) if upright and _lies(image) else (width, height))
            return np.array(_rgb(image, upright).resize((width, height), Image.Resampling.BILINEAR))
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def read_pair(photo: Photo, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a photo and its mask at the size that a network takes.

    The JPEG is decoded at a fraction of its size where that suffices (Pillow's ``draft``: the decoder skips the high
    frequencies, a fifth of the time at 128 px), then resized with antialiasing. The mask is averaged over the area of
    each new pixel and cut at one half: a pixel is car when at least half of it is.

    Args:
        photo: one of a ``CarFolder``.  size: (height, width) wanted, both at least 1.
    Returns: image (h, w, 3) uint8 RGB; mask (h, w) uint8 in {0, 1}, or None for a photo without a mask.
    Raises: DataError if one of the files cannot be decoded or the mask has more than two values.
    Lesson: 03.
    """
    small = read_resized(photo.image, size)
    if photo.mask is None:
        return small, None
    return small, shrink_mask(_mask(photo.mask), size)


def _mask(path: str | Path) -> np.ndarray:
    """(H, W) uint8 in {0, 1}, perhaps read-only; see ``read_mask``."""
    try:
        with Image.open(path) as image:
            # With a plain palette the stored indices are what the eye sees, without a pass to look it up.
            plain = image.mode == "P" and _plain_palette(image)
            values = np.asarray(image if plain else image.convert("L"))
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    top = values.max()
    if top <= 1:
        return values  # no pass over the pixels that can be saved: this is the case of all of Kaggle's masks
    mask = values > 0
    if not np.array_equal(mask, values == top):
        raise DataError(
            f"{path} has {len(np.unique(values))} grey values where a mask has two: it was saved as JPEG or resized "
            "with smoothing; save it again as PNG or GIF with `(mask > 127)`."
        )
    return mask.astype(np.uint8)


def _plain_palette(image: Image.Image) -> bool:
    """True if entry 0 of the palette is black and entry 1 is not: the stored indices then already are the mask."""
    palette = image.getpalette("RGB") or []
    return len(palette) >= 6 and not any(palette[:3]) and any(palette[3:6])


def _rgb(image: Image.Image, upright: bool) -> Image.Image:
    return eight_bits(ImageOps.exif_transpose(image) if upright else image).convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """An image with 16 bits of grey as one with 8; Pillow would cut at 255 and leave it almost white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))


def orientation(image: Image.Image) -> int:
    """What EXIF says of turning and mirroring: 2 to 8, or 1 for a photo that is upright or says nothing readable."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except (*UNREADABLE, TypeError):
        return 1


def _lies(image: Image.Image) -> bool:
    """Whether a photo is stored on its side, as EXIF says."""
    return orientation(image) > 4


def unreadable(path: str | Path, error: BaseException) -> DataError:
    """The error for a file that does not decode."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} is gone since the folder was opened: put it back, or open the CarFolder again.")
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * Image.MAX_IMAGE_PIXELS
        return DataError(f"{path} has more than {most:,} pixels, far more than a photo; save it smaller.")
    return DataError(f"{path} cannot be decoded ({error}): the copy is damaged or cut off; copy or download it again.")
