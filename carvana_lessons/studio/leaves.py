"""Leaves on a desk: photos and masks of something that is no car, for a reader without a folder of their own.

Each plant has leaves of one kind, and they are photographed on one desk: so photos of one plant belong together. Beside
some leaves lies a coin, which is not leaf, and some leaves are eaten, so that their masks have holes.

Lesson:
    11.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.view import QUALITY
from carvana_lessons.studio.write import fix_times, kept
from carvana_lessons.utils.paths import cache_folder
from carvana_lessons.utils.progress import bar

#: The ``group`` that `carvana_lessons.data.open_folder` takes, so that the photos of one plant stay together.
PLANT = r"(plant\d+)"
VERSION = 1  # of the pixels: counts up whenever the same numbers would give other photos
PLANTS, PHOTOS = 20, 4  # of each plant so many photos
SIZE = (480, 360)  # width and height in pixels; every other photo stands upright
FINE = 2  # samples per pixel and axis
COLOURS = ((58, 110, 38), (104, 140, 48), (160, 158, 52), (196, 140, 40), (158, 66, 36), (92, 56, 36))
COIN = (150, 140, 112)
DESKS = {
    "paper": ((233, 227, 214), (214, 222, 230)),
    "wood": ((168, 120, 78), (112, 76, 52), (206, 172, 128)),
    "cloth": ((70, 92, 140), (150, 60, 70), (196, 190, 170), (60, 92, 74)),
    "stone": ((140, 138, 132), (108, 104, 108), (180, 168, 150)),
}


@dataclass(frozen=True)
class Plant:
    """What the leaves of one plant share; lengths in lengths of the leaf.

    Attributes:
        width: half of it, where the leaf is widest.
        belly: below 1 it is widest near the stem, above 1 near the tip.
        blunt: below 1 a round end, above 1 a pointed one.
        notches: along one side.
        depth: of a notch, as a share of the width there.
        teeth: whether the notches are teeth, not lobes.
        colours: two, (r, g, b), between which the leaf changes.
        veins: on each side.
    """

    width: float
    belly: float
    blunt: float
    notches: int
    depth: float
    teeth: bool
    colours: tuple[tuple[int, int, int], tuple[int, int, int]]
    veins: int

    @classmethod
    def drawn(cls, seed: int, number: int) -> "Plant":
        """The plant of a number, one of three kinds in turn: plain, lobed, toothed.

        Args:
            seed: of the set.
            number: of the plant, from 0.

        Returns:
            the plant.
        """
        draw, kind = Draw(seed, 7, number), number % 3
        first = int(draw.between(0, len(COLOURS)))
        second = min(max(first + (1 if draw.unit() < 0.7 else -1), 0), len(COLOURS) - 1)
        return cls(
            width=draw.between(0.13, 0.24) + (0.08 if kind == 1 else 0.0),
            belly=draw.between(0.75, 1.2),
            blunt=draw.between(0.7, 1.1),
            notches=(0, int(draw.between(3, 6)), int(draw.between(14, 24)))[kind],
            depth=(0.0, draw.between(0.35, 0.6), draw.between(0.08, 0.16))[kind],
            teeth=kind == 2,
            colours=(COLOURS[first], COLOURS[second]),
            veins=int(draw.between(6, 11)),
        )

    def half_width(self, along: np.ndarray) -> np.ndarray:
        """From the midrib to the margin.

        Args:
            along: places on the midrib, of any shape, from the base (0) to the tip (1).

        Returns:
            the same shape, in lengths of the leaf; 0 outside.
        """
        inside = np.clip(along, 0, 1)
        half = self.width * np.sin(np.pi * inside**self.belly) ** self.blunt
        place = self.notches * inside
        notch = place % 1 if self.teeth else 0.5 - 0.5 * np.cos(2 * np.pi * place)
        return np.where((along > 0) & (along < 1), half * (1 - self.depth * notch), 0)


def draw_leaf(plant: int, photo: int, size: tuple[int, int] = SIZE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw one photo of one plant's leaf on a desk.

    Args:
        plant: its number, from 0.
        photo: the number of the photo, from 0; odd ones stand upright.
        size: (width, height) in pixels, of those that do not.
        seed: of the set.

    Returns:
        photo (H, W, 3) uint8 and mask (H, W) uint8 of 0 and 1.

    Lesson:
        11.
    """
    kind, draw = Plant.drawn(seed, plant), Draw(seed, 11, plant, photo)
    width, height = size[::-1] if photo % 2 else size
    rows, columns = (np.mgrid[: height * FINE, : width * FINE] + 0.5) / FINE
    along, across, length = _frame(draw, rows, columns, (height, width))
    half = kind.half_width(along)
    blade = np.abs(across) < half
    for _ in range(int(draw.between(1, 4)) if draw.unit() < 0.35 else 0):  # something ate of it
        u, v, r = draw.between(0.2, 0.8), draw.between(-0.7, 0.7) * kind.width, draw.between(0.015, 0.045)
        blade &= (along - u) ** 2 + (across - v) ** 2 > r**2
    stem = (along > -0.2) & (along <= 0.05) & (np.abs(across) < 0.009)
    coin = _coin(draw, rows, columns, (height, width)) if draw.unit() < 0.6 else np.zeros_like(blade)
    leaf = blade | stem
    picture = _desk(draw, Draw(seed, 13, plant), rows, columns, (height, width))
    picture *= 1 - 0.4 * _shadow(leaf | coin, 0.012 * length)[..., None]
    grain = 0.75 + 0.5 * _cloudy(draw, coin.shape, (3, 3))[..., None]
    picture = np.where(coin[..., None], np.array(COIN) * grain, picture)
    picture = np.where(leaf[..., None], _blade(draw, kind, along, across, half), picture)
    return _as_taken(draw, picture), (_shrink(leaf.astype(float)) >= 0.5).astype(np.uint8)


def ensure_leaves(plants: int = PLANTS, photos: int = PHOTOS, seed: int = 0, progress: bool = True) -> Path:
    """Return a folder of photos of leaves from the cache folder; draw them first if they are missing.

    Args:
        plants: how many.
        photos: of each plant.
        seed: of the set.
        progress: show a progress bar.

    Returns:
        the folder: ``photos/plant03_1.jpg`` with ``masks/plant03_1.png`` (0 and 255).

    Lesson:
        11.
    """

    def draw(folder: Path) -> None:
        for part in ("photos", "masks"):
            (folder / part).mkdir()
        every = list(product(range(plants), range(photos)))
        for plant, photo in bar(every, desc="drawing leaves", unit="photo", disable=not progress):
            picture, mask = draw_leaf(plant, photo, seed=seed)
            name = f"plant{plant + 1:02}_{photo + 1}"
            Image.fromarray(picture).save(folder / "photos" / f"{name}.jpg", quality=QUALITY)
            Image.fromarray(mask * 255).save(folder / "masks" / f"{name}.png")
        fix_times(folder)

    return kept(cache_folder() / "studio" / f"leaves-v{VERSION}-{plants}x{photos}-seed{seed}", draw, progress)


def _frame(
    draw: Draw, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Every place in lengths of the leaf, along its midrib from the base and across; and that length in pixels."""
    height, width = shape
    length, turn = draw.between(0.6, 0.85) * min(shape), draw.between(-np.pi, np.pi)
    down = rows - height * (0.5 + draw.between(-0.1, 0.1))
    right = columns - width * (0.5 + draw.between(-0.1, 0.1))
    along = (right * np.cos(turn) + down * np.sin(turn)) / length + 0.5
    across = (down * np.cos(turn) - right * np.sin(turn)) / length
    return along, across - draw.between(-0.3, 0.3) * (along - 0.5) ** 2, length


def _blade(draw: Draw, kind: Plant, along: np.ndarray, across: np.ndarray, half: np.ndarray) -> np.ndarray:
    """The colours of a leaf: its two, mixed in patches and along it, with veins, darker towards its margin."""
    share = np.clip(
        0.5 + 1.2 * (_cloudy(draw, along.shape, (6, 6)) - 0.5) + draw.between(-0.6, 0.6) * (along - 0.5), 0, 1
    )
    colour = (1 - share[..., None]) * np.array(kind.colours[0]) + share[..., None] * np.array(kind.colours[1])
    place = np.abs(across) / np.maximum(half, 1e-3)
    phase = (kind.veins * (along - 0.5 * np.abs(across))) % 1 - 0.5
    vein = 0.6 * np.exp(-((phase / 0.07) ** 2)) + np.exp(-((across / 0.007) ** 2))
    light = 1 + draw.between(-0.15, 0.15) * np.sign(across) * np.clip(place, 0, 1) - 0.2 * np.clip(place, 0, 1) ** 4
    return colour * light[..., None] + np.clip(vein, 0, 1)[..., None] * 34


def _desk(draw: Draw, table: Draw, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """What the leaves of one plant lie on, in the light of a window: paper, wood, cloth or stone."""
    kind, place = table.pick(("paper", "wood", "cloth", "stone")), (rows.shape[0], rows.shape[1])
    colour = np.array(table.pick(DESKS[kind])) + np.array([table.between(-14, 14) for _ in range(3)])
    if kind == "wood":  # boards with a grain that runs across
        grain = (
            _cloudy(draw, place, (60, 2)) + 0.7 * _cloudy(draw, place, (160, 3)) + 0.4 * _cloudy(draw, place, (8, 3))
        )
        pattern = 0.34 * (grain / 2.1 - 0.5) - 0.2 * (rows % (0.31 * shape[0]) < 1.5)
    elif kind == "cloth":
        pattern = 0.1 * (np.sin(rows * 1.7) * np.sin(columns * 1.7)) + 0.16 * (_cloudy(draw, place, (5, 5)) - 0.5)
    elif kind == "stone":
        pattern = 0.5 * (_cloudy(draw, place, (90, 120)) - 0.5) + 0.3 * (_cloudy(draw, place, (14, 18)) - 0.5)
    else:
        pattern = np.zeros(place)
    slope = draw.between(-0.1, 0.1) * (rows / shape[0] - 0.5) + draw.between(-0.1, 0.1) * (columns / shape[1] - 0.5)
    return colour * (draw.between(0.92, 1.02) + slope + pattern)[..., None]


def _coin(draw: Draw, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A coin in one of the corners, which shows how large the leaf is."""
    corner = int(draw.between(0, 4))
    row, column = (0.12 + 0.76 * (corner // 2)) * shape[0], (0.12 + 0.76 * (corner % 2)) * shape[1]
    return (rows - row) ** 2 + (columns - column) ** 2 < (0.055 * min(shape)) ** 2


def _as_taken(draw: Draw, picture: np.ndarray) -> np.ndarray:
    """What a camera makes of light: at one sample a pixel, with noise."""
    taken = _shrink(picture)
    return np.clip(taken + 9 * (_units(draw, taken.shape) - 0.5) + 0.5, 0, 255).astype(np.uint8)


def _units(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1) of any shape."""
    return (draw.bits.random_raw(int(np.prod(shape))) >> 11).reshape(shape) * 2.0**-53


def _cloudy(draw: Draw, shape: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """A smooth field in [0, 1] from so many random values down and across."""
    small = Image.fromarray((255 * _units(draw, cells)).astype(np.uint8))
    return np.asarray(small.resize(shape[::-1], Image.Resampling.BICUBIC)) / 255


def _shadow(mask: np.ndarray, pixels: float) -> np.ndarray:
    """Of things that lie on the desk, by as much to the right and down as it is soft; 1 where it is darkest."""
    apart = round(pixels * FINE)
    moved = np.pad(mask, ((apart, 0), (apart, 0)))[: len(mask), : mask.shape[1]]
    picture = Image.fromarray((255 * moved).astype(np.uint8)).filter(ImageFilter.GaussianBlur(apart))
    return np.asarray(picture) / 255


def _shrink(fine: np.ndarray) -> np.ndarray:
    """The mean of the samples of every pixel."""
    height, width = fine.shape[0] // FINE, fine.shape[1] // FINE
    return fine.reshape(height, FINE, width, FINE, *fine.shape[2:]).mean(axis=(1, 3))
