"""Where cars stand: before walls and houses, in streets, on parking lots, in gardens, halls and clutter, at night.

Every family is a function of the draws and gives a picture and the row where its ground begins. Surfaces, colours and
things are drawn anew for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi, sin
from typing import NamedTuple

import torch
from torch import Tensor

from carvana_lessons.data.backgrounds import shapes, views
from carvana_lessons.data.backgrounds.colors import PAINTS, color, column, ramp, shade
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import octaves, soften
from carvana_lessons.data.backgrounds.textures import FLOORS, NATURE, TEXTURES, WALLS, texture


class Place(NamedTuple):
    """A background.

    Attributes:
        picture: (3, h, w) float32 in [0, 1].
        ground: where the ground begins, in heights of the picture from its top; None where there is none.
    """

    picture: Tensor
    ground: float | None


def _noise(draws: Draws) -> Place:
    """Noise in octaves, in two or in all colours."""
    if draws.chance(0.5):
        return Place(TEXTURES["mottled"](draws), None)
    values = octaves(draws, draws.scale(1.5, 60), draws.integer(1, 7), draws.uniform(0.3, 1.1))
    return Place(ramp(values, color(draws, "any"), color(draws, "any", "grey")), None)


def _gradients(draws: Draws) -> Place:
    """A smooth change of colour, straight or round; some with a floor, as a studio."""
    down, across = draws.grid()
    angle = draws.uniform(0, 2 * pi)
    if draws.chance(0.5):
        value = (across - 0.5) * cos(angle) + (down - 0.5) * sin(angle) + 0.5
    else:
        value = ((across - draws.uniform()) ** 2 + (down - draws.uniform()) ** 2).sqrt_()
    picture = ramp(value[None].clamp(0, 1), color(draws, "any", "grey", "pale"), color(draws, "any", "grey", "dark"))
    if draws.chance(0.4):
        return _with_floor(draws, picture, _floor(draws, ("plaster", "concrete", "plaster", "boards")))
    return Place(picture + octaves(draws, 40, 3, 1.0) * draws.uniform(0, 0.06), None)


def _patterns(draws: Draws) -> Place:
    """Stripes, checks, dots, grids or masonry all over, at an angle."""
    surface = texture(draws, ("pattern", "pattern", "pattern", "tiles", "boards", "profile"))
    return Place(views.light_falls(views.wall(surface, draws), draws), None)


def _walls(draws: Draws) -> Place:
    """A wall and the ground before it."""
    surface = texture(draws, WALLS)
    return _with_floor(draws, views.wall(surface, draws) if draws.chance(0.6) else surface, _floor(draws, FLOORS))


def _houses(draws: Draws) -> Place:
    """A wall with windows, doors and garage doors, and the ground before it."""
    picture = texture(draws, WALLS).clamp(0, 1)
    height, width = picture.shape[1:]
    ground = draws.uniform(0.45, 0.85)
    rows, columns = draws.integer(1, 4), draws.integer(1, 7)
    high, wide = ground * height / rows, width / columns
    gap_y, gap_x = draws.uniform(0.15, 0.35), draws.uniform(0.1, 0.35)
    shift = draws.uniform(-0.5, 0.5) * wide
    for i in range(rows):
        for j in range(columns + 1):
            if draws.chance(0.15):
                continue
            left, right = (j + gap_x) * wide + shift, (j + 1 - gap_x) * wide + shift
            if i < rows - 1 or draws.chance(0.5):
                shapes.window(picture, draws, (i + gap_y) * high, left, (i + 1 - gap_y) * high, right)
            else:  # a door down to the ground
                paint = color(draws, "any", "wood", "pale", "grey")
                shapes.box(picture, (i + gap_y) * high, left, ground * height, right, paint, draws.uniform(0.6, 1))
    if draws.chance(0.5):  # a garage door of metal or of boards
        door = texture(draws.resized(height // 2, width // 2), ("profile", "boards", "profile")).clamp_(0, 1)
        left = draws.integer(-width // 8, width // 2)
        top, bottom = round(ground * height) - draws.integer(height // 5, height // 3), round(ground * height)
        part = picture[:, max(top, 0) : bottom, max(left, 0) : left + draws.integer(width // 4, width // 2)]
        part.copy_(door[:, : part.shape[1], : part.shape[2]])
    if draws.chance(0.5):
        picture = views.wall(picture, draws)
    return _with_floor(draws, picture, _floor(draws, FLOORS), ground)


def _streets(draws: Draws) -> Place:
    """Sky, a row of buildings or trees, and a road with its markings."""
    horizon = draws.uniform(0.25, 0.6)
    picture = _sky(draws)
    _skyline(picture, draws, horizon)
    place = _with_floor(draws, picture, _floor(draws, ("asphalt", "asphalt", "concrete", "blocks")), horizon, horizon)
    _lines(place.picture, draws, horizon, draws.integer(1, 5))
    _distractors(place.picture, draws, horizon, draws.integer(0, 4))
    return place


def _parking(draws: Draws) -> Place:
    """A parking lot: bays, cars far behind, a wall or trees at its end."""
    horizon = draws.uniform(0.2, 0.5)
    picture = _sky(draws) if draws.chance(0.5) else texture(draws, WALLS)
    _skyline(picture, draws, horizon)
    place = _with_floor(draws, picture, _floor(draws, FLOORS), horizon + draws.uniform(0, 0.05), horizon)
    _lines(place.picture, draws, horizon, draws.integer(4, 10))
    height, width = picture.shape[1:]
    foot = (horizon + draws.uniform(0.03, 0.12)) * height
    size = draws.uniform(0.06, 0.16) * height
    for k in range(draws.integer(0, 5)):
        shapes.far_car(place.picture, draws, foot, (k * draws.uniform(0.2, 0.4)) * width, size)
    return place


def _gardens(draws: Draws) -> Place:
    """Hedges, trees and bushes, and grass, gravel or a path."""
    horizon = draws.uniform(0.2, 0.65)
    picture = _sky(draws) if draws.chance(0.6) else texture(draws, ("leaves", "leaves", "boards"))
    height, width = picture.shape[1:]
    if draws.chance(0.5):  # a hedge
        top = max(0, round((horizon - draws.uniform(0.1, 0.5)) * height))
        picture[:, top:] = texture(draws, ("leaves",))[:, top:]
    for _ in range(draws.integer(0, 6)):
        foot, size = (horizon + draws.uniform(-0.02, 0.05)) * height, draws.uniform(0.15, 0.9) * height
        shapes.tree(picture, draws, foot, draws.uniform(0, width), size)
    return _with_floor(draws, picture, _floor(draws, NATURE + FLOORS), horizon, horizon - draws.uniform(0, 0.15))


def _fields(draws: Draws) -> Place:
    """Open land below a large sky, with hills or not: meadow, sand, water, a runway."""
    horizon = draws.uniform(0.3, 0.75)
    picture = _sky(draws)
    down, _ = draws.grid()
    for _ in range(draws.integer(0, 3)):
        hills = octaves(draws.resized(2, draws.width), 2, 4, 0.5, stretch=draws.scale(3, 100) / draws.width)[0, :1]
        ridge = horizon - draws.uniform(0.02, 0.25) * hills
        land = shade(color(draws, "leaf", "earth", "sky", "grey"), draws.uniform(0.4, 1))
        picture.lerp_(ramp(down[None], land, shade(land, 0.7)), (down > ridge).float())
    return _with_floor(draws, picture, _floor(draws, (*NATURE, *FLOORS, "mottled")), horizon, horizon)


def _halls(draws: Draws) -> Place:
    """A room: back wall, ceiling with lamps, a floor that mirrors a little."""
    ground, ceiling = draws.uniform(0.45, 0.75), draws.uniform(-0.1, 0.3)
    picture = texture(draws, WALLS).clamp(0, 1)
    height, width = picture.shape[1:]
    top = round(max(0.0, ceiling) * height)
    shapes.box(picture, 0, 0, top, width, color(draws, "grey", "pale", "dark"), draws.uniform(0.5, 1.2))
    for _ in range(draws.integer(0, 6)):
        y, x = draws.uniform(0, 1) * top, draws.uniform(0, width)
        shapes.ellipse(picture, y, x, draws.scale(1, 8), draws.scale(4, 50), color(draws, "lamp"), power=4)
    for _ in range(draws.integer(0, 5)):
        _thing(picture, draws, ground * height, draws.uniform(0.1, 0.45) * height)
    place = _with_floor(draws, picture, _floor(draws, FLOORS), ground)
    row = round(ground * height)
    mirror = place.picture[:, :row].flip(1)[:, : height - row]
    share = draws.uniform(0, 0.4)
    place.picture[:, row : row + mirror.shape[1]].lerp_(mirror.clone(), share)
    return place


def _lights(draws: Draws) -> Place:
    """A dark place full of lamps out of focus, mirrored in the ground or not."""
    base = color(draws, "dark")
    picture = ramp(octaves(draws, 2, 4, 0.5), shade(base, 0.3), shade(base, 1.5))
    height, width = picture.shape[1:]
    horizon = draws.uniform(0.35, 0.7)
    for _ in range(draws.integer(5, 30)):
        radius = draws.scale(0.005, 0.06) * height
        y, x = draws.uniform(0, horizon) * height, draws.uniform(0, width)
        shapes.ellipse(picture, y, x, radius, radius, color(draws, "lamp", "lamp", "any"), draws.uniform(0.3, 1))
    place = _with_floor(draws, picture, _floor(draws, FLOORS) * draws.uniform(0.05, 0.35), horizon)
    row = round(horizon * height)
    mirror = soften(place.picture[:, :row].flip(1), 6)[:, : height - row]
    place.picture[:, row : row + mirror.shape[1]].add_(mirror, alpha=draws.uniform(0, 0.6))
    return place


def _clutter(draws: Draws) -> Place:
    """Many things over each other, large and small: the picture that looks least like a studio."""
    picture = texture(draws, ("mottled", "plaster", "concrete", "gravel", "pattern")).clamp(0, 1)
    for k in range(draws.integer(10, 40)):
        size = draws.scale(0.03, 0.35) / (1 + 0.04 * k) * draws.height
        _thing(picture, draws, draws.uniform(0, 1.1) * draws.height, size)
    if draws.chance(0.5):
        return _with_floor(draws, picture, _floor(draws, FLOORS))
    return Place(picture, None)


def _mosaics(draws: Draws) -> Place:
    """Dead leaves: discs and boxes of sizes that follow a power law hide each other, as things in photographs do."""
    picture = octaves(draws, 3, 5, 0.6, channels=3)
    height, width = picture.shape[1:]
    round_, base = draws.chance(0.5), [color(draws, "any", "grey", "stone", "leaf") for _ in range(5)]
    for k in range(draws.integer(25, 60)):
        size = 0.3 * height / (1 + 0.15 * k) * draws.scale(0.6, 1.6)
        y, x = draws.uniform(0, height), draws.uniform(0, width)
        fill = shade(draws.pick(base), draws.uniform(0.4, 1.5))
        if round_:
            shapes.ellipse(picture, y, x, size, size * draws.scale(0.5, 2), fill)
        else:
            shapes.box(
                picture, y - size, x - size * draws.scale(0.5, 2), y + size, x + size, fill, draws.uniform(0.5, 1)
            )
    return Place(picture.mul_(octaves(draws, 30, 3, 1.0).mul_(0.4).add_(0.8)), None)


def _with_floor(
    draws: Draws, above: Tensor, surface: Tensor, ground: float | None = None, horizon: float | None = None
) -> Place:
    """A picture with the ground before it, from the row `ground` on; its horizon lies there or higher."""
    ground = draws.uniform(0.4, 0.85) if ground is None else ground
    horizon = ground - draws.uniform(0.02, 0.4) if horizon is None else horizon
    first = min(draws.height - 1, max(1, round(ground * draws.height)))
    floor = views.ground(surface, draws, min(horizon, ground - 0.01), first)
    picture = torch.cat([above[:, :first], floor], dim=1)
    if draws.chance(0.5):  # where a wall meets the ground it is dark, or there is a kerb
        tall = draws.integer(1, max(2, draws.height // 40))
        tone = color(draws, "grey", "dark")
        shapes.box(picture, first - tall, 0, first, draws.width, tone, draws.uniform(0.3, 1))
    return Place(views.light_falls(picture, draws), ground)


def _floor(draws: Draws, names: Sequence[str]) -> Tensor:
    """A surface to be seen in perspective; a smaller one is enough, as most of it is far away or very near."""
    return texture(draws.resized(max(8, draws.height * 5 // 8), max(8, draws.width * 5 // 8)), names)


def _sky(draws: Draws) -> Tensor:
    """From the zenith down to the horizon, with clouds, or overcast, or at dusk."""
    down, _ = draws.grid()
    kind = draws.pick(("sky", "sky", "pale", "grey", "dusk"))
    picture = ramp(down[None].expand(1, -1, draws.width), color(draws, kind), color(draws, kind, "pale"))
    if draws.chance(0.7):
        clouds = octaves(draws, draws.uniform(1, 5), 6, draws.uniform(0.4, 0.65), stretch=draws.uniform(0.3, 1))
        cover = clouds.sub_(draws.uniform(0.2, 0.6)).mul_(draws.uniform(1.5, 5)).clamp_(0, 1)
        picture = picture + cover * (draws.uniform(0.6, 1) - picture)
    return picture.contiguous()


def _skyline(picture: Tensor, draws: Draws, horizon: float) -> None:
    """Buildings and trees side by side, down to the horizon; in place."""
    height, width = picture.shape[1:]
    foot, x, trees = (horizon + 0.01) * height, draws.uniform(-0.2, 0) * width, draws.uniform(0, 1)
    while x < width:
        wide = draws.uniform(0.08, 0.4) * width
        if draws.chance(trees):
            shapes.tree(picture, draws, foot, x + wide / 2, draws.uniform(0.15, 0.5) * height)
        elif draws.chance(0.85):
            _building(picture, draws, foot, x, wide)
        x += wide * draws.uniform(0.7, 1.2)


def _building(picture: Tensor, draws: Draws, foot: float, x: float, wide: float) -> None:
    """A house far away: its windows are a grid."""
    height = picture.shape[1]
    top = foot - draws.uniform(0.1, 0.6) * height
    paint = color(draws, "stone", "grey", "pale", "brick", "any")
    shapes.box(picture, top, x, foot, x + wide, paint, draws.uniform(0.6, 1.1))
    top, foot, left, right = max(0, round(top)), round(foot), max(0, round(x)), round(x + wide)
    part = picture[:, top:foot, left:right]
    if not part.numel():
        return
    down = torch.arange(part.shape[1], device=picture.device)[:, None]
    across = torch.arange(part.shape[2], device=picture.device)[None]
    high, broad = draws.integer(4, 24), draws.integer(4, 24)
    panes = (down % high > high * draws.uniform(0.3, 0.6)) & (across % broad > broad * draws.uniform(0.2, 0.6))
    glass = color(draws, "dark", "sky", "grey")
    part.lerp_(column(glass, picture.device), panes.float()[None])


def _lines(picture: Tensor, draws: Draws, horizon: float, count: int) -> None:
    """Markings that run to one point on the horizon, whole or broken; in place."""
    height, width = picture.shape[1:]
    first = min(height - 1, round(horizon * height) + 1)
    down, across = draws.grid()
    depth = down[first:] - horizon
    aim, distance = draws.uniform(-0.3, 1.3) * width / height, draws.uniform(0.3, 2)
    start, wide, tone = draws.uniform(-2, 0), draws.uniform(0.01, 0.06), color(draws, "pale", "lamp", "grey")
    side = (across - aim) / depth - start
    inside = (side % distance < wide * distance * 2) & (side < count * distance) & (side > 0)
    if draws.chance(0.4):
        inside = inside & ((0.3 / depth * draws.uniform(1, 6)) % 1 < draws.uniform(0.3, 0.7))
    part = picture[:, first:]
    worn = draws.uniform(0.2, 0.9)
    part.lerp_(column(tone, picture.device), inside.float().mul_(worn)[None])


def _distractors(picture: Tensor, draws: Draws, horizon: float, count: int) -> None:
    """Poles, cars and boxes in the distance; in place."""
    height, width = picture.shape[1:]
    for _ in range(count):
        near = draws.uniform(0.01, 0.12)
        foot, x = (horizon + near) * height, draws.uniform(0, width)
        kind = draws.integer(0, 2)
        if kind == 0:
            thick = draws.uniform(0.5, 3)
            shapes.box(
                picture, foot - draws.uniform(0.2, 0.7) * height, x - thick, foot, x + thick, color(draws, "grey")
            )
        elif kind == 1:
            shapes.far_car(picture, draws, foot, x, (0.04 + near) * height)
        else:
            _thing(picture, draws, foot, (0.05 + near) * height)


def _thing(picture: Tensor, draws: Draws, foot: float, size: float) -> None:
    """Something that stands on a row: a box, a bin, a board, a ball, a wheel; in place."""
    x, kind = draws.uniform(0, picture.shape[2]), draws.integer(0, 6)
    fill = color(draws, *PAINTS, "any", "wood")
    wide = size * draws.scale(0.4, 2.5)
    if kind <= 1:
        shapes.box(picture, foot - size, x - wide / 2, foot, x + wide / 2, fill, draws.uniform(0.4, 1.2))
    elif kind == 2:
        shapes.ellipse(picture, foot - size / 2, x, size / 2, wide / 2, fill, power=draws.uniform(1.5, 5))
    elif kind == 3:
        angle = draws.uniform(0, pi)
        shapes.slab(picture, foot - size / 2, x, size, size * draws.uniform(0.03, 0.3), (cos(angle), sin(angle)), fill)
    elif kind == 4:
        shapes.wheel(picture, draws, foot - size / 4, x, size / 4, draws.uniform(0.3, 1))
    elif kind == 5:
        shapes.ellipse(picture, foot - size / 4, x, size / 4, wide / 3, color(draws, "dark"))
    else:
        shapes.box(picture, foot - size, x - wide / 2, foot, x + wide / 2, fill)
        shapes.window(picture, draws, foot - 0.9 * size, x - 0.4 * wide, foot - 0.2 * size, x + 0.4 * wide)


#: Families to train with, by name: a function of the draws each.
PLACES: dict[str, Callable[[Draws], Place]] = {
    "noise": _noise,
    "gradients": _gradients,
    "patterns": _patterns,
    "walls": _walls,
    "houses": _houses,
    "streets": _streets,
    "parking": _parking,
    "gardens": _gardens,
    "fields": _fields,
    "halls": _halls,
    "lights": _lights,
    "clutter": _clutter,
    "mosaics": _mosaics,
}
