"""Scores at the photo's own size, against masks compared by hand."""

import copy

import numpy as np
import pytest
import torch
from samples import Brightness
from torch import nn

from carvana_lessons import data, models
from carvana_lessons.evaluation import evaluate, score
from carvana_lessons.prediction import car_logits, predict, upsample
from carvana_lessons.utils.device import inference_precision
from carvana_lessons.utils.errors import CarvanaError, DataError


def dice_by_hand(a, b):
    return 2 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


def test_perfect_and_empty_masks_score_one_and_zero(cars):
    truths = [data.read_mask(p.mask) for p in cars]
    assert score(truths, cars).dice.tolist() == [1.0] * len(cars)
    scores = score([np.zeros_like(t) for t in truths], cars)
    assert scores.dice.tolist() == [0.0] * len(cars)
    assert scores.fn.tolist() == [int(t.sum()) for t in truths]


def test_every_photo_gets_its_own_row_in_order(cars, own_cache):
    scores = evaluate(Brightness(), cars[3:9], size=16, batch_size=4)
    assert scores.name.tolist() == [p.name for p in cars[3:9]]
    assert scores.view.tolist() == [p.view for p in cars[3:9]]


def test_logits_are_enlarged_then_cut(cars, own_cache):
    """The same, photo by photo, without the loader."""
    model, size = Brightness(), (16, 24)
    scores = evaluate(model, cars, size=size, batch_size=5)
    for row, photo in zip(scores.itertuples(), cars, strict=True):
        image, _ = data.read_pair(photo, size)
        x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        logit = x.mean(1, keepdim=True) - 0.4
        large = nn.functional.interpolate(logit, size=photo.size[::-1], mode="bilinear")[0, 0] > 0
        assert row.dice == pytest.approx(dice_by_hand(large.numpy(), data.read_mask(photo.mask)), abs=2e-3)
        assert row.dice > 0.8
    assert scores.iou.to_numpy() == pytest.approx((scores.dice / (2 - scores.dice)).to_numpy())


def test_cached_and_decoded_photos_score_alike(cars, own_cache):
    a, b = (evaluate(Brightness(), cars[:4], size=16, cached=c) for c in (True, False))
    assert a.equals(b)


def test_prediction_is_lazy_and_needs_no_masks(make_folder, own_cache):
    photos = data.CarFolder(make_folder(cars=1, views=4, size=(40, 30)), masks=None)
    masks = predict(Brightness(), photos, size=16, batch_size=2)
    first = next(masks)
    assert first.shape == (30, 40) and first.dtype == bool
    assert len(list(masks)) == 3


def test_enlarging_is_bilinear_between_pixel_centres():
    logits = torch.tensor([[[[0.0, 4.0]]]])
    assert upsample(logits, (1, 4)).flatten().tolist() == [0.0, 1.0, 3.0, 4.0]


def test_a_mask_of_another_size_or_too_few_masks_are_refused(cars):
    with pytest.raises(ValueError, match="differ in shape"):
        score([np.zeros((2, 2), bool)], cars[:1])
    with pytest.raises(ValueError, match="argument"):
        score([], cars[:1])


@pytest.mark.parametrize("ask", [lambda photos: evaluate(Brightness(), photos, 16), lambda photos: score([], photos)])
def test_photos_without_masks_and_no_photos_are_refused_before_any_work(ask, make_folder, cars):
    with pytest.raises(DataError, match="A score needs masks"):
        ask(data.CarFolder(make_folder("bare"), masks=None))
    with pytest.raises(DataError, match="A score needs photos"):
        ask(cars[:0])


class Columns(nn.Module):
    """Answers with the column's number: a network that knows where it is. Notes the sizes that it saw."""

    def __init__(self, sign=1.0):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.tensor(sign)), []

    def forward(self, x):
        self.seen.append(tuple(x.shape[-2:]))
        return self.weight * torch.arange(x.shape[-1], dtype=torch.float32).expand(len(x), 1, *x.shape[-2:])


class LeftHalf(Columns):
    """Says "car" on the left half, and nothing of the right: averaged with its mirror, "car" everywhere."""

    def forward(self, x):
        columns = super().forward(x)
        return (columns < x.shape[-1] / 2).float() - 0.4


@pytest.mark.parametrize(("divisor", "seen"), [(32, (64, 96)), (8, (40, 72)), (1, (40, 70)), (None, (40, 70))])
def test_sizes_that_a_network_cannot_halve_are_padded_and_cut_back(divisor, seen):
    model = Columns()
    if divisor is not None:
        model.size_divisor = divisor
    logits = car_logits(model, torch.rand(2, 3, 40, 70))
    assert model.seen == [seen]
    assert torch.equal(logits, torch.arange(70.0).expand(2, 1, 40, 70))


def test_flipping_averages_with_the_mirrored_answer():
    logits = car_logits(Columns(), torch.rand(1, 3, 32, 64), flip=True)
    assert torch.equal(logits, torch.full((1, 1, 32, 64), 63 / 2))


def test_a_score_with_flipping_is_that_of_the_averaged_masks(cars, own_cache):
    model = LeftHalf()
    straight, averaged = (evaluate(model, cars[:2], size=32, flip=flip) for flip in (False, True))
    masks = list(predict(model, cars[:2], size=32, flip=True))
    assert averaged.dice.tolist() == score(masks, cars[:2]).dice.tolist()
    assert (averaged.dice != straight.dice).all()


def test_several_networks_are_averaged():
    logits = car_logits([Columns(1.0), Columns(2.0)], torch.rand(1, 3, 32, 32))
    assert torch.equal(logits[0, 0, 0], 1.5 * torch.arange(32.0))


@pytest.mark.parametrize("training", [True, False])
def test_a_network_that_is_asked_stays_as_it_was(training):
    """Its tensors, and the mode of every layer: of a network in training with some layers frozen, for example."""
    model = models.create("maskingnet", width=2).train(training)
    frozen = [layer.eval() for layer in model.middle]
    before = copy.deepcopy(model.state_dict())
    car_logits(model, torch.rand(2, 3, 32, 48), flip=True)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training == training and not any(layer.training for layer in frozen)
    assert model.down.training == training


def test_it_stays_so_if_it_fails():
    model = models.create("unet", width=2).train()
    with pytest.raises(RuntimeError):
        car_logits(model, torch.rand(2, 5, 32, 32))
    assert all(layer.training for layer in model.modules())


def test_answers_keep_their_memory_as_training_does(monkeypatch):
    asked = []
    monkeypatch.setattr("carvana_lessons.prediction.inference.disable_malloc_trim", lambda: asked.append(True))
    car_logits(Brightness(), torch.rand(1, 3, 32, 32))
    assert asked


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_answers_with_the_same_mask_but_for_a_few_pixels(precision):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 64)
    model = models.create("unet", width=4)
    kinds = set()
    model.head.register_forward_hook(lambda _layer, _x, y: kinds.add(y.dtype))
    exact, mixed = car_logits(model, x, precision="no"), car_logits(model, x, precision=precision)
    assert kinds == {torch.float32, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]}
    assert mixed.dtype == torch.float32 and not torch.equal(mixed, exact)
    assert ((mixed > 0) == (exact > 0)).float().mean() > 0.98


def test_what_a_gpu_answers_in_changes_no_mask_of_a_real_photo(real_photos):
    name = "unet-small"
    model, size = models.create(name, weights="carvana"), models.read_card(name)["size"]
    few = data.CarDataset(real_photos.subset(range(0, len(real_photos), 193)), size, cached=False)
    x = torch.stack([few[k][0] for k in range(len(few))])
    exact, mixed = (car_logits(model, x, precision=p) > 0 for p in ("no", inference_precision("cuda")))
    assert len(x) >= 7 and (exact == mixed).float().mean() >= 0.9999


def test_where_float16_is_too_small_float32_answers():
    model = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        for layer, weight in zip(model, (1e6, 1e-6), strict=True):
            layer.weight.fill_(weight)
            layer.bias.zero_()
    x = torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", torch.float16):
        assert not model(x).isfinite().all()
    assert torch.equal(car_logits(model, x, precision="fp16"), car_logits(model, x, precision="no"))


def test_a_photo_too_large_for_float16_changes_no_answer_of_others():
    model = models.create("unet-tiny")
    x = torch.rand(3, 3, 32, 32)
    alone = car_logits(model, x, precision="fp16")
    with_huge = x.clone()
    with_huge[1] *= 1e6
    answer = car_logits(model, with_huge, precision="fp16")
    assert answer.isfinite().all() and torch.equal(answer[[0, 2]], alone[[0, 2]])
    assert torch.equal(answer[1:2], car_logits(model, with_huge, precision="no")[1:2])


def test_precision_reaches_the_network_from_every_door(cars, own_cache):
    model = Brightness()
    kinds = []
    model.register_forward_pre_hook(
        lambda _m, _x: kinds.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None)
    )
    evaluate(model, cars[:2], size=16, precision="bf16")
    list(predict(model, cars[:2], size=16, precision="fp16"))
    evaluate(model, cars[:2], size=16)
    assert kinds == [torch.bfloat16, torch.float16, None]


def test_too_little_memory_for_an_answer_is_one_sentence():
    class Full(Brightness):
        def forward(self, x):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(CarvanaError, match=r"batches of 2 photos of 16×24; take a smaller batch_size or size"):
        car_logits(Full(), torch.zeros(2, 3, 16, 24))
