"""The light of the place falls on the car, and the car takes light away from the ground: colours matched, shadows."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from carvana_lessons.data.augment import GREY
from carvana_lessons.data.backgrounds.colors import color, column
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.noise import soften
from carvana_lessons.data.backgrounds.placing import Frame


def relight(draws: Draws, photo: Tensor, cover: Tensor, picture: Tensor) -> Tensor:
    """A car in the light of its background, more or less.

    Brightness and colour move towards those of the background by a random share; gamma and contrast are random; light
    comes from one side; now and then the car gets another paint, or its surroundings are mirrored in it.

    Args:
        draws: of the picture.
        photo: (3, h, w) in [0, 1], changed in place.
        cover: (1, h, w), how much of each pixel is car.
        picture: (3, h, w), the background.

    Returns:
        the photo, in [0, 1].
    """
    grey = column(GREY, photo.device)
    own = (photo * cover).sum((1, 2), keepdim=True) / cover.sum().clamp(min=1)
    theirs = picture.mean((1, 2), keepdim=True)
    dim, bright = (own * grey).sum(), (theirs * grey).sum()
    gain = ((bright + 0.1) / (dim + 0.1)).pow(draws.uniform(0, 0.6)).clamp(0.35, 1.7) * draws.scale(0.75, 1.3)
    tint = ((theirs + 0.1) / (bright + 0.1)).pow(draws.uniform(0, 0.5)) * gain
    down, across = draws.grid()
    side = 1 + draws.uniform(-0.3, 0.3) * (across - 0.5) + draws.uniform(-0.3, 0.3) * (down - 0.5)
    if draws.chance(0.6):
        photo = photo.clamp_(min=1e-4).pow_(draws.scale(0.7, 1.4))
    if draws.chance(0.25):  # most cars are white, grey or black: some get another paint
        tint = tint * (1 - draws.uniform(0.3, 1) * (1 - column(color(draws, "any"), photo.device)))
    contrast = draws.uniform(0.7, 1.25)
    photo = photo.sub_(own).mul_(contrast).add_(own).mul_(tint).mul_(side[None])
    if draws.chance(0.4):
        photo.lerp_(soften(picture.flip(draws.pick((1, 2))), draws.uniform(4, 20)), draws.uniform(0, 0.25))
    return photo.clamp_(0, 1)


def cast_shadow(draws: Draws, picture: Tensor, mask: Tensor, car: Frame) -> Tensor:
    """Shadows on the ground: dark where the tyres stand, softer around the car; under a sun, its outline on one side.

    Args:
        draws: of the picture.
        picture: (3, h, w), the background, changed in place.
        mask: (1, h, w) in {0, 1}, the car as it stands.
        car: the rectangle around it.

    Returns:
        the picture.
    """
    height = picture.shape[-2]
    down, across = draws.grid()
    high, wide = (car.bottom - car.top) / height, (car.right - car.left) / height
    foot, middle = car.bottom / height, (car.left + car.right) / 2 / height
    light = torch.ones_like(picture[:1])
    for tall, broad, most in ((draws.uniform(0.02, 0.08), 0.48, 0.95), (draws.uniform(0.08, 0.25), 0.6, 0.6)):
        at = foot - draws.uniform(0, 0.1) * high
        x = middle + draws.uniform(-0.08, 0.08) * wide
        rows = ((down - at) / (tall * high)).square_()
        columns = ((across - x) / (broad * wide)).square_().square_()
        light.mul_(1 - (torch.exp(-rows) * torch.exp(-columns)).mul_(draws.uniform(0.2, most))[None])
    if draws.chance(0.3):
        light.mul_(1 - _outline_on_ground(draws, mask, foot) * draws.uniform(0.2, 0.65))
    return picture.mul_(light)


def _outline_on_ground(draws: Draws, mask: Tensor, foot: float) -> Tensor:
    """The car's outline laid down before it, or behind it, and to one side: (1, h, w) from 0 to 1."""
    small = avg_pool2d(mask[None], 4, ceil_mode=True)
    height, width = small.shape[-2:]
    rows = (torch.arange(height, device=mask.device) + 0.5)[:, None] / height
    columns = (torch.arange(width, device=mask.device) + 0.5)[None] / width
    length, slope = draws.uniform(0.15, 0.6) * draws.pick((-1, 1)), draws.uniform(-1.5, 1.5)
    beyond = rows - (foot - 0.03)
    where = torch.stack(
        [(2 * (columns - slope * beyond) - 1).expand(height, -1), (2 * (foot - beyond / length) - 1).expand(-1, width)],
        dim=-1,
    )
    laid = soften(grid_sample(small, where[None], align_corners=False)[0], draws.uniform(1, 3))
    return interpolate(laid[None], mask.shape[-2:], mode="bilinear")[0].clamp_(0, 1)
