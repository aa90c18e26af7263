"""Cut a car out by its mask and put it before a picture, without the rim of white that a studio leaves around it."""

from math import exp

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

INSET, FEATHER = 0.35, 0.7  # of a plain cut
REACH = 3  # pixels that the blur of an edge reaches


def paste(photo: Tensor, mask: Tensor, picture: Tensor, inset: float = INSET, feather: float = FEATHER) -> Tensor:
    """Put the car of a photo before another picture, where it stands and in its own light.

    Args:
        photo: (3, h, w) float in [0, 1].
        mask: (1, h, w) float in {0, 1}.
        picture: (3, h, w), the background.
        inset: as `soft_edge`.
        feather: as `soft_edge`.

    Returns:
        (3, h, w) in [0, 1].

    Lesson:
        11.
    """
    return picture.lerp(clean_edge(photo, mask), soft_edge(mask, inset, feather))


def soft_edge(mask: Tensor, inset: float = INSET, feather: float = FEATHER) -> Tensor:
    """How much of each pixel is car: the mask blurred, its edge moved inwards a little.

    Args:
        mask: (1, h, w) float in {0, 1}.
        inset: what a blurred mask must have for any car to be seen, from 0, where the edge stays, to 0.5, where all of
            it lies within the mask.
        feather: standard deviation of the blur, in pixels, up to 1.5; 0 for a hard edge, that of the mask itself.

    Returns:
        (1, h, w) in [0, 1]; 1 inside the car, 0 outside.
    """
    if feather <= 0:
        return mask.clone()
    bell = [exp(-0.5 * (k / feather) ** 2) for k in range(-REACH, REACH + 1)]
    blurred = mask
    for axis in (1, 2):  # seven sums: an eighth of the time of a convolution of one channel
        framed = _framed(blurred, axis, REACH)
        blurred = torch.zeros_like(mask)
        for k, share in enumerate(bell):
            blurred.add_(framed.narrow(axis, k, mask.shape[axis]), alpha=share / sum(bell))
    return blurred.sub_(inset).div_(1 - inset).clamp_(0, 1)


def clean_edge(photo: Tensor, mask: Tensor) -> Tensor:
    """The photo with the car's own colours carried on beyond its edge (decontamination).

    A pixel on the edge shows car and studio mixed. Here only what lies within the car by a pixel counts: from there
    colours spread outwards, from means over 4×4 pixels and, further away, over 16×16 ones.

    Args:
        photo: (3, h, w) float.
        mask: (1, h, w) float in {0, 1}; without any car nothing is changed.

    Returns:
        (3, h, w).

    Source:
        Gortler et al. 1996, "The Lumigraph" (pull-push), section 3.4.
    """
    inner = _inner(mask)[None]
    known = torch.cat([photo[None] * inner, inner], dim=1)  # (1, 4, h, w)
    spread = None
    for side in (16, 4):
        if min(photo.shape[-2:]) < side:
            continue
        small = avg_pool2d(known, side, ceil_mode=True)
        share = small[:, 3:]
        fine = small[:, :3] / share.clamp(min=1e-3)
        if spread is not None:
            fine = torch.where(share > 0, fine, interpolate(spread, fine.shape[-2:], mode="bilinear"))
        elif not (share > 0).any():
            return photo
        else:
            fine = torch.where(share > 0, fine, (fine * share).sum((2, 3), keepdim=True) / share.sum())
        spread = fine
    if spread is None:
        return photo
    beyond = interpolate(spread.transpose(0, 1), photo.shape[-2:], mode="bilinear")[:, 0]
    return beyond.lerp_(photo, inner[0]).clamp_(0, 1)


def _inner(mask: Tensor) -> Tensor:
    """The pixels of the car whose eight neighbours are car, too."""
    for axis in (1, 2):
        parts = [_framed(mask, axis, 1).narrow(axis, k, mask.shape[axis]) for k in range(3)]
        mask = torch.minimum(torch.minimum(*parts[:2]), parts[2])
    return mask


def _framed(mask: Tensor, axis: int, reach: int) -> Tensor:
    """A mask (1, h, w) carried on beyond its ends: a car that leaves the picture has no edge there."""
    sides = (0, 0, reach, reach) if axis == 1 else (reach, reach, 0, 0)
    return pad(mask[None], sides, mode="replicate")[0]
