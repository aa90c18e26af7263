"""Run a network without changing its state."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

OWN = frozenset(vars(nn.Module()))  # what torch stores in every module: parameters, hooks, mode


@contextmanager
def evaluation_mode(*models: nn.Module) -> Iterator[None]:
    """Put networks into evaluation mode inside the ``with`` block; afterwards every module has the mode that it had.

    A network that is left in evaluation mode would change the training that continues.

    Args:
        models: the networks.
    """
    modes = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def preserve_state(model: nn.Module) -> Iterator[nn.Module]:
    """Run a network in evaluation mode inside the ``with`` block and restore its state afterwards.

    In training mode every image changes a network: batch norm updates its running means. Other modules count, or draw
    random numbers. So the mode of every module, buffers, plain attributes and random state are restored; objects that
    an attribute refers to, a list that is appended to for example, are not.

    Args:
        model: any. Hooks that are registered inside the block are the caller's to remove.

    Yields:
        the network, in evaluation mode; no gradients are computed.
    """
    # By version: a buffer that did not change is not written, because a backward pass may still need it.
    buffers = [(buffer, buffer.detach().clone(), _version(buffer)) for buffer in model.buffers()]
    attributes = [(module, {k: v for k, v in vars(module).items() if k not in OWN}) for module in model.modules()]
    numbers, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002  a network may draw from it
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    try:
        with evaluation_mode(model), torch.random.fork_rng(sorted(devices)), torch.no_grad():
            yield model
    finally:
        for module, before in attributes:
            for name in vars(module).keys() - OWN - before.keys():
                del vars(module)[name]
            vars(module).update(before)
        with torch.no_grad():
            for buffer, before, version in buffers:
                if version is None or _version(buffer) != version:
                    buffer.copy_(before)
        random.setstate(numbers)
        np.random.set_state(legacy)  # noqa: NPY002


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to; None for one of inference mode, which does not count."""
    return None if tensor.is_inference() else tensor._version
