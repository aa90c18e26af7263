"""Which pixels of a mask file are car: every way to store two values, and an error for any other file.

The brighter of two values is car, whatever the numbers are: 0 and 1, 0 and 255, 1 and 2, black and dark red. Where
transparency is the mask, the opaque part is car.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from carvana_lessons.data.mask_rule import MaskRule
from carvana_lessons.data.mask_values import (
    NO_NUMBERS,
    NoMask,
    codes_of,
    grey_of,
    is_colored,
    is_grey,
    numbers_of,
    pixels_with,
    rgb,
    too_many_colors,
    too_many_steps,
    values_of,
)
from carvana_lessons.data.sixteen_bit import has_16_bit_colors, read_16_bit_colors

COLORED = {"LA", "P", "PA", "RGB", "RGBA", "CMYK"}
FULL = (1, 255, 65535)  # what a mask that is car everywhere holds
LIGHT = (299, 587, 114)  # thousandths of the brightness that red, green and blue make
EQUALLY_BRIGHT = (
    "has two colours that are equally bright, so it is unclear which is the car; save it again in black and white"
)
WIDE = "holds 16 bits per colour, of which only 8 are read; save it again as 8-bit grey"


class Levels(NamedTuple):
    """One or two values of an image, and where the higher one is; of one value everywhere.

    Attributes:
        low: the lower value.
        high: the higher value.
        top: (H, W) bool, True where the higher one is.
    """

    low: float
    high: float
    top: np.ndarray  # (H, W) bool


def load_mask(image: Image.Image) -> Image.Image:
    """The pixels of an open file, decoded, for `find_car` to look at when the file is closed.

    Args:
        image: open, not yet decoded.

    Returns:
        the decoded image, which needs the file no more.

    Raises:
        NoMask: for a file of several pictures, and for colours of 16 bits that cannot be read or narrowed.
    """
    if getattr(image, "is_animated", False):
        raise NoMask("holds several pictures where a mask is one; save the right one alone")
    if has_16_bit_colors(image):
        values = read_16_bit_colors(image)
        if values is None:
            raise NoMask(WIDE)
        bands = [_narrow(part) for part in np.split(values, [3], axis=2) if part.shape[2]]
        return Image.fromarray(np.concatenate(bands, axis=2))
    image.load()
    return image if is_grey(image) or image.mode in COLORED else image.convert("RGB")


def find_car(image: Image.Image, rule: MaskRule | None = None) -> np.ndarray:
    """1 where a mask says car, 0 elsewhere.

    - A mask of two values: the brighter one is car.
    - A mask of one value: 0 is no car at all; 1, 255 and 65535 (white) are car everywhere; any other could be either.
    - A mask with transparency of two values: the more opaque one is car, if the colours draw nothing, the same, or
      (more than two of them) the photo itself. Transparency that is the same everywhere says nothing, but for an image
      that cannot be seen at all and whose colours are not two: that is a mask without car.

    Args:
        image: as `load_mask` gives it.
        rule: which values are car; None for the rules above.

    Returns:
        (H, W) uint8 in {0, 1}, perhaps read-only.

    Raises:
        NoMask: for anything else: soft edges, colours and transparency that disagree.
    """
    if rule is not None and rule.car is not None:
        return pixels_with(image, rule.car)
    if rule is not None and rule.soft and (cut := _halved(image)) is not None:
        return cut
    # With a plain palette the stored indices are what the eye sees, without a pass to look it up.
    if image.mode == "P" and _plain_palette(image):
        values = np.asarray(image)
        if values.max() <= 1:
            return values  # no pass over the pixels that can be saved: this is the case of all of Kaggle's masks
    opacity = _opacity(image)
    levels = None if opacity is None else _levels(opacity)
    if opacity is not None and levels is None:
        raise too_many_steps(opacity)
    if levels is not None and levels.low < levels.high:
        return _opaque(image, levels).astype(np.uint8)
    if levels is not None and levels.high == 0 and not _has_two_colors(image):
        return np.zeros(image.size[::-1], np.uint8)
    return _bright(image)


def car_value(image: Image.Image) -> str | None:
    """The one value or colour that is car by the rules of `find_car`, as ``car=`` would name it.

    Args:
        image: as `load_mask` gives it.

    Returns:
        "1" or "#ff0000"; None for a mask of one value, or where transparency is the mask.

    Raises:
        NoMask: as `find_car`.
    """
    car = find_car(image)
    if not car.any() or car.all() or len(values_of(image)) != 2:
        return None
    place, codes = np.unravel_index(np.argmax(car), car.shape), numbers_of(image)
    return f"{codes[place].item():g}" if codes is not None else f"#{codes_of(rgb(image))[place].item():06x}"


def _halved(image: Image.Image) -> np.ndarray | None:
    """A mask with soft edges, cut at one half of what its numbers can be; None for one that has none."""
    opacity = _opacity(image)
    steps = None if opacity is None else _levels(opacity)
    if opacity is not None and steps is None:
        return (opacity > FULL[1] / 2).astype(np.uint8)
    if steps is not None and steps.low < steps.high:
        return None
    levels = _levels(codes_of(image))
    if levels is not None and (levels.high <= 1 or not is_grey(image)):
        return None
    if is_colored(image):
        raise NoMask("has soft edges in colour, where one half says nothing; save it again in grey, or name the "
                     "colours that are car with --car (car= in Python)")  # fmt: skip
    grey = grey_of(image)
    if grey.dtype.kind == "f" and np.isnan(grey).any():
        raise NoMask(NO_NUMBERS)
    return (grey > _largest(image, grey) / 2).astype(np.uint8)


def _largest(image: Image.Image, grey: np.ndarray) -> float:
    """The number that is white in an image of its kind."""
    if image.mode.startswith("I;"):
        return FULL[2]
    most = grey.max()
    return next((full for full in FULL[image.mode != "F" :] if most <= full), FULL[2])


def _narrow(values: np.ndarray) -> np.ndarray:
    """Numbers of 16 bits as numbers of 8 bits that say the same as a mask: one value, two, or more.

    Args:
        values: (H, W, 3) or (H, W, 1) uint16: colours, or transparency.

    Returns:
        uint8 of the same shape.

    Raises:
        NoMask: for two colours that are equally bright, and for more than two that the high bytes do not tell apart.
    """
    codes = values[..., 0].astype(np.uint64)
    for k in range(1, values.shape[2]):
        codes = codes << np.uint64(16) | values[..., k]
    levels = _levels(codes)
    if levels is None:
        high = (values >> 8).astype(np.uint8)
        if np.unique(high.reshape(-1, high.shape[2]), axis=0).shape[0] <= 2:
            raise NoMask(WIDE)
        return high
    if levels.low == levels.high:
        color = {int(value) for value in values[0, 0]}
        value = color.pop() if len(color) == 1 else None
        # 128 is what any other is: neither black nor white
        return np.full(values.shape, {0: 0, 1: 1, 255: 255, 65535: 255}.get(value, 128), np.uint8)
    low, high = (
        int(np.dot(values[there][0].astype(np.int64), LIGHT[: values.shape[2]])) for there in (~levels.top, levels.top)
    )
    if low == high:
        raise NoMask(EQUALLY_BRIGHT)
    bright = levels.top if low < high else ~levels.top
    return np.repeat(bright[..., None] * np.uint8(255), values.shape[2], axis=2)


def _has_two_colors(image: Image.Image) -> bool:
    colors = _levels(codes_of(image))
    return colors is not None and colors.low < colors.high


def _opaque(image: Image.Image, levels: Levels) -> np.ndarray:
    """Where an image is opaque, if its colours do not say something else."""
    colors = _levels(codes_of(image))
    if colors is not None and colors.low < colors.high:
        bright = _brighter(image, colors)
        if bright is None or not np.array_equal(bright, levels.top):
            raise NoMask(
                "is no clear mask: its colours draw one and its transparency another; save the right one alone, in "
                "black and white"
            )
    return levels.top


def _bright(image: Image.Image) -> np.ndarray:
    """Where an image has the brighter of its two colours."""
    if image.mode == "P" and np.asarray(image).max() >= len(image.getpalette("RGB") or []) // 3:
        raise NoMask("has values that its palette gives no colour, so it is damaged; save it again in black and white")
    codes = codes_of(image)
    colors = _levels(codes)
    if colors is None:
        raise too_many_colors(image)
    if colors.low < colors.high:
        bright = _brighter(image, colors)
        if bright is None:
            raise NoMask(EQUALLY_BRIGHT)
        return bright.astype(np.uint8)
    if image.mode == "P" and np.ptp(np.asarray(image)) > 0:
        raise NoMask("has several values and shows them in one colour, as with a damaged palette; save it again in "
                     "black and white")  # fmt: skip
    value = _only_value(image)
    if value != 0 and value not in FULL:
        raise NoMask("has one value everywhere, neither black nor white, which may mean car or no car at all; save it "
                     "again with 0 for no car and 1 for car")  # fmt: skip
    return np.full(image.size[::-1], value != 0, np.uint8)


def _only_value(image: Image.Image) -> float | None:
    """What a file in grey would hold for the one colour of an image; None for a colour that is no grey."""
    if is_grey(image):
        return np.asarray(image)[0, 0].item()
    red, green, blue = rgb(image).getpixel((0, 0))
    return red if red == green == blue else None


def _brighter(image: Image.Image, colors: Levels) -> np.ndarray | None:
    """Where the brighter of two colours is; None if they are equally bright."""
    if is_grey(image):
        return colors.top
    places = [np.unravel_index(np.argmax(there), there.shape) for there in (~colors.top, colors.top)]
    pixels = rgb(image)
    low, high = (np.dot(pixels.getpixel((int(x), int(y))), LIGHT) for y, x in places)
    return None if low == high else colors.top if low < high else ~colors.top


def _levels(values: np.ndarray) -> Levels | None:
    """The one or two values of an array; None if there are more, or if one is no number."""
    low, high = values.min(), values.max()
    top = values == high
    return Levels(low, high, top) if (top | (values == low)).all() else None


def _opacity(image: Image.Image) -> np.ndarray | None:
    """How opaque each pixel is; None for an image that knows no transparency."""
    if not image.has_transparency_data:
        return None
    if image.mode == "1":  # Pillow says 255 for the brighter one
        return np.asarray(image) != bool(image.info["transparency"])
    if is_grey(image):  # one value is transparent
        return np.asarray(image) != image.info["transparency"]
    return np.asarray(image.convert("RGBA"))[..., 3]


def _plain_palette(image: Image.Image) -> bool:
    """True if entry 0 of the palette is black and entry 1 is not: the stored indices then already are the mask."""
    palette = image.getpalette("RGB") or []
    return "transparency" not in image.info and len(palette) >= 6 and not any(palette[:3]) and any(palette[3:6])
