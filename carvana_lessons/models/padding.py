"""Pad photos whose size the pools cannot halve, and crop the output."""

import torch.nn.functional as F
from torch import Tensor, nn

from carvana_lessons.models.coordinates import coordinate_maps


def forward_padded(model: nn.Module, x: Tensor) -> Tensor:
    """Run a network on photos of any size.

    Its ``size_divisor`` says what height and width must be multiples of. Where they are not, the photos' last row and
    column are repeated. Coordinate maps stay those of the photo: in the padding their last values are repeated too.
    A network without that attribute gets the photos unchanged.

    Args:
        model: (B, 3, H, W) → (B, K, H, W).
        x: (B, 3, H, W) in [0, 1].

    Returns:
        (B, K, H, W).

    Lesson:
        09.
    """
    height, width = x.shape[-2:]
    divisor = getattr(model, "size_divisor", 1)
    padding = (0, -width % divisor, 0, -height % divisor)
    if not any(padding):
        return model(x)
    given = [F.pad(x, padding, mode="replicate")]
    if getattr(model, "takes_maps", False):
        maps = coordinate_maps(height, width, device=x.device, dtype=x.dtype)
        given.append(F.pad(maps[None], padding, mode="replicate")[0])
    return model(*given)[..., :height, :width]
