"""How well a mask follows the boundary of a car; Dice hardly notices it, because most of a car is far from its edge.

The true masks of the challenge are rough themselves by a pixel or two: a score at a width of one or two pixels says as
much about the hand that drew them as about a network.

Lesson:
    cut-out.
"""

import numpy as np
from scipy import ndimage

#: Pixels of the band that `boundary_iou` compares, for photos of 1918×1280.
WIDTH = 5


def boundary_iou(prediction: np.ndarray, target: np.ndarray, width: int = WIDTH) -> float:
    """IoU of the two inner bands along the boundaries, see `inner_band`; 1 where both masks are empty.

    Args:
        prediction: (H, W), boolean or in {0, 1}.
        target: the same shape and kind.
        width: of the bands, in pixels. `relative_width` gives the one of the source, a share of the diagonal.

    Returns:
        in [0, 1].

    Raises:
        ValueError: if the shapes differ, a value is neither 0 nor 1, or the width is below 1.

    Source:
        Cheng et al. 2021, "Boundary IoU", and its code.

    Lesson:
        cut-out.
    """
    one, other = np.asarray(prediction), np.asarray(target)
    if one.shape != other.shape:
        raise ValueError(f"Prediction {one.shape} and target {other.shape} differ in shape.")
    one, other = inner_band(one, width), inner_band(other, width)
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def inner_band(mask: np.ndarray, width: int = WIDTH) -> np.ndarray:
    """Pixels of a mask that lie less than ``width`` steps inside its boundary.

    A step leads to one of the eight neighbours. What is outside the photo counts as background, as in the source: a car
    that is cut by the photo's border has a boundary there.

    Args:
        mask: (H, W), boolean or in {0, 1}.
        width: in pixels, 1 or more; 1 is the outermost row of pixels.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: for another shape, a value that is neither 0 nor 1, or a width below 1.

    Source:
        Cheng et al. 2021, "Boundary IoU": the mask less the mask eroded by a 3×3 square, ``width`` times over.

    Lesson:
        cut-out.
    """
    car = _as_mask(mask)
    if width < 1:
        raise ValueError(f"A band along the boundary is 1 pixel wide or more, not {width}.")
    band = car.copy()
    rows, columns = np.flatnonzero(car.any(axis=1)), np.flatnonzero(car.any(axis=0))
    if len(rows):
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # beyond it there is nothing to erode
        # One minimum over a square is that many erosions by the small one, and its time does not grow with the width.
        core = ndimage.minimum_filter(car[box].view(np.uint8), 2 * width + 1, mode="constant", cval=0)
        band[box] &= core == 0
    return band


def relative_width(shape: tuple[int, int], share: float = 0.02) -> int:
    """The width of the source: a share of the photo's diagonal, at least 1 pixel.

    At 1918×1280 its 2 % are 46 pixels. That suits photos of small things; most of what is wrong with a car's boundary
    is narrower.

    Args:
        shape: (H, W) of the masks, in pixels.
        share: of the diagonal.

    Returns:
        whole pixels.

    Source:
        Cheng et al. 2021, "Boundary IoU".

    Lesson:
        cut-out.
    """
    return max(1, round(share * float(np.hypot(*shape))))


def _as_mask(values: np.ndarray) -> np.ndarray:
    """(H, W) bool."""
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"A mask is (H, W), not {values.shape}: take one photo at a time.")
    if values.dtype == bool:
        return values
    car = values == 1
    if not (car | (values == 0)).all():
        raise ValueError(
            f"The mask has values other than 0 and 1 (from {values.min():g} to {values.max():g}); make it a mask "
            "first: `mask > 0` for 0/255, `logits > 0` for logits."
        )
    return car
