"""What dilated stacks see, against offsets added up one by one."""

from itertools import product

import pytest
import torch
from torch import nn

from carvana_lessons import models
from carvana_lessons.features import receptive_field, receptive_fields, seen_from, seen_pixels


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


def test_receptive_fields_of_the_encoder_by_hand():
    """The pencil: + (3 − 1) · step a convolution, + step a 2×2 pool, which doubles the step; dilation multiplies."""
    encoder = [(3, 1), (5, 1), (6, 2), (10, 2), (14, 2), (16, 4), (24, 4), (32, 4), (40, 4), (44, 8),
               (60, 8), (76, 8), (92, 8), (100, 16)]  # fmt: skip
    for name, rates in [("arc3", (1,) * 6), ("maskingnet", (1, 2, 4, 8, 4, 2))]:
        middle = [(100 + 32 * sum(rates[: k + 1]), 16) for k in range(6)]
        found = receptive_fields(models.create(name, width=2))
        assert [(f.size, f.stride) for f in found] == encoder + middle
    assert found[0].layer == "down.0.0.0" and found[-1].layer == "middle.5.0"
    assert (found[-1].size, middle[0][0]) == (772, 132)


def test_receptive_fields_of_a_unet_end_where_it_turns_upwards():
    fields = receptive_fields(models.create("unet-tiny", width=2))
    assert [f.size for f in fields] == [
        3,
        5,
        6,
        10,
        14,
        16,
        24,
        32,
        36,
        52,
        68,
    ]


@pytest.mark.parametrize("name", ["arc3", "maskingnet", "unet-tiny"])
def test_the_gradient_through_a_whole_network_finds_its_receptive_fields(name):
    size, row, column = 320, 9, 10
    model = models.create(name, width=1, dilation=(1, 2, 1, 2, 1, 1) if name == "maskingnet" else None)
    for layer, side, step in receptive_fields(model):
        if layer == "pool":  # one module that runs four times
            continue
        seen = seen_from(model, layer, (size, size), (row, column))
        # Its middle lies on the middle of the place, step·(place + ½); cut off at the image's edge.
        top, left = ((step * (2 * k + 1) - side) // 2 for k in (row, column))
        expected = torch.zeros(size, size, dtype=torch.bool)
        expected[max(top, 0) : top + side, max(left, 0) : left + side] = True
        assert torch.equal(seen, expected), layer


def test_looking_changes_nothing_in_the_network():
    model = models.create("maskingnet", width=2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    receptive_fields(model)
    seen_from(model, "middle", (32, 32), (0, 0))
    assert model.training and not any(m._forward_hooks for m in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert isinstance(model.unpool, models.Unpool)


def test_the_whole_network_sees_further_than_its_middle():
    model = models.create("arc1", width=1)
    middle = seen_from(model, "middle", (512, 512), (16, 16))
    whole = seen_from(model, "", (512, 512), (264, 264))
    assert (middle <= whole).all() and middle.any(dim=0).sum() == 292
    assert 292 < whole.any(dim=0).sum() < 512
