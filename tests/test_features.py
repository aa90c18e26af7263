"""What dilated stacks see, against offsets added up one by one."""

from itertools import product

import pytest
import torch
from torch import nn

from carvana_lessons import models
from carvana_lessons.features import receptive_field, seen_pixels


def stack(rates):
    return nn.Sequential(*(models.ConvBlock(2, 2, batch_norm=True, dilation=r) for r in rates))


def reached(rates):
    """Offsets along one axis that a stack of 3-tap kernels adds up to."""
    return {sum(steps) for steps in product(*((-r, 0, r) for r in rates))}


@pytest.mark.parametrize("rates", [(1,), (2,), (1, 2), (2, 2), (1, 2, 4), (3, 1), (2, 4, 2)])
def test_the_gradient_finds_what_offsets_add_up_to(rates):
    side = receptive_field(stack(rates))
    assert side == 1 + 2 * sum(rates)
    size = side + 4
    seen = seen_pixels(stack(rates), size)
    axis = torch.tensor([k - size // 2 in reached(rates) for k in range(size)])
    assert torch.equal(seen, axis[:, None] & axis)


def test_the_dilated_middle_sees_further_and_leaves_no_pixel_out():
    """At 1/16 of the photo's size: one step there is 16 pixels of the photo."""
    sides = {}
    for name in ("arc3", "maskingnet"):
        middle = models.create(name, width=2).middle
        side = receptive_field(middle)
        seen = seen_pixels(middle, side + 6)
        assert seen.sum() == side**2  # the whole square
        assert seen[3:-3, 3:-3].all()
        sides[name] = side
    assert sides == {"arc3": 13, "maskingnet": 43}


def test_rates_with_a_common_factor_leave_a_grid_of_unseen_pixels():
    middle = models.create("arc3", width=2, dilation=(2,) * 6).middle
    seen = seen_pixels(middle, 25)
    assert seen[::2, ::2].all() and seen.sum() == 13**2


def test_strides_multiply_what_follows():
    layers = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 5))
    assert receptive_field(layers) == 1 + 2 + 2 * 2 + 4 * 2


def test_an_even_side_has_no_middle():
    with pytest.raises(ValueError, match="odd side"):
        seen_pixels(stack((1,)), 8)
