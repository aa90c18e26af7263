"""Differences with their confidence intervals: one dot and one interval each."""

import pandas as pd
from matplotlib import pyplot as plt

from carvana_lessons.show.figures import Picture, figure


def intervals(table: pd.DataFrame, unit: str, alt: str, form: str = "+.2f") -> Picture:
    """Draw a dot and its interval for each row, the first on top, and a line at zero; grey where it is crossed.

    Args:
        table: indexed by label; columns value, low, high. A row without low and high is only a dot.
        unit: what the axis counts.
        alt: what is compared; the numbers themselves are added.
        form: how a number is written, a format code as of `format`.

    Returns:
        the picture.

    Lesson:
        09.
    """
    fig, axis = plt.subplots(figsize=(7.5, 0.7 + 0.32 * len(table)))
    places = range(len(table))
    axis.axvline(0, color="black", lw=1)
    colors = ["gray" if low <= 0 <= high else "C0" for low, high in zip(table["low"], table["high"], strict=True)]
    axis.hlines(places, table["low"], table["high"], lw=2.5, color=colors, alpha=0.6)
    axis.scatter(table["value"], places, color=colors, zorder=2)
    white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # legible where the line runs through it
    for place, row in zip(places, table.itertuples(), strict=True):
        axis.annotate(format(row.value, form), (row.value, place), (0, 5.5), textcoords="offset points", ha="center",
                      fontsize=8, bbox=white, zorder=3)  # fmt: skip
    axis.set_yticks(places, table.index)
    axis.set(xlabel=unit, ylim=(len(table) - 0.4, -0.75))
    axis.grid(axis="y", visible=False)
    fig.tight_layout()
    return figure(fig, f"{alt} {'; '.join(_tell(label, row, form) for label, row in table.iterrows())}.")


def _tell(label: object, row: pd.Series, form: str) -> str:
    if pd.isna(row["value"]):
        return f"{label}: not known"
    if row[["low", "high"]].isna().any():
        return f"{label}: {row['value']:{form}}"
    return f"{label}: {row['value']:{form}}, from {row['low']:{form}} to {row['high']:{form}}"
