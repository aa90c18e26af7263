"""Results that come with the course: whole, told where from, and the same after a copy."""

import errno
import json
import re

import pandas as pd
import pytest
import torch
from samples import other_process

from carvana_lessons import models
from carvana_lessons.comparison import LEADERBOARD, leaderboard, load_results, reported, save_results, summarise
from carvana_lessons.comparison.results import PLACES
from carvana_lessons.utils.errors import CarvanaError, DataError

NAMES = sorted(file.parent.name for file in PLACES[0].glob("*/about.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_result_says_where_it_is_from_and_fits_together(name):
    found = load_results(name)
    assert {"command", "commit", "protocol", "photos", "hours", "torch", "threads"} <= set(found.about)
    assert re.fullmatch("[0-9a-f]{7,40}", found.about["commit"])  # not "unknown"
    means = found.cars.groupby(["network", "seed"])["dice"].mean()  # all cars have 16 photos
    for run in found.runs.itertuples():
        assert run.dice == pytest.approx(means[run.network, run.seed], abs=2e-6)
    assert not found.table[["dice", "difference", "low", "high"]].isna().any(axis=None)


def test_what_else_was_measured_comes_by_the_name_of_its_file():
    assert load_results("six-networks").further == {}
    further = load_results("real-cars").further
    assert sorted(further) == ["reliability", "thresholds"]
    for name, rows in further["reliability"].groupby("network"):
        assert models.read_card(name)["network"].startswith("unet")
        assert rows.groupby("mended").pixels.sum().nunique() == 1  # the same pixels before and after
    best = further["thresholds"].sort_values("dice").groupby("network").threshold.last()
    assert best.between(0.4, 0.65).all()  # as the thresholds that either half of the cars chose


def test_they_are_numbers_and_nothing_else():
    files = [f for f in PLACES[0].rglob("*") if f.is_file()]
    assert {f.suffix for f in files} == {".csv", ".json"} and sum(f.stat().st_size for f in files) < 400_000


def test_the_reported_table_is_the_defenses():
    table = reported()
    for name, row in table.iterrows():
        with torch.device("meta"):
            network = models.create(name)
        assert models.count_parameters(network) == row.parameters
    # Slides [B], "Summary": the error decreased by 32.3 % and 23.8 %.
    error = table["error"]
    assert 100 * (1 - error["maskingnet"] / error["unet"]) == pytest.approx(32.3, abs=0.05)
    assert 100 * (1 - error["maskingnet"] / error["segnet"]) == pytest.approx(23.8, abs=0.05)
    assert list(LEADERBOARD) == sorted(LEADERBOARD, reverse=True) and len(LEADERBOARD) == 12


def test_the_leaderboard_has_a_row_for_each_place():
    board = leaderboard()
    assert board.index.tolist() == list(range(1, 13)) and tuple(board["dice"]) == LEADERBOARD
    assert board.loc[12].tolist() == ["Onion x Potato", 0.997085, 20, 17]
    public = board.index + board["change"]  # places on the public leaderboard
    assert public.is_unique and (public > 0).all()


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    (folder / "speed").mkdir(parents=True)
    runs = {
        "network": ["unet", "arc1"],
        "seed": [0, 0],
        "dice": [0.9, 0.95],
        "parameters": [7, 8],
    }
    cars = {"network": ["unet"] * 2 + ["arc1"] * 2, "seed": 0, "car": ["a", "b"] * 2, "dice": [0.85, 0.95, 0.9, 1.0]}
    pd.DataFrame(runs).to_csv(folder / "runs.csv", index=False)
    pd.DataFrame(cars).to_csv(folder / "cars.csv", index=False)
    speed = {"train_ms": 1.5, "test_ms": 0.5, "memory_mb": 10.0, "device": "cpu", "threads": 1}
    (folder / "speed" / "arc1.json").write_text(json.dumps(speed), encoding="utf-8")
    protocol = {"protocol": {"size": 64, "width": None, "batch_size": 4, "lr": 2e-3}, "photos": {"cars": 2}}
    (folder / "protocol.json").write_text(json.dumps(protocol), encoding="utf-8")
    for place in ("unet-seed0", "runs/arc1-seed0"):  # `compare` has its runs in OUT, ``benchmarks beyond`` one below
        (folder / place).mkdir(parents=True)
        pd.DataFrame({"epoch": [1, 2], "seconds": [600, 1200]}).to_csv(folder / place / "history.csv", index=False)
    run = {"began": "2020-01-01", "torch": "2.2", "device": "cpu", "threads": 1, "network": "unet"}
    (folder / "unet-seed0" / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return folder


def test_what_is_kept_comes_back(out, tmp_path, monkeypatch):
    monkeypatch.setattr("carvana_lessons.comparison.results.PLACES", (tmp_path / "results",))
    save_results(out, tmp_path / "results" / "mine", commit="abc1234")
    found = load_results("mine")
    assert found.about["command"].startswith(
        "carvana-lessons compare PHOTOS OUT --network unet --network arc1 --seed 0"
    )
    assert found.about["command"].endswith("--size 64 --width 0 --batch-size 4")  # lr is the usual one
    assert found.about["hours"] == 1.0 and found.about["began"] == "2020-01-01"
    table = found.table.set_index("network")
    assert table.loc["arc1", "difference"] == pytest.approx(0.05) and table.loc["arc1", "train_ms"] == 1.5
    expected = summarise(found.runs, found.cars)
    assert table["dice"].tolist() == expected["dice"].tolist()


def test_what_is_not_there_is_said(out, tmp_path, monkeypatch):
    with pytest.raises(CarvanaError, match=r"No results called 'nine-networks'.*eight-networks"):
        load_results("nine-networks")
    with pytest.raises(CarvanaError, match=r"no runs\.csv"):
        save_results(tmp_path, tmp_path / "results", commit="abc1234")
    monkeypatch.setattr("carvana_lessons.comparison.results.PLACES", (tmp_path / "nowhere",))
    with pytest.raises(CarvanaError, match="there are none"):
        load_results("eight-networks")


def test_earlier_results_are_replaced_only_when_asked(out, tmp_path):
    folder = tmp_path / "results" / "mine"
    save_results(out, folder, commit="abc1234")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CarvanaError, match=r"mine exists already: replace it with --overwrite, or choose another name"):
        save_results(out, folder, commit="def5678")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    save_results(out, folder, commit="def5678", overwrite=True)
    assert json.loads((folder / "about.json").read_text(encoding="utf-8"))["commit"] == "def5678"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "runs.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(CarvanaError, match="thesis exists already: choose another name"):
        save_results(out, tmp_path / "thesis", commit="abc1234", overwrite=True)
    assert (tmp_path / "thesis" / "runs.csv").read_text(encoding="utf-8") == "mine"


def test_what_is_no_result_is_never_overwritten(out, tmp_path):
    folder = tmp_path / "results" / "mine"
    save_results(out, folder, commit="abc1234")
    (folder / "my_notes.md").write_text("mine", encoding="utf-8")
    with pytest.raises(CarvanaError, match=r"mine holds my_notes\.md too"):
        save_results(out, folder, commit="def5678", overwrite=True)
    assert (folder / "my_notes.md").read_text(encoding="utf-8") == "mine"
    assert json.loads((folder / "about.json").read_text(encoding="utf-8"))["commit"] == "abc1234"


@pytest.mark.parametrize("content", ["", "{}", "[1]", "\0", "{"])
@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("protocol.json", "another folder"),
        ("runs.csv", "once more"),
        ("cars.csv", "once more"),
        ("unet-seed0/run.json", "made again"),
        ("unet-seed0/history.csv", "made again"),
        ("speed/arc1.json", "measures it again"),
    ],
)
def test_a_file_that_is_damaged_is_named_and_nothing_kept(out, tmp_path, name, cure, content):
    (out / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"{re.escape(str(out / name))} is damaged .*{cure}"):
        save_results(out, tmp_path / "results" / "mine", commit="abc1234")
    assert not (tmp_path / "results" / "mine").exists()


def test_results_are_kept_by_one_at_a_time(out, tmp_path):
    with other_process(tmp_path / "mine"), pytest.raises(CarvanaError, match="Another process is writing"):
        save_results(out, tmp_path / "mine", commit="abc1234")


def test_a_disk_that_is_full_leaves_the_results_that_were_there(out, tmp_path, monkeypatch):
    folder = tmp_path / "results" / "mine"
    save_results(out, folder, commit="abc1234")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(CarvanaError, match="what was there before is still there"):
        save_results(out, folder, commit="def5678", overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_results_behind_a_link_are_replaced_where_it_leads(out, tmp_path):
    place, link = tmp_path / "large disk" / "mine", tmp_path / "results" / "mine"
    save_results(out, place, commit="abc1234")
    link.parent.mkdir()
    link.symlink_to(place)
    save_results(out, link, commit="def5678", overwrite=True)
    assert link.is_symlink()
    assert json.loads((place / "about.json").read_text(encoding="utf-8"))["commit"] == "def5678"
