"""Effective receptive fields: how strongly each pixel acts on one place of a layer.

Lesson:
    07.
"""

import torch
from torch import Tensor, nn

from carvana_lessons.models.inspection import preserve_state
from carvana_lessons.utils.errors import ArgumentError


def effective_receptive_field(model: nn.Module, x: Tensor, layer: str, place: tuple[int, int]) -> Tensor:
    """How strongly each pixel of the image acts on one place in a layer's output, as shares of the whole.

    The receptive field says which pixels can act; most of those near its edge hardly do, because few paths through
    the layers lead from them. This is the mean absolute gradient of that place (the sum of its channels) with respect
    to the pixels.

    Args:
        model: (B, C, H, W) → anything; run in evaluation mode with its own weights, and left as it was.
        x: (B, C, H, W), the images over which the gradient is averaged.
        layer: name of a module inside, whose output is (B, c, h, w); "" is the network itself.
        place: (row, column) in the layer's output.

    Returns:
        (H, W) on the CPU; the sum is 1, or 0 where no pixel has a gradient.

    Source:
        Luo et al. 2016, "Understanding the effective receptive field in deep convolutional neural networks".

    Lesson:
        07.
    """
    given: list[Tensor] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda module, taken, output: given.append(output))
    parameter = next(model.parameters())
    x = x.detach().to(parameter.device, parameter.dtype).requires_grad_()
    try:
        with preserve_state(model), torch.enable_grad():
            model(x)
            (gradient,) = torch.autograd.grad(given[-1][:, :, place[0], place[1]].sum(), x)
    finally:
        hook.remove()
    field = gradient.abs().sum(dim=1).mean(dim=0).cpu()  # (H, W)
    return field / field.sum() if field.sum() > 0 else field


def effective_size(field: Tensor, share: float = 0.9) -> int:
    """Side of the smallest square around the middle of the image that holds a share of an effective receptive field.

    Args:
        field: (H, W), as `effective_receptive_field` gives it for a place in the middle.
        share: of its sum, between 0 and 1.

    Returns:
        in pixels; even where the image's sides are even, else odd; limited by the longer side.

    Raises:
        ValueError: if the share is not between 0 and 1, or the two sides are not both even or both odd.

    Lesson:
        07.
    """
    height, width = field.shape
    if not 0 < share <= 1:
        raise ArgumentError(f"A share is above 0 and at most 1, not {share}.")
    if (height - width) % 2:
        raise ArgumentError(f"An image of {height}×{width} has no middle square; make both sides even or both odd.")
    rows, columns = (torch.arange(side) * 2 - (side - 1) for side in (height, width))
    # Side of the centred square on whose edge each pixel lies.
    sides = torch.maximum(rows.abs()[:, None], columns.abs()) + 1
    held = torch.zeros(max(height, width) + 1, dtype=torch.float64)
    held.index_add_(0, sides.flatten(), field.double().flatten())
    held = held.cumsum(0)
    return int((held < share * held[-1] * (1 - 1e-9)).sum())
