"""Loss functions. Every loss takes logits, never probabilities, and works in float32."""

import torch
import torch.nn.functional as F
from torch import Tensor

from carvana_lessons.models.logits import car_logit


def bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over all pixels of −(y·log p + (1 − y)·log(1 − p)).

    Args:
        logits: (B, K, H, W), K = 1 or 2; for 2 this is the softmax cross-entropy over background and car.
        target: (B, 1, H, W) in [0, 1].

    Returns:
        a scalar ≥ 0; log 2 = 0.693 for a network that knows nothing.

    Raises:
        ValueError: for any other number of channels.

    Lesson:
        02.
    """
    return F.binary_cross_entropy_with_logits(car_logit(logits), target.float())


def soft_dice(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 − Dice with probabilities in place of a mask, so that it has a gradient; mean over images.

    Args:
        logits: as for `bce`.
        target: as for `bce`.
        smooth: added above and below the fraction; an image without car then has a loss of 0 when nothing is predicted,
            and a gradient otherwise.

    Returns:
        a scalar in [0, 1).

    Source:
        Milletari et al. 2016 (V-Net).

    Lesson:
        10.
    """
    p, y = car_logit(logits).sigmoid().flatten(1), target.float().flatten(1)
    overlap = (p * y).sum(1)
    return (1 - (2 * overlap + smooth) / (p.sum(1) + y.sum(1) + smooth)).mean()


def boundary_weights(target: Tensor, reach: int = 5, weight: float = 5.0) -> Tensor:
    """One weight per pixel: ``weight`` within ``reach`` pixels of the car's boundary, 1 elsewhere.

    Args:
        target: (B, 1, H, W) in {0, 1}.
        reach: in pixels of ``target``; a pixel counts when the square of side 2·reach + 1 around it holds both car and
            background. Beyond the border the image is continued as it ends, so that the border is no boundary.
        weight: > 0.

    Returns:
        (B, 1, H, W) float32.

    Source:
        the idea is the original U-Net's weight map (Ronneberger et al. 2015).

    Lesson:
        10.
    """
    y = F.pad(target.float(), [reach] * 4, mode="replicate")
    side = 2 * reach + 1
    # Car pixels in the square around each pixel; rows first, then columns, is many times faster than whole squares.
    rows = F.avg_pool2d(y, (1, side), stride=1, divisor_override=1)
    car = F.avg_pool2d(rows, (side, 1), stride=1, divisor_override=1)
    return torch.where((car > 0) & (car < side * side), weight, 1.0)


def boundary_bce(logits: Tensor, target: Tensor, reach: int = 5, weight: float = 5.0) -> Tensor:
    """Binary cross-entropy in which pixels near the boundary count ``weight`` times; a weighted mean.

    Args:
        logits: as for `bce`.
        target: as for `bce`, in {0, 1}.
        reach: as for `boundary_weights`.
        weight: as for `boundary_weights`.

    Returns:
        a scalar ≥ 0; equal to `bce` for weight 1.

    Lesson:
        10.
    """
    weights = boundary_weights(target, reach, weight)
    pixels = F.binary_cross_entropy_with_logits(car_logit(logits), target.float(), reduction="none")
    return (weights * pixels).sum() / weights.sum()
