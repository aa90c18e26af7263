"""A trained network prepared for inference: its batch norms are fused into the convolutions.

Source:
    `torch.nn.utils.fusion`, "Fusing convolution and batch norm" in PyTorch's documentation.
"""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from carvana_lessons.utils.device import inference_layout


def fuse_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of a network for inference, with the same answers in less time: batch norms are fused into convolutions.

    In evaluation mode a batch norm multiplies each channel by one number and adds another. The convolution before it
    can do both: its weights and its bias absorb them, and one pass over every map is saved. The weights get the
    memory layout that `car_logits` gives the photos, see `inference_layout`.

    Logits differ from the original's by rounding; where a network remembers the places of its maxima, rounding may
    choose the other one of two that are equal, and the pixels around it follow. A mask is the same to the pixel only
    from the same copy: `evaluate`, `predict` and `submit` answer with whichever network they are given, the command
    line always with such a copy.

    Args:
        model: any network; pairs of a convolution and a batch norm are found where they follow each other in an
            ``nn.Sequential``, as in `ConvBlock`. Without batch norm only mode and layout change.

    Returns:
        the copy, in evaluation mode. It is for inference only; it cannot be trained as the original can, and its
        weights no longer fit a network of that name. The original stays as it is, with its mode.

    Lesson:
        10.
    """
    copied = copy.deepcopy(model).eval()
    with torch.no_grad():
        for row in copied.modules():
            if isinstance(row, nn.Sequential):
                _fold(row)
    device = next(copied.parameters(), torch.empty(0)).device
    return copied.to(memory_format=inference_layout(device))


def _fold(row: nn.Sequential) -> None:
    """Fold every batch norm of one sequence, from the last to the first: removing one renumbers those behind it."""
    for k in range(len(row) - 1, 0, -1):
        before, norm = row[k - 1], row[k]
        if type(before) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
            row[k - 1] = fuse_conv_bn_eval(before, norm)
            del row[k]
