"""One run of the trainer: the loop itself; Accelerate divides it among several processes."""

from __future__ import annotations

import math
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from carvana_lessons.data.batches import CarLoader, as_stored, floats
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.models import Provenance, checkpoint
from carvana_lessons.models.logits import car_logit
from carvana_lessons.training import state
from carvana_lessons.training.history import History
from carvana_lessons.training.order import Drawing, batch_names, seed_epoch, with_drawing
from carvana_lessons.training.schedule import schedule
from carvana_lessons.training.settings import settings_of
from carvana_lessons.utils.device import autocast, enough_memory, find_device, find_precision, layout_for, move
from carvana_lessons.utils.errors import CarvanaError, Stopped
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.wording import counted

if TYPE_CHECKING:
    from carvana_lessons.training.trainer import Trainer

MOST_LEFT_OUT = 30  # steps in a row; the scale of float16's gradients is then 2⁻¹⁴
TOLD = {"network", "loss", "shuffle", "collate_fn", "photos", "transform", "validation photos"}  # None: it cannot be
LOST = re.compile(r"^Dist\w*Error|gloo|Connection (?:closed|reset|refused)|Broken pipe")  # what torch says then
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
        drawing = with_drawing(train.stored() if isinstance(train, CarLoader) else train, trainer.seed)
        self.drawn_by = drawing.dataset if isinstance(drawing.dataset, Drawing) else None
        self.train = self.accelerator.prepare_data_loader(drawing, device_placement=False)
        self.valid = self._share(valid) if valid is not None else None
        steps_an_epoch = math.ceil(len(self.train) / trainer.accumulate)
        self.factor = schedule(trainer.schedule, epochs * steps_an_epoch, steps_an_epoch, trainer.halve_every)
        self.step = self.left_out = 0
        self.size: tuple[int, int] | None = None  # (height, width) of the input
        self.before = getattr(trainer.model, "provenance", None)  # of an earlier training; a fresh network has none
        self.optimizer.zero_grad()  # what an interrupted step, or a hand, left there is no part of this run
        kept = trainer.folder is not None  # told now: whatever a loss counts changes while it is used
        self.settings = settings_of(trainer, train, valid, self.accelerator.num_processes) if kept else {}
        self.best = 0  # the epoch, counted from 1 in the whole history, whose weights are best.safetensors
        self.batches = len(self.train) + (len(self.valid) if self.valid is not None else 0)

    def epoch(self, number: int, progress) -> None:
        """Train, validate, write down, save."""
        began = time.perf_counter()
        seed_epoch(self.source, self.trainer.seed, number, self.accelerator.process_index)
        if self.drawn_by is not None:
            self.drawn_by.epoch.fill_(number)
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
        first = added = 0  # photos of the first batch of a step, and of all its batches so far
        for k, batch in enumerate(self.train):
            for group in self.optimizer.param_groups:
                group["lr"] = self.trainer.lr * self.factor(self.step)
            with enough_memory(self.device, batch[0], SMALLER), self.accelerator.accumulate(self.model):
                x, y = self._to_device(batch, self.source)
                self.size = tuple(x.shape[-2:])
                if k == 0:  # before it learns: a training that is stopped now has changed the network, too
                    self.trainer.model.provenance = self._provenance()
                logits = self._forward(self.model, x)  # 1. forward
                loss = self.trainer.loss(logits, y)  # 2. how wrong
                value = loss.item()
                if not math.isfinite(value):
                    raise CarvanaError(self._describe_divergence(f"The loss became {value}", number, k))
                first, added = first or len(x), added + len(x)
                self.accelerator.backward(self.scaler.scale(loss * (len(x) / first)))  # 3. backward
                if self.accelerator.sync_gradients:
                    self._update(self.trainer.accumulate * first / added)  # 4. step
                    first = added = 0
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

    def _update(self, share: float) -> None:
        """Change the weights by the gradients and clear these.

        Accelerate divides each batch's gradient by ``accumulate``, however many batches and photos a step got: the
        last step of an epoch may have fewer. ``share`` makes it the mean over the photos that were added up.

        Where a float16 gradient is not finite that step is left out, and the scale is halved: most of the time the
        gradient was only too large.
        """
        self.scaler.unscale_(self.optimizer)
        if share != 1:
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    parameter.grad *= share
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

    def _place(self, name: str) -> Path:
        """Where ``last.safetensors`` or ``best.safetensors`` is, or will be."""
        return self.trainer.folder / f"{name}.safetensors"

    def _file(self, name: str) -> Path | None:
        """``last.safetensors`` or ``best.safetensors``, where there is one."""
        path = self._place(name) if self.trainer.folder is not None else None
        return path if path is not None and path.exists() else None

    def _save(self, done: int) -> None:
        """Write ``last`` after every epoch and ``best`` after the best one so far; one process does."""
        if self.trainer.folder is None:
            return
        draws = gather_object([state.random_tensors(self.device, self.accelerator.process_index)])
        self._in_main(lambda: self._write(done, draws))

    def _write(self, done: int, draws: list[dict[str, Tensor]]) -> None:
        trainer = self.trainer
        weights = trainer.model.state_dict()
        about = {
            "network": getattr(trainer.model, "recipe", None),
            "run": trainer.run,
            "epoch": done,
            "epochs": self.epochs,
            "step": self.step,
            "settings": self.settings,
            **trainer.model.provenance.describe(),
            "scaler": self.scaler.state_dict(),
            "history": trainer.history.frame.to_dict("records"),
        }
        tensors = state.optimizer_tensors(self.optimizer)
        for process in draws:
            tensors |= process
        files = {"best": checkpoint.Checkpoint(weights, about), "last": checkpoint.Checkpoint(weights, about, tensors)}
        # Whatever ends the process between the two: a best that is ahead belongs to the epoch that comes again, one
        # that is missing in a new run is made from last, and where a run is overwritten, two of two runs are refused.
        if self.best == 0 and self._file("best") is None:
            files = dict(reversed(files.items()))
        elif self.best and not trainer.history.better(len(trainer.history), self.best):
            del files["best"]
        for name, content in files.items():
            checkpoint.save(self._place(name), content)
        if "best" in files:
            self.best = len(trainer.history)

    def _provenance(self) -> Provenance:
        """What is known of the network from now on; what it learned from before this training, it still knows."""
        train, valid = (
            None if photos is None else frozenset(photos.ids)
            for photos in (
                getattr(getattr(loader, "dataset", None), "photos", None) for loader in (self.source, self.valid_source)
            )
        )
        if train is not None and self.before is not None:
            train = None if self.before.train is None else train | self.before.train
        return Provenance(self.size, self.precision, train, valid)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around what several processes do together: that another one has ended is said in one sentence."""
        try:
            yield
        except RuntimeError as error:
            if self.accelerator.num_processes > 1 and LOST.search(f"{type(error).__name__} {error}"):
                raise CarvanaError(
                    "Another process of this training has ended, so this one cannot go on alone: what that one said "
                    "last tells why."
                ) from error
            raise

    @contextmanager
    def own_folder(self) -> Iterator[None]:
        """Hold the trainer's folder, where there is one: no other training writes there meanwhile."""
        with ExitStack() as held:
            if self.trainer.folder is not None:
                self._in_main(lambda: held.enter_context(owned(self._place("last"))))
            yield

    def begin(self, resume: bool, overwrite: bool) -> int:
        """Go on with the run in the folder, or begin one there; the number of epochs that are done.

        Raises:
            CarvanaError: if there is a run that is to be neither gone on with nor overwritten.
        """
        if self.trainer.folder is None:
            return 0
        if resume and self._file("last"):
            return self._resume(self._file("last"))
        if not overwrite:
            self._in_main(lambda: self._check_free(resume))
        if self.trainer.run is None or overwrite:
            self.trainer.run = gather_object([uuid.uuid4().hex])[0]  # one name, whichever process tells of it
        elif self._file("best"):  # a further call of the same trainer
            self.best = self.trainer.history.best
        return 0

    def _check_free(self, resume: bool) -> None:
        """See that no network of another run is overwritten unasked."""
        there = self._file("last") or self._file("best")
        if there is None:
            return
        about = checkpoint.load(there).about
        if self.trainer.run is not None and about.get("run") == self.trainer.run:
            return
        if resume:
            raise CarvanaError(
                f"{there} is a run's best network and beside it is no last.safetensors to go on from: put that back, "
                "choose another folder, or begin anew and overwrite it with overwrite=True (--overwrite)."
            )
        on = "go on with it with resume=True (--resume on the command line), "
        raise CarvanaError(
            f"{self.trainer.folder} holds a run already, of {counted(len(about.get('history', [])), 'epoch')}: "
            f"{on if about['format'] >= checkpoint.RESUMABLE else ''}overwrite it with overwrite=True (--overwrite), "
            "or choose another folder."
        )

    def _resume(self, path: Path) -> int:
        """Take everything from ``last.safetensors``; the number of epochs that are done."""
        saved = checkpoint.load(path)
        about = saved.about
        if about["format"] < checkpoint.RESUMABLE:
            raise CarvanaError(
                f"{path} was begun by an older version of carvana-lessons; train anew in another folder."
            )
        self._compare_settings(path, about)
        if not saved.state:
            raise CarvanaError(
                f"{path} holds a network and nothing to go on with, as best.safetensors does; put the real "
                "last.safetensors back, or train anew in another folder."
            )
        self._in_main(lambda: self._check_best(saved))
        checkpoint.fill(self.trainer.model, saved, path)
        state.restore_optimizer(self.optimizer, saved.state)
        state.restore_random(saved.state, self.device, self.accelerator.process_index)
        self._restore_precision(about)
        self.step = about["step"]
        self.trainer.history = History(about["history"])
        self.trainer.model.provenance = self.before = Provenance.read(about, str(path))
        self.trainer.run = about.get("run") or uuid.uuid4().hex
        return about["epoch"]

    def _compare_settings(self, path: Path, about: dict) -> None:
        """See that everything that decides the result is what it was."""
        before = about.get("settings", {})
        unnoted = [name for name in self.settings if name not in before]
        changed = [name for name, value in self.settings.items() if name in before and before[name] != value]
        if self.trainer.schedule == "one-cycle" and about["epochs"] != self.epochs:
            changed.append("epochs")  # its shape depends on the length of the whole run
        if changed:
            raise CarvanaError(
                f"{path} is of a run with other settings ({', '.join(changed)}); repeat those settings to go on, or "
                f"choose another folder."
            )
        untold = [name for name, value in self.settings.items() if value is None and name in TOLD]
        if untold:
            raise CarvanaError(
                f"{path} cannot be gone on with: nothing tells whether {' and '.join(untold)} did the same then as "
                "now, as of a function that calls eval or holds an open file; train anew in another folder."
            )
        if unnoted and self.accelerator.is_main_process:
            print(f"An older version began this run and did not note {', '.join(unnoted)}: see that they are the same.")

    def _check_best(self, saved: checkpoint.Checkpoint) -> None:
        """See that ``best`` is of the same run as ``last``, and write it anew where it was lost."""
        history, path = History(saved.about["history"]), self._place("best")
        best = checkpoint.load(path).about if path.exists() else None
        if best is not None and best.get("run") not in (None, saved.about.get("run")):  # older ones have no name
            raise CarvanaError(
                f"{path} is of another run than last.safetensors beside it: move one of the two to another folder, or "
                "begin anew and overwrite both with overwrite=True (--overwrite)."
            )
        epoch = len(best["history"]) if best is not None else 0
        if epoch == history.best or epoch > len(history):  # the process ended between the two: that epoch comes again
            self.best = history.best
            return
        if history.best != len(history):
            print(
                f"{path}, the best network of epoch {history.best}, is lost: the best one that is left, of epoch "
                f"{epoch or len(history)}, takes its place."
            )
        self.best = epoch
        if epoch == 0 or history.better(len(history), epoch):
            checkpoint.save(path, checkpoint.Checkpoint(saved.weights, saved.about))
            self.best = len(history)

    def _restore_precision(self, about: dict) -> None:
        """Take the scale of the gradients along; a session on another GPU may compute in another precision."""
        if about["precision"] == self.precision:
            self.scaler.load_state_dict(about["scaler"])
        elif self.accelerator.is_main_process:
            print(f"The run was begun in precision {about['precision']} and goes on in {self.precision}.")

    def is_over(self, end: float) -> bool:
        """Whether that time (of `time.monotonic`) has come; all processes answer alike, or one would train alone."""
        return any(gather_object([time.monotonic() >= end]))

    def _in_main(self, act: Callable[[], object]) -> None:
        """Let the main process alone do something; what goes wrong there is raised in all, so that none waits."""
        if self.accelerator.num_processes == 1:
            act()
            return
        wrong = None
        if self.accelerator.is_main_process:
            try:
                act()
            except Exception as error:  # whatever it is, the others must hear of it
                wrong = error
        said = gather_object([wrong and f"{wrong}"])[0]
        if wrong is not None:
            raise wrong
        if said is not None:
            raise CarvanaError(said)

    def stop(self, resume: bool) -> Stopped:
        """What somebody who pressed stop is told: what is kept, and how to go on.

        The file alone knows what is kept: a stop may come between the moment in which it is whole and any line here.
        """
        if self.trainer.folder is None:
            done = len(self.trainer.history)
            return Stopped(
                f"Stopped in epoch {done + 1}: the network in memory keeps what it has learned so far; this training "
                "has no folder, so nothing of it is on disk.",
                done,
            )
        about = checkpoint.load(self._file("last")).about if self._file("last") else {}
        own = resume or (self.trainer.run is not None and about.get("run") == self.trainer.run)
        done = len(about.get("history", [])) if own else 0
        stopped = f"Stopped in epoch {done + 1}"
        if done == 0:
            return Stopped(f"{stopped}, before a whole one was kept: run this cell again to begin anew.", 0)
        how = "" if resume else ", with resume=True,"
        return Stopped(
            f"{stopped}: run this cell again{how} to go on after epoch {done}, which is kept in "
            f"{self.trainer.folder}; the network in memory keeps what it has learned so far.",
            done,
        )


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
