"""The next item is made while the present one is used, one and no more."""

import threading
import time

import pytest

from carvana_lessons.data import read_mask
from carvana_lessons.evaluation import score
from carvana_lessons.utils.prefetch import prefetch


def test_same_items_in_the_same_order():
    assert list(prefetch(range(100))) == list(range(100))
    assert list(prefetch([])) == []
    assert list(prefetch([None, False, ()])) == [None, False, ()], "nothing is taken for the end"


def test_the_next_item_is_made_meanwhile_and_the_one_after_it_is_not():
    begun = [threading.Event() for _ in range(5)]

    def make():
        for event in begun:
            event.set()
            yield event

    items = prefetch(make())
    for k in range(5):
        next(items)
        assert all(event.wait(10) for event in begun[: k + 2]), "the next one is under way"
        assert not any(event.wait(0.05) for event in begun[k + 2 : k + 3]), "the one after it is not"


def test_an_error_comes_when_its_items_turn_has_come():
    items = prefetch(1 // n for n in (1, 0))
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_whoever_stops_early_leaves_no_thread():
    before = threading.active_count()
    items = prefetch(iter(range(1_000_000)))
    next(items)
    items.close()
    assert threading.active_count() == before


def test_scoring_reads_one_true_mask_ahead_and_no_more(cars, monkeypatch):
    """However long the masks to be scored take: true ones that pile up meanwhile are 2.5 MB each."""
    read, taken = [], []
    monkeypatch.setattr(
        "carvana_lessons.evaluation.scoring.read_mask", lambda path: read.append(path) or read_mask(path)
    )

    def slow():
        for k, photo in enumerate(cars[:12]):
            time.sleep(0.02)
            taken.append(len(read) - k)
            yield read_mask(photo.mask)

    assert (score(slow(), cars[:12]).dice == 1).all()
    assert max(taken) <= 2
