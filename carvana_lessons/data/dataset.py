"""Photos as tensors: decoded on the fly or read from the decoded copy, one by one or in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from carvana_lessons.data.batches import Batch, BatchTransform, CarLoader, collate, floats
from carvana_lessons.data.cache import as_size, cache, open_cache
from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.images import read_pair
from carvana_lessons.utils.device import find_device
from carvana_lessons.utils.errors import DataError

Transform = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class CarDataset(Dataset):
    """Item ``i`` is photo ``i`` of a CarFolder and its mask, at one size.

    ``x`` is (3, h, w) float32, RGB in [0, 1]; ``y`` is (1, h, w) float32 in {0, 1}. For a folder without masks item
    ``i`` is ``x`` alone. It works with any number of worker processes: each maps the decoded copy into its memory.

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
        if type(self).__getitem__ is not CarDataset.__getitem__:  # of somebody's own class, which says what an item is
            return [self[i] for i in rows]
        return self._items(rows)

    def _items(self, rows: list[int]) -> list[Batch]:
        items = [floats(item) for item in self.stored(rows)]
        return items if self.transform is None else [self.transform(*item) for item in items]

    def stored(self, rows: list[int]) -> list[Batch]:
        """Some photos as bytes, before any transform: x (3, h, w) and y (1, h, w), both uint8, or x alone.

        Args:
            rows: numbers of the photos, counted from 0.

        Returns:
            the photos in that order.
        """
        return [_tensors(*pair) for pair in (self._decoded(rows) if self.folder is None else self._mapped(rows))]

    def _mapped(self, rows: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """From the decoded copy: seen there, not copied."""
        if self._maps is None:  # on first access, so that every worker opens its own
            self._maps = open_cache(self.folder, self.photos.has_masks)
        images, masks = self._maps
        for place in (self.photos[i].index for i in rows):
            yield images[place], None if masks is None else masks[place]

    def as_bytes(self) -> CarDataset:
        """The same photos for a `CarLoader`: those of a batch come as bytes if no transform changes them one by one.

        Returns:
            a `StoredDataset`, or this one itself.
        """
        return StoredDataset(self) if type(self) is CarDataset and self.transform is None else self

    def _decoded(self, rows: list[int]) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """With as many threads as torch may use, one in a worker process; Pillow releases the GIL."""
        threads = min(len(rows), torch.get_num_threads())
        if threads < 2:
            return [read_pair(self.photos[i], self.size) for i in rows]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda i: read_pair(self.photos[i], self.size), rows))

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_maps": None}  # pickled, a memory map would become all its bytes


class StoredDataset(CarDataset):
    """A `CarDataset` as a `CarLoader` asks it: the items of a batch come as bytes, and `collate` stacks them.

    Args:
        photos: without a transform; nothing is decoded again.
    """

    def __init__(self, photos: CarDataset) -> None:
        vars(self).update(photos.__getstate__())

    def __getitems__(self, rows: list[int]) -> list[Batch]:
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
    photos_per_epoch: int | None = None,
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
        photos_per_epoch: with ``shuffle``, how many photos an epoch has: others each time, none twice where there are
            enough; None for all.

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
    mixed = torch.Generator().manual_seed(seed)
    order = RandomSampler(photos, num_samples=photos_per_epoch, generator=mixed) if shuffle and len(photos) else None
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


def _tensors(image: np.ndarray, mask: np.ndarray | None) -> Batch:
    """x (3, h, w) and y (1, h, w), or x alone, of image (h, w, 3) and mask (h, w); not copied where torch may write."""
    x, *y = (torch.from_numpy(np.require(a, requirements="CW")) for a in (image, mask) if a is not None)
    return (x.permute(2, 0, 1), y[0][None]) if y else x.permute(2, 0, 1)


def _check_transform(cars: CarFolder, transform: Transform | None) -> None:
    if transform is not None and not cars.has_masks:
        raise DataError(f"{cars.root} was opened without masks: a joint transform of photo and mask needs both.")
