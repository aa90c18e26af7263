"""Score masks the way the challenge did: one Dice per photo, at the photo's own size.

Lesson:
    01.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from carvana_lessons.data import CarFolder, read_mask
from carvana_lessons.evaluation.metrics import confusion, dice_from, iou_from
from carvana_lessons.evaluation.surface import boundary_scores
from carvana_lessons.prediction.inference import Size, predict
from carvana_lessons.utils.prefetch import prefetch
from carvana_lessons.utils.progress import bar


def evaluate(
    model: nn.Module | Sequence[nn.Module],
    photos: CarFolder,
    size: Size = None,
    batch_size: int = 16,
    cached: bool = True,
    flip: bool = False,
    precision: str | None = None,
    boundary: bool = False,
) -> pd.DataFrame:
    """Predict every photo at ``size``, upsample the logits to the photo's own size, threshold, compare.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w), or several whose logits are averaged. It runs in evaluation
            mode and keeps its mode.
        photos: photos with masks.
        size: side, or (height, width), of the input; None: each network at the size that it was trained for.
        batch_size: photos per forward pass.
        cached: read resized photos from the cache.
        flip: test-time augmentation, average with the flipped photo's logits.
        precision: as `car_logits`.
        boundary: score the outlines too.

    Returns:
        one row per photo, in their order, with name, car, view, dice, iou, tp, fp, fn (pixels at the photo's size), and
        with ``boundary`` the columns of `boundary_scores`. The challenge's score is ``scores.dice.mean()``.

    Raises:
        DataError: for no photos, or photos without masks.
        CarvanaError: if the size is not known.

    Source:
        the metric as slides [B] state it.

    Lesson:
        01.
    """
    photos.require("A score")
    with bar(
        predict(model, photos, size, batch_size, cached, flip, precision=precision),
        total=len(photos),
        desc="scoring",
        unit="photo",
    ) as masks:
        return score(masks, photos, boundary)


def score(masks: Iterable[np.ndarray], photos: CarFolder, boundary: bool = False) -> pd.DataFrame:
    """Compare one mask per photo with the truth; for masks of networks and of baselines.

    Args:
        masks: one (H, W) bool or {0, 1} per photo, at the photo's own size, in the order of ``photos``.
        photos: photos with masks.
        boundary: score the outlines too.

    Returns:
        as `evaluate`.

    Raises:
        DataError: for no photos, or photos without masks.
        ValueError: for a mask of the wrong size, or too few or too many masks.

    Lesson:
        01.
    """
    photos.require("A score")
    rows = []
    truths = prefetch(read_mask(photo) for photo in photos)
    for photo, truth, mask in zip(photos, truths, masks, strict=True):
        counts = confusion(torch.from_numpy(mask), torch.from_numpy(truth.view(bool)))
        rows.append(
            {
                "name": photo.name,
                "car": photo.car,
                "view": photo.view,
                "dice": dice_from(counts).item(),
                "iou": iou_from(counts).item(),
                "tp": counts.tp.item(),
                "fp": counts.fp.item(),
                "fn": counts.fn.item(),
            }
            | (boundary_scores(mask, truth) if boundary else {})
        )
    return pd.DataFrame(rows)
