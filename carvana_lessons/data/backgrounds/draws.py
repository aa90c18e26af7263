"""All that is random in one picture, from one seed; and the coordinates of its pixels."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Draws:
    """The random numbers of one picture and the size that it is to have.

    All numbers are drawn on the CPU, in an order that the picture itself decides: the same seed gives the same numbers
    on every device and whatever other pictures are made beside it.

    Args:
        seed: from 0 to 2⁶³ − 1.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        device: where fields of numbers are to be.

    Lesson:
        11.
    """

    def __init__(self, seed: int, height: int, width: int, device: torch.device | str = "cpu") -> None:
        self.height, self.width, self.device = height, width, torch.device(device)
        self._numbers = random.Random(seed)
        self._fields = torch.Generator().manual_seed(seed)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between two others.

        Args:
            low: the smallest.
            high: the largest.

        Returns:
            the number.
        """
        return low + (high - low) * self._numbers.random()

    def scale(self, low: float, high: float) -> float:
        """A number between two others, each factor as likely as its inverse: uniform in the logarithm.

        Args:
            low: the smallest, > 0.
            high: the largest.

        Returns:
            the number.
        """
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def integer(self, low: int, high: int) -> int:
        """A whole number between two others, both included.

        Args:
            low: the smallest.
            high: the largest.

        Returns:
            the number.
        """
        return low + int((high - low + 1) * self._numbers.random())

    def chance(self, probability: float) -> bool:
        """Whether something happens that happens with this probability.

        Args:
            probability: from 0 for never to 1 for always.

        Returns:
            True if it does.
        """
        return self._numbers.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of several things, all equally likely.

        Args:
            options: at least one.

        Returns:
            the thing.
        """
        return options[int(len(options) * self._numbers.random())]

    def field(self, *shape: int) -> Tensor:
        """Independent numbers, uniform in [0, 1).

        Args:
            shape: of the tensor.

        Returns:
            float32, on the device.
        """
        return torch.rand(shape, generator=self._fields).to(self.device)

    def grid(self) -> tuple[Tensor, Tensor]:
        """Where the middles of the pixels lie, in heights of the picture from its top left corner.

        Returns:
            down (h, 1) from 0 to 1, and across (1, w) from 0 to width / height; not to be written to.
        """
        return _grid(self.height, self.width, self.device)

    def resized(self, height: int, width: int) -> Draws:
        """The same stream of numbers for a picture of another size.

        Args:
            height: in pixels.
            width: in pixels.

        Returns:
            draws that go on where these are, and take these with them.
        """
        other = Draws.__new__(Draws)
        other.__dict__.update(self.__dict__ | {"height": height, "width": width})
        return other


@functools.lru_cache(maxsize=64)
def _grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    down = (torch.arange(height, device=device) + 0.5) / height
    across = (torch.arange(width, device=device) + 0.5) / height
    return down[:, None], across[None]
