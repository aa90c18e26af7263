"""Data augmentation: rotation, horizontal flip, colour; the mask is rotated and flipped with its photo.

Every function takes one photo or a whole batch, on any device, and changes each photo by its own amount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from carvana_lessons.data.batches import in_parts, layout_of
from carvana_lessons.utils.errors import ArgumentError

# The names of torchvision's and numpy's pad, and what grid_sample calls the same: with align_corners=False its
# "reflection" repeats the pixels of the edge, which is "symmetric" and not "reflect".
PADDING_MODES = {"constant": "zeros", "symmetric": "reflection"}
GREY = (0.2989, 0.587, 0.114)  # shares of red, green and blue, as torchvision takes them
LONGEST = 2.8  # sides in the ratio 1 to sqrt(8): a turned corner is looked up within 3 half sides of the middle


@dataclass(frozen=True)
class Augment:
    """A random change of photo and mask, different for every photo; for ``loader(transform=…)``.

    Six random numbers per photo are drawn, photo by photo and for all settings: the same seed gives the same changes,
    in a batch, one by one and on every device, and two settings that differ in one change agree in the others.

    Attributes:
        rotate: largest angle, in degrees, to either side.
        flip: probability of a horizontal flip.
        color: largest relative change of each of `recolor`'s four factors; 0.2 for 80 % to 120 %.
        padding_mode: as in `rotate`.
        batched: True, as a loader may pass whole batches; see `carvana_lessons.data.batches.BatchTransform`.

    Raises:
        ValueError: for a setting out of its range, when the object is made.

    Source:
        slides [A] for rotation below 25°, horizontal flip, symmetric padding against black corners.

    Lesson:
        04.
    """

    batched: ClassVar[Literal[True]] = True

    rotate: float = 25.0
    flip: float = 0.5
    color: float = 0.0
    padding_mode: str = "symmetric"

    def __post_init__(self) -> None:
        if not (0 <= self.rotate <= 180 and 0 <= self.flip <= 1 and 0 <= self.color < 1):
            raise ArgumentError(f"{self} is out of range: rotate 0 to 180 degrees, flip 0 to 1, color 0 to below 1.")
        _grid_padding(self.padding_mode)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Apply the same random changes to photos and masks.

        Args:
            x: (3, h, w) or (B, 3, h, w), float in [0, 1], on any device and in any memory layout.
            y: (1, h, w) or (B, 1, h, w), float in {0, 1}.
            generator: of the CPU, whatever the device of the photos; None for torch's global one.

        Returns:
            both changed; shapes, ranges, device and layout stay.

        Raises:
            ValueError: for photos and masks that do not fit together.
        """
        photos, masks = stacked(x, y)
        angle, mirrored, *factors = torch.rand(len(photos), 6, generator=generator, device="cpu").double().unbind(1)
        flipped = mirrored < self.flip
        light = _light(*(1 + (2 * factor - 1) * self.color for factor in factors))
        back = _way_back((2 * angle - 1) * self.rotate, flipped, photos.shape)
        # All that was drawn goes to the device at once.
        light, back, flipped = _to(torch.cat([light, back, flipped[:, None]], dim=1), x).split([7, 4, 1], dim=1)
        middles = _middles(photos)

        def change(x: Tensor, y: Tensor, light: Tensor, back: Tensor, flipped: Tensor) -> tuple[Tensor, Tensor]:
            if self.color:  # before the turn, so that black corners stay black
                x = _shine(x.contiguous(), light)
            if self.rotate:
                return _look_up(x.contiguous(), y, back, middles, _grid_padding(self.padding_mode))
            return _exchange(x, y, flipped > 0) if self.flip else (x, y)

        photos, masks = in_parts(change, photos, masks, light, back, flipped, layout=layout_of(photos))
        return photos.reshape(x.shape), masks.reshape(y.shape)


def mirror(x: Tensor, y: Tensor, which: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Flip photos and masks horizontally.

    Args:
        x: photos (…, C, h, w).
        y: masks (…, 1, h, w).
        which: (…) bool, the photos to mirror; None for all of them.

    Returns:
        both mirrored, same shapes.

    Lesson:
        04.
    """
    return (x.flip(-1), y.flip(-1)) if which is None else _exchange(x, y, which)


def rotate(x: Tensor, y: Tensor, degrees: float | Tensor, padding_mode: str = "symmetric") -> tuple[Tensor, Tensor]:
    """Rotate photo and mask about the centre, counter-clockwise; their size stays.

    Args:
        x: (…, C, h, w), interpolated bilinearly.
        y: (…, 1, h, w), interpolated to the nearest pixel: its values stay.
        degrees: the angle, or one for each photo (…).
        padding_mode: what fills the corners: "constant", which is black, or "symmetric", the photo mirrored at its
            edge, as often as needed. Both as in `torchvision.transforms.v2.Pad`.

    Returns:
        both rotated, same shapes and dtypes.

    Raises:
        ValueError: for another padding mode, and for photos and masks that do not fit together.

    Source:
        slides [A], "symmetric padding".

    Lesson:
        04.
    """
    padding = _grid_padding(padding_mode)
    photos, masks = stacked(x, y)
    degrees = _each(degrees, x)
    upright = degrees % 360 == 0
    if upright.all():
        return x, y
    back = _to(_way_back(degrees, torch.zeros_like(upright), photos.shape), x)
    middles = _middles(photos)
    turned = in_parts(
        lambda x, y, back: _look_up(x, y, back, middles, padding), photos, masks, back, layout=layout_of(photos)
    )
    if upright.any():  # exactly as they were
        upright = upright.view(-1, 1, 1, 1).to(x.device)
        turned = (torch.where(upright, photos, turned[0]), torch.where(upright, masks, turned[1]))
    return turned[0].reshape(x.shape), turned[1].reshape(y.shape)


def recolor(
    x: Tensor,
    brightness: float | Tensor = 1.0,
    contrast: float | Tensor = 1.0,
    saturation: float | Tensor = 1.0,
    warmth: float | Tensor = 1.0,
) -> Tensor:
    """Change brightness, contrast and colour of a photo. Every factor is a number, or one per photo (…).

    Args:
        x: (…, 3, h, w) in [0, 1].
        brightness: as torchvision takes it; 0 is black, 1 no change.
        contrast: as torchvision takes it; 0 is the photo's mean grey, 1 no change.
        saturation: as torchvision takes it; 0 is grey, 1 no change.
        warmth: > 0; red times this, blue divided by it.

    Returns:
        the same shape, in [0, 1].

    Lesson:
        04.
    """
    light = _light(*(_each(factor, x) for factor in (brightness, contrast, saturation, warmth)))
    return _shine(x.reshape(-1, *x.shape[-3:]), _to(light, x)).reshape(x.shape)


def _light(brightness: Tensor, contrast: Tensor, saturation: Tensor, warmth: Tensor) -> Tensor:
    """What `_shine` needs of the four factors (B,), as (B, 7).

    Warmth and brightness are one gain for each of red, green and blue: min(min(wx, 1) b, 1) = min(wbx, b, 1).
    """
    gains = [brightness * warmth, brightness, brightness / warmth, brightness.clamp(max=1)]
    return torch.stack([*gains, contrast, 1 - contrast, 1 - saturation], dim=1)


def _shine(x: Tensor, light: Tensor) -> Tensor:
    """Photos (B, 3, h, w), each in a light of its own (B, 7); in the order of torchvision's functions, with its clamps.

    Those take one factor for all photos; and here every step but the first is in place.
    """
    gains, most, contrast, flat, grey = light[..., None, None].to(x.dtype).split([3, 1, 1, 1, 1], dim=1)
    x = (x * gains).clamp_max_(most)
    mean = _grey(x).mean(dim=(-2, -1), keepdim=True)
    x = x.mul_(contrast).add_(mean * flat).clamp_(0, 1)
    return x.lerp_(_grey(x), grey).clamp_(0, 1)


def _grey(x: Tensor) -> Tensor:
    red, green, blue = x.split(1, dim=1)
    return (GREY[0] * red).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def _exchange(x: Tensor, y: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Photos and masks (…, C, h, w), those mirrored for which (…) says so."""
    which = which.to(x.device).view(*x.shape[:-3], 1, 1, 1)
    return torch.where(which, x.flip(-1), x), torch.where(which, y.flip(-1), y)


def _way_back(degrees: Tensor, flipped: Tensor, shape: torch.Size) -> Tensor:
    """Where a pixel of the mirrored and then turned photo lay before, a matrix (2 × 2, row by row) each: (B, 4).

    It counts as grid_sample does, in half widths and half heights from the middle; y points down.
    """
    height, width = shape[-2:]
    c, s, side = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees)), 1 - 2 * flipped.double()
    return torch.stack([side * c, -side * s * height / width, s * width / height, c], dim=1)


def _look_up(x: Tensor, y: Tensor, back: Tensor, middles: tuple[Tensor, Tensor], padding: str) -> tuple[Tensor, Tensor]:
    """Photos (B, C, h, w) and masks (B, 1, h, w): each pixel of the result is looked up where it came from.

    torch's affine_grid takes longer than the look-up itself on a CPU, and so does the mirroring in grid_sample; both
    are simple here.

    Args:
        x: floats or integers.
        y: floats or integers.
        back: (B, 4), as `_way_back`.
        middles: as `_middles`.
        padding: as grid_sample takes it.
    """
    height, width = x.shape[-2:]
    across, down = middles
    back = back.view(-1, 2, 2, 1, 1)
    where = back[:, :, 0] * across + back[:, :, 1] * down  # (B, 2, h, w)
    if padding == "reflection" and x.device.type == "cpu" and max(height, width) < LONGEST * min(height, width):
        where, padding = where.clamp(-1, 1).mul_(2).sub_(where), "border"  # mirrored at -1 and 1, once
    where = where.permute(0, 2, 3, 1)
    return _sample(x, where, "bilinear", padding), _sample(y, where, "nearest", padding)


def _sample(pictures: Tensor, where: Tensor, mode: str, padding: str) -> Tensor:
    found = grid_sample(pictures.float(), where, mode=mode, padding_mode=padding, align_corners=False)
    return (found if pictures.is_floating_point() else found.round()).to(pictures.dtype)


def _middles(x: Tensor) -> tuple[Tensor, Tensor]:
    """Where the middles of the pixels lie between -1 and 1: across (w,) and down (h, 1)."""
    down, across = ((2 * torch.arange(n, dtype=torch.float32, device=x.device) + 1) / n - 1 for n in x.shape[-2:])
    return across, down[:, None]


def stacked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Photos and masks, a pair or many, as batches.

    Args:
        x: photos (…, C, h, w).
        y: masks (…, 1, h, w).

    Returns:
        (B, C, h, w) and (B, 1, h, w).

    Raises:
        ValueError: if they differ in number, height or width.
    """
    if (x.shape[:-3], x.shape[-2:]) != (y.shape[:-3], y.shape[-2:]):
        raise ValueError(f"Photos {tuple(x.shape)} and masks {tuple(y.shape)} differ in number, height or width.")
    return x.reshape(-1, *x.shape[-3:]), y.reshape(-1, *y.shape[-3:])


def _each(value: float | Tensor, x: Tensor) -> Tensor:
    """A number for each of the photos (…, C, h, w): (B,), in double precision, which not every device has."""
    return torch.as_tensor(value).cpu().double().expand(x.shape[:-3]).reshape(-1)


def _to(drawn: Tensor, x: Tensor) -> Tensor:
    """What was drawn, where the photos are; a GPU does not wait for it."""
    return drawn.float().to(x.device, non_blocking=x.device.type == "cuda")


def _grid_padding(padding_mode: str) -> str:
    """What grid_sample calls this padding mode."""
    if padding_mode not in PADDING_MODES:
        raise ArgumentError(f"padding_mode is {' or '.join(PADDING_MODES)}, not {padding_mode!r}.")
    return PADDING_MODES[padding_mode]
