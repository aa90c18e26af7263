"""What is painted on the lower body: gaps, handles, cladding. A label for every texel of half a car."""

import numpy as np

from carvana_lessons.studio.bodies import Body
from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.ends import front, near_line, rear
from carvana_lessons.studio.paint import Label
from carvana_lessons.studio.shell import FLANK, smooth


def spread(grid: np.ndarray, wide: int, tall: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions x, y, z, each (tall, wide) float32, of the texels of a shell (rows, columns, 3).

    Args:
        grid: (rows, columns, 3) points of the shell.
        wide: texels along the columns.
        tall: texels along the rows.

    Returns:
        x, y and z, each (tall, wide) float32, in metres.
    """
    rows, columns = grid.shape[:2]
    v = (np.arange(tall) + 0.5) / tall * (rows - 1)
    u = (np.arange(wide) + 0.5) / wide * (columns - 1)
    i, j = v.astype(int), u.astype(int)
    part = (u - j)[:, None]
    across = grid[:, j] * (1 - part) + grid[:, j + 1] * part
    x, y, z = np.ascontiguousarray(np.moveaxis(across, -1, 0), np.float32)
    down = (v - i).astype(np.float32)[:, None]
    return tuple(one[i] * (1 - down) + one[i + 1] * down for one in (x, y, z))


def walk(grid: np.ndarray, row: int, wide: int) -> tuple[np.ndarray, np.ndarray]:
    """Way along a row of a shell in metres, counted from the tail and from the nose: two (1, wide) arrays.

    Args:
        grid: (rows, columns, 3) points of the shell.
        row: which of the rows.
        wide: texels along the columns.

    Returns:
        way from the tail and way from the nose, each (1, wide), in metres.
    """
    points = grid[row]
    step = np.sqrt(((points[1:, :2] - points[:-1, :2]) ** 2)[:, 0] + ((points[1:, :2] - points[:-1, :2]) ** 2)[:, 1])
    way = np.concatenate([[0], np.cumsum(step)])
    u = (np.arange(wide) + 0.5) / wide * (len(points) - 1)
    along = np.round(np.interp(u, np.arange(len(points)), way), 5).astype(np.float32)[None]
    return along, np.float32(round(float(way[-1]), 5)) - along


def body_labels(body: Body, grid: np.ndarray, draw: Draw, wide: int = 1600, tall: int = 448) -> np.ndarray:
    """Labels of the lower body: (tall, wide) uint8, columns from tail to nose, rows from sill to the middle.

    Args:
        body: the car's measures.
        grid: (rows, columns, 3) points of its shell.
        draw: where the draws come from.
        wide: texels along the columns.
        tall: texels along the rows.

    Returns:
        (tall, wide) uint8.
    """
    x, y, z = spread(grid, wide, tall)
    from_tail, from_nose = walk(grid, 9, wide)
    row = np.broadcast_to(((np.arange(tall) + 0.5) / tall * (len(grid) - 1))[:, None], x.shape)
    flank = row < len(FLANK) - 2
    half, width = body.half, body.width
    out = np.full(x.shape, Label.PAINT, np.uint8)
    rugged = body.kind in ("suv", "pickup") and draw.chance(0.55)
    sill = body.clearance + (draw.between(0.10, 0.2) if rugged else draw.between(0.0, 0.06))

    def put(where: np.ndarray, label: Label) -> None:
        out[where] = label

    two_tone = body.kind == "pickup" and draw.chance(0.35)
    if two_tone:
        put(flank & (z < body.wheel * 2 - 0.02), Label.SECOND)
    # gaps: bonnet, bumpers, doors
    gap = 0.012
    hood_gap = ~flank & (x > body.cowl) & near_line(np.abs(y) / np.maximum(width / 2, 0.1), 0.80, 0.016)
    put(hood_gap & (from_nose > 0.5), Label.GAP)
    put(flank & (z > 0.3 + body.clearance) & near_line(x, body.front_axle - 0.04, gap) & (x < half - 0.5), Label.GAP)
    bumper = body.clearance + draw.between(0.42, 0.50) * (body.nose / 0.72) ** 0.5
    put(flank & (from_nose < 1.5) & (x > body.front_axle + body.wheel) & near_line(z, bumper, gap), Label.GAP)
    put(flank & (x < body.rear_axle - body.wheel) & near_line(z, bumper + 0.05, gap), Label.GAP)
    long_doors = body.kind in ("coupe", "convertible")
    first = body.front_axle - body.wheel - body.arch - 0.04
    last = body.rear_axle + (0.30 if not long_doors else 0.42)
    posts = [first, last] if long_doors else [first, (first + last) / 2 - 0.03, last]
    doors = flank & (z > sill + 0.07)
    for post in posts:
        put(doors & near_line(x + 0.06 * smooth(z, 0.9, 0.4), post, gap), Label.GAP)
    put(flank & near_line(z, sill + 0.07, gap) & (x < first) & (x > last - 0.1), Label.GAP)
    # handles
    handle = body.belt - draw.between(0.12, 0.17)
    shine = Label.CHROME if draw.chance(0.3) else Label.HANDLE
    for post in posts[1:]:
        put(
            flank & (np.abs(x - post - 0.14) < 0.10) & (np.abs(z - handle - (body.belt_rear - body.belt) * 0.4) < 0.02),
            shine,
        )
    # flank trims
    if draw.chance(0.25):
        put(flank & (x < first) & (x > last) & near_line(z, sill + 0.13, 0.03), draw.pick([Label.CHROME, Label.TRIM]))
    if rugged:
        put(flank & (z < sill), Label.TRIM)
        for axle in (body.front_axle, body.rear_axle):
            away = (x - axle) ** 2 + (z - body.wheel) ** 2
            put(flank & (away < (body.wheel + body.arch + 0.055) ** 2), Label.TRIM)
    else:
        put(flank & (z < body.clearance + draw.between(0.0, 0.05)), Label.TRIM)
    front(body, draw, put, flank, from_nose, y, z, rugged)
    rear(body, draw, put, flank, from_tail, y, z, rugged)
    _deck(body, draw, put, flank, row > len(FLANK) + 0.2, x, y)
    return out


def _deck(body, draw, put, flank, inner, x, y) -> None:
    """Bonnet, what lies under the glass, and the bed of a pickup."""
    cabin = ~flank & (x < body.cowl - 0.02) & (x > body.rear_foot + 0.02)
    put(cabin, Label.DASH)
    put(~flank & (np.abs(x - body.cowl - 0.015) < 0.07) & (np.abs(y) < body.width * 0.42), Label.TRIM)
    if body.kind == "pickup":
        put(inner & (x < body.rear_foot - 0.08), draw.pick([Label.TRIM, Label.UNDER, Label.DASH]))
    if draw.chance(0.07):
        stripe = (np.abs(y) > 0.10) & (np.abs(y) < 0.36)
        put(~flank & stripe & ((x > body.cowl) | (x < body.rear_foot)), Label.STRIPE)
