"""Photos stay bytes for as long as they travel: from disk to a batch, from a worker, to a GPU.

As floats a batch weighs four times as much, and every process and device it passes through pays for that. So a batch
is put together as it is stored, and becomes what a network takes at the last moment, all of it at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, default_collate, get_worker_info

from carvana_lessons.data.rebuild import rebuild_loader
from carvana_lessons.data.workers import leave_stopping_to_parent, watch_workers

PART = 2**20  # numbers; 4 MB as floats
Batch = tuple[Tensor, Tensor] | Tensor


class BatchTransform(Protocol):
    """A joint transform that takes a whole batch as well as one photo, and draws from a generator it is given.

    A loader applies it to a batch as a whole, where the batch is used; any other transform is called photo by photo
    where photos are read.

    Attributes:
        batched: True; it is what tells such a transform from another.

    Lesson:
        04.
    """

    batched: Literal[True]

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """x (B, 3, h, w) and y (B, 1, h, w), changed alike.

        Args:
            x: photos, (B, 3, h, w) in [0, 1].
            y: masks, (B, 1, h, w).
            generator: of the CPU; what is random is drawn from it; None for torch's global one.

        Returns:
            both changed, same shapes.
        """


def draw_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """The seed of what transforms draw in an epoch, other for each of the three numbers and than that of the order.

    Args:
        seed: of the loader.
        epoch: its number, counted from 0.
        rank: of the process, where several train together.

    Returns:
        the seed.
    """
    return random.Random(repr((seed, epoch, rank))).getrandbits(32)  # torch's generator takes no more bits


def photos_at_once(batch: Tensor) -> int:
    """How many photos of a batch (B, …) to work on at a time.

    On a CPU so many that they are still in the processor's cache at the next step, one for each thread at least; a GPU
    takes all of them.

    Args:
        batch: (B, …).

    Returns:
        how many, at least 1.
    """
    if batch.device.type != "cpu":
        return max(1, len(batch))
    threads = torch.get_num_threads()
    return max(threads, threads * PART // max(1, batch.shape[1:].numel()))


def layout_of(x: Tensor) -> torch.memory_format:
    """The order in memory of photos (B, C, h, w).

    Args:
        x: (B, C, h, w).

    Returns:
        ``torch.channels_last`` or ``torch.contiguous_format``.
    """
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def in_parts(
    change: Callable[..., tuple[Tensor, Tensor]], x: Tensor, y: Tensor, *each: Tensor, layout: torch.memory_format
) -> tuple[Tensor, Tensor]:
    """Change a batch, as many photos at a time as stay in the processor's cache.

    Args:
        change: takes a part of everything that follows, returns the part's photos and masks.
        x: photos (B, C, h, w).
        y: masks (B, 1, h, w).
        each: what else there is for each photo, (B, …).
        layout: of the photos that are returned.

    Returns:
        photos and masks of the whole batch, each what ``change`` gives for it, put together.
    """
    count = photos_at_once(x)
    if len(x) <= count:
        photos, masks = change(x, y, *each)
        return photos.contiguous(memory_format=layout), masks
    out = None
    for k, part in enumerate(zip(*(tensor.split(count) for tensor in (x, y, *each)), strict=True)):
        photos, masks = change(*part)
        if out is None:
            out = (
                torch.empty_like(photos[:1].expand(len(x), -1, -1, -1), memory_format=layout),
                masks.new_empty((len(x), *masks.shape[1:])),
            )
        for whole, changed in zip(out, (photos, masks), strict=True):
            whole[k * count :][: len(changed)].copy_(changed)
    return out


def collate(items: Sequence[Batch]) -> Batch:
    """A batch from its items, as torch's own ``default_collate``; photos that are bytes stay bytes.

    Args:
        items: (x, y) of each photo, x (3, h, w) and y (1, h, w); or x alone.

    Returns:
        x (B, 3, h, w) and y (B, 1, h, w), or x alone. Of uint8 items x lies in channels last, as photos are stored.

    Lesson:
        03.
    """
    alone = isinstance(items[0], Tensor)
    if not all(_is_photo(part) for part in ([items[0]] if alone else items[0])):
        return default_collate(items)
    batch = [_stack(parts) for parts in ([items] if alone else zip(*items, strict=True))]
    if get_worker_info() is not None:  # here, and not on the way out of the worker, where an error would be lost
        for part in batch:
            part.share_memory_()
    return batch[0] if alone else tuple(batch)


def _is_photo(part: Any) -> bool:
    return isinstance(part, Tensor) and part.dtype == torch.uint8 and part.dim() == 3


def _stack(photos: Sequence[Tensor]) -> Tensor:
    """(B, C, h, w) in channels last; ``torch.stack`` alone would turn every photo into the other order."""
    return torch.stack([photo.permute(1, 2, 0) for photo in photos]).permute(0, 3, 1, 2)


def floats(batch: Sequence[Tensor] | Tensor, layout: torch.memory_format = torch.contiguous_format) -> Batch:
    """A batch as a network takes it, on the device where it is; what is float already is only laid out.

    Args:
        batch: x (B, 3, h, w), uint8 or float, and with it y (B, 1, h, w) where there are masks.
        layout: of x; ``torch.channels_last`` is how stored photos lie already.

    Returns:
        x float32 in [0, 1], y float32 in {0, 1}, or x alone.

    Lesson:
        03.
    """
    if not isinstance(batch, Tensor):
        x, y = batch
        return floats(x, layout), y.float() if y.dtype == torch.uint8 else y
    if batch.dtype != torch.uint8:
        return batch.contiguous(memory_format=layout)
    out = torch.empty(batch.shape, dtype=torch.float32, device=batch.device, memory_format=layout)
    count = photos_at_once(batch)
    for part, pixels in zip(out.split(count), batch.split(count), strict=True):
        part.copy_(pixels).div_(255)
    return out


def as_bytes(dataset: Dataset) -> Dataset:
    """The same dataset, giving photos as bytes where it can, as a `CarDataset` or a part of one does.

    Args:
        dataset: any.

    Returns:
        the dataset of bytes; the same one where it gives none.
    """
    if type(dataset) is Subset:
        return Subset(as_bytes(dataset.dataset), dataset.indices)
    own = getattr(dataset, "as_bytes", None)
    return dataset if own is None else own()


class CarLoader(DataLoader):
    """A DataLoader whose batches come out of it as floats, and changed by its transform, whatever they were inside.

    Its dataset gives floats to everyone else. Where another loader is built from the parts of `stored()`, as
    Accelerate does, batches come as bytes; `finish` makes of them what this loader would have given.
    Its worker processes leave Ctrl-C to their parent, but with a ``worker_init_fn`` of another's own.

    Args:
        given: as torch's ``DataLoader`` takes it.
        transform: applied to whole batches.
        seed: of what the transform draws; every pass over the loader draws on. An epoch of its own: see `seed_epoch`.
        named: as torch's ``DataLoader`` takes it.

    Attributes:
        draws: the generator that the transform draws from.

    Lesson:
        03.
    """

    def __init__(self, *given: Any, transform: BatchTransform | None = None, seed: int = 0, **named: Any) -> None:
        super().__init__(*given, **named)
        self.worker_init_fn = self.worker_init_fn or leave_stopping_to_parent
        self.transform = transform
        self.draws = torch.Generator().manual_seed(draw_seed(seed, epoch=0))

    def __iter__(self) -> Iterator[Batch]:
        with watch_workers(self.num_workers):
            for batch in super().__iter__():
                yield self._pinned(self.finish(batch))

    def stored(self) -> CarLoader:
        """This loader over bytes, where its dataset has them and `collate` takes them; all else is shared.

        Returns:
            a loader over the same photos in the same order, whose batches are bytes; itself where there are none.
        """
        return rebuild_loader(self, as_bytes(self.dataset) if self.collate_fn is collate else None)

    def _get_iterator(self) -> Iterator[Any]:
        """Where torch starts to fetch: the one place at which bytes are asked for."""
        return DataLoader._get_iterator(self.stored())

    def finish(self, batch: Batch, layout: torch.memory_format = torch.contiguous_format) -> Batch:
        """A batch as a network takes it, on the device where it is.

        Args:
            batch: as `collate` makes it: bytes, or floats.
            layout: of the photos.

        Returns:
            as `floats`, changed by the transform where there is one.

        Lesson:
            04.
        """
        if self.transform is None:
            return floats(batch, layout)
        # Photo by photo on a CPU: what has just become floats is still at hand when it is looked up.
        return in_parts(lambda *part: self.transform(*floats(part), self.draws), *batch, layout=layout)

    def _pinned(self, batch: Batch) -> Batch:
        if not self.pin_memory:
            return batch
        return batch.pin_memory() if isinstance(batch, Tensor) else tuple(part.pin_memory() for part in batch)


def as_stored(loader: DataLoader) -> Iterator[Batch]:
    """The batches of a loader before they become floats: from a `CarLoader` bytes, from another one what it gives.

    Args:
        loader: any.

    Yields:
        x and y, or x alone, uint8 or float.
    """
    return DataLoader.__iter__(loader) if isinstance(loader, CarLoader) else iter(loader)
