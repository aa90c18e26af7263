"""What a stack of convolutions sees: by formula, and measured on the stack itself."""

import copy

import torch
from torch import Tensor, nn


def receptive_field(stack: nn.Module) -> int:
    """Side of the square of input pixels that one output pixel can depend on, by the formula.

    Each convolution adds (kernel − 1) · dilation, times all strides before it.

    Args:
        stack: convolutions that run one after the other, with anything pixelwise between them.
    Returns: in input pixels; odd for odd kernels.
    Source: Yu & Koltun 2016 for dilated convolutions.  Lesson: 07.
    """
    side, step = 1, 1
    for layer in stack.modules():
        if isinstance(layer, nn.Conv2d):
            side += (layer.kernel_size[0] - 1) * layer.dilation[0] * step
            step *= layer.stride[0]
    return side


def seen_pixels(stack: nn.Module, size: int) -> Tensor:
    """Which input pixels the output in the middle depends on, measured by its gradient.

    The stack is copied, its weights are made equal and positive, batch norms do nothing: so no path is closed by a
    ReLU or cancelled by another, and a pixel has a gradient exactly where the architecture looks at it.

    Args:
        stack: convolutions of stride 1 that keep the size.  size: side of the input, odd, so that it has a middle.
    Returns: (size, size) bool.
    Raises: ValueError for an even size.
    Lesson: 07.
    """
    if size % 2 == 0:
        raise ValueError(f"An input of side {size} has no pixel in the middle; take an odd side.")
    twin = copy.deepcopy(stack).double().eval()
    for layer in twin.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.reset_parameters()
    first = next(layer for layer in twin.modules() if isinstance(layer, nn.Conv2d))
    device = first.weight.device
    x = torch.ones(1, first.in_channels, size, size, dtype=torch.float64, device=device, requires_grad=True)
    twin(x)[0, :, size // 2, size // 2].sum().backward()
    return (x.grad[0] != 0).any(dim=0)
