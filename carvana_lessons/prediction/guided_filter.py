"""The guided filter: smooth a mask, but keep the edges of the photo.

OpenCV has one only in its contrib package, 70 MB that no other function here needs; on box filters of SciPy it is ten
lines.

Lesson:
    cut-out.
"""

import numpy as np
from scipy import ndimage


def guided_filter(guide: np.ndarray, values: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """In every window the values are replaced by a linear function of the guide; a pixel gets the mean of its windows.

    Args:
        guide: (H, W) float, the photo in grey, in [0, 1].
        values: (H, W) float, what is smoothed, a mask for example.
        radius: windows are ``2·radius + 1`` pixels wide.
        eps: variance of the guide below which a window counts as flat, and its values are averaged.

    Returns:
        (H, W) float32.

    Raises:
        ValueError: if the shapes differ.

    Source:
        He, Sun & Tang 2010, "Guided image filtering", algorithm 1.

    Lesson:
        cut-out.
    """
    if guide.shape != values.shape or guide.ndim != 2:
        raise ValueError(f"The guide is {guide.shape} and the values {values.shape}; both must be one (H, W).")

    def mean(x: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(x, 2 * radius + 1, mode="nearest")

    guide, values = guide.astype(np.float32), values.astype(np.float32)
    mean_guide, mean_values = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_guide * mean_values) / (mean(guide * guide) - mean_guide**2 + eps)
    return mean(slope) * guide + mean(mean_values - slope * mean_guide)
