"""Training curves: loss and Dice over the epochs."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib import ticker
from matplotlib.axes import Axes

from carvana_lessons.show.figures import Picture, figure
from carvana_lessons.utils.wording import counted


def training_curves(frame: pd.DataFrame) -> Picture:
    """Loss and, where there was validation data, Dice over the epochs.

    Args:
        frame: the ``frame`` of a `carvana_lessons.training.History`, of one epoch or more.

    Returns:
        the picture.

    Lesson:
        02.
    """
    validated = frame["valid_dice"].notna().any()
    fig, axes = plt.subplots(1, 2 if validated else 1, figsize=(7.5 if validated else 4, 2.6), squeeze=False)
    loss = axes[0, 0]
    loss.plot(frame["epoch"], frame["loss"], "o-", ms=3, label="training")
    if validated:
        loss.plot(frame["epoch"], frame["valid_loss"], "o-", ms=3, label="validation")
        dice = axes[0, 1]
        dice.plot(frame["epoch"], frame["valid_dice"], "o-", ms=3, color="C1")
        dice.set(xlabel="epoch", title=f"Dice on validation: {frame['valid_dice'].iloc[-1]:.4f}")
    loss.set(xlabel="epoch", title="loss")
    _plain_log_axis(loss)
    loss.legend()
    for axis in axes.flat:
        axis.xaxis.get_major_locator().set_params(integer=True)
    fig.tight_layout()
    return figure(fig, alt=_describe(frame))


def _plain_log_axis(axis: Axes) -> None:
    """A logarithmic axis with labels such as 0.05 instead of powers of ten; a narrow range needs no logarithms."""
    shown = [value for line in axis.lines for value in line.get_ydata() if value > 0]
    if not shown or max(shown) < 3 * min(shown):
        return
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())


def _describe(frame: pd.DataFrame) -> str:
    first, last = frame.iloc[0], frame.iloc[-1]
    text = f"Training loss over {counted(len(frame), 'epoch')}, from {first['loss']:.3f} to {last['loss']:.3f}"
    if pd.notna(last["valid_dice"]):
        text += f"; Dice on the validation photos from {first['valid_dice']:.3f} to {last['valid_dice']:.3f}"
    return text + "."
