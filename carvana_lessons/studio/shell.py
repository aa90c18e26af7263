"""The two shells of a car: the lower body with bonnet and deck, and the cabin with its roof.

Each is one grid of points: columns run around half the car from the tail to the nose, rows climb the flank and then
cross the top to the middle. One grid means one smooth surface: no seams where a cap would be glued on.
"""

import numpy as np

from carvana_lessons.studio.bodies import Body
from carvana_lessons.studio.mesh import cross, slope, unit

# How high the rows lie: share of the flank, of the half width on top, of the cabin's wall.
FLANK = np.array(
    [0, .05, .1, .16, .23, .3, .37, .44, .51, .58, .65, .72, .78, .83, .87, .905, .935, .96, .98, 1]
)  # fmt: skip
ACROSS = np.array([0.975, 0.93, 0.86, 0.76, 0.62, 0.46, 0.3, 0.15, 0.0])
PANE = np.array([0, .08, .18, .3, .42, .54, .66, .76, .84, .9, .945, .975, 1.0])  # fmt: skip


def smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, an S between.

    Args:
        x: any shape (…).
        low: where it begins to rise.
        high: where it has risen.

    Returns:
        (…) in [0, 1].
    """
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def curve(x: np.ndarray, knots: list[tuple[float, float]], soft: float = 0.0) -> np.ndarray:
    """A line through knots (x rising), rounded at its corners over ``soft`` on both sides.

    Args:
        x: any shape (…).
        knots: (x, value) pairs.
        soft: half width of the rounding, in units of ``x``.

    Returns:
        (…) values.
    """
    xs, ys = np.array(knots).T
    if soft == 0:
        return np.interp(x, xs, ys)
    steps = np.linspace(-soft, soft, 7)
    return sum(np.interp(x + step, xs, ys) for step in steps) / len(steps)


def outline(power: float, marks: np.ndarray, count: int) -> np.ndarray:
    """Half a superellipse from tail (−1, 0) over the flank to nose (1, 0).

    Args:
        power: 2 is an ellipse, large is a box.
        marks: extra positions c on the flank that must be columns.
        count: columns spaced evenly along it.

    Returns:
        (columns, 2) of c (along, −1 … 1) and s (out, 0 … 1).
    """
    theta = np.linspace(np.pi, 0, 4001)
    c = np.sign(np.cos(theta)) * np.abs(np.cos(theta)) ** (2 / power)
    s = np.abs(np.sin(theta)) ** (2 / power)
    s[[0, -1]] = 0
    length = np.concatenate([[0], np.cumsum(np.sqrt(np.diff(c * 2.5) ** 2 + np.diff(s) ** 2))])
    even = np.linspace(0, length[-1], count)
    flank = np.interp(marks, c[500:-500], length[500:-500])
    spots = np.sort(np.concatenate([even, flank]))
    spots = spots[np.concatenate([[True], np.diff(spots) > 1e-4])]
    return np.round(np.stack([np.interp(spots, length, c), np.interp(spots, length, s)], -1), 6)


def shoulder(body: Body, x: np.ndarray) -> np.ndarray:
    """Height of the line where flank becomes bonnet, window sill or deck, at positions x.

    Args:
        body: the car's measures.
        x: positions in metres, any shape (…).

    Returns:
        (…) heights, in metres.
    """
    knots = [(-body.half, body.tail - 0.03), (-body.half + 0.12, body.tail)]
    if body.kind == "pickup":
        knots += [(body.rear_foot - 0.05, body.tail), (body.rear_foot + 0.05, body.belt_rear)]
    elif not body.upright_tail:
        knots += [(body.rear_foot, body.belt_rear)]
    knots += [(body.rear_axle + 0.35, body.belt_rear), (body.cowl, body.belt), (body.half, body.nose)]
    knots = sorted(knots)
    middle = (body.cowl + body.half) / 2
    hood = np.interp(middle, [body.cowl, body.half], [body.belt, body.nose]) + 0.045 * (1 - 0.3 * body.boxy)
    return curve(x, sorted([*knots, (middle, hood)]), 0.03 if body.kind == "pickup" else 0.16)


def body_shell(body: Body) -> np.ndarray:
    """The lower body's left half: (rows, columns, 3) points, columns from tail to nose.

    Args:
        body: the car's measures.

    Returns:
        (rows, columns, 3), in metres.
    """
    arch = body.wheel + body.arch
    bend = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 15))
    marks = [axle + arch * side for axle in (body.front_axle, body.rear_axle) for side in (*bend, -1.012, 1.012)]
    c, s = outline(5.2 + 2.0 * body.boxy, np.array(marks) / body.half, 92).T
    x0 = c * body.half
    front, back = smooth(c, 0.62, 1.0), smooth(-c, 0.66, 1.0)
    top = shoulder(body, x0)
    bottom = body.clearance + 0.05 * front + 0.09 * back
    for axle in (body.front_axle, body.rear_axle):
        inside = np.clip(arch * arch - (x0 - axle) ** 2, 0, None)
        bottom = np.maximum(bottom, np.where(inside > 1e-9, body.wheel + np.sqrt(inside), 0))
    z = bottom + (top - bottom) * FLANK[:, None]
    h = (z - body.clearance) / (top - body.clearance)
    line, depth = body.crease
    side = curve(
        h, [(0, .915), (.06, .945), (.2, .972), (.42, .990), (.62, 1.0), (.8, .988), (.92, .968), (1, .93)], .05
    )  # fmt: skip
    # a crease: above it the flank stands out a little and catches the light
    side = side + depth * (smooth(h, line - 0.02, line + 0.015) - smooth(h, line + 0.015, line + 0.22))
    sweep = 1.0 - body.blunt
    chin = curve(h, [(0, .12), (.1, .05), (.28, .0), (.45, .005), (.6, .02 + .03 * sweep), (.8, .05 + .10 * sweep),
                     (.92, .08 + .15 * sweep), (1, .13 + .22 * sweep)], .07)  # fmt: skip
    if body.upright_tail:
        rump = curve(h, [(0, 0.12), (0.1, 0.05), (0.25, 0.0), (0.45, 0.0), (0.52, 0.03), (0.8, 0.05), (1, 0.075)], 0.05)
    elif body.kind == "pickup":
        rump = curve(h, [(0, 0.20), (0.1, 0.12), (0.18, 0.0), (0.36, 0.0), (0.40, 0.07), (1, 0.08)], 0.02)
    else:
        rump = curve(
            h,
            [(0, 0.12), (0.1, 0.05), (0.25, 0.0), (0.45, 0.0), (0.52, 0.03), (0.8, 0.055), (0.93, 0.08), (1, 0.14)],
            0.05,
        )
    # wheel arches are pulled out a little, and the flank between them is drawn in
    flare = np.zeros_like(z)
    for axle in (body.front_axle, body.rear_axle):
        away = np.sqrt((x0 - axle) ** 2 + (z - body.wheel) ** 2)
        flare = np.maximum(flare, 1 - smooth(away, arch, arch + 0.28))
    waist = 0.022 * (1 - smooth(np.abs(h - 0.3), 0.0, 0.28)) * (1 - flare)
    narrow = 1 - 0.05 * smooth(c, 0.35, 0.95) - 0.035 * smooth(-c, 0.45, 0.95)
    y = s * body.width / 2 * side * narrow - (waist - 0.012 * flare) * s
    x = x0 - (chin * front - rump * back) - body.bow * s * s * front * smooth(c, 0.8, 1.0)
    x = x + 0.09 * s * s * smooth(-c, 0.8, 1.0)
    flank = np.stack([x, y, z], -1)

    edge = flank[-1]
    deck = np.clip((edge[:, 0] - body.cowl + 0.05) / 0.3, 0, 1)  # 1 on the bonnet
    tip = 1 - smooth(edge[:, 0], body.half - 1.0, body.half - 0.20)
    crown = 0.062 * deck * (0.08 + 0.92 * tip)
    if not body.upright_tail and body.kind != "pickup":
        crown = crown + 0.035 * smooth(-edge[:, 0], -body.rear_foot - 0.1, -body.rear_foot + 0.1)
    v = ACROSS[:, None]
    cap = np.stack(
        [np.broadcast_to(edge[:, 0], (len(v), len(c))), edge[:, 1] * v, edge[:, 2] + crown * (1 - v**2.4)], -1
    )
    if body.kind == "pickup":  # the bed: lower than its walls
        bed = (edge[:, 0] < body.rear_foot - 0.12) & (edge[:, 0] > -body.half + 0.16)
        cap[..., 2] -= np.where(bed & (v < 0.95), 0.42, 0.0)
    return np.concatenate([flank, cap])


def roof_edge(body: Body, x: np.ndarray) -> np.ndarray:
    """Height of the roof at its sides, at positions x.

    Args:
        body: the car's measures.
        x: positions in metres, any shape (…).

    Returns:
        (…) heights, in metres.
    """
    peak = body.header - 0.35 * (body.header - body.rear_header)
    ahead, behind = body.header - peak, peak - body.rear_header
    away = np.where(x > peak, (x - peak) / ahead, (peak - x) / behind)
    droop = 0.05 if body.kind in ("pickup", "van") else 0.055 if body.upright_tail else 0.075
    return body.height - 0.05 - droop * (1 - 0.5 * body.boxy) * np.minimum(away * away, 1.6)


def cabin_shell(body: Body) -> np.ndarray:
    """The cabin's left half: (rows, columns, 3) points, columns from the rear window to the windscreen.

    Args:
        body: the car's measures.

    Returns:
        (rows, columns, 3), in metres.
    """
    c, s = outline(7.0 + 3.0 * body.boxy, np.array([0.0]), 58).T
    t = PANE[:, None]
    front = body.cowl + (body.header - body.cowl) * t + 0.05 * 4 * t * (1 - t)
    back = body.rear_foot + (body.rear_header - body.rear_foot) * t - 0.045 * 4 * t * (1 - t) * (not body.boxy > 0.8)
    x = (front + back) / 2 + (front - back) / 2 * c
    bow = body.bow * 0.85 * s * s
    x = x - bow * smooth(c, 0.75, 1.0) + 0.5 * bow * smooth(-c, 0.8, 1.0)
    foot = shoulder(body, x[0]) - 0.035
    foot = np.where(c > 0.85, np.maximum(foot, body.cowl_height - 0.05), foot)
    top = roof_edge(body, x[-1])
    z = foot + (top - foot) * t
    low, high = body.width / 2 * 0.925, body.width / 2 * body.roof_width
    wide = low + (high - low) * t**1.12 - 0.05 * smooth(t, 0.86, 1.0)
    narrow = 1 - 0.06 * smooth(c, 0.2, 1.0) - 0.10 * smooth(-c, 0.1, 1.0)
    y = s * wide * narrow
    wall = np.stack([x, y, z], -1)
    edge = wall[-1]
    v = ACROSS[:, None]
    along = (edge[:, 0] - body.rear_header) / (body.header - body.rear_header)
    crown = 0.055 * np.clip(1 - (2 * along - 1) ** 4, 0, 1) + 0.012
    cap = np.stack(
        [np.broadcast_to(edge[:, 0], (len(v), len(c))), edge[:, 1] * v, edge[:, 2] + crown * (1 - v**2.2)], -1
    )
    return np.concatenate([wall, cap])


def shell_normals(grid: np.ndarray) -> np.ndarray:
    """Normals of a half shell: smooth, and without a sideways part in the middle plane.

    Args:
        grid: (rows, columns, 3) points of the half shell.

    Returns:
        (rows, columns, 3) unit vectors.
    """
    normals = cross(slope(grid, 0), slope(grid, 1))
    normals[:, [0, -1], 1] = 0
    normals[-1, :, 1] = 0
    return np.round(unit(normals), 6)
