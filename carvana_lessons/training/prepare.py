"""What a training uses, made ready for the device and for several processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from carvana_lessons.data.batches import CarLoader, floats
from carvana_lessons.models import Provenance
from carvana_lessons.training.distributed import device_of, make_accelerator, share
from carvana_lessons.training.mixed_precision import make_scaler
from carvana_lessons.training.order import SeededWorkers, seed_epoch, seed_workers
from carvana_lessons.training.schedule import schedule as lr_schedule
from carvana_lessons.utils.device import autocast, find_precision, layout_for, move


@dataclass
class Prepared:
    """Model, optimiser, loaders and schedule of one training, and how far it has come.

    Attributes:
        accelerator: Accelerate's own object, which knows the processes.
        device: on which this process trains.
        precision: "no", "bf16" or "fp16".
        layout: order in memory of the network and its batches.
        model: the network as all processes train it together.
        optimizer: over the network's weights.
        scaler: multiplies the loss under float16, and does nothing otherwise.
        source: the training loader as it was given.
        train: this process's batches of it.
        valid: this process's batches of the validation photos, or None.
        worker_epoch: tells worker processes the number of the epoch; None where there are none.
        lr_factor: optimiser step, counted from 0 → factor on the learning rate.
        epochs: of the whole run.
        before: what the network had learned from before this training; None for a fresh one.
        settings: what decides the result, as a run's folder notes it.
        step: optimiser steps that were made.
        skipped: steps in a row that were left out, as float16 gradients were not finite.
        size: (height, width) of the last batch.
    """

    accelerator: Accelerator
    device: torch.device
    precision: str
    layout: torch.memory_format
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    source: DataLoader
    train: DataLoader
    valid: DataLoader | None
    worker_epoch: Tensor | None
    lr_factor: Callable[[int], float]
    epochs: int
    before: Provenance | None
    settings: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    skipped: int = 0
    size: tuple[int, int] | None = None

    @property
    def rank(self) -> int:
        """The number of this process, counted from 0."""
        return self.accelerator.process_index

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.accelerator.num_processes

    @property
    def batches(self) -> int:
        """Batches of an epoch, those of the validation photos among them."""
        return len(self.train) + (len(self.valid) if self.valid is not None else 0)

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Let order and augmentation of an epoch follow from these two numbers alone.

        Args:
            seed: of the run.
            epoch: counted from 0.
        """
        seed_epoch(self.source, seed, epoch, self.rank)
        if self.worker_epoch is not None:
            self.worker_epoch.fill_(epoch)

    def to_device(self, batch: Sequence[Tensor], loader: DataLoader) -> tuple[Tensor, Tensor]:
        """A batch as the network takes it; floats are made and photos augmented on the device, from fewer bytes.

        Args:
            batch: x and y as the loader gives them, bytes or floats.
            loader: which made it, and knows its transform.

        Returns:
            x (B, 3, H, W) float32 in [0, 1] and y (B, 1, H, W) float32 in {0, 1}, on the device.
        """
        moved = [part.to(self.device, non_blocking=self.device.type == "cuda") for part in batch]
        x, y = loader.finish(moved, self.layout) if isinstance(loader, CarLoader) else floats(moved, self.layout)
        self.size = tuple(x.shape[-2:])
        return x, y

    def forward(self, model: nn.Module, x: Tensor) -> Tensor:
        """Logits in float32, whatever they were computed in: a loss needs all digits.

        Args:
            model: the network.
            x: (B, 3, H, W) float32 on the device.

        Returns:
            (B, K, H, W) float32.
        """
        with autocast(self.device, self.precision):
            logits = model(x)
        return logits.float()


def prepare(
    model: nn.Module,
    train: DataLoader,
    valid: DataLoader | None,
    epochs: int,
    lr: float,
    schedule: str,
    halve_every: int,
    accumulate: int,
    precision: str | None,
    seed: int,
) -> Prepared:
    """Move a network, make its optimiser, and divide the loaders among the processes that train together.

    Args:
        model: it is moved in place.
        train: loader of the training photos.
        valid: loader of the validation photos, or None.
        epochs: of the whole run.
        lr: Adam's learning rate.
        schedule: name of the learning-rate schedule, as `carvana_lessons.training.schedule` knows it.
        halve_every: epochs after which "halving" halves the rate.
        accumulate: gradient accumulation: batches of a step.
        precision: "no", "bf16" or "fp16"; None for what suits the device.
        seed: of what worker processes draw.

    Returns:
        All that the loop uses.

    Raises:
        CarvanaError: if the device's memory is too small.
    """
    accelerator = make_accelerator(accumulate)
    device = device_of(accelerator)
    precision = precision or find_precision(device)
    layout = layout_for(model, device)
    network = move(model, device, memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=device.type == "cuda")
    optimizer.zero_grad()  # what an interrupted step, or a reader's own, left there is no part of this run
    seeded = seed_workers(train.stored() if isinstance(train, CarLoader) else train, seed)
    batches = accelerator.prepare_data_loader(seeded, device_placement=False)
    steps = math.ceil(len(batches) / accumulate)
    return Prepared(
        accelerator,
        device,
        precision,
        layout,
        model=accelerator.prepare_model(network, device_placement=False),
        optimizer=optimizer,
        scaler=make_scaler(device, precision),
        source=train,
        train=batches,
        valid=share(valid, accelerator.process_index, accelerator.num_processes) if valid is not None else None,
        worker_epoch=seeded.dataset.epoch if isinstance(seeded.dataset, SeededWorkers) else None,
        lr_factor=lr_schedule(schedule, epochs * steps, steps, halve_every),
        epochs=epochs,
        before=getattr(model, "provenance", None),
    )
