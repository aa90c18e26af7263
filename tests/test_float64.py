"""Apple's GPUs have no float64: nothing may make it there or send it there."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from carvana_lessons import features, models
from carvana_lessons.evaluation import metrics
from carvana_lessons.features.top_activations import _places
from carvana_lessons.prediction import car_logits, upsample
from carvana_lessons.show.steps import trace
from carvana_lessons.training import losses


class Apple(TorchDispatchMode):
    """Apple's rule without its GPU: on the meta device, which computes nothing, float64 is refused.

    A copy to the CPU, which that device cannot make, comes back as zeros, and is counted: a GPU is waited for.
    """

    copies = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and args[0].is_meta and kwargs.get("device") == CPU:
            self.copies += 1
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        out = func(*args, **kwargs)
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64 and tensor.is_meta:
                raise TypeError(f"{func} would make float64 on a device that has none.")
        return out


CPU = torch.device("cpu")


@pytest.fixture
def apple():
    """Apple's rule for one test; the device that it is about."""
    with Apple():
        yield torch.device("meta")


def test_the_rule_is_kept(apple):
    x = torch.rand(2, 3, device=apple)
    for wrong in (x.double, lambda: x.to(torch.float64), lambda: torch.zeros(2, dtype=torch.float64).to(apple)):
        with pytest.raises(TypeError, match="has none"):
            wrong()
    assert x.cpu().double().device == CPU


@pytest.mark.parametrize("score", [metrics.dice, metrics.iou])
def test_scores_are_float64_on_the_cpu_after_one_copy(score):
    with Apple() as rule:
        prediction, target = (torch.rand(4, 1, 8, 8, device="meta") > 0.5 for _ in range(2))
        given = score(prediction, target)
    assert given.shape == (4, 1) and given.dtype == torch.float64 and given.device == CPU
    assert rule.copies == 1


@pytest.mark.parametrize("loss", [losses.bce, losses.soft_dice, losses.boundary_bce])
@pytest.mark.parametrize("channels", [1, 2])
def test_losses_and_their_gradients(apple, loss, channels):
    logits = torch.rand(2, channels, 8, 8, device=apple, requires_grad=True)
    loss(logits, (torch.rand(2, 1, 8, 8, device=apple) > 0.5).float()).backward()
    assert logits.grad.is_meta


@pytest.mark.parametrize("name", models.names())
def test_networks_and_all_that_looks_into_them(apple, name):
    model, x = models.create(name, width=2).to(apple), torch.rand(2, 3, 32, 64)
    model(x.to(apple)).sum().backward()
    answers = car_logits([models.fuse_batch_norm(model), model], x, flip=True)
    assert upsample(answers, (50, 70)).is_meta
    assert {step.role for step in trace(model, (32, 64))} >= {"stage", "head"}
    assert features.receptive_fields(model, 32)[0].size == 3
    layer = features.stages(model)[0]
    with features.ablate(model, layer, [0]):
        maps = features.feature_maps(model, x, [layer])[layer]
    readout = features.Readout()
    readout.add(maps, torch.rand(2, 1, *maps.shape[2:]))
    probe = readout.probe()
    assert maps.is_meta and probe(maps).is_meta and readout.agreement(probe).device == CPU
    assert _places(maps.cpu(), 0).shape == (4, maps.shape[1], 2)
    assert features.seen_from(model, "", (32, 64), (16, 20)).device == CPU


def test_stacks_and_what_they_see(apple):
    stack = torch.nn.Sequential(models.ConvBlock(2, 2, dilation=2)).to(apple)
    assert features.receptive_field(stack) == 5
    seen = features.seen_pixels(stack, 9)
    assert seen.device == CPU and seen.sum() == 9
