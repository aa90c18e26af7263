"""A loader that is made from another one: whatever torch's class, or a subclass, was given is still there."""

import inspect

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, Subset, TensorDataset

from carvana_lessons import data
from carvana_lessons.data.batches import CarLoader
from carvana_lessons.data.rebuild import rebuild_loader
from carvana_lessons.training.distributed import share
from carvana_lessons.training.order import seed_workers

NUMBERS = TensorDataset(torch.arange(12))
TENS = TensorDataset(10 * torch.arange(12))
ORDER = [3, 1, 2, 0, 7, 5, 11]
# Every argument of torch's DataLoader, with a value that is not its default; one that torch adds must be added here.
GIVEN = {
    "batch_size": 3,
    "num_workers": 1,
    "collate_fn": list,
    "pin_memory": True,
    "drop_last": True,
    "timeout": 17.0,
    "worker_init_fn": print,
    "multiprocessing_context": torch.multiprocessing.get_context("spawn"),
    "generator": torch.Generator(),
    "prefetch_factor": 5,
    "persistent_workers": True,
    "pin_memory_device": "cuda",
    "in_order": False,
}
OF_THE_ORDER = {"dataset", "sampler", "batch_sampler", "shuffle"}  # what may be replaced, and what became a sampler
KNOWN = set(inspect.signature(DataLoader.__init__).parameters) - {"self"}


class Mine(DataLoader):
    """A loader of somebody's own."""

    def __init__(self, *given, color="red", **named):
        super().__init__(*given, **named)
        self.color = color


def test_no_argument_of_torch_is_unknown_here():
    assert KNOWN - set(GIVEN) - OF_THE_ORDER == set()


def made(kind, **given):
    return kind(NUMBERS, sampler=ORDER, **{k: v for k, v in GIVEN.items() if k in KNOWN}, **given)


CAR = {"transform": data.Augment(rotate=3), "seed": 4}
WAYS = {
    "dataset": lambda loader: rebuild_loader(loader, TENS),
    "sampler": lambda loader: rebuild_loader(loader, sampler=[1, 2, 3]),
    "stored": lambda loader: loader.stored() if isinstance(loader, CarLoader) else rebuild_loader(loader),
    "seed_workers": lambda loader: seed_workers(loader, seed=0),
    "share": lambda loader: share(loader, rank=1, count=2),
}


@pytest.mark.filterwarnings("ignore:.*pin_memory")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "given"), [(DataLoader, {}), (Mine, {"color": "blue"}), (CarLoader, CAR)])
def test_nothing_is_lost(kind, given, way):
    loader = made(kind, **given)
    before = dict(vars(loader))
    other = WAYS[way](loader)
    assert type(other) is kind and other is not loader
    assert [name for name in GIVEN if name in KNOWN and getattr(other, name) != getattr(loader, name)] == []
    replaced = {"dataset", "sampler", "batch_sampler", "_iterator"}
    assert {k: v for k, v in vars(other).items() if k not in replaced} == {
        k: v for k, v in vars(loader).items() if k not in replaced
    }
    assert vars(loader) == before, "the first one stays as it is"


def rows(loader):
    return [batch[0].tolist() for batch in loader]


def test_batches_come_from_the_other_dataset_in_the_same_order():
    loader = DataLoader(NUMBERS, 3, sampler=ORDER)
    assert rows(loader) == [[3, 1, 2], [0, 7, 5], [11]]
    assert rows(rebuild_loader(loader, TENS)) == [[30, 10, 20], [0, 70, 50], [110]]
    assert rows(rebuild_loader(loader, sampler=[4, 5, 6, 7])) == [[4, 5, 6], [7]]
    assert rows(rebuild_loader(loader, batch_sampler=[[9], [8, 7]])) == [[9], [8, 7]]
    single = DataLoader(NUMBERS, batch_size=None, sampler=[2, 1])
    assert [x.item() for (x,) in rebuild_loader(single, TENS, sampler=[5, 6, 7])] == [50, 60, 70]
    assert rows(loader) == [[3, 1, 2], [0, 7, 5], [11]]


def test_two_loaders_do_not_share_their_worker_processes():
    loader = DataLoader(NUMBERS, 6, num_workers=1, persistent_workers=True)
    assert rows(loader) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert rows(rebuild_loader(loader, TENS)) == [[0, 10, 20, 30, 40, 50], [60, 70, 80, 90, 100, 110]]
    assert rows(loader) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_photo_is_in_the_share_of_one_process(count):
    def shares(loader):
        return [rows(share(loader, rank, count)) for rank in range(count)]

    for loader, all_of_them in (
        (DataLoader(NUMBERS, 2), range(12)),
        (DataLoader(NUMBERS, 5, shuffle=True), range(12)),
        (DataLoader(NUMBERS, 2, sampler=ORDER), ORDER),
        (DataLoader(NUMBERS, batch_sampler=BatchSampler(SequentialSampler(NUMBERS), 5, False)), range(12)),
        (DataLoader(NUMBERS, batch_sampler=[[3], [1, 2, 0], [7, 5, 11]]), ORDER),
        (DataLoader(Subset(NUMBERS, [4, 6, 8]), 2), [4, 6, 8]),
    ):
        parts = shares(loader)
        assert sorted(row for part in parts for batch in part for row in batch) == sorted(all_of_them)
        assert [len(share(loader, rank, count)) for rank in range(count)] == [len(part) for part in parts]
    if count == 2:  # as many for each as can be, in the order of the dataset
        assert shares(DataLoader(NUMBERS, 4)) == [[[0, 2, 4, 6], [8, 10]], [[1, 3, 5, 7], [9, 11]]]
