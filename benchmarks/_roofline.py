"""What a training step or an answer must take on a GPU that is not at hand: counted operations, bytes and launches.

Every operation of PyTorch takes at least as long as its multiplications and additions, and at least as long as its
numbers travel between the GPU and its memory (a roofline, operation by operation). Their sum, divided by the share
of it that a real GPU was measured to reach, is the GPU's time; the host's time, which launches them one by one, is the
other limit. Counting needs no GPU: tensors on the device "meta" have shapes and no numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from carvana_lessons.training import losses

HALF = 2  # bytes of a number in mixed precision
ADAM = 10 * 4  # bytes a weight and step: Adam reads four float32 and writes three, clipping reads two and writes one


@dataclass(frozen=True)
class Machine:
    """A GPU and its host.

    Attributes:
        flops: multiplications and additions per second of its tensor cores in 16 bits.
        bandwidth: bytes per second.
        share: of the sum of the operations' least times, what it reaches.
        launch: seconds of the host an operation.
    """

    name: str
    flops: float
    bandwidth: float
    share: float = 1.0
    launch: float = 0.0

    def seconds(self, work: list[tuple[float, float]], updated: int = 0) -> float:
        """Time of a step or an answer: the longer of what the GPU and what its host need.

        Args:
            work: operations, as `count` returns them.
            updated: weights that Adam changes afterwards; 0 for an answer.
        """
        floor = sum(max(flops / self.flops, size / self.bandwidth) for flops, size in work)
        return max((floor + updated * ADAM / self.bandwidth) / self.share, len(work) * self.launch)


class _Count(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.work: list[tuple[float, float]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if not any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns):  # a view
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=out) if count else 0
            size = sum(map(_bytes, tree_leaves((args, kwargs, out))))
            self.work.append((flops, size))
        return out


def _bytes(value: object) -> int:
    if not isinstance(value, Tensor):
        return 0
    return value.numel() * (HALF if value.is_floating_point() else value.element_size())


def count(build: Callable[[], nn.Module], shape: tuple[int, ...], train: bool) -> tuple[list[tuple[float, float]], int]:
    """Operations of one step or one answer, without a number being computed.

    Args:
        build: makes the network.
        shape: (B, 3, H, W) of the batch.
        train: forward and backward pass; else the forward pass alone.

    Returns:
        (operations, weights). Of each operation its multiplications and additions, counted as two, and the bytes that
        it reads and writes; and the network's number of weights.
    """
    with torch.device("meta"):
        model = build().train(train)
        x, y = torch.empty(shape), torch.empty(shape[0], 1, *shape[2:])
    with _Count() as counted, torch.set_grad_enabled(train):
        logits = model(x)
        if train:
            losses.bce(logits, y).backward()
    return counted.work, sum(p.numel() for p in model.parameters())
