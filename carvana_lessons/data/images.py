"""From a file to an array: a photo, a mask, or both at the input size of a network.

Arrays are (height, width); only Pillow, and ``photo.size`` after it, say (width, height).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from carvana_lessons.data.decode import UNREADABLE, apply_exif_orientation, as_rgb, decode, is_rotated_90
from carvana_lessons.data.mask_rule import MaskRule
from carvana_lessons.data.masks import NoMask, find_car, load_mask
from carvana_lessons.data.shrink import shrink_mask
from carvana_lessons.utils.errors import DataError

Read = TypeVar("Read")


@dataclass(frozen=True)
class Photo:
    """One photo of a car: where it is, not its pixels.

    Attributes:
        name: ``0ab1…_05``, the file without its ending; with its sub-folders, where a folder has them.
        car: ``0ab1…``, 12 hex digits; in a folder of other names the group, or the name where there are no groups.
        view: 1 to 16; in a folder of other names counted within the group.
        image: path of the photo.
        mask: path of the mask, None for a photo without one.
        size: **(width, height)**, as Pillow says it; arrays are (height, width).
        index: the photo's row in the *whole* folder, the same in every part of it.
        upright: turn the photo as its EXIF says, as its mask was drawn on the turned one.
        rule: which values of the mask are car; None for the brighter of two.

    Lesson:
        01.
    """

    name: str
    car: str
    view: int
    image: Path
    mask: Path | None
    size: tuple[int, int]
    index: int
    upright: bool = False
    rule: MaskRule | None = None

    def read(self) -> np.ndarray:
        """The photo's pixels: (H, W, 3) uint8, RGB, at full size.

        Returns:
            (H, W, 3) uint8, RGB.
        """
        return read_photo(self.image, self.upright)


def read_photo(path: str | Path, upright: bool = False) -> np.ndarray:
    """Decode a photo at full size.

    Grey, CMYK and 16-bit files come out as 8-bit RGB too, and what is transparent comes out white. A rotation noted in
    EXIF is *not* applied: the masks were drawn on the pixels as they are stored, and rotating the photo alone would
    misalign the two.

    Args:
        path: of a picture of any kind in `carvana_lessons.data.formats.FORMATS`.
        upright: apply the EXIF orientation, for a photo without a mask.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        DataError: if the file is missing, not a whole image, or larger than any photo.

    Lesson:
        01.
    """
    return _read(path, lambda image: np.array(as_rgb(apply_exif_orientation(image) if upright else image)))


def read_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of a photo after EXIF orientation, as ``read_photo(path, upright=True)`` returns it.

    Args:
        path: of a picture of any kind in `carvana_lessons.data.formats.FORMATS`.

    Returns:
        (height, width), in pixels.
    """
    return _read(path, lambda image: image.size if is_rotated_90(image) else image.size[::-1])


def read_mask(path: str | Path | Photo | None, rule: MaskRule | None = None) -> np.ndarray:
    """Decode a mask at full size: 1 where the car is, 0 elsewhere.

    Kaggle's masks are palette GIFs that hold 0 and 1, but the same file turned to grey holds 0 and 255, and masks from
    other sources hold 1 and 2, colours, or the car as what is not transparent. So the only safe rule is *the brighter
    of two values is car*, and it is applied here, once; `carvana_lessons.data.masks.find_car` has the full rule.

    Args:
        path: of the mask, or the photo that has it, with its rule; None, as a photo without a mask has it, is refused.
        rule: which values are car; None for the brighter of two.

    Returns:
        (H, W) uint8 in {0, 1}.

    Raises:
        DataError: if the file is missing, not a whole image, or not a mask: with more than two values (soft edges),
            with one that may be car or not, with colours and transparency that disagree.

    Lesson:
        01.
    """
    if isinstance(path, Photo):
        path, rule = path.mask, rule or path.rule
    return _mask(path, rule).copy()  # Pillow's own memory is read-only


def read_resized(path: str | Path, size: tuple[int, int], upright: bool = False) -> np.ndarray:
    """Decode a photo at the input size of a network, as `read_pair` does.

    Args:
        path: of a picture of any kind in `carvana_lessons.data.formats.FORMATS`.
        size: (height, width) wanted, both at least 1.
        upright: as `read_photo`.

    Returns:
        (h, w, 3) uint8, RGB.

    Raises:
        DataError: if the file cannot be decoded.

    Lesson:
        03.
    """
    height, width = size

    def shrunk(image: Image.Image) -> np.ndarray:
        rotated = upright and is_rotated_90(image)
        # A draft keeps the mode; only a JPEG is affected by it.
        image.draft(None, (height, width) if rotated else (width, height))
        rgb = as_rgb(apply_exif_orientation(image) if upright else image)
        return np.array(rgb.resize((width, height), Image.Resampling.BILINEAR))

    return _read(path, shrunk)


def read_pair(photo: Photo, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a photo and its mask at the input size of a network.

    The JPEG is decoded at a fraction of its size where that suffices (Pillow's ``draft``: the decoder skips the high
    frequencies, a fifth of the time at 128 px), then resized with antialiasing. The mask is averaged over the area of
    each new pixel and thresholded at one half: a pixel is car when at least half of it is.

    Args:
        photo: one of a `CarFolder`.
        size: (height, width) wanted, both at least 1.

    Returns:
        image (h, w, 3) uint8 RGB; mask (h, w) uint8 in {0, 1}, or None for a photo without a mask.

    Raises:
        DataError: if one of the files cannot be decoded or the mask has more than two values.

    Lesson:
        03.
    """
    small = read_resized(photo.image, size, photo.upright)
    if photo.mask is None:
        return small, None
    return small, shrink_mask(_mask(photo.mask, photo.rule), size)


def _mask(path: str | Path | None, rule: MaskRule | None = None) -> np.ndarray:
    """(H, W) uint8 in {0, 1}, perhaps read-only; see `read_mask`."""
    if path is None:
        raise DataError('This photo has no mask: open its folder with masks="train_masks", or the name of its masks.')

    try:
        return find_car(_read(path, load_mask), rule)
    except NoMask as error:
        raise DataError(f"{path} {error}.") from None


def _read(path: str | Path, read: Callable[[Image.Image], Read]) -> Read:
    try:
        return decode(path, read)
    except DataError:
        raise
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def unreadable(path: str | Path, error: BaseException) -> DataError:
    """The error for a file that does not decode.

    Args:
        path: of the file.
        error: what Pillow raised.

    Returns:
        the error to raise, with the cure.
    """
    if Path(path).is_symlink() and not Path(path).exists():
        return DataError(f"{path} is a link to a file that is not there: put that one back, or remove the link.")
    if isinstance(error, PermissionError):
        return DataError(f"{path} cannot be read by this user: ask its owner, or copy it to a folder of your own.")
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} is gone since the folder was opened: put it back, or open the folder again.")
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * Image.MAX_IMAGE_PIXELS
        return DataError(f"{path} has more than {most:,} pixels, far more than a photo; save it smaller.")
    return DataError(f"{path} cannot be decoded ({error}): the copy is damaged or cut off; copy or download it again.")
