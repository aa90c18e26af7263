"""The training loop of chapter 2 with what a long run needs around it."""

import math
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn
from torch.utils.data import DataLoader

from carvana_lessons.data.workers import watch_workers
from carvana_lessons.training.history import History
from carvana_lessons.training.loop import Run
from carvana_lessons.training.losses import bce
from carvana_lessons.utils.catalog import check_schedule
from carvana_lessons.utils.device import check_precision
from carvana_lessons.utils.errors import ArgumentError
from carvana_lessons.utils.memory import disable_malloc_trim
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.progress import Live, bar
from carvana_lessons.utils.wording import counted


class Trainer:
    """Train a network on a loader: on the CPU, on a GPU in mixed precision, on several under ``accelerate launch``.

    Args:
        model: (B, 3, H, W) in [0, 1] → logits (B, K, H, W), K = 1 or 2. It is trained in place.
        lr: Adam's learning rate; for "one-cycle" the highest one.
        loss: logits, target (B, 1, H, W) → scalar, as in `carvana_lessons.training.losses`.
        schedule: "constant", "halving" (every ``halve_every`` epochs) or "one-cycle", see `training.schedule`.
        accumulate: batches whose gradients are added up before a step, a larger batch for the same memory: the step is
            that of the mean over all their photos, fewer at the end of an epoch, where ``loss`` is a mean.
        clip: longest gradient allowed, as a norm over all weights; None for any. Without it, networks that have no
            batch norm diverge now and then.
        patience: epochs without a better Dice on validation after which training stops; None for never.
        precision: "bf16" or "fp16" for mixed precision, "no" for float32; None for what suits the device, see
            `carvana_lessons.utils.device.find_precision`.
        folder: keeps ``last.safetensors`` (everything needed to go on) and ``best.safetensors`` (the weights of the
            best epoch); None keeps nothing.
        seed: of the order of the photos and of what `carvana_lessons.data.Augment` draws, epoch by epoch.

    Raises:
        ValueError: for settings without sense.

    Source:
        the loop of slides [A] and [B].

    Lesson:
        02; 10 for several GPUs.
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
            raise ArgumentError(
                f"Gradients of {counted(accumulate, 'batch', 'batches')} cannot be added up; take 1 or more."
            )
        check_schedule(schedule)  # an unknown name is refused now, not after the photos were decoded
        self.model, self.lr, self.loss = model, lr, loss
        self.schedule, self.halve_every = schedule, halve_every
        self.accumulate, self.clip, self.patience = accumulate, clip, patience
        self.precision = check_precision(precision)
        self.folder = expand(folder) if folder is not None else None
        self.seed = seed
        self.history = History()
        self.run: str | None = None  # a name for what is kept in the folder, the same in last and best

    def fit(
        self,
        train: DataLoader,
        valid: DataLoader | None = None,
        epochs: int = 10,
        resume: bool = False,
        seconds: float | None = None,
        after_epoch: Callable[[nn.Module, int], object] | None = None,
        overwrite: bool = False,
    ) -> History:
        """Train for some epochs and look at the validation photos after each.

        Args:
            train: a loader of batches x (B, 3, H, W) in [0, 1], y (B, 1, H, W) in {0, 1}.
            valid: a loader of such batches.
            epochs: passes over ``train``, at least 1. A further call goes on with the weights and the history, and with
                a fresh optimiser and schedule.
            resume: go on from ``last.safetensors`` in the folder, if it is there, until ``epochs`` are done in all. The
                result is what an uninterrupted run gives, on a CPU to the last bit, as long as whatever draws does so
                from the global generators of torch, numpy and ``random``.
            seconds: no epoch is begun after that time; with ``resume`` the next call goes on. None for no limit.
            after_epoch: called with the network, in evaluation mode, and the number of the epoch, counted from 1, when
                that epoch is done and saved; it may look, and must not change weights. Every process calls its own.
            overwrite: begin anew in a folder that holds a run; that one is lost when the first epoch is done. The
                network begins with the weights that it has.

        Returns:
            the `History` of all epochs so far. The network is left in evaluation mode.

        Raises:
            Stopped: a KeyboardInterrupt, where somebody pressed stop: the network keeps what it has learned, the folder
                the last full epoch.
            ValueError: for less than one epoch.
            DataError: for photos of the course's loaders that are none, or have no masks.
            CarvanaError: when the loss stops being a finite number, when the GPU's memory is too small, when ``folder``
                cannot be written, is being written by another training or holds a run that is neither to be gone on
                with nor to be overwritten, and when the checkpoint is not of this run.
        """
        if epochs < 1:
            raise ArgumentError(f"{epochs} epochs train nothing; take 1 or more.")
        if resume and overwrite:
            raise ArgumentError("resume goes on with a run and overwrite begins anew; take one of the two.")
        for loader, what in ((train, "A training"), (valid, "A validation")):
            photos = getattr(getattr(loader, "dataset", None), "photos", None)  # of loaders of the course
            if photos is not None:
                photos.require(what)
        disable_malloc_trim()
        run = Run(self, train, valid, epochs)
        end = math.inf if seconds is None else time.monotonic() + seconds
        workers = sum(loader.num_workers for loader in (train, valid) if loader is not None)
        try:
            with run.together(), run.own_folder(), watch_workers(workers):  # found out now, not after the first epoch
                self._fit(run, run.begin(resume, overwrite), end, after_epoch)
        except KeyboardInterrupt as stop:
            raise run.stop(resume) from stop
        finally:
            self.model.eval()  # whether it trained or was done already
        return self.history

    def _fit(self, run: Run, done: int, end: float, after_epoch: Callable[[nn.Module, int], object] | None) -> None:
        live = Live()
        try:
            with bar(total=(run.epochs - done) * run.batches, desc="training", unit="batch") as progress:
                for epoch in range(done, run.epochs):
                    tired = epoch > 0 and self.patience is not None and self.stale >= self.patience
                    if tired or run.is_over(end):
                        break
                    progress.set_description(f"epoch {epoch + 1}/{run.epochs}")
                    run.epoch(epoch, progress)
                    live.update(self.history._repr_html_)
                    if after_epoch is not None:
                        after_epoch(self.model.eval(), len(self.history))
        finally:
            live.clear()

    @property
    def stale(self) -> int:
        """Epochs since the best Dice on validation."""
        return len(self.history) - self.history.best
