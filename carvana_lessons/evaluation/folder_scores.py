"""A folder of photos becomes a table of scores in a file; the command `evaluate` in Python.

Lesson:
    02.
"""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from torch import nn

from carvana_lessons.data import CarFolder
from carvana_lessons.data.open_folder import as_folder
from carvana_lessons.evaluation.held_out import held_out
from carvana_lessons.evaluation.scoring import evaluate
from carvana_lessons.utils.files import new_file, replacing
from carvana_lessons.utils.locking import owned


class FolderScores(NamedTuple):
    """The scores of a folder.

    Attributes:
        scores: one row per photo, as `evaluate` gives it.
        photos: those that were scored.

    Lesson:
        02.
    """

    scores: pd.DataFrame
    photos: CarFolder


def evaluate_folder(
    model: nn.Module | Sequence[nn.Module],
    folder: str | Path | CarFolder,
    size: int | None = None,
    batch_size: int = 16,
    *,
    flip: bool = False,
    precision: str | None = None,
    boundary: bool = False,
    valid: float | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> FolderScores:
    """Score networks on the photos of a folder whose cars they have not learned from, and write the table.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w), or several whose logits are averaged.
        folder: photos and masks, as `open_folder` takes them, or opened already.
        size: side of the input in pixels; None: each network at the size that it was trained for.
        batch_size: photos per forward pass.
        flip: average with the answer for the mirrored photo.
        precision: "no", "bf16" or "fp16"; None for what suits the device.
        boundary: score the outlines too, as `evaluate`.
        valid: fraction of the cars to score; with ``seed`` it says which, as `held_out` takes them.
        seed: of that split.
        out: a CSV file for the scores; None writes none.
        overwrite: whether a file that is there may be replaced.

    Returns:
        The scores and the photos.

    Raises:
        ExistsError: if ``out`` is there and is not to be overwritten, before anything is computed.
        DataError: if nothing is left to score.
        CarvanaError: if another process is writing ``out``, or as `evaluate`.

    Warns:
        UserWarning: where the score says less than it seems to.

    Lesson:
        02.
    """
    photos, note = held_out(as_folder(folder), [model] if isinstance(model, nn.Module) else model, valid, seed)
    if note is not None:
        warnings.warn(note, UserWarning, stacklevel=2)
    with nullcontext() if out is None else owned(Path(out)):
        if out is not None:
            new_file(out, overwrite)  # said before the work, not after it
        scores = evaluate(model, photos, size, batch_size, flip=flip, precision=precision, boundary=boundary)
        if out is not None:
            new_file(out, overwrite)  # another program may have written it meanwhile
            with replacing(Path(out)) as file:
                scores.to_csv(file, index=False, lineterminator="\n")
    return FolderScores(scores, photos)
