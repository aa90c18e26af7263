"""Looking at a network without changing it: whoever looks leaves everything as it was."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def untouched(model: nn.Module) -> Iterator[nn.Module]:
    """Run a network in evaluation mode inside the ``with`` block; afterwards it is what it was before.

    A network in training mode learns from every image that it is shown: batch norm keeps running means. Others count,
    or draw random numbers. So modes (of every module for itself), buffers and random state are put back.

    Args:
        model: any.  Hooks that are registered inside the block are the caller's to remove.
    Yields: the network, in evaluation mode; no gradients are computed.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    numbers, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002  a network may draw from it
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(sorted(devices)), torch.no_grad():
            yield model.eval()
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, before in buffers:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)
        random.setstate(numbers)
        np.random.set_state(legacy)  # noqa: NPY002
