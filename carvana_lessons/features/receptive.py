"""Receptive fields: by formula, and measured on the network itself.

Lesson:
    07.
"""

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carvana_lessons.models import Unpool
from carvana_lessons.models.inspection import preserve_state
from carvana_lessons.utils.errors import ArgumentError


class ReceptiveField(NamedTuple):
    """What one place in a layer's output sees of the input, by the formula of `receptive_field`.

    Attributes:
        layer: its name in the network.
        size: side of the square of input pixels.
        stride: input pixels between two neighbours in the layer's output.
    """

    layer: str
    size: int
    stride: int


def receptive_field(stack: nn.Module) -> int:
    """Side of the square of input pixels that one output pixel can depend on, by the formula.

    Each convolution adds (kernel − 1) · dilation, times all strides before it.

    Args:
        stack: convolutions that run one after the other, with anything pixelwise between them.

    Returns:
        in input pixels; odd for odd kernels.

    Source:
        Yu & Koltun 2016 for dilated convolutions.

    Lesson:
        07.
    """
    side, step = 1, 1
    for layer in stack.modules():
        if isinstance(layer, nn.Conv2d):
            side, step = _widen(side, step, layer.kernel_size[0], layer.dilation[0], layer.stride[0])
    return side


def receptive_fields(model: nn.Module, size: int = 64) -> list[ReceptiveField]:
    """The receptive fields of the layers of a network's encoder, by the formula of `receptive_field`.

    Args:
        model: (1, 3, H, W) → anything; it is run once, so that layers come in the order in which they run.
        size: side of the image for that run, one that its pools can halve; the receptive fields do not depend on it.

    Returns:
        a `ReceptiveField` for each convolution and each max-pool, up to the first layer that upsamples.

    Lesson:
        07.
    """
    found: list[tuple[str, nn.Module]] = []
    hooks = [
        layer.register_forward_hook(lambda module, taken, given, name=name: found.append((name, module)))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.ConvTranspose2d | nn.Upsample | Unpool)
    ]
    parameter = next(model.parameters())
    try:
        with preserve_state(model):
            model(torch.zeros(1, 3, size, size, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    side, step, down = 1, 1, []
    for name, layer in found:
        if not isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            break
        kernel, dilation, stride = (
            v if isinstance(v, int) else v[0] for v in (layer.kernel_size, layer.dilation, layer.stride)
        )
        side, step = _widen(side, step, kernel, dilation, stride)
        down.append(ReceptiveField(name, side, step))
    return down


def seen_pixels(stack: nn.Module, size: int) -> Tensor:
    """Which input pixels the output in the middle depends on, measured by its gradient.

    Args:
        stack: convolutions of stride 1 that keep the size.
        size: side of the input, odd, so that it has a middle.

    Returns:
        (size, size) bool, on the CPU.

    Raises:
        ValueError: for an even size.

    Lesson:
        07.
    """
    if size % 2 == 0:
        raise ArgumentError(f"An input of side {size} has no pixel in the middle; take an odd side.")
    first = next(layer for layer in stack.modules() if isinstance(layer, nn.Conv2d))
    return seen_from(stack, "", (size, size), (size // 2, size // 2), channels=first.in_channels)


def seen_from(model: nn.Module, layer: str, size: tuple[int, int], place: tuple[int, int], channels: int = 3) -> Tensor:
    """Which pixels of the image one place in a layer's output can depend on, measured by its gradient.

    The network is copied, its weights are made equal and positive, batch norms do nothing, a max-pool takes the mean
    and an unpooling fills all four places: so no path is closed by a ReLU, a maximum or another path, and a pixel has
    a gradient exactly where the architecture looks at it. The copy is in double precision, in which the gradient of a
    deep network does not shrink to 0, and on the CPU, because Apple's GPUs have no such numbers.

    Args:
        model: (1, channels, H, W) → (1, C, h, w).
        layer: name of a module inside; "" is the network itself.
        size: (H, W).
        place: (row, column) in the layer's output.
        channels: of the image.

    Returns:
        (H, W) bool, on the CPU.

    Lesson:
        07.
    """
    twin = _opened(model)
    given: list[Tensor] = []
    twin.get_submodule(layer).register_forward_hook(lambda module, taken, output: given.append(output))
    x = torch.ones(1, channels, *size, dtype=torch.float64, device="cpu", requires_grad=True)
    with preserve_state(twin), torch.enable_grad():
        twin(x)
        given[0][0, :, place[0], place[1]].sum().backward()
    return (x.grad[0] != 0).any(dim=0)


class _MeanPool(nn.Module):
    """In place of a max-pool: the mean of each square, and indices where it returned them."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        mean = F.avg_pool2d(x, self.pool.kernel_size, self.pool.stride, self.pool.padding)
        return (mean, torch.zeros_like(mean, dtype=torch.int64)) if self.pool.return_indices else mean


class _Fill(nn.Module):
    """In place of an unpooling: every value at all places where it could be put."""

    def forward(self, x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
        return F.interpolate(x, size=tuple(output_size))


def _opened(model: nn.Module) -> nn.Module:
    """A copy on the CPU, in double precision, through which every path is open."""
    twin = copy.deepcopy(model).cpu().double().eval()
    for name, layer in list(twin.named_modules()):
        if isinstance(layer, nn.MaxPool2d | Unpool):
            parent, _, child = name.rpartition(".")
            setattr(twin.get_submodule(parent), child, _Fill() if isinstance(layer, Unpool) else _MeanPool(layer))
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.reset_parameters()
    return twin


def _widen(side: int, step: int, kernel: int, dilation: int, stride: int) -> tuple[int, int]:
    """Side and step behind a layer, from those before it."""
    return side + (kernel - 1) * dilation * step, step * stride
