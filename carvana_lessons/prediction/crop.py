"""Crop a cut-out to the car.

Lesson:
    cut-out.
"""

import numpy as np

from carvana_lessons.utils.errors import ArgumentError


def check_margin(margin: float | None) -> None:
    """Refuse what is no margin.

    Args:
        margin: in per cent, or None for no crop.

    Raises:
        ArgumentError: for one below 0.
    """
    if margin is not None and not 0 <= margin < np.inf:
        raise ArgumentError(f"A margin of {margin} % will not do; take 0 or more.")


def car_box(alpha: np.ndarray, margin: float = 0.0) -> tuple[slice, slice]:
    """The rows and columns of a photo that hold the car and a margin.

    Args:
        alpha: (H, W), above 0 where there is car, or the shadow that belongs to it.
        margin: on every side, in per cent of the car's longer side; what would lie outside the photo is left out.

    Returns:
        rows and columns, to index the photo with; the whole photo where there is no car.

    Raises:
        ArgumentError: for a margin below 0.

    Lesson:
        cut-out.
    """
    check_margin(margin)
    sides = [np.flatnonzero((alpha > 0).any(axis=axis)) for axis in (1, 0)]
    if not len(sides[0]):
        return slice(0, alpha.shape[0]), slice(0, alpha.shape[1])
    more = round(margin / 100 * max(int(at[-1] - at[0]) + 1 for at in sides))
    return tuple(  # type: ignore[return-value]
        slice(max(0, int(at[0]) - more), min(length, int(at[-1]) + 1 + more))
        for at, length in zip(sides, alpha.shape, strict=True)
    )
