"""What only a CUDA GPU can show: ``python -m pytest tests -m gpu``; without one these tests are skipped."""

import copy

import numpy as np
import pytest
import torch
import toy
from torch.utils.data import DataLoader, TensorDataset

from carvana_lessons import course, data, models
from carvana_lessons.data.batches import as_stored
from carvana_lessons.evaluation import evaluate
from carvana_lessons.models.checkpoint import load
from carvana_lessons.prediction import car_logits, load_trained
from carvana_lessons.training import Trainer, losses
from carvana_lessons.training.state import restore_optimizer
from carvana_lessons.utils.device import find_device, find_precision
from carvana_lessons.utils.errors import CarvanaError

pytestmark = pytest.mark.gpu
GPU = "cuda"


@pytest.fixture(autouse=True)
def the_gpu(monkeypatch):
    monkeypatch.delenv("CARVANA_DEVICE")


def bright_is_car(count: int = 48, side: int = 64) -> TensorDataset:
    """Photos as bytes whose car pixels are the bright ones."""
    x = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return TensorDataset(x, (x.float().mean(1, keepdim=True) > 128).to(torch.uint8))


def batches(batch_size: int = 8) -> DataLoader:
    return DataLoader(bright_is_car(), batch_size, shuffle=True, generator=torch.Generator().manual_seed(0))


def trainer(folder=None, name: str = "unet", **settings) -> Trainer:
    torch.manual_seed(0)
    return Trainer(models.create(name, width=8), lr=1e-3, schedule="one-cycle", folder=folder, **settings)


class Stop(Exception):
    """The session ends."""


def stop_after_two(_model, epoch):
    if epoch == 2:
        raise Stop


def test_it_is_found_and_a_chapter_says_so(make_folder, monkeypatch, capsys):
    monkeypatch.setenv("CARVANA_DATA", str(make_folder()))
    monkeypatch.setenv("CARVANA_SCALE", "quick")
    assert find_device() == GPU and find_precision(GPU) in ("bf16", "fp16")
    course.start("02-u-net")
    assert f"device cuda, {find_precision(GPU)} mixed precision" in capsys.readouterr().out


def test_the_setting_keeps_a_training_on_the_cpu(monkeypatch):
    monkeypatch.setenv("CARVANA_DEVICE", "cpu")
    run = toy.trainer(None)
    run.fit(toy.loader(8), epochs=1)
    assert {p.device.type for p in run.model.parameters()} == {"cpu"}


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["unet", "maskingnet"])
def test_a_training_that_goes_on_ends_where_a_whole_one_does(tmp_path, name, precision):
    """To rounding: some kernels add in another order each time."""
    if precision == "bf16" and find_precision(GPU) != "bf16":
        precision = "no"  # emulated there, and never chosen
    whole = trainer(tmp_path / "whole", name, precision=precision)
    whole.fit(batches(), batches(), epochs=4)
    with pytest.raises(Stop):
        trainer(tmp_path / "parts", name, precision=precision).fit(
            batches(), batches(), epochs=4, after_epoch=stop_after_two
        )
    parts = trainer(tmp_path / "parts", name, precision=precision)
    parts.fit(batches(), batches(), epochs=4, resume=True)
    a, b = whole.history.frame, parts.history.frame
    assert b["loss"].tolist() == pytest.approx(a["loss"].tolist(), rel=0.02)
    assert load(tmp_path / "parts" / "last.safetensors").about["step"] == pytest.approx(
        load(tmp_path / "whole" / "last.safetensors").about["step"], abs=1
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", models.names())
def test_fused_adam_takes_its_memory_back(tmp_path, name, layout):
    model = models.create(name, width=2).to(GPU, memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    for again in (False, True):
        losses.bce(model(torch.rand(2, 3, 64, 64, device=GPU)), torch.ones(2, 1, 64, 64, device=GPU)).backward()
        optimizer.step()
        optimizer.zero_grad()
        if not again:
            state = {
                f"optimizer/{k}/{name}": v.cpu().contiguous()
                for k, slot in optimizer.state_dict()["state"].items()
                for name, v in slot.items()
            }
            optimizer = torch.optim.Adam(model.parameters(), fused=True)
            restore_optimizer(optimizer, state)
    assert all(slot["exp_avg"].stride() == p.stride() for p, slot in optimizer.state.items())


@pytest.mark.parametrize("name", models.names())
def test_each_network_answers_as_on_the_cpu(name):
    torch.manual_seed(0)
    model = models.create(name, width=4).eval()
    x = torch.rand(2, 3, 64, 96)
    exact = car_logits(model, x, precision="no")
    on_gpu = copy.deepcopy(model).to(GPU)
    with torch.backends.cudnn.flags(allow_tf32=False):
        same = car_logits(on_gpu, x, precision="no").cpu()
    # Where two of four pooled values are equal but for rounding, an index may be the other one.
    assert ((same - exact).abs() < 1e-3 * exact.abs().max()).float().mean() > 0.99
    losses.bce(on_gpu.train()(x.to(GPU)), torch.ones(2, 1, 64, 96, device=GPU)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in on_gpu.parameters())


def equal_pixels(name: str, photos: data.CarFolder) -> float:
    """The share of pixels in which the shipped network's masks are those of float32."""
    model, size = load_trained(name).to(GPU), models.read_card(name)["size"]
    few = data.CarDataset(photos, size, cached=False)
    x = torch.stack([few[k][0] for k in range(len(few))])
    with torch.backends.cudnn.flags(allow_tf32=False):
        exact = car_logits(model, x, precision="no") > 0
    return (exact == (car_logits(model, x) > 0)).float().mean().item()


@pytest.mark.parametrize("name", models.shipped())
def test_masks_of_real_photos_are_those_of_float32(name, real_photos):
    assert equal_pixels(name, real_photos.subset(range(0, len(real_photos), 97))) >= 0.9999


@pytest.mark.parametrize("name", models.shipped())
def test_masks_of_drawn_photos_too_but_for_a_few_pixels(name):
    """These networks have never seen a drawn photo, and are unsure of more pixels there."""
    from carvana_lessons import studio

    assert equal_pixels(name, data.CarFolder(studio.ensure())[::37]) >= 0.999


def test_scores_are_those_of_the_cpu(cars, own_cache):
    torch.manual_seed(0)
    model = models.create("unet-tiny")
    expected = evaluate(model, cars, size=64, precision="no")
    got = evaluate(copy.deepcopy(model).to(GPU), cars, size=64, precision="no")
    np.testing.assert_allclose(got.dice, expected.dice, atol=0.01)


def test_too_little_memory_is_one_sentence_and_is_given_back():
    model = models.create("unet")
    huge = TensorDataset(
        torch.zeros(2048, 3, 1024, 1024, dtype=torch.uint8), torch.zeros(2048, 1, 1024, 1024, dtype=torch.uint8)
    )
    with pytest.raises(CarvanaError, match=r"memory of cuda.* is too small for batches of 2048 photos of 1024×1024"):
        Trainer(model).fit(DataLoader(huge, 2048), epochs=1)
    del model
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() < 2**30


def test_batches_lie_in_pinned_memory_as_bytes(cars, own_cache):
    loader = data.loader(cars, size=32, batch_size=8)
    x, y = next(iter(as_stored(loader)))
    assert x.dtype == y.dtype == torch.uint8 and x.is_pinned() and y.is_pinned()
    x, y = next(iter(loader))
    assert x.dtype == y.dtype == torch.float32 and x.is_pinned() and y.is_pinned()


def test_augmentation_draws_on_the_gpu_what_it_draws_on_the_cpu():
    augment = data.Augment(rotate=25, flip=0.5, color=0.2)
    x = torch.rand(4, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    y = (x.mean(1, keepdim=True) > 0.5).float()
    there = augment(x, y, generator=torch.Generator().manual_seed(1))
    here = augment(x.to(GPU), y.to(GPU), generator=torch.Generator().manual_seed(1))
    assert {part.device.type for part in here} == {GPU}
    torch.testing.assert_close(here[0].cpu(), there[0], rtol=0, atol=1e-3)
    assert (here[1].cpu() == there[1]).float().mean() > 0.999


def test_it_learns_in_the_precision_of_the_device():
    run = trainer(clip=1.0)
    history = run.fit(batches(), batches(), epochs=30)
    assert history.last["valid_dice"] > 0.8  # 2/3 is what "everything is car" scores
