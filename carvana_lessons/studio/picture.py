"""One photo: the car of an index, turned to a view, seen by its session's camera.

Lesson:
    01.
"""

import numpy as np

from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.ground import ground
from carvana_lessons.studio.scene import Scene
from carvana_lessons.studio.session import TONES, WHITE, Session, room, session


def render(
    car_index: int, view: int, size: tuple[int, int] = (480, 320), seed: int = 0, antialias: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Render one photo, before JPEG compression.

    Args:
        car_index: which car, from 0.
        view: 1 … 16.
        size: (width, height) in pixels.
        seed: of the whole set.
        antialias: samples per pixel in either direction.

    Returns:
        (H, W, 3) uint8 photo; (H, W) bool mask, True where at least half of a pixel's samples are car.
    """
    now = session(seed, car_index)
    width, height = size
    empty, floor = room(seed, car_index, width, height)
    heading = now.heading(view)
    scene = Scene(now, heading, width * antialias, height * antialias)
    background = ground(now, empty, floor, heading)
    shade, place = scene.shade(background, antialias)
    hits = np.zeros((height * antialias, width * antialias), np.int32)
    hits.ravel()[place] = 1
    light = np.zeros((height * antialias * width * antialias, 3), np.float32)
    light[place] = shade
    k = antialias
    light = light.reshape(height, k, width, k, 3)
    hits = hits.reshape(height, k, width, k)
    # written out instead of .sum(): one order of additions everywhere
    total, count = np.zeros_like(background), np.zeros((height, width), np.int32)
    for i in range(k):
        for j in range(k):
            total += light[:, i, :, j]
            count += hits[:, i, :, j]
    share = np.float32(1 / (k * k))
    picture = total * share + background * (1 - count[..., None] * share)
    return _develop(now, picture, Draw(seed, car_index, 3, view)), count * 2 >= k * k


def _develop(now: Session, light: np.ndarray, draw: Draw) -> np.ndarray:
    """Light (H, W, 3) to a photo (H, W, 3) uint8: vignette, exposure, tone curve, grain."""
    height, width = light.shape[:2]
    y = (np.arange(height, dtype=np.float32) + np.float32(0.5)) / height * 2 - 1
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / width * 2 - 1
    away = (x * x)[None, :] * np.float32(0.7) + (y * y)[:, None] * np.float32(0.3)
    light = light * (1 - np.float32(now.vignette) * away * away)[..., None] * now.gain
    step = np.clip(light * np.float32(TONES / WHITE), 0, TONES - 1).astype(np.int32)
    value = now.tone[step]
    # one grain for all channels and a little of its own for each
    noise = draw.grain((height, width, 1)) * np.float32(0.8) + draw.grain((height, width, 3)) * np.float32(0.5)
    return np.clip(value + noise * np.float32(now.grain) + np.float32(0.5), 0, 255).astype(np.uint8)
