"""The floor around a car: the turned turntable, the shadow, and the car's faint image in it."""

import numpy as np

from carvana_lessons.studio.scene import Scene
from carvana_lessons.studio.session import Session
from carvana_lessons.studio.shadow import shaded


def ground(now: Session, room: np.ndarray, floor: np.ndarray, heading: tuple[float, float]) -> np.ndarray:
    """The room with the turntable turned, the car's shadow and its faint image in the floor.

    Args:
        now: the session.
        room: (H, W, 3) light of the empty room.
        floor: (H, W, 2) floor positions.
        heading: of the car.

    Returns:
        (H, W, 3) float32 light.
    """
    height, width = room.shape[:2]
    c, s = heading
    x0, y0 = now.middle(heading)
    x, y = floor[..., 0], floor[..., 1]
    here = np.flatnonzero(((np.abs(x) < 6) & (np.abs(y) < 6)).ravel())
    x, y = x.ravel()[here], y.ravel()[here]
    factor = now.stage.turned(np.stack([x, y], -1), c, s, width)
    dx, dy = x - np.float32(x0), y - np.float32(y0)
    along, out = dx * np.float32(c) + dy * np.float32(s), dy * np.float32(c) - dx * np.float32(s)
    factor = factor * shaded(now.shadow, along, out)
    flat = room.reshape(-1, 3).copy()
    flat[here] *= factor[:, None]
    return _mirrored(now, heading, flat.reshape(height, width, 3), floor)


def _mirrored(now: Session, heading: tuple[float, float], light: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Blend the car's image into the floor: rendered upside down at half the size, blurred."""
    height, width = light.shape[:2]
    wide, tall = (width + 1) // 2, (height + 1) // 2
    scene = Scene(now, heading, wide, tall)
    place, normal, label, eye, z = scene.see(now.car.outer, flip=True)
    if len(place) == 0:
        return light
    shade = scene.surface(normal, label, eye, np.abs(z))
    fade = np.clip(1 - np.abs(z) * np.float32(0.75), 0, 1)
    image = np.zeros((tall * wide, 4), np.float32)
    image[place, :3] = np.minimum(shade, np.float32(1.2)) * fade[:, None]
    image[place, 3] = fade
    image = image.reshape(tall, wide, 4)
    for axis, radius in ((0, max(1, tall // 40)), (1, max(1, wide // 120))):
        image = _soften(image, radius, axis)
    image = np.repeat(np.repeat(image, 2, 0), 2, 1)[:height, :width]
    on = (floor[..., :1] < 1e3) * np.float32(now.mirror)
    return light * (1 - image[..., 3:] * on) + image[..., :3] * on


def _soften(image: np.ndarray, radius: int, axis: int) -> np.ndarray:
    """A box blur along one axis by a fixed sequence of additions."""
    total = image.copy()
    for step in range(1, radius + 1):
        for sign in (-step, step):
            total += np.roll(image, sign, axis)
    return total / np.float32(2 * radius + 1)
