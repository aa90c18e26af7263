"""Where the car goes: smaller or larger, elsewhere, mirrored, turned, now and then partly out of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import soften


@dataclass(frozen=True)
class Frame:
    """The rectangle around a car, in pixels.

    Attributes:
        top: first row.
        left: first column.
        bottom: the row after the last.
        right: the column after the last.
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column of its middle."""
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2


def frame(mask: Tensor) -> Frame | None:
    """The rectangle around a car.

    Args:
        mask: (1, h, w).

    Returns:
        the rectangle, or None where there is no car.
    """
    rows, columns = mask[0].amax(1).nonzero()[:, 0].tolist(), mask[0].amax(0).nonzero()[:, 0].tolist()
    return Frame(rows[0], columns[0], rows[-1] + 1, columns[-1] + 1) if rows else None


@dataclass(frozen=True)
class Placement:
    """How a car moves: about its middle it is scaled, mirrored and turned, then its middle is put elsewhere.

    Attributes:
        start: row and column of its middle in the photo, in pixels.
        end: row and column of its middle in the new picture.
        scale: of its height and of its width; a negative width mirrors it.
        degrees: it is turned, clockwise as seen.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    scale: tuple[float, float]
    degrees: float = 0.0

    def back(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Where a point of the new picture comes from.

        Returns:
            two rows (a, b, c): a · row + b · column + c is the row, and then the column, in the photo; pixels, of which
            the first reaches from 0 to 1.
        """
        c, s = cos(radians(self.degrees)), sin(radians(self.degrees))
        high, wide = self.scale
        matrix = ((c / high, -s / high), (s / wide, c / wide))
        return tuple(
            (a, b, begin - a * self.end[0] - b * self.end[1]) for (a, b), begin in zip(matrix, self.start, strict=True)
        )


def choose_placement(draws: Draws, car: Frame, ground: float | None) -> Placement:
    """Choose where a car stands.

    A quarter stay where they are, but for a mirroring. Of the others most are about as large as before, some small,
    some too large for the picture; they stand on the ground where there is one.

    Args:
        draws: of the picture.
        car: where it is now.
        ground: where the ground begins, in heights of the picture; None where there is none.

    Returns:
        the placement.
    """
    mirrored = -1.0 if draws.chance(0.5) else 1.0
    height, width = car.bottom - car.top, car.right - car.left
    if draws.chance(0.25):
        row, at = car.middle
        return Placement(car.middle, (row, at if mirrored > 0 else draws.width - at), (1.0, mirrored))
    kind = draws.uniform()
    share = draws.uniform(0.45, 1.0) if kind < 0.7 else draws.uniform(0.2, 0.45) if kind < 0.85 else draws.scale(1, 1.6)
    wide = share * draws.width / width
    high = min(wide * draws.scale(0.8, 1.25), 1.3 * draws.height / height)
    tall, broad = height * high, width * wide
    room = draws.width - broad
    column = draws.width / 2 + draws.uniform(-0.5, 0.5) * abs(room)
    if draws.chance(0.2):  # partly out of the picture
        column += draws.uniform(-0.35, 0.35) * broad
    lowest = draws.height * (0.5 if ground is None else max(0.5, ground + 0.06))
    foot = draws.uniform(min(max(lowest, 0.9 * tall), 0.98 * draws.height), 1.03 * draws.height)
    degrees = draws.uniform(-20, 20) if draws.chance(0.1) else draws.uniform(-4, 4)
    return Placement(car.middle, (foot - tall / 2, column), (high, wide * mirrored), degrees)


def move(photo: Tensor, mask: Tensor, placement: Placement) -> tuple[Tensor, Tensor]:
    """A photo and its mask, placed.

    Args:
        photo: (3, h, w) float, interpolated bilinearly, continued beyond its edges.
        mask: (1, h, w) float in {0, 1}, interpolated to the nearest pixel; beyond its edges there is no car.
        placement: where to.

    Returns:
        both, same shapes.
    """
    height, width = photo.shape[-2:]
    smallest = min(abs(part) for part in placement.scale)
    if smallest < 0.7:  # else every second pixel would be left out
        photo = soften(photo, 0.85 / smallest)
    rows = torch.arange(height, device=photo.device, dtype=torch.float32)[:, None] + 0.5
    columns = torch.arange(width, device=photo.device, dtype=torch.float32)[None] + 0.5
    (a, b, c), (d, e, f) = placement.back()
    down, across = rows * a + (columns * b + c), rows * d + (columns * e + f)
    where = torch.stack([across * (2 / width) - 1, down * (2 / height) - 1], dim=-1)[None]
    moved = grid_sample(photo[None], where, mode="bilinear", padding_mode="border", align_corners=False)[0]
    return moved, grid_sample(mask[None], where, mode="nearest", padding_mode="zeros", align_corners=False)[0]
