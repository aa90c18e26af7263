"""What happened while a network trained: a table, and the picture of it."""

import pandas as pd
from matplotlib import pyplot as plt

from carvana_lessons.figures import Picture, figure
from carvana_lessons.wording import counted

COLUMNS = ["epoch", "loss", "valid_loss", "valid_dice", "seconds", "images_per_second"]


class History:
    """One row an epoch; as the last value of a cell it draws itself.

    Attributes:
        frame: DataFrame with the columns of `COLUMNS`. ``loss`` is the mean over the epoch's training images, while
            they are learned from; ``valid_loss`` and ``valid_dice`` are measured after the epoch, at the network's
            input size, and missing without validation data. ``seconds`` cover training and validation.
    Lesson: 02.
    """

    def __init__(self, rows: list[dict] | None = None) -> None:
        self.frame = pd.DataFrame(rows or [], columns=COLUMNS)

    def append(self, **row: float) -> None:
        """Add an epoch."""
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
        """Whether an epoch, counted from 1, has a better Dice than another; without validation data the later one."""
        one, two = (self.frame["valid_dice"].astype(float).iloc[k - 1] for k in (epoch, other))
        return epoch > other if pd.isna(two) else bool(one > two)

    @property
    def seconds(self) -> float:
        """Time of all epochs together."""
        return float(self.frame["seconds"].sum())

    def plot(self) -> Picture:
        """Loss and, where there was validation data, Dice over the epochs."""
        f = self.frame
        validated = f["valid_dice"].notna().any()
        fig, axes = plt.subplots(1, 2 if validated else 1, figsize=(7.5 if validated else 4, 2.6), squeeze=False)
        loss = axes[0, 0]
        loss.plot(f["epoch"], f["loss"], "o-", ms=3, label="training")
        if validated:
            loss.plot(f["epoch"], f["valid_loss"], "o-", ms=3, label="validation")
            dice = axes[0, 1]
            dice.plot(f["epoch"], f["valid_dice"], "o-", ms=3, color="C1")
            dice.set(xlabel="epoch", title=f"Dice on validation: {f['valid_dice'].iloc[-1]:.4f}")
        loss.set(xlabel="epoch", title="loss", yscale="log")
        loss.legend()
        for axis in axes.flat:
            axis.xaxis.get_major_locator().set_params(integer=True)
        fig.tight_layout()
        return figure(fig, alt=self._describe())

    def _describe(self) -> str:
        first, last = self.frame.iloc[0], self.frame.iloc[-1]
        text = f"Training loss over {counted(len(self), 'epoch')}, from {first['loss']:.3f} to {last['loss']:.3f}"
        if pd.notna(last["valid_dice"]):
            text += f"; Dice on the validation photos from {first['valid_dice']:.3f} to {last['valid_dice']:.3f}"
        return text + "."

    def _repr_html_(self) -> str:
        return self.plot()._repr_html_() if len(self) else "<p>No epoch was trained.</p>"

    def __repr__(self) -> str:
        return self.frame.to_string(index=False)
