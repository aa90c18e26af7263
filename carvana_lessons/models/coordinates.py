"""Coordinate maps: tell a convolution where it is."""

import torch
from torch import Tensor

from carvana_lessons.models.blocks import is_channels_last


def coordinate_maps(
    height: int, width: int, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The X-map and the Y-map of an image, the same for every image of that size.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        device: of the maps.
        dtype: of the maps.

    Returns:
        (2, height, width); [0] is X(x, y) = x/width − 0.5, constant along a column, [1] is Y(x, y) = y/height − 0.5,
        constant along a row; both in [−0.5, 0.5).

    Source:
        slides [B], "Definition of coordinate maps"; the idea also in Liu et al. 2018 (CoordConv).

    Lesson:
        06.
    """
    x = torch.arange(width, device=device, dtype=dtype) / width - 0.5
    y = torch.arange(height, device=device, dtype=dtype) / height - 0.5
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])


def append_maps(x: Tensor, maps: Tensor) -> Tensor:
    """Concatenate maps to a batch.

    Args:
        x: (B, C, H, W).
        maps: (2, H, W), for all images, or (B, 2, H, W).

    Returns:
        (B, C + 2, H, W), in x's dtype and memory format.

    Raises:
        ValueError: if the maps have another height or width than x.

    Lesson:
        06.
    """
    if maps.shape[-2:] != x.shape[-2:]:
        raise ValueError(
            f"The maps are {tuple(maps.shape[-2:])} and the image {tuple(x.shape[-2:])} (height, width); a crop of an "
            f"image takes the same crop of the maps."
        )
    maps = maps.to(x).expand(x.shape[0], -1, -1, -1)  # not len(x): in a traced network that would stay a number
    if is_channels_last(x):  # along dim 1, `cat` would give up the order of x, because the maps are in another one
        return torch.cat([x.movedim(1, 3), maps.movedim(1, 3)], dim=3).movedim(3, 1)
    return torch.cat([x, maps], dim=1)
