"""The effective receptive field of linear networks, whose gradient can be computed with a pencil."""

import numpy as np
import pytest
import torch
from torch import nn

from carvana_lessons import models
from carvana_lessons.features import effective_receptive_field, effective_size, receptive_field


def averaging(*rates: int) -> nn.Sequential:
    """Convolutions that take means of 3×3 values, one of these rates after the other."""
    layers = [nn.Conv2d(1, 1, 3, padding=rate, dilation=rate, bias=False) for rate in rates]
    for layer in layers:
        nn.init.constant_(layer.weight, 1 / 9)
    return nn.Sequential(*layers)


def paths(*rates: int) -> np.ndarray:
    """Share of the paths along one axis that begin at each pixel: kernels convolved with each other."""
    share = np.ones(1)
    for rate in rates:
        kernel = np.zeros(2 * rate + 1)
        kernel[[0, rate, -1]] = 1 / 3
        share = np.convolve(share, kernel)
    return share


@pytest.mark.parametrize("rates", [(1,), (1, 1, 1), (1,) * 6, (2, 2), (1, 2, 4), (1, 2, 4, 8, 4, 2)])
def test_the_field_of_a_linear_stack_is_its_share_of_paths(rates):
    model = averaging(*rates).double()
    side = receptive_field(model)
    size = side + 6
    field = effective_receptive_field(model, torch.rand(2, 1, size, size), "", (size // 2, size // 2))
    share = np.pad(paths(*rates), 3)
    np.testing.assert_allclose(field, np.outer(share, share), atol=1e-12)
    assert field.sum() == pytest.approx(1)


def test_six_regular_layers_act_like_a_bell_of_two_pixels():
    """The variance of a mean of three neighbours is 2/3, and variances add up: Luo et al. 2016."""
    field = effective_receptive_field(averaging(*(1,) * 6), torch.rand(1, 1, 21, 21), "", (10, 10))
    steps = torch.arange(21) - 10
    assert (field.sum(0) * steps**2).sum() == pytest.approx(6 * 2 / 3)


def test_weights_count_with_their_size_and_signs_do_not_matter():
    layer = nn.Conv2d(2, 2, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, -3.0], [2.0, 0.0]])[..., None, None]
    whole = nn.Sequential(nn.Conv2d(2, 2, 3, bias=False), layer)
    whole[0].weight.data.zero_()
    whole[0].weight.data[0, 0, 1, 0], whole[0].weight.data[1, 1, 1, 2] = 1, 1  # left of channel 0, right of channel 1
    field = effective_receptive_field(whole, torch.rand(3, 2, 3, 3), "1", (0, 0))
    expected = torch.zeros(3, 3)
    expected[1, 0], expected[1, 2] = 0.5, 0.5  # |1 + 2| and |−3|
    assert torch.allclose(field, expected)


def test_a_closed_relu_lets_nothing_through_and_an_average_is_over_images():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    model[0].weight.data.fill_(1)
    model[0].bias.data.fill_(-0.5)
    dark, light = torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    assert effective_receptive_field(model, dark, "", (1, 1)).sum() == 0
    assert effective_receptive_field(model, torch.cat([dark, light]), "", (1, 1))[1, 1] == 1


def test_looking_changes_nothing_in_the_network():
    model = models.create("maskingnet", width=2).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    effective_receptive_field(model, torch.rand(2, 3, 32, 32), "middle", (1, 1))
    assert model.training and not any(m._forward_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(AttributeError):
        effective_receptive_field(model, torch.rand(1, 3, 32, 32), "nowhere", (1, 1))


@pytest.mark.parametrize("middle", [None, (4, 4), (2, 5), (3.5, 3.5), (0, 8)])
def test_the_side_of_a_share_is_found_by_trying_all_squares(middle):
    field = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
    row, column = middle or (4, 4)
    for share in (0.1, 0.5, 0.9, 1.0):
        for side in range(1 if row % 1 == 0 else 2, 20, 2):
            top, left = (int(point - (side - 1) / 2) for point in (row, column))
            held = field[max(0, top) : top + side, max(0, left) : left + side].sum() / field.sum()
            if held >= share - 1e-6:
                break
        assert effective_size(field, middle, share) == side


def test_an_image_without_a_middle_pixel_has_a_middle():
    assert effective_size(torch.ones(4, 4), share=0.25) == 2 and effective_size(torch.ones(2, 6)) == 6


def test_a_share_is_above_zero():
    with pytest.raises(ValueError, match="above 0"):
        effective_size(torch.ones(3, 3), share=0)
