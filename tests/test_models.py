"""Parameter counts against the published ones, forward passes against shapes and a naive computation."""

import pytest
import torch
import torch.nn.functional as F

from carvana_lessons import models
from carvana_lessons.models.unet import UNet

PUBLISHED = {"unet-tiny": 120_965, "unet-small": 485_957, "unet": 31_043_586}  # slides [A] and [B]


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name):
    assert models.count_parameters(models.create(name)) == PUBLISHED[name]


def test_every_name_has_a_published_count():
    assert set(models.names()) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("width", [4, 6])
def test_logits_have_the_image_size(name, width):
    model = models.create(name, width=width)
    logits = model(torch.rand(2, 3, 32, 48))
    assert logits.shape == (2, 2 if name == "unet" else 1, 32, 48)


@pytest.mark.parametrize("name", PUBLISHED)
def test_gradients_reach_every_parameter(name):
    torch.manual_seed(0)
    model = models.create(name, width=8)
    model(torch.rand(2, 3, 32, 32)).sum().backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before batch norm is subtracted again by it: its gradient is rounding, and it is there by publication.
    assert [n for n in dead if not (name == "unet" and n.endswith("0.bias"))] == []


def test_the_u_net_is_the_figure():
    """Two stages written out by hand, with the same weights."""
    torch.manual_seed(1)
    net, x = UNet(stages=(4, 8)), torch.rand(1, 3, 6, 4)

    def double(stage, t):
        for block in stage:
            t = F.relu(F.conv2d(t, block[0].weight, block[0].bias, padding=1))
        return t

    top = double(net.down[0], x)
    bottom = double(net.down[1], F.max_pool2d(top, 2))
    up = F.conv_transpose2d(bottom, net.up[0].weight, net.up[0].bias, stride=2)
    merged = double(net.merge[0], torch.cat([top, up], dim=1))
    logits = F.conv2d(merged, net.head[0].weight, net.head[0].bias, padding=1)
    logits = F.conv2d(logits, net.head[1].weight, net.head[1].bias)
    torch.testing.assert_close(net(x), logits)


def test_a_fresh_network_keeps_the_signal():
    """Without He initialisation the spread of a plain U-Net's logits is a hundredth of this."""
    torch.manual_seed(0)
    logits = models.create("unet-small")(torch.rand(4, 3, 64, 64))
    assert logits.std() > 0.02


def test_sizes_that_cannot_be_halved_are_refused_with_sizes_that_work():
    with pytest.raises(ValueError, match=r"100×130 .* multiples of 8: take 96×128 or 104×136"):
        models.create("unet-tiny")(torch.rand(1, 3, 100, 130))


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'unet-huge'; the course has unet-tiny, unet-small"):
        models.create("unet-huge")


@pytest.mark.parametrize(("setting", "sentence"), [({"width": 0}, "no channels"), ({"num_classes": 3}, "not 3")])
def test_senseless_settings_are_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        models.create("unet-tiny", **setting)
