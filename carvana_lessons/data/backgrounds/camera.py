"""What a camera and a file make of a picture: exposure, colour balance, blur, noise, artefacts of JPEG."""

import functools
import math

import torch
from torch import Tensor

from carvana_lessons.data.augment import GREY
from carvana_lessons.data.backgrounds.colors import column
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import soften

# Brightness and two differences of colour, as JPEG has them (ITU-R BT.601).
_YCC = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344, -0.714), (1.0, 1.772, 0.0))


def photograph(draws: Draws, picture: Tensor) -> Tensor:
    """A picture as a camera would have it.

    Args:
        draws: of the picture.
        picture: (3, h, w) in [0, 1], changed in place.

    Returns:
        (3, h, w) in [0, 1].
    """
    if draws.chance(0.3):
        picture = soften(picture, draws.uniform(1.1, 2.2))
    gain, warmth = draws.scale(0.75, 1.3), draws.scale(0.88, 1.14)
    picture = picture.mul_(column((gain * warmth, gain, gain / warmth), picture.device))
    if draws.chance(0.3):  # washed out, or grey as an old photo
        grey = (picture * column(GREY, picture.device)).sum(0, keepdim=True)
        picture.lerp_(grey, draws.uniform(-0.3, 1.0))
    if draws.chance(0.3):
        picture.clamp_(min=0).pow_(draws.scale(0.75, 1.35))
    if draws.chance(0.2):  # darker towards the corners
        down, across = draws.grid()
        far = (across - 0.5 * draws.width / draws.height).square() + (down - 0.5).square()
        picture.mul_(1 - draws.uniform(0.2, 0.9) * far[None])
    if draws.chance(0.6):
        channels = draws.pick((1, 3))
        noise = draws.field(channels, *picture.shape[1:]).sub_(0.5)
        picture.add_(noise, alpha=draws.scale(0.01, 0.15))  # uniform; its standard deviation is 0.29 of that
    picture.clamp_(0, 1)
    if draws.chance(0.3):
        picture = compress(picture, draws.scale(0.02, 0.15)).clamp_(0, 1)
    return picture


def compress(picture: Tensor, step: float) -> Tensor:
    """A picture with the artefacts of JPEG: in blocks of 8×8 pixels the fine waves are rounded away.

    Args:
        picture: (3, h, w) in [0, 1]; what is left beyond whole blocks at the right and the bottom stays as it is.
        step: what the coarsest wave is rounded to a multiple of; finer ones and those of colour to up to 8 times that.

    Returns:
        (3, h, w), a new tensor.

    Source:
        ITU-T T.81 (JPEG), without its tables: the steps grow evenly with the frequency.
    """
    height, width = (8 * (n // 8) for n in picture.shape[-2:])
    if not (height and width):
        return picture.clone()
    waves, steps = _waves(picture.device)
    whole = picture[:, :height, :width]
    blocks = torch.tensordot(torch.tensor(_YCC, device=picture.device), whole, 1)
    blocks = blocks.reshape(3, height // 8, 8, width // 8, 8).transpose(2, 3)
    found = waves @ blocks @ waves.T
    grid = steps * step
    rounded = found.div_(grid).round_().mul_(grid)
    back = (waves.T @ rounded @ waves).transpose(2, 3).reshape(3, height, width)
    out = picture.clone()
    out[:, :height, :width] = torch.tensordot(torch.tensor(_RGB, device=picture.device), back, 1)
    return out


@functools.lru_cache(maxsize=8)
def _waves(device: torch.device) -> tuple[Tensor, Tensor]:
    """The cosine transform of 8 numbers, (8, 8), and how coarsely its waves are kept, (3, 1, 1, 8, 8)."""
    n = torch.arange(8, dtype=torch.float32)
    waves = torch.cos(math.pi / 8 * (n + 0.5) * n[:, None]) / 2
    waves[0] /= math.sqrt(2)
    steps = 1 + (n[:, None] + n) / 2
    return waves.to(device), (steps * torch.tensor([1.0, 2.0, 2.0]).view(3, 1, 1, 1, 1)).to(device)
