"""Maps copied out of networks, against the stage computed by hand, torchvision's extractor and naive loops."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.feature_extraction import create_feature_extractor

from carvana_lessons import data, models
from carvana_lessons.features import Readout, ablate, feature_maps, stage_readouts, stages, top_activations


def hooks_left(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.fixture
def net():
    torch.manual_seed(0)
    model = models.create("maskingnet", width=2)
    for layer in model.modules():  # statistics that a training would leave: not 0 and 1
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return model.eval()


def test_stages_are_the_children_with_weights():
    assert stages(models.create("unet-tiny")) == [
        *(f"down.{k}" for k in range(4)),
        *(f"{part}.{k}" for part in ("up", "merge") for k in range(3)),
        "head",
    ]
    assert stages(models.create("segnet", width=2)) == [
        *(f"{part}.{k}" for part in ("down", "up") for k in range(5)),
        "head",
    ]  # its empty middle has no weights


@pytest.mark.parametrize("name", models.names())
def test_all_stages_in_the_order_in_which_they_ran(name):
    model = models.create(name, width=2)
    maps = feature_maps(model, torch.rand(2, 3, 32, 64))
    assert set(maps) == set(stages(model))
    assert list(maps)[-1] == "head" and maps["head"].shape[2:] == (32, 64)
    if name.startswith("unet"):
        ups = [n for n in maps if n.startswith(("up", "merge"))]
        assert ups == [f"{part}.{k}" for k in range(len(ups) // 2) for part in ("up", "merge")]


def test_maps_are_what_the_stages_give_by_hand(net):
    x = torch.rand(2, 3, 32, 48)
    maps = feature_maps(net, x, ["down.0", "down.1", "pool", "unpool", "up.3", "head"])
    with torch.no_grad():
        first = net.down[0](x)
        values, indices = F.max_pool2d(first, 2, return_indices=True)
        assert torch.equal(maps["down.0"], first)
        assert torch.equal(maps["pool:1[0]"], values) and torch.equal(maps["pool:1[1]"], indices)
        assert torch.equal(maps["down.1"], net.down[1](values))
        assert torch.equal(maps["up.3"], net.up[3](torch.cat([first, maps["unpool:4"]], dim=1)))
        assert torch.equal(maps["head"], net(x))
    assert {f"pool:{k}[{part}]" for k in (1, 2, 3, 4) for part in (0, 1)} < set(maps)
    assert not maps["up.3"].requires_grad


def test_maps_are_what_torchvision_extracts():
    torch.manual_seed(0)
    net = nn.Sequential(models.ConvBlock(3, 4, batch_norm=True), nn.MaxPool2d(2), models.ConvBlock(4, 5)).eval()
    x = torch.randn(2, 3, 8, 6)
    extracted = create_feature_extractor(net, {"0.0": "0.0", "0.2": "0.2", "2": "2"})(x)
    maps = feature_maps(net, x, ["0.0", "0.2", "2"])
    assert list(maps) == ["0.0", "0.2", "2"]
    assert all(torch.equal(value, extracted[name]) for name, value in maps.items())


def test_an_output_is_kept_as_it_was_before_a_relu_wrote_over_it():
    torch.manual_seed(0)
    block = models.ConvBlock(3, 4, batch_norm=True).eval()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        conv, norm = block[0](x), block[1](block[0](x))
    maps = feature_maps(block, x, ["0", "1", "2"])
    assert torch.equal(maps["0"], conv) and torch.equal(maps["1"], norm) and torch.equal(maps["2"], norm.relu())
    assert (maps["1"] < 0).any()


def test_no_hook_stays_whatever_happens(net):
    feature_maps(net, torch.rand(1, 3, 16, 16))
    with pytest.raises(ValueError, match="multiples of 16"):
        feature_maps(net, torch.rand(1, 3, 20, 16))
    with pytest.raises(RuntimeError), ablate(net, "down.0", [0], layer_input=True):
        raise RuntimeError
    with pytest.raises(ValueError, match=r"no layer 'down.9'; the stages are down.0"):
        feature_maps(net, torch.rand(1, 3, 16, 16), ["down.0", "down.9"])
    assert hooks_left(net) == 0


def test_evaluation_mode(net):
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    shown = feature_maps(net, torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert net.training, "as it was"
    again = feature_maps(net.eval(), torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert all(torch.equal(value, again[name]) for name, value in shown.items()), "and it ran in evaluation mode"
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_silenced_is_the_rest_of_the_network_run_on_zeros(net):
    x = torch.rand(2, 3, 32, 32)
    maps = feature_maps(net, x, ["unpool", "down.0", "up.3", "head"])
    with torch.no_grad():
        without = maps["up.3"].clone()
        without[:, [0, 1]] = 0
        with ablate(net, "up.3", [0, 1]):
            assert torch.equal(net(x), net.head(without))
        both = torch.cat([torch.zeros_like(maps["down.0"]), maps["unpool:4"]], dim=1)
        with ablate(net, "up.3", range(2), layer_input=True):
            assert torch.equal(net(x), net.head(net.up[3](both)))
        assert torch.equal(net(x), maps["head"])
    assert hooks_left(net) == 0


def test_silencing_an_input_leaves_what_is_handed_across():
    """down.1 takes what the pool gave; silencing there must not touch a tensor that others hold."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Identity(), nn.Identity()

        def forward(self, x):
            return self.one(x) + 10 * self.two(x)

    x = torch.ones(1, 2, 1, 1)
    with ablate(net := Twice(), "one", [1], layer_input=True):
        assert net(x).flatten().tolist() == [11, 10]
    with ablate(net, "one", [1]):
        assert net(x).flatten().tolist() == [11, 10]
    assert x.flatten().tolist() == [1, 1]


# --- read-outs --------------------------------------------------------------------------------------------------


def batches(seed=0):
    """Three batches of 4 maps, of which one is dead and one is another's double, and 2 targets."""
    g = torch.Generator().manual_seed(seed)
    for size in (5, 2, 3):
        maps = torch.randn(size, 4, 6, 7, generator=g) + torch.tensor([3.0, 0, 0, 0])[:, None, None]
        maps[:, 2] = 0
        maps[:, 3] = 2 * maps[:, 0]
        targets = torch.cat([maps[:, :1] - 2 * maps[:, 1:2], maps[:, 1:2]], dim=1)
        yield maps, targets + torch.randn(size, 2, 6, 7, generator=g)


def columns(tensors):
    return torch.cat([t.transpose(0, 1).flatten(1) for t in tensors], dim=1).double().numpy()


def test_correlations_are_numpys():
    read = Readout()
    for maps, targets in batches():
        read.add(maps, targets)
    a, b = columns(m for m, _ in batches()), columns(t for _, t in batches())
    for c in range(4):
        for k in range(2):
            expected = 0 if c == 2 else np.corrcoef(a[c], b[k])[0, 1]
            assert read.correlations()[c, k].item() == pytest.approx(expected, abs=1e-9)


def test_a_constant_channel_correlates_with_nothing():
    read = Readout()
    for maps, targets in batches():
        read.add(torch.full_like(maps, 0.1), targets)
    assert read.correlations().abs().max() == 0


def test_the_probe_is_numpys_least_squares():
    read = Readout()
    for maps, targets in batches():
        read.add(maps, targets)
    a, b = columns(m for m, _ in batches()), columns(t for _, t in batches())
    design = np.vstack([a, np.ones_like(a[:1])]).T
    fitted = design @ np.linalg.lstsq(design, b.T, rcond=None)[0]
    maps = torch.cat([m for m, _ in batches()])
    answer = read.probe()(maps)
    assert answer.shape == (10, 2, 6, 7) and answer.dtype == torch.float32
    np.testing.assert_allclose(columns([answer]), fitted.T, atol=1e-4)


def test_the_agreement_is_the_correlation_of_what_was_read():
    first, second = Readout(), Readout()
    for maps, targets in batches():
        first.add(maps, targets)
    for maps, targets in batches(seed=1):
        second.add(maps, targets)
    probe = first.probe()
    a, b = columns(probe(m) for m, _ in batches(seed=1)), columns(t for _, t in batches(seed=1))
    expected = [np.corrcoef(a[k], b[k])[0, 1] for k in range(2)]
    np.testing.assert_allclose(second.agreement(probe).numpy(), expected, atol=1e-6)


def test_a_readout_is_for_one_layer():
    read = Readout()
    read.add(torch.rand(1, 3, 2, 2), torch.rand(1, 1, 2, 2))
    with pytest.raises(ValueError, match="2 channels after 3"):
        read.add(torch.rand(1, 2, 2, 2), torch.rand(1, 2, 2, 2))
    with pytest.raises(ValueError, match="more than channels"):
        read.add(torch.rand(1, 3, 2, 2), torch.rand(1, 1, 4, 2))


# --- the strongest photos of a channel --------------------------------------------------------------------------


def test_the_readouts_of_stages_are_those_of_the_pixels_themselves(cars, own_cache, net):
    """A first stage has a value for each pixel, so nothing is interpolated: the oracle takes it from the map."""
    found = stage_readouts(net, cars, 32, lambda x, y: torch.cat([x.mean(dim=1, keepdim=True), y], dim=1), 20, seed=3)
    assert list(found) == stages(net)
    generator, maps, wanted = torch.Generator().manual_seed(3), [], []
    for x, y in data.loader(cars, 32):
        column, row = torch.randint(32, (len(x), 20, 1, 2), generator=generator)[:, :, 0].movedim(-1, 0)
        stage = feature_maps(net, x, ["down.0"])["down.0"]
        for k in range(len(x)):
            maps.append(stage[k][:, row[k], column[k]])
            wanted.append(torch.cat([x[k].mean(dim=0, keepdim=True), y[k]])[:, row[k], column[k]])
    maps, wanted = (torch.cat(part, dim=1).double().numpy() for part in (maps, wanted))
    right = np.corrcoef(np.concatenate([maps, wanted]))[: len(maps), len(maps) :]
    assert np.allclose(found["down.0"].correlations().numpy(), np.nan_to_num(right), atol=1e-4)


def test_the_readouts_are_the_same_for_the_same_seed(cars, own_cache, net):
    first, again, other = (
        stage_readouts(net, cars, 32, lambda x, y: y, seed=seed)["middle"].correlations() for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def naive(net, photos, layer, size, top):
    """All maps of all photos at once, sorted channel by channel: (channel, rank, photo, value, y, x)."""
    every = torch.cat([feature_maps(net, x[None], [layer])[layer] for x, _ in data.CarDataset(photos, size)])
    rows = []
    for c in range(every.shape[1]):
        ordered = sorted(range(len(every)), key=lambda p: (-every[p, c].max().item(), p))
        for rank, p in enumerate(ordered[:top]):
            value = every[p, c].max().item()
            i, j = (every[p, c] == value).nonzero()[0].tolist()
            h, w = every.shape[2:]
            rows.append((c, rank, p, value, (i + 0.5) / h, (j + 0.5) / w))
    return np.array(rows)


@pytest.mark.parametrize("layer", ["down.1", "up.2"])
@pytest.mark.parametrize("top", [1, 5, 100])
def test_streamed_is_what_sorting_everything_gives(cars, own_cache, net, layer, top):
    found = top_activations(net, cars, layer, size=(16, 32), top=top, batch_size=7)
    assert list(found) == ["channel", "rank", "photo", "value", "y", "x"]
    expected = naive(net, cars, layer, (16, 32), top)
    columns = ["channel", "rank", "photo"]
    np.testing.assert_array_equal(found[columns].to_numpy(), expected[:, :3])
    np.testing.assert_allclose(found[["value", "y", "x"]].to_numpy(), expected[:, 3:], rtol=1e-4, atol=1e-6)


def test_of_equals_the_earlier_photo_comes_first(cars, own_cache, net):
    with torch.no_grad():
        net.down[0][-1][1].weight[0] = 0  # after the ReLU: the same in every place of every photo
        net.down[0][-1][1].bias[0] = -1
    found = top_activations(net, cars, "down.0", size=16, top=9, batch_size=4)
    dead = found[found.channel == 0]
    assert dead.value.tolist() == [0] * 9 and dead.photo.tolist() == list(range(9))


def test_what_is_kept_does_not_grow(cars, own_cache, net, monkeypatch):
    """The tensor that goes from batch to batch holds ``top`` photos a channel, however many went by."""
    kept = []
    original = torch.Tensor.gather

    def watch(self, *args):
        result = original(self, *args)
        kept.append(result.numel())
        return result

    monkeypatch.setattr(torch.Tensor, "gather", watch)
    top_activations(net, cars, "down.0", size=16, top=3, batch_size=8)
    assert kept == [4 * 2 * 3] * 8


def test_photos_without_masks_will_do(cars, own_cache, net):
    bare = data.CarFolder(cars.root, masks=None)
    with_masks = top_activations(net, cars, "down.0", size=16, top=2)
    assert top_activations(net, bare, "down.0", size=16, top=2).equals(with_masks)


def test_one_map_is_needed(cars, own_cache, net):
    with pytest.raises(ValueError, match="not one map"):
        top_activations(net, cars, "pool", size=16)
    with pytest.raises(ValueError, match="at least one"):
        top_activations(net, cars, "down.0", size=16, top=0)
