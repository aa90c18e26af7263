"""What values and colours a mask holds, which are car where somebody names them, and what to say of too many."""

from __future__ import annotations

import numpy as np
from PIL import Image

from carvana_lessons.data.mask_rule import Color
from carvana_lessons.utils.errors import DataError

GREY = {"1", "L", "I", "F"}  # and I;16 in its variants: one number per pixel
FEW = 4  # values: a mask of several classes, or with a border that counts as neither; smoothing makes more
CLASSES = 32  # colours of a mask of several classes; smoothing makes more
TINT = 64  # by how much the bands of a grey JPEG differ at most
NO_NUMBERS = "holds values that are no numbers; save it again with 0 for no car and 1 for car"


class NoMask(DataError):
    """Why an image is no mask, as the end of a sentence that begins with its name."""


def is_grey(image: Image.Image) -> bool:
    """Whether an image has one number per pixel, and no palette.

    Args:
        image: any.
    """
    return image.mode in GREY or image.mode.startswith("I;")


def rgb(image: Image.Image) -> Image.Image:
    """The colours of an image, of transparent pixels too.

    Args:
        image: any but grey of 16 bits.

    Returns:
        an image of mode RGB.
    """
    return image.convert("RGB") if image.mode == "CMYK" else image.convert("RGBA").convert("RGB")


def grey_of(image: Image.Image) -> np.ndarray:
    """How bright each pixel is, in the values that a grey file stores.

    Args:
        image: any.

    Returns:
        (H, W).
    """
    return np.asarray(image if is_grey(image) else rgb(image).convert("L"))


def codes_of(image: Image.Image) -> np.ndarray:
    """One number for the colour of each pixel: other for every other colour, and the value itself of grey.

    Args:
        image: any.

    Returns:
        (H, W).
    """
    if is_grey(image):
        return np.asarray(image)
    if image.mode == "LA":
        return np.asarray(image)[..., 0]
    bands = np.asarray(image if image.mode in ("RGB", "CMYK") else image.convert("RGBA"))
    count = 4 if image.mode == "CMYK" else 3
    code = bands[..., 0].astype(np.uint32)
    for k in range(1, count):
        code = code << 8 | bands[..., k]
    return code


def is_colored(image: Image.Image) -> bool:
    """Whether an image has colours that are no grey, but for what JPEG makes of grey.

    Args:
        image: any.
    """
    if is_grey(image) or image.mode == "LA":
        return False
    bands = np.asarray(rgb(image))
    return bool((bands.max(axis=2) - bands.min(axis=2)).max() > TINT)


def numbers_of(image: Image.Image) -> np.ndarray | None:
    """The one number that each pixel holds: grey, or its place in a palette.

    Args:
        image: any.

    Returns:
        (H, W); None for an image in colours.
    """
    if is_grey(image) or image.mode == "P":
        return np.asarray(image)
    if image.mode in ("LA", "PA"):
        return np.asarray(image)[..., 0]
    bands = np.asarray(rgb(image))
    return bands[..., 0] if (bands == bands[..., :1]).all() else None


def values_of(image: Image.Image) -> list[tuple[str, float]]:
    """The values of a mask, as ``car=`` names them, and the share of the pixels that each has.

    Args:
        image: as `carvana_lessons.data.masks.load_mask` gives it.

    Returns:
        ("1", 0.12) for a number, ("#ff0000", 0.12) for a colour; the most frequent one first.

    Lesson:
        01.
    """
    codes, name = numbers_of(image), "{:g}".format
    if codes is None:
        codes, name = codes_of(rgb(image)), "#{:06x}".format
    values, counts = np.unique(codes, return_counts=True)
    return [(name(values[k].item()), counts[k].item() / codes.size) for k in np.argsort(-counts, kind="stable")]


def in_words(values: list[tuple[str, float]], most: int = 4) -> str:
    """Values with their shares: "0 (81.2 %), 1 (12.0 %) and 3 others (6.8 %)".

    Args:
        values: as `values_of` gives them.
        most: so many are named.

    Returns:
        words for a sentence.
    """
    text = ", ".join(f"{name} ({_percent(share)})" for name, share in values[:most])
    rest = values[most:]
    return text + (f" and {len(rest):,} others ({_percent(sum(share for _, share in rest))})" if rest else "")


def pixels_with(image: Image.Image, car: tuple[int | Color, ...]) -> np.ndarray:
    """Where an image has one of these values or colours.

    Args:
        image: as `carvana_lessons.data.masks.load_mask` gives it.
        car: numbers (grey, or places in a palette) and colours (RGB).

    Returns:
        (H, W) uint8 in {0, 1}.

    Raises:
        NoMask: for numbers where the image holds colours.
    """
    numbers = [value for value in car if not isinstance(value, tuple)]
    colors = [value for value in car if isinstance(value, tuple)]
    found = np.zeros(image.size[::-1], bool)
    if numbers:
        held = numbers_of(image)
        if held is None:
            raise NoMask(
                f"holds the colours {in_words(values_of(image))} and no numbers; name those that are car, "
                "--car '#ff0000' for red (car=\"#ff0000\" in Python)"
            )
        found |= np.isin(held, numbers)
    if colors:
        codes = numbers_of(image) if is_grey(image) else codes_of(rgb(image))
        wide = [(red, green, blue) for red, green, blue in colors if not is_grey(image) or red == green == blue]
        found |= np.isin(codes, [c[0] if is_grey(image) else c[0] << 16 | c[1] << 8 | c[2] for c in wide])
    return found.astype(np.uint8)


def too_many_colors(image: Image.Image) -> NoMask:
    """What to say of a mask with more than two colours or grey values.

    Args:
        image: as `carvana_lessons.data.masks.load_mask` gives it.

    Returns:
        the error, with the values, their shares of the pixels, and the cure.
    """
    grey = grey_of(image)
    if grey.dtype.kind == "f" and np.isnan(grey).any():
        return NoMask(NO_NUMBERS)
    named, colored = values_of(image), is_colored(image)
    if 2 < len(named) <= (CLASSES if colored else FEW):
        return _classes(named)
    count = len(np.unique(codes_of(image)))  # of CMYK, several colours may be one in RGB, which is what is named
    if not grey.min() < grey.max():
        return NoMask(f"has {count} colours where a mask has two, all equally bright; save it again in black and "
                      "white")  # fmt: skip
    return _smoothed(grey, "grey values", "image" if is_grey(image) else 'image.convert("L")', count)


def too_many_steps(opacity: np.ndarray) -> NoMask:
    """What to say of a mask whose transparency has more than two values.

    Args:
        opacity: (H, W) uint8.

    Returns:
        the error, with the values, their shares of the pixels, and the cure.
    """
    return _smoothed(opacity, "steps of transparency", 'image.convert("RGBA").getchannel("A")')


def _classes(named: list[tuple[str, float]]) -> NoMask:
    """The sentence for a mask of some classes; all of them are named, in their order."""
    colors = named[0][0].startswith("#")
    named = sorted(named, key=lambda value: value[0] if colors else float(value[0]))
    one, two = named[-1][0], f"{named[1][0]},{named[-1][0]}"
    examples = f"--car '{one}' or --car '{two}'" if colors else f"--car {one} or --car {two}"
    return NoMask(
        f"has the {'colours' if colors else 'values'} {in_words(named, CLASSES)} where a mask has two: name those that "
        f"are car, with {examples} for example (car= in Python)"
    )


def _smoothed(values: np.ndarray, what: str, source: str, count: int | None = None) -> NoMask:
    """The sentence for a mask with soft edges, with a threshold that parts its values; ``source`` is code."""
    low, high = values.min().item(), values.max().item()
    some, counts = np.unique(values, return_counts=True)
    shares = [(f"{some[k]:g}", counts[k].item() / values.size) for k in np.argsort(-counts, kind="stable")]
    cut = (low + high) // 2 if isinstance(low, int) else round((low + high) / 2, 6)
    count = count or len(some)
    classes = ", name those that are car with --car (car=) if they are classes" if count <= CLASSES else ""
    return NoMask(
        f"has {count} {what} where a mask has two, {in_words(shares, 3)}, as after saving as JPEG or resizing with "
        f"smoothing; have them cut at one half with --soft (soft=True in Python){classes}, or save it again as PNG or "
        f"GIF with `(mask > {cut})`, where mask is np.asarray({source})"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"
