"""What stands behind a car that was cut out: a colour, a picture, or the photo's own background out of focus.

Lesson:
    cut-out.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from carvana_lessons.data.images import read_photo
from carvana_lessons.prediction.cutout import WHITE
from carvana_lessons.utils.catalog import check_background
from carvana_lessons.utils.errors import CarvanaError

FOCUS = 0.015  # of the photo's longer side: the standard deviation of the blur
HALO = 0.006  # of the same: how far around the car its colour and its reflection reach into the background

Background = tuple[int, int, int] | np.ndarray | str


def find_background(text: str) -> Background:
    """What a user calls a background, and the pixels of a picture.

    Args:
        text: as `carvana_lessons.utils.catalog.check_background` takes it.

    Returns:
        an RGB colour, a picture (h, w, 3) uint8, or "blur".

    Raises:
        ArgumentError: if it is none of these.
        DataError: for a picture that cannot be decoded.

    Lesson:
        cut-out.
    """
    found = check_background(text)
    return read_photo(found, upright=True) if isinstance(found, Path) else found


def cover(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture until it covers a size, and crop what is too much, evenly on both sides.

    Args:
        picture: (h, w, 3) uint8.
        size: (H, W) to cover, in pixels.

    Returns:
        (H, W, 3) uint8; the proportions are those of ``picture``.

    Raises:
        CarvanaError: for a picture of no pixels.

    Lesson:
        cut-out.
    """
    if not picture.size:
        raise CarvanaError("A background needs pixels; this picture has none.")
    height, width = size
    return np.array(ImageOps.fit(Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS))


def blur_background(photo: np.ndarray, alpha: np.ndarray, focus: float = FOCUS) -> np.ndarray:
    """The photo's own background out of focus, without the colours of the car.

    A plain blur would smear the car into a glow around itself. Here a pixel is the mean of the *background* near it
    (normalised convolution: blur the background alone, divide by the blurred share of background), and behind the car
    the background is continued.

    Args:
        photo: (H, W, 3) uint8.
        alpha: (H, W), as `carvana_lessons.prediction.cutout.feather` makes it.
        focus: standard deviation of the blur, as a share of the photo's longer side.

    Returns:
        (H, W, 3) uint8; white where there is no background at all.

    Raises:
        ValueError: if the sizes differ.

    Source:
        Knutsson & Westin 1993, "Normalized and differential convolution".

    Lesson:
        cut-out.
    """
    if photo.shape[:2] != alpha.shape:
        raise ValueError(f"The photo is {photo.shape} and alpha {alpha.shape}; both must have one height and width.")
    height, width = alpha.shape
    longer = max(height, width)
    halo = 2 * round(HALO * longer) + 1
    free = ndimage.maximum_filter((alpha > 0).view(np.uint8), halo) == 0  # neither car nor what shimmers around it
    if not free.any():
        return np.full_like(photo, WHITE)
    # What is blurred so much needs few pixels: two for every standard deviation, a thousandth of the time.
    shrink = max(1.0, focus * longer / 2)
    size = (max(1, round(height / shrink)), max(1, round(width / shrink)))
    share = _resized(free.astype(np.float32), size)
    light = np.dstack([_resized(channel * free, size) for channel in np.moveaxis(photo.astype(np.float32), 2, 0)])
    blurred, known = np.empty_like(light), np.zeros(size, bool)
    blurred[:] = light.sum(axis=(0, 1)) / share.sum()
    sigma = focus * longer / shrink
    while not known.all() and sigma < 2 * max(size):  # wider and wider, until the middle of the car is reached
        near = ndimage.gaussian_filter(share, sigma, mode="nearest", truncate=3)
        new = ~known & (near > 1e-3)
        around = ndimage.gaussian_filter(light, (sigma, sigma, 0), mode="nearest", truncate=3)
        blurred[new] = around[new] / near[new][:, None]
        known |= new
        sigma *= 2
    picture = Image.fromarray((blurred + 0.5).clip(0, 255).astype(np.uint8))
    return np.array(picture.resize((width, height), Image.Resampling.BICUBIC))


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 as the means over the area of each new pixel, (h, w)."""
    return np.array(Image.fromarray(values).resize(size[::-1], Image.Resampling.BOX))
