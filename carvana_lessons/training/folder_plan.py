"""A plan for the photos of a folder on this machine: chosen by rules, then tried, and made smaller where it must be.

Lesson:
    11.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor

from carvana_lessons.data import CarFolder, read_pair, sample_evenly
from carvana_lessons.data.dataset_fingerprint import DatasetFingerprint, dataset_fingerprint
from carvana_lessons.training.measured_step import MeasuredStep, TooSmall, measure_step
from carvana_lessons.training.plan import Choice, Settings, choose, trained_photos
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.machine import Machine, this_machine

DECODED = 8  # photos whose decoding is timed
THREADS = 4  # that decode, as `data.cache` has them
ENOUGH = 1 / 3  # of the epochs that were wanted; with fewer a smaller input is the better way to save time


@dataclass(frozen=True)
class Plan:
    """Settings for the photos of a folder, why, and what they take.

    Attributes:
        photos: what the photos are like.
        machine: what it was made for.
        choice: settings, reasons, estimated memory.
        measured: time and memory of some real steps.
        hours: of the whole training on this machine, by those steps.
    """

    photos: DatasetFingerprint
    machine: Machine
    choice: Choice
    measured: MeasuredStep
    hours: float

    @property
    def settings(self) -> Settings:
        """What `train_folder` is called with."""
        return self.choice.settings


def plan_folder(cars: CarFolder, hours: float | None = None, progress: bool = True) -> Plan:
    """Look at photos and machine, choose settings, and try them for some steps.

    Args:
        cars: photos with masks.
        hours: that the training may take; None for any time.
        progress: show a progress bar.

    Returns:
        the plan.

    Raises:
        DataError: if there are no photos, or no masks, or one does not decode.
        CarvanaError: as `settle`.

    Lesson:
        11.
    """
    return settle(dataset_fingerprint(cars, progress=progress), this_machine(), hours, partial(_decoding, cars))


def settle(
    photos: DatasetFingerprint,
    machine: Machine,
    hours: float | None,
    decode: Callable[[int, Machine], float],
    measure: Callable[[str, int, int, int], MeasuredStep] = measure_step,
) -> Plan:
    """Choose settings, try them, and choose smaller ones until they hold what they promise.

    Where the memory does not hold a step after all, or a step takes more than may be used, the rules are asked again,
    of less memory; where the training would take longer than it may, fewer epochs, and then a smaller input.

    Args:
        photos: their fingerprint.
        machine: what a training may use.
        hours: that the training may take; None for any time.
        decode: size of the input, machine → hours until all photos are decoded once.
        measure: as `measure_step`.

    Returns:
        the plan.

    Raises:
        CarvanaError: if no network fits into the memory, or no training into the time.

    Lesson:
        11.
    """
    allowed, most = machine, None
    while True:
        choice = choose(photos, allowed, most=most)
        settings = choice.settings
        try:
            measured = measure(settings.network, settings.width, settings.size, settings.batch_size)
        except TooSmall:
            measured = None
        if measured is None or measured.memory > machine.memory:
            # Told of less than the estimate, the rules choose what they would on a smaller machine.
            allowed = replace(allowed, memory=min(allowed.memory, choice.memory) - 1)
            continue
        decoding = decode(settings.size, machine)
        needed = _hours(photos, settings, measured, decoding)
        if hours is None or needed <= hours:
            return Plan(photos, machine, choice, measured, needed)
        fewer = floor(settings.epochs * (hours - decoding) / (needed - decoding)) if hours > decoding else 0
        smaller = [side for side in photos.resolved if side < settings.size]
        if fewer >= max(1, ENOUGH * settings.epochs) or (fewer >= 1 and not smaller):
            choice = _shortened(choice, fewer, hours)
            return Plan(photos, machine, choice, measured, _hours(photos, choice.settings, measured, decoding))
        if not smaller:
            raise CarvanaError(
                f"One epoch takes longer than {hours:g} h here, even at {settings.size}×{settings.size}: allow more "
                "time with --hours, or train on another machine."
            )
        most = smaller[-1]


def _shortened(choice: Choice, epochs: int, hours: float) -> Choice:
    why = f"as many as the time holds that it may take, {hours:g} h; {choice.settings.epochs} would be better."
    return replace(choice, settings=replace(choice.settings, epochs=epochs), reasons=choice.reasons | {"epochs": why})


def _decoding(cars: CarFolder, size: int, machine: Machine) -> float:
    """Hours until all photos are decoded once."""
    some = sample_evenly(cars, DECODED)
    began = time.perf_counter()
    for photo in some:
        read_pair(photo, (size, size))
    each = (time.perf_counter() - began) / len(some)
    return each * len(cars) / min(THREADS, machine.cores) / 3600


def _hours(photos: DatasetFingerprint, settings: Settings, measured: MeasuredStep, decoding: float) -> float:
    trained = trained_photos(photos)
    batches, looked_at = ceil(trained / settings.batch_size), ceil((photos.photos - trained) / settings.batch_size)
    epoch = batches * measured.train_seconds + looked_at * measured.valid_seconds
    return decoding + settings.epochs * epoch / 3600
