"""A comparison: what is killed goes on to the same table, and differences come with an honest interval."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator

from carvana_lessons import data, models, show
from carvana_lessons.comparison import Protocol, compare, interval, markdown, paired, summarise
from carvana_lessons.comparison.speed import noise
from carvana_lessons.models import checkpoint
from carvana_lessons.training import Trainer
from carvana_lessons.utils.device import find_device
from carvana_lessons.utils.errors import CarvanaError, DataError
from carvana_lessons.utils.locking import owned

TINY = Protocol(size=32, width=2, epochs=2, batch_size=4, valid=0.5, flip=0.5)
NETWORKS = ("unet", "arc1")


@pytest.fixture
def cars(make_folder, own_cache):
    return data.CarFolder(make_folder(cars=4, views=2))


def test_speed_is_measured_on_batches_that_travel_as_photos_do():
    """As bytes where Accelerate prepares them for the trainer, as floats to whoever takes them otherwise."""
    batches = noise(3, 8, 2)
    prepared = list(Accelerator().prepare_data_loader(batches))
    assert {part.dtype for batch in prepared for part in batch} == {torch.uint8}
    assert batches.pin_memory == (find_device() == "cuda")
    for (stored, mask), (x, y) in zip(prepared, batches, strict=True):
        assert x.shape == (2, 3, 8, 8) and y.shape == (2, 1, 8, 8)
        assert torch.equal(x, stored.cpu() / 255) and torch.equal(y, mask.cpu().float())
        assert torch.equal(y, (stored[:, :1].cpu() > 127).float())


def test_two_networks_and_their_table(cars, tmp_path):
    table = compare(cars, tmp_path / "runs", NETWORKS, seeds=(0, 1), protocol=TINY)
    assert list(table["network"]) == ["unet", "arc1"] and list(table["seeds"]) == [2, 2]
    assert list(table["parameters"]) == [models.count_parameters(models.create(n, width=2)) for n in NETWORKS]
    assert (table[["train_ms", "test_ms", "memory_mb"]] > 0).all(axis=None)
    runs = pd.read_csv(tmp_path / "runs" / "runs.csv")
    assert len(runs) == 4 and (runs["epochs"] == 2).all()
    for row in table.itertuples():
        scores = [pd.read_csv(tmp_path / "runs" / f"{row.network}-seed{s}" / "scores.csv") for s in (0, 1)]
        assert row.dice == pytest.approx(np.mean([s["dice"].mean() for s in scores]))
        assert {car for s in scores for car in s["car"]} == set(TINY.split(cars)[1].ids)
        for score in ("dice", "boundary_iou", "hd95", "surface_dice"):
            assert getattr(row, score) == pytest.approx(np.mean([s[score].mean() for s in scores]))
    assert "| HD95, px | surface Dice, % |" in markdown(table)
    by_car = pd.read_csv(tmp_path / "runs" / "cars.csv")
    gained = paired(by_car, "arc1", "unet", "hd95")
    mean = by_car.groupby("network")["hd95"].mean()
    assert gained.mean() == pytest.approx(mean["arc1"] - mean["unet"])
    about = json.loads((tmp_path / "runs" / "arc1-seed1" / "run.json").read_text(encoding="utf-8"))
    assert about["protocol"]["flip"] == 0.5 and about["seed"] == 1


def test_a_training_may_be_as_long_as_photos_are_seen(cars, tmp_path):
    """7 photos of 4: two epochs of 3."""
    protocol = replace(TINY, images=7, precision="no", batch_size=1)
    known = protocol.split(cars)[0]
    assert len(known) == 4 and protocol.passes(known) == (2, 3) and "7 photos seen" in str(protocol)
    assert replace(protocol, images=9).passes(known) == (3, 3) and replace(protocol, images=4).passes(known) == (1, 4)
    assert TINY.passes(known) == (2, None)
    compare(cars, tmp_path / "runs", ["unet"], seeds=(0,), protocol=protocol, speed=False)
    last = checkpoint.load(tmp_path / "runs" / "unet-seed0" / "last.safetensors")
    assert len(pd.read_csv(tmp_path / "runs" / "unet-seed0" / "history.csv")) == 2
    batches = next(value for name, value in last.weights.items() if name.endswith("num_batches_tracked"))
    assert batches == 6


def test_runs_of_a_time_before_outlines_were_scored_are_still_read(cars, tmp_path):
    compare(cars, tmp_path / "runs", ["unet"], seeds=(0,), protocol=TINY, speed=False)
    file = tmp_path / "runs" / "unet-seed0" / "scores.csv"
    pd.read_csv(file).drop(columns=["boundary_iou", "hd95", "surface_dice"]).to_csv(file, index=False)
    table = compare(cars, tmp_path / "runs", NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    assert len(table) == 2 and "hd95" not in table and "HD95" not in markdown(table)


def test_a_killed_comparison_goes_on_to_the_same_table(cars, tmp_path):
    whole = compare(cars, tmp_path / "whole", NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    code = (
        "import sys; from carvana_lessons import data; from carvana_lessons.comparison import Protocol, compare\n"
        f"compare(data.CarFolder(sys.argv[1]), sys.argv[2], {NETWORKS}, (0,), {TINY!r}, speed=False)"
    )
    part = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(cars.root), str(part)], stderr=subprocess.DEVNULL)
    while not list(part.glob("*/last.safetensors")):  # in the middle of the first network
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    again = compare(cars, part, NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    pd.testing.assert_frame_equal(again, whole, check_exact=True)


def test_a_time_that_is_over_stops_it_and_the_same_call_goes_on(cars, tmp_path):
    with pytest.raises(CarvanaError, match="the same command continues"):
        compare(cars, tmp_path / "runs", NETWORKS, seeds=(0,), protocol=TINY, hours=0, speed=False)
    assert len(compare(cars, tmp_path / "runs", NETWORKS, seeds=(0,), protocol=TINY, speed=False)) == 2


def test_other_settings_or_photos_are_refused(cars, tmp_path, make_folder):
    compare(cars, tmp_path / "runs", ["unet"], seeds=(0,), protocol=TINY, speed=False)
    with pytest.raises(CarvanaError, match=r"epochs 2 instead of 3"):
        compare(cars, tmp_path / "runs", ["unet"], (0,), Protocol(**(vars(TINY) | {"epochs": 3})), speed=False)
    other = data.CarFolder(make_folder("other", cars=5, views=2))
    with pytest.raises(CarvanaError, match=r"cars 4 instead of 5"):
        compare(other, tmp_path / "runs", ["unet"], (0,), TINY, speed=False)
    with pytest.raises(ValueError, match="unet-huge"):
        compare(cars, tmp_path / "runs", ["unet-huge"], (0,), TINY)


def test_the_interval_is_that_of_the_normal_distribution_where_that_holds():
    differences = np.random.default_rng(3).normal(0.2, 1.0, size=2_000)
    mean, low, high = interval(differences)
    half = 1.96 * differences.std() / 2_000**0.5
    assert mean == differences.mean()
    assert (low, high) == (pytest.approx(mean - half, rel=0.05), pytest.approx(mean + half, rel=0.05))
    assert interval(np.full(5, 0.1)) == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))


def test_one_car_gives_no_interval():
    mean, *ends = interval(np.array([0.1]))
    assert mean == 0.1 and np.isnan(ends).all()
    assert np.isnan(interval(np.array([]))).all()
    by_car = pd.DataFrame({"network": ["unet", "segnet"], "seed": 0, "car": "a", "dice": [0.9, 0.8]})
    table = summarise(by_car.assign(parameters=7), by_car)
    lines = markdown(table).splitlines()
    assert "| -10.00 (no interval of fewer than two cars) |" in lines[3] and "nan" not in "".join(lines)
    alt = show.intervals(table.rename(columns={"difference": "value"}).set_index("network"), "%", alt="Gains.").alt
    assert alt == "Gains. unet: +0.00; segnet: -0.10."


def test_differences_are_taken_car_by_car_on_common_seeds():
    by_car = pd.DataFrame(
        [
            ("unet", 0, "a", 0.8), ("unet", 0, "b", 0.4), ("arc1", 0, "a", 0.9), ("arc1", 0, "b", 0.5),
            ("unet", 1, "a", 0.0), ("unet", 1, "b", 0.0),  # a seed that arc1 does not have yet
        ],
        columns=["network", "seed", "car", "dice"],
    )  # fmt: skip
    runs = pd.DataFrame({"network": ["unet", "unet", "arc1"], "seed": [0, 1, 0], "dice": [0.6, 0.0, 0.7]})
    table = summarise(runs.assign(parameters=1), by_car).set_index("network")
    assert table.loc["arc1", ["difference", "low", "high"]].tolist() == pytest.approx([0.1] * 3)
    assert table.loc["arc1", "relative_error"] == pytest.approx(0.3 / 0.7)
    lines = markdown(table.reset_index()).splitlines()
    assert lines[0].startswith("| network | Dice, % | against unet") and len({x.count("|") for x in lines}) == 1
    assert "| arc1 | 70.00 | +10.00 [+10.00, +10.00] | 43 % | 1 | – | – | – |" in lines


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("thesis.tex", "mine", r"out holds thesis\.tex and no comparison; choose another folder"),
        ("protocol.json", "{", r"protocol\.json is damaged, or not of a comparison"),
        ("protocol.json", "[1]", r"protocol\.json is damaged, or not of a comparison"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(cars, tmp_path, name, text, words):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(text, encoding="utf-8")
    with pytest.raises(CarvanaError, match=words):
        compare(cars, tmp_path / "out", NETWORKS, protocol=TINY)
    assert [(p.name, p.read_text(encoding="utf-8")) for p in (tmp_path / "out").iterdir()] == [(name, text)]


@pytest.mark.parametrize("content", ["", "{}", "[1]", "{"])
def test_a_file_of_a_run_that_is_damaged_is_named_with_its_cure(cars, tmp_path, content):
    out = tmp_path / "out"
    whole = compare(cars, out, NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    for name in ("run.json", "scores.csv", "history.csv"):
        file = out / "arc1-seed0" / name
        before = file.read_bytes()
        file.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=rf"{name} is damaged .*: remove the folder .*arc1-seed0, and the same"):
            compare(cars, out, NETWORKS, seeds=(0,), protocol=TINY, speed=False)
        file.write_bytes(before)
    shutil.rmtree(out / "arc1-seed0")
    again = compare(cars, out, NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    assert again["dice"].tolist() == whole["dice"].tolist()


def test_a_comparison_that_is_stopped_goes_on(cars, tmp_path, monkeypatch):
    whole = compare(cars, tmp_path / "whole", NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    real, epochs = Trainer.fit, []

    def stopped(self, *given, **named):
        def look(_model, epoch):
            epochs.append(epoch)
            if len(epochs) == 3:  # the first epoch of the second network
                raise KeyboardInterrupt

        return real(self, *given, after_epoch=look, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", stopped)
        with pytest.raises(KeyboardInterrupt, match="Stopped in epoch 2"):
            compare(cars, tmp_path / "parts", NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    parts = compare(cars, tmp_path / "parts", NETWORKS, seeds=(0,), protocol=TINY, speed=False)
    assert parts["dice"].tolist() == whole["dice"].tolist()


def test_a_folder_is_of_one_comparison_at_a_time(cars, tmp_path):
    out = tmp_path / "runs"
    with owned(out / "protocol.json"), pytest.raises(CarvanaError, match=r"Another process is writing .*runs"):
        compare(cars, out, NETWORKS, protocol=TINY)
    assert list(out.iterdir()) == []
