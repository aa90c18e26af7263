"""One run of the trainer: the loop itself; Accelerate divides it among several processes."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from carvana_lessons import checkpoint
from carvana_lessons.data.batches import CarLoader, as_stored, floats
from carvana_lessons.device import autocast, enough_memory, find_device, find_precision, layout_for, move
from carvana_lessons.errors import CarvanaError
from carvana_lessons.history import History
from carvana_lessons.metrics import car_logit, dice
from carvana_lessons.models import Provenance, provenance
from carvana_lessons.schedule import schedule
from carvana_lessons.trainer.order import batch_names, seed_epoch

if TYPE_CHECKING:
    from carvana_lessons.trainer.trainer import Trainer

MOST_LEFT_OUT = 30  # steps in a row; the scale of float16's gradients is then 2⁻¹⁴
SMALLER = "halve batch_size and double accumulate, or take a smaller size"


class Run:
    """One call of `Trainer.fit`: what is made ready for it, and its epochs."""

    def __init__(self, trainer: Trainer, train: DataLoader, valid: DataLoader | None, epochs: int) -> None:
        self.trainer, self.epochs = trainer, epochs
        self.source, self.valid_source = train, valid
        self.accelerator = make_accelerator(trainer.accumulate)
        self.device = self.accelerator.device if self.accelerator.num_processes > 1 else torch.device(find_device())
        self.precision = trainer.precision or find_precision(self.device)
        self.layout = layout_for(trainer.model, self.device)
        network = move(trainer.model, self.device, memory_format=self.layout)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=trainer.lr, fused=self.device.type == "cuda")
        # float16 has no room for small gradients: the loss is multiplied before they are computed.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.model = self.accelerator.prepare_model(network, device_placement=False)
        self.train = self.accelerator.prepare_data_loader(train, device_placement=False)
        self.valid = self._share(valid) if valid is not None else None
        steps_an_epoch = math.ceil(len(self.train) / trainer.accumulate)
        self.factor = schedule(trainer.schedule, epochs * steps_an_epoch, steps_an_epoch, trainer.halve_every)
        self.step = self.left_out = 0
        self.size: tuple[int, int] | None = None  # (height, width) of the input
        self.batches = len(self.train) + (len(self.valid) if self.valid is not None else 0)

    def epoch(self, number: int, progress) -> None:
        """Train, validate, write down, save."""
        began = time.perf_counter()
        seed_epoch(self.source, self.trainer.seed, number, self.accelerator.process_index)
        loss, speed = self._train(number, progress)
        scores = self._validate(progress) if self.valid is not None else {}
        self.trainer.model.provenance = self._provenance()
        history = self.trainer.history
        seconds = time.perf_counter() - began
        history.append(epoch=len(history) + 1, loss=loss, images_per_second=speed, seconds=seconds, **scores)
        progress.set_postfix(loss=f"{loss:.4f}", **{k: f"{v:.4f}" for k, v in scores.items()})
        self._save(number + 1)

    def _train(self, number: int, progress) -> tuple[float, float]:
        """One pass over the training photos; mean loss, and images a second of all processes together."""
        self.model.train()
        total, images, began = 0.0, 0, time.perf_counter()
        for k, batch in enumerate(self.train):
            for group in self.optimizer.param_groups:
                group["lr"] = self.trainer.lr * self.factor(self.step)
            with enough_memory(self.device, batch[0], SMALLER), self.accelerator.accumulate(self.model):
                x, y = self._to_device(batch, self.source)
                self.size = tuple(x.shape[-2:])
                logits = self._forward(self.model, x)  # 1. forward
                loss = self.trainer.loss(logits, y)  # 2. how wrong
                value = loss.item()
                if not math.isfinite(value):
                    raise CarvanaError(self._describe_divergence(f"The loss became {value}", number, k))
                self.accelerator.backward(self.scaler.scale(loss))  # 3. backward
                if self.accelerator.sync_gradients:
                    self._update()  # 4. step
                if self.left_out == MOST_LEFT_OUT:
                    raise CarvanaError(self._describe_divergence("The gradients never became finite", number, k))
            total, images = total + value * len(x), images + len(x)
            progress.update()
        total, images = self._sum(total, images)
        return total / images, images / (time.perf_counter() - began)

    def _to_device(self, batch: Sequence[Tensor], loader: DataLoader) -> tuple[Tensor, Tensor]:
        """A batch as the network takes it; floats are made and photos augmented on the device, from fewer bytes."""
        moved = [part.to(self.device, non_blocking=self.device.type == "cuda") for part in batch]
        return loader.finish(moved, self.layout) if isinstance(loader, CarLoader) else floats(moved, self.layout)

    def _forward(self, model: torch.nn.Module, x: Tensor) -> Tensor:
        """Logits in float32, whatever they were computed in: a loss needs all digits."""
        with autocast(self.device, self.precision):
            logits = model(x)
        return logits.float()

    def _update(self) -> None:
        """Change the weights by the gradients and clear these.

        Where a float16 gradient is not finite that step is left out, and the scale is halved: most of the time the
        gradient was only too large.
        """
        self.scaler.unscale_(self.optimizer)
        if self.trainer.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.trainer.clip)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        done = self.scaler.get_scale() >= scale
        self.step += done
        self.left_out = 0 if done else self.left_out + 1

    @torch.no_grad()  # inference_mode's tensors cannot be exchanged between processes by torch 2.5
    def _validate(self, progress) -> dict[str, float]:
        """Mean loss and mean Dice over the validation photos, at the network's input size, over all processes."""
        model = self.trainer.model.eval()
        if self.accelerator.num_processes > 1:
            # Each has batch norm's means of its own photos; those of the first one are saved.
            broadcast(list(model.buffers()))
        loss, score, images = 0.0, 0.0, 0
        for batch in as_stored(self.valid):
            with enough_memory(self.device, batch[0], "halve batch_size of the validation photos"):
                x, y = self._to_device(batch, self.valid)
                self.size = tuple(x.shape[-2:])  # of whole photos, where training takes crops
                logits = car_logit(self._forward(model, x))
                loss += self.trainer.loss(logits, y).item() * len(x)
                score += dice(logits > 0, y > 0.5).sum().item()
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
        return CarLoader(
            part,
            batch_size=loader.batch_size,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            persistent_workers=loader.persistent_workers,
            transform=getattr(loader, "transform", None),
        )

    def _sum(self, *values: float) -> list[float]:
        """Each value summed over all processes."""
        return [sum(column) for column in zip(*gather_object([values]), strict=True)]

    def _describe_divergence(self, what: str, number: int, batch: int) -> str:
        position = batch * self.accelerator.num_processes + self.accelerator.process_index
        names = ", ".join(batch_names(self.source, self.trainer.seed, number, position)) or f"number {batch + 1}"
        kept = f" The last good state is {self._file('last')}." if self._file("last") else ""
        range_ = ", or precision='no', which has room for larger values" if self.precision == "fp16" else ""
        return (
            f"{what} in epoch {number + 1} at the batch {names}: look at these photos and masks, "
            f"or take a smaller learning rate than {self.trainer.lr:g}{range_}.{kept}"
        )

    def _file(self, name: str) -> Path | None:
        """``last.safetensors`` or ``best.safetensors``, where there is one."""
        path = self.trainer.folder / f"{name}.safetensors" if self.trainer.folder is not None else None
        return path if path is not None and path.exists() else None

    def _save(self, done: int) -> None:
        """Write ``last`` after every epoch and ``best`` after the best one so far; one process does."""
        trainer = self.trainer
        if trainer.folder is None:
            return
        draws = gather_object([checkpoint.random_tensors(self.device, self.accelerator.process_index)])
        if not self.accelerator.is_main_process:
            return
        weights = trainer.model.state_dict()
        about = {
            "network": getattr(trainer.model, "recipe", None),
            "epoch": done,
            "epochs": self.epochs,
            "step": self.step,
            "settings": self._settings(),
            **trainer.model.provenance.describe(),
            "scaler": self.scaler.state_dict(),
            "history": trainer.history.frame.to_dict("records"),
        }
        state = checkpoint.optimizer_tensors(self.optimizer)
        for process in draws:
            state |= process
        checkpoint.save(trainer.folder / "last.safetensors", checkpoint.Checkpoint(weights, about, state))
        if trainer.stale == 0:
            checkpoint.save(trainer.folder / "best.safetensors", checkpoint.Checkpoint(weights, about))

    def _provenance(self) -> Provenance:
        """What is known of the network from now on; what it learned from before this training, it still knows."""
        train, valid = (
            None if photos is None else frozenset(photos.ids)
            for photos in (
                getattr(getattr(loader, "dataset", None), "photos", None) for loader in (self.source, self.valid_source)
            )
        )
        before = provenance(self.trainer.model).train
        return Provenance(self.size, self.precision, train and train | (before or frozenset()), valid)

    def resume(self) -> int:
        """Take everything from ``last.safetensors``; the number of epochs that are done."""
        path = self._file("last")
        if path is None:
            return 0
        saved = checkpoint.load(path)
        about = saved.about
        if about["format"] < checkpoint.RESUMABLE:
            raise CarvanaError(
                f"{path} was begun by an older version of carvana-lessons; train anew in another folder."
            )
        changed = [k for k, v in self._settings().items() if about.get("settings", {}).get(k) != v]
        if self.trainer.schedule == "one-cycle" and about["epochs"] != self.epochs:
            changed.append("epochs")  # its shape depends on the length of the whole run
        if changed:
            raise CarvanaError(
                f"{path} is of a run with other settings ({', '.join(changed)}); repeat those settings to go on, or "
                f"choose another folder."
            )
        if not saved.state:
            raise CarvanaError(
                f"{path} holds a network and nothing to go on with, as best.safetensors does; put the real "
                "last.safetensors back, or train anew in another folder."
            )
        checkpoint.fill(self.trainer.model, saved, path)
        checkpoint.restore_optimizer(self.optimizer, saved.state)
        checkpoint.restore_random(saved.state, self.device, self.accelerator.process_index)
        self._restore_precision(about)
        self.step = about["step"]
        self.trainer.history = History(about["history"])
        self.trainer.model.provenance = Provenance.read(about, str(path))
        return about["epoch"]

    def _restore_precision(self, about: dict) -> None:
        """Take the scale of the gradients along; a session on another GPU may compute in another precision."""
        if about["precision"] == self.precision:
            self.scaler.load_state_dict(about["scaler"])
        elif self.accelerator.is_main_process:
            print(f"The run was begun in precision {about['precision']} and goes on in {self.precision}.")

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
            "processes": self.accelerator.num_processes,
        }

    def is_over(self, end: float) -> bool:
        """Whether that time (of `time.monotonic`) has come; all processes answer alike, or one would train alone."""
        return any(gather_object([time.monotonic() >= end]))

    def farewell(self) -> str:
        """What a reader who pressed stop is told."""
        done = len(self.trainer.history)
        on = (
            f"; fit(…, epochs={self.epochs}, resume=True) goes on from the last full epoch"
            if self._file("last")
            else ""
        )
        return f"Stopped in epoch {done + 1}; the network keeps what it has learned so far{on}."


def make_accelerator(accumulate: int) -> Accelerator:
    """Accelerate for what several processes share; device and precision are the trainer's own business.

    Accelerate keeps both for the life of the process: a second run on another device or in another precision would
    silently get those of the first, or fail.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return Accelerator(
        cpu=several and find_device() == "cpu",
        device_placement=False,
        mixed_precision="no",
        gradient_accumulation_steps=accumulate,
    )
