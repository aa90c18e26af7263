"""What several processes do together: one loader shared, one sum, one answer, and one of them at the disk.

``accelerate launch`` starts them, one for each GPU, and Accelerate averages their gradients. A single process finds
itself alone here, and everything means what it says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from carvana_lessons.data.rebuild import rebuild_loader
from carvana_lessons.utils.device import find_device
from carvana_lessons.utils.errors import CarvanaError

LOST = re.compile(r"^Dist\w*Error|gloo|Connection (?:closed|reset|refused)|Broken pipe")  # what torch says then


def is_distributed() -> bool:
    """Whether this is one of several processes of one training, as torchrun and ``accelerate launch`` tell each.

    Returns:
        True for one of several.
    """
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def make_accelerator(accumulate: int) -> Accelerator:
    """Accelerate for what several processes share; device and precision are the trainer's own business.

    Accelerate keeps both for the life of the process: a second run on another device or in another precision would
    silently get those of the first, or fail.

    Args:
        accumulate: batches whose gradients are added up before a step.

    Returns:
        The accelerator; it moves nothing to a device.
    """
    return Accelerator(
        cpu=is_distributed() and find_device() == "cpu",
        device_placement=False,
        mixed_precision="no",
        gradient_accumulation_steps=accumulate,
    )


def device_of(accelerator: Accelerator) -> torch.device:
    """Where this process trains: each of several has a device of its own.

    Args:
        accelerator: as `make_accelerator` makes it.

    Returns:
        The device.

    Raises:
        CarvanaError: as `find_device`.
    """
    return accelerator.device if accelerator.num_processes > 1 else torch.device(find_device())


class EveryNth:
    """Every n-th of an order of photos or batches, so that several processes divide it without a word.

    Args:
        order: a sampler or a batch sampler; it must be the same in every process.
        first: where to begin, counted from 0.
        n: the number of processes.
    """

    def __init__(self, order: Iterable, first: int, n: int) -> None:
        self.order, self.first, self.n = order, first, n

    def __iter__(self) -> Iterator:
        return islice(iter(self.order), self.first, None, self.n)

    def __len__(self) -> int:
        return len(range(self.first, len(self.order), self.n))


def share(loader: DataLoader, rank: int, count: int) -> DataLoader:
    """One process's photos of a loader: every photo in exactly one process, none twice.

    For training Accelerate does that, and repeats photos until all have equally many batches; a mean over validation
    photos must not count one twice.

    Args:
        loader: any; of a shuffled one the photos come in the dataset's order.
        rank: of this process, counted from 0.
        count: of processes.

    Returns:
        The loader itself for a single process, or one over every ``count``-th photo; over every ``count``-th batch
        where a batch sampler of one's own decides which photos make one.

    Lesson:
        10.
    """
    if count == 1:
        return loader
    if loader.batch_sampler is not None and loader.batch_size is None:
        return rebuild_loader(loader, batch_sampler=EveryNth(loader.batch_sampler, rank, count))
    shuffled = isinstance(loader.sampler, RandomSampler)  # each process would draw an order of its own
    order = SequentialSampler(loader.dataset) if shuffled else loader.sampler
    return rebuild_loader(loader, sampler=EveryNth(order, rank, count))


def sum_over_processes(*values: float) -> list[float]:
    """Sums over all processes.

    Args:
        values: this process's part of each.

    Returns:
        The sums, the same in every process.
    """
    return [sum(column) for column in zip(*gather_object([values]), strict=True)]


def any_process(condition: bool) -> bool:
    """Whether something holds in one of the processes: all answer alike, or one would train alone.

    Args:
        condition: whether it holds in this process.

    Returns:
        True in every process if it does in one.
    """
    return any(gather_object([condition]))


def on_main_process(accelerator: Accelerator, act: Callable[[], object]) -> None:
    """Let the main process alone do something, as writing to a disk.

    Args:
        accelerator: as `make_accelerator` makes it.
        act: what it does.

    Raises:
        CarvanaError: in the other processes, with what went wrong in the main one, so that none waits for it.
        Exception: whatever ``act`` raises, in the main process.
    """
    if accelerator.num_processes == 1:
        act()
        return
    wrong = None
    if accelerator.is_main_process:
        try:
            act()
        except Exception as error:  # whatever it is, the others must hear of it
            wrong = error
    said = gather_object([wrong and f"{wrong}"])[0]
    if wrong is not None:
        raise wrong
    if said is not None:
        raise CarvanaError(said)


@contextmanager
def watch_processes(count: int) -> Iterator[None]:
    """Around what several processes do together: that another one has ended is said in one sentence.

    Args:
        count: of processes.

    Raises:
        CarvanaError: if another process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if count > 1 and LOST.search(f"{type(error).__name__} {error}"):
            raise CarvanaError(
                "Another process of this training has ended, so this one cannot go on alone: what that one said "
                "last tells why."
            ) from error
        raise
