"""Time and memory of one network, measured in a separate process, so that memory of another network does not count.

Lesson:
    09.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from carvana_lessons import models
from carvana_lessons.data.batches import CarLoader, collate
from carvana_lessons.prediction.inference import car_logits
from carvana_lessons.training import Trainer
from carvana_lessons.utils.device import find_device
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.measure import Memory
from carvana_lessons.utils.prefetch import prefetch

BATCHES, ROUNDS = 6, 3


@dataclass(frozen=True)
class Speed:
    """Time and memory of a network, without decoding.

    Attributes:
        train_ms: of a training step, per image.
        test_ms: of a forward pass, per image; with the copy to the GPU.
        memory_mb: peak memory of training, in 10⁶ bytes: the GPU's, on a CPU the growth of the process.
        device: "cpu", "cuda" or "mps".
        threads: of torch.
    """

    train_ms: float
    test_ms: float
    memory_mb: float
    device: str
    threads: int


def measure_speed(name: str, width: int | None, size: int, batch_size: int) -> Speed:
    """Train a network for some steps on noise and run it on batches, in a new process.

    Args:
        name: as `models.create` takes it.
        width: as `models.create` takes it.
        size: side of the input.
        batch_size: images per step.

    Returns:
        medians over a few rounds, after one that warms up.

    Raises:
        CarvanaError: if the process fails.

    Lesson:
        09.
    """
    task = json.dumps({"name": name, "width": width, "size": size, "batch_size": batch_size})
    command = [sys.executable, "-m", __name__, task]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}  # a pipe has the code page of Windows otherwise
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)
    if done.returncode:
        raise CarvanaError(f"The speed of {name} could not be measured: {done.stderr.strip().splitlines()[-1:]}.")
    return Speed(**json.loads(done.stdout.splitlines()[-1]))


class Noise(Dataset):
    """Photos of noise as the decoded copy stores them, in memory; car is where red is bright.

    Args:
        count: photos.
        size: side.
    """

    def __init__(self, count: int, size: int) -> None:
        self.images = np.random.default_rng(0).integers(256, size=(count, size, size, 3), dtype=np.uint8)
        self.masks = (self.images[..., 0] > 127).view(np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.images[i]).permute(2, 0, 1), torch.from_numpy(self.masks[i])[None]


def noise(batches: int, size: int, batch_size: int) -> CarLoader:
    """Batches of noise, loaded as `carvana_lessons.data.loader` does: as bytes, pinned for a GPU.

    Args:
        batches: how many.
        size: side of a photo, in pixels.
        batch_size: photos in a batch.

    Returns:
        a loader of x (B, 3, size, size) and y (B, 1, size, size).
    """
    pinned = find_device() == "cuda"
    return CarLoader(Noise(batches * batch_size, size), batch_size, collate_fn=collate, pin_memory=pinned)


def _measure(name: str, width: int | None, size: int, batch_size: int) -> Speed:
    model = models.create(name, width=width)
    batches = noise(BATCHES, size, batch_size)
    with Memory() as memory:
        history = Trainer(model).fit(batches, epochs=1 + ROUNDS)
    device = next(model.parameters()).device
    used = torch.cuda.max_memory_allocated() if device.type == "cuda" else memory.growth
    tests = []
    for round_ in range(1 + ROUNDS):
        began = time.perf_counter()
        for x, _ in prefetch(batches):  # as `predict` does
            car_logits(model, x).sum().item()  # .item() waits for the GPU
        if round_:
            tests.append(1000 * (time.perf_counter() - began) / len(batches.dataset))
    train = 1000 / statistics.median(history.frame["images_per_second"][1:])
    return Speed(train, statistics.median(tests), used / 1e6, find_device(), torch.get_num_threads())


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(**json.loads(sys.argv[1])))))
