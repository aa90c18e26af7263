"""Wheels: a tyre turned on a lathe, and a rim whose spokes are painted on a dished disc."""

import numpy as np

from carvana_lessons.studio.bodies import Body
from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.mesh import Mesh, from_grid, join
from carvana_lessons.studio.paint import Label

STEPS = 40  # around


def spokes(draw: Draw, around: int = 720, out: int = 64) -> np.ndarray:
    """A rim's label map: (out, around) uint8, rows from the hub to the rim's edge.

    Spokes in singles, pairs or a mesh; the tyre begins where the rim's edge ends.

    Args:
        draw: where the draws come from.
        around: texels around the rim.
        out: texels from the hub to the edge.

    Returns:
        (out, around) uint8.
    """
    count = draw.weighted([5, 6, 7, 8, 9, 10], [40, 10, 15, 8, 5, 22])
    paired = draw.chance(0.35) and count <= 7
    radius = (np.arange(out)[:, None] + 0.5) / out
    turn = ((np.arange(around)[None, :] + 0.5) / around * count) % 1.0 - 0.5
    width = draw.between(0.14, 0.24) * (6 / (count + 1)) ** 0.4
    taper = draw.between(-0.5, 0.4)
    half = width * (1 + taper * (radius - 0.5)) / np.maximum(radius, 0.2) * 0.5
    if paired:
        gap = draw.between(0.13, 0.18)
        spoke = np.minimum(np.abs(turn - gap), np.abs(turn + gap)) < half * 0.6
    else:
        spoke = np.abs(turn) < half
    full = draw.chance(0.08)  # a wheel cover: holes instead of spokes
    if full:
        spoke = ~((np.abs(turn) < 0.2) & (radius > 0.6) & (radius < 0.85))
    lip = radius > draw.between(0.90, 0.95)
    labels = np.where(spoke | lip | (radius < 0.27), Label.RIM, Label.BRAKE)
    labels = np.where((radius < 0.10), Label.CHROME, labels)
    return np.broadcast_to(labels, (out, around)).astype(np.uint8)


def wheel(radius: float, width: float, rim: float, rim_sheet: int, tyre_sheet: int, under_sheet: int) -> Mesh:
    """One wheel that stands at the origin, its face towards +y.

    Args:
        radius: of the tyre, m.
        width: of the tyre, m.
        rim: radius of the rim, m.
        rim_sheet: the label map of the rim.
        tyre_sheet: the label map of the tyre.
        under_sheet: the label map of the inner side.

    Returns:
        the mesh.
    """
    angle = np.linspace(0, 2 * np.pi, STEPS + 1)

    def turned(profile: list[tuple[float, float]]) -> np.ndarray:
        """Profile of (y, radius) around the axle: (rows, columns, 3)."""
        y, r = np.array(profile).T
        grid = np.zeros((len(y), STEPS + 1, 3))
        grid[..., 0] = r[:, None] * np.cos(angle)
        grid[..., 2] = -r[:, None] * np.sin(angle)  # this way round the face looks outwards
        grid[..., 1] = y[:, None]
        return grid

    wall = radius - rim
    tyre = [
        (-0.012, rim), (0.0, rim + 0.12 * wall), (0.010, rim + 0.45 * wall), (0.004, rim + 0.78 * wall),
        (-0.010, rim + 0.93 * wall), (-0.030, radius - 0.002), (-0.5 * width, radius), (-width + 0.03, radius - 0.002),
        (-width + 0.004, rim + 0.8 * wall), (-width, rim),
    ]  # fmt: skip
    disc = [(-0.052, 0.004), (-0.040, rim * 0.13), (-0.030, rim * 0.3), (-0.022, rim * 0.6), (-0.010, rim * 0.9),
            (-0.002, rim * 0.97), (-0.006, rim * 1.02)]  # fmt: skip
    inner = [(-width, rim * 1.01), (-width + 0.01, rim * 0.5), (-width + 0.01, 0.004)]
    parts = [from_grid(turned(tyre), tyre_sheet, True), from_grid(turned(disc), rim_sheet, True)]
    # the disc's uv: u around, v from the hub outwards in proportion to the radius
    parts[1].uv[:, 1] = np.repeat(np.array([r for _, r in disc]) / (rim * 1.02), STEPS + 1)
    parts.append(from_grid(turned(inner), under_sheet, True))
    return join(parts).moved(0, 0, radius)


def wheels(body: Body, draw: Draw, sheets: tuple[int, int, int]) -> list[Mesh]:
    """The four wheels of a car.

    Args:
        body: the car's measures.
        draw: where the draws come from.
        sheets: label maps of rim, tyre and the inner side.

    Returns:
        one mesh per wheel.
    """
    width = 0.195 + 0.08 * (body.width - 1.7) + draw.between(0.0, 0.05)
    share = draw.between(0.68, 0.79) - (0.05 if body.kind == "pickup" else 0)
    one = wheel(body.wheel, width, body.wheel * share, *sheets)
    out = []
    for x in (body.front_axle, body.rear_axle):
        here = one.moved(x, body.track, 0)
        out += [here, here.mirrored()]
    return out
