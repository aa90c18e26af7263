"""Score masks the way the challenge did: one Dice a photo, at the photo's own size."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carvana_lessons.data import CarFolder, loader, read_mask
from carvana_lessons.metrics import car_logit, confusion, dice_from, iou_from
from carvana_lessons.progress import bar


def evaluate(
    model: nn.Module, photos: CarFolder, size: int | tuple[int, int], batch_size: int = 16, cached: bool = True
) -> pd.DataFrame:
    """Predict every photo at ``size``, enlarge the logits to the photo's own size, threshold, compare.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w); it is left in evaluation mode.
        photos: photos with masks.  size: side, or (height, width), of the network's input.
        batch_size: photos a forward pass.  cached: read the shrunk photos through the cache.
    Returns: a row a photo, in their order: name, car, view, dice, iou, tp, fp, fn (pixels at the photo's size).
        The challenge's score is ``scores.dice.mean()``.
    Raises: DataError for photos without masks.
    Source: the metric as slides [B] state it.  Lesson: 01.
    """
    with bar(
        predict(model, photos, size, batch_size, cached), total=len(photos), desc="scoring", unit="photo"
    ) as masks:
        return score(masks, photos)


def score(masks: Iterable[np.ndarray], photos: CarFolder) -> pd.DataFrame:
    """Compare one mask a photo with the truth; whatever made the masks, a network or a rule of thumb.

    Args:
        masks: (H, W) bool or {0, 1} a photo, at the photo's own size, in the order of ``photos``.
        photos: photos with masks.
    Returns: as `evaluate`.
    Raises: DataError for photos without masks; ValueError for a mask of the wrong size, or too few or too many.
    Lesson: 01.
    """
    rows = []
    # The masks of the next photos are decoded while this one is compared.
    with ThreadPoolExecutor(max_workers=1) as pool:
        truths = pool.map(lambda photo: read_mask(photo.mask), photos)
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
            )
    return pd.DataFrame(rows)


@torch.inference_mode()
def predict(
    model: nn.Module, photos: CarFolder, size: int | tuple[int, int], batch_size: int = 16, cached: bool = True
) -> Iterator[np.ndarray]:
    """Yield one mask a photo, (H, W) bool at the photo's own size; memory does not grow with their number.

    Logits are enlarged and then thresholded: enlarging a finished mask costs up to 0.3 % of Dice, as chapter 9 shows.
    Args and errors as `evaluate`.
    """
    model.eval()
    device = next(model.parameters()).device
    batches = loader(photos, size=size, batch_size=batch_size, cached=cached)
    remaining = iter(photos)
    for batch in batches:
        x = batch if isinstance(batch, Tensor) else batch[0]  # photos without masks come alone
        x = x.to(device).contiguous(memory_format=torch.channels_last)
        for logit in car_logit(model(x)):
            width, height = next(remaining).size
            yield enlarge(logit[None], (height, width))[0, 0].gt(0).cpu().numpy()


def enlarge(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits at the photo's size, bilinearly.

    Args:
        logits: (B, 1, h, w).  size: (height, width) to reach.
    Returns: (B, 1, height, width), same dtype.
    """
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False, antialias=False)
