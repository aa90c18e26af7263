"""What is painted on a car's nose and tail: grille, lamps, plate, bumpers."""

import numpy as np

from carvana_lessons.studio.paint import Label


def near_line(value: np.ndarray, at: float, width: float) -> np.ndarray:
    """True within half a width of a value.

    Args:
        value: any shape (…).
        at: the value in the middle.
        width: of the line.

    Returns:
        (…) bool.
    """
    return np.abs(value - np.float32(at)) < np.float32(width / 2)


def front(body, draw, put, flank, s, y, z, rugged) -> None:
    """Grille, lower intake, headlamps, fog lamps; s is the way from the nose's middle in metres.

    Args:
        body: the car's measures.
        draw: where the draws come from.
        put: paints a label where a boolean array is True.
        flank: where the texels of the flank are.
        s: (1, wide) way from the nose's middle, in metres.
        y: (tall, wide) distance from the middle plane, in metres.
        z: (tall, wide) height, in metres.
        rugged: whether the car has unpainted bumpers.
    """
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
        put(
            front & (np.abs(s - at) < 0.13) & (np.abs(z - high) < 0.065),
            draw.pick([Label.GRILLE, Label.TRIM, Label.PAINT]),
        )
        put(front & ((s - at) ** 2 + (z - high) ** 2 < 0.05**2), draw.pick([Label.LAMP, Label.CHROME]))


def rear(body, draw, put, flank, s, y, z, rugged) -> None:
    """Tail lamps, plate recess, boot gap, bumper; s is the way from the tail's middle in metres.

    Args:
        body: the car's measures.
        draw: where the draws come from.
        put: paints a label where a boolean array is True.
        flank: where the texels of the flank are.
        s: (1, wide) way from the tail's middle, in metres.
        y: (tall, wide) distance from the middle plane, in metres.
        z: (tall, wide) height, in metres.
        rugged: whether the car has unpainted bumpers.
    """
    wide, low = body.width / 2, body.clearance
    tall = body.tail - low
    rear = flank & (s < 1.5)
    if rugged or draw.chance(0.35):
        put(rear & (z < low + tall * draw.between(0.12, 0.26)), Label.TRIM)
    if body.kind == "pickup":
        put(
            rear & (z < low + tall * 0.36) & (z > low + tall * 0.16) & (s < wide + 0.1),
            draw.pick([Label.CHROME, Label.TRIM, Label.PAINT]),
        )
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
    put(
        lamp & (np.abs(z - band) < draw.between(0.015, 0.04)) & (t < 0.75),
        draw.pick([Label.REVERSE, Label.AMBER, Label.TAIL]),
    )
    if draw.chance(0.45):
        put(rear & (s < start + 0.02) & near_line(z, (top + base) / 2 - 0.02, 0.035), Label.CHROME)
    put(rear & (np.abs(s - wide * 0.75) < 0.09) & near_line(z, low + tall * 0.20, 0.035), Label.TAIL)
    put(rear & (s * s + (z - top + 0.03) ** 2 < 0.05**2), Label.CHROME)
    # the plate lies in a dark recess
    put(
        rear & (s < 0.29) & (np.abs(z - body.clearance - tall * 0.52) < 0.105),
        draw.pick([Label.TRIM, Label.GAP, Label.PAINT]),
    )
