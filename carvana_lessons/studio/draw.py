"""Random draws that are the same on every machine and under every numpy."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

STRIDES = {"body": 0.6180339887, "colour": 0.7548776662, "camera": 0.5698402910}


def turn(what: str, seed: int, index: int) -> float:
    """A mark in [0, 1) for ``Draw.weighted`` that visits all of it evenly as the index grows.

    Chance alone would leave a set of 48 cars without a single red one every other time.

    Args:
        what: the thing that is chosen, one of ``STRIDES``; each has marks of its own.
        seed: of the set.
        index: of the car, counted from 0.

    Returns:
        the mark.
    """
    return round((Draw(seed, 10**9, list(STRIDES).index(what)).unit() + index * STRIDES[what]) % 1.0, 9)


class Draw:
    """A stream of draws for one car or one picture.

    Only the raw 64-bit words of PCG64 are used: numpy promises to keep those, while the methods of its ``Generator``
    may change between releases.

    Args:
        key: integers that name the stream, such as (seed, car) or (seed, car, view).
    """

    def __init__(self, *key: int):
        self.bits = np.random.PCG64(np.random.SeedSequence(list(key)))

    def unit(self) -> float:
        """One number in [0, 1).

        Returns:
            the number.
        """
        return float(int(self.bits.random_raw()) >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """One number in [low, high), rounded so that later table look-ups never sit on an edge by accident.

        Args:
            low: the lower end.
            high: the upper end.

        Returns:
            the number.
        """
        return round(low + (high - low) * self.unit(), 6)

    def about(self, middle: float, spread: float) -> float:
        """A bell around ``middle`` that never leaves ``middle ± spread``: the mean of three draws.

        Args:
            middle: the middle of the bell.
            spread: the farthest from it.

        Returns:
            the number.
        """
        return round(middle + spread * (2.0 * (self.unit() + self.unit() + self.unit()) / 3.0 - 1.0), 6)

    def chance(self, probability: float) -> bool:
        """True with the given probability.

        Args:
            probability: from 0 to 1.

        Returns:
            True or False.
        """
        return self.unit() < probability

    def integer(self, low: int, high: int) -> int:
        """One integer in [low, high], both ends included.

        Args:
            low: the lowest.
            high: the highest.

        Returns:
            the integer.
        """
        return low + int(self.unit() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One item of a sequence, all alike.

        Args:
            items: one or more.

        Returns:
            one of them.
        """
        return items[int(self.unit() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float], mark: float | None = None) -> T:
        """One item of a sequence, in proportion to its weight.

        Args:
            items: one or more.
            weights: one per item, in any unit.
            mark: where to look, 0 … 1, instead of by chance.

        Returns:
            one of them.
        """
        mark = (self.unit() if mark is None else mark) * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            mark -= weight
            if mark < 0:
                return item
        return items[-1]

    def grain(self, shape: tuple[int, ...]) -> np.ndarray:
        """Film grain of mean 0 and standard deviation 1: (shape) float32.

        Four bytes of a word added up are close enough to a bell, and cost no call of libm.

        Args:
            shape: of the result.

        Returns:
            float32 of that shape.
        """
        count = int(np.prod(shape))
        words = self.bits.random_raw((count + 1) // 2)
        octets = np.ascontiguousarray(words).astype("<u8").view(np.uint8).reshape(-1, 4)[:count].astype(np.int32)
        total = octets[:, 0] + octets[:, 1] + octets[:, 2] + octets[:, 3]
        return ((total - 510).astype(np.float32) * np.float32(1 / 147.8)).reshape(shape)
