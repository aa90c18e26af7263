"""Learning rates against torch's own schedulers."""

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from carvana_lessons.training.schedule import schedule


def rates(scheduler, optimizer, steps):
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.fixture
def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


@pytest.mark.parametrize("steps", [5, 100])
def test_one_cycle_is_torchs(optimizer, steps):
    theirs = rates(OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, cycle_momentum=False), optimizer, steps)
    ours = schedule("one-cycle", steps, steps_an_epoch=1)
    assert [ours(k) for k in range(steps)] == pytest.approx(theirs, abs=1e-6)


def test_halving_is_torchs_step(optimizer):
    theirs = rates(StepLR(optimizer, step_size=12, gamma=0.5), optimizer, 50)
    ours = schedule("halving", 50, steps_an_epoch=3, halve_every=4)
    assert [ours(k) for k in range(50)] == pytest.approx(theirs)


def test_constant_is_constant():
    ours = schedule("constant", 9, 3)
    assert {ours(k) for k in range(9)} == {1.0}
