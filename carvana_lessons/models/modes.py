"""Training or evaluation: the mode of a network, changed for a while and given back."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(*models: nn.Module) -> Iterator[None]:
    """Put networks into evaluation mode; afterwards every module has the mode that it had.

    Whoever looks at a network in training mode changes it: batch norm takes the photos into its means, dropout draws.
    Whoever leaves it in evaluation mode changes the training that goes on.

    Args:
        models: any networks.
    Lesson: 02.
    """
    modes = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
