"""A training that was done once is not done again: its folder follows from everything that decides its result.

Lesson:
    04.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from carvana_lessons.data import CarFolder, loader
from carvana_lessons.data.dataset import Transform
from carvana_lessons.training.distributed import is_distributed
from carvana_lessons.training.history import History
from carvana_lessons.training.trainer import Trainer
from carvana_lessons.utils.archive import keep_folder
from carvana_lessons.utils.fingerprint import NoFingerprint, fingerprint
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import cache_folder

if TYPE_CHECKING:  # a lesson brings the studio and every picture along
    from carvana_lessons.course import Lesson

PACKAGE = Path(__file__).parents[1]
CODE = (
    *("data", "models", "training"),
    *("prediction/inference.py", "evaluation/metrics.py", "utils/device.py", "utils/memory.py"),
)
#: What a process says before it waits.
WAITING = "Another process does the same training: waiting for it."


class _Left(NamedTuple):
    """What a run has left of a network."""

    fingerprint: str
    first: dict[str, Tensor]  # the weights that it began with
    finished: Path | None  # the run's folder; None for one that was stopped or failed


# By network, so that the run of the same object is found again.
_LEFT: WeakKeyDictionary[nn.Module, _Left] = WeakKeyDictionary()


def train_once(
    lesson: Lesson,
    model: nn.Module,
    train: CarFolder,
    valid: CarFolder | None = None,
    transform: Transform | None = None,
    size: int | tuple[int, int] | None = None,
    images: int | None = None,
    **settings,
) -> History:
    """Train a network at the chapter's scale; a run of the same kind that is in the cache is taken from there.

    The same kind: the same layers and first weights, photos, settings, device and code, the package's and the
    notebook's. A change of a loss, a transform or a ``forward``, or of a number that they use, is another training. A
    run that was interrupted or failed, on a full disk for example, continues where it stopped, in another session too
    if `course.start` was given ``keep``; one that another process is doing is waited for. The same call with the
    network that it has trained gives the same again; where an argument, or the network, was changed since, the
    training begins with the network's weights as they are. The history keeps the times of the run that trained. What
    cannot be told from another, as a loss that calls ``eval``, is trained again by every call, and a sentence says so.

    Args:
        lesson: gives batch size, learning rate, seed and, where they are not given here, size and length.
        model: it is trained in place.
        train: photos with masks, to train on.
        valid: photos with masks, to validate on.
        transform: augmentation of the training photos.
        size: side, or (height, width), of the input.
        images: training photos that it sees in all, rounded to whole epochs.
        settings: further arguments of `Trainer`; lr, schedule and seed are the lesson's where they are not among them.

    Returns:
        the `History`.

    Raises:
        Stopped: as `Trainer.fit`.
        CarvanaError: as `Trainer.fit`.
        DataError: as `Trainer.fit`.

    Lesson:
        04.
    """
    left = _left(model)
    size = size or lesson.size
    epochs = lesson.epochs if images is None else max(1, round(images / len(train)))
    settings = {"lr": lesson.lr, "schedule": "one-cycle", "seed": lesson.seed} | settings
    about = {
        "photos": train.fingerprint,
        "train": [photo.index for photo in train],
        "valid": [valid.fingerprint, *(photo.index for photo in valid)] if valid is not None else None,
        "size": size,
        "batch_size": lesson.batch_size,
        "epochs": epochs,
        "device": lesson.device,
        "torch": torch.__version__,
        "threads": torch.get_num_threads() if lesson.device == "cpu" else None,  # a GPU does not care
        "code": digest_code(),
    }
    folder = _begin(left, about, model, transform, settings)
    _seed(settings["seed"])  # what a transform draws must not depend on the cells before
    batches = loader(train, size, lesson.batch_size, shuffle=True, transform=transform, seed=settings["seed"])
    first = _weights(model)
    finished = None
    try:
        with _alone(folder):
            history = Trainer(model, folder=folder, **settings).fit(
                batches, loader(valid, size) if valid is not None else None, epochs=epochs, resume=folder is not None
            )
        finished = folder
    finally:  # after a stop and whatever error too: the weights are no longer those by which the run is found
        if folder is not None:
            with contextlib.suppress(Exception):  # of a GPU that has failed: its own error is the one to read
                _LEFT[model] = _Left(fingerprint(model), first, finished)
    return history


def _alone(folder: Path | None) -> contextlib.AbstractContextManager:
    """Of two processes that want the same training one trains; the other waits and finds it done.

    The processes of one distributed training want it together: one that waited here would hold up the others.
    """
    if folder is None or is_distributed():
        return contextlib.nullcontext()
    return owned(folder, wait=WAITING)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy in the CPU's memory."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}


def _left(model: nn.Module) -> _Left | None:
    """What a run has left of a network that nobody has changed since; else it is another beginning."""
    left = _LEFT.pop(model, None)
    try:
        return left if left is not None and fingerprint(model) == left.fingerprint else None
    except NoFingerprint:
        return None


def _begin(
    left: _Left | None, about: dict, model: nn.Module, transform: Transform | None, settings: dict
) -> Path | None:
    """The folder of a run, by a network's first weights, which it gets back if this is the run that has left it."""
    if left is None:
        return _folder(about, model, transform, settings)
    now = _weights(model)
    model.load_state_dict(left.first)
    folder = _folder(about, model, transform, settings)
    if left.finished is None or folder == left.finished:
        return folder
    model.load_state_dict(now)  # a finished training, and another one that builds on it
    return _folder(about, model, transform, settings) if folder is not None else None


def _folder(about: dict, model: nn.Module, transform: Transform | None, settings: dict) -> Path | None:
    """Where a run of that kind is kept; None for one that cannot be told from others, after a sentence."""
    try:
        parts = {"model": model, "transform": transform} | settings
        about = about | {"parts": {name: fingerprint(value) for name, value in parts.items()}}
    except NoFingerprint as error:
        print(f"This training is not saved and is repeated each time: {error}.")
        return None
    key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()
    return (keep_folder() or cache_folder()) / "runs" / key


def digest_code() -> str:
    """Hex digits over the source of everything that decides what a training gives.

    Returns:
        hex digits.
    """
    digest = hashlib.blake2b(digest_size=8)
    for room in CODE:
        place = PACKAGE / room
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _seed(seed: int) -> None:
    """Set the global generators, those that a transform of one's own may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
