"""A flat surface seen by a camera: a wall at an angle, the ground up to the horizon."""

from __future__ import annotations

from math import cos, pi, sin

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from carvana_lessons.data.backgrounds.draws import Draws


def wall(surface: Tensor, draws: Draws) -> Tensor:
    """A wall that recedes to one side and may be turned a little.

    Args:
        surface: (3, h, w), as it looks from straight ahead.
        draws: of the picture.

    Returns:
        (3, h, w).
    """
    down, across = draws.grid()
    x, y = across - 0.5 * draws.width / draws.height, down - 0.5
    angle, lean = draws.uniform(-0.06, 0.06), draws.uniform(-0.5, 0.5)
    depth = (1 + lean * x) * draws.scale(0.8, 2)
    return _sample(surface, (x * cos(angle) + y * sin(angle)) / depth, (y * cos(angle) - x * sin(angle)) / depth)


def ground(surface: Tensor, draws: Draws, horizon: float, first: int) -> Tensor:
    """The ground below a row, in perspective; towards the horizon it loses its detail.

    Args:
        surface: (3, h, w), as it looks from above.
        draws: of the picture.
        horizon: where the ground would end, in heights of the picture from its top.
        first: the first row that shows it, below the horizon.

    Returns:
        (3, h − first, w).
    """
    down, across = draws.grid()
    depth = draws.uniform(0.15, 0.6) / (down[first:] - horizon).clamp_(min=1e-3)  # (rows, 1)
    angle = draws.uniform(0, pi)
    side, ahead = (across - draws.uniform(0, draws.width / draws.height)) * depth, depth * draws.uniform(0.5, 1.5)
    seen = _sample(surface, side * cos(angle) + ahead * sin(angle), ahead * cos(angle) - side * sin(angle))
    haze = (depth * draws.uniform(0.04, 0.3)).clamp_(max=1)  # far away a pixel holds more than one look-up finds
    return seen.lerp_(surface.mean(dim=(1, 2), keepdim=True), haze[None])


def light_falls(picture: Tensor, draws: Draws) -> Tensor:
    """Light from one side, and now and then a shadow with a straight or a broken edge; in place.

    Args:
        picture: (3, h, w).
        draws: of the picture.

    Returns:
        the same tensor.
    """
    down, across = draws.grid()
    x, y = across - 0.5, down - 0.5
    slope = draws.uniform(-0.5, 0.5) * x + draws.uniform(-0.5, 0.5) * y
    if draws.chance(0.35):
        angle, at, soft = draws.uniform(0, pi), draws.uniform(-0.3, 0.3), draws.scale(3, 80)
        edge = x * cos(angle) + y * sin(angle) - at
        if draws.chance(0.4):
            edge = edge + draws.uniform(0.03, 0.1) * torch.sin(x * draws.uniform(5, 40))
        slope = slope - draws.uniform(0.15, 0.7) * torch.sigmoid(edge * soft)
    return picture.mul_(slope.add_(1)[None])


def _sample(surface: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Look a surface up where it is mirrored at its edges again and again; 1 is its height."""
    where = torch.stack(torch.broadcast_tensors(2 * x * surface.shape[1] / surface.shape[2], 2 * y), dim=-1)
    where = where.add_(1).remainder_(4).sub_(2).abs_().neg_().add_(1)  # a triangle wave between -1 and 1
    return grid_sample(surface[None], where[None], padding_mode="border", align_corners=False)[0]
