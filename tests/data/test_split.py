"""Splits: no car in two parts, no photo lost, the same parts everywhere."""

import shutil
from collections import Counter

import pytest

from carvana_lessons import data
from carvana_lessons.course.lesson import describe_data
from carvana_lessons.utils.errors import DataError


@pytest.fixture
def many(make_folder):
    return data.CarFolder(make_folder(cars=12, views=2, size=(6, 4)))


@pytest.mark.parametrize(
    ("fractions", "counts"),
    [
        ((0.6, 0.2, 0.2), [7, 2, 3]),
        ((0.5, 0.5), [6, 6]),
        ((1 / 3, 1 / 3, 1 / 3), [4, 4, 4]),  # 3 × 0.333… is not 1 to the last bit
        ((10 / 12, 2 / 12), [10, 2]),
        ((0.98, 0.01, 0.01), [10, 1, 1]),
        ((1.0,), [12]),
    ],
)
def test_parts_are_disjoint_complete_and_of_the_size_asked_for(many, fractions, counts):
    parts = data.split_by_car(many, fractions, seed=3)
    assert [len(part.ids) for part in parts] == counts
    assert sorted(car for part in parts for car in part.ids) == many.ids
    assert sorted(photo.name for part in parts for photo in part) == [photo.name for photo in many]


def test_the_seed_decides_and_nothing_else(many, tmp_path):
    parts = data.split_by_car(many, seed=5)
    # Written in another order elsewhere: the operating system lists the files differently.
    other = tmp_path / "elsewhere"
    for folder in ("train", "train_masks"):
        (other / folder).mkdir(parents=True)
        for file in sorted((many.root / folder).iterdir(), reverse=True):
            shutil.copy(file, other / folder / file.name)
    again = data.split_by_car(data.CarFolder(other), seed=5)
    assert [part.ids for part in again] == [part.ids for part in parts]
    assert any(data.split_by_car(many, seed=s)[0].ids != parts[0].ids for s in range(3))
    assert parts[0].ids != many.ids[:7], "shuffled, not cut"


def test_fraction_of_the_challenge_is_the_slides_190_cars():
    from carvana_lessons.data.split import _shares

    assert _shares(318, (0.6, 0.2, 0.2), "cars")[0] == 190
    assert _shares(96, (80 / 96, 16 / 96), "cars") == [80, 16]
    assert 22 * (15 / 22) < 15 and _shares(22, (15 / 22, 7 / 22), "cars") == [15, 7], "not to be rounded down to 14"


@pytest.mark.parametrize("fractions", [(0.6, 0.2), (0.6, 0.6), (1.2, -0.2), (0.0, 1.0), ()])
def test_fractions_that_make_no_sense(many, fractions):
    with pytest.raises(DataError, match="sum to 1"):
        data.split_by_car(many, fractions)


def test_too_few_cars(many):
    with pytest.raises(DataError, match="2 cars cannot fill 3 parts"):
        data.split_by_car(many.select(cars=many.ids[:2]))


@pytest.mark.parametrize("k", [2, 5, 12])
def test_folds_hold_out_every_car_once(many, k):
    folds = data.k_folds_by_car(many, k, seed=1)
    assert len(folds) == k
    assert sorted(car for _, valid in folds for car in valid.ids) == many.ids
    for train, valid in folds:
        assert not set(train.ids) & set(valid.ids)
        assert sorted(train.ids + valid.ids) == many.ids
    sizes = [len(valid.ids) for _, valid in folds]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("k", [0, 1, 13])
def test_impossible_folds(many, k):
    with pytest.raises(DataError, match="2 to 12 folds"):
        data.k_folds_by_car(many, k)


def test_split_by_image_covers_all_photos_and_leaks(cars):
    train, valid = data.split_by_image(cars, (0.8, 0.2), seed=0)
    assert len(train) == 51 and len(valid) == 13
    assert sorted(p.name for part in (train, valid) for p in part) == [p.name for p in cars]
    assert set(train.ids) & set(valid.ids), "that is the leak"
    assert [p.name for p in data.split_by_image(cars, (0.8, 0.2), seed=0)[1]] == [p.name for p in valid]


def test_a_part_can_be_split_again(many):
    rest, test = data.split_by_car(many, (0.75, 0.25))
    train, valid = data.split_by_car(rest, (0.5, 0.5))
    assert sorted(train.ids + valid.ids + test.ids) == many.ids


def test_one_car_is_one_car(make_folder):
    one = data.CarFolder(make_folder(cars=1, views=1))
    with pytest.raises(DataError, match=r"^1 car cannot be divided into folds, that takes at least 2 cars\.$"):
        data.k_folds_by_car(one, 2)
    with pytest.raises(DataError, match=r"^0 cars cannot be divided"):
        data.k_folds_by_car(one[:0], 2)
    with pytest.raises(DataError, match=r"^1 car cannot fill 2 parts"):
        data.split_by_car(one, (0.5, 0.5))
    with pytest.raises(DataError, match=r"^1 photo cannot fill 2 parts"):
        data.split_by_image(one)
    with pytest.raises(DataError, match=r"^0 photos cannot fill 1 part:"):
        data.split_by_image(one[:0], (1,))
    assert repr(one) == "CarFolder(photos: 1 photo of 1 car, photos)"
    assert describe_data(one) == "real photos, 1 car, 1 photo"


@pytest.mark.parametrize("count", [1, 3, 5, 7, 16, 20, 50, 79, 80, 200])
def test_a_sample_is_even_over_cars_and_views(make_folder, count):
    cars = data.CarFolder(make_folder(cars=5, views=16, size=(6, 4)))
    sample = data.sample_evenly(cars, count)
    names = [photo.name for photo in sample]
    assert len(names) == len(set(names)) == min(count, 80) and names == sorted(names)
    for values, whole in ((Counter(p.car for p in sample), 5), (Counter(p.view for p in sample), 16)):
        assert max(values.values()) - (min(values.values()) if len(values) == whole else 0) <= 1
    assert [photo.name for photo in data.sample_evenly(cars, count)] == names


def test_a_sample_of_a_part_with_uneven_cars_has_as_many_as_asked_for(many):
    part = many.subset([0, 1, 2, 5, 9, 10, 11])
    for count in range(1, 8):
        assert len(data.sample_evenly(part, count)) == count
    with pytest.raises(DataError, match="at least 1"):
        data.sample_evenly(part, 0)
