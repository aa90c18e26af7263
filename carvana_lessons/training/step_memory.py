"""How much memory a training step takes, counted beforehand: the step is played on tensors that have only shapes.

Every tensor that a step makes is counted while it lives: parameters, feature maps that the backward pass needs,
gradients, Adam's two moments. PyTorch's device "meta" computes shapes and no numbers, so a step that would not fit is
counted in half a second.
"""

from __future__ import annotations

import weakref
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from carvana_lessons import models
from carvana_lessons.training.losses import bce

# The process by what its tensors take. On a processor: 1.2 to 1.6 in ten settings of five networks, from 64 to 512
# pixels: the rest is what convolutions work in, and gaps. On a GPU an allowance for cuDNN's work space, not measured.
OVERHEAD = {"cpu": 1.65, "cuda": 1.25, "mps": 1.65}
LIBRARIES = 64 * 2**20  # bytes, of any step: the libraries' own


def step_memory(
    network: str, width: int | None, size: int, batch_size: int, device: str = "cpu", precision: str = "no"
) -> int:
    """An estimate of what training takes on a device, a little above what it really is.

    Args:
        network: as `models.create` takes it.
        width: as `models.create` takes it.
        size: side of the input, in pixels.
        batch_size: photos per batch.
        device: "cpu", "cuda" or "mps".
        precision: "no", "bf16" or "fp16"; the last two halve the feature maps.

    Returns:
        bytes.

    Raises:
        ValueError: as `models.create`, and for a size that the network's pools cannot halve.

    Lesson:
        02.
    """
    return int(OVERHEAD[device] * tensor_memory(network, width, size, batch_size, precision) + LIBRARIES)


@cache
def tensor_memory(network: str, width: int | None, size: int, batch_size: int, precision: str = "no") -> int:
    """The most that all tensors of two training steps take together.

    Args:
        network: as `models.create` takes it.
        width: as `models.create` takes it.
        size: side of the input, in pixels.
        batch_size: photos per batch.
        precision: as `step_memory`.

    Returns:
        bytes: for channels last on a processor within 3 % of what PyTorch's profiler reports of a real step; in the
        usual order of wide networks some convolutions add copies there.

    Lesson:
        02.
    """
    half = precision != "no"
    with torch.device("meta"):
        model = models.create(network, width=width).train()
        x, y = torch.empty(batch_size, 3, size, size), torch.empty(batch_size, 1, size, size)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    if half:  # feature maps of 16 bits; parameters, gradients and moments stay in 32
        model, x = model.to(torch.bfloat16), x.to(torch.bfloat16)
    optimizer = torch.optim.Adam(model.parameters())
    live = _LiveTensors()
    for tensor in (*model.parameters(), *model.buffers(), x, y):
        live.count(tensor)
    with live:
        for _ in range(2):  # the moments come into being in the first
            bce(model(x).float(), y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    # In half precision parameter, gradient and two moments were counted with 2 bytes each and take 4, and a copy of the
    # parameters in 16 bits is kept beside them.
    return live.peak + (weights // 2 * 5 if half else 0)


class _LiveTensors(TorchDispatchMode):
    """Counts the bytes of all "meta" tensors that are alive, and the most that there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._seen: dict[int, weakref.ref] = {}

    def count(self, tensor: Tensor) -> None:
        """Count a tensor from now on; one that shares its memory with another counts once."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen[key] = weakref.ref(storage, partial(self._freed, key, size))
            self.bytes += size
            self.peak = max(self.peak, self.bytes)

    def _freed(self, key: int, size: int, _: weakref.ref) -> None:
        del self._seen[key]
        self.bytes -= size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.device.type == "meta":
                self.count(leaf)
        return out
