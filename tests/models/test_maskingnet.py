"""Unpooling and coordinate maps against loops and formulas; the five designs against what is said of them."""

import pytest
import torch
import torch.nn.functional as F

from carvana_lessons import models

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def test_unpooling_is_a_loop():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 5, 7)  # odd: the last row and column are dropped by the pool
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    expected = torch.zeros_like(x)
    for b, c, i, j in torch.cartesian_prod(*map(torch.arange, pooled.shape)).tolist():
        row, column = divmod(indices[b, c, i, j].item(), 7)
        expected[b, c, row, column] = pooled[b, c, i, j]
    assert torch.equal(models.Unpool()(pooled, indices, (5, 7)), expected)
    assert torch.equal(expected[expected > 0], x[expected > 0])  # each value where it stood
    with pytest.raises(ValueError, match="same shape"):
        models.Unpool()(pooled[:1], indices, (5, 7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "shape",  # of one photo, one channel, one pixel after the pool: there both orders in memory are the same
    [(2, 3, 6, 10), (1, 4, 10, 6), (3, 1, 6, 4), (2, 5, 2, 2), (1, 1, 2, 2), (2, 3, 2, 8)],
)
def test_unpooling_is_torchs_in_either_order_of_memory(shape, layout, dtype):
    torch.manual_seed(0)
    full = torch.randn(shape).to(dtype).contiguous(memory_format=layout)
    weights = torch.randn(shape).to(dtype).contiguous(memory_format=layout)
    pooled, indices = F.max_pool2d(full, 2, return_indices=True)
    expected, slope = _unpooled(
        lambda x: F.max_unpool2d(x, indices, 2, output_size=shape[2:]), pooled.float(), weights.float()
    )
    out, gradient = _unpooled(lambda x: models.Unpool()(x, indices, shape[2:]), pooled, weights)
    assert torch.equal(out, expected.to(dtype)) and torch.equal(gradient, slope.to(dtype))
    assert out.is_contiguous(memory_format=layout) and gradient.is_contiguous(memory_format=layout)


def _unpooled(unpool, pooled, weights):
    """What an unpooling gives, and the gradient that comes back through it."""
    x = pooled.detach().requires_grad_()
    out = unpool(x)
    return out.detach(), torch.autograd.grad(out, x, weights)[0]


def test_unpooling_takes_values_and_indices_that_lie_differently():
    torch.manual_seed(0)
    pooled, indices = F.max_pool2d(torch.randn(2, 6, 6, 10), 2, return_indices=True)
    last = torch.channels_last
    expected = F.max_unpool2d(pooled, indices, 2)
    unpool = models.Unpool()
    assert torch.equal(unpool(pooled.contiguous(memory_format=last), indices, (6, 10)), expected)
    assert torch.equal(unpool(pooled, indices.contiguous(memory_format=last), (6, 10)), expected)
    for layout in LAYOUTS:  # some of the channels: a view with gaps
        part = pooled.contiguous(memory_format=layout)[:, 1:4]
        assert torch.equal(unpool(part, indices[:, 1:4], (6, 10)), expected[:, 1:4])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(64, 96), (32, 32)])  # of 32 px one pixel is left at SegNet's bottom
@pytest.mark.parametrize("name", models.names())
def test_every_convolution_works_in_the_order_of_the_input(name, size, layout):
    """One tensor that lies differently costs a copy of its layer's maps, there and back."""
    model = models.create(name, width=2).to(memory_format=layout)
    other, seen = [], []
    for part, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):

            def note(module, taken, given, part=part):
                seen.append(part)
                other.extend((part, t.stride()) for t in (taken[0], given) if not t.is_contiguous(memory_format=layout))

            module.register_forward_hook(note)
    model(torch.rand(2, 3, *size).contiguous(memory_format=layout))
    assert len(seen) > 10 and other == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", models.DESIGNS)
def test_networks_with_indices_train_in_mixed_precision(name, layout, dtype):
    torch.manual_seed(0)
    model = models.create(name, width=4).to(memory_format=layout)
    unpooled = []
    model.unpool.register_forward_hook(lambda module, taken, given: unpooled.append(given.dtype))
    with torch.autocast("cpu", dtype=dtype):
        logits = model(torch.rand(2, 3, 32, 64).contiguous(memory_format=layout))
    logits.float().square().mean().backward()
    assert set(unpooled) == {dtype}
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_coordinate_maps_follow_their_formula_on_a_real_photo_size():
    maps = models.coordinate_maps(1280, 1918)
    assert maps.shape == (2, 1280, 1918)
    for x, y in [(0, 0), (1917, 0), (0, 1279), (959, 640), (1000, 3)]:
        assert maps[0, y, x].item() == pytest.approx(x / 1918 - 0.5, abs=1e-6)
        assert maps[1, y, x].item() == pytest.approx(y / 1280 - 0.5, abs=1e-6)
    assert (maps[0].diff(dim=1) > 0).all() and (maps[0].diff(dim=0) == 0).all()  # x runs along the width


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (1, 4, 6, 2), (2, 5, 1, 1)])
def test_appended_maps_lie_as_the_batch_does(shape, layout):
    torch.manual_seed(0)
    x, maps = torch.rand(shape).contiguous(memory_format=layout), torch.rand(2, *shape[2:], dtype=torch.float64)
    for given in (maps, maps.expand(len(x), -1, -1, -1)):
        out = models.append_maps(x, given)
        assert out.dtype == x.dtype and out.is_contiguous(memory_format=layout)
        assert torch.equal(out[:, :-2], x)
        assert all(torch.equal(photo, maps.float()) for photo in out[:, -2:])


@pytest.mark.parametrize(("name", "first"), [("arc2", "down.0.0.0"), ("arc3", "middle.0.0")])
def test_the_maps_enter_where_the_design_says(name, first):
    """The layer behind the entrance sees image or features, then X-map, then Y-map."""
    model = models.create(name, width=2).eval()
    seen = []
    model.get_submodule(first).register_forward_hook(lambda module, taken, given: seen.append(taken[0]))
    model(torch.rand(2, 3, 32, 64))
    step = 1 if name == "arc2" else 16
    assert torch.equal(seen[0][1, -2:], models.coordinate_maps(32, 64)[:, ::step, ::step])


@pytest.mark.parametrize("name", ["arc2", "arc3", "maskingnet"])
def test_a_crop_takes_the_crop_of_the_maps(name):
    torch.manual_seed(0)
    model = models.create(name, width=2).eval()
    x = torch.rand(1, 3, 64, 96)
    whole = models.coordinate_maps(64, 96)
    crop = (..., slice(16, 48), slice(32, 96))
    seen = []
    model.middle[0].register_forward_hook(lambda module, taken, given: seen.append(taken[0]))
    model(x)
    model(x[crop], maps=whole[crop])
    if name != "arc2":
        assert torch.equal(seen[1][0, -2:], seen[0][0, -2:, 1:3, 2:6])
    assert not torch.allclose(model(x[crop], maps=whole[crop]), model(x[crop]))
    with pytest.raises(ValueError, match="same crop of the maps"):
        model(x[crop], maps=whole)


def test_without_maps_a_network_does_not_take_any_in():
    model = models.create("arc1", width=2).eval()
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(model(x), model(x, maps=models.coordinate_maps(32, 32)))


@pytest.mark.parametrize("name", models.DESIGNS)
def test_the_encoder_is_that_of_vgg_16(name):
    from torchvision.models import vgg16_bn

    with torch.device("meta"):
        theirs = [m for m in vgg16_bn(weights=None).features if isinstance(m, torch.nn.Conv2d)]
        ours = [m for m in models.create(name).down.modules() if isinstance(m, torch.nn.Conv2d)]
    shapes = [tuple(m.weight.shape) for m in ours]
    assert len(ours) == (13 if name == "segnet" else 10)
    assert shapes[1:] == [tuple(m.weight.shape) for m in theirs[1 : len(ours)]]
    assert shapes[0] == (64, 5 if name == "arc2" else 3, 3, 3)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", models.names())
def test_no_tensor_is_made_on_the_wrong_device(fake_tensors, name, layout):
    """A GPU's contract without a GPU: fake tensors know their device, and refuse to meet one of another."""
    with fake_tensors:
        with torch.device("cuda"):
            model, x = models.create(name, width=2), torch.rand(1, 3, 64, 64)
            x = x.contiguous(memory_format=layout)
        logits = model(x)  # outside: whatever is made without a device lands on the CPU
    assert logits.device.type == "cuda"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", models.names())
def test_forward_and_backward_on_the_meta_device(name, layout):
    with torch.device("meta"):
        model = models.create(name, width=2)
        model(torch.rand(1, 3, 64, 64).contiguous(memory_format=layout)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
