"""A trained network, by whatever a reader calls its weights.  Lesson: 09."""

import warnings
from pathlib import Path

from torch import nn

from carvana_lessons import models
from carvana_lessons.catalog import find_weights
from carvana_lessons.checkpoint import load_model


def load_trained(place: str | Path) -> nn.Module:
    """A network with trained weights, in evaluation mode, on the CPU.

    Args:
        place: a name, a checkpoint or the folder of a run, see `find_weights`.
    Returns: (B, 3, H, W) in [0, 1] → logits (B, K, H, W).
    Raises: CarvanaError if there are no such weights, or they cannot be read.
    Warns: where a name is that of a file or folder here too, and of the file that was taken from a run's folder.
    Lesson: 09.
    """
    found = find_weights(place)
    if isinstance(found, str):
        if Path(found).exists():
            warnings.warn(
                f"The weights called {found} come with the package; what lies here under that name is not read, "
                f"./{found} would name it.",
                UserWarning,
                stacklevel=2,
            )
        return models.create(found, weights=models.weights.NAME)
    if Path(place).is_dir():
        warnings.warn(f"Of the folder {place} its {found.name} is taken, the best epoch.", UserWarning, stacklevel=2)
    return load_model(found)
