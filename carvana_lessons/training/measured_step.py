"""Time and memory of the training steps of some settings, measured here and now, in a process of their own.

In this process the memory of what was done before would count, and a step that does not fit would end it.

Lesson:
    11.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass

import torch
from torch.utils.data import DataLoader, TensorDataset

from carvana_lessons import models
from carvana_lessons.training.trainer import Trainer
from carvana_lessons.utils.device import find_device
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.measure import Memory

ROUNDS = 3  # epochs of one batch each, after one that warms up
TOO_SMALL = "memory"  # what the process prints of a step that does not fit
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL} if hasattr(signal, "SIGKILL") else set()


@dataclass(frozen=True)
class MeasuredStep:
    """What training takes on this machine.

    Attributes:
        train_seconds: of a batch: forward, backward and step.
        valid_seconds: of a batch that is only looked at.
        memory: bytes: the most that a GPU's tensors took, on a processor how much the process grew.
        threads: of torch.
    """

    train_seconds: float
    valid_seconds: float
    memory: int
    threads: int


class TooSmall(CarvanaError):
    """The memory did not hold a step that was tried."""


def measure_step(network: str, width: int, size: int, batch_size: int) -> MeasuredStep:
    """Train for some steps on noise, with the course's own `Trainer`.

    Args:
        network: as `models.create` takes it.
        width: as `models.create` takes it.
        size: side of the input, in pixels.
        batch_size: photos per batch.

    Returns:
        medians over a few batches, after one that warms up.

    Raises:
        TooSmall: if the memory does not hold a step.
        CarvanaError: if the process fails for another reason.

    Lesson:
        11.
    """
    task = json.dumps({"network": network, "width": width, "size": size, "batch_size": batch_size})
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}  # a pipe has the code page of Windows otherwise
    done = subprocess.run(
        [sys.executable, "-m", __name__, task],
        capture_output=True, text=True, encoding="utf-8", errors="replace", env=environment, check=False,
    )  # fmt: skip
    if done.returncode in KILLED or (done.returncode and done.stdout.strip().endswith(TOO_SMALL)):
        raise TooSmall(f"The memory does not hold batches of {batch_size} photos of {size}×{size} in {network}.")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise CarvanaError(f"The steps of {network} at {size}×{size} could not be measured: {last}.")
    return MeasuredStep(**json.loads(done.stdout.splitlines()[-1]))


def _measure(network: str, width: int, size: int, batch_size: int) -> MeasuredStep:
    torch.manual_seed(0)
    model = models.create(network, width=width)
    x = torch.rand(batch_size, 3, size, size)
    batch = DataLoader(TensorDataset(x, (x[:, :1] > 0.5).float()), batch_size)
    with Memory() as memory:
        table = Trainer(model).fit(batch, batch, epochs=1 + ROUNDS).frame[1:]
    train = batch_size / table["images_per_second"]
    used = torch.cuda.max_memory_allocated() if find_device() == "cuda" else memory.growth
    return MeasuredStep(
        statistics.median(train), statistics.median(table["seconds"] - train), used, torch.get_num_threads()
    )


def _run(task: str) -> int:
    try:
        print(json.dumps(asdict(_measure(**json.loads(task)))))
    except (CarvanaError, MemoryError) as error:
        if isinstance(error, MemoryError) or "too small for" in str(error):
            print(TOO_SMALL)
        else:
            print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1]))
