"""Photos stay bytes for as long as they travel: from disk to a batch, from a worker, to a GPU.

As floats a batch weighs four times as much, and every process and device it passes through pays for that. So a batch
is put together as it is stored, and becomes what a network takes at the last moment, all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate, get_worker_info

from carvana_lessons.data.workers import watch_workers

PART = 2**20  # numbers; 4 MB as floats
Batch = tuple[Tensor, Tensor] | Tensor


class Stored(list):
    """The photos of a batch as bytes. To whoever takes items from it, as `default_collate` does, a list of floats.

    It is a list, and not something like one, because `torch.stack` takes nothing else; it is filled when it is asked.

    Args:
        images: (B, h, w, 3) uint8.  masks: (B, h, w) uint8 in {0, 1}, or None.
    Lesson: 03.
    """

    def __init__(self, images: np.ndarray, masks: np.ndarray | None) -> None:
        super().__init__()
        self.images, self.masks = images, masks

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Batch:
        self._fill()
        return super().__getitem__(i)

    def __iter__(self) -> Iterator[Batch]:
        self._fill()
        return super().__iter__()

    def _fill(self) -> None:
        if super().__len__() == 0:
            batch = floats(self.tensors())
            self.extend(batch if isinstance(batch, Tensor) else zip(*batch, strict=True))

    def tensors(self) -> Batch:
        """x (B, 3, h, w) and y (B, 1, h, w), both uint8, on the same memory."""
        x = torch.from_numpy(self.images).permute(0, 3, 1, 2)
        return x if self.masks is None else (x, torch.from_numpy(self.masks)[:, None])


def collate(items: Sequence) -> Batch:
    """A batch from its items: bytes of photos that are stored, floats of those that a transform has changed."""
    if not isinstance(items, Stored):
        return default_collate(items)
    batch = items.tensors()
    if get_worker_info() is not None:  # here, and not on the way out of the worker, where an error would be lost
        for part in [batch] if isinstance(batch, Tensor) else batch:
            part.share_memory_()
    return batch


def floats(batch: Sequence[Tensor] | Tensor, layout: torch.memory_format = torch.contiguous_format) -> Batch:
    """A batch as a network takes it, on the device where it is; what is float already is only laid out.

    Args:
        batch: x (B, 3, h, w), uint8 or float, and with it y (B, 1, h, w) where there are masks.
        layout: of x; ``torch.channels_last`` is how stored photos lie already.
    Returns: x float32 in [0, 1], y float32 in {0, 1}, or x alone.
    Lesson: 03.
    """
    if not isinstance(batch, Tensor):
        x, y = batch
        return floats(x, layout), y.float() if y.dtype == torch.uint8 else y
    if batch.dtype != torch.uint8:
        return batch.contiguous(memory_format=layout)
    out = torch.empty(batch.shape, dtype=torch.float32, device=batch.device, memory_format=layout)
    # In parts, which are still in the processor's cache when they are divided; a GPU takes all of them at once.
    count = max(1, PART // batch.shape[1:].numel()) if batch.device.type == "cpu" else len(batch)
    for part, pixels in zip(out.split(count), batch.split(count), strict=True):
        part.copy_(pixels).div_(255)
    return out


class CarLoader(DataLoader):
    """A DataLoader whose batches come out of it as floats, whatever they were inside.

    Where another loader is built from its parts, as Accelerate does, batches come as bytes: see `floats`.
    Lesson: 03.
    """

    def __iter__(self) -> Iterator[Batch]:
        with watch_workers(self.num_workers):
            for batch in super().__iter__():
                yield self._pinned(floats(batch))

    def _pinned(self, batch: Batch) -> Batch:
        if not self.pin_memory:
            return batch
        return batch.pin_memory() if isinstance(batch, Tensor) else tuple(part.pin_memory() for part in batch)


def as_stored(loader: DataLoader) -> Iterator[Batch]:
    """The batches of a loader before they become floats: from a `CarLoader` bytes, from another one what it gives."""
    return DataLoader.__iter__(loader) if isinstance(loader, CarLoader) else iter(loader)
