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


def effective_size(field: Tensor, middle: tuple[float, float] | None = None, share: float = 0.9) -> int:
    """Side of the smallest square around a point that holds a share of an effective receptive field.

    Args:
        field: (H, W), as `effective_receptive_field` gives it.
        middle: (row, column) of the point in the image, halves for one between two pixels; None for the image's middle.
            The place k of a layer behind pools lies at stride · (k + ½) − ½.
        share: of the sum of the field, between 0 and 1.

    Returns:
        in pixels.

    Raises:
        ValueError: if the share is not between 0 and 1.

    Lesson:
        07.
    """
    if not 0 < share <= 1:
        raise ArgumentError(f"A share is above 0 and at most 1, not {share}.")
    row, column = middle or ((side - 1) / 2 for side in field.shape)
    rows, columns = (torch.arange(side) - point for side, point in zip(field.shape, (row, column), strict=True))
    # Of each pixel: the side of the square around the point on whose edge it lies.
    sides = (2 * torch.maximum(rows.abs()[:, None], columns.abs()) + 1).flatten()
    order = sides.argsort()
    held = field.double().flatten()[order].cumsum(0)
    return int(sides[order][(held < share * (1 - 1e-9) * held[-1]).sum()])
