"""A soft shadow where a car that was cut out touches the ground; without one it seems to float.

It is drawn from the mask alone, and knows nothing of the lamps of the photo.

Lesson:
    cut-out.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage

DARKEST = 0.6  # how much light it takes where it is darkest
STEEPEST = 0.45  # of the line on which a car stands, seen at an angle: steeper lines lead up to a bumper
GAP = 0.2  # of the car's height: how far above the ground its body still darkens it
SPREAD = 0.012  # of the car's width: the standard deviation of the blur


def contact_shadow(alpha: np.ndarray) -> np.ndarray:
    """How much light the shadow takes from the ground around a car.

    The ground line is stretched below the car like a string below its wheels (the lower convex hull of the mask);
    what lies between the two is in the shade, the more so the nearer the body is to the ground. Then it is blurred.

    Args:
        alpha: (H, W) in [0, 1], as `carvana_lessons.prediction.cutout.feather` makes it.

    Returns:
        (H, W) float32 in [0, 1]: 0 for full light, and 0 wherever the car is opaque; nothing for a mask without car.

    Lesson:
        cut-out.
    """
    car = alpha > 0.5
    columns = np.flatnonzero(car.any(axis=0))
    if not len(columns):
        return np.zeros(alpha.shape, np.float32)
    rows = np.flatnonzero(car.any(axis=1))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    bottom = len(car) - 1 - car[::-1, columns].argmax(axis=0)
    ground = _string(columns, bottom)
    y = np.arange(len(car))[:, None]
    thickness = max(1.0, SPREAD * width)
    # From inside the car on: a blur of what begins at its edge would leave a pale line there.
    below = (y > bottom - 3 * thickness) & (y <= ground + thickness)
    shade = np.zeros(alpha.shape, np.float32)
    shade[:, columns] = below * np.exp(-np.maximum(ground - bottom, 0) / max(1.0, GAP * height))
    # Twice: a narrow one keeps the dark line at the tyres, a wide one fades out.
    soft = [ndimage.gaussian_filter(shade, k * thickness, mode="constant", truncate=3) for k in (0.5, 2)]
    return (DARKEST * np.clip(soft[0] + soft[1], 0, 1) * (1 - alpha)).astype(np.float32)


def under(rgba: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """A transparent cut-out with a shadow under it: black, as opaque as the shadow takes light.

    Args:
        rgba: (H, W, 4) uint8, as `carvana_lessons.prediction.cutout.to_rgba` makes it.
        shadow: (H, W), as `contact_shadow` makes it.

    Returns:
        (H, W, 4) uint8. Opaque pixels of the car are as they were.

    Raises:
        ValueError: if the sizes differ.

    Source:
        Porter & Duff 1984, "over".

    Lesson:
        cut-out.
    """
    if rgba.shape != (*shadow.shape, 4):
        raise ValueError(f"The cut-out is {rgba.shape} and the shadow {shadow.shape}; both must have one size.")
    car = rgba[..., 3:] / np.float32(255)
    opacity = car + (1 - car) * shadow[..., None]
    colour = rgba[..., :3] * car / np.maximum(opacity, 1e-6)
    return (np.dstack([colour, 255 * opacity]) + 0.5).astype(np.uint8)


def _string(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The lower convex hull of a contour at each of its columns, y downwards; −inf at its steep ends, in the air.

    `scipy.spatial.ConvexHull` fails on points that lie on one line, as the bottom of a box does.
    """
    hull: list[int] = []
    for k in range(len(x)):  # Andrew's monotone chain
        while len(hull) > 1 and _turns(x, y, hull[-2], hull[-1], k):
            hull.pop()
        hull.append(k)
    line = np.full(len(y), -np.inf)
    for k, j in pairwise(hull):
        if abs(y[j] - y[k]) <= STEEPEST * (x[j] - x[k]):
            line[k : j + 1] = np.interp(x[k : j + 1], (x[k], x[j]), (y[k], y[j]))
    return line


def _turns(x: np.ndarray, y: np.ndarray, a: int, b: int, c: int) -> bool:
    """Whether b lies above the line from a to c, or on it: it is no corner of the hull then."""
    return bool((int(x[b]) - int(x[a])) * (int(y[c]) - int(y[a])) >= (int(y[b]) - int(y[a])) * (int(x[c]) - int(x[a])))
