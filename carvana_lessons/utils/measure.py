"""Measure what loading data costs: time, memory, and whether workers draw the same random numbers.

Lesson:
    03.
"""
# ruff: noqa: NPY002 - that numpy's global generator is legacy is what `RandomDraws` is about

from __future__ import annotations

import gc
import math
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from torch.utils.data import Dataset


def cores() -> int:
    """How many processor cores this process may use; a container often has fewer than its machine.

    ``docker run --cpus 2`` and JupyterHub's ``cpu_limit`` leave all cores in sight and give so much of their time: that
    counts here, too, rounded up.

    Returns:
        at least 1.
    """
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(seen, _granted())))


def _granted(system: Path = Path("/")) -> float:
    """Cores' worth of time that the control groups of this process grant on Linux; infinity where none limits it."""
    try:
        groups = (system / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return math.inf
    least = math.inf
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = system / "sys/fs/cgroup" / ("cpu" if controllers else "")
        place = top / path.lstrip("/")  # not there in a container, whose own limit is at the top
        for folder in (place, *place.parents):
            least = min(least, _quota(folder))
            if folder == top:
                break
    return least


def _quota(folder: Path) -> float:
    """The limit of one control group: microseconds of time in each period, of version 2 in one file, of 1 in two."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            files = (folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
            quota, period = (file.read_text(encoding="utf-8") for file in files)
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError):  # "max"
        return math.inf


def machine_memory() -> int:
    """Bytes of memory that this machine has.

    Returns:
        bytes.
    """
    return psutil.virtual_memory().total


def median_milliseconds(call: Callable[[Any], Any], items: Iterable, repeats: int = 3) -> float:
    """The median time of ``call(item)``, over all items, each ``repeats`` times, after one call to warm up.

    The median, because other work of the machine for a moment spoils a mean.

    Args:
        call: what is timed; its result is dropped.
        items: what it is called with, one after the other.
        repeats: calls for each item.

    Returns:
        milliseconds for one call.

    Lesson:
        03.
    """
    # torch.utils.benchmark.Timer is not enough: it repeats one call, which then reads from memory what a new photo
    # would read from the disk, and it sets torch to one thread.
    items = list(items)
    call(items[0])
    times = []
    for _ in range(repeats):
        for item in items:
            began = time.perf_counter()
            call(item)
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


class Throughput(NamedTuple):
    """One pass over a loader: seconds until the first batch, and images per second over the whole pass.

    Attributes:
        first: seconds until the first batch.
        rate: images per second.
    """

    first: float
    rate: float


def throughput(batches: Iterable) -> Throughput:
    """Iterate once over batches and do nothing with them; the start of workers counts.

    Args:
        batches: of tensors, or of tuples whose first member is one; the first dimension counts the images.

    Returns:
        the times of that pass.

    Lesson:
        03.
    """
    began, first, images = time.perf_counter(), 0.0, 0
    for batch in batches:
        first = first or time.perf_counter() - began
        images += len(batch if isinstance(batch, torch.Tensor) else batch[0])
    return Throughput(first, images / (time.perf_counter() - began))


class Memory:
    """How much this process grows while a ``with`` block runs: its resident memory, sampled every few milliseconds.

    Memory that was freed before the block and is used again inside it does not count as growth.

    Lesson:
        03.

    Args:
        every: seconds between two samples.
    """

    def __init__(self, every: float = 0.005) -> None:
        self._every, self._process = every, psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._start = self._peak = 0

    # tracemalloc does not see torch's tensors, and resource.getrusage knows only the peak since the process began.
    @property
    def growth(self) -> int:
        """Bytes between the start of the block and the peak so far."""
        self._look()
        return self._peak - self._start

    def __enter__(self) -> Memory:
        gc.collect()
        self._start = self._peak = self._process.memory_info().rss
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._look()
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        if not self._done.is_set():  # what comes after the block does not count
            self._peak = max(self._peak, self._process.memory_info().rss)

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self._look()


class RandomDraws(Dataset):
    """Eight random numbers below 1000, drawn in one of three ways.

    Args:
        way: "global", from NumPy's global generator; "early", from a generator made here; "late", from one made at the
            first draw, in the process that draws.

    Lesson:
        appendix-loading.
    """

    def __init__(self, way: str) -> None:
        self.way = way
        self.rng = np.random.default_rng(0) if way == "early" else None

    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> int:
        if self.way == "global":
            return np.random.randint(1000)
        if self.rng is None:  # "late": at the first draw, in the process that draws
            self.rng = np.random.default_rng(torch.initial_seed())
        return int(self.rng.integers(1000))
