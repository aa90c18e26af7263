"""Surfaces seen from straight ahead: masonry, boards, metal, plaster, asphalt, grass, patterns."""

from collections.abc import Callable, Sequence
from math import cos, pi, sin

import torch
from torch import Tensor

from carvana_lessons.data.backgrounds.colors import color, column, ramp, shade
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import grain, octaves


def texture(draws: Draws, names: Sequence[str]) -> Tensor:
    """One of several surfaces.

    Args:
        draws: of the picture.
        names: of `TEXTURES`.

    Returns:
        (3, h, w), about 0 to 1; not clamped.

    Lesson:
        11.
    """
    return TEXTURES[draws.pick(names)](draws)


def _masonry(draws: Draws, rows: float, ratio: float, shift: float, palettes: Sequence[str], joint: float) -> Tensor:
    """Stones in rows, `ratio` times as wide as high, every row shifted against the one before by `shift` stones."""
    down, across = draws.grid()
    v = down * rows
    row = v.floor()
    u = across * (rows / ratio) + row * shift
    stone = u.floor()
    low, high = draws.uniform(0.0, 0.5), draws.uniform(0.5, 1.0)
    first = color(draws, *palettes)
    second = color(draws, *palettes) if draws.chance(0.3) else shade(first, draws.uniform(0.5, 1.5))
    # A tone for every stone from a table that is larger than the wall.
    table = draws.field(64, 64)
    tone = table.take((row.long() % 64) * 64 + stone.long() % 64)
    picture = ramp(tone[None].mul_(high - low).add_(low), first, second)
    gap = torch.minimum((u - stone) * ratio, v - row) < joint
    mortar = column(color(draws, "grey", "stone") if draws.chance(0.7) else shade(first, 0.4), draws.device)
    picture.lerp_(mortar, gap.float()[None])  # many times as fast as torch.where with a colour
    rough = octaves(draws, draws.uniform(4, 30), 6, draws.uniform(0.6, 1.0))
    return picture.mul_(rough.mul_(draws.uniform(0.05, 0.6)).add_(draws.uniform(0.7, 0.95)))


def _brick(draws: Draws) -> Tensor:
    palettes = draws.pick((("brick",), ("brick", "stone"), ("grey", "pale")))
    return _masonry(draws, draws.scale(8, 45), draws.uniform(2, 3.5), 0.5, palettes, draws.uniform(0.06, 0.2))


def _blocks(draws: Draws) -> Tensor:
    shift = draws.pick((0.5, 0.33, 0.37))
    return _masonry(
        draws, draws.scale(3, 14), draws.uniform(1, 2.5), shift, ("stone", "grey"), draws.uniform(0.02, 0.1)
    )


def _tiles(draws: Draws) -> Tensor:
    palettes = draws.pick((("grey",), ("pale",), ("stone",), ("any",)))
    return _masonry(draws, draws.scale(3, 24), draws.pick((1, 1, 1.5, 2)), 0, palettes, draws.uniform(0.02, 0.1))


def _boards(draws: Draws) -> Tensor:
    palettes = draws.pick((("wood",), ("pale",), ("grey",), ("any",)))
    picture = _masonry(draws, draws.scale(5, 24), draws.uniform(6, 20), 0.37, palettes, draws.uniform(0.04, 0.12))
    streaks = octaves(draws, draws.uniform(20, 60), 3, 0.7, stretch=0.08)
    picture.mul_(streaks.mul_(0.4).add_(0.8))
    return picture.transpose(1, 2) if draws.chance(0.5) and draws.height == draws.width else picture


def _profile(draws: Draws) -> Tensor:
    """Corrugated metal, siding, shutters: the same profile again and again, in light from one side."""
    down, across = draws.grid()
    along = across if draws.chance(0.5) else down
    phase = along * draws.scale(6, 50)
    phase = phase - phase.floor()
    kind = draws.integer(0, 2)
    if kind == 0:
        light = torch.sin(phase * (2 * pi)).mul_(0.5).add_(0.5)
    elif kind == 1:
        light = phase  # siding: each board leans out
    else:
        light = (phase > draws.uniform(0.1, 0.5)).float() * 0.8 + phase * 0.2
    base = color(draws, *draws.pick((("grey",), ("pale",), ("any",), ("stone",))))
    picture = ramp(light[None], shade(base, draws.uniform(0.4, 0.85)), shade(base, draws.uniform(0.95, 1.25)))
    return picture * octaves(draws, 3, 6, 0.6).mul_(0.35).add_(0.8)


def _plaster(draws: Draws) -> Tensor:
    base = color(draws, "pale", "stone", "grey", "any")
    stains = octaves(draws, draws.uniform(1, 6), 7, draws.uniform(0.4, 0.9), stretch=draws.scale(0.4, 2))
    return ramp(stains, shade(base, draws.uniform(0.55, 0.98)), shade(base, 1.08))


def _concrete(draws: Draws) -> Tensor:
    base = color(draws, "grey", "stone")
    picture = ramp(octaves(draws, 3, 7, draws.uniform(0.5, 0.9)), shade(base, 0.7), shade(base, 1.15))
    if draws.chance(0.7):  # joints of the panels
        down, across = draws.grid()
        for along in (down, across):
            at = along * draws.uniform(1, 6) + draws.uniform()
            picture *= ((at - at.floor()) > draws.uniform(0.01, 0.05)).float()[None].mul(0.4).add(0.6)
    if draws.chance(0.5):  # water has run down
        picture *= octaves(draws, 2, 3, 0.7, stretch=20).mul_(0.5).add_(0.6)
    return picture


def _asphalt(draws: Draws) -> Tensor:
    base = color(draws, "grey", "dark") if draws.chance(0.8) else color(draws, "earth")
    fine = grain(draws).mul_(draws.uniform(0.05, 0.6))
    fine += octaves(draws, draws.uniform(1, 5), 6, 0.6)
    return ramp(fine, shade(base, draws.uniform(0.6, 0.9)), shade(base, draws.uniform(1.0, 1.3)))


def _gravel(draws: Draws) -> Tensor:
    base = color(draws, "stone", "grey", "earth")
    return ramp(octaves(draws, draws.uniform(24, 80), 3, 0.9), shade(base, 0.3), shade(base, 1.4))


def _grass(draws: Draws) -> Tensor:
    low, high = color(draws, "leaf"), color(draws, "leaf", "leaf", "earth")
    blades = octaves(draws, draws.uniform(16, 60), 3, 0.9, stretch=draws.uniform(1, 4))
    picture = ramp(blades, shade(low, 0.4), shade(high, 1.2))
    return picture.mul_(octaves(draws, 2, 4, 0.6).mul_(0.6).add_(0.6))


def _leaves(draws: Draws) -> Tensor:
    base = color(draws, "leaf", "leaf", "leaf", "earth", "brick")
    clumps = octaves(draws, draws.uniform(3, 20), 6, draws.uniform(0.7, 1.1))
    return ramp(clumps.pow_(draws.uniform(1, 2)), shade(base, 0.15), shade(base, draws.uniform(1.2, 2)))


def _mottled(draws: Draws) -> Tensor:
    """Every channel its own noise."""
    return octaves(draws, draws.scale(1.5, 40), draws.integer(1, 7), draws.uniform(0.3, 1.1), channels=3)


def _pattern(draws: Draws) -> Tensor:
    """Stripes, checks, dots or a grid, turned by any angle, of two colours."""
    down, across = draws.grid()
    angle, count = draws.uniform(0, pi), draws.scale(2, 40)
    u = (across * cos(angle) + down * sin(angle)) * count
    v = (down * cos(angle) - across * sin(angle)) * count * draws.scale(0.4, 2.5)
    kind, share = draws.integer(0, 4), draws.uniform(0.1, 0.9)
    if kind == 0:
        value = (u - u.floor() < share).float()
    elif kind == 1:
        value = ((u.floor() + v.floor()) % 2).float()
    elif kind == 2:
        value = torch.maximum(u - u.floor(), v - v.floor()) > draws.uniform(0.75, 0.97)
    elif kind == 3:
        value = ((u - u.floor() - 0.5) ** 2 + (v - v.floor() - 0.5) ** 2) < (0.5 * share) ** 2
    else:
        value = torch.sin(u * pi).mul_(torch.sin(v * pi) if draws.chance(0.5) else 1).mul_(0.5).add_(0.5)
    picture = ramp(value.float()[None], color(draws, "any", "grey", "pale"), color(draws, "any", "grey", "dark"))
    return picture * octaves(draws, 3, 5, 0.6).mul_(draws.uniform(0, 0.5)).add_(0.75)


#: Surfaces by name: a function of the draws each, (3, h, w).
TEXTURES: dict[str, Callable[[Draws], Tensor]] = {
    "brick": _brick,
    "blocks": _blocks,
    "tiles": _tiles,
    "boards": _boards,
    "profile": _profile,
    "plaster": _plaster,
    "concrete": _concrete,
    "asphalt": _asphalt,
    "gravel": _gravel,
    "grass": _grass,
    "leaves": _leaves,
    "mottled": _mottled,
    "pattern": _pattern,
}
WALLS = ("brick", "brick", "blocks", "tiles", "boards", "profile", "profile", "plaster", "plaster", "concrete")
FLOORS = ("asphalt", "asphalt", "asphalt", "concrete", "tiles", "blocks", "brick", "gravel", "boards", "plaster")
NATURE = ("grass", "grass", "gravel", "leaves")
