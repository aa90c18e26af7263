"""What is painted on the cabin: windows, pillars, roof."""

import numpy as np

from carvana_lessons.studio.bodies import Body
from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.ends import near_line
from carvana_lessons.studio.labels import spread, walk
from carvana_lessons.studio.paint import Label
from carvana_lessons.studio.shell import PANE, smooth


def cabin_labels(body: Body, grid: np.ndarray, draw: Draw, wide: int = 1024, tall: int = 384) -> np.ndarray:
    """Labels of the cabin: (tall, wide) uint8, columns from rear window to windscreen, rows from sill to roof.

    Args:
        body: the car's measures.
        grid: (rows, columns, 3) points of the cabin's shell.
        draw: where the draws come from.
        wide: texels along the columns.
        tall: texels along the rows.

    Returns:
        (tall, wide) uint8.
    """
    x, y, _ = spread(grid, wide, tall)
    behind, ahead = walk(grid, 6, wide)
    row = (np.arange(tall) + 0.5) / tall * (len(grid) - 1)
    t = np.interp(row, np.arange(len(PANE)), PANE).astype(np.float32)[:, None]
    wall = np.broadcast_to((row < len(PANE) - 2.2)[:, None], x.shape)
    out = np.full(x.shape, Label.PAINT, np.uint8)
    # the corners of the outline, as way from the middle of either window
    points = grid[6]
    turn = np.argmax(points[:, 1])  # the widest column
    widest = float(points[turn, 1])
    screen, window = widest - 0.02, widest * (0.80 if body.upright_tail else 0.88)
    roof = Label.PAINT
    cloth = body.kind == "convertible"
    if cloth:
        roof = Label.CLOTH
    elif draw.chance(0.08):
        roof = Label.BLACK
    out[:] = roof if cloth else Label.PAINT
    out[~wall] = roof
    pillar = Label.BLACK if draw.chance(0.25) else Label.PAINT

    # windscreen
    glass = wall & (ahead < screen + 0.02) & (t > 0.07) & (t < 0.93)
    out[wall & (ahead < screen + 0.04) & (t < 0.97)] = Label.BLACK
    out[glass] = Label.GLASS
    # rear window
    low, high = (0.14, 0.88) if body.upright_tail else (0.10, 0.90)
    large = body.kind in ("suv", "van", "wagon", "pickup")
    dark = draw.chance(0.75 if large else 0.4)
    if cloth:
        inset, low, high = 0.22, 0.25, 0.72
    elif body.kind == "pickup":
        inset, low, high = 0.10, 0.30, 0.85
    else:
        inset = 0.0
    back = wall & (behind < window - inset) & (t > low) & (t < high)
    out[wall & (behind < window - inset + 0.025) & (t > low - 0.03) & (t < high + 0.03)] = Label.BLACK
    out[back] = Label.TINTED if dark else Label.GLASS
    # side windows, in car coordinates
    side = wall & (ahead > screen + 0.075) & (behind > window + 0.02)
    sill, head = 0.10, 0.885
    length = body.header - body.rear_header
    if body.kind in ("sedan", "coupe"):
        end_low, end_high = body.rear_header - draw.between(0.12, 0.38), body.rear_header + draw.between(0.02, 0.18)
        if body.kind == "coupe":
            end_low, end_high = end_low + 0.12, end_high + 0.2
    elif cloth:
        end_low, end_high = body.rear_header + 0.02, body.rear_header + 0.30
    elif body.kind == "pickup":
        end_low, end_high = body.rear_foot + 0.16, body.rear_header + 0.12
    else:
        thick = draw.between(0.10, 0.34) if body.kind == "hatch" else draw.between(0.08, 0.28)
        end_low, end_high = body.rear_foot + thick + 0.10, body.rear_header + thick
    end = end_low + (end_high - end_low) * t
    kick = draw.between(0.0, 0.10) * smooth(-x, -end_low - 0.6, -end_low)  # the sill climbs towards the end
    pane = side & (t > sill + kick) & (t < head) & (x > end)
    frame = side & (t > sill + kick - 0.035) & (t < head + 0.035) & (x > end - 0.03)
    out[frame] = draw.weighted([Label.BLACK, Label.CHROME, Label.TRIM], [45, 35, 20])
    out[side & (t < 0.07)] = Label.PAINT
    out[pane] = Label.GLASS
    first = body.front_axle - body.wheel - body.arch - 0.04
    last = body.rear_axle + 0.30
    middle = (first + last) / 2 - 0.06
    if body.kind in ("coupe", "convertible"):
        middle = end_low + draw.between(0.25, 0.45)
    posts = [(middle, 0.09)]
    if body.kind in ("suv", "van", "wagon"):
        posts.append((last - 0.12, draw.between(0.05, 0.12)))
    elif body.kind in ("sedan", "hatch", "pickup") and end_low < last - 0.1:
        posts.append((last - 0.10, 0.035))
    if body.kind in ("van", "hatch") or draw.chance(0.3):
        posts.append((body.cowl - 0.33 * (body.cowl - body.header) - 0.16, 0.04))  # a small window at the mirror
    lean = 0.12 * (t - 0.5)
    colour = pillar if body.kind not in ("suv", "van", "wagon") else Label.BLACK
    for at, thick in posts:
        out[pane & near_line(x + lean, at, thick)] = colour
    if draw.chance(0.8 if dark and large else 0.15):
        out[(out == Label.GLASS) & pane & (x < middle)] = Label.TINTED
    # roof: sunroof, gutters
    if not cloth and draw.chance(0.45):
        long = draw.between(0.5, 0.9) if draw.chance(0.7) else length * 0.8
        hatch = (
            ~wall
            & (np.abs(y) < 0.42)
            & (x < body.header - 0.22)
            & (x > body.header - 0.22 - long)
            & (row[:, None] > len(PANE))
        )
        out[hatch] = Label.BLACK
    return out
