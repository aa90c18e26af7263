"""The training loop of chapter 2 with what a long run needs around it."""

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn
from torch.utils.data import DataLoader

from carvana_lessons import schedule as schedules
from carvana_lessons.allocator import keep_memory
from carvana_lessons.data.workers import watch_workers
from carvana_lessons.device import check_precision
from carvana_lessons.errors import ArgumentError
from carvana_lessons.files import make_folder, writing
from carvana_lessons.history import History
from carvana_lessons.losses import bce
from carvana_lessons.progress import Live, bar
from carvana_lessons.trainer.loop import Run


class Trainer:
    """Train a network on a loader: on the CPU, on a GPU in mixed precision, on several under ``accelerate launch``.

    Args:
        model: (B, 3, H, W) in [0, 1] → logits (B, K, H, W), K = 1 or 2. It is trained in place.
        lr: Adam's learning rate; for "one-cycle" the highest one.
        loss: logits, target (B, 1, H, W) → scalar, as in `carvana_lessons.losses`.
        schedule: "constant", "halving" (every ``halve_every`` epochs) or "one-cycle", see `carvana_lessons.schedule`.
        accumulate: batches whose gradients are added up before a step; a larger batch for the same memory.
        clip: longest gradient allowed, as a norm over all weights; None for any. Without it, networks that have no
            batch norm diverge now and then.
        patience: epochs without a better Dice on validation after which training stops; None for never.
        precision: "bf16" or "fp16" for mixed precision, "no" for float32; None for what suits the device, see
            `carvana_lessons.device.find_precision`.
        folder: keeps ``last.safetensors`` (everything needed to go on) and ``best.safetensors`` (the weights of the
            best epoch); None keeps nothing.
        seed: of the order of the photos and of what `carvana_lessons.data.Augment` draws, epoch by epoch.
    Raises: ValueError for settings without sense.
    Source: the loop of slides [A] and [B].  Lesson: 02; on several GPUs: 10.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        loss: Callable[[Tensor, Tensor], Tensor] = bce,
        schedule: str = "constant",
        halve_every: int = 40,
        accumulate: int = 1,
        clip: float | None = 1.0,
        patience: int | None = None,
        precision: str | None = None,
        folder: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        if accumulate < 1:
            raise ArgumentError(f"Gradients of {accumulate} batches cannot be added up; take 1 or more.")
        schedules.schedule(schedule, 1, 1)  # an unknown name is refused now, not after the photos were decoded
        self.model, self.lr, self.loss = model, lr, loss
        self.schedule, self.halve_every = schedule, halve_every
        self.accumulate, self.clip, self.patience = accumulate, clip, patience
        self.precision = check_precision(precision)
        self.folder = Path(folder) if folder is not None else None
        self.seed = seed
        self.history = History()

    def fit(
        self,
        train: DataLoader,
        valid: DataLoader | None = None,
        epochs: int = 10,
        resume: bool = False,
        seconds: float | None = None,
        after_epoch: Callable[[nn.Module, int], object] | None = None,
    ) -> History:
        """Train for some epochs and look at the validation photos after each.

        Args:
            train, valid: loaders of batches x (B, 3, H, W) in [0, 1], y (B, 1, H, W) in {0, 1}.
            epochs: passes over ``train``, at least 1. A further call goes on with the weights and the history, and
                with a fresh optimiser and schedule.
            resume: go on from ``last.safetensors`` in the folder, if it is there, until ``epochs`` are done in all.
                The result is what an uninterrupted run gives, on a CPU to the last bit.
            seconds: no epoch is begun after that time; with ``resume`` the next call goes on. None for no limit.
            after_epoch: called with the network, in evaluation mode, and the number of the epoch, counted from 1, when
                that epoch is done and saved; it may look, and must not change weights. Every process calls its own.
        Returns: the `History` of all epochs so far. Interrupting (Ctrl-C, the stop button) ends the run with what it
            has learned.
        Raises: ValueError for less than one epoch; CarvanaError when the loss stops being a finite number, when the
            GPU's memory is too small, when ``folder`` cannot be written, and when the checkpoint is not of this run.
        """
        if epochs < 1:
            raise ArgumentError(f"{epochs} epochs train nothing; take 1 or more.")
        if self.folder is not None:  # found out now, not after the first epoch
            make_folder(self.folder)
            with writing(self.folder):
                tempfile.TemporaryFile(dir=self.folder).close()
        keep_memory()
        run = Run(self, train, valid, epochs)
        done = run.resume() if resume else 0
        end = math.inf if seconds is None else time.monotonic() + seconds
        live = Live()
        workers = sum(loader.num_workers for loader in (train, valid) if loader is not None)
        try:
            with (
                watch_workers(workers),
                bar(total=(epochs - done) * run.batches, desc="training", unit="batch") as progress,
            ):
                for epoch in range(done, epochs):
                    if run.is_over(end):
                        break
                    progress.set_description(f"epoch {epoch + 1}/{epochs}")
                    run.epoch(epoch, progress)
                    live.update(self.history._repr_html_)
                    if after_epoch is not None:
                        after_epoch(self.model.eval(), len(self.history))
                    if self.patience is not None and self.stale >= self.patience:
                        break
        except KeyboardInterrupt:
            if run.accelerator.is_main_process:
                print(run.farewell())
        finally:
            live.clear()
        return self.history

    @property
    def stale(self) -> int:
        """Epochs since the best Dice on validation."""
        scores = self.history.frame["valid_dice"]
        return 0 if scores.isna().all() else len(scores) - 1 - int(scores.astype(float).argmax())
