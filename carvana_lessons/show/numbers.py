"""Small maps with their numbers in the cells, to compute along by hand."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import ArrayLike

from carvana_lessons.figures import Picture, figure


def numbers(
    maps: Sequence[ArrayLike],
    titles: Sequence[str],
    alt: str,
    form: str = "g",
    mark: Sequence[tuple[int, int, int]] = (),
    columns: int = 4,
    cell: float = 0.36,
) -> Picture:
    """Draw tables of numbers side by side: blue above zero, orange below, deeper for larger.

    Args:
        maps: each (h, w); nan is an empty cell.  titles: one for each.
        alt: what they are; the numbers themselves are added.
        form: how a number is written, a format code as of `format`.
        mark: cells to frame: (map, row, column).
        columns: maps side by side.  cell: width of a cell, in inches.
    Lesson: 05.
    """
    arrays = [np.asarray(m, dtype=float) for m in maps]
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    high = max(a.shape[0] for a in arrays)
    wide = max(a.shape[1] for a in arrays)
    limit = max(float(np.nanmax(np.abs(a))) for a in arrays) or 1.0
    fig, axes = plt.subplots(
        rows, columns, figsize=(columns * (wide * cell + 0.3), rows * (high * cell + 0.4)), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for k, (axis, array, title) in enumerate(zip(axes.flat, arrays, titles, strict=False)):
        axis.imshow(array, cmap="PuOr", vmin=-1.6 * limit, vmax=1.6 * limit)
        axis.set_title(title, fontsize=9)
        axis.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5))
        for (i, j), value in np.ndenumerate(array):
            if not np.isnan(value):
                axis.text(j, i, format(value, form), ha="center", va="center", fontsize=8)
                framed = (k, i, j) in mark
                axis.add_patch(
                    plt.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, lw=1.8 if framed else 0.4,
                                  ec="black" if framed else "#888888", zorder=3 if framed else 2)
                )  # fmt: skip
    fig.tight_layout(pad=0.4)
    told = [f"{t}: {_read(a, form)}" for t, a in zip(titles, arrays, strict=True)]
    return figure(fig, f"{alt} {'. '.join(told)}.")


def _read(array: np.ndarray, form: str) -> str:
    """ "1 2 / 3 4"; an empty cell is a dash."""
    return " / ".join(" ".join("–" if np.isnan(v) else format(v, form) for v in row) for row in array)
