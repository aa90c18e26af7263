"""``benchmarks backgrounds`` and ``benchmarks randomised``: cars of the score stay unseen, a stopped run goes on."""

import argparse
import json
import math
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from samples import Brightness

from benchmarks import _photographs, backgrounds, randomised
from carvana_lessons import models
from carvana_lessons.data.backgrounds import FAMILIES, HELD_OUT
from carvana_lessons.models import Provenance
from carvana_lessons.models.checkpoint import load_model
from carvana_lessons.utils.errors import CarvanaError, ExistsError


@pytest.fixture
def folder(make_folder, own_cache):
    """6 cars × 3 views; one car is kept for the score."""
    return make_folder(cars=6, views=3)


def bright() -> torch.nn.Module:
    model = Brightness()
    model.recipe, model.provenance = {"name": "bright"}, Provenance((32, 48))
    return model.eval()


def test_cars_of_the_score_are_those_that_no_network_learned_from(folder):
    cars = backgrounds.unseen_cars(folder, {"a": bright()})
    assert len(cars.ids) == 1
    knows = bright()
    knows.provenance = Provenance((32, 48), train=frozenset(cars.ids))
    with pytest.raises(CarvanaError, match=f"was trained on {cars.ids[0]}"):
        backgrounds.unseen_cars(folder, {"knows": knows})


def test_families_of_the_test_are_no_families_of_a_training():
    table = backgrounds.families(trained=False)
    assert set(HELD_OUT) <= set(table) and not set(FAMILIES) & set(table)
    assert set(FAMILIES) <= set(backgrounds.families(trained=True))
    assert table["admiral"] == "photograph"  # matplotlib has it, and is always here


def test_a_bright_car_is_found_before_night_and_lost_before_white(folder):
    """The network says car where it is bright: an oracle of what pasting must do to its score."""
    cars = backgrounds.unseen_cars(folder, {})
    photos = backgrounds.measure({"bright": bright()}, cars, ["as it stands"], False, 0, None)
    assert len(photos) == 3 * len(backgrounds.families(False))
    scores = photos.groupby("family")["dice"].mean()
    assert scores["night"] > 0.9 and scores["white-wall"] < 0.6
    again = backgrounds.measure({"bright": bright()}, cars, ["as it stands"], False, 0, None)
    pd.testing.assert_frame_equal(photos, again)


def test_the_summary_is_a_mean_over_cars():
    photos = pd.DataFrame(
        [
            {"network": "n", "way": "w", "kind": "unseen", "family": family, "car": car, "dice": value}
            for family, car, value in [
                ("a", "x", 0.2),
                ("a", "x", 0.4),
                ("a", "y", 0.9),
                ("b", "x", 1.0),
                ("b", "y", 0.5),
            ]
        ]
    )
    table = backgrounds.summarise(photos).set_index("family")
    assert table.dice["a"] == pytest.approx((0.3 + 0.9) / 2) and table.worst_car["a"] == pytest.approx(0.3)
    assert table.worst_photo["a"] == 0.2 and table.photos["a"] == 3 and table.cars["a"] == 2
    assert table.dice["all of them"] == pytest.approx(((0.2 + 0.4 + 1.0) / 3 + (0.9 + 0.5) / 2) / 2)
    assert table.low["a"] <= table.dice["a"] <= table.high["a"]


def test_crops_of_a_photograph_come_from_their_seed():
    path = _photographs.photographs()["admiral"]
    first, same, other = (_photographs.crop(path, 40, 56, seed) for seed in (1, 1, 2))
    assert first.shape == (3, 40, 56) and first.equal(same) and not first.equal(other)
    assert first.min() >= 0 and first.max() <= 1


def test_a_folder_with_tables_is_left_alone(folder, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["backgrounds", str(folder), str(tmp_path / "out")])
    with pytest.raises(ExistsError, match="not empty"):
        backgrounds.main()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["notes.txt"]


def options(folder, out, **changed) -> argparse.Namespace:
    plain = {
        "folder": folder, "out": out, "network": "unet", "width": 2, "size": 32, "minutes": 0.02, "every": 0.001,
        "batch_size": 4, "lr": 4e-3, "loss": "bce-dice", "drawn_only": False, "drawn_cars": 0, "drawn": 0.25,
        "keep": 0.25, "studio": 0.1, "empty": 0.02, "ema": 0.9, "threads": None, "seed": 0, "resume": False,
        "steps": None, "begin": None,
    }  # fmt: skip
    return argparse.Namespace(**plain | changed)


def test_the_average_is_that_of_the_formula(folder, tmp_path):
    run = randomised.Run.begin(options(folder, tmp_path, ema=0.24))
    x, y = torch.rand(4, 3, 32, 32), torch.ones(4, 1, 32, 32)
    expected = None
    for n in range(4):
        run.learn(x, y, 1e-2)
        now, stays = run.model.state_dict(), min(0.24, (1 + n) / (10 + n))
        expected = (
            {k: v.clone() for k, v in now.items()}
            if expected is None
            else {k: stays * expected[k] + (1 - stays) * v if v.is_floating_point() else None for k, v in now.items()}
        )
    for name, value in run.average.module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name])


def test_a_run_may_begin_with_shipped_weights_and_has_their_width(tmp_path):
    run = randomised.Run.begin(options(tmp_path, tmp_path, begin="carvana"))
    shipped = models.create("unet", weights="carvana")
    assert run.settings["width"] == shipped.recipe["width"] == 8 and run.settings["begin"] == "carvana"
    for mine, theirs in zip(run.model.state_dict().values(), shipped.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_run_that_is_restored_goes_on_as_if_it_had_never_stopped(folder, tmp_path):
    batches = [(torch.rand(4, 3, 32, 32), (torch.rand(4, 1, 32, 32) > 0.5).float()) for _ in range(6)]
    run = randomised.Run.begin(options(folder, tmp_path))
    for x, y in batches[:3]:
        run.learn(x, y, 1e-2)
    run.seconds = 1.5
    run.save(tmp_path / "last.safetensors", Provenance((32, 32), "no", frozenset({"a"})))
    other = randomised.Run.begin(options(folder, tmp_path, seed=0))
    other.restore(tmp_path / "last.safetensors")
    assert (other.seconds, other.step) == (1.5, 3)
    assert [run.learn(x, y, 1e-2) for x, y in batches[3:]] == [other.learn(x, y, 1e-2) for x, y in batches[3:]]
    for a, b in zip(run.average.module.state_dict().values(), other.average.module.state_dict().values(), strict=True):
        assert a.equal(b)
    kept = load_model(tmp_path / "last.safetensors")
    assert kept.provenance.size == (32, 32) and kept.provenance.train == {"a"}
    with pytest.raises(CarvanaError, match="other settings \\(width\\)"):
        randomised.Run.begin(options(folder, tmp_path, width=3)).restore(tmp_path / "last.safetensors")


def test_a_run_of_so_many_steps_takes_them_whatever_the_clock_says(folder, tmp_path):
    run = randomised.Run.begin(options(folder, tmp_path, steps=3, minutes=1e-6, every=100))
    randomised.train(run, Provenance((32, 32), "no", frozenset({"a"})))
    assert run.step == 3 and run.history[-1]["photos"] == 12


def test_batches_hold_real_and_drawn_cars_in_their_shares(folder, tmp_path, make_folder, monkeypatch):
    drawn = make_folder(name="drawn", cars=2, views=4, seed=1)
    monkeypatch.setattr(randomised.studio, "ensure", lambda cars: drawn)
    both = randomised.sources(options(folder, tmp_path, drawn_cars=2, batch_size=8))
    assert [(len(photos.ids), count) for photos, count in both] == [(5, 6), (2, 2)]
    alone = randomised.sources(options(tmp_path / "nothing", tmp_path, drawn_cars=2, drawn_only=True))
    assert [(photos.root, count) for photos, count in alone] == [(drawn, 4)]
    streams = [
        randomised.endless(batches, 0, 0)
        for batches in randomised.loaders(options(folder, tmp_path, drawn_cars=2), randomised.transform(both_options()))
    ]
    x, y = next(iter(randomised.together(streams)))
    assert x.shape == (4, 3, 32, 32) and y.shape == (4, 1, 32, 32)
    assert x.is_contiguous(memory_format=torch.channels_last)


def both_options() -> argparse.Namespace:
    return argparse.Namespace(keep=0.2, studio=0.1, empty=0.0)


def test_a_training_ends_with_the_time_and_leaves_weights_with_their_card(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    command = ["randomised", str(folder), str(out), "--width", "2", "--size", "32", "--batch-size", "4", "--minutes",
               "0.03", "--every", "0.005", "--drawn-cars", "0", "--threads", "1"]  # fmt: skip
    threads = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", command)
    try:
        randomised.main()
        history = pd.read_csv(out / "history.csv")
        assert (
            history.minutes.iloc[-1] >= 0.03
            and np.isfinite(history.loss).all()
            and history.step.is_monotonic_increasing
        )
        card = json.loads((out / "weights" / "unet-backgrounds.json").read_text(encoding="utf-8"))
        unseen = backgrounds.unseen_cars(folder, {})
        assert (
            card["width"] == 2 and not set(card["cars"]["train"]) & set(unseen.ids) and len(card["cars"]["train"]) == 5
        )
        model = load_model(out / "last.safetensors")
        assert math.isfinite(sum(p.abs().sum().item() for p in model.parameters()))
        assert models.provenance(model).size == (32, 32)
        with pytest.raises(ExistsError, match="--resume"):
            randomised.main()
        monkeypatch.setattr(sys, "argv", [*command, "--resume"])
        randomised.main()  # the time was over: only the weights are written again
        assert len(pd.read_csv(out / "history.csv")) == len(history)
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
