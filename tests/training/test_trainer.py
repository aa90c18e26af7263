"""The trainer against a plain loop, and what it does when something goes wrong."""

import contextlib
import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from carvana_lessons import data, models
from carvana_lessons.evaluation import metrics
from carvana_lessons.models.unet import UNet
from carvana_lessons.training import Trainer, losses
from carvana_lessons.utils.device import layout_for
from carvana_lessons.utils.errors import CarvanaError, DataError


def bright_is_car(count: int, seed: int) -> TensorDataset:
    """Photos whose car pixels are the bright ones: a task of one threshold."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 3, 16, 16, generator=generator)
    return TensorDataset(x, (x.mean(1, keepdim=True) > 0.5).float())


@pytest.fixture
def model():
    torch.manual_seed(0)
    return UNet(stages=(4, 8))


@pytest.fixture
def loader():
    return DataLoader(bright_is_car(20, seed=1), batch_size=8)


def plain_loop(model, loader, epochs, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    means = []
    for _ in range(epochs):
        total = 0.0
        for x, y in loader:
            loss = losses.bce(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        means.append(total / len(loader.dataset))
    return means


def test_it_trains_as_the_plain_loop_does(model, loader):
    twin = copy.deepcopy(model)
    history = Trainer(model, lr=1e-2, clip=None).fit(loader, epochs=3)
    expected = plain_loop(twin, loader, epochs=3, lr=1e-2)
    assert history.frame["loss"].tolist() == pytest.approx(expected, rel=1e-4)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_it_learns_and_its_scores_are_those_of_the_metrics(model, loader):
    valid = DataLoader(bright_is_car(10, seed=2), batch_size=4)
    history = Trainer(model, lr=2e-2, schedule="one-cycle").fit(loader, valid, epochs=25)
    x, y = valid.dataset.tensors
    with torch.no_grad():
        logits = model.eval()(x)
    assert history.last["valid_dice"] > 0.8  # 2/3 is what "everything is car" scores
    assert history.last["valid_dice"] == pytest.approx(metrics.dice(logits > 0, y).mean().item(), abs=1e-6)
    assert history.last["valid_loss"] == pytest.approx(losses.bce(logits, y).item(), rel=1e-4)


def test_bytes_are_trained_on_and_validated_like_the_floats_they_stand_for(model):
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=generator)
    y = (x.float().mean(1, keepdim=True) > 128).to(torch.uint8)
    frames = []
    for tensors in [(x, y), (x.float() / 255, y.float())]:
        batches = DataLoader(TensorDataset(*tensors), batch_size=8)
        history = Trainer(copy.deepcopy(model), lr=1e-2).fit(batches, batches, epochs=2)
        frames.append(history.frame[["loss", "valid_loss", "valid_dice"]])
    assert frames[0].equals(frames[1])


@pytest.mark.parametrize(
    ("precision", "dtype"), [(None, torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_training_and_validation_compute_in_the_precision_that_was_asked_for(model, loader, precision, dtype):
    """One after the other in one process; the loss gets float32 all the same."""
    seen, given = set(), set()
    model.head[0].register_forward_hook(lambda layer, x, y: seen.add((layer.training, y.dtype)))

    def loss(logits, y):
        given.add(logits.dtype)
        return losses.bce(logits, y)

    Trainer(model, loss=loss, precision=precision).fit(loader, loader, epochs=1)
    assert seen == {(True, dtype), (False, dtype)} and given == {torch.float32}


def test_a_second_fit_goes_on(model, loader):
    trainer = Trainer(model, lr=1e-2)
    first = trainer.fit(loader, epochs=1).last["loss"]
    history = trainer.fit(loader, epochs=1)
    assert history.frame["epoch"].tolist() == [1, 2]
    assert history.last["loss"] < first


def test_who_looks_after_each_epoch_sees_that_epoch_and_changes_nothing(model, loader):
    twin, seen = copy.deepcopy(model), []

    def look(network, epoch):
        seen.append((epoch, network.training, copy.deepcopy(network.state_dict())))

    Trainer(model, lr=1e-2, schedule="one-cycle").fit(loader, epochs=3, after_epoch=look)
    Trainer(twin, lr=1e-2, schedule="one-cycle").fit(loader, epochs=3)
    assert [(epoch, training) for epoch, training, _ in seen] == [(1, False), (2, False), (3, False)]
    for name, value in twin.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]) and torch.equal(value, seen[2][2][name])
    assert not any(torch.equal(seen[0][2][name], seen[1][2][name]) for name in seen[0][2])


def test_a_loss_that_is_no_number_stops_the_run(model, loader):
    with pytest.raises(CarvanaError, match="loss became nan in epoch 1 at the batch number 1"):
        Trainer(model, loss=lambda logits, y: losses.bce(logits, y) * float("nan")).fit(loader, epochs=1)


def test_senseless_settings_are_refused(model, loader):
    with pytest.raises(ValueError, match="'cosine'; the trainer has constant, halving, one-cycle"):
        Trainer(model, schedule="cosine")
    with pytest.raises(ValueError, match="'int8'; take no, bf16, fp16"):
        Trainer(model, precision="int8")
    with pytest.raises(ValueError, match="0 epochs"):
        Trainer(model).fit(loader, epochs=0)


def test_a_history_draws_itself_and_says_what_it_shows(model, loader):
    history = Trainer(model).fit(loader, loader, epochs=2)
    page = history._repr_html_()
    assert page.startswith("<img alt=")
    assert f"from {history.frame['loss'][0]:.3f} to {history.last['loss']:.3f}" in page
    assert len(history) == 2 and history.seconds > 0
    assert "over 1 epoch, from" in Trainer(model).fit(loader, epochs=1)._repr_html_()


@pytest.mark.parametrize(("width", "layout"), [(256, torch.channels_last), (257, torch.contiguous_format)])
def test_on_a_cpu_wide_networks_keep_the_usual_layout(loader, width, layout):
    model = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 1, 3, padding=1))
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0].is_contiguous(memory_format=layout)))
    other = torch.channels_last if layout == torch.contiguous_format else torch.contiguous_format
    Trainer(model.to(memory_format=other)).fit(loader, loader, epochs=1)
    assert seen and all(seen), "photos, in training and in validation"
    assert all(part.weight.is_contiguous(memory_format=layout) for part in model)
    assert layout_for(model, torch.device("cuda")) == torch.channels_last


def test_a_network_is_left_in_evaluation_mode_however_the_run_ended(model, loader):
    def broken(logits, y):
        raise RuntimeError("broken")

    for loss in (losses.bce, broken):
        model.train()
        with contextlib.suppress(RuntimeError):
            Trainer(model, loss=loss).fit(loader, epochs=1)
        assert not any(module.training for module in model.modules())


def test_a_training_needs_photos_with_masks(make_folder, cars, own_cache):
    """In one sentence before the first batch, of the training photos and of those that validate."""
    good = data.loader(cars[:4], 16, batch_size=2)
    without = data.loader(data.CarFolder(make_folder("bare"), masks=None), 16, batch_size=2)
    trainer = Trainer(models.create("unet-tiny", width=2))
    for what, train, valid in (("A training", without, good), ("A validation", good, without)):
        with pytest.raises(DataError, match=f"{what} needs masks"):
            trainer.fit(train, valid, epochs=1)
    with pytest.raises(DataError, match="A training needs photos"):
        trainer.fit(data.loader(cars[:0], 16), epochs=1)
    assert len(trainer.history) == 0
