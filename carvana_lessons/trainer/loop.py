"""One run of the trainer: the loop itself, on Accelerate."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from torch.utils.data import DataLoader, Subset

from carvana_lessons import checkpoint
from carvana_lessons.data.batches import floats
from carvana_lessons.device import layout_for
from carvana_lessons.errors import CarvanaError
from carvana_lessons.history import History
from carvana_lessons.metrics import car_logit, dice
from carvana_lessons.schedule import schedule
from carvana_lessons.trainer.order import batch_names, seed_epoch

if TYPE_CHECKING:
    from carvana_lessons.trainer.trainer import Trainer


class Run:
    """One call of `Trainer.fit`: what is made ready for it, and its epochs."""

    def __init__(self, trainer: Trainer, train: DataLoader, valid: DataLoader | None, epochs: int) -> None:
        self.trainer, self.epochs, self.source = trainer, epochs, train
        self.accelerator = Accelerator(
            mixed_precision=_precision(),
            gradient_accumulation_steps=trainer.accumulate,
            # The next batch is fetched while a GPU is busy with this one; from pinned memory it fetches by itself.
            dataloader_config=DataLoaderConfiguration(non_blocking=torch.cuda.is_available()),
        )
        self.layout = layout_for(trainer.model, self.accelerator.device)
        trainer.model.to(memory_format=self.layout)
        fused = self.accelerator.device.type == "cuda"
        optimizer = torch.optim.Adam(trainer.model.parameters(), lr=trainer.lr, fused=fused)
        model = torch.compile(trainer.model) if trainer.compile else trainer.model
        self.model, self.optimizer, self.train = self.accelerator.prepare(model, optimizer, train)
        self.valid = self._share(valid) if valid is not None else None
        steps_an_epoch = math.ceil(len(self.train) / trainer.accumulate)
        self.factor = schedule(trainer.schedule, epochs * steps_an_epoch, steps_an_epoch, trainer.halve_every)
        self.step = 0
        self.batches = len(self.train) + (len(self.valid) if self.valid is not None else 0)

    def epoch(self, number: int, progress) -> None:
        """Train, validate, write down, save."""
        began = time.perf_counter()
        seed_epoch(self.source, self.trainer.seed, number)
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
        for k, batch in enumerate(self.train):
            x, y = floats(batch, self.layout)  # on the device: bytes are a quarter of the way there
            for group in self.optimizer.param_groups:
                group["lr"] = self.trainer.lr * self.factor(self.step)
            try:
                with self.accelerator.accumulate(self.model):
                    logits = self.model(x)  # 1. forward
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
                logits = model(x.contiguous(memory_format=self.layout))
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
        position = batch * self.accelerator.num_processes + self.accelerator.process_index
        names = ", ".join(batch_names(self.source, self.trainer.seed, number, position)) or f"number {batch + 1}"
        kept = f" The last good state is {self._file('last')}." if self._file("last") else ""
        return (
            f"The loss became {value} in epoch {number + 1} at the batch {names}: look at these photos and masks, "
            f"or take a smaller learning rate than {self.trainer.lr:g}.{kept}"
        )

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
        if trainer.stale == 0:
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
        if not saved.state:
            raise CarvanaError(
                f"{path} holds a network and nothing to go on with, as best.safetensors does; put the real "
                "last.safetensors back, or train anew in another folder."
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
