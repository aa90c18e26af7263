"""Which values of a mask are car, where the brighter of two is not the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from carvana_lessons.utils.errors import ArgumentError

Color = tuple[int, int, int]
COLOR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
LARGEST = 65535
HOW = "write values, 1 or 1,3, or colours, '#ff0000' for red"


@dataclass(frozen=True)
class MaskRule:
    """How a mask's pixels become car or no car; without a rule the brighter of two values is car.

    Attributes:
        car: exactly these values (grey, or places in a palette) and colours (RGB) are car; None where none are named.
        soft: soft edges are cut at one half.

    Lesson:
        01.
    """

    car: tuple[int | Color, ...] | None = None
    soft: bool = False


def mask_rule(car: int | str | Iterable[int | str | Color] | None = None, soft: bool = False) -> MaskRule | None:
    """The rule that somebody asks for.

    Args:
        car: the values and colours that are car: 1, "1,3", (1, 3), "#ff0000", [(255, 0, 0)].
        soft: cut soft edges at one half.

    Returns:
        the rule; None where nothing is asked for.

    Raises:
        ArgumentError: for what is neither a value nor a colour, and for values together with soft edges.

    Lesson:
        01.
    """
    if car is None:
        return MaskRule(soft=True) if soft else None
    if soft:
        raise ArgumentError("A mask is cut at one half, or certain values of it are car: take one of the two.")
    if isinstance(car, str):
        car = re.split(r"[,\s]+", car.strip(", "))
    given = list(car) if isinstance(car, Iterable) else [car]
    values = {_value(one) for one in given}
    if not values:
        raise ArgumentError(f"No value of the masks is named that is car; {HOW}.")
    return MaskRule(tuple(sorted(values, key=lambda value: (isinstance(value, tuple), value))))


def _value(one: object) -> int | Color:
    """A value or a colour, as somebody wrote it."""
    if isinstance(one, str) and COLOR.fullmatch(one):
        return int(one[1:3], 16), int(one[3:5], 16), int(one[5:], 16)
    if isinstance(one, tuple | list) and len(one) == 3 and all(_is_count(part, 255) for part in one):
        return int(one[0]), int(one[1]), int(one[2])
    if _is_count(one, LARGEST):
        return int(one)
    raise ArgumentError(f"{one!r} is no value of a mask; {HOW}.")


def _is_count(one: object, most: int) -> bool:
    text = str(one)
    return not isinstance(one, bool) and text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= most
