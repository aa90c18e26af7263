"""What happened while a network trained: a table, and the picture of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from carvana_lessons.show import Picture

COLUMNS = ["epoch", "loss", "valid_loss", "valid_dice", "seconds", "images_per_second"]


class History:
    """One row per epoch; as the last value of a cell it draws itself.

    Args:
        rows: one per epoch, by column; None for a history without epochs.

    Attributes:
        frame: DataFrame with the columns of `COLUMNS`. ``loss`` is the mean over the epoch's training images, while
            they are learned from; ``valid_loss`` and ``valid_dice`` are measured after the epoch, at the network's
            input size, and missing without validation data. ``seconds`` cover training and validation.

    Lesson:
        02.
    """

    def __init__(self, rows: list[dict] | None = None) -> None:
        self.frame = pd.DataFrame(rows or [], columns=COLUMNS)

    def append(self, **row: float) -> None:
        """Add an epoch.

        Args:
            row: the epoch's values, by column.
        """
        self.frame.loc[len(self.frame)] = [row.get(name) for name in COLUMNS]
        self.frame = self.frame.astype({"epoch": int})

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def last(self) -> pd.Series:
        """The row of the last epoch."""
        return self.frame.iloc[-1]

    @property
    def best(self) -> int:
        """The epoch, counted from 1, with the best Dice on validation; without validation data the last one."""
        scores = self.frame["valid_dice"].astype(float)
        return len(scores) if scores.isna().all() else int(scores.argmax()) + 1

    def better(self, epoch: int, other: int) -> bool:
        """Whether an epoch, counted from 1, has a better Dice than another; without validation data the later one.

        Args:
            epoch: counted from 1.
            other: counted from 1.
        """
        one, two = (self.frame["valid_dice"].astype(float).iloc[k - 1] for k in (epoch, other))
        return epoch > other if pd.isna(two) else bool(one > two)

    @property
    def stale(self) -> int:
        """Epochs since the best Dice on validation."""
        return len(self) - self.best

    @property
    def seconds(self) -> float:
        """Time of all epochs together."""
        return float(self.frame["seconds"].sum())

    def plot(self) -> Picture:
        """Loss and, where there was validation data, Dice over the epochs.

        Returns:
            the picture.
        """
        from carvana_lessons.show import training_curves  # matplotlib takes longer than a step of training

        return training_curves(self.frame)

    def _repr_html_(self) -> str:
        return self.plot()._repr_html_() if len(self) else "<p>No epoch was trained.</p>"

    def __repr__(self) -> str:
        return self.frame.to_string(index=False)
