"""What a network has learned from, as a training notes it with the weights."""

from __future__ import annotations

from torch.utils.data import DataLoader

from carvana_lessons.data import CarFolder
from carvana_lessons.models import Provenance


def photos_of(loader: DataLoader | None) -> CarFolder | None:
    """The photos behind a loader of the course.

    Args:
        loader: any, or None.

    Returns:
        The photos; None for any other loader.
    """
    return getattr(getattr(loader, "dataset", None), "photos", None)


def trained_on(
    before: Provenance | None,
    size: tuple[int, int] | None,
    precision: str,
    train: DataLoader,
    valid: DataLoader | None,
) -> Provenance:
    """What is known of a network from now on; what it learned from before this training, it still knows.

    Args:
        before: of the network as it came; None for a fresh one.
        size: (height, width) of the input.
        precision: in which it is trained.
        train: loader of the photos that it learns from.
        valid: loader of the photos that it is scored on after every epoch, or None.

    Returns:
        What goes with the weights as ``model.provenance``.

    Lesson:
        09.
    """
    learned, scored = (
        None if photos is None else frozenset[str]().union(*photos.marks.values())
        for photos in (photos_of(train), photos_of(valid))
    )
    if learned is not None and before is not None:
        learned = None if before.train is None else learned | before.train
    return Provenance(size, precision, learned, scored)
