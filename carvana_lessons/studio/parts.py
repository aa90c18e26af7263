"""What is screwed to the shells: mirrors, rails, aerials, wings, plates; and what stands inside."""

import numpy as np

from carvana_lessons.studio.bodies import Body
from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.mesh import Mesh, blob, box, from_grid, join, tube
from carvana_lessons.studio.paint import Label
from carvana_lessons.studio.shell import roof_edge, shoulder


def mirrors(body: Body, draw: Draw) -> list[Mesh]:
    """Two mirrors on stalks that leave a gap to the door.

    Args:
        body: the car's measures.
        draw: where the draws come from.

    Returns:
        one mesh per part.
    """
    big = 1.45 if body.kind == "pickup" and draw.chance(0.5) else 1.12 if body.kind in ("suv", "van", "pickup") else 1.0
    x = body.cowl - draw.between(0.40, 0.52)
    y = body.width / 2 * 0.90
    z = float(shoulder(body, np.array([x]))[0]) + 0.085 * big
    shape = (0.075 * big, 0.105 * big, 0.072 * big * (1.25 if big > 1.3 else 1))
    cover = draw.weighted([Label.PAINT, Label.TRIM, Label.CHROME], [78, 16, 6])
    head = blob(shape, cover, 2.8).moved(x, y + 0.025 + shape[1], z)
    glass = blob((0.01, shape[1] * 0.85, shape[2] * 0.8), Label.LENS, 3.5).moved(
        x - shape[0] + 0.004, y + 0.025 + shape[1], z
    )
    stalk = box((x - 0.03, x + 0.03), (y - 0.08, y + 0.09), (z - shape[2] * 0.95, z - shape[2] * 0.5), Label.TRIM)
    left = join([head, glass, stalk])
    return [left, left.mirrored()]


def roof_parts(body: Body, draw: Draw) -> list[Mesh]:
    """Rails, aerial and wing, where the car has them.

    Args:
        body: the car's measures.
        draw: where the draws come from.

    Returns:
        one mesh per part.
    """
    out = []
    rails = {"suv": 0.55, "wagon": 0.8, "van": 0.6}.get(body.kind, 0.0)
    if draw.chance(rails):
        x = np.linspace(body.header - 0.12, body.rear_header + 0.08, 16)
        y = body.width / 2 * body.roof_width * 0.90
        lift = draw.between(0.03, 0.055)
        z = roof_edge(body, x) + 0.02 + lift * np.sqrt(np.clip(1 - np.abs(np.linspace(-1, 1, 16)) ** 6, 0, 1))
        colour = draw.pick([Label.CHROME, Label.TRIM, Label.TRIM])
        bar = tube(np.stack([x, np.full(16, y), z], -1), 0.017, colour)
        feet = [
            box((x[k] - 0.05, x[k] + 0.05), (y - 0.015, y + 0.015), (z[k] - 0.09, z[k]), colour) for k in (1, 7, 14)
        ]
        left = join([bar, *feet])
        out += [left, left.mirrored()]
    top = float(roof_edge(body, np.array([body.rear_header + 0.12]))[0])
    if body.kind != "convertible":
        aerial = draw.weighted(["fin", "whip", "none"], [45, 30, 25])
        if aerial == "fin":
            out.append(blob((0.10, 0.02, 0.055), Label.PAINT, 1.7).moved(body.rear_header + 0.12, 0, top + 0.055))
        elif aerial == "whip":
            x, lean = body.rear_header + 0.10, draw.between(0.12, 0.32)
            path = np.array([[x, 0, top + 0.03], [x - lean * 0.5, 0, top + 0.16], [x - lean, 0, top + 0.29]])
            out.append(tube(path, 0.006, Label.TRIM, 6))
    if body.kind == "pickup" and draw.chance(0.4):
        out.append(blob((0.07, 0.5, 0.03), Label.AMBER).moved(body.header - 0.2, 0, body.height + 0.01))
    if body.upright_tail and draw.chance(0.7):  # a lip above the rear window
        z = float(roof_edge(body, np.array([body.rear_header]))[0])
        half = body.width / 2 * body.roof_width
        out.append(blob((0.12, half * 0.84, 0.02), Label.PAINT, 3.0).moved(body.rear_header - 0.02, 0, z + 0.02))
    elif body.kind in ("sedan", "coupe") and draw.chance(0.25):
        rear, wide = -body.half + 0.22, body.width / 2 * 0.72
        lift = draw.pick([0.02, 0.04, 0.16])
        out.append(blob((0.11, wide, 0.022), Label.PAINT, 3.5).moved(rear, 0, body.tail + 0.05 + lift))
        if lift > 0.1:
            for side in (-0.8, 0.8):
                out.append(
                    box(
                        (rear - 0.05, rear + 0.05),
                        (wide * side - 0.015, wide * side + 0.015),
                        (body.tail - 0.02, body.tail + 0.2),
                        Label.PAINT,
                    )
                )
    return out


def plates(body: Body, grid: np.ndarray, draw: Draw) -> list[Mesh]:
    """Paper covers on both plates: white with a blue foot and a blue dot.

    Args:
        body: the car's measures.
        grid: (rows, columns, 3) points of the lower body.
        draw: where the draws come from.

    Returns:
        one mesh per part.
    """
    out = []
    tall = body.tail - body.clearance
    front = body.clearance + (body.nose - body.clearance) * draw.between(0.24, 0.44)
    rear = body.clearance + tall * (0.52 if body.kind != "pickup" else 0.28)
    for end, z in ((1, front), (-1, rear)):
        if end > 0 and draw.chance(0.12):
            continue
        column = grid[:20, -1 if end > 0 else 0]  # the middle of the nose or of the tail
        x = float(np.interp(z, column[:, 2], column[:, 0])) + end * 0.025
        wide, high = 0.165, 0.085
        lean = draw.between(-0.01, 0.02)
        rows = np.array([-1, -0.55, 0.6, 1.0])
        for low, top, label in ((0, 1, Label.PLATE_MARK), (1, 3, Label.PLATE)):
            part = np.zeros((top - low + 1, 2, 3))
            part[..., 2] = z + high * rows[low : top + 1, None]
            part[..., 1] = np.array([-wide, wide]) * end
            part[..., 0] = x - end * lean * rows[low : top + 1, None]
            out.append(from_grid(part[:, ::-1], label))
        dot = blob((0.004, 0.03, 0.03), Label.PLATE_MARK, 2.0, 8)
        out.append(dot.moved(x, -wide * 0.55 * end, z + 0.015))
    return out


def inside(body: Body, draw: Draw) -> list[Mesh]:
    """Seats, dashboard and steering wheel: seen through the glass only.

    Args:
        body: the car's measures.
        draw: where the draws come from.

    Returns:
        one mesh per part.
    """
    out = []
    floor = body.belt - 0.05
    gap = body.header - body.rear_header
    rows = [body.header - 0.62]
    if body.kind not in ("coupe", "convertible") or draw.chance(0.5):
        rows.append(body.header - 0.62 - min(0.86, gap * 0.6))
    if body.kind in ("van",) or (body.kind == "suv" and body.length > 4.8):
        rows.append(rows[-1] - 0.8)
    head = body.height - 0.20
    for x in rows:
        if x < body.rear_foot + 0.25:
            continue
        for y in (-0.36, 0.36):
            back = min(head - 0.16, floor + 0.35)
            out.append(
                blob((0.085, 0.25, (back - floor + 0.3) / 2), Label.SEAT, 3.2, 9).moved(x, y, (back + floor - 0.3) / 2)
            )
            out.append(blob((0.05, 0.13, 0.085), Label.SEAT, 2.8, 8).moved(x - 0.03, y, back + 0.10))
    out.append(blob((0.22, body.width * 0.36, 0.10), Label.DASH, 3.0, 9).moved(body.cowl - 0.45, 0, floor + 0.05))
    turn = np.linspace(0, 2 * np.pi, 17)
    ring = np.stack([0.08 * np.sin(turn), 0.36 + 0.18 * np.cos(turn), 0.17 * np.sin(turn)], -1)
    out.append(tube(ring, 0.016, Label.DASH, 5).moved(body.cowl - 0.72, 0, floor + 0.10))
    out.append(
        box(
            (body.header - 0.12, body.header - 0.10),
            (-0.11, 0.11),
            (body.height - 0.22, body.height - 0.15),
            Label.DASH,
        )
    )
    return out


def underside(body: Body, draw: Draw) -> list[Mesh]:
    """The dark core between the wheels, and exhaust tips. The wheel arches show it.

    Args:
        body: the car's measures.
        draw: where the draws come from.

    Returns:
        one mesh per part.
    """
    low, top = body.clearance + 0.035, min(body.belt, body.nose) - 0.12
    if body.kind == "pickup":
        top = min(top, body.tail - 0.47)  # under the bed's floor
    inner = body.track - 0.30
    ahead, behind = body.front_axle - body.wheel - 0.09, body.rear_axle + body.wheel + 0.09
    wide = body.width / 2 * 0.84
    out = [
        box((-body.half + 0.36, body.half - 0.42), (-inner, inner), (low, top), Label.UNDER),
        box((behind, ahead), (-wide, wide), (low, top), Label.UNDER),
    ]
    if draw.chance(0.6):
        for side in draw.pick([(-1,), (-1, 1), (1,)]):
            at = (-body.half + 0.13, side * body.width * 0.29, body.clearance + 0.085)
            out.append(blob((0.06, 0.045, 0.03), draw.pick([Label.CHROME, Label.UNDER]), 3.0, 8).moved(*at))
    return out
