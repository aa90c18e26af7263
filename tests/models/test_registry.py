"""Parameter counts against the published ones, forward passes against shapes and a naive computation."""

import pytest
import torch
import torch.nn.functional as F

from carvana_lessons import models
from carvana_lessons.models.unet import UNet
from carvana_lessons.utils.catalog import DEFENSE

PUBLISHED = {  # slides [A] and [B]
    "unet-tiny": 120_965,
    "unet-small": 485_957,
    "unet": 31_043_586,
    "segnet": 29_444_162,
    "arc1": 32_799_554,
    "arc2": 32_800_706,
    "arc3": 32_808_770,
    "maskingnet": 32_808_770,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name):
    assert models.count_parameters(models.create(name)) == PUBLISHED[name]


SMALL = ("unet-tiny", "unet-small")


def test_every_name_has_a_published_count():
    assert models.names() == list(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("width", [4, 6])
def test_logits_have_the_image_size(name, width):
    model = models.create(name, width=width)
    assert model(torch.rand(2, 3, 32, 64)).shape == (2, 1 if name in SMALL else 2, 32, 64)


@pytest.mark.parametrize("name", PUBLISHED)
def test_gradients_reach_every_parameter(name):
    torch.manual_seed(0)
    model = models.create(name, width=8)
    logits = model(torch.rand(2, 3, 64, 64))
    (logits * torch.rand_like(logits)).sum().backward()
    dead = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    # Batch norm subtracts a bias before it: its gradient is rounding, or exactly 0. It is there by publication.
    before_norm = {f"{n}.0.bias" for n, m in model.named_modules() if isinstance(m, models.ConvBlock) and len(m) == 3}
    assert dead - before_norm == set()


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


@pytest.mark.parametrize("rate", [1, 2, 3])
def test_a_dilated_block_keeps_the_size(rate):
    block = models.ConvBlock(2, 3, dilation=rate)
    assert block(torch.rand(1, 2, 9, 11)).shape == (1, 3, 9, 11)


def test_rates_are_for_networks_with_a_middle():
    model = models.create("arc3", width=2, dilation=(1, 2, 5, 1, 2, 5))
    assert [block[0].dilation[0] for block in model.middle] == [1, 2, 5, 1, 2, 5]
    assert models.count_parameters(model) == models.count_parameters(models.create("maskingnet", width=2))
    with pytest.raises(ValueError, match="segnet has no middle"):
        models.create("segnet", dilation=(1,) * 6)
    with pytest.raises(ValueError, match="takes 6 rates of 1 or more"):
        models.create("arc3", dilation=(1, 2))


def test_the_six_networks_of_the_defense_are_known_and_have_two_classes():
    """`carvana-lessons compare` takes these where no network is named; a seventh name in the registry joins nothing."""
    assert len(set(DEFENSE)) == 6
    for name in DEFENSE:
        assert models.create(name, width=2)(torch.rand(1, 3, 32, 32)).shape == (1, 2, 32, 32)
