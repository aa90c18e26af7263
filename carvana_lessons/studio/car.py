"""One car: shells, wheels and parts as a mesh, its label maps, its paints."""

from dataclasses import dataclass

import numpy as np

from carvana_lessons.studio.bodies import SHARES, Body, draw_body
from carvana_lessons.studio.draw import Draw, turn
from carvana_lessons.studio.labels import body_labels
from carvana_lessons.studio.mesh import Mesh, from_grid, join
from carvana_lessons.studio.paint import Label, Paints, draw_paints
from carvana_lessons.studio.parts import inside, mirrors, plates, roof_parts, underside
from carvana_lessons.studio.shell import FLANK, body_shell, cabin_shell, shell_normals
from carvana_lessons.studio.wheels import spokes, wheels
from carvana_lessons.studio.windows import cabin_labels

# Sheets 0 … len(Label) − 1 are one label each; these three are maps.
BODY, CABIN, RIMS = len(Label), len(Label) + 1, len(Label) + 2


@dataclass(frozen=True)
class Car:
    """Everything about one car that does not change between its 16 photos.

    Attributes:
        body: its measures.
        paints: its materials.
        outer: the mesh that the camera sees first.
        within: what it may see through the glass.
        labels: all label maps, one after the other, flat uint8.
        sheets: (S, 3) int64 of start, width and height.
    """

    body: Body
    paints: Paints
    outer: Mesh
    within: Mesh
    labels: np.ndarray
    sheets: np.ndarray


def inside_out(part: Mesh) -> Mesh:
    """The same surface seen from its other side.

    Args:
        part: a mesh.

    Returns:
        another mesh; faces and normals are turned round.
    """
    return Mesh(part.points, -part.normals, part.uv, part.faces[:, ::-1].copy(), part.sheet)


def build_car(seed: int, index: int) -> Car:
    """Build the car of an index: always the same for the same two numbers.

    Args:
        seed: of the set.
        index: of the car, counted from 0.

    Returns:
        the car.
    """
    draw = Draw(seed, index, 1)
    kind = draw.weighted(list(SHARES), list(SHARES.values()), turn("body", seed, index))
    body = draw_body(kind, draw)
    grid, cabin = np.round(body_shell(body), 7), np.round(cabin_shell(body), 7)
    lower = from_grid(grid, BODY, normals=shell_normals(grid))
    upper = from_grid(cabin, CABIN, normals=shell_normals(cabin))
    maps = [body_labels(body, grid, draw), cabin_labels(body, cabin, draw), spokes(draw)]
    two_tone = bool((maps[0] == Label.SECOND).any())
    paints = draw_paints(draw, two_tone, turn("colour", seed, index))
    # the flanks' inner side, dark, is what shows in the wheel arches
    liner = inside_out(from_grid(grid[: len(FLANK) - 4], Label.UNDER))
    tops = [lower, lower.mirrored(), liner, liner.mirrored()]
    glass = [upper, upper.mirrored()]
    outer = join(
        [*tops, *glass, *wheels(body, draw, (RIMS, Label.TYRE, Label.UNDER)), *mirrors(body, draw),
         *roof_parts(body, draw), *plates(body, grid, draw), *underside(body, draw)]
    )  # fmt: skip
    # behind the glass: the cabin's far walls turned inside out, the shelf at the height of the sills, the furniture
    shelf = from_grid(grid[len(FLANK) :], Label.DASH)
    lining = [inside_out(part) for part in glass]
    within = join([*lining, shelf, shelf.mirrored(), *inside(body, draw)])
    flat = [np.full((1, 1), label, np.uint8) for label in Label] + maps
    starts = np.cumsum([0] + [sheet.size for sheet in flat[:-1]])
    sheets = np.array([(start, sheet.shape[1], sheet.shape[0]) for start, sheet in zip(starts, flat, strict=True)])
    return Car(body, paints, outer, within, np.concatenate([sheet.ravel() for sheet in flat]), sheets)
