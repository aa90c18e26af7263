"""Background removal in one call: the steps of `carvana_lessons.prediction.cutout`, one after the other."""

import numpy as np
from torch import nn

from carvana_lessons.prediction.cutout import (
    RADIUS,
    estimate_foreground,
    feather,
    photo_logits,
    remove_small_regions,
    to_rgba,
)


def cut_out(
    model: nn.Module, photo: np.ndarray, size: int | tuple[int, int] | None = None, radius: float = RADIUS
) -> np.ndarray:
    """Cut the car out of one photo.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w).
        photo: (H, W, 3) uint8, RGB.
        size: side, or (height, width), of the network's input; None: the size that it was trained for.
        radius: of the soft edge, in pixels of the photo.

    Returns:
        (H, W, 4) uint8, RGBA: the car on a transparent background, black where it is fully transparent.

    Raises:
        CarvanaError: if neither ``size`` nor the network says the input size.

    Lesson:
        cut-out.
    """
    alpha = feather(remove_small_regions(photo_logits(model, photo, size)), radius)
    return to_rgba(estimate_foreground(photo, alpha), alpha, blank=True)
