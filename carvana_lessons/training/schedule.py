"""How the learning rate changes: plain functions of the step, so that a resumed run needs no state of them."""

import math
from collections.abc import Callable

from carvana_lessons.utils.catalog import check_schedule


def schedule(name: str, steps: int, steps_an_epoch: int, halve_every: int = 40) -> Callable[[int], float]:
    """The factor on the learning rate at each optimiser step, counted from 0.

    Args:
        name: "constant"; "halving", by half every ``halve_every`` epochs, as the defense did; or "one-cycle": from 1/25
            up to 1 over the first 30 % of the steps, then down to almost nothing along a cosine, the better choice for
            short runs.
        steps: of the whole run.
        steps_an_epoch: of one epoch.
        halve_every: epochs from one halving to the next, for "halving".

    Returns:
        step → factor in (0, 1].

    Raises:
        ValueError: for an unknown name.

    Source:
        slides [B] (halving); Smith & Topin 2019 (one-cycle).

    Lesson:
        02.
    """
    check_schedule(name)
    if name == "constant":
        return lambda step: 1.0
    if name == "halving":
        return lambda step: 0.5 ** (step // (steps_an_epoch * halve_every))
    top = max(0.3 * steps - 1, 1e-9)  # the step at which the rate is highest

    def one_cycle(step: int) -> float:
        if step <= top:
            return _cosine(1 / 25, 1.0, step / top)
        return _cosine(1.0, 1 / 25e4, min((step - top) / max(steps - 1 - top, 1e-9), 1.0))

    return one_cycle


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
