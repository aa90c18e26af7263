"""What the 16 photos of one car share: the car, the room, the light, and how the camera was set.

Lesson:
    01.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from carvana_lessons.studio.camera import Camera
from carvana_lessons.studio.car import Car, build_car
from carvana_lessons.studio.draw import Draw, turn
from carvana_lessons.studio.light import Light
from carvana_lessons.studio.shadow import footprint
from carvana_lessons.studio.stage import Stage, draw_camera

#: Photos of a car, 22.5° apart.
VIEWS = 16
# A rotation of 22.5° per view, clockwise seen from above: 1 front, 5 the car's left side, 9 rear, 13 its right side.
COSINES = np.round(np.cos(-np.arange(VIEWS) * np.pi / 8), 7)
SINES = np.round(np.sin(-np.arange(VIEWS) * np.pi / 8), 7)
TONES, WHITE = 4096, 1.5  # steps of the tone table, and the light at its end


@dataclass(frozen=True)
class Session:
    """A car on its turntable on one day.

    Attributes:
        car: the car.
        camera: that takes the photos.
        stage: the room.
        light: what shines on the car.
        shadow: see ``footprint``.
        place: x, y of the car on the turntable in metres; cosine and sine of its skew.
        tone: (TONES,) brightness 0 … 255 for linear light in steps.
        gain: (3,) exposure and white balance.
        grain: its standard deviation, 0 … 255.
        vignette: light lost in the corners.
        mirror: share of light that the floor mirrors.
    """

    car: Car
    camera: Camera
    stage: Stage
    light: Light
    shadow: np.ndarray
    place: tuple[float, float, float, float]
    tone: np.ndarray
    gain: np.ndarray
    grain: float
    vignette: float
    mirror: float

    def heading(self, view: int) -> tuple[float, float]:
        """Cosine and sine of the car's heading in a view, 1 … 16.

        Args:
            view: 1 to 16.

        Returns:
            cosine and sine.
        """
        c, s = COSINES[view - 1], SINES[view - 1]
        _, _, skew_c, skew_s = self.place
        return float(c * skew_c - s * skew_s), float(s * skew_c + c * skew_s)

    def middle(self, heading: tuple[float, float]) -> tuple[float, float]:
        """Where the car's middle stands on the studio's floor, metres.

        Args:
            heading: cosine and sine of the car's heading.

        Returns:
            x and y, in metres.
        """
        x, y, _, _ = self.place
        return heading[0] * x - heading[1] * y, heading[1] * x + heading[0] * y


def _tones(contrast: float, knee: float) -> np.ndarray:
    """The camera's curve: linear light 0 … ``WHITE`` to 0 … 255, with a soft shoulder."""
    light = (np.arange(TONES) + 0.5) / TONES * WHITE
    bent = np.where(light < knee, light, knee + (1 - knee) * (1 - np.exp(-(light - knee) / (1 - knee))))
    bent = np.clip(bent * 1.02 - 0.006 * np.exp(-light * 14), 0, 1) ** contrast
    value = np.where(bent < 0.0031308, bent * 12.92, 1.055 * bent ** (1 / 2.4) - 0.055)
    return np.round(value * 255, 2).astype(np.float32)


@lru_cache(maxsize=2)
def session(seed: int, index: int) -> Session:
    """Set up the car of an index: always the same for the same two numbers.

    Args:
        seed: of the set.
        index: of the car, counted from 0.

    Returns:
        the session.
    """
    car = build_car(seed, index)
    draw = Draw(seed, index, 2)
    camera = draw_camera(draw, turn("camera", seed, index))
    stage = Stage(draw, camera)
    light = Light(draw, stage.floor, stage.wall)
    skew = draw.about(0.0, 0.07)
    place = (draw.about(0.0, 0.16), draw.about(0.0, 0.12), round(1 - skew * skew / 2, 6), round(skew - skew**3 / 6, 6))
    exposure = draw.about(1.03, 0.2)
    warm, green = draw.about(0.0, 0.05), draw.about(0.0, 0.015)
    return Session(
        car=car, camera=camera, stage=stage, light=light,
        shadow=footprint(car.body, draw.between(0.72, 0.98), draw.between(0.25, 0.75), draw.between(0.25, 0.9)),
        place=place, tone=_tones(draw.between(0.88, 1.12), draw.between(0.7, 0.85)),
        gain=(exposure * np.array([1 + warm, 1 + green, 1 - warm])).astype(np.float32),
        grain=draw.between(0.6, 2.2), vignette=draw.between(0.0, 0.35), mirror=draw.between(0.02, 0.20),
    )  # fmt: skip


@lru_cache(maxsize=2)
def room(seed: int, index: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The empty room of a session, seen once for its 16 photos; see ``Stage.see``.

    Args:
        seed: of the set.
        index: of the car, counted from 0.
        width: of the picture, in samples.
        height: of the picture, in samples.

    Returns:
        light and floor positions, as ``Stage.see`` gives them.
    """
    return session(seed, index).stage.see(width, height)
