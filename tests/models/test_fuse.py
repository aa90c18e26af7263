"""A network with fused batch norms against the network that it came from."""

import copy

import pytest
import torch
from samples import random_network
from torch import nn

from carvana_lessons import models
from carvana_lessons.features import feature_maps
from carvana_lessons.prediction import car_logits


def norms(model: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())


@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("name", models.names())
def test_answers_are_those_of_the_original(name, count):
    """In double precision, where rounding is too small to hide a wrong fold or to move a maximum."""
    model, x = random_network(name, width=8).double(), torch.rand(count, 3, 64, 96).double()
    with torch.inference_mode():
        expected, got = model(x), models.fuse_batch_norm(model)(x)
    assert expected.std() > 1e-3  # a network that says nothing would agree with anything
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", models.names())
def test_masks_are_those_of_the_original(name):
    """In single precision a pool may take another of two maxima that are equal but for rounding; hardly ever."""
    model, x = random_network(name, width=8), torch.rand(2, 3, 64, 96)
    expected, got = car_logits(model, x), car_logits(models.fuse_batch_norm(model), x)
    middle = expected.median()  # so that half of all pixels are car
    assert ((expected > middle) != (got > middle)).float().mean() < 0.005
    assert (got - expected).abs().mean() < 1e-3 * expected.std()


@pytest.mark.parametrize("name", models.names())
def test_no_batch_norm_is_left_and_no_other_layer_is_lost(name):
    model = random_network(name, width=8)
    fast = models.fuse_batch_norm(model)
    assert norms(fast) == 0
    assert len(list(model.modules())) - len(list(fast.modules())) == norms(model)


@pytest.mark.parametrize("name", ["unet", "maskingnet"])
def test_the_original_keeps_weights_mode_and_layout(name):
    model = random_network(name, width=8).train()
    before = copy.deepcopy(model.state_dict())
    fast = models.fuse_batch_norm(model)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.zero_()
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert all(layer.training for layer in model.modules())
    assert not any(layer.training for layer in fast.modules())
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert all(weight.is_contiguous() for weight in weights)


def test_weights_lie_channels_last():
    convolutions = [
        m for m in models.fuse_batch_norm(random_network("unet", width=8)).modules() if isinstance(m, nn.Conv2d)
    ]
    assert all(m.weight.is_contiguous(memory_format=torch.channels_last) for m in convolutions)


def test_it_goes_wherever_a_network_goes():
    """Padding to a size that the pools divide, averaging, mirroring: `car_logits` takes it as any other."""
    model, x = random_network("segnet", width=8), torch.rand(2, 3, 50, 70)
    expected, got = (car_logits([net, net], x, flip=True) for net in (model, models.fuse_batch_norm(model)))
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


def test_other_sequences_are_folded_and_what_cannot_be_is_left():
    torch.manual_seed(0)
    own = nn.Sequential(
        nn.BatchNorm2d(3),  # nothing before it that could take it in
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 6, 1, groups=2),
        nn.BatchNorm2d(6, affine=False),
        nn.ReLU(),
        nn.BatchNorm2d(6),
    ).train()
    x = torch.rand(4, 3, 9, 9)
    own(x)  # statistics
    fast = models.fuse_batch_norm(own)
    assert [type(layer).__name__ for layer in fast] == ["BatchNorm2d", "Conv2d", "Conv2d", "ReLU", "BatchNorm2d"]
    torch.testing.assert_close(fast(x), own.eval()(x))


def test_feature_maps_of_the_original_are_as_before():
    model, x = random_network("unet", width=8), torch.rand(1, 3, 32, 32)
    before = feature_maps(model, x)
    models.fuse_batch_norm(model)
    after = feature_maps(model, x)
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
