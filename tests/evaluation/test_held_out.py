"""A score is made of cars that the network was not trained on, or it says so."""

import pytest
from samples import Brightness

from carvana_lessons import data
from carvana_lessons.evaluation import held_out
from carvana_lessons.models import Provenance
from carvana_lessons.utils.errors import DataError


def learned(*cars: str | None) -> Brightness:
    model = Brightness()
    model.provenance = Provenance(train=None if cars == (None,) else frozenset(cars))
    return model


def test_the_cars_that_no_network_has_seen_are_scored(cars):
    a, b, c, d = cars.ids
    chosen, note = held_out(cars, [learned(a, c)])
    assert chosen.ids == [b, d] and note is None
    assert held_out(cars, [learned(a), learned(c, "0123456789ab")])[0].ids == [b, d]
    assert held_out(cars, [learned()])[0].ids == cars.ids


@pytest.mark.parametrize("seed", range(4))
def test_another_split_than_the_trainings_is_said(cars, seed):
    known, unseen = data.split_by_car(cars, (0.5, 0.5), seed=0)
    model = learned(*known.ids)
    chosen, note = held_out(cars, [model], share=0.5, seed=seed)
    assert chosen.ids == data.split_by_car(cars, (0.5, 0.5), seed=seed)[1].ids
    twice = len(set(chosen.ids) & set(known.ids))
    assert (note is None) == (twice == 0)
    if twice:
        assert note.startswith(f"Of 2 scored cars the network was trained on {twice}:")
    assert held_out(cars, [model])[0].ids == unseen.ids


def test_all_cars_are_scored_if_that_is_asked_for(cars):
    chosen, note = held_out(cars, [learned(*cars.ids)], share=1)
    assert chosen.ids == cars.ids and note.startswith("Of 4 scored cars the network was trained on 4:")


def test_a_folder_of_known_cars_alone_is_refused(cars):
    with pytest.raises(DataError, match=r"only cars that the network was trained on.*--valid 1"):
        held_out(cars, [learned(*cars.ids)])


def test_weights_that_do_not_say_it_are_scored_as_train_splits_and_said(cars):
    chosen, note = held_out(cars, [learned(None)])
    assert chosen.ids == data.split_by_car(cars, (5 / 6, 1 / 6), seed=0)[1].ids
    assert note.startswith("The weights do not say")
