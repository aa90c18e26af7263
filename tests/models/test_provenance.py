"""Weights carry with them what their answers depend on, and commands and functions heed it."""

import json

import numpy as np
import pytest
import torch
from samples import Brightness
from torch import nn

from carvana_lessons import data, models
from carvana_lessons.evaluation import evaluate, score
from carvana_lessons.models import checkpoint
from carvana_lessons.models.checkpoint import Checkpoint
from carvana_lessons.models.model_cards import ship
from carvana_lessons.models.provenance import PREPARATION, Provenance
from carvana_lessons.prediction import car_logits, load_trained, predict, upsample
from carvana_lessons.prediction.cutout import photo_logits
from carvana_lessons.training import Trainer
from carvana_lessons.training.losses import bce
from carvana_lessons.utils.errors import CarvanaError


def trained(cars, folder=None, size=32, valid=None, name="unet-tiny", **settings):
    torch.manual_seed(0)
    model = models.create(name, width=2)
    batches = data.loader(cars, size, batch_size=8, shuffle=True)
    unseen = data.loader(valid, size) if valid is not None else None
    Trainer(model, folder=folder, **settings).fit(batches, unseen, epochs=1)
    return model


def asking(size) -> nn.Module:
    model = Brightness()
    model.provenance = Provenance(size=size)
    return model


@pytest.mark.parametrize("size", [(32, 48), (16, 16)])
def test_a_checkpoint_says_how_its_network_was_trained(cars, own_cache, tmp_path, size):
    known, unseen = data.split_by_car(cars, (0.5, 0.5))
    trained(known, tmp_path, size, unseen, precision="bf16")
    for name in ("last", "best"):
        model = checkpoint.load_model(tmp_path / f"{name}.safetensors")
        assert model.provenance == Provenance(size, "bf16", frozenset(known.ids), frozenset(unseen.ids))
        about = checkpoint.load(tmp_path / f"{name}.safetensors").about
        assert about["size"] == list(size) and about["preparation"] == PREPARATION


def test_a_trained_network_knows_it_before_anything_is_saved(cars, own_cache):
    model = trained(cars)
    assert model.provenance.size == (32, 32) and model.provenance.train == frozenset(cars.ids)
    assert models.fuse_batch_norm(model).provenance == model.provenance


def test_a_second_training_adds_to_what_was_learned_from(cars, own_cache):
    """A network that is trained on, on other cars, still knows the first ones."""
    one, other = data.split_by_car(cars, (0.5, 0.5))
    model = trained(one)
    Trainer(model).fit(data.loader(other, 32, batch_size=8), epochs=1)
    assert model.provenance.train == frozenset(cars.ids)


def test_what_is_not_known_of_the_first_training_stays_unknown_after_a_second(cars, own_cache, tmp_path):
    model = models.create("unet-tiny", width=2)
    file = tmp_path / "old.safetensors"
    checkpoint.save(file, Checkpoint(model.state_dict(), {"network": model.recipe}))
    model = checkpoint.load_model(file)
    Trainer(model, folder=tmp_path / "run").fit(data.loader(cars[:8], 32, batch_size=8), epochs=1)
    assert model.provenance == Provenance((32, 32), "no", None, None)
    again = checkpoint.load_model(tmp_path / "run" / "last.safetensors")
    Trainer(again, folder=tmp_path / "run").fit(data.loader(cars[:8], 32, batch_size=8), epochs=2, resume=True)
    assert again.provenance.train is None


def test_a_training_that_is_stopped_has_changed_the_network_too(cars, own_cache):
    model = models.create("unet-small", weights="carvana")
    batches, known = data.loader(cars, 32, batch_size=8), model.provenance.train

    def stop(logits, y):
        if batches_seen.append(len(y)) or len(batches_seen) == 2:
            raise KeyboardInterrupt
        return bce(logits, y)

    batches_seen = []
    with pytest.raises(KeyboardInterrupt):
        Trainer(model, loss=stop).fit(batches, epochs=1)
    assert model.provenance.size == (32, 32) and model.provenance.train == known | set(cars.ids)


def test_weights_that_are_filled_in_bring_it_along(cars, own_cache, tmp_path):
    trained(cars[:16], tmp_path, size=48)
    model = trained(cars[16:], size=16)
    path = tmp_path / "last.safetensors"
    checkpoint.fill(model, checkpoint.load(path), path)
    assert model.provenance == checkpoint.load_model(path).provenance


def test_a_resumed_run_knows_it_even_if_nothing_is_left_to_do(cars, own_cache, tmp_path):
    first = trained(cars, tmp_path)
    model = models.create("unet-tiny", width=2)
    Trainer(model, folder=tmp_path).fit(data.loader(cars, 32, batch_size=8, shuffle=True), epochs=1, resume=True)
    assert model.provenance == first.provenance


def test_answers_are_at_the_size_of_the_training(cars, own_cache, tmp_path):
    trained(cars, tmp_path, size=48)
    model = checkpoint.load_model(tmp_path / "last.safetensors")
    assert evaluate(model, cars[:3]).equals(evaluate(model, cars[:3], size=48))
    photo = cars[0].read()
    assert torch.equal(photo_logits(model, photo), photo_logits(model, photo, 48))
    assert not torch.equal(photo_logits(model, photo), photo_logits(model, photo, 16))


@pytest.mark.parametrize("answer", [lambda m, c: evaluate(m, c), lambda m, c: photo_logits(m, c[0].read())])
def test_without_any_size_nothing_is_guessed(cars, answer):
    with pytest.raises(CarvanaError, match=r"at which size Brightness was trained.*give the size"):
        answer(Brightness(), cars[:1])
    with pytest.raises(CarvanaError, match="at which size unet-tiny was trained"):
        answer(models.create("unet-tiny", width=2), cars[:1])


def test_several_networks_answer_each_at_its_own_size(cars, own_cache):
    """Against their logits enlarged and averaged by hand; two of one size count twice."""
    networks = [asking((16, 24)), asking((8, 8)), asking((16, 24))]
    networks[2].threshold.data += 0.1
    masks = list(predict(networks, cars[:5], batch_size=2))
    for photo, mask in zip(cars[:5], masks, strict=True):
        total = 0
        for network in networks:
            image, _ = data.read_pair(photo, network.provenance.size)
            x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255
            total = total + upsample(car_logits(network, x), photo.size[::-1])
        assert np.array_equal(mask, (total[0, 0] / 3 > 0).numpy())
    assert evaluate(networks, cars[:5]).equals(score(masks, cars[:5]))


def test_one_size_for_all_overrules_their_own(cars, own_cache):
    networks = [asking((16, 24)), asking((8, 8))]
    plain = [Brightness(), Brightness()]
    assert evaluate(networks, cars[:2], size=8).equals(evaluate(plain, cars[:2], size=8))


def test_shipped_weights_say_it_too():
    for name in models.shipped():
        known = load_trained(name).provenance
        assert known.size == (models.read_card(name)["size"],) * 2 and known.precision == "no"
        real = known.train & load_trained("unet").provenance.train
        assert len(real) == (0 if name == "unet-drawn" else 80)  # of the challenge's; others were drawn


def test_a_card_carries_it(tmp_path, monkeypatch, cars, own_cache):
    monkeypatch.setattr("carvana_lessons.models.model_cards.FOLDER", tmp_path)
    model = trained(cars, size=(16, 32))
    card = json.loads(ship(model, {"dice": 0.5}, tmp_path).read_text(encoding="utf-8"))
    assert card["size"] == [16, 32] and card["preparation"] == PREPARATION
    assert models.create("unet-tiny", weights="carvana").provenance == model.provenance


def test_an_older_checkpoint_is_read_and_its_size_must_be_given(cars, tmp_path):
    model = models.create("unet-tiny", width=2)
    checkpoint.save(tmp_path / "old.safetensors", Checkpoint(model.state_dict(), {"network": model.recipe}))
    again = checkpoint.load_model(tmp_path / "old.safetensors")
    assert again.provenance == Provenance()
    with pytest.raises(CarvanaError, match="give the size"):
        evaluate(again, cars[:1])


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"preparation": "BGR, 0 to 255"}, r"prepared otherwise \(BGR, 0 to 255\)"),
        ({"size": "large"}, "cannot be read"),
        ({"size": [1, 2, 3]}, "cannot be read"),
        ({"cars": [1]}, "cannot be read"),
    ],
)
def test_what_does_not_fit_this_version_is_refused(tmp_path, about, words):
    model = models.create("unet-tiny", width=2)
    file = tmp_path / "a.safetensors"
    checkpoint.save(file, Checkpoint(model.state_dict(), {"network": model.recipe} | about))
    with pytest.raises(CarvanaError, match=words):
        checkpoint.load_model(file)
