"""A DataLoader made from another one: what is not changed is all kept, whichever arguments torch's class takes."""

import copy
from collections.abc import Iterable

from torch.utils.data import BatchSampler, DataLoader, Dataset


def rebuild_loader(
    loader: DataLoader,
    dataset: Dataset | None = None,
    sampler: Iterable[int] | None = None,
    batch_sampler: Iterable[list[int]] | None = None,
) -> DataLoader:
    """A loader of the same class and with the same arguments, but for its dataset or its order.

    A call of the class would have to repeat every argument, those of a subclass and of torch's later versions too, and
    would lose in silence the one that it forgets. So the object is copied, with all that it has but a pass that is
    under way. Both share generators and the rest.

    Args:
        loader: of any class; it stays as it is.
        dataset: of the same kind, asked for items by number or iterated; None keeps the loader's.
        sampler: numbers of items, put into batches of the loader's size; None keeps the order.
        batch_sampler: numbers of the items of each batch, in place of ``sampler``.

    Returns:
        The other loader.

    Lesson:
        03.
    """
    other = copy.copy(loader)
    # Torch refuses to set these by their names. An iterator belongs to the worker processes that the first one keeps.
    changed = vars(other)
    changed["_iterator"] = None
    if dataset is not None:
        changed["dataset"] = dataset
    if sampler is not None:
        changed["sampler"] = sampler
        if loader.batch_size is not None:
            batch_sampler = BatchSampler(sampler, loader.batch_size, loader.drop_last)
    if batch_sampler is not None:
        changed["batch_sampler"] = batch_sampler
    return other
