"""What decides the result of a run: its parts, in as many sessions as they may be, must agree in all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

from carvana_lessons.data import CarDataset
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.fingerprint import NoFingerprint, fingerprint, is_own

# Settings that are fingerprints; None where there is none.
FINGERPRINTS = {"network", "loss", "shuffle", "collate_fn", "photos", "transform", "validation photos"}


def describe_settings(
    model: nn.Module,
    loss: Callable,
    plain: Mapping[str, Any],
    train: DataLoader,
    valid: DataLoader | None,
    processes: int,
) -> dict[str, Any]:
    """The settings of a run by name, as plain values that a file can keep.

    Of photos that are neither a `CarDataset` nor tensors, their number, class and plain public attributes are known.

    Args:
        model: the network that is trained; what the others take from it is no setting of theirs.
        loss: logits, target → scalar.
        plain: further settings that are plain values, as learning rate and seed.
        train: loader of the training photos.
        valid: loader of the validation photos, or None.
        processes: that train together.

    Returns:
        The settings; None stands for what cannot be told from another one.
    """

    def told(thing: Any) -> str | None:
        try:
            return fingerprint(thing, trained=model)
        except NoFingerprint:
            return None

    return {
        "network": told(model),
        "loss": told(loss),
        **plain,
        "batch_size": train.batch_size,
        "drop_last": getattr(train, "drop_last", None),
        "shuffle": told(_order(train)),
        "collate_fn": told(train.collate_fn),
        "photos": told(_photos(train.dataset)),
        "input size": _size(train.dataset),
        "transform": told([getattr(train, "transform", None), *_transforms(train.dataset)]),
        "workers": train.num_workers > 0 and _draws(train.dataset),
        "validation photos": told([_photos(valid.dataset), _size(valid.dataset)]) if valid is not None else "none",
        "processes": processes,
    }


def compare_settings(path: Path, about: Mapping[str, Any], settings: Mapping[str, Any], epochs: int) -> list[str]:
    """See that everything that decides the result is what it was when a run began.

    Args:
        path: of the checkpoint, for the errors.
        about: what it says of the run.
        settings: those of now, as `describe_settings` gives them.
        epochs: of the whole run.

    Returns:
        Names of settings that an older version did not note.

    Raises:
        CarvanaError: if a setting has changed, or if nothing tells whether it has.
    """
    before = about.get("settings", {})
    changed = [name for name, value in settings.items() if name in before and before[name] != value]
    if settings["schedule"] == "one-cycle" and about["epochs"] != epochs:
        changed.append("epochs")  # its shape depends on the length of the whole run
    if changed:
        raise CarvanaError(
            f"{path} is of a run with other settings ({', '.join(changed)}); repeat those settings to continue, or "
            f"choose another folder."
        )
    untold = [name for name, value in settings.items() if value is None and name in FINGERPRINTS]
    if untold:
        raise CarvanaError(
            f"{path} cannot be continued: nothing tells whether {' and '.join(untold)} did the same then as "
            "now, as of a function that calls eval or holds an open file; train again in another folder."
        )
    return [name for name in settings if name not in before]


def _order(loader: DataLoader) -> list[Any]:
    """How a loader's photos follow one another, without the state of what shuffles them."""
    kinds = [loader.sampler] if type(loader.batch_sampler) is BatchSampler else [loader.sampler, loader.batch_sampler]
    own = {"data_source", "generator", "sampler"}
    order = [[_kind(k), {n: v for n, v in vars(k).items() if n not in own}] for k in kinds if k is not None]
    return [*order, type(loader)] if is_own(type(loader)) else order


def _kind(thing: Any) -> Any:
    """The name of a library's class; of one's own, the class, with its code."""
    return type(thing) if is_own(type(thing)) else type(thing).__name__


def _inner(dataset: Dataset) -> list[Dataset]:
    """The datasets that one is made of."""
    if isinstance(dataset, ConcatDataset):
        return list(dataset.datasets)
    return [dataset.dataset] if isinstance(dataset, Subset) else []


def _photos(dataset: Dataset) -> Any:
    """What tells the photos of a dataset from others, wherever they lie and whenever they were copied there."""
    parts = [_photos(part) for part in _inner(dataset)]
    if isinstance(dataset, CarDataset):
        files = [[f for f in (photo.image, photo.mask) if f is not None] for photo in dataset.photos]
        told = [[part for f in pair for part in (f.name, f.stat().st_size)] for pair in files]
    elif isinstance(dataset, TensorDataset):
        told = list(dataset.tensors)
    elif parts:
        told = [parts, list(dataset.indices) if isinstance(dataset, Subset) else None]
    else:
        number = len(dataset) if hasattr(dataset, "__len__") else None
        return [_kind(dataset), number, _attributes(dataset)]
    if not is_own(type(dataset)):
        return told
    return [told, type(dataset), {} if isinstance(dataset, TensorDataset) else _attributes(dataset)]


def _attributes(dataset: Dataset) -> dict[str, Any]:
    """Plain values that decide what a dataset gives; what begins with an underscore is its own affair, as a cache.

    What has a setting of its own is left out, so that a refusal names one.
    """
    named = {"size", "transform"}
    values = {k: _plain(v) for k, v in sorted(vars(dataset).items()) if k[:1] != "_" and k not in named}
    return {k: v for k, v in values.items() if v is not NotImplemented}


def _plain(value: Any) -> Any:
    """A value as it is told from others, NotImplemented for what is left out; of a path, its name: folders move."""
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, str):
        return value.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if isinstance(value, tuple | list):
        parts = [_plain(part) for part in value]
        return NotImplemented if any(part is NotImplemented for part in parts) else parts
    return value if isinstance(value, int | float | complex | Tensor | np.ndarray | None) else NotImplemented


def _size(dataset: Dataset) -> Any:
    """(height, width) of the input, as a file keeps it, where the dataset has it."""
    sizes = [_size(part) for part in _inner(dataset)] or [getattr(dataset, "size", None)]
    size = sizes[0]
    return list(size) if isinstance(size, tuple) else size if isinstance(size, int) else None


def _transforms(dataset: Dataset) -> list[Any]:
    """What changes the photos one by one."""
    return [getattr(dataset, "transform", None), *(t for part in _inner(dataset) for t in _transforms(part))]


def _draws(dataset: Dataset) -> bool:
    """Whether random numbers may be drawn where photos are read: in worker processes others than in this one."""
    if parts := _inner(dataset):
        return any(_draws(part) for part in parts)
    return not isinstance(dataset, CarDataset | TensorDataset) or getattr(dataset, "transform", None) is not None
