"""Light as tables: what a surface mirrors and receives, for every direction, sharp and blurred."""

from functools import lru_cache

import numpy as np

from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.mesh import unit

SIDE = 128  # texels along a table's side
COARSE = 24  # blurred tables are computed at this size and enlarged
LEVELS = (0.0, 0.22, 0.65, 1.0)  # width of the blur: mirror, satin, rubber, and diffuse light (cosine-weighted)
DIFFUSE = 3


@lru_cache(maxsize=4)
def _directions(side: int) -> np.ndarray:
    """Unit vectors of both hemispheres' texels: (2, side, side, 3), upper half first.

    A hemisphere lies in its table by stereographic projection, x / (1 + |z|): no angle is needed to find a texel.
    """
    at = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(at, at)
    square = x * x + y * y
    shape = np.stack([2 * x, 2 * y, 1 - square], -1) / (1 + square)[..., None]
    return np.stack([shape, shape * np.array([1, 1, -1.0])])


@lru_cache(maxsize=4)
def _ball(count: int) -> np.ndarray:
    """Points spread evenly over the unit sphere: (count, 3)."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    turn = k * 2.399963229728653
    ring = np.sqrt(1 - z * z)
    return np.round(np.stack([ring * np.cos(turn), ring * np.sin(turn), z], -1), 6)


class Light:
    """The light of one studio session.

    Args:
        draw: where lamps hang and how bright they are.
        floor: (3,) colour of the floor.
        wall: (3,) colour of the wall.
    """

    def __init__(self, draw: Draw, floor: np.ndarray, wall: np.ndarray):
        self.floor, self.wall = floor, wall
        self.ceiling = draw.between(0.55, 1.0)
        self.behind = draw.between(0.50, 1.05)  # the room behind the camera
        self.lamps = []
        for _ in range(draw.integer(2, 4)):
            x, y = draw.between(-3.5, 4.0), draw.between(-4.0, 4.0)
            self.lamps.append((x, y, draw.between(0.5, 2.4), draw.between(0.6, 3.0), draw.between(0.8, 2.6)))
        self.side_lamp = (draw.between(-0.8, 0.8), draw.between(0.10, 0.30), draw.between(0.6, 1.8), draw.chance(0.6))
        # lamps around the camera light a car, but what gloss mirrors between them is the dark of the hall
        hall = draw.between(0.25, 0.75)
        levels = [self._blurred(spread, hall if spread < 0.5 else 1.0) for spread in LEVELS]
        diffuse = levels[DIFFUSE]
        # exposure: 1 is the light between what a surface gets that faces up and one that faces the camera
        up, ahead = diffuse[0, SIDE // 2, SIDE // 2, 1], diffuse[0, SIDE // 2, SIDE - 1, 1]
        self.level = float(np.round(0.35 * up + 0.65 * ahead, 4))
        self.table = np.round(np.stack(levels) / self.level, 4).astype(np.float32).reshape(-1, 3)

    def _radiance(self, direction: np.ndarray, hall: float) -> np.ndarray:
        """Light that comes from unit directions (…, 3): (…, 3); ``hall`` dims what lies behind the camera."""
        x, y, z = direction[..., 0], direction[..., 1], direction[..., 2]
        high = np.clip(z, 0, 1)
        towards = np.clip(0.5 + x * 0.9, 0, 1)  # 0 at the wall, 1 behind the camera
        wall = self.wall * (1.05 - 0.35 * high)[..., None]
        back = np.array([1.0, 0.98, 0.96]) * (self.behind * hall * (0.55 + 0.6 * high))[..., None]
        room = wall * (1 - towards)[..., None] + back * towards[..., None]
        top = np.clip((z - 0.45) * 3, 0, 1)[..., None]
        room = room * (1 - top) + self.ceiling * top
        safe = np.maximum(z, 0.05)
        at_x, at_y = 3.2 * x / safe, 3.2 * y / safe
        for lamp_x, lamp_y, half_x, half_y, power in self.lamps:
            inside = np.clip((half_x - np.abs(at_x - lamp_x)) * 3, 0, 1) * np.clip(
                (half_y - np.abs(at_y - lamp_y)) * 3, 0, 1
            )
            room = room + (power * inside * (z > 0.1))[..., None]
        if self.side_lamp[3]:
            at, tall, power, _ = self.side_lamp
            strip = (
                (x > 0.2) * np.clip((0.25 - np.abs(y - at)) * 12, 0, 1) * np.clip((tall - np.abs(z - 0.25)) * 12, 0, 1)
            )
            room = room + (power * strip)[..., None]
        deep = np.clip(-z * 2.2, 0, 1)[..., None]
        ground = self.floor * (0.72 + 0.28 * deep)
        mix = np.clip(z * 16 + 0.5, 0, 1)[..., None]
        return ground * (1 - mix) + room * mix

    def _blurred(self, spread: float, hall: float) -> np.ndarray:
        """The table (2, SIDE, SIDE, 3) of light gathered around every direction."""
        if spread == 0:
            return self._radiance(_directions(SIDE), hall)
        around = _directions(COARSE)
        total = np.zeros_like(around)
        points = _ball(56 if spread > 0.5 else 24)
        for point in points:
            total = total + self._radiance(unit(around + spread * point), hall)
        return _enlarge(total / len(points))

    def find(self, direction: np.ndarray, level: np.ndarray | int) -> np.ndarray:
        """Look light up.

        Args:
            direction: (3, N) float32 unit vectors.
            level: which of ``LEVELS``, one or (N,).

        Returns:
            (N, 3) float32.
        """
        x, y, z = direction
        scale = np.float32(SIDE / 2) / (np.float32(1.0001) + np.abs(z))
        column = (x * scale + np.float32(SIDE / 2)).astype(np.int32)
        row = (y * scale + np.float32(SIDE / 2)).astype(np.int32)
        place = (level * 2 + (z < 0)) * (SIDE * SIDE) + row * SIDE + column
        return self.table.take(place, axis=0, mode="clip")


def _enlarge(table: np.ndarray) -> np.ndarray:
    """(2, COARSE, COARSE, 3) → (2, SIDE, SIDE, 3), linear in between."""
    at = np.clip((np.arange(SIDE) + 0.5) * COARSE / SIDE - 0.5, 0, COARSE - 1.001)
    low = at.astype(int)
    part = at - low
    table = table[:, low] * (1 - part)[:, None, None] + table[:, low + 1] * part[:, None, None]
    return table[:, :, low] * (1 - part)[:, None] + table[:, :, low + 1] * part[:, None]
