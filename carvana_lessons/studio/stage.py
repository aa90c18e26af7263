"""The room: a curved pale wall with dark letters, a grey floor, a turntable; and what the camera sees of it."""

import numpy as np

from carvana_lessons.studio.camera import Camera
from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.letters import MARGIN, TALL, sign

TEXTS = ["CAR MASKS", "CAR LESSONS", "LESSONS", "MASKS", "MASK A CAR", "CARS MASKED", "LEARN MASKS", "CAR ROOM"]
# Three ways to set up the camera, and how often: (distance, height, focal, rise).
SETUPS = [((7.4, 2.0, 1.12, 0.228), 34), ((7.4, 2.0, 1.27, 0.228), 34), ((7.4, 2.0, 1.12, 0.148), 32)]


def draw_camera(draw: Draw, mark: float) -> Camera:
    """One of the studio's camera set-ups, moved a little; the mark says which (see ``turn``).

    Args:
        draw: where the draws come from.
        mark: as `turn` gives it.

    Returns:
        the camera.
    """
    distance, height, focal, rise = draw.weighted([setup for setup, _ in SETUPS], [share for _, share in SETUPS], mark)
    return Camera(
        distance + draw.about(0, 0.25), height + draw.about(0, 0.15), focal * (1 + draw.about(0, 0.05)),
        rise + draw.about(0, 0.026), draw.about(0.0, 0.02),
    )  # fmt: skip


class Stage:
    """One session's room.

    Args:
        draw: where the draws of tones, letters and stains come from.
        camera: that looks at it.

    Attributes:
        floor: (3,) its colour in linear light, 1 is white.
        wall: (3,) its colour in linear light, 1 is white.
    """

    def __init__(self, draw: Draw, camera: Camera):
        self.camera = camera
        warm = draw.about(0.015, 0.075)
        tint = np.array([1 + warm, 1 + warm * 0.4, 1 - warm])
        self.floor = draw.between(0.36, 0.68) * tint * np.array([1.0, 1.01, 1.0 + draw.about(0.05, 0.07)])
        self.table_tone = draw.between(0.62, 1.08) * np.array([1.0, 0.99, 1 - draw.between(0.0, 0.13)])
        self.wall = draw.between(0.82, 1.12) * (1 + (tint - 1) * 0.4)
        self.falloff = draw.between(-0.18, 0.16), draw.about(0.0, 0.12), draw.between(-0.35, 0.22)
        self.foot_light = draw.between(0.0, 0.25), draw.between(0.8, 3.0)  # lamps along the wall's foot
        self.back = draw.between(9.0, 13.0)  # from the turntable's axis to the wall
        self.bend = draw.between(14.0, 30.0)  # radius of the wall
        self.edge = draw.between(0.01, 0.12)  # softness of the line between floor and wall
        self.ring = draw.between(3.0, 3.6), draw.between(0.012, 0.03), draw.between(0.1, 0.65)
        self.seams = draw.between(0.0, 0.12), draw.between(0.9, 1.5), draw.unit()
        self.glow = draw.between(-0.15, 0.30)  # the floor's brighter middle
        self.sheen = draw.between(0.0, 0.5)  # the wall mirrored in the floor at grazing angles
        self.stains = draw.grain((14, 14)) * np.float32(draw.between(0.0, 0.07))
        self.dark_edge = draw.between(0.88, 0.97) if draw.chance(0.22) else None
        self.lip = draw.between(0.4, 1.0), draw.between(0.006, 0.028), draw.between(0.0, 0.16)
        self.pit = draw.between(0.008, 0.07), draw.grain((24, 6))
        self._letters(draw)

    def _letters(self, draw: Draw) -> None:
        text = draw.pick(TEXTS)
        thin, bold = draw.between(0.05, 0.12), draw.between(0.14, 0.24)
        style = draw.weighted(["mixed", "bold", "thin"], [60, 25, 15])
        middle = text.find(" ") if " " in text else len(text) // 2
        swap = text.startswith("CAR") or draw.chance(0.5)  # the first half bold, or the second
        heavy = {"bold": lambda k: True, "thin": lambda k: False, "mixed": lambda k: (k > middle) != swap}[style]
        weights = [bold if heavy(k) else thin for k in range(len(text))]
        spacing = draw.between(0.14, 0.30) + (0.30 if len(text) < 6 else 0.15 if len(text) < 8 else 0.0)
        self.ink = sign(text, weights, spacing)
        self.ink_tone = draw.between(0.055, 0.20) * np.array([1.0, 1.0, 1.04])
        camera = self.camera
        reach = (camera.distance + self.back) / camera.focal  # metres of wall across the picture
        self.sign_width = reach * draw.between(0.78, 0.93)
        self.sign_height = self.sign_width * TALL / (self.ink.shape[1] - 2 * MARGIN) * draw.between(0.92, 1.1)
        self.door = draw.between(-3, 2), draw.between(2.2, 4.0), draw.between(1.8, 3.0), draw.between(0.0, 0.10)
        self.sign_left = -self.sign_width / 2 + reach * draw.about(-0.005, 0.03)
        self.sign_foot = draw.between(-0.02, 0.45)

    def see(self, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """The empty room.

        Args:
            width: of the picture, in samples.
            height: of the picture, in samples.

        Returns:
            (height, width, 3) float32 light without what depends on the turntable's position; (height, width, 2)
            float32 floor positions x, y in metres, far away (1e4) where the wall is.
        """
        row, column = np.mgrid[0:height, 0:width] + 0.5
        ray = self.camera.rays(column, row, width, height)
        eye_x, eye_z = self.camera.distance, self.camera.height
        down = np.minimum(ray[..., 2], -1e-6)
        reach = eye_z / -down
        floor_x, floor_y = eye_x + reach * ray[..., 0], reach * ray[..., 1]
        # the wall: a cylinder around an upright axis at centre_x
        centre_x = self.bend - self.back
        square = ray[..., 0] * ray[..., 0] + ray[..., 1] * ray[..., 1]
        half = (eye_x - centre_x) * ray[..., 0]
        root = np.sqrt(np.maximum(half * half - square * ((eye_x - centre_x) ** 2 - self.bend**2), 0))
        away = (root - half) / square
        wall_y, wall_z = away * ray[..., 1], eye_z + away * ray[..., 2]
        shade, side, low = self.falloff
        bright = 1 - shade * (1 - np.clip(wall_z / 5, 0, 1)) - low * (np.abs(wall_y) / 9) ** 2 * 0.5
        bright = bright + side * wall_y / 9
        strength, tall = self.foot_light
        bright = bright + strength * np.clip(1 - wall_z / tall, 0, 1) ** 2
        left, wide, tall, strength = self.door  # the outline of a door in the wall
        frame = np.maximum(np.abs(wall_y - left - wide / 2) - wide / 2, wall_z - tall)
        bright = bright * (1 - strength * np.clip(1.5 - np.abs(frame) / 0.025, 0, 1))
        wall = bright[..., None] * self.wall
        ink = self._ink(wall_y, wall_z)[..., None]
        wall = wall * (1 - ink) + self.ink_tone * ink
        floor = self._floor(floor_x, floor_y, reach)
        blend = np.clip(wall_z / self.edge + 0.5, 0, 1)[..., None]
        light = floor * (1 - blend) + wall * blend
        if self.dark_edge is not None:
            light = self._bottom(light, row / height, column / width)
        place = np.where(blend < 0.5, np.stack([floor_x, floor_y], -1), 1e4)
        return light.astype(np.float32), place.astype(np.float32)

    def _ink(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Ink of the letters at positions of the wall."""
        rows, columns = self.ink.shape
        at_x = (y - self.sign_left) / self.sign_width * (columns - 2 * MARGIN) + MARGIN - 0.5
        at_z = MARGIN + (1 - (z - self.sign_foot) / self.sign_height) * TALL - 0.5
        return bilinear(self.ink, np.clip(at_x, 0, columns - 2), np.clip(at_z, 0, rows - 2))

    def _floor(self, x: np.ndarray, y: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """The floor's light (…, 3) at positions x, y seen from a distance."""
        square = x * x + y * y
        glow = 1 + self.glow * (1 / (1 + square * 0.12) - 0.35)
        graze = np.clip((reach - 7) / 14, 0, 1)
        tone = self.floor * glow[..., None]
        tone = tone * (1 - self.sheen * 0.25 * graze)[..., None]
        radius, _, _ = self.ring
        inside = np.clip((radius - np.sqrt(square)) * 40 + 0.5, 0, 1)[..., None]
        tone = tone * (1 + (self.table_tone - 1) * inside)
        rows, columns = self.stains.shape
        stain = bilinear(self.stains, np.clip((x + 7) * 0.9, 0, rows - 2), np.clip((y + 7) * 0.9, 0, columns - 2))
        return tone * (1 + stain[..., None])

    def _bottom(self, light: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """The floor's end: a pale lip and the dark below it."""
        bright, thick, bow = self.lip
        line = self.dark_edge - bow * (column - 0.5) ** 2
        lip = np.clip((row - line) * 150, 0, 1)[..., None]
        dark = np.clip((row - line - thick) * 150, 0, 1)[..., None]
        light = light * (1 - lip) + bright * lip
        tone, rubble = self.pit
        grime = bilinear(rubble, column * 4, np.clip((row - 0.88) * 180, 0, 22))
        pit = np.maximum(tone * (1 + 0.45 * grime), 0.003)[..., None] * np.array([1.05, 1.0, 0.94])
        return light * (1 - dark) + pit * dark

    def turned(self, place: np.ndarray, cosine: float, sine: float, size: int) -> np.ndarray:
        """What turns with the turntable: the ring's line and the seams of its plates, as a factor of the floor's light.

        Args:
            place: (H, W, 2) floor positions.
            cosine: of the turn.
            sine: of the turn.
            size: the picture's width.

        Returns:
            (H, W) float32.
        """
        x, y = place[..., 0], place[..., 1]
        radius, line, depth = self.ring
        line = max(line, 3.0 / size)
        away = np.abs(np.sqrt(x * x + y * y) - np.float32(radius))
        factor = 1 - np.float32(depth) * np.clip(1.5 - away / np.float32(line), 0, 1)
        strength, pitch, shift = self.seams
        for a, b in ((cosine, sine), (-sine, cosine)):
            at = (x * np.float32(a) + y * np.float32(b)) / np.float32(pitch) + np.float32(shift)
            gap = np.abs(at - np.floor(at) - np.float32(0.5)) * np.float32(pitch)
            factor = factor - np.float32(strength) * np.clip(1.5 - gap / np.float32(line * 0.6), 0, 1) * (
                x * x + y * y < radius**2
            )
        return factor.astype(np.float32)


def bilinear(table: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Values of a (R, C) table between its texels; positions must lie in [0, C − 2] and [0, R − 2].

    Args:
        table: (R, C) or more.
        column: positions, any shape (…).
        row: as ``column``, of the same shape.

    Returns:
        (…) values.
    """
    i, j = row.astype(np.int32), column.astype(np.int32)
    fv, fu = row - i, column - j
    flat, wide = table.ravel(), table.shape[1]
    k = i * wide + j
    top = flat[k] * (1 - fu) + flat[k + 1] * fu
    low = flat[k + wide] * (1 - fu) + flat[k + wide + 1] * fu
    return top * (1 - fv) + low * fv
