"""Small maps with their values in the cells, to compute by hand."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from carvana_lessons.show.figures import Picture, figure

LETTER, TITLE, BETWEEN = 0.075, 0.26, 0.25  # inches: a letter of a title, the title's height, room between maps


def numbers(
    maps: Sequence[ArrayLike],
    titles: Sequence[str],
    alt: str,
    form: str = "g",
    mark: Sequence[tuple[int, int, int]] = (),
    columns: int = 4,
    cell: float = 0.36,
) -> Picture:
    """Draw tables of numbers side by side: violet above zero, orange below, deeper for larger.

    Args:
        maps: each (h, w); nan is an empty cell.
        titles: one for each.
        alt: what they are; the numbers themselves are added.
        form: how a number is written, a format code as of `format`.
        mark: cells to frame: (map, row, column).
        columns: maps per row.
        cell: side of a cell, in inches.

    Returns:
        the picture.

    Raises:
        ValueError: if there are not as many titles as maps.

    Lesson:
        05.
    """
    if len(titles) != len(maps):
        raise ValueError(f"There are {len(titles)} titles for {len(maps)} maps.")
    arrays = [np.asarray(m, dtype=float) for m in maps]
    told = [f"{t}: {_read(a, form)}" for t, a in zip(titles, arrays, strict=True)]
    limit = max(float(np.nanmax(np.abs(a))) for a in arrays) or 1.0
    columns = min(columns, len(arrays))
    needs = [max(a.shape[1] * cell, LETTER * len(t)) for a, t in zip(arrays, titles, strict=True)]
    wide = [max(needs[k::columns]) for k in range(columns)]
    high = [max(a.shape[0] for a in arrays[k : k + columns]) * cell for k in range(0, len(arrays), columns)]
    total = sum(wide) + BETWEEN * (columns - 1), sum(high) + TITLE * len(high) + BETWEEN / 2 * (len(high) - 1)
    fig = plt.figure(figsize=total)
    for k, (array, title) in enumerate(zip(arrays, titles, strict=True)):
        row, column = divmod(k, columns)
        h, w = (side * cell for side in array.shape)
        left = sum(wide[:column]) + BETWEEN * column + (wide[column] - w) / 2
        top = total[1] - sum(high[:row]) - TITLE * (row + 1) - BETWEEN / 2 * row
        axis = fig.add_axes((left / total[0], (top - h) / total[1], w / total[0], h / total[1]))
        _draw(axis, array, title, form, limit, {(i, j) for number, i, j in mark if number == k})
    return figure(fig, f"{alt} {'. '.join(told)}.")


def _draw(axis: Axes, array: np.ndarray, title: str, form: str, limit: float, framed: set[tuple[int, int]]) -> None:
    axis.axis("off")
    axis.imshow(array, cmap="PuOr", vmin=-1.6 * limit, vmax=1.6 * limit, aspect="auto")
    axis.set_title(title, fontsize=9, pad=4)
    for (i, j), value in np.ndenumerate(array):
        width, color = (1.8, "black") if (i, j) in framed else (0.5, "#DDDDDD" if np.isnan(value) else "#888888")
        order = 1 + width  # a thin frame must not cover a thick one, nor an empty cell's a number's
        axis.add_patch(
            plt.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, lw=width, ec=color, clip_on=False,
                          zorder=order - np.isnan(value) / 10)
        )  # fmt: skip
        if not np.isnan(value):
            axis.text(j, i, format(value, form), ha="center", va="center", fontsize=8)


def _read(array: np.ndarray, form: str) -> str:
    """ "1 2 / 3 4"; an empty cell is a dash."""
    return " / ".join(" ".join("–" if np.isnan(v) else format(v, form) for v in row) for row in array)
