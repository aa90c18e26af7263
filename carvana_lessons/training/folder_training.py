"""A folder of photos becomes a trained network in another folder; the command ``train`` in Python.

Lesson:
    02.
"""

import os
from pathlib import Path
from typing import NamedTuple

import torch

from carvana_lessons import data, models
from carvana_lessons.data.open_folder import as_folder
from carvana_lessons.training.history import History
from carvana_lessons.training.trainer import Trainer
from carvana_lessons.utils.catalog import BEST, LAST
from carvana_lessons.utils.errors import CarvanaError, Stopped
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.wording import counted

TABLE = "history.csv"


class FolderTraining(NamedTuple):
    """A training that is done.

    Attributes:
        history: one row per epoch.
        valid: the photos of the cars that it was validated on.

    Lesson:
        02.
    """

    history: History
    valid: data.CarFolder


def train_folder(
    folder: str | Path | data.CarFolder,
    out: str | Path,
    network: str = "unet-small",
    *,
    width: int | None = None,
    size: int = 128,
    batch_size: int = 16,
    epochs: int = 20,
    lr: float = 3e-3,
    schedule: str = "one-cycle",
    valid: float = 1 / 6,
    seed: int = 0,
    workers: int = 0,
    accumulate: int = 1,
    clip: float | None = 1.0,
    precision: str | None = None,
    hours: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> FolderTraining:
    """Train a network on the photos of a folder, split by car, and save what is needed to continue and to predict.

    Args:
        folder: photos and masks, as `open_folder` takes them, or opened already.
        out: gets ``last.safetensors``, ``best.safetensors`` and ``history.csv``, after every epoch.
        network: a name as of `models.names`.
        width: channels of the first stage; None for the published ones.
        size: side of the square that the network sees, in pixels.
        batch_size: photos per batch.
        epochs: passes over the training photos.
        lr: learning rate; for "one-cycle" the peak.
        schedule: "constant", "halving" or "one-cycle".
        valid: fraction of the cars held out for validation, above 0 and below 1.
        seed: of the split, the first weights and the order of the photos.
        workers: processes that prepare batches; 0 for none.
        accumulate: batches per optimizer step (gradient accumulation).
        clip: clip the gradient norm to this; None for no clipping.
        precision: "no", "bf16" or "fp16"; None for what suits the device.
        hours: no epoch is begun after that time; None for no limit.
        resume: continue after the last full epoch in ``out``.
        overwrite: start again where ``out`` holds a run, which is lost.

    Returns:
        The history, and the photos that were validated on.

    Raises:
        CarvanaError: where ``out`` holds a run and neither ``resume`` nor ``overwrite`` is asked for, where it holds a
            history but no checkpoint to continue from, or where the time was too short for one epoch.
        Stopped: when somebody presses stop; its text says what is saved and how to continue.

    Lesson:
        02.
    """
    out = expand(out)
    table = out / TABLE
    _check_new(out, resume, overwrite)
    known, unseen = data.split_by_car(as_folder(folder), (1 - valid, valid), seed=seed)
    torch.manual_seed(seed)
    trainer = Trainer(
        models.create(network, width=width),
        lr=lr,
        schedule=schedule,
        accumulate=accumulate,
        clip=clip,
        precision=precision,
        folder=out,
        seed=seed,
    )

    def write_history(*_: object) -> None:
        if int(os.environ.get("RANK", "0")) == 0:  # of several processes, one
            with replacing(table) as file:
                trainer.history.frame.to_csv(file, index=False, lineterminator="\n")

    try:
        history = trainer.fit(
            data.loader(known, size=size, batch_size=batch_size, shuffle=True, seed=seed, workers=workers),
            data.loader(unseen, size=size, batch_size=batch_size),
            epochs=epochs,
            resume=resume,
            seconds=None if hours is None else 3600 * hours,
            after_epoch=write_history,
            overwrite=overwrite,
        )
    except Stopped as stop:
        raise Stopped(_how_to_go_on(stop.epochs, out, resume, overwrite), stop.epochs) from stop
    if not len(history):
        raise CarvanaError("No epoch was finished, so nothing is saved; run it again, with more time.")
    write_history()
    return FolderTraining(history, unseen)


def _check_new(out: Path, resume: bool, overwrite: bool) -> None:
    """Refuse a folder whose run would be lost, or that has no checkpoint to continue from."""
    there = (out / TABLE).exists()
    if resume and there and not any((out / name).exists() for name in (LAST, BEST)):
        raise CarvanaError(
            f"{out} holds the history of a run, but no checkpoint to continue from: put its {LAST} back, "
            "overwrite the history with --overwrite, or choose another folder."
        )
    if there and not (resume or overwrite):
        raise CarvanaError(
            f"{out} holds the history of a run already: continue it with --resume, overwrite it with --overwrite, or "
            "choose another folder."
        )


def _how_to_go_on(done: int, out: Path, resume: bool, overwrite: bool) -> str:
    """What is saved of a stopped training, and what to type next."""
    if not done:
        return "Stopped in epoch 1: nothing of it is kept yet."
    how = "" if resume else " with --resume in place of --overwrite" if overwrite else " with --resume"
    kept = f"{counted(done, 'full epoch')} in {out} {'is' if done == 1 else 'are'} kept"
    return f"Stopped in epoch {done + 1}: {kept}, and the same command{how} continues."
