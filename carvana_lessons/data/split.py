"""Split the photos into parts, by car: the 16 views of one car are near-copies of each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from carvana_lessons.data.folder import CarFolder
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.wording import counted


def split_by_car(cars: CarFolder, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0) -> tuple[CarFolder, ...]:
    """Split the cars at random; all views of a car go to the same part.

    Every part but the last gets its share of the cars rounded down (0.6 of the challenge's 318 cars are 190), the last
    one the rest; none is left without a car. The same seed gives the same parts wherever the folder lies.

    Args:
        cars: what to divide.
        fractions: one per part, sum 1.
        seed: of the permutation of the sorted car ids.

    Returns:
        one CarFolder per fraction; together they hold every photo once.

    Raises:
        DataError: if the fractions do not sum to 1 or there are fewer cars than parts.

    Source:
        the leakage alert of the 2019 slides.

    Lesson:
        01.
    """
    counts = _shares(len(cars.ids), fractions, cars.unit)
    order = np.random.default_rng(seed).permutation(len(cars.ids))
    parts = np.split(order, np.cumsum(counts)[:-1])
    return tuple(cars.select(cars=[cars.ids[i] for i in part]) for part in parts)


def k_folds_by_car(cars: CarFolder, k: int = 5, seed: int = 0) -> list[tuple[CarFolder, CarFolder]]:
    """k splits of the cars such that each car is held out exactly once.

    Args:
        cars: what to divide.
        k: number of folds, from 2 to the number of cars.
        seed: of the permutation.

    Returns:
        k pairs (train, valid); the k valid parts differ by at most one car in size.

    Raises:
        DataError: if k is less than 2 or more than there are cars.

    Lesson:
        01.
    """
    ids = cars.ids
    if len(ids) < 2:
        raise DataError(
            f"{counted(len(ids), cars.unit)} cannot be divided into folds, that takes at least 2 {cars.unit}s."
        )
    if not 2 <= k <= len(ids):
        raise DataError(f"{len(ids)} {cars.unit}s can be divided into 2 to {len(ids)} folds, not {k}.")
    folds = np.array_split(np.random.default_rng(seed).permutation(len(ids)), k)
    held_out = [{ids[i] for i in fold} for fold in folds]
    return [(cars.select(cars=set(ids) - out), cars.select(cars=out)) for out in held_out]


def split_by_image(cars: CarFolder, fractions: Sequence[float] = (0.8, 0.2), seed: int = 0) -> tuple[CarFolder, ...]:
    """Split the photos at random, whatever car they show. **This leaks**: use it to measure the leak, not to train.

    Nearly every car then has views in every part, so a model that merely remembers the cars it has seen scores well
    on the held-out photos too. The master's defense divides this way (4,071 + 1,017, neither a multiple of 16).

    Args:
        cars: the photos.
        fractions: the share of each part; they sum to 1.
        seed: of the division.

    Returns:
        one CarFolder per fraction; together they hold every photo once.

    Raises:
        DataError: if the fractions do not sum to 1 or there are fewer photos than parts.

    Lesson:
        01.
    """
    counts = _shares(len(cars), fractions, "photo")
    order = np.random.default_rng(seed).permutation(len(cars))
    return tuple(cars.subset(np.sort(part)) for part in np.split(order, np.cumsum(counts)[:-1]))


def sample_evenly(cars: CarFolder, count: int) -> CarFolder:
    """So many of the photos, spread evenly over cars and views; the same ones every time.

    A slice with an even step does not: ``test[::8]`` holds two of a car's sixteen views, its front and its rear.

    Args:
        cars: the photos.
        count: how many; as many as there are, or more, is all of them.

    Returns:
        a CarFolder of those photos, in their order. Where every car has all its views, no car and no view has more
        than one photo more than another.

    Raises:
        DataError: if ``count`` is less than 1.

    Lesson:
        04.
    """
    return cars.subset(even_positions([(photo.car, photo.view) for photo in cars], count))


def even_positions(photos: Sequence[tuple[str, int]], count: int) -> list[int]:
    """What `sample_evenly` chooses, of photos of which only car and view are known.

    Args:
        photos: the car, or group, and the view of each, counted from 1.
        count: how many; as many as there are, or more, is all of them.

    Returns:
        positions in ``photos``, in their order.

    Raises:
        DataError: if ``count`` is less than 1.

    Lesson:
        04.
    """
    if count < 1:
        raise DataError(f"A sample has at least 1 photo, not {count}.")
    views: dict[str, list[tuple[int, int]]] = {}  # per car: view and position of each photo
    for position, (car, view) in enumerate(photos):
        views.setdefault(car, []).append((view, position))
    quotas = Counter[str]()
    while missing := min(count, len(photos)) - quotas.total():
        free = [car for car in views if quotas[car] < len(views[car])]
        turns = min(missing, len(free))
        quotas.update(free[turn * len(free) // turns] for turn in range(turns))
    taken, chosen = Counter[int](), []
    for car in views:
        # The views that were taken least so far; among equals every seventh of 16, as neighbouring views look alike.
        walk = _walk(max(view for view, _ in views[car]))
        picked = sorted(views[car], key=lambda photo: (taken[photo[0]], walk[photo[0]]))[: quotas[car]]
        taken.update(view for view, _ in picked)
        chosen += [position for _, position in picked]
    return sorted(chosen)


def _walk(views: int) -> dict[int, int]:
    """When each view, from 1, comes in a walk around all of them by steps of 7 of 16, of more by the same share."""
    turn = max(16, views)
    step = next(k for k in range(7 * turn // 16, turn + 1) if math.gcd(k, turn) == 1)
    return {place * step % turn or turn: place % turn for place in range(1, turn + 1)}


def _shares(total: int, fractions: Sequence[float], what: str) -> list[int]:
    """How many of ``total`` each part gets; at least one each."""
    if len(fractions) == 0 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise DataError(f"The fractions of a split are positive and sum to 1; {tuple(fractions)} do not.")
    if total < len(fractions):
        parts = counted(len(fractions), "part")
        raise DataError(f"{counted(total, what)} cannot fill {parts}: open more of them or ask for fewer parts.")
    counts = [int(total * fraction + 1e-6) for fraction in fractions[:-1]]  # 80/96 of 96 is 80, not 79.999…
    counts.append(total - sum(counts))
    while 0 in counts:
        counts[counts.index(max(counts))] -= 1
        counts[counts.index(0)] += 1
    return counts
