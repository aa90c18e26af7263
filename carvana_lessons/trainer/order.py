"""The order of the photos in an epoch: it follows from seed and number alone, so that a resumed run has it too."""

from itertools import islice

from torch.utils.data import DataLoader


def seed_epoch(loader: DataLoader, seed: int, epoch: int) -> None:
    """Set a loader's generators to where an epoch, counted from 0, begins.  Lesson: 03."""
    for generator in (loader.generator, getattr(loader.sampler, "generator", None)):
        if generator is not None:
            generator.manual_seed(seed * 1_000_003 + epoch)


def batch_names(loader: DataLoader, seed: int, epoch: int, position: int) -> list[str]:
    """The photos of one batch, found by drawing the epoch's order again.

    Args:
        loader: as `carvana_lessons.data.loader` makes it; of any other the answer is empty.
        seed, epoch: as `seed_epoch`.  position: of the batch, counted from 0.
    """
    photos = getattr(loader.dataset, "photos", None)
    if photos is None:
        return []
    seed_epoch(loader, seed, epoch)
    order = DataLoader(
        range(len(photos)), batch_sampler=loader.batch_sampler, generator=loader.generator, collate_fn=list
    )
    return [photos[i].name for i in next(islice(order, position, None), [])]
