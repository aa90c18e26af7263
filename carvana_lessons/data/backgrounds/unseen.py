"""Families that no training uses: what a network makes of them tells whether it knows cars or only its backgrounds."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

import torch
from torch.nn.functional import interpolate

from carvana_lessons.data.backgrounds import shapes, views
from carvana_lessons.data.backgrounds.colors import color, ramp, shade
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import octaves
from carvana_lessons.data.backgrounds.places import Place


def _white_wall(draws: Draws) -> Place:
    """A plain white wall and a light floor, the line between them and nothing else."""
    down, across = draws.grid()
    ground, light = draws.uniform(0.45, 0.75), draws.uniform(0.8, 1.0)
    fall = 1 - draws.uniform(0, 0.15) * (across - draws.uniform(0, 1)).abs() - 0.05 * down
    floor = draws.uniform(0.75, 0.98)
    tone = torch.where(down > ground, floor, 1.0) * fall * light
    warm = draws.uniform(-0.03, 0.03)
    return Place(torch.stack([tone * (1 + warm), tone, tone * (1 - warm)]), ground)


def _night(draws: Draws) -> Place:
    """Black sky with stars above a dark ground, and the cones of one or two street lamps."""
    down, across = draws.grid()
    ground = draws.uniform(0.45, 0.7)
    stars = (draws.field(1, draws.height, draws.width) > 0.998).float() * draws.uniform(0.1, 0.8)
    base = torch.where(down > ground, draws.uniform(0.02, 0.08), draws.uniform(0.0, 0.04))[None]
    picture = base.expand(3, -1, draws.width) + stars * (down < ground)
    for _ in range(draws.integer(1, 2)):
        top, x = draws.uniform(0.0, 0.2), draws.uniform(0, draws.width / draws.height)
        cone = torch.exp(-(((across - x) / (0.05 + 0.6 * (down - top).clamp(min=0))) ** 2) * 3) * (down > top)
        warm = shapes.column(color(draws, "lamp"), draws.device)
        picture = picture + (cone * draws.uniform(0.05, 0.3))[None] * warm
    return Place(picture.contiguous(), ground)


def _cobblestones(draws: Draws) -> Place:
    """Cells around random points, dark where two meet (Worley noise), on the wall as on the ground."""
    down, across = draws.grid()
    count = draws.uniform(5, 14)
    u, v = (across * count).expand(draws.height, -1), (down * count).expand(-1, draws.width)
    jitter = draws.field(32, 32, 3)
    first = second = torch.full_like(u, 9.0)
    tone = torch.zeros_like(u)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            row, stone = v.floor() + i, u.floor() + j
            place = jitter[row.long() % 32, stone.long() % 32]  # (h, w, 3)
            far = (row + place[..., 0] - v) ** 2 + (stone + place[..., 1] - u) ** 2
            tone = torch.where(far < first, place[..., 2], tone)
            second = torch.minimum(second, torch.maximum(first, far))
            first = torch.minimum(first, far)
    gap = ((second.sqrt() - first.sqrt()) * 8).clamp_(0, 1)
    base = color(draws, "grey", "stone")
    surface = ramp((tone * 0.5 + 0.5)[None], shade(base, 0.4), shade(base, 1.2)) * gap.mul_(0.7).add_(0.3)
    ground = draws.uniform(0.4, 0.7)
    row = round(ground * draws.height)
    floor = views.ground(surface, draws, ground - 0.2, row)
    return Place(torch.cat([surface[:, :row], floor], dim=1), ground)


def _marble(draws: Draws) -> Place:
    """Veins: waves bent by noise."""
    down, across = draws.grid()
    angle = draws.uniform(0, pi)
    bend = octaves(draws, 3, 6, 0.6)[0]
    wave = torch.sin((across * cos(angle) + down * sin(angle)) * draws.uniform(10, 40) + bend * draws.uniform(6, 20))
    return Place(ramp(wave[None].abs().pow_(0.5), color(draws, "dark", "any"), color(draws, "pale", "any")), None)


def _maze(draws: Draws) -> Place:
    """Diagonals that turn one way or the other in every square (Truchet's tiles)."""
    down, across = draws.grid()
    count = draws.uniform(6, 24)
    u, v = (across * count).expand(draws.height, -1), (down * count).expand(-1, draws.width)
    turn = draws.field(32, 64)[v.long() % 32, u.long() % 64] < 0.5
    x, y = u - u.floor(), v - v.floor()
    x = torch.where(turn, 1 - x, x)
    near = torch.minimum((x**2 + y**2).sqrt_().sub_(0.5).abs_(), ((1 - x) ** 2 + (1 - y) ** 2).sqrt_().sub_(0.5).abs_())
    line = (near < draws.uniform(0.08, 0.25)).float()
    return Place(ramp(line[None], color(draws, "any", "grey"), color(draws, "any", "pale")), None)


def _woods(draws: Draws) -> Place:
    """Trunks behind trunks, in mist, and fallen leaves below them."""
    ground = draws.uniform(0.5, 0.75)
    mist = color(draws, "pale", "leaf", "grey")
    picture = ramp(octaves(draws, 6, 5, 0.7), shade(mist, 0.5), mist)
    height, width = picture.shape[1:]
    for k in range(24):
        near = (k + 1) / 24
        x, thick = draws.uniform(0, width), draws.uniform(0.004, 0.03) * near * width
        bark = tuple(m + (b - m) * near for m, b in zip(mist, shade(color(draws, "wood"), 0.5), strict=True))
        shapes.slab(picture, 0.3 * height, x, height, thick, (draws.uniform(-0.06, 0.06), 1.0), bark)
    row = round(ground * height)
    litter = ramp(octaves(draws, 50, 3, 0.9), shade(color(draws, "earth"), 0.3), color(draws, "earth", "brick"))
    return Place(torch.cat([picture[:, :row], litter[:, row:]], dim=1), ground)


def _pixels(draws: Draws) -> Place:
    """Large squares of random colours, as a picture that was enlarged far too much."""
    side = draws.integer(6, 24)
    small = draws.field(1, 3, side, max(2, round(side * draws.width / draws.height)))
    grey = draws.uniform(0, 0.8)
    small = small + grey * (small.mean(dim=1, keepdim=True) - small)
    return Place(interpolate(small, (draws.height, draws.width), mode="nearest")[0], None)


#: Families for the test alone, by name: a function of the draws each.
UNSEEN: dict[str, Callable[[Draws], Place]] = {
    "white-wall": _white_wall,
    "night": _night,
    "cobblestones": _cobblestones,
    "marble": _marble,
    "maze": _maze,
    "woods": _woods,
    "pixels": _pixels,
}
