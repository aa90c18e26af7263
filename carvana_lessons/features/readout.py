"""Linear probes: what can be read from feature maps, by single channels and by their best weighted sum.

Lesson:
    08.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carvana_lessons.data import CarFolder, loader
from carvana_lessons.features.maps import feature_maps, stages
from carvana_lessons.utils.wording import counted


class Probe(NamedTuple):
    """A 1×1 convolution fitted by least squares.

    Attributes:
        weight: (C, K).
        bias: (K,); both float64 on the CPU.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) → (B, K, h, w) float32, on the device of ``maps``.

        Args:
            maps: (B, C, h, w).

        Returns:
            (B, K, h, w) float32.
        """
        weight, bias = self.weight.to(maps), self.bias.to(maps)
        return (torch.einsum("bchw,ck->bkhw", maps, weight) + bias[:, None, None]).float()


class Readout:
    """Least squares over the pixels of any number of batches; only one (C + K + 1)² matrix is stored.

    Lesson:
        08.
    """

    def __init__(self) -> None:
        self._gram: Tensor | None = None
        self._channels = 0

    def add(self, maps: Tensor, targets: Tensor) -> None:
        """Add a batch.

        Args:
            maps: (B, C, h, w).
            targets: (B, K, h, w), what is to be read from them.

        Raises:
            ValueError: if batch or size differ, or the channels differ from the batch before.
        """
        if maps.shape[0] != targets.shape[0] or maps.shape[2:] != targets.shape[2:]:
            raise ValueError(
                f"Maps {tuple(maps.shape)} and targets {tuple(targets.shape)} differ in more than channels."
            )
        columns = torch.cat([maps, targets.to(maps), torch.ones_like(maps[:, :1])], dim=1)  # (B, C + K + 1, h, w)
        rows = columns.transpose(0, 1).flatten(1)
        rows = (rows if rows.is_cuda else rows.cpu()).double()  # not every other device has float64
        gram = (rows @ rows.T).cpu()
        if self._gram is not None and (self._gram.shape != gram.shape or self._channels != maps.shape[1]):
            raise ValueError(
                f"{counted(maps.shape[1], 'channel')} after {self._channels}: one Readout is for one layer."
            )
        self._channels = maps.shape[1]
        self._gram = gram if self._gram is None else self._gram + gram

    def correlations(self) -> Tensor:
        """Pearson's correlation over all pixels of each channel with each target: (C, K), 0 for a constant channel.

        Returns:
            (C, K) float64 in [−1, 1], on the CPU.
        """
        return self._correlations(torch.eye(self._channels, dtype=torch.float64))

    def agreement(self, probe: Probe) -> Tensor:
        """Correlation of a probe's output for these maps with each target: (K,).

        Fit a probe on one set of photos, and compute its agreement with the `Readout` of another.

        Args:
            probe: as `probe` of another readout gives it.

        Returns:
            (K,) float64 in [−1, 1].
        """
        return self._correlations(probe.weight).diagonal()

    def probe(self) -> Probe:
        """The weighted sum of the channels, plus a bias, that fits each target best in least squares.

        Returns:
            the weights, fitted.

        Source:
            Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes".
        """
        c = self._channels
        inputs = [*range(c), len(self._gram) - 1]
        weight = torch.linalg.pinv(self._gram[inputs][:, inputs], hermitian=True) @ self._gram[inputs][:, c:-1]
        return Probe(weight[:-1], weight[-1])

    def _correlations(self, weight: Tensor) -> Tensor:
        """Of the J weighted sums that ``weight`` (C, J) makes of the channels, with each target: (J, K)."""
        targets = self._gram.shape[0] - 1 - self._channels
        mix = torch.block_diag(weight, torch.eye(targets, dtype=torch.float64))  # (C + K, J + K)
        n = self._gram[-1, -1]
        mean = self._gram[-1, :-1] / n
        cov = mix.T @ (self._gram[:-1, :-1] / n - mean.outer(mean)) @ mix
        spread = cov.diagonal().clamp(min=0).sqrt()
        scale = mix.abs().T @ (self._gram.diagonal()[:-1] / n).sqrt()
        spread[spread <= 1e-6 * scale] = torch.inf  # constant but for rounding
        return (cov / spread.outer(spread))[: weight.shape[1], weight.shape[1] :]


def stage_readouts(
    model: nn.Module,
    photos: CarFolder,
    size: int,
    targets: Callable[[Tensor, Tensor], Tensor],
    pixels: int = 512,
    seed: int = 0,
) -> dict[str, Readout]:
    """A `Readout` of each stage of a network, over random pixels of each photo.

    The maps of a stage may be smaller than the photo: their values at a pixel are interpolated bilinearly.

    Args:
        model: as `feature_maps` takes it.
        photos: with masks.
        size: side of the network's input.
        targets: photos (B, 3, size, size) and masks (B, 1, size, size) → (B, K, size, size), what is to be read.
        pixels: of each photo.
        seed: of the choice of pixels.

    Returns:
        stage → `Readout`, in the order of `stages`.

    Source:
        Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes".

    Lesson:
        08.
    """
    found = {name: Readout() for name in stages(model)}
    generator = torch.Generator().manual_seed(seed)
    for x, y in loader(photos, size):
        chosen = torch.randint(size, (len(x), pixels, 1, 2), generator=generator)
        places = (chosen + 0.5) / size * 2 - 1  # as grid_sample counts them, from −1 to 1
        wanted = _values_at(targets(x, y), places)
        for name, maps in feature_maps(model, x).items():
            found[name].add(_values_at(maps, places), wanted)
    return found


def _values_at(maps: Tensor, places: Tensor) -> Tensor:
    """(B, C, h, w) at places (B, n, 1, 2), from −1 to 1 → (B, C, n, 1)."""
    maps = maps if maps.is_cuda else maps.cpu()  # not every other device can do it
    return F.grid_sample(maps, places.to(maps.device), padding_mode="border", align_corners=False)
