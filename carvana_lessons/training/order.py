"""Order and augmentation of an epoch's photos: they follow from seed and number alone, so in a resumed run too."""

import random
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from carvana_lessons.data.batches import CarLoader, draw_seed
from carvana_lessons.data.rebuild import rebuild_loader
from carvana_lessons.training.provenance import photos_of


def seed_epoch(loader: DataLoader, seed: int, epoch: int, rank: int = 0) -> None:
    """Set a loader's generators to where an epoch begins.

    Args:
        loader: any; of ours also what its transform draws is set.
        seed: of the run.
        epoch: counted from 0.
        rank: of this process among those that train together: all have one order of the photos, and each its own draws.

    Lesson:
        03.
    """
    for generator in (loader.generator, getattr(loader.sampler, "generator", None)):
        if generator is not None:
            generator.manual_seed(seed * 1_000_003 + epoch)
    if isinstance(loader, CarLoader):
        loader.draws.manual_seed(draw_seed(seed, epoch, rank))


class SeededWorkers(Dataset):
    """A dataset whose worker processes draw, for each batch, what follows from seed, epoch and the batch's photos.

    Torch seeds a worker once, when it is started: what it draws in the third epoch depends on the two before, and a
    resumed run, whose workers are new, would draw something else. In the loop's own process nothing is set: there the
    global generators are kept in the checkpoint.

    Args:
        dataset: any that is asked for photos by their numbers.
        seed: of the run.

    Attributes:
        epoch: in memory that workers share, because those that are kept know nothing of a new epoch.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: Any) -> Any:
        self._begin(row)
        return self.dataset[row]

    def __getitems__(self, rows: Sequence) -> Sequence:
        """The items of one batch, where torch's loader asks for them all at once."""
        self._begin(rows)
        several = getattr(self.dataset, "__getitems__", None)
        return several(rows) if several is not None else [self.dataset[row] for row in rows]

    def _begin(self, rows: Any) -> None:
        if get_worker_info() is not None:
            seed = random.Random(repr((self.seed, self.epoch.item(), rows))).getrandbits(32)
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002  transforms may draw from the global generator
            torch.default_generator.manual_seed(seed)


def seed_workers(loader: DataLoader, seed: int) -> DataLoader:
    """A loader of the same batches whose worker processes draw as `SeededWorkers` says.

    Args:
        loader: any; one without workers is returned as it is.
        seed: of the run.

    Returns:
        The loader.
    """
    if not loader.num_workers or isinstance(loader.dataset, IterableDataset):
        return loader
    return rebuild_loader(loader, SeededWorkers(loader.dataset, seed))


def batch_names(loader: DataLoader, seed: int, epoch: int, position: int) -> list[str]:
    """The photos of one batch, found by drawing the epoch's order again.

    Args:
        loader: as `carvana_lessons.data.loader` makes it; of any other the answer is empty.
        seed: as `seed_epoch`.
        epoch: as `seed_epoch`.
        position: of the batch, counted from 0.

    Returns:
        their names, in the batch's order.
    """
    photos = photos_of(loader)
    if photos is None:
        return []
    seed_epoch(loader, seed, epoch)
    order = DataLoader(
        range(len(photos)), batch_sampler=loader.batch_sampler, generator=loader.generator, collate_fn=list
    )
    return [photos[i].name for i in next(islice(order, position, None), [])]
