"""Order and augmentation of an epoch's photos: they follow from seed and number alone, so in a resumed run too."""

from itertools import islice

from torch.utils.data import DataLoader

from carvana_lessons.data.batches import CarLoader, draw_seed


def seed_epoch(loader: DataLoader, seed: int, epoch: int, rank: int = 0) -> None:
    """Set a loader's generators to where an epoch begins.

    Args:
        loader: any; of ours also what its transform draws is set.
        seed: of the run.
        epoch: counted from 0.
        rank: of this process among those that train together: all have one order of the photos, and each its own draws.
    Lesson: 03.
    """
    for generator in (loader.generator, getattr(loader.sampler, "generator", None)):
        if generator is not None:
            generator.manual_seed(seed * 1_000_003 + epoch)
    if isinstance(loader, CarLoader):
        loader.draws.manual_seed(draw_seed(seed, epoch, rank))


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
