"""Photos as tensors: decoded on the fly or read from the decoded copy, one by one or in batches."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from carvana_lessons.data.batches import Batch, BatchTransform, CarLoader, Stored, collate
from carvana_lessons.data.cache import as_size, cache, open_cache
from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.images import read_pair
from carvana_lessons.utils.device import find_device
from carvana_lessons.utils.errors import DataError

Transform = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class CarDataset(Dataset):
    """Item ``i`` is photo ``i`` of a CarFolder and its mask, at one size.

    ``x`` is (3, h, w) float32, RGB in [0, 1]; ``y`` is (1, h, w) float32 in {0, 1}. Of a folder without masks item
    ``i`` is ``x`` alone. It may be handed to any number of worker processes: each maps the decoded copy for itself.

    Args:
        cars: the photos.
        size: (height, width), or one number for both.
        transform: takes (x, y), returns (x, y): augmentation, the same for both.
        cached: True: build the decoded copy of the whole folder now if it is missing, then read from it. False: decode
            at every access.

    Raises:
        CarvanaError: as `cache`.
        DataError: as `cache`; for a transform on photos without masks.

    Lesson:
        03.
    """

    def __init__(
        self,
        cars: CarFolder,
        size: int | tuple[int, int] = 128,
        transform: Transform | None = None,
        cached: bool = True,
    ) -> None:
        _check_transform(cars, transform)
        self.photos = cars
        self.size = as_size(size)
        self.transform = transform
        self.folder = cache(cars, self.size) if cached and len(cars) else None
        self._maps: tuple[np.ndarray, np.ndarray | None] | None = None

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, i: int) -> Batch:
        return self._items([i])[0]

    def __getitems__(self, rows: list[int]) -> list[Batch]:
        """The items of one batch, where torch's loader asks for them all at once."""
        return self._items(rows)

    def _items(self, rows: list[int]) -> list[Batch]:
        items = self.stored(rows).items() if len(rows) else []
        return items if self.transform is None else [self.transform(*item) for item in items]

    def stored(self, rows: list[int]) -> Stored:
        """Some photos as bytes, before any transform; at least one.

        Args:
            rows: numbers of the photos, counted from 0.

        Returns:
            the photos in that order.
        """
        if self.folder is None:
            images, masks = zip(*self._decoded(rows), strict=True)
            return Stored(np.stack(images), np.stack(masks) if self.photos.has_masks else None)
        if self._maps is None:  # on first access, so that every worker opens its own
            self._maps = open_cache(self.folder, self.photos.has_masks)
        images, masks = self._maps
        places = [self.photos[i].index for i in rows]
        if places == list(range(places[0], places[0] + len(places))):
            places = slice(places[0], places[0] + len(places))  # neighbours, as without shuffling: seen, not copied
        return Stored(images[places], None if masks is None else masks[places])

    def as_bytes(self) -> CarDataset:
        """The same photos for a `CarLoader`: whole batches come as bytes if no transform changes them one by one.

        Returns:
            a dataset of `Stored`, or this one itself.
        """
        return self if self.transform is not None else StoredDataset(self)

    def _decoded(self, rows: list[int]) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """By as many threads as torch may use here, a single one in a worker: Pillow lets others run meanwhile."""
        threads = min(len(rows), torch.get_num_threads())
        if threads == 1:
            return [read_pair(self.photos[i], self.size) for i in rows]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda i: read_pair(self.photos[i], self.size), rows))

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_maps": None}  # pickled, a memory map would become all its bytes


class StoredDataset(CarDataset):
    """A `CarDataset` as a `CarLoader` asks it: a batch comes as bytes, all at once, and `collate` takes it.

    Args:
        photos: without a transform; nothing is decoded anew.
    """

    def __init__(self, photos: CarDataset) -> None:
        vars(self).update(photos.__getstate__())

    def __getitems__(self, rows: list[int]) -> Stored:
        """The photos of one batch."""
        return self.stored(rows)


def loader(
    cars: CarFolder,
    size: int | tuple[int, int] = 128,
    batch_size: int = 16,
    shuffle: bool = False,
    workers: int = 0,
    cached: bool = True,
    transform: Transform | None = None,
    seed: int = 0,
    drop_last: bool = False,
) -> DataLoader:
    """Batches of a CarFolder: x (B, 3, h, w) float32 in [0, 1], y (B, 1, h, w) float32 in {0, 1}.

    The order under ``shuffle``, what `Augment` draws and what workers draw follow from ``seed`` and the number of the
    epoch alone. From a worker a batch comes as bytes, unless a transform of single photos made floats of it, and is
    turned into floats here. Batches lie in pinned memory where there is a CUDA device to copy them to.
    ``loader(...).dataset`` is the `CarDataset`, for any loader of torch's too; its ``photos`` is the CarFolder, to name
    the file behind an item.

    Args:
        cars: as `CarDataset` takes it.
        size: as `CarDataset` takes it.
        batch_size: as torch's ``DataLoader`` takes it.
        shuffle: as torch's ``DataLoader`` takes it.
        workers: processes that prepare batches, kept from epoch to epoch; 0: the loop's own process does, with as many
            threads as torch may use.
        cached: as `CarDataset` takes it.
        transform: takes (x, y), returns (x, y): augmentation, the same for both. `Augment` and whatever else is a
            `carvana_lessons.data.batches.BatchTransform` is applied to a batch as it comes out, whatever the number of
            workers; another one to every photo where it is read.
        seed: of the order, of what a transform of batches draws, and of torch, numpy and ``random`` in each worker
            (torch sees to all three).
        drop_last: as torch's ``DataLoader`` takes it.

    Returns:
        a `CarLoader`.

    Raises:
        CarvanaError: as `CarDataset`.
        DataError: as `CarDataset`.

    Lesson:
        03.
    """
    _check_transform(cars, transform)
    at_the_end: BatchTransform | None = transform if getattr(transform, "batched", False) else None
    photos = CarDataset(cars, size, None if at_the_end else transform, cached)
    # A generator of its own: workers draw from the loader's, and more often when they are kept.
    order = RandomSampler(photos, generator=torch.Generator().manual_seed(seed)) if shuffle and len(photos) else None
    return CarLoader(
        photos,
        batch_size=batch_size,
        sampler=order,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=find_device() == "cuda",
        drop_last=drop_last,
        persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(seed),
        transform=at_the_end,
        seed=seed,
    )


def _check_transform(cars: CarFolder, transform: Transform | None) -> None:
    if transform is not None and not cars.has_masks:
        raise DataError(f"{cars.root} was opened without masks: a joint transform of photo and mask needs both.")
