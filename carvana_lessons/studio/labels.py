"""What is painted on the two shells: windows, lamps, grille, gaps. A label for every texel of half a car."""

import numpy as np

from .bodies import Body
from .draw import Draw
from .paint import Label
from .shell import FLANK, PANE, smooth


def spread(grid: np.ndarray, wide: int, tall: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions x, y, z, each (tall, wide) float32, of the texels of a shell (rows, columns, 3)."""
    rows, columns = grid.shape[:2]
    v = (np.arange(tall) + 0.5) / tall * (rows - 1)
    u = (np.arange(wide) + 0.5) / wide * (columns - 1)
    i, j = v.astype(int), u.astype(int)
    fv, fu = (v - i)[:, None, None], (u - j)[None, :, None]
    top = grid[i][:, j] * (1 - fu) + grid[i][:, j + 1] * fu
    low = grid[i + 1][:, j] * (1 - fu) + grid[i + 1][:, j + 1] * fu
    x, y, z = np.moveaxis(np.round(top * (1 - fv) + low * fv, 5).astype(np.float32), -1, 0)
    return x, y, z


def walk(grid: np.ndarray, row: int, wide: int) -> tuple[np.ndarray, np.ndarray]:
    """Way along a row of a shell in metres, counted from the tail and from the nose: two (1, wide) arrays."""
    points = grid[row]
    step = np.sqrt(((points[1:, :2] - points[:-1, :2]) ** 2)[:, 0] + ((points[1:, :2] - points[:-1, :2]) ** 2)[:, 1])
    way = np.concatenate([[0], np.cumsum(step)])
    u = (np.arange(wide) + 0.5) / wide * (len(points) - 1)
    along = np.round(np.interp(u, np.arange(len(points)), way), 5).astype(np.float32)[None]
    return along, np.float32(round(float(way[-1]), 5)) - along


def near_line(value: np.ndarray, at: float, width: float) -> np.ndarray:
    """True within half a width of a value."""
    return np.abs(value - np.float32(at)) < np.float32(width / 2)


def body_labels(body: Body, grid: np.ndarray, draw: Draw, wide: int = 1600, tall: int = 448) -> np.ndarray:
    """Labels of the lower body: (tall, wide) uint8, columns from tail to nose, rows from sill to the middle."""
    x, y, z = spread(grid, wide, tall)
    from_tail, from_nose = walk(grid, 9, wide)
    flank = np.broadcast_to(((np.arange(tall) + 0.5) / tall * (len(grid) - 1) < len(FLANK) - 2)[:, None], x.shape)
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
        put(flank & (np.abs(x - post - 0.14) < 0.10) & (np.abs(z - handle - (body.belt_rear - body.belt) * 0.4) < 0.02), shine)
    # flank trims
    if draw.chance(0.25):
        put(flank & (x < first) & (x > last) & near_line(z, sill + 0.13, 0.03), draw.pick([Label.CHROME, Label.TRIM]))
    if rugged:
        put(flank & (z < sill) , Label.TRIM)
        for axle in (body.front_axle, body.rear_axle):
            away = (x - axle) ** 2 + (z - body.wheel) ** 2
            put(flank & (away < (body.wheel + body.arch + 0.055) ** 2), Label.TRIM)
    else:
        put(flank & (z < body.clearance + draw.between(0.0, 0.05)), Label.TRIM)
    _front(body, draw, put, flank, from_nose, y, z, rugged)
    _rear(body, draw, put, flank, from_tail, y, z, rugged)
    _deck(body, draw, put, flank, x, y, z)
    return out


def _front(body, draw, put, flank, s, y, z, rugged) -> None:
    """Grille, lower intake, headlamps, fog lamps; s is the way from the nose's middle in metres."""
    wide, low = body.width / 2, body.clearance
    tall = body.nose - low
    front = flank & (s < 1.5)
    # grille: bars with a chrome or black frame
    reach = draw.between(0.24, 0.52) * (1.15 if body.kind in ("pickup", "suv") else 1)
    top = low + tall * draw.between(0.78, 0.88)
    base = low + tall * draw.between(0.42, 0.60)
    if draw.chance(0.22):  # one tall mouth
        base = low + tall * 0.16
    slant = draw.between(-0.35, 0.25)
    edge = reach + slant * (z - base)
    inside = front & (z > base) & (z < top) & (s < edge)
    frame = front & (z > base - 0.022) & (z < top + 0.022) & (s < edge + 0.025)
    put(frame, draw.weighted([Label.CHROME, Label.BLACK, Label.PAINT, Label.TRIM], [45, 20, 20, 15]))
    put(inside, Label.GRILLE)
    pattern = draw.weighted(["bars", "posts", "mesh", "one"], [45, 15, 25, 15])
    pitch = draw.between(0.035, 0.075)
    phase = z / np.float32(pitch) if pattern == "bars" else s / np.float32(pitch)
    if pattern in ("bars", "posts"):
        thick = draw.between(0.2, 0.45)
        bars = (phase - np.floor(phase)) < thick
        put(inside & bars, draw.pick([Label.CHROME, Label.CHROME, Label.TRIM, Label.PAINT]))
    if pattern == "one" or draw.chance(0.3):
        put(inside & near_line(z, (top + base) / 2, draw.between(0.03, 0.08)), draw.pick([Label.CHROME, Label.PAINT]))
    badge = (top + base) / 2 if draw.chance(0.6) else top + 0.05
    put(front & (s * s + (z - badge) ** 2 < draw.between(0.045, 0.07) ** 2), Label.CHROME)
    # lower intake
    mouth = draw.between(0.35, 0.62)
    put(front & (z > low + tall * 0.10) & (z < low + tall * draw.between(0.24, 0.34)) & (s < mouth), Label.GRILLE)
    if rugged:
        put(front & (z < low + tall * draw.between(0.18, 0.34)), Label.TRIM)
        put(front & (z < low + 0.12) & (s < 0.6), draw.pick([Label.TRIM, Label.RIM]))
    # headlamps
    start = max(reach + draw.between(0.02, 0.08), wide * draw.between(0.50, 0.62))
    end = wide + draw.between(0.02, 0.34)
    middle = low + tall * draw.between(0.66, 0.76)
    rise = draw.between(0.03, 0.24) * (0.5 if body.kind in ("pickup",) else 1)
    thick = draw.between(0.06, 0.10) * (1.6 if body.kind in ("pickup",) else 1.15 if body.kind == "suv" else 1)
    t = np.clip((s - start) / (end - start), -0.2, 1.2)
    centre = middle + rise * t
    form = draw.between(0.3, 1.0)
    round_lamp = draw.chance(0.10)
    if round_lamp:
        far = ((s - wide * 0.72) / 0.13) ** 2 + ((z - middle - 0.03) / 0.11) ** 2
        lamp, rim, eye = front & (far < 1), front & (far < 1.3), front & (far < 0.35)
    else:
        size = thick * (1 - form * np.abs(t - 0.45) ** 1)
        lamp = front & (t > 0) & (t < 1) & (np.abs(z - centre) < size)
        rim = front & (t > -0.03) & (t < 1.03) & (np.abs(z - centre) < size + 0.01)
        eye = lamp & (((t - 0.3) * (end - start)) ** 2 + (z - centre) ** 2 < (thick * 0.62) ** 2)
    put(rim, Label.GAP)
    put(lamp, draw.weighted([Label.LAMP, Label.LENS], [55, 45]))
    put(eye, draw.pick([Label.CHROME, Label.LAMP, Label.LENS]))
    if draw.chance(0.6) and not round_lamp:
        put(lamp & (t > 0.78), Label.AMBER)
    # fog lamps in black corners
    if draw.chance(0.75):
        at, high = wide * draw.between(0.72, 0.82), low + tall * draw.between(0.22, 0.3)
        put(front & (np.abs(s - at) < 0.13) & (np.abs(z - high) < 0.065), draw.pick([Label.GRILLE, Label.TRIM, Label.PAINT]))
        put(front & ((s - at) ** 2 + (z - high) ** 2 < 0.05**2), draw.pick([Label.LAMP, Label.CHROME]))


def _rear(body, draw, put, flank, s, y, z, rugged) -> None:
    """Tail lamps, plate recess, boot gap, bumper; s is the way from the tail's middle in metres."""
    wide, low = body.width / 2, body.clearance
    tall = body.tail - low
    rear = flank & (s < 1.5)
    if rugged or draw.chance(0.35):
        put(rear & (z < low + tall * draw.between(0.12, 0.26)), Label.TRIM)
    if body.kind == "pickup":
        put(rear & (z < low + tall * 0.36) & (z > low + tall * 0.16) & (s < wide + 0.1), draw.pick([Label.CHROME, Label.TRIM, Label.PAINT]))
    # boot or tailgate
    lid = low + tall * draw.between(0.36, 0.46)
    reach = wide * draw.between(0.72, 0.82)
    put(rear & near_line(z, lid, 0.014) & (s < reach), Label.GAP)
    put(rear & near_line(s, reach, 0.014) & (z > lid), Label.GAP)
    # lamps
    upright = body.upright_tail and draw.chance(0.45)
    start = wide * (draw.between(0.70, 0.82) if upright else draw.between(0.48, 0.66))
    end = wide + draw.between(0.02, 0.12 if upright else 0.30)
    if body.kind == "pickup":
        start, end, upright = wide * 0.86, wide + 0.06, True
    top = low + tall * draw.between(0.84, 0.96)
    base = low + tall * (draw.between(0.45, 0.58) if upright else draw.between(0.58, 0.70))
    t = np.clip((s - start) / (end - start), -0.2, 1.2)
    skew = draw.between(-0.05, 0.12)
    lamp = rear & (t > 0) & (t < 1) & (z > base + skew * (1 - t) * 0.6) & (z < top - skew * t * 0.5)
    rim = rear & (t > -0.04) & (t < 1.03) & (z > base + skew * (1 - t) * 0.6 - 0.01) & (z < top - skew * t * 0.5 + 0.01)
    put(rim, Label.GAP)
    put(lamp, Label.TAIL)
    band = base + (top - base) * draw.between(0.25, 0.6)
    put(lamp & (np.abs(z - band) < draw.between(0.015, 0.04)) & (t < 0.75), draw.pick([Label.REVERSE, Label.AMBER, Label.TAIL]))
    if draw.chance(0.45):
        put(rear & (s < start + 0.02) & near_line(z, (top + base) / 2 - 0.02, 0.035), Label.CHROME)
    put(rear & (np.abs(s - wide * 0.75) < 0.09) & near_line(z, low + tall * 0.20, 0.035), Label.TAIL)
    put(rear & (s * s + (z - top + 0.03) ** 2 < 0.05**2), Label.CHROME)
    # the plate lies in a dark recess
    put(rear & (s < 0.29) & (np.abs(z - body.clearance - tall * 0.52) < 0.105), draw.pick([Label.TRIM, Label.GAP, Label.PAINT]))


def _deck(body, draw, put, flank, x, y, z) -> None:
    """Bonnet, what lies under the glass, and the bed of a pickup."""
    cabin = ~flank & (x < body.cowl - 0.02) & (x > body.rear_foot + 0.02)
    put(cabin, Label.DASH)
    put(~flank & (np.abs(x - body.cowl - 0.015) < 0.07) & (np.abs(y) < body.width * 0.42), Label.TRIM)
    if body.kind == "pickup":
        bed = ~flank & (x < body.rear_foot - 0.08) & (x > -body.half + 0.12) & (np.abs(y) < body.width / 2 * 0.89)
        put(bed, draw.pick([Label.TRIM, Label.UNDER]))
    if draw.chance(0.07):
        stripe = (np.abs(y) > 0.10) & (np.abs(y) < 0.36)
        put(~flank & stripe & ((x > body.cowl) | (x < body.rear_foot)), Label.STRIPE)


def cabin_labels(body: Body, grid: np.ndarray, draw: Draw, wide: int = 1024, tall: int = 384) -> np.ndarray:
    """Labels of the cabin: (tall, wide) uint8, columns from rear window to windscreen, rows from sill to roof."""
    x, y, z = spread(grid, wide, tall)
    behind, ahead = walk(grid, 6, wide)
    row = (np.arange(tall) + 0.5) / tall * (len(grid) - 1)
    t = np.interp(row, np.arange(len(PANE)), PANE).astype(np.float32)[:, None]
    wall = np.broadcast_to((row < len(PANE) - 2.2)[:, None], x.shape)
    out = np.full(x.shape, Label.PAINT, np.uint8)
    # the corners of the outline, as way from the middle of either window
    points = grid[6]
    turn = np.argmax(points[:, 1])  # the widest column
    widest = float(points[turn, 1])
    screen, window = widest - 0.02, widest * 0.88
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
    dark = body.kind in ("suv", "van", "wagon", "pickup") and draw.chance(0.75)
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
        thick = draw.between(0.10, 0.34) if body.kind == "hatch" else draw.between(0.06, 0.16)
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
    if draw.chance(0.8 if dark else 0.08):
        out[(out == Label.GLASS) & pane & (x < middle)] = Label.TINTED
    # roof: sunroof, gutters
    if not cloth and draw.chance(0.45):
        long = draw.between(0.5, 0.9) if draw.chance(0.7) else length * 0.8
        hatch = ~wall & (np.abs(y) < 0.42) & (x < body.header - 0.22) & (x > body.header - 0.22 - long) & (row[:, None] > len(PANE))
        out[hatch] = Label.BLACK
    return out
