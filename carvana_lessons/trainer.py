"""The training loop of chapter 2 with what a long run needs around it."""

import math
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from carvana_lessons import checkpoint
from carvana_lessons.errors import CarvanaError
from carvana_lessons.history import History
from carvana_lessons.losses import bce
from carvana_lessons.metrics import car_logit, dice
from carvana_lessons.progress import Live, bar
from carvana_lessons.schedule import schedule


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
        compile: let torch.compile rewrite the network; minutes at first, for long runs on a GPU.
        folder: keeps ``last.safetensors`` (everything needed to go on) and ``best.safetensors`` (the weights of the
            best epoch); None keeps nothing.
        seed: of the order of the photos, epoch by epoch.
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
        compile: bool = False,
        folder: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        if accumulate < 1:
            raise ValueError(f"Gradients of {accumulate} batches cannot be added up; take 1 or more.")
        self.model, self.lr, self.loss = model, lr, loss
        self.schedule, self.halve_every = schedule, halve_every
        self.accumulate, self.clip, self.patience, self.compile = accumulate, clip, patience, compile
        self.folder = Path(folder) if folder is not None else None
        self.seed = seed
        self.history = History()
        self._factor(steps=1, steps_an_epoch=1)  # an unknown name is refused now, not after the photos were decoded

    def fit(
        self, train: DataLoader, valid: DataLoader | None = None, epochs: int = 10, resume: bool = False
    ) -> History:
        """Train for some epochs and look at the validation photos after each.

        Args:
            train, valid: loaders of batches x (B, 3, H, W) in [0, 1], y (B, 1, H, W) in {0, 1}.
            epochs: passes over ``train``, at least 1. A further call goes on with the weights and the history, and
                with a fresh optimiser and schedule.
            resume: go on from ``last.safetensors`` in the folder, if it is there, until ``epochs`` are done in all.
                The result is what an uninterrupted run gives, on a CPU to the last bit.
        Returns: the `History` of all epochs so far. Interrupting (Ctrl-C, the stop button) ends the run with what it
            has learned.
        Raises: ValueError for less than one epoch; CarvanaError when the loss stops being a finite number, when the
            GPU's memory is too small, and when the checkpoint is not of this run.
        """
        if epochs < 1:
            raise ValueError(f"{epochs} epochs train nothing; take 1 or more.")
        run = _Run(self, train, valid, epochs)
        done = run.resume() if resume else 0
        live = Live()
        try:
            with bar(total=(epochs - done) * run.batches, desc="training", unit="batch") as progress:
                for epoch in range(done, epochs):
                    progress.set_description(f"epoch {epoch + 1}/{epochs}")
                    run.epoch(epoch, progress)
                    live.update(self.history._repr_html_)
                    if self.patience is not None and self._stale() >= self.patience:
                        break
        except KeyboardInterrupt:
            if run.accelerator.is_main_process:
                print(run.farewell())
        finally:
            live.clear()
            run.close()
        return self.history

    def _factor(self, steps: int, steps_an_epoch: int) -> Callable[[int], float]:
        return schedule(self.schedule, steps, steps_an_epoch, self.halve_every)

    def _stale(self) -> int:
        """Epochs since the best Dice on validation."""
        scores = self.history.frame["valid_dice"]
        return 0 if scores.isna().all() else len(scores) - 1 - int(scores.astype(float).argmax())


class _Run:
    """One call of `Trainer.fit`: what is made ready for it, and its epochs."""

    def __init__(self, trainer: Trainer, train: DataLoader, valid: DataLoader | None, epochs: int) -> None:
        self.trainer, self.epochs, self.source = trainer, epochs, train
        self.accelerator = Accelerator(mixed_precision=_precision(), gradient_accumulation_steps=trainer.accumulate)
        # Pixels of one place side by side in memory: convolutions on CPUs and on tensor cores want it so.
        trainer.model.to(memory_format=torch.channels_last)
        fused = self.accelerator.device.type == "cuda"
        optimizer = torch.optim.Adam(trainer.model.parameters(), lr=trainer.lr, fused=fused)
        model = torch.compile(trainer.model) if trainer.compile else trainer.model
        self.model, self.optimizer, self.train = self.accelerator.prepare(model, optimizer, train)
        self.valid = self._share(valid) if valid is not None else None
        steps_an_epoch = math.ceil(len(self.train) / trainer.accumulate)
        self.factor = trainer._factor(epochs * steps_an_epoch, steps_an_epoch)
        self.step = 0
        self.batches = len(self.train) + (len(self.valid) if self.valid is not None else 0)

    def epoch(self, number: int, progress) -> None:
        """Train, validate, write down, save."""
        began = time.perf_counter()
        self._seed_order(number)
        loss, speed = self._train(number, progress)
        scores = self._validate(progress) if self.valid is not None else {}
        history = self.trainer.history
        seconds = time.perf_counter() - began
        history.append(epoch=len(history) + 1, loss=loss, images_per_second=speed, seconds=seconds, **scores)
        progress.set_postfix(loss=f"{loss:.4f}", **{k: f"{v:.4f}" for k, v in scores.items()})
        self._save(number + 1)

    def _train(self, number: int, progress) -> tuple[float, float]:
        """One pass over the training photos; mean loss, and images a second of all processes together."""
        self.model.train()
        total, images, began = 0.0, 0, time.perf_counter()
        for k, (x, y) in enumerate(self.train):
            for group in self.optimizer.param_groups:
                group["lr"] = self.trainer.lr * self.factor(self.step)
            try:
                with self.accelerator.accumulate(self.model):
                    logits = self.model(x.contiguous(memory_format=torch.channels_last))  # 1. forward
                    loss = self.trainer.loss(logits, y)  # 2. how wrong
                    value = loss.item()
                    if not math.isfinite(value):
                        raise CarvanaError(self._describe_divergence(number, k, value))
                    self.accelerator.backward(loss)  # 3. backward
                    if self.trainer.clip is not None and self.accelerator.sync_gradients:
                        self.accelerator.clip_grad_norm_(self.model.parameters(), self.trainer.clip)
                    self.optimizer.step()  # 4. step
                    self.optimizer.zero_grad()  # 5. forget this step's gradients
            except torch.OutOfMemoryError as error:
                raise CarvanaError(
                    f"The memory of {self.accelerator.device} is too small for batches of {len(x)} photos of "
                    f"{x.shape[-2]}×{x.shape[-1]}; halve batch_size and double accumulate, or take a smaller size."
                ) from error
            self.step += self.accelerator.sync_gradients
            total, images = total + value * len(x), images + len(x)
            progress.update()
        total, images = self._sum(total, images)
        return total / images, images / (time.perf_counter() - began)

    @torch.inference_mode()
    def _validate(self, progress) -> dict[str, float]:
        """Mean loss and mean Dice over the validation photos, at the network's input size, over all processes."""
        model = self.accelerator.unwrap_model(self.model)
        model.eval()
        loss, score, images = 0.0, 0.0, 0
        for x, y in self.valid:
            x, y = x.to(self.accelerator.device), y.to(self.accelerator.device)
            with self.accelerator.autocast():
                logits = model(x.contiguous(memory_format=torch.channels_last))
            logits = car_logit(logits)  # float32 from here on
            loss += self.trainer.loss(logits, y).item() * len(x)
            score += dice(logits > 0, y).sum().item()
            images += len(x)
            progress.update()
        loss, score, images = self._sum(loss, score, images)
        return {"valid_loss": loss / images, "valid_dice": score / images}

    def _share(self, loader: DataLoader) -> DataLoader:
        """This process's photos of a loader: every photo in exactly one process, none twice."""
        rank, count = self.accelerator.process_index, self.accelerator.num_processes
        if count == 1:
            return loader
        part = Subset(loader.dataset, range(rank, len(loader.dataset), count))
        return DataLoader(part, batch_size=loader.batch_size, num_workers=loader.num_workers)

    def _sum(self, *values: float) -> list[float]:
        """Each value summed over all processes."""
        if self.accelerator.num_processes == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        return self.accelerator.reduce(tensor, reduction="sum").tolist()

    def _describe_divergence(self, number: int, batch: int, value: float) -> str:
        names = ", ".join(self._names(number, batch)) or f"number {batch + 1}"
        kept = f" The last good state is {self._file('last')}." if self._file("last") else ""
        return (
            f"The loss became {value} in epoch {number + 1} at the batch {names}: look at these photos and masks, "
            f"or take a smaller learning rate than {self.trainer.lr:g}.{kept}"
        )

    def _seed_order(self, number: int) -> None:
        """The order of an epoch follows from seed and number alone, so that a resumed run has it too."""
        for generator in (self.source.generator, getattr(self.source.sampler, "generator", None)):
            if generator is not None:
                generator.manual_seed(self.trainer.seed * 1_000_003 + number)

    def _names(self, number: int, batch: int) -> list[str]:
        """The photos of a batch, found by drawing the epoch's order again."""
        photos = getattr(self.source.dataset, "photos", None)
        if photos is None:
            return []
        self._seed_order(number)
        order = DataLoader(
            range(len(photos)),
            batch_sampler=self.source.batch_sampler,
            generator=self.source.generator,
            collate_fn=list,
        )
        position = batch * self.accelerator.num_processes + self.accelerator.process_index
        return [photos[i].name for i in next(islice(order, position, None), [])]

    def _file(self, name: str) -> Path | None:
        """``last.safetensors`` or ``best.safetensors``, where there is one."""
        path = self.trainer.folder / f"{name}.safetensors" if self.trainer.folder is not None else None
        return path if path is not None and path.exists() else None

    def _save(self, done: int) -> None:
        """Write ``last`` after every epoch and ``best`` after the best one so far; one process does."""
        trainer = self.trainer
        if trainer.folder is None or not self.accelerator.is_main_process:
            return
        weights = self.trainer.model.state_dict()
        about = {
            "network": getattr(self.trainer.model, "recipe", None),
            "epoch": done,
            "epochs": self.epochs,
            "step": self.step,
            "settings": self._settings(),
            "history": trainer.history.frame.to_dict("records"),
        }
        state = checkpoint.optimizer_tensors(self.optimizer) | checkpoint.random_tensors()
        checkpoint.save(trainer.folder / "last.safetensors", checkpoint.Checkpoint(weights, about, state))
        if trainer._stale() == 0:
            checkpoint.save(trainer.folder / "best.safetensors", checkpoint.Checkpoint(weights, about))

    def resume(self) -> int:
        """Take everything from ``last.safetensors``; the number of epochs that are done."""
        path = self._file("last")
        if path is None:
            return 0
        saved = checkpoint.load(path)
        about = saved.about
        changed = [k for k, v in self._settings().items() if about.get("settings", {}).get(k) != v]
        if self.trainer.schedule == "one-cycle" and about["epochs"] != self.epochs:
            changed.append("epochs")  # its shape depends on the length of the whole run
        if changed:
            raise CarvanaError(
                f"{path} is of a run with other settings ({', '.join(changed)}); repeat those settings to go on, or "
                f"choose another folder."
            )
        checkpoint.fill(self.trainer.model, saved, path)
        checkpoint.restore_optimizer(self.optimizer, saved.state)
        checkpoint.restore_random(saved.state)
        self.step = about["step"]
        self.trainer.history = History(about["history"])
        return about["epoch"]

    def _settings(self) -> dict:
        """What must not change between the parts of one run."""
        t = self.trainer
        return {
            "lr": t.lr,
            "schedule": t.schedule,
            "accumulate": t.accumulate,
            "clip": t.clip,
            "seed": t.seed,
            "batch_size": self.source.batch_size,
            "photos": len(self.source.dataset),
        }

    def farewell(self) -> str:
        """What a reader who pressed stop is told."""
        done = len(self.trainer.history)
        on = (
            f"; fit(…, epochs={self.epochs}, resume=True) goes on from the last full epoch"
            if self._file("last")
            else ""
        )
        return f"Stopped in epoch {done + 1}; the network keeps what it has learned so far{on}."

    def close(self) -> None:
        """Take the wrapper of mixed precision off the reader's model."""
        self.trainer.model = self.accelerator.unwrap_model(
            self.model, keep_fp32_wrapper=False, keep_torch_compile=False
        )


def _precision() -> str:
    """bf16 where the GPU computes in it, fp16 with scaled gradients on older ones, and plain float32 on a CPU.

    On a CPU bf16 autocast makes these networks slower, not faster.
    """
    if not torch.cuda.is_available():
        return "no"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
