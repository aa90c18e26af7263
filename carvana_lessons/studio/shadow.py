"""The soft shadow under a car: its footprint, blurred narrowly and widely."""

import numpy as np

from carvana_lessons.studio.bodies import Body
from carvana_lessons.studio.stage import bilinear

CELL = 0.05  # metres per texel
HALF_X, HALF_Y = 5.0, 3.5


def _blur(table: np.ndarray, radius: int) -> np.ndarray:
    """A box blur in both directions, three times: nearly a bell. Running sums only, in one order."""
    for _ in range(3):
        for axis in (0, 1):
            pad = [(radius + 1, radius) if k == axis else (0, 0) for k in (0, 1)]
            total = np.cumsum(np.pad(table, pad), axis)
            n = table.shape[axis]
            high = np.take(total, np.arange(2 * radius + 1, 2 * radius + 1 + n), axis)
            low = np.take(total, np.arange(n), axis)
            table = (high - low) / (2 * radius + 1)
    return table


def footprint(body: Body, under: float, strength: float, soft: float) -> np.ndarray:
    """How much light the floor around a car keeps: (rows along y, columns along x) float32 in car coordinates.

    Args:
        body: the car's measures.
        under: 0 … 1, darkness under the car.
        strength: 0 … 1, of the wide shadow.
        soft: metres, its blur.

    Returns:
        (rows, columns) float32 in [0, 1].
    """
    x = (np.arange(int(2 * HALF_X / CELL)) + 0.5) * CELL - HALF_X
    y = (np.arange(int(2 * HALF_Y / CELL)) + 0.5) * CELL - HALF_Y
    plan = (np.abs(x) < body.half - 0.10)[None, :] & (np.abs(y) < body.width / 2 - 0.04)[:, None]
    tyres = np.zeros(plan.shape)
    for axle in (body.front_axle, body.rear_axle):
        on = (np.abs(x - axle) < body.wheel * 0.5)[None, :] & (np.abs(np.abs(y) - body.track + 0.11) < 0.13)[:, None]
        tyres = np.maximum(tyres, on)
    plan = plan.astype(float)
    near, wide = _blur(plan, 2), _blur(plan, max(2, int(soft / CELL)))
    dark = under * near * (0.5 + 0.5 * near) + strength * wide * (1 - 0.6 * near)
    keep = (1 - np.clip(dark, 0, 0.97)) * (1 - 0.85 * _blur(tyres, 1))
    return np.round(keep, 4).astype(np.float32)


def shaded(table: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The factor at floor positions in car coordinates; 1 away from the car.

    Args:
        table: as `footprint` gives it.
        x: positions in car coordinates, in metres, any shape (…).
        y: as ``x``, of the same shape.

    Returns:
        (…) float32.
    """
    rows, columns = table.shape
    at_x = (x + np.float32(HALF_X)) * np.float32(1 / CELL) - np.float32(0.5)
    at_y = (y + np.float32(HALF_Y)) * np.float32(1 / CELL) - np.float32(0.5)
    return bilinear(table, np.clip(at_x, 0, columns - 2), np.clip(at_y, 0, rows - 2)).astype(np.float32)
