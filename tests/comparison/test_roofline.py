"""Counted work of a network against counting by hand, and the time that follows from it."""

import pytest
from torch import nn

from benchmarks._roofline import ADAM, Machine, count

PLAIN = Machine("one", flops=1e12, bandwidth=1e9)


def conv() -> nn.Module:
    return nn.Conv2d(3, 8, 3, padding=1)


def test_a_convolution_counts_as_by_hand():
    work, weights = count(conv, (2, 3, 16, 16), train=False)
    numbers = 2 * 3 * 16 * 16 + 8 * 3 * 9 + 8 + 2 * 8 * 16 * 16  # photos, kernel, bias, answer: two bytes each
    assert work == [(2 * (2 * 16 * 16) * 8 * 3 * 9, 2 * numbers)]
    assert weights == 8 * 3 * 9 + 8


def test_work_grows_with_batch_and_area_and_training_takes_three_passes():
    def flops(shape, train):
        return sum(f for f, _ in count(lambda: nn.Sequential(conv(), nn.Conv2d(8, 1, 1)), shape, train)[0])

    one = flops((1, 3, 16, 16), train=False)
    assert flops((4, 3, 16, 16), train=False) == flops((1, 3, 32, 32), train=False) == 4 * one
    first = 2 * 16 * 16 * 8 * 3 * 9  # its input is the photo, which needs no gradient
    assert flops((1, 3, 16, 16), train=True) == 3 * one - first


def test_a_view_moves_nothing_and_indices_are_eight_bytes():
    work, _ = count(lambda: nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (16, 16))), (1, 3, 16, 16), train=False)
    assert work == []
    (pooled,), _ = count(lambda: nn.MaxPool2d(2, return_indices=True), (1, 3, 16, 16), train=False)
    assert pooled == (0, 3 * (2 * 16 * 16 + (2 + 8) * 8 * 8))


def test_no_number_is_computed():
    work, _ = count(lambda: nn.Conv2d(3, 1, 3, padding=1), (64, 3, 20_000, 20_000), train=True)
    assert sum(size for _, size in work) > 1e11  # more than this machine holds


@pytest.mark.parametrize(
    ("machine", "updated", "seconds"),
    [
        (PLAIN, 0, 2 + 3),  # bound by computing, then by memory
        (PLAIN, 10**9, 2 + 3 + ADAM),
        (Machine("half", 1e12, 1e9, share=0.5), 0, 10),
        (Machine("slow host", 1e12, 1e9, launch=4.0), 0, 8),
    ],
)
def test_the_longer_of_gpu_and_host_counts(machine, updated, seconds):
    assert machine.seconds([(2e12, 1e9), (1e12, 3e9)], updated) == pytest.approx(seconds)
