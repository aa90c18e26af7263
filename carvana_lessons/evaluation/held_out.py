"""Choose held-out photos: those of cars that a network was not trained on.

Lesson:
    02.
"""

from collections.abc import Sequence

from torch import nn

from carvana_lessons.data import CarFolder, split_by_car
from carvana_lessons.models import provenance
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.wording import counted

SHARE, SEED = 1 / 6, 0  # of the default split of `carvana-lessons train`


def held_out(
    photos: CarFolder, models: Sequence[nn.Module], share: float | None = None, seed: int | None = None
) -> tuple[CarFolder, str | None]:
    """Choose the photos to score.

    Args:
        photos: a folder.
        models: networks; the cars of their training are in their ``provenance``.
        share: of the cars to score, as `split_by_car` divides them; 1 for all; None for every car that no network was
            trained on, or 1/6 if ``seed`` is given or a network does not know its training cars.
        seed: of that split; None is 0.

    Returns:
        the photos, and a warning if their score is not one of unseen cars, else None.

    Raises:
        DataError: if nothing is left to score.

    Lesson:
        02.
    """
    known = [provenance(model).train for model in models]
    learned = frozenset[str]().union(*(cars for cars in known if cars is not None))
    if share is None and seed is None and None not in known:
        marks = photos.marks
        chosen = photos.select(cars=[car for car in photos.ids if not marks[car] & learned])
        if not len(chosen):
            raise DataError(
                f"{photos.root} holds only {photos.unit}s that the network was trained on, and their score says "
                f"nothing about other {photos.unit}s: name another folder, or score them anyway with a share of 1 "
                "(--valid 1)."
            )
        return chosen, None
    share, seed = SHARE if share is None else share, SEED if seed is None else seed
    chosen = photos if share == 1 else split_by_car(photos, (1 - share, share), seed=seed)[1]
    twice = sum(bool(marks & learned) for marks in chosen.marks.values()) if learned else 0
    if twice:
        return chosen, (
            f"Of {counted(len(chosen.ids), f'scored {photos.unit}')} the network was trained on {twice}"
            f"{' at least' if None in known else ''}: the score is too good for other {photos.unit}s."
        )
    if None in known:
        return chosen, (
            f"The weights do not say which {photos.unit}s they were trained on: the score is one of new ones only if "
            f"those that are scored ({counted(len(chosen.ids), photos.unit)}) were held out of the training, by the "
            "same share and seed."
        )
    return chosen, None
