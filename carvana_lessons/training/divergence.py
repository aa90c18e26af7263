"""A training that has stopped being finite: what is said of it, and where to look."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import DataLoader

from carvana_lessons.training.order import batch_names
from carvana_lessons.utils.errors import CarvanaError


def divergence(
    what: str,
    loader: DataLoader,
    epoch: int,
    batch: int,
    position: int,
    *,
    seed: int,
    lr: float,
    precision: str,
    last: Path | None,
) -> CarvanaError:
    """The error for a loss or for gradients that are no finite numbers: the batch, its photos, and what to try.

    Args:
        what: happened, as the beginning of a sentence.
        loader: of the training photos.
        epoch: counted from 0.
        batch: of this process, counted from 0.
        position: of the batch among those of all processes, counted from 0.
        seed: of the order of the photos.
        lr: the learning rate.
        precision: in which the network is trained.
        last: the file with the last good state, where there is one.

    Returns:
        The exception to raise.
    """
    names = ", ".join(batch_names(loader, seed, epoch, position)) or f"number {batch + 1}"
    kept = f" The last good state is {last}." if last else ""
    range_ = ", or precision='no', which has room for larger values" if precision == "fp16" else ""
    return CarvanaError(
        f"{what} in epoch {epoch + 1} at the batch {names}: look at these photos and masks, "
        f"or take a smaller learning rate than {lr:g}{range_}.{kept}"
    )
