"""Colours as they occur: of stone, plants, sky, car paint; and pictures coloured with them."""

import colorsys

import torch
from torch import Tensor

from carvana_lessons.data.backgrounds.draws import Draws

Color = tuple[float, float, float]

#: Ranges of hue, saturation and value by what has such colours.
PALETTES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "any": ((0, 1), (0, 1), (0.05, 1)),
    "grey": ((0, 1), (0, 0.08), (0.1, 0.95)),
    "pale": ((0, 1), (0.02, 0.3), (0.55, 1)),
    "dark": ((0, 1), (0, 0.5), (0.01, 0.25)),
    "stone": ((0.05, 0.14), (0.02, 0.3), (0.25, 0.9)),
    "brick": ((-0.02, 0.07), (0.25, 0.7), (0.25, 0.7)),
    "wood": ((0.04, 0.12), (0.2, 0.7), (0.15, 0.7)),
    "earth": ((0.06, 0.13), (0.15, 0.55), (0.2, 0.65)),
    "leaf": ((0.17, 0.42), (0.2, 0.75), (0.1, 0.65)),
    "sky": ((0.52, 0.66), (0.05, 0.65), (0.5, 1)),
    "dusk": ((0.9, 1.15), (0.15, 0.8), (0.35, 1)),
    "lamp": ((-0.02, 0.18), (0.05, 0.8), (0.7, 1)),
}
PAINTS = ("grey", "grey", "dark", "any")  # most cars are white, silver, grey or black


def color(draws: Draws, *palettes: str) -> Color:
    """A colour of one of these palettes.

    Args:
        draws: of the picture.
        palettes: names of `PALETTES`.

    Returns:
        red, green and blue from 0 to 1.
    """
    hue, saturation, value = (draws.uniform(*limits) for limits in PALETTES[draws.pick(palettes)])
    return colorsys.hsv_to_rgb(hue % 1, saturation, value)


def shade(given: Color, factor: float) -> Color:
    """A colour in more light, or less.

    Args:
        given: red, green and blue.
        factor: 1 changes nothing.

    Returns:
        each from 0 to 1.
    """
    return tuple(min(1.0, max(0.0, part * factor)) for part in given)


def column(given: Color, device: torch.device) -> Tensor:
    """A colour to compute with.

    Args:
        given: red, green and blue.
        device: where the picture is.

    Returns:
        (3, 1, 1) float32.
    """
    return torch.tensor(given, device=device).view(3, 1, 1)


def ramp(values: Tensor, low: Color, high: Color) -> Tensor:
    """Colours for numbers.

    Args:
        values: (1, h, w) from 0 to 1, or a shape that broadcasts to it.
        low: the colour of 0.
        high: the colour of 1.

    Returns:
        (3, h, w), or (3, …) of the shape of the values.
    """
    start = column(low, values.device)
    return (values * (column(high, values.device) - start)).add_(start)
