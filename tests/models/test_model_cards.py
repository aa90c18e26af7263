"""Weights that come with the package: what they say of themselves is true."""

import hashlib
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from carvana_lessons import data, models
from carvana_lessons.evaluation import evaluate
from carvana_lessons.models import model_cards as room
from carvana_lessons.utils.errors import CarvanaError

RESULTS = Path(__file__).resolve().parents[2] / "book" / "results" / "backgrounds"


def load(name: str) -> torch.nn.Module:
    network, weights = room.parts(name)
    return models.create(network, weights=weights)


@pytest.mark.parametrize("name", models.shipped())
def test_the_file_is_the_cards(name):
    card, path = models.read_card(name), room.FOLDER / f"{name}.safetensors"
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    thin = card["width"] == 6  # to be looked into in chapters 5 to 7; the others are to be used
    assert room.weights_name(*room.parts(name)) == name and card["dice"] > (0.95 if thin else 0.97)
    assert not thin or path.stat().st_size < 0.61e6
    drawn = name == "unet-drawn"
    assert ("Carvana" in card["data"]) != drawn and card["terms"] == (room.OWN_TERMS if drawn else room.TERMS)
    model = load(name)
    assert not model.training and model.recipe["width"] == card["width"]


def test_together_they_are_small():
    sizes = {path.name: path.stat().st_size for path in room.FOLDER.iterdir()}
    assert max(sizes.values()) < 2e6 and sum(sizes.values()) < 8.1e6


@pytest.mark.parametrize("name", models.shipped())
def test_they_score_on_real_photos_what_the_card_says(name, real_photos):
    card = models.read_card(name)
    _, unseen = data.split_by_car(real_photos, (5 / 6, 1 / 6), seed=0)
    some = unseen[::9]  # of every view
    dice = evaluate(load(name), some, size=card["size"], cached=False).dice
    assert abs(dice.mean() - card["dice"]) < 0.004  # 29 of the card's 256 photos
    assert dice.min() >= card["worst"] - 0.001


@pytest.mark.parametrize("name", [name for name in models.shipped() if "elsewhere" in models.read_card(name)])
def test_what_a_card_says_of_other_backgrounds_is_in_the_table(name):
    rows = pd.read_csv(RESULTS / "families.csv").query(f"network == '{name}' and way == 'as it stands'")
    kinds = {"made backgrounds of 7 families that no training used": "unseen", "14 photographs": "photograph"}
    told = models.read_card(name)["elsewhere"]
    assert told.keys() == kinds.keys()
    for words, kind in kinds.items():
        part = rows[rows.kind == kind].set_index("family")
        each = part.drop("all of them")
        assert int(re.search(r"\d+", words)[0]) == len(each) and told[words]["worst_family"] == each.dice.idxmin()
        wanted = [*part.loc["all of them", ["dice", "low", "high"]], each.dice.min()]
        assert [told[words][key] for key in ("dice", "low", "high", "worst")] == pytest.approx(wanted, abs=6e-5)
    made_of = json.loads((RESULTS / "provenance.json").read_text(encoding="utf-8"))["weights"]
    assert name in made_of
    for one, weights in made_of.items():
        assert weights["sha256"] == models.read_card(one)["sha256"]


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "FOLDER", tmp_path)
    return tmp_path


def test_what_is_shipped_comes_back_rounded_to_half_precision(own_folder):
    torch.manual_seed(0)
    model = models.create("unet", width=2)
    model(torch.rand(2, 3, 32, 32))  # batch norms have seen something
    models.ship(model, {"dice": 0.5}, own_folder)
    assert models.shipped() == ["unet"]
    again = models.create("unet", weights="carvana")
    for (name, a), b in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a.half().float() if a.is_floating_point() else a, b), name
    assert json.loads((own_folder / "unet.json").read_text(encoding="utf-8"))["dice"] == 0.5
    twin = room.round_to_half(model).eval()
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(twin(x), again(x))


def test_a_network_may_have_several_weights(own_folder):
    torch.manual_seed(0)
    first, second = models.create("unet-tiny", width=2), models.create("unet-tiny", width=3)
    models.ship(first, {}, own_folder)
    models.ship(second, {}, own_folder, "mine")
    assert models.shipped() == ["unet-tiny", "unet-tiny-mine"]
    assert [room.parts(name) for name in models.shipped()] == [("unet-tiny", "carvana"), ("unet-tiny", "mine")]
    assert models.create("unet-tiny", weights="carvana").recipe["width"] == 2
    assert models.create("unet-tiny", weights="mine").recipe["width"] == 3
    with pytest.raises(ValueError, match="no weights called 'other'; with the package come 'carvana' and 'mine'"):
        models.create("unet-tiny", weights="other")
    with pytest.raises(ValueError, match="No weights of 'unet-mine' come with the package"):
        models.create("unet", weights="mine")


def test_a_changed_file_is_refused(own_folder):
    models.ship(models.create("unet-tiny", width=2), {}, own_folder)
    file = own_folder / "unet-tiny.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CarvanaError, match="not the file"):
        models.create("unet-tiny", weights="carvana")
    file.unlink()
    with pytest.raises(CarvanaError, match="install the package again"):
        models.create("unet-tiny", weights="carvana")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"weights": "imagenet"}, "no weights called 'imagenet'"),
        ({"name": "segnet"}, "only of unet-tiny"),
        ({"width": 4}, "of width 2"),
        ({"num_classes": 2}, "leave the other settings"),
        ({"dilation": [1] * 6}, "leave the other settings"),
    ],
)
def test_what_there_is_not_is_refused(own_folder, settings, words):
    models.ship(models.create("unet-tiny", width=2), {}, own_folder)
    with pytest.raises(ValueError, match=words):
        models.create(**({"name": "unet-tiny", "weights": "carvana"} | settings))
