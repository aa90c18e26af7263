"""The training loop of chapter 2: forward, loss, backward, step, and around it what every long run needs.

Read it from top to bottom: `Trainer.fit` is the training, `Trainer._train_one_epoch` has the five steps, and
`Trainer._validate` looks at photos that the network does not learn from. What is no part of the loop has a file of its
own that knows nothing of this one: `prepare` makes everything ready, `run_folder` keeps a run on disk, `distributed`
lets several processes act together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.std import tqdm

from carvana_lessons.data.batches import as_stored
from carvana_lessons.data.workers import watch_workers
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.models.logits import car_logit
from carvana_lessons.training.distributed import any_process, sum_over_processes, watch_processes
from carvana_lessons.training.divergence import divergence
from carvana_lessons.training.history import History
from carvana_lessons.training.losses import bce
from carvana_lessons.training.mixed_precision import MAX_SKIPPED_STEPS, average_gradients, step_optimizer
from carvana_lessons.training.prepare import Prepared, prepare
from carvana_lessons.training.provenance import photos_of, trained_on
from carvana_lessons.training.run_folder import RunFolder
from carvana_lessons.training.settings import describe_settings
from carvana_lessons.utils.catalog import check_precision, check_schedule
from carvana_lessons.utils.device import enough_memory
from carvana_lessons.utils.errors import ArgumentError
from carvana_lessons.utils.memory import disable_malloc_trim
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.progress import Live, bar, which_run
from carvana_lessons.utils.wording import counted

SMALLER = "halve batch_size and double accumulate, or take a smaller size"
SETTINGS = ("lr", "schedule", "halve_every", "accumulate", "clip", "patience", "seed")  # those that are plain values
AfterEpoch = Callable[[nn.Module, int], object]


class Trainer:
    """Train a network on a loader: on the CPU, on a GPU in mixed precision, on several under ``accelerate launch``.

    Args:
        model: (B, 3, H, W) in [0, 1] → logits (B, K, H, W), K = 1 or 2. It is trained in place.
        lr: Adam's learning rate; for "one-cycle" the highest one.
        loss: logits, target (B, 1, H, W) → scalar, as in `carvana_lessons.training.losses`.
        schedule: "constant", "halving" (every ``halve_every`` epochs) or "one-cycle", see `training.schedule`.
        halve_every: epochs after which "halving" halves the learning rate.
        accumulate: gradient accumulation: batches whose gradients are added up before a step, a larger batch for the
            same memory. The step is that of the mean over all their photos, fewer at the end of an epoch, where
            ``loss`` is a mean.
        clip: gradient-norm clipping: the largest norm of the gradient over all parameters; None for any. Without it,
            networks that have no batch norm diverge now and then.
        patience: early stopping: epochs without a better validation Dice after which training ends; None for never.
        precision: "bf16" or "fp16" for mixed precision, "no" for float32; None for what suits the device, see
            `carvana_lessons.utils.device.find_precision`.
        folder: keeps ``last.safetensors`` (everything needed to continue) and ``best.safetensors`` (the weights of the
            best epoch); None keeps nothing.
        seed: of the order of the photos and of what `carvana_lessons.data.Augment` draws, epoch by epoch.

    Raises:
        ValueError: for settings without sense.

    Source:
        The loop of slides [A] and [B].

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
        self.run_folder = RunFolder(expand(folder) if folder is not None else None)
        self.seed = seed
        self.history = History()

    def fit(
        self,
        train: DataLoader,
        valid: DataLoader | None = None,
        epochs: int = 10,
        resume: bool = False,
        seconds: float | None = None,
        after_epoch: AfterEpoch | None = None,
        overwrite: bool = False,
    ) -> History:
        """Train for some epochs and look at the validation photos after each.

        Args:
            train: loader of batches x (B, 3, H, W) in [0, 1], y (B, 1, H, W) in {0, 1}.
            valid: a loader of the same kind, of photos that are not learned from; None for no validation.
            epochs: passes over ``train``, at least 1. A further call continues with the weights and the history, and
                with a fresh optimiser and schedule.
            resume: continue from ``last.safetensors`` in the folder, if it is there, until ``epochs`` are done in all.
                The result is that of an uninterrupted run, on a CPU to the last bit, if all random numbers are drawn
                from the global generators of torch, numpy and ``random``.
            seconds: no epoch is begun after that time; with ``resume`` the next call continues. None for no limit.
            after_epoch: called with the network, in evaluation mode, and the number of the epoch, counted from 1, when
                that epoch is done and saved; it may look, and must not change weights. Every process calls its own.
            overwrite: start a new run in a folder that holds one; that one is lost when the first epoch is done. The
                network begins with the weights that it has.

        Returns:
            The `History` of all epochs so far. The network is left in evaluation mode.

        Raises:
            Stopped: a KeyboardInterrupt, where somebody pressed stop: the network keeps what it has learned, the folder
                the last full epoch.
            ValueError: for less than one epoch.
            DataError: for photos of the course's loaders that are none, or have no masks.
            CarvanaError: when the loss stops being a finite number, when the GPU's memory is too small, when ``folder``
                cannot be written, is being written by another training or holds a run that is neither to be continued
                nor overwritten, and when the checkpoint is not of this run.
        """
        if epochs < 1:
            raise ArgumentError(f"{epochs} epochs train nothing; take 1 or more.")
        if resume and overwrite:
            raise ArgumentError("resume continues a run and overwrite starts a new one; take one of the two.")
        for loader, what in ((train, "A training"), (valid, "A validation")):
            if (photos := photos_of(loader)) is not None:
                photos.require(what)
        disable_malloc_trim()
        run = prepare(
            self.model, train, valid, epochs, lr=self.lr, schedule=self.schedule, halve_every=self.halve_every,
            accumulate=self.accumulate, precision=self.precision, seed=self.seed,
        )  # fmt: skip
        if self.run_folder.folder is not None:  # told now: whatever a loss counts changes while it is used
            plain = {name: getattr(self, name) for name in SETTINGS}
            run.settings = describe_settings(self.model, self.loss, plain, train, valid, run.processes)
        end = math.inf if seconds is None else time.monotonic() + seconds
        workers = sum(loader.num_workers for loader in (train, valid) if loader is not None)
        try:
            with watch_processes(run.processes), self.run_folder.own(run.accelerator), watch_workers(workers):
                done, self.history = self.run_folder.begin(run, self.model, self.history, resume, overwrite)
                self._train(run, done, end, after_epoch)
        except KeyboardInterrupt as stop:
            raise self.run_folder.interrupt_message(resume, len(self.history)) from stop
        finally:
            self.model.eval()  # whether it trained or was done already
        return self.history

    def _train(self, run: Prepared, done: int, end: float, after_epoch: AfterEpoch | None) -> None:
        """Epoch after epoch: train, validate, write down, save."""
        live = Live()
        try:
            with bar(total=(run.epochs - done) * run.batches, desc=f"{which_run()}training", unit="batch") as progress:
                for epoch in range(done, run.epochs):
                    out_of_patience = epoch > 0 and self.patience is not None and self.history.stale >= self.patience
                    if out_of_patience or any_process(time.monotonic() >= end):
                        break
                    progress.set_description(f"{which_run()}epoch {epoch + 1}/{run.epochs}")
                    began = time.perf_counter()
                    run.seed_epoch(self.seed, epoch)
                    loss, speed = self._train_one_epoch(run, epoch, progress)
                    scores = self._validate(run, progress) if run.valid is not None else {}
                    self._note_provenance(run)
                    seconds = time.perf_counter() - began
                    row = {"epoch": len(self.history) + 1, "loss": loss, "images_per_second": speed}
                    self.history.append(**row, seconds=seconds, **scores)
                    progress.set_postfix(loss=f"{loss:.4f}", **{k: f"{v:.4f}" for k, v in scores.items()})
                    self.run_folder.save(run, self.model, self.history, epoch + 1)
                    live.update(self.history._repr_html_)
                    if after_epoch is not None:
                        after_epoch(self.model.eval(), len(self.history))
        finally:
            live.clear()

    def _train_one_epoch(self, run: Prepared, epoch: int, progress: tqdm) -> tuple[float, float]:
        """One pass over the training photos; mean loss, and images per second of all processes together."""
        run.model.train()
        total, images, began = 0.0, 0, time.perf_counter()
        first = added = 0  # photos of the first batch of a step, and of all its batches so far
        for k, batch in enumerate(run.train):
            with enough_memory(run.device, batch[0], SMALLER), run.accelerator.accumulate(run.model):
                x, y = run.to_device(batch, run.source)
                if k == 0:  # before it learns: a training that is stopped now has changed the network, too
                    self._note_provenance(run)
                logits = run.forward(run.model, x)  # 1. forward
                loss = self.loss(logits, y)  # 2. loss
                value = loss.item()
                if not math.isfinite(value):
                    raise self._divergence(f"The loss became {value}", run, epoch, k)
                first, added = first or len(x), added + len(x)
                run.accelerator.backward(run.scaler.scale(loss * (len(x) / first)))  # 3. backward
                if run.accelerator.sync_gradients:
                    average_gradients(run.model, run.optimizer, run.scaler, self.accumulate * first / added)
                    if self.clip is not None:  # 4. clip and step, at the learning rate of the schedule
                        nn.utils.clip_grad_norm_(run.model.parameters(), self.clip)
                    made = step_optimizer(run.optimizer, run.scaler, self.lr * run.lr_factor(run.step))
                    run.optimizer.zero_grad()  # 5. clear the gradients
                    run.step, run.skipped = run.step + made, 0 if made else run.skipped + 1
                    first = added = 0
                if run.skipped == MAX_SKIPPED_STEPS:
                    raise self._divergence("The gradients never became finite", run, epoch, k)
            total, images = total + value * len(x), images + len(x)
            progress.update()
        total, images = sum_over_processes(total, images)
        return total / images, images / (time.perf_counter() - began)

    @torch.no_grad()  # inference_mode's tensors cannot be exchanged between processes by torch 2.5
    def _validate(self, run: Prepared, progress: tqdm) -> dict[str, float]:
        """Mean loss and mean Dice over the validation photos, at the network's input size, over all processes."""
        model = self.model.eval()
        if run.processes > 1:
            # Each has batch norm's means of its own photos; those of the first one are saved.
            broadcast(list(model.buffers()))
        loss, score, images = 0.0, 0.0, 0
        for batch in as_stored(run.valid):
            with enough_memory(run.device, batch[0], "halve batch_size of the validation photos"):
                x, y = run.to_device(batch, run.valid)
                logits = car_logit(run.forward(model, x))
                loss += self.loss(logits, y).item() * len(x)
                score += dice(logits > 0, y > 0.5).sum().item()
            images += len(x)
            progress.update()
        loss, score, images = sum_over_processes(loss, score, images)
        return {"valid_loss": loss / images, "valid_dice": score / images}

    def _note_provenance(self, run: Prepared) -> None:
        self.model.provenance = trained_on(run.before, run.size, run.precision, run.source, run.valid)

    def _divergence(self, what: str, run: Prepared, epoch: int, batch: int) -> Exception:
        position = batch * run.processes + run.rank
        last = self.run_folder.file("last")
        about = {"seed": self.seed, "lr": self.lr, "precision": run.precision, "last": last}
        return divergence(what, run.source, epoch, batch, position, **about)
