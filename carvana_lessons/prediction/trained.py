"""Load a trained network by name, checkpoint or folder.

Lesson:
    09.
"""

import warnings
from pathlib import Path

from torch import nn

from carvana_lessons import models
from carvana_lessons.models import model_cards
from carvana_lessons.models.checkpoint import load_model
from carvana_lessons.prediction.inference import input_size
from carvana_lessons.utils.catalog import PRECISION_NAMES, find_weights
from carvana_lessons.utils.device import inference_precision


def load_trained(place: str | Path) -> nn.Module:
    """A network with trained weights, in evaluation mode, on the CPU.

    Args:
        place: a name, a checkpoint or the folder of a run, see `find_weights`.

    Returns:
        (B, 3, H, W) in [0, 1] → logits (B, K, H, W).

    Raises:
        CarvanaError: if there are no such weights, or they cannot be read.

    Warns:
        UserWarning: if a file or folder has the same name as shipped weights, and which file of a run's folder is used.

    Lesson:
        09.
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
        network, weights = model_cards.parts(found)
        return models.create(network, weights=weights)
    if Path(place).is_dir():
        warnings.warn(f"Of the folder {place} its {found.name} is used, the best epoch.", UserWarning, stacklevel=2)
    return load_model(found)


def describe_answers(name: str, model: nn.Module, size: int | None, precision: str | None, device: str) -> str:
    """The input size and the precision of a network, in one line.

    Args:
        name: what the reader calls it.
        model: as `load_trained` makes it.
        size: side of the input that was asked for, in pixels; None for the network's own.
        precision: that was asked for; None for what suits the device.
        device: on which it answers.

    Returns:
        the line.

    Raises:
        CarvanaError: where nothing says the size.

    Warns:
        UserWarning: where the size is another one than that of the training.

    Lesson:
        09.
    """
    (height, width), own = input_size(model, size), models.provenance(model).size
    if own not in (None, (height, width)):
        warnings.warn(
            f"{name} was trained at {own[0]}×{own[1]} and answers at {height}×{width}: its masks are worse at another "
            "size, most of all at a much smaller one; leave --size out for its own.",
            UserWarning,
            stacklevel=2,
        )
    words = PRECISION_NAMES[precision or inference_precision(device)]
    return f"{name}: {height}×{width} px, {words}."
