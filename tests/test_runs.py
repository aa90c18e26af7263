"""A run that was trained is found again; whatever decides its result decides its folder."""

import dataclasses

import pytest
import torch

from carvana_lessons import course, data, models
from carvana_lessons.runs import train_once


@pytest.fixture
def lesson(make_folder, own_cache, monkeypatch):
    monkeypatch.setenv("CARVANA_DATA", str(make_folder(cars=4, views=2)))
    monkeypatch.setenv("CARVANA_SCALE", "quick")
    return dataclasses.replace(course.start("test"), size=16, batch_size=2, epochs=2)


def fresh(seed=0):
    torch.manual_seed(seed)
    return models.create("unet-tiny", width=2)


def test_the_second_call_trains_nothing_and_gives_the_same(lesson, own_cache):
    cars = data.CarFolder(lesson.data)
    first, second = fresh(), fresh()
    history = train_once(lesson, first, cars, cars)
    stamps = {f: f.stat().st_mtime_ns for f in own_cache.glob("runs/*/*")}
    again = train_once(lesson, second, cars, cars)
    assert again.frame.equals(history.frame) and len(history) == 2  # its times too: those of the run that trained
    assert {f: f.stat().st_mtime_ns for f in own_cache.glob("runs/*/*")} == stamps
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"model": fresh(1)},
        {"model": models.create("unet-small", width=2)},
        {"photos": slice(1, None)},
        {"transform": data.Augment(rotate=0)},
        {"size": 32},
        {"images": 8},
        {"lr": 0.5},
        {"clip": None},
    ],
    ids=str,
)
def test_whatever_decides_the_result_is_another_run(lesson, own_cache, change):
    change = dict(change)
    cars = data.CarFolder(lesson.data)
    train_once(lesson, fresh(), cars)
    train_once(lesson, change.pop("model", fresh()), cars[change.pop("photos", slice(None))], **change)
    assert len(list((own_cache / "runs").iterdir())) == 2


def test_what_was_drawn_before_does_not_matter(lesson, own_cache, monkeypatch):
    cars, flips = data.CarFolder(lesson.data), data.Augment(rotate=0)
    results = []
    for noise in (0, 5):
        monkeypatch.setenv("CARVANA_CACHE", str(own_cache / str(noise)))
        model = fresh()
        torch.rand(noise)
        train_once(lesson, model, cars, transform=flips)
        results.append(torch.cat([v.flatten() for v in model.state_dict().values()]))
    assert torch.equal(*results)


@pytest.mark.parametrize(("device", "runs"), [("cpu", 2), ("cuda", 1)])
def test_threads_count_only_where_they_decide_the_result(lesson, own_cache, device, runs):
    """The hosts of Colab's GPUs have different numbers of cores."""
    lesson = dataclasses.replace(lesson, device=device)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            train_once(lesson, fresh(), data.CarFolder(lesson.data))
    finally:
        torch.set_num_threads(before)
    assert len(list((own_cache / "runs").iterdir())) == runs
