"""What a training may use of this machine: its device, its memory, its cores.

Lesson:
    02.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from carvana_lessons.utils.device import find_device, find_precision
from carvana_lessons.utils.measure import cores

OF_GPU, OF_COMPUTER = 0.9, 0.5  # of what is free: a computer has other programs to run, a GPU has not
# Limit and use of a container, under cgroups 2 and 1; psutil reports the whole machine's.
CONTAINER = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


@dataclass(frozen=True)
class Machine:
    """Where a network trains.

    Attributes:
        device: "cuda", "mps" or "cpu".
        memory: bytes that a training may take.
        cores: of the processor that this process may use.
        precision: of training, "no", "bf16" or "fp16".
        name: of the GPU; empty for a processor.
    """

    device: str
    memory: int
    cores: int
    precision: str = "no"
    name: str = ""


def this_machine() -> Machine:
    """The machine that this process runs on, as it is now.

    Of a GPU's free memory nine tenths may be used, of a computer's half.

    Returns:
        device, memory that is free for a training, cores.

    Raises:
        CarvanaError: as `find_device`.

    Lesson:
        02.
    """
    device = find_device()
    memory, name = int(OF_COMPUTER * free_memory()), ""
    if device == "cuda":
        memory, name = int(OF_GPU * torch.cuda.mem_get_info()[0]), torch.cuda.get_device_name()
    elif device == "mps":  # it shares the computer's memory
        memory = min(memory, torch.mps.recommended_max_memory())
    return Machine(device, memory, cores(), find_precision(device), name)


def free_memory() -> int:
    """Memory that programs can still get, in a container within its limit.

    Returns:
        bytes.
    """
    free = psutil.virtual_memory().available
    for limit, used in CONTAINER:
        with suppress(OSError, ValueError):  # no such file, or "max", which is no number
            most, taken = (int(Path(file).read_text(encoding="utf-8")) for file in (limit, used))
            free = min(free, max(0, most - taken))
    return free
