"""One photo: the car of an index, turned to a view, seen by its session's camera."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .camera import Camera
from .car import Car, build_car
from .draw import Draw
from .light import DIFFUSE, Light
from .mesh import Mesh
from .paint import Label
from .raster import cover, weights
from .shadow import footprint, shaded
from .stage import Stage, draw_camera

VIEWS = 16
# A turn of 22.5° a view, clockwise seen from above: 1 front, 5 the car's left side, 9 rear, 13 its right side.
COSINES = np.round(np.cos(-np.arange(VIEWS) * np.pi / 8), 7)
SINES = np.round(np.sin(-np.arange(VIEWS) * np.pi / 8), 7)


@dataclass(frozen=True)
class Session:
    """A car on its turntable on one day: what its 16 photos share."""

    car: Car
    camera: Camera
    stage: Stage
    light: Light
    shadow: np.ndarray
    place: tuple[float, float, float, float]  # x, y of the car on the turntable; cosine and sine of its skew
    tone: np.ndarray  # (TONES, ) brightness 0 … 255 for linear light in steps
    gain: np.ndarray  # (3,) exposure and white balance
    grain: float
    vignette: float
    mirror: float


TONES, WHITE = 4096, 1.5  # steps of the tone table, and the light at its end


def _tones(contrast: float, knee: float) -> np.ndarray:
    """The camera's curve: linear light 0 … ``WHITE`` to 0 … 255, with a soft shoulder."""
    light = (np.arange(TONES) + 0.5) / TONES * WHITE
    bent = np.where(light < knee, light, knee + (1 - knee) * (1 - np.exp(-(light - knee) / (1 - knee))))
    bent = np.clip(bent * 1.02, 0, 1) ** contrast
    value = np.where(bent < 0.0031308, bent * 12.92, 1.055 * bent ** (1 / 2.4) - 0.055)
    return np.round(value * 255, 2).astype(np.float32)


@lru_cache(maxsize=2)
def session(seed: int, index: int) -> Session:
    """Set up the car of an index: always the same for the same two numbers."""
    car = build_car(Draw(seed, index, 1))
    draw = Draw(seed, index, 2)
    camera = draw_camera(draw)
    stage = Stage(draw, camera)
    light = Light(draw, stage.floor, stage.wall)
    skew = draw.about(0.0, 0.07)
    place = (draw.about(0.0, 0.16), draw.about(0.0, 0.12), round(1 - skew * skew / 2, 6), round(skew - skew**3 / 6, 6))
    exposure = draw.about(1.0, 0.16)
    warm, green = draw.about(0.0, 0.05), draw.about(0.0, 0.015)
    return Session(
        car=car, camera=camera, stage=stage, light=light,
        shadow=footprint(car.body, draw.between(0.25, 0.7), draw.between(0.25, 0.9)),
        place=place, tone=_tones(draw.between(0.88, 1.12), draw.between(0.7, 0.85)),
        gain=(exposure * np.array([1 + warm, 1 + green, 1 - warm])).astype(np.float32),
        grain=draw.between(0.6, 2.2), vignette=draw.between(0.0, 0.35), mirror=draw.between(0.02, 0.20),
    )  # fmt: skip


@lru_cache(maxsize=2)
def _room(seed: int, index: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The empty room of a session, seen once for its 16 photos."""
    return session(seed, index).stage.see(width, height)


def render(
    car_index: int, view: int, size: tuple[int, int] = (480, 320), seed: int = 0, antialias: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Take one photo, before JPEG.

    Args:
        car_index: which car, from 0.  view: 1 … 16.  size: (width, height) in pixels.
        seed: of the whole set.  antialias: samples a pixel in either direction.

    Returns: (H, W, 3) uint8 photo; (H, W) bool mask, True where at least half of a pixel's samples are car.
    """
    now = session(seed, car_index)
    width, height = size
    room, floor = _room(seed, car_index, width, height)
    turn = _turn(now, view)
    scene = _Scene(now, turn, width * antialias, height * antialias)
    background = _ground(now, room, floor, turn, width, height)
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


def _turn(now: Session, view: int) -> tuple[float, float]:
    """Cosine and sine of the car's heading in a view."""
    c, s = COSINES[view - 1], SINES[view - 1]
    _, _, skew_c, skew_s = now.place
    return float(c * skew_c - s * skew_s), float(s * skew_c + c * skew_s)


def _offset(now: Session, turn: tuple[float, float]) -> tuple[float, float]:
    """Where the car's middle stands on the studio's floor."""
    x, y, _, _ = now.place
    return turn[0] * x - turn[1] * y, turn[1] * x + turn[0] * y


def _stand(now: Session, mesh: Mesh, turn: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals of a mesh in studio coordinates."""
    c, s = turn
    x0, y0 = _offset(now, turn)

    def turned(v: np.ndarray) -> np.ndarray:
        return np.stack([v[:, 0] * c - v[:, 1] * s, v[:, 0] * s + v[:, 1] * c, v[:, 2]], -1)

    return turned(mesh.points) + np.array([x0, y0, 0.0]), turned(mesh.normals)


class _Scene:
    """A car in one view, rasterised and shaded on a grid of samples."""

    def __init__(self, now: Session, turn: tuple[float, float], width: int, height: int):
        self.now, self.turn, self.width, self.height = now, turn, width, height

    def _see(self, mesh: Mesh, flip: bool = False) -> tuple[np.ndarray, ...]:
        """Samples that a mesh covers.

        Returns: place (N,) flat sample numbers, normal (3, N), label (N,), direction to the eye (3, N), height (N,).
        """
        points, normals = _stand(self.now, mesh, self.turn)
        faces = mesh.faces
        if flip:  # mirrored in the floor
            points, normals, faces = points * [1, 1, -1], normals * [1, 1, -1], faces[:, ::-1]
        camera = self.now.camera
        corners, near = camera.project(points, self.width, self.height)
        hit = cover(corners, near, faces, self.width, self.height).ravel()
        place = np.flatnonzero(hit >= 0)
        return (place, *self._look(mesh, hit[place], place, corners, near, faces, normals))

    def _look(self, mesh, hit, place, corners, near, faces, normals) -> tuple[np.ndarray, ...]:
        share = weights(hit, place, corners, faces, self.width)
        three = faces[hit].T

        def blend(values: np.ndarray) -> np.ndarray:
            return values[three[0]] * share[0] + values[three[1]] * share[1] + values[three[2]] * share[2]

        normal = np.stack([blend(np.ascontiguousarray(normals[:, k], np.float32)) for k in range(3)])
        length = np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2])
        normal = normal / np.maximum(length, np.float32(1e-6))
        u, v = (blend(np.ascontiguousarray(mesh.uv[:, k], np.float32)) for k in range(2))
        start, wide, tall = self.now.car.sheets[mesh.sheet[hit]].T
        column = np.minimum((u * wide).astype(np.int64), wide - 1)
        row = np.minimum((v * tall).astype(np.int64), tall - 1)
        label = self.now.car.labels[start + np.maximum(row, 0) * wide + np.maximum(column, 0)]
        depth = np.float32(1) / blend(near.astype(np.float32))
        camera = self.now.camera
        ray = camera.rays(place % self.width + 0.5, place // self.width + 0.5, self.width, self.height)
        ray = np.ascontiguousarray(ray.T, np.float32)
        z = np.float32(camera.height) + ray[2] * depth
        eye = -ray / np.sqrt(ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2])
        return normal, label, eye, z

    def _surface(self, normal, label, eye, z) -> tuple[np.ndarray, np.ndarray]:
        """Light from surfaces (N, 3), and how much of it is mirrored (N,)."""
        paints, light = self.now.car.paints, self.now.light
        facing = normal[0] * eye[0] + normal[1] * eye[1] + normal[2] * eye[2]
        facing = np.clip(facing, np.float32(0.02), np.float32(1))
        ray = 2 * facing * normal - eye
        albedo, metal = paints.albedo[label], paints.metal[label]
        # near the floor less light arrives, least on what faces down
        low = np.clip(z * np.float32(1.1), 0, 1)
        open_ = 1 - (np.float32(0.5) - np.float32(0.5) * normal[2]) * (1 - low) * np.float32(0.85)
        received = light.find(normal, DIFFUSE) * open_[:, None]
        out = albedo * received
        satin = light.find(ray, 2)
        out += metal * (satin * np.float32(0.6) + received * np.float32(0.4)) * open_[:, None]
        graze = 1 - facing
        square = graze * graze
        shine = paints.mirror[label]
        shine = shine + (np.minimum(1.0 - shine, shine * 9)) * square * square * graze
        # a mirrored ray that goes down meets the car's own shadow, the nearer the darker
        reach = np.maximum(z, 0) / np.maximum(-ray[2], np.float32(0.02))
        own = np.where(ray[2] < 0, np.float32(0.15) + np.float32(0.85) * reach / (reach + np.float32(0.5)), np.float32(1))
        mirrored = light.find(ray, paints.dull[label].astype(np.int32))
        out += mirrored * (shine * own)[:, None]
        return out, shine

    def shade(self, background: np.ndarray, antialias: int) -> tuple[np.ndarray, np.ndarray]:
        """Light of the car's samples (N, 3), and their flat numbers (N,)."""
        place, normal, label, eye, z = self._see(self.now.car.outer)
        out, shine = self._surface(normal, label, eye, z)
        glass = np.flatnonzero((label == Label.GLASS) | (label == Label.TINTED))
        if len(glass):
            out[glass] += self._behind(place[glass], label[glass], background, antialias)
        return np.minimum(out, np.float32(1.6)), place

    def _behind(self, place: np.ndarray, label: np.ndarray, background: np.ndarray, antialias: int) -> np.ndarray:
        """Light that comes through the glass at some samples."""
        row, column = place // self.width // antialias, place % self.width // antialias
        seen = background[row, column]
        inner_place, normal, inner_label, eye, z = self._see(self.now.car.within)
        # only what lies behind the glass
        at = np.full(self.width * self.height, -1, np.int32)
        at[inner_place] = np.arange(len(inner_place), dtype=np.int32)
        which = at[place]
        some = np.flatnonzero(which >= 0)
        which = which[some]
        far = inner_label[which]
        pane = (far == Label.GLASS) | (far == Label.TINTED)
        dim = np.float32(0.55)
        walls = np.isin(far, [Label.PAINT, Label.BLACK, Label.TRIM, Label.CHROME, Label.CLOTH, Label.GAP])
        far = np.where(walls, Label.LINING, far).astype(np.uint8)
        out, _ = self._surface(normal[:, which], far, eye[:, which], z[which] + np.float32(1))
        through = np.where(far == Label.TINTED, np.float32(0.16), np.float32(0.78))[:, None]
        out = np.where(pane[:, None], seen[some] * through, out * dim)
        seen = seen.copy()
        seen[some] = out
        clear = np.where(label == Label.TINTED, np.float32(0.14), np.float32(0.74))
        return seen * clear[:, None] * np.array([0.97, 1.0, 0.985], np.float32)


def _ground(now: Session, room, floor, turn, width: int, height: int) -> np.ndarray:
    """The room with the turntable turned, the car's shadow and its faint image in the floor: (H, W, 3)."""
    c, s = turn
    x0, y0 = _offset(now, turn)
    x, y = floor[..., 0], floor[..., 1]
    here = np.flatnonzero(((np.abs(x) < 6) & (np.abs(y) < 6)).ravel())
    x, y = x.ravel()[here], y.ravel()[here]
    factor = now.stage.turned(np.stack([x, y], -1), c, s, width)
    dx, dy = x - np.float32(x0), y - np.float32(y0)
    along, out = dx * np.float32(c) + dy * np.float32(s), dy * np.float32(c) - dx * np.float32(s)
    factor = factor * shaded(now.shadow, along, out)
    flat = room.reshape(-1, 3).copy()
    flat[here] *= factor[:, None]
    return _mirrored(now, turn, flat.reshape(height, width, 3), floor, width, height)


def _mirrored(now: Session, turn, light: np.ndarray, floor, width: int, height: int) -> np.ndarray:
    """Blend the car's image into the floor: rendered upside down at half the size, blurred."""
    wide, tall = (width + 1) // 2, (height + 1) // 2
    scene = _Scene(now, turn, wide, tall)
    place, normal, label, eye, z = scene._see(now.car.outer, flip=True)
    if len(place) == 0:
        return light
    shade, _ = scene._surface(normal, label, eye, np.abs(z))
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
