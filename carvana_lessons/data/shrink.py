"""Downsample a mask to the input size of a network, by counting.

Pillow's box filter would give the same average over floats, which are four times the bytes, and its rounding may tip a
pixel that is exactly half car. Counts are exact.
"""

from __future__ import annotations

import numpy as np


def shrink_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Average a mask over the area of each new pixel and threshold at one half: half or more is car.

    The area of new pixel ``i`` of ``n`` goes from ``i * N / n`` to ``(i + 1) * N / n``, both rounded to whole pixels;
    where the mask has no more pixels than wanted, it is the pixel under the new one's centre.

    Args:
        mask: (H, W) uint8 in {0, 1}.
        size: (h, w) wanted, both at least 1.

    Returns:
        (h, w) uint8 in {0, 1}.

    Lesson:
        03.
    """
    cars, heights = _sums(mask, size[0], most=1)
    cars, widths = _sums(np.ascontiguousarray(cars.T), size[1], most=int(heights.max()))
    return (cars >= (np.outer(widths, heights) + 1) // 2).T.astype(np.uint8)


def _sums(values: np.ndarray, length: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over groups of neighbouring rows, and the number of rows in each; no value is larger than ``most``."""
    old = len(values)
    if length >= old:
        return values[(2 * np.arange(length) + 1) * old // (2 * length)], np.ones(length, dtype=int)
    first = (2 * np.arange(length) * old + length) // (2 * length)  # i * old / length, rounded, in whole numbers
    counts = np.diff(first, append=old)
    # The smallest type that holds them: these are passes over the whole photo, and bytes are what they cost.
    total = values[first].astype(np.min_scalar_type(most * int(counts.max())))
    for k in range(1, counts.max()):
        there = counts > k
        if there.all():
            total += values[first + k]
        else:
            total[there] += values[first[there] + k]
    return total, counts
