"""The photos, and the places in them, with the highest activations of each channel of a layer."""

import pandas as pd
import torch
from torch import Tensor, nn

from carvana_lessons.data import CarFolder, loader
from carvana_lessons.features.maps import feature_maps
from carvana_lessons.utils.errors import ArgumentError


def top_activations(
    model: nn.Module,
    photos: CarFolder,
    layer: str,
    size: int | tuple[int, int],
    top: int = 8,
    batch_size: int = 16,
    cached: bool = True,
) -> pd.DataFrame:
    """Stream photos through a network and keep, for each channel, those with the highest value anywhere in its map.

    What is kept does not grow with the number of photos.

    Args:
        model: as `feature_maps` takes it.
        photos: with or without masks.
        layer: as `feature_maps` names it.
        size: side, or (height, width), of the network's input.
        top: photos per channel.
        batch_size: as `carvana_lessons.data.loader` takes it.
        cached: as `carvana_lessons.data.loader` takes it.

    Returns:
        one row per channel and rank, the highest first, of equals the earlier photo, with channel, rank (0 …), photo
        (position in ``photos``), value, and y, x: the middle of that place as shares of height and width.

    Raises:
        ValueError: if the layer gives no single map, or top is below 1.

    Source:
        Zeiler & Fergus 2014; Zhou et al. 2015, "Object detectors emerge in deep scene CNNs".

    Lesson:
        08.
    """
    if top < 1:
        raise ArgumentError(f"top is {top}; at least one photo per channel is to be kept.")
    best: Tensor | None = None  # (4, C, ≤ top): value, photo, y, x
    first = 0
    for batch in loader(photos, size=size, batch_size=batch_size, cached=cached):
        x = batch if isinstance(batch, Tensor) else batch[0]
        maps = feature_maps(model, x, [layer])
        if list(maps) != [layer]:
            raise ArgumentError(f"{layer} gives {', '.join(maps) or 'no map'}, not one map.")
        found = _places(maps[layer].cpu(), first)
        best = found if best is None else torch.cat([best, found], dim=2)
        order = best[0].sort(dim=1, descending=True, stable=True).indices[:, :top]
        best = best.gather(2, order.expand(4, -1, -1))
        first += len(x)
    channels, ranks = torch.meshgrid(torch.arange(best.shape[1]), torch.arange(best.shape[2]), indexing="ij")
    value, photo, y, x = best.flatten(1)
    table = {"channel": channels.flatten(), "rank": ranks.flatten(), "photo": photo.long(), "value": value}
    return pd.DataFrame({name: column.numpy() for name, column in (table | {"y": y, "x": x}).items()})


def _places(maps: Tensor, first: int) -> Tensor:
    """(B, C, h, w) → (4, C, B) float64: highest value, number of the photo, y and x of the place in (0, 1)."""
    height, width = maps.shape[2:]
    value, place = maps.double().flatten(2).max(dim=2)  # (B, C)
    photo = torch.arange(first, first + len(maps))[:, None].expand_as(value)
    y = (place // width + 0.5) / height
    x = (place % width + 0.5) / width
    return torch.stack([value, photo.double(), y, x]).transpose(1, 2)
