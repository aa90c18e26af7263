"""Noise in octaves: random fields, coarse and fine ones added up, as clouds, stains and foliage look."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from carvana_lessons.data.backgrounds.draws import Draws


def octaves(
    draws: Draws, cells: float = 4, count: int = 5, persistence: float = 0.5, channels: int = 1, stretch: float = 1.0
) -> Tensor:
    """Fields of random numbers, each twice as fine as the one before and weaker, added up.

    Every field is doubled in size until the next one is added: twice as many pixels from quarters and three quarters
    of their neighbours again and again makes a smooth surface (Chaikin's subdivision), at a third of the work on top.

    Args:
        draws: of the picture.
        cells: numbers from top to bottom in the coarsest field, at least 1.
        count: fields.
        persistence: how strong a field is in shares of the one before it.
        channels: fields that are independent of each other.
        stretch: numbers from left to right, in those of a field whose cells are square; 0.1 for horizontal streaks.

    Returns:
        (channels, h, w) from 0 to 1.

    Source:
        Perlin 1985, "An image synthesizer" (turbulence).

    Lesson:
        11.
    """
    height, width = draws.height, draws.width
    rows, columns = max(2, round(cells)), max(2, round(cells * stretch * width / height))
    total, strength, k = draws.field(channels, 1, min(rows, height), min(columns, width)), 1.0, 1
    # As many pictures of one channel, not as channels of one: torch's CPU code is three times as fast.
    while total.shape[-2] < height or total.shape[-1] < width:
        size = min(2 * total.shape[-2], height), min(2 * total.shape[-1], width)
        total = interpolate(total, size, mode="bilinear", align_corners=False)
        if k < count:
            strength *= persistence
            total.add_(draws.field(channels, 1, *size), alpha=strength)
        k += 1
    low, high = torch.aminmax(total)
    return total[:, 0].sub_(low).div_((high - low).clamp(min=1e-6))


def grain(draws: Draws) -> Tensor:
    """White noise: every pixel for itself.

    Args:
        draws: of the picture.

    Returns:
        (1, h, w) from 0 to 1.
    """
    return draws.field(1, draws.height, draws.width)


def soften(picture: Tensor, factor: float) -> Tensor:
    """A picture out of focus: made smaller by a factor and enlarged again.

    Args:
        picture: (C, h, w).
        factor: at least 1, where nothing is done.

    Returns:
        (C, h, w), a new tensor where something was done.
    """
    height, width = picture.shape[-2:]
    small = max(2, round(height / factor)), max(2, round(width / factor))
    if small[0] >= height:
        return picture
    blurred = interpolate(picture[:, None], small, mode="bilinear", antialias=True)
    while blurred.shape[-2] * 2 < height:  # step by step: smooth, see `octaves`
        blurred = interpolate(blurred, (2 * blurred.shape[-2], 2 * blurred.shape[-1]), mode="bilinear")
    return interpolate(blurred, (height, width), mode="bilinear")[:, 0]
