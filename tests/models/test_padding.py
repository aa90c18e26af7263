"""A photo of any size through every network: no more padding than it needs, and the maps of the photo alone."""

import pytest
import torch
import torch.nn.functional as F

from carvana_lessons import models
from carvana_lessons.models.padding import forward_padded

POOLS = {"unet-tiny": 3, "unet-small": 4, "unet": 4, "segnet": 5, "arc1": 4, "arc2": 4, "arc3": 4, "maskingnet": 4}


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return models.create(name, width=2).eval()


@pytest.mark.parametrize("name", models.names())
def test_a_network_says_what_its_sides_must_be_multiples_of(name):
    model, divisor = network(name), 2 ** POOLS[name]
    assert model.size_divisor == divisor
    with pytest.raises(ValueError, match=f"multiples of {divisor}"):
        model(torch.rand(1, 3, divisor + divisor // 2, divisor))


@pytest.mark.parametrize("name", models.names())
@torch.no_grad()
def test_a_size_that_it_takes_is_answered_as_it_is(name):
    """At 144 pixels a network with four pools trains without padding, so it answers without."""
    model = network(name)
    x = torch.rand(1, 3, model.size_divisor * 3, model.size_divisor)
    assert torch.equal(forward_padded(model, x), model(x))


@pytest.mark.parametrize("name", models.names())
@torch.no_grad()
def test_another_size_is_continued_by_its_own_edge_and_cut_back(name):
    model = network(name)
    height, width = 2 * model.size_divisor - 3, 3 * model.size_divisor - 5
    x = torch.rand(2, 3, height, width)
    larger = F.pad(x, (0, 5, 0, 3), mode="replicate")
    y, z = torch.meshgrid(torch.arange(height) / height - 0.5, torch.arange(width) / width - 0.5, indexing="ij")
    maps = torch.stack([z, y])  # of the photo itself, its last values repeated
    maps = torch.cat([maps, maps[:, -1:].expand(-1, 3, -1)], dim=1)
    maps = torch.cat([maps, maps[..., -1:].expand(-1, -1, 5)], dim=2)
    expected = model(larger, maps) if model.__class__.__name__ == "MaskingNet" and model.takes_maps else model(larger)
    answer = forward_padded(model, x)
    assert answer.shape[-2:] == (height, width)
    assert torch.allclose(answer, expected[..., :height, :width], atol=1e-6)


@pytest.mark.parametrize("name", ["arc2", "arc3", "maskingnet"])
def test_maps_of_a_padded_photo_reach_to_its_own_edges(name, monkeypatch):
    """Not to those of the padding: the photo's last column stands at 0.49, as it did in training."""
    model, seen = network(name), []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda x, maps=None: seen.append(maps) or forward(x, maps))
    with torch.no_grad():
        forward_padded(model, torch.rand(1, 3, 64, 72))
    (maps,) = seen
    assert maps[0, 0, 71] == pytest.approx(71 / 72 - 0.5) and maps[0].max() == maps[0, 0, 71]
    assert maps[1, 63, 0] == pytest.approx(63 / 64 - 0.5)
