"""The training loop of chapter 2 with what a long run needs around it."""

import time
from collections.abc import Callable, Iterable

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.utils.data import DataLoader

from carvana_lessons.errors import CarvanaError
from carvana_lessons.history import History
from carvana_lessons.losses import bce
from carvana_lessons.metrics import car_logit, dice
from carvana_lessons.progress import bar

SCHEDULES = ("constant", "one-cycle")


class Trainer:
    """Train a network on a loader: on the CPU, or on a GPU in mixed precision where there is one.

    Args:
        model: (B, 3, H, W) in [0, 1] → logits (B, K, H, W), K = 1 or 2. It is trained in place.
        lr: Adam's learning rate; for "one-cycle" the highest one.
        loss: logits, target (B, 1, H, W) → scalar, as in `carvana_lessons.losses`.
        schedule: "constant", or "one-cycle": up from lr/25 over the first 30 % of the steps, then down to almost
            nothing; the better choice for short runs.
    Raises: ValueError for an unknown schedule.
    Source: the loop of slides [A] and [B], written out in chapter 2; Smith & Topin 2019 for one-cycle.  Lesson: 02.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        loss: Callable[[Tensor, Tensor], Tensor] = bce,
        schedule: str = "constant",
    ) -> None:
        if schedule not in SCHEDULES:
            raise ValueError(f"There is no schedule {schedule!r}; the trainer has {', '.join(SCHEDULES)}.")
        self.model, self.lr, self.loss, self.schedule = model, lr, loss, schedule
        self.history = History()

    def fit(self, train: DataLoader, valid: DataLoader | None = None, epochs: int = 10) -> History:
        """Train for some epochs and look at the validation photos after each.

        Args:
            train, valid: loaders of batches x (B, 3, H, W) in [0, 1], y (B, 1, H, W) in {0, 1}.
            epochs: passes over ``train``, at least 1. Every call starts a fresh optimiser and schedule; the weights
                and the history go on.
        Returns: the `History` of all epochs so far.
        Raises: ValueError for less than one epoch; CarvanaError when the loss stops being a finite number.
        """
        if epochs < 1:
            raise ValueError(f"{epochs} epochs train nothing; take 1 or more.")
        accelerator = Accelerator(mixed_precision=_precision())
        # Pixels of one place side by side in memory: convolutions on CPUs and on tensor cores want it so.
        self.model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.lr)
        scheduler = self._scheduler(optimizer, steps=epochs * len(train))
        model, optimizer, train = accelerator.prepare(self.model, optimizer, train)
        if valid is not None:
            valid = accelerator.prepare(valid)
        start = len(self.history)
        steps = epochs * (len(train) + (len(valid) if valid is not None else 0))
        with bar(total=steps, desc="training", unit="batch") as progress:
            for epoch in range(start + 1, start + epochs + 1):
                began = time.perf_counter()
                progress.set_description(f"epoch {epoch}/{start + epochs}")
                loss, speed = self._train_epoch(model, train, optimizer, scheduler, accelerator, progress)
                scores = self._validate(model, valid, progress) if valid is not None else {}
                seconds = time.perf_counter() - began
                self.history.append(epoch=epoch, loss=loss, images_per_second=speed, seconds=seconds, **scores)
                progress.set_postfix(loss=f"{loss:.4f}", **{k: f"{v:.4f}" for k, v in scores.items()})
        # The wrapper of mixed precision stays out of the reader's model.
        self.model = accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        return self.history

    def _train_epoch(self, model, train, optimizer, scheduler, accelerator, progress) -> tuple[float, float]:
        """One pass over the training photos; mean loss and images a second."""
        model.train()
        total, images, began = 0.0, 0, time.perf_counter()
        for x, y in train:
            x = x.contiguous(memory_format=torch.channels_last)
            logits = model(x)  # 1. forward
            loss = self.loss(logits, y)  # 2. how wrong
            optimizer.zero_grad()  # 3. forget the last step's gradients
            accelerator.backward(loss)  # 4. backward
            optimizer.step()  # 5. step
            scheduler.step()
            value = loss.item()
            if value != value or value in (float("inf"), float("-inf")):
                raise CarvanaError(
                    f"The loss became {value} after {images} images of this epoch; try a smaller learning rate "
                    f"than {self.lr:g}, or look at the photos of that batch."
                )
            total, images = total + value * len(x), images + len(x)
            progress.update()
        return total / images, images / (time.perf_counter() - began)

    @torch.inference_mode()
    def _validate(self, model: nn.Module, valid: Iterable, progress) -> dict[str, float]:
        """Mean loss and mean Dice over the validation photos, at the network's input size."""
        model.eval()
        loss, score, images = 0.0, 0.0, 0
        for x, y in valid:
            logits = model(x.contiguous(memory_format=torch.channels_last))
            loss += self.loss(logits, y).item() * len(x)
            score += dice(car_logit(logits) > 0, y).sum().item()
            images += len(x)
            progress.update()
        return {"valid_loss": loss / images, "valid_dice": score / images}

    def _scheduler(self, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
        if self.schedule == "one-cycle":
            return OneCycleLR(optimizer, max_lr=self.lr, total_steps=max(steps, 2), pct_start=0.3)
        return LambdaLR(optimizer, lambda step: 1.0)


def _precision() -> str:
    """bf16 where the GPU computes in it, fp16 with scaled gradients on older ones, and plain float32 on a CPU.

    On a CPU bf16 autocast makes these networks slower, not faster.
    """
    if not torch.cuda.is_available():
        return "no"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
