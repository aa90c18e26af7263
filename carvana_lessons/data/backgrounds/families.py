"""Families of backgrounds by name: those for training, and those that are kept for the test."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import soften
from carvana_lessons.data.backgrounds.places import PLACES, Place
from carvana_lessons.data.backgrounds.unseen import UNSEEN
from carvana_lessons.utils.errors import ArgumentError

_ALL = PLACES | UNSEEN
#: Families to train with.
FAMILIES = tuple(PLACES)
#: Families that no training uses.
HELD_OUT = tuple(UNSEEN)
BLURRED = 0.35  # share of the pictures that are out of focus


def check_families(names: Sequence[str]) -> tuple[str, ...]:
    """The same names, if they are families.

    Args:
        names: of `FAMILIES` and `HELD_OUT`.

    Returns:
        ``names``.

    Raises:
        ValueError: for none, and for a name that is none of a family.

    Lesson:
        11.
    """
    unknown = [name for name in names if name not in _ALL]
    if unknown or not names:
        what = f"no family of backgrounds called {unknown[0]!r}" if unknown else "no background without a family"
        raise ArgumentError(f"There is {what}; there are {', '.join(_ALL)}.")
    return tuple(names)


@torch.no_grad()
def make_background(
    name: str, height: int, width: int, seed: int = 0, device: torch.device | str = "cpu", blur: float = BLURRED
) -> Place:
    """Make a picture of a family: the same one for the same seed and size, whatever else is made.

    On one device the same seed gives the same picture bit by bit; on another one, the same but for rounding.

    Args:
        name: of `FAMILIES` or `HELD_OUT`.
        height: in pixels, at least 8.
        width: in pixels, at least 8.
        seed: from 0 to 2⁶³ − 1.
        device: where it is made.
        blur: probability that it is out of focus, more or less.

    Returns:
        the picture, (3, height, width) float32 in [0, 1], and where its ground begins.

    Raises:
        ValueError: for an unknown family, and for a picture of less than 8 pixels in height or width.

    Source:
        Tobin et al. 2017, "Domain randomization"; Dwibedi et al. 2017, "Cut, paste and learn".

    Lesson:
        11.
    """
    check_families([name])
    if min(height, width) < 8:
        raise ArgumentError(f"A background of {height}×{width} pixels shows nothing; take 8 or more for both.")
    draws = Draws(seed, height, width, device)
    place = _ALL[name](draws)
    picture = place.picture.clamp(0, 1)
    if draws.chance(blur):
        picture = soften(picture, draws.scale(1.3, 8) * max(height, 64) / 256).clamp_(0, 1)
    return Place(picture.contiguous(), place.ground)
