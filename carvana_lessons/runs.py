"""A training that was done once is not done again: its folder follows from everything that decides its result.

Lesson: 04.
"""

import hashlib
import json
import random
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from carvana_lessons.course import Lesson
from carvana_lessons.data import CarFolder, loader
from carvana_lessons.data.dataset import Transform
from carvana_lessons.errors import Stopped
from carvana_lessons.files import cache_folder
from carvana_lessons.fingerprint import NoFingerprint, fingerprint
from carvana_lessons.history import History
from carvana_lessons.keeping import keep_folder
from carvana_lessons.trainer import Trainer

PACKAGE = Path(__file__).parent
CODE = ("data", "models", "checkpoint.py", "device.py", "losses.py", "metrics.py", "schedule.py", "trainer")

# Networks whose run was stopped: what they were left as, and their first weights.
_STOPPED: WeakKeyDictionary[nn.Module, tuple[str, dict[str, Tensor]]] = WeakKeyDictionary()


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
    notebook's: whoever edits a loss, a transform or a ``forward``, or changes a number that they use, trains anew. A
    run that was interrupted goes on where it stopped, in another session too where `course.start` was given ``keep``.
    The history keeps the times of the run that trained. What cannot be told from another, as a loss that calls
    ``eval``, is trained anew by every call, and a sentence says so.

    Args:
        lesson: gives batch size, learning rate, seed and, where they are not given here, size and length.
        model: fresh; it is trained in place.  train, valid: photos with masks.
        transform: augmentation of the training photos.
        size: side, or (height, width), of the input.
        images: training photos that it sees in all, rounded to whole epochs.
        settings: further arguments of `Trainer`; lr, schedule and seed are the lesson's where they are not among them.
    Returns: the `History`.
    Raises: as `Trainer.fit`.
    Lesson: 04.
    """
    _rewind(model)
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
    folder = _folder(about, model, transform, settings)
    _seed(settings["seed"])  # what a transform draws must not depend on the cells before
    batches = loader(train, size, lesson.batch_size, shuffle=True, transform=transform, seed=settings["seed"])
    first = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    try:
        return Trainer(model, folder=folder, **settings).fit(
            batches, loader(valid, size) if valid is not None else None, epochs=epochs, resume=folder is not None
        )
    except Stopped:
        if folder is not None:
            _STOPPED[model] = fingerprint(model), first
        raise


def _rewind(model: nn.Module) -> None:
    """Give a network whose run was stopped its first weights back, by which that run is found again."""
    left, first = _STOPPED.pop(model, (None, None))
    if first is not None and fingerprint(model) == left:  # else it was changed since, and is another beginning
        model.load_state_dict(first)


def _folder(about: dict, model: nn.Module, transform: Transform | None, settings: dict) -> Path | None:
    """Where a run of that kind is kept; None for one that cannot be told from others, after a sentence."""
    try:
        parts = {"model": model, "transform": transform} | settings
        about = about | {"parts": {name: fingerprint(value) for name, value in parts.items()}}
    except NoFingerprint as error:
        print(f"This training is not kept and is done anew each time: {error}.")
        return None
    key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()
    return (keep_folder() or cache_folder()) / "runs" / key


def digest_code() -> str:
    """Hex digits over the source of everything that decides what a training gives."""
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
