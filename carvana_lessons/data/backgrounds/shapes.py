"""Things painted into a picture, in place: boxes, ellipses, wheels, windows, trees, cars far away.

Places and sizes are in pixels; what lies outside the picture is left out, and only the pixels of a thing are worked on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from carvana_lessons.data.backgrounds.colors import PAINTS, Color, color, column, ramp, shade
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import octaves

DARK = (0.03, 0.03, 0.04)


def box(picture: Tensor, top: float, left: float, bottom: float, right: float, fill: Color, below: float = 1.0) -> None:
    """An upright rectangle.

    Args:
        picture: (3, h, w), painted in place.
        top: first row.
        left: first column.
        bottom: the row after the last.
        right: the column after the last.
        fill: its colour at the top.
        below: how much lighter it is at the bottom.
    """
    part, _, _ = _part(picture, top, left, bottom, right)
    if part.numel():
        rows = torch.linspace(0, 1, part.shape[1], device=picture.device)[None, :, None]
        part.copy_(ramp(rows, fill, shade(fill, below)).expand_as(part))


def ellipse(
    picture: Tensor, y: float, x: float, ry: float, rx: float, fill: Color, opacity: float = 1.0, power: float = 2.0
) -> None:
    """An upright ellipse, or for a power above 2 a rounded box, with an edge one pixel soft.

    Args:
        picture: (3, h, w), painted in place.
        y: row of its middle.
        x: column of its middle.
        ry: half its height.
        rx: half its width.
        fill: its colour.
        opacity: from 0 to 1.
        power: of the superellipse; 1 is a rhombus.
    """
    ry, rx = max(ry, 0.5), max(rx, 0.5)
    part, row, left = _part(picture, y - ry - 1, x - rx - 1, y + ry + 2, x + rx + 2)
    if part.numel():
        down, across = _around(part, row - y, left - x)
        distance = ((down / ry).abs_() ** power + (across / rx).abs_() ** power) ** (1 / power)
        cover = distance.sub_(1).mul_(-min(ry, rx)).add_(0.5).clamp_(0, 1).mul_(opacity)
        part.lerp_(column(fill, picture.device), cover[None])


def slab(
    picture: Tensor, y: float, x: float, long: float, wide: float, angle: tuple[float, float], fill: Color
) -> None:
    """A rectangle turned by any angle.

    Args:
        picture: (3, h, w), painted in place.
        y: row of its middle.
        x: column of its middle.
        long: half its length.
        wide: half its width.
        angle: cosine and sine of the direction of its length.
        fill: its colour.
    """
    c, s = angle
    height, width = abs(s) * long + abs(c) * wide, abs(c) * long + abs(s) * wide
    part, row, left = _part(picture, y - height - 1, x - width - 1, y + height + 2, x + width + 2)
    if part.numel():
        down, across = _around(part, row - y, left - x)
        inside = torch.minimum(long - (across * c + down * s).abs_(), wide - (down * c - across * s).abs_())
        part.lerp_(column(fill, picture.device), inside.add_(0.5).clamp_(0, 1)[None])


def wheel(picture: Tensor, draws: Draws, y: float, x: float, radius: float, squash: float = 1.0) -> None:
    """A tyre with a rim and spokes: what a car has, and bicycles, bins and stacks of tyres have too.

    Args:
        picture: (3, h, w), painted in place.
        draws: of the picture.
        y: row of its middle.
        x: column of its middle.
        radius: half its height.
        squash: its width in heights.
    """
    ellipse(picture, y, x, radius, radius * squash, shade(color(draws, "dark"), draws.uniform(0.2, 1)))
    rim, inner = color(draws, "grey"), radius * draws.uniform(0.5, 0.75)
    ellipse(picture, y, x, inner, inner * squash, rim)
    turn, spokes = draws.uniform(0, 1), draws.integer(0, 6)
    for k in range(spokes):
        angle = torch.tensor(2 * torch.pi * (k / spokes + turn))
        dy, dx = torch.sin(angle).item(), torch.cos(angle).item()
        ellipse(picture, y + 0.6 * inner * dy, x + 0.6 * inner * squash * dx, 0.24 * inner, 0.24 * inner * squash, DARK)
    ellipse(picture, y, x, 0.18 * inner, 0.18 * inner * squash, shade(rim, 0.5))


def window(picture: Tensor, draws: Draws, top: float, left: float, bottom: float, right: float) -> None:
    """A pane with a frame and bars that reflects the sky, or is dark, or lit.

    Args:
        picture: (3, h, w), painted in place.
        draws: of the picture.
        top: first row.
        left: first column.
        bottom: the row after the last.
        right: the column after the last.
    """
    frame = max(1.0, draws.uniform(0.02, 0.1) * (right - left))
    border = color(draws, "grey", "pale", "wood", "dark")
    box(picture, top, left, bottom, right, border)
    pane = color(draws, "dark", "sky", "dark", "grey")
    box(picture, top + frame, left + frame, bottom - frame, right - frame, pane, draws.uniform(0.4, 1.6))
    for _ in range(draws.integer(0, 2)):
        at = draws.uniform(0.25, 0.75)
        if draws.chance(0.6):
            x = left + at * (right - left)
            box(picture, top, x, bottom, x + frame, border)
        else:
            y = top + at * (bottom - top)
            box(picture, y, left, y + frame, right, border)


def tree(picture: Tensor, draws: Draws, foot: float, x: float, size: float) -> None:
    """A trunk and a crown whose outline and leaves are noise; without a trunk, a bush.

    Args:
        picture: (3, h, w), painted in place.
        draws: of the picture.
        foot: row where it stands.
        x: column where it stands.
        size: its height.
    """
    wide = size * draws.uniform(0.2, 0.55)
    bush = draws.chance(0.35)
    if not bush:
        thick = size * draws.uniform(0.02, 0.07)
        box(picture, foot - 0.7 * size, x - thick, foot, x + thick, shade(color(draws, "wood", "grey"), 0.6), 0.8)
    bottom = foot if bush else foot - draws.uniform(0.15, 0.45) * size
    part, row, left = _part(picture, foot - size, x - wide, bottom, x + wide)
    if min(part.shape[1:]) < 4:
        return
    middle, half = (foot - size + bottom) / 2, (bottom - foot + size) / 2
    noise = octaves(draws.resized(*part.shape[1:]), draws.uniform(4, 9), 5, draws.uniform(0.6, 1.0))
    down, across = _around(part, row - middle, left - x)
    edge = 1.35 - (down / half) ** 2 - (across / wide) ** 2 - noise[0] * draws.uniform(0.4, 1.0)
    green = color(draws, "leaf", "leaf", "leaf", "earth")
    leaves = ramp(noise.mul_(0.7).sub_(down / half * 0.3).add_(0.15), shade(green, 0.25), shade(green, 1.6))
    part.lerp_(leaves.clamp_(0, 1), (edge > 0.35).float()[None])


def far_car(picture: Tensor, draws: Draws, foot: float, x: float, size: float) -> None:
    """A car far behind, roughly: body, cabin, windows, wheels.

    Args:
        picture: (3, h, w), painted in place.
        draws: of the picture.
        foot: row on which it stands.
        x: column of its middle.
        size: its height.
    """
    paint, long = color(draws, *PAINTS), size * draws.uniform(0.7, 1.6)
    ellipse(picture, foot, x, 0.08 * size, 1.1 * long, DARK, 0.7)
    ellipse(picture, foot - 0.68 * size, x + draws.uniform(-0.2, 0.2) * long, 0.32 * size, 0.62 * long, paint, 1, 3)
    ellipse(picture, foot - 0.7 * size, x, 0.2 * size, 0.52 * long, shade(color(draws, "dark", "sky"), 0.7), 1, 3)
    ellipse(picture, foot - 0.36 * size, x, 0.26 * size, long, shade(paint, draws.uniform(0.7, 1)), 1, 4)
    for side in (-1, 1):
        wheel(picture, draws, foot - 0.16 * size, x + side * 0.6 * long, 0.17 * size)


def _part(picture: Tensor, top: float, left: float, bottom: float, right: float) -> tuple[Tensor, int, int]:
    """A view of some pixels, with the row and the column at which it begins."""
    top, left = max(0, round(top)), max(0, round(left))
    return picture[:, top : max(top, round(bottom)), left : max(left, round(right))], top, left


def _around(part: Tensor, top: float, left: float) -> tuple[Tensor, Tensor]:
    """Rows (h, 1) and columns (1, w) of a part, counted from somewhere."""
    rows, columns = (torch.arange(n, device=part.device, dtype=torch.float32) for n in part.shape[1:])
    return rows.add_(top)[:, None], columns.add_(left)[None]
