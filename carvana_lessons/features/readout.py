"""Linear probes: what can be read from feature maps, by single channels and by their best weighted sum.

Lesson:
    08.
"""

from typing import NamedTuple

import torch
from torch import Tensor

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
