"""Training curves can be read: labels are plain numbers, and there are some."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from carvana_lessons.show import curves


@pytest.mark.parametrize("losses", [(0.41, 0.39), (0.69, 0.4, 0.1), (0.9, 0.004), (3e-4, 1e-4), (0.5, 0.5), (2.0, 0.3)])
def test_the_axis_of_the_loss_has_plain_labels(losses, monkeypatch):
    drawn = []
    monkeypatch.setattr(curves, "figure", lambda fig, alt: drawn.append((fig, alt)))
    epochs = np.arange(1, len(losses) + 1)
    curves.training_curves(
        pd.DataFrame({"epoch": epochs, "loss": losses, "valid_loss": losses, "valid_dice": 0.9 + epochs / 100})
    )
    ((fig, alt),) = drawn
    fig.canvas.draw()
    axis = fig.axes[0]
    low, high = axis.get_ylim()
    labels = [t.get_text() for t in axis.get_yticklabels(which="both") if low <= t.get_position()[1] <= high]
    seen = [text for text in labels if text]
    assert seen and all("10^" not in text and "times" not in text for text in seen)
    assert all(low <= float(text.replace("−", "-")) <= high for text in seen)
    assert "Dice on the validation photos" in alt
    plt.close(fig)
