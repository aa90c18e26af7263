"""Bar charts of values of very different size, on a logarithmic axis."""

from collections.abc import Mapping

import pandas as pd
from matplotlib import pyplot as plt

from carvana_lessons.show.figures import Picture, figure
from carvana_lessons.utils.errors import DataError


def bars(
    values: Mapping[str, float] | pd.DataFrame, unit: str, alt: str, line: tuple[float, str] | None = None
) -> Picture:
    """Draw labelled bars, the first on top.

    Args:
        values: one bar each, all above 0; for a DataFrame one group per row and one colour per column.
        unit: of the values, written at every bar.
        alt: what the values are; the values themselves are added.
        line: a value to compare with, drawn as a dashed line, and its name.

    Returns:
        the picture.

    Raises:
        DataError: if there are no values, or one is not above 0: a logarithmic axis has no place for it.

    Lesson:
        03.
    """
    table = values if isinstance(values, pd.DataFrame) else pd.DataFrame({"": values})
    if not table.size or not (table > 0).all(axis=None):
        raise DataError(
            "Bars on a logarithmic axis are of values above 0: leave the others out, and name one at least."
        )
    fig, axis = plt.subplots(figsize=(7.5, 0.6 + 0.3 * table.size + 0.1 * len(table)))
    thick = 0.8 / table.shape[1]
    for k, (name, column) in enumerate(table.items()):
        places = [row + (k + 0.5) * thick - 0.4 for row in range(len(table))]
        drawn = axis.barh(places, column, height=thick, label=name)
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # legible where the line runs through it
        axis.bar_label(drawn, [f"{value:.3g} {unit}" for value in column], padding=4, fontsize=8, bbox=white)
    if line:
        axis.axvline(line[0], color="black", ls="--", lw=1)
        axis.annotate(
            f"{line[1]}: {line[0]:.3g} {unit}", (line[0], 1), (0, 3), ha="center",
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=9,
        )  # fmt: skip
    lowest, highest = table.to_numpy().min(), table.to_numpy().max()
    axis.set(xscale="log", xlim=(lowest / 2, highest * 5), xlabel=f"{unit}, each line ten times the one before")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_yticks(range(len(table)), table.index)
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    if table.shape[1] > 1:
        axis.legend(loc="upper right")
    fig.tight_layout()
    return figure(fig, _describe(table, unit, alt, line))


def _describe(table: pd.DataFrame, unit: str, alt: str, line: tuple[float, str] | None) -> str:
    listed = [
        f"{' as '.join(part for part in (str(row), name) if part)} {table.loc[row, name]:.3g} {unit}"
        for row in table.index
        for name in table.columns
    ]
    mark = f" A dashed line marks {line[1]}, {line[0]:.3g} {unit}." if line else ""
    return f"{alt}, as bars on a logarithmic axis: {', '.join(listed)}.{mark}"
