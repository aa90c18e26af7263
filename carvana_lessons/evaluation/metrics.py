"""From logits to a mask, from two masks to a score.

All functions take a batch at once: the last two dimensions are height and width, all before them are kept.

Lesson:
    01.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Confusion(NamedTuple):
    """Pixel counts of a prediction against the truth; each an int64 tensor without the two image dimensions.

    Attributes:
        tp: (…) car, predicted as car.
        fp: (…) background, predicted as car.
        fn: (…) car, predicted as background.
        tn: (…) background, predicted as background.
    """

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor


def confusion(prediction: Tensor, target: Tensor) -> Confusion:
    """Count right and wrong pixels.

    Args:
        prediction: (…, H, W), boolean or in {0, 1}.
        target: the same shape and kind.

    Returns:
        `Confusion` of tensors of shape (…).

    Raises:
        ValueError: if the shapes differ or a value is neither 0 nor 1 (a mask in 0/255, probabilities).

    Lesson:
        01.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"Prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape.")
    masks = [_as_mask(prediction, "prediction"), _as_mask(target, "target")]
    p, t = masks
    tp = (p & t).sum(dim=(-2, -1))
    positives, actual = p.sum(dim=(-2, -1)), t.sum(dim=(-2, -1))
    pixels = target.shape[-2] * target.shape[-1]
    return Confusion(tp, positives - tp, actual - tp, pixels - positives - actual + tp)


def dice(prediction: Tensor, target: Tensor) -> Tensor:
    """Dice = ``2·|X ∩ Y| / (|X| + |Y|)``, and 1 where both masks are empty.

    Args:
        prediction: (…, H, W), as for `confusion`.
        target: (…, H, W), as for `confusion`.

    Returns:
        (…) float64 in [0, 1] on the CPU, one score per image. Their mean is the challenge's metric when H×W is
        1280×1918.

    Raises:
        ValueError: as `confusion`.

    Source:
        Dice 1945; the empty case as in the defense's slides.

    Lesson:
        01.
    """
    return dice_from(confusion(prediction, target))


def dice_from(counts: Confusion) -> Tensor:
    """Dice from pixel counts: 2·TP / (2·TP + FP + FN), 1 where both are empty.

    Args:
        counts: as `confusion` gives them.

    Returns:
        as `dice`.
    """
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def iou(prediction: Tensor, target: Tensor) -> Tensor:
    """Intersection over union, ``|X ∩ Y| / |X ∪ Y|``, and 1 where both masks are empty.

    For one image IoU = Dice / (2 − Dice).

    Args:
        prediction: (…, H, W), as for `confusion`.
        target: (…, H, W), as for `confusion`.

    Returns:
        as `dice`.

    Raises:
        ValueError: as `confusion`.

    Lesson:
        01.
    """
    return iou_from(confusion(prediction, target))


def iou_from(counts: Confusion) -> Tensor:
    """IoU from pixel counts: TP / (TP + FP + FN), 1 where both are empty.

    Args:
        counts: as `confusion` gives them.

    Returns:
        as `dice`.
    """
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Float64 on the CPU: Apple's GPUs have none. Both counts are moved together: one wait for the GPU."""
    numerator, denominator = torch.stack([numerator, denominator]).cpu()
    return torch.where(denominator == 0, 1.0, numerator.double() / denominator.clamp(min=1))


def _as_mask(x: Tensor, what: str) -> Tensor:
    if x.dtype == torch.bool:
        return x
    mask = x == 1
    if not bool((mask | (x == 0)).all()):
        raise ValueError(
            f"The {what} has values other than 0 and 1 (from {x.min().item():g} to {x.max().item():g}); "
            f"make it a mask first: `mask > 0` for 0/255, `logits > 0` for logits."
        )
    return mask
