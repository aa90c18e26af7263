"""What decides the result of a run: its parts, in as many sessions as they may be, must agree in all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

from carvana_lessons.data import CarDataset
from carvana_lessons.fingerprint import NoFingerprint, fingerprint

if TYPE_CHECKING:
    from carvana_lessons.trainer.trainer import Trainer


def settings_of(trainer: Trainer, train: DataLoader, valid: DataLoader | None, processes: int) -> dict[str, Any]:
    """By name, as plain values; None stands for what cannot be told from another one.

    Of photos that are neither a `CarDataset` nor tensors, only their number and the name of their class are known.
    """
    t = trainer
    return {
        "network": _told(t.model, t),
        "loss": _told(t.loss, t),
        "lr": t.lr,
        "schedule": t.schedule,
        "halve_every": t.halve_every,
        "accumulate": t.accumulate,
        "clip": t.clip,
        "patience": t.patience,
        "seed": t.seed,
        "batch_size": train.batch_size,
        "drop_last": getattr(train, "drop_last", None),
        "shuffle": _told(_order(train), t),
        "collate_fn": _told(train.collate_fn, t),
        "photos": _told(_photos(train.dataset), t),
        "input size": _size(train.dataset),
        "transform": _told([getattr(train, "transform", None), *_transforms(train.dataset)], t),
        "workers": train.num_workers > 0 and _draws(train.dataset),
        "validation photos": _told([_photos(valid.dataset), _size(valid.dataset)], t) if valid is not None else "none",
        "processes": processes,
    }


def _told(thing: Any, trainer: Trainer) -> str | None:
    try:
        return fingerprint(thing, trained=trainer.model)
    except NoFingerprint:
        return None


def _order(loader: DataLoader) -> list[Any]:
    """How a loader's photos follow one another, without the state of what shuffles them."""
    kinds = [loader.sampler] if type(loader.batch_sampler) is BatchSampler else [loader.sampler, loader.batch_sampler]
    own = {"data_source", "generator", "sampler"}
    return [[type(k).__name__, {n: v for n, v in vars(k).items() if n not in own}] for k in kinds if k is not None]


def _inner(dataset: Dataset) -> list[Dataset]:
    """The datasets that one is made of."""
    if isinstance(dataset, ConcatDataset):
        return list(dataset.datasets)
    return [dataset.dataset] if isinstance(dataset, Subset) else []


def _photos(dataset: Dataset) -> Any:
    """What tells the photos of a dataset from others, wherever they lie and whenever they were copied there."""
    if isinstance(dataset, CarDataset):
        files = [[f for f in (photo.image, photo.mask) if f is not None] for photo in dataset.photos]
        return [[part for f in pair for part in (f.name, f.stat().st_size)] for pair in files]
    if isinstance(dataset, TensorDataset):
        return list(dataset.tensors)
    parts = [_photos(part) for part in _inner(dataset)]
    own = list(dataset.indices) if isinstance(dataset, Subset) else None
    number = len(dataset) if hasattr(dataset, "__len__") else None
    return [parts, own] if parts else [type(dataset).__qualname__, number]


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
