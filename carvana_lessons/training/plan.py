"""Which settings suit some photos and a machine: rules, each with its reason in a sentence.

Nothing is read or measured here: `choose` takes numbers and gives numbers, so that each rule can be looked at.

Source:
    the idea of nnU-Net (Isensee et al. 2021): settings follow from a fingerprint of the data and from the memory. The
    rules themselves are of the course's own trainings.

Lesson:
    11.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from carvana_lessons.data.dataset_fingerprint import SIDES, DatasetFingerprint
from carvana_lessons.training.step_memory import step_memory
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.machine import Machine
from carvana_lessons.utils.wording import counted

RESOLVED = 0.996  # Dice that a mask keeps when it is shrunk to the input: the networks lose about as much again
SMALL = 0.03  # of a photo: a smaller object is a handful of pixels of the input
UNEQUAL = 1.5  # times: photos whose aspects differ more are squeezed in visibly different ways
LARGEST = {"cpu": 320, "mps": 512, "cuda": 512}  # side; more would take a processor days
ROOMY = 30e9  # bytes of a GPU on which 1024×1024 and the published width are worth their time
BATCH = {"cpu": 8, "mps": 8, "cuda": 16}
LEAST_BATCH = 4  # batch norm takes its means from the photos of a batch
STEPS = 4000  # the weights that come with the package took 3,840 and 4,960 steps
EPOCHS = (10, 300)
KNOWN_LR, KNOWN_WIDTH, KNOWN_BATCH = 4e-3, 8, 8
VALID = 1 / 6  # `train` holds out that fraction


@dataclass(frozen=True)
class Settings:
    """What `train_folder` is called with.

    Attributes:
        network: a name as of `models.names`.
        width: channels of the first stage.
        size: side of the square that the network sees, in pixels.
        batch_size: photos per batch.
        accumulate: batches per optimizer step.
        epochs: passes over the training photos.
        lr: peak learning rate.
        schedule: of the learning rate.
    """

    network: str
    width: int
    size: int
    batch_size: int
    accumulate: int
    epochs: int
    lr: float
    schedule: str = "one-cycle"

    def steps(self, photos: int) -> int:
        """Steps of the optimizer.

        Args:
            photos: that are trained on.

        Returns:
            their number in the whole training.
        """
        return self.epochs * math.ceil(photos / (self.batch_size * self.accumulate))


@dataclass(frozen=True)
class Choice:
    """Settings, and why.

    Attributes:
        settings: for `train_folder`.
        reasons: name of a setting → one sentence.
        notes: what no setting helps against, one sentence each.
        memory: bytes that a step takes, by estimate.
    """

    settings: Settings
    reasons: dict[str, str]
    notes: tuple[str, ...]
    memory: int


Memory = Callable[[str, int, int, int], int]  # network, width, size, batch size → bytes


def choose(
    photos: DatasetFingerprint, machine: Machine, memory: Memory | None = None, most: int | None = None
) -> Choice:
    """Settings for a training, from what the photos are like and what the machine has.

    Args:
        photos: their fingerprint.
        machine: device and memory.
        memory: an estimate of what a step takes; None for `step_memory`.
        most: largest side of the input, where a larger one proved too slow; None for what the device can do.

    Returns:
        the settings and their reasons.

    Raises:
        CarvanaError: if not even the smallest network fits into the memory.

    Source:
        Isensee et al. 2021.

    Lesson:
        11.
    """
    memory = memory or partial(step_memory, device=machine.device, precision=machine.precision)
    trained = trained_photos(photos)
    width, of_width = _width(trained, machine)
    size, of_size = _size(photos, machine, most)
    batch = _batch(trained, machine)
    wanted = replace(Settings("unet", width, size, batch, accumulate=1, epochs=1, lr=KNOWN_LR), lr=_lr(width, batch))
    fitting = _fit(wanted, machine, memory)
    reasons = {"network": _of_network(fitting, trained), "width": of_width, "size": of_size}
    short = f"the memory that may be used, {_gigabytes(machine.memory)}, does not hold more"
    if fitting.width < width:
        reasons["width"] = f"{short}; {width} would be better."
    if fitting.size < size:
        reasons["size"] = f"{short}; {size} would be better."
    effective = fitting.batch_size * fitting.accumulate
    reasons["batch_size"] = (
        f"{short}."
        if fitting.batch_size < batch
        else f"at least 4 batches an epoch, and at most {BATCH[machine.device]}, which suits "
        f"{'a processor' if machine.device == 'cpu' else 'a GPU'}."
    )
    reasons["accumulate"] = (
        f"gradients of {fitting.accumulate} batches are added up: a step of {effective} photos for the memory of "
        f"{fitting.batch_size}."
        if fitting.accumulate > 1
        else "a batch is a step: it fits into the memory."
    )
    epochs, reasons["epochs"] = _epochs(trained, effective)
    fitting = replace(fitting, epochs=epochs, lr=_lr(fitting.width, effective))
    reasons["lr"] = (
        f"{KNOWN_LR:g} was good for width {KNOWN_WIDTH} and batches of {KNOWN_BATCH}, 0.001 for width 64 and batches "
        "of 4; in between it goes with the square root of batch by width."
    )
    reasons["schedule"] = "up, then down to almost nothing: best for a run whose length is known."
    return Choice(fitting, reasons, tuple(_notes(photos)), memory(*_step(fitting)))


def trained_photos(photos: DatasetFingerprint) -> int:
    """Photos that remain for training when a sixth of the groups, and at least one, is held out.

    Args:
        photos: their fingerprint.

    Returns:
        about how many: groups differ in size.
    """
    kept = min(max(photos.groups - 1, 1), round(photos.groups * (1 - VALID)))
    return max(1, round(photos.photos * max(kept, 1) / max(photos.groups, 1)))


def _step(settings: Settings) -> tuple[str, int, int, int]:
    return settings.network, settings.width, settings.size, settings.batch_size


def _width(trained: int, machine: Machine) -> tuple[int, str]:
    if machine.device == "cpu":
        return 8, (
            "on Carvana a U-Net of this width reached Dice 0.993 on a processor in two hours; twice the width takes "
            "more than twice as long."
        )
    if trained < 200:
        return 16, f"{counted(trained, 'photo')} for training are soon learned by heart by a wider network."
    if machine.memory >= ROOMY and trained >= 1000:
        return 64, "the published width; photos and memory are enough for it."
    return 32, "half of the published width, for a quarter of its operations."


def _size(photos: DatasetFingerprint, machine: Machine, most: int | None) -> tuple[int, str]:
    roomy = machine.device == "cuda" and machine.memory >= ROOMY
    limit = most or (1024 if roomy else LARGEST[machine.device])
    able = [side for side in photos.resolved if side <= limit] or [min(photos.resolved)]
    good = [side for side in able if photos.resolved[side] >= RESOLVED]
    if good:
        side = good[0]
        return side, (
            f"the smallest at which a mask keeps {RESOLVED:.1%} of Dice when it is shrunk and enlarged again "
            f"({photos.resolved[side]:.4f})."
        )
    side = able[-1]
    kept = photos.resolved[side]
    if side == max(photos.resolved):
        return side, f"as large as the photos are useful; shrunk to it, a mask keeps {kept:.4f} of Dice."
    why = "a larger one proved too slow" if most else "a larger one would take too long on this device"
    return side, f"{why}; shrunk to it, a mask keeps {kept:.4f} of Dice, and at {max(photos.resolved)} more."


def _batch(trained: int, machine: Machine) -> int:
    batch = BATCH[machine.device]
    while batch > LEAST_BATCH and trained / batch < 4:
        batch //= 2
    return min(batch, trained)


def _fit(wanted: Settings, machine: Machine, memory: Memory) -> Settings:
    """The settings nearest to those wanted that the memory holds: first fewer photos in a batch, then fewer pixels."""
    for candidate in _concessions(wanted):
        if memory(*_step(candidate)) <= machine.memory:
            together = max(1, wanted.batch_size // candidate.batch_size)
            return replace(candidate, accumulate=together)
    raise CarvanaError(
        f"The smallest network takes {_gigabytes(memory(*_step(candidate)))} of memory, and a training may use "
        f"{_gigabytes(machine.memory)} here: end other programs, or train on another machine."
    )


def _concessions(wanted: Settings) -> Iterator[Settings]:
    now = wanted
    yield now
    while now.batch_size > LEAST_BATCH:
        yield (now := replace(now, batch_size=now.batch_size // 2))
    while now.width > 16:
        yield (now := replace(now, width=now.width // 2))
    while now.size > 256:
        yield (now := replace(now, size=_below(now.size)))
    while now.width > 8:
        yield (now := replace(now, width=now.width // 2))
    now = replace(now, network="unet-small")  # no batch norm, so a batch may be smaller than 4
    while now.batch_size > 1:
        yield (now := replace(now, batch_size=now.batch_size // 2))
    while now.size > 32:
        yield (now := replace(now, size=_below(now.size)))


def _below(side: int) -> int:
    return max(s for s in SIDES if s < side)


def _of_network(settings: Settings, trained: int) -> str:
    if settings.network == "unet-small":
        return "it has no batch norm, whose means would be of too few photos: the memory does not hold a batch of 4."
    if settings.batch_size < LEAST_BATCH:
        return f"as for more photos, though {counted(trained, 'photo')} are few for the means of its batch norm."
    return "of the course's eight networks, trained alike, within 0.001 Dice of the best, and faster than that one."


def _epochs(trained: int, effective: int) -> tuple[int, str]:
    steps = math.ceil(trained / effective)
    wanted = math.ceil(STEPS / steps)
    epochs = min(max(wanted, EPOCHS[0]), EPOCHS[1])
    done = f"{counted(epochs * steps, 'step')} of {counted(effective, 'photo')}"
    if epochs > wanted:
        return epochs, f"every photo is to be seen {EPOCHS[0]} times; that makes {done}."
    if epochs < wanted:
        return epochs, f"more than {EPOCHS[1]} times the same photos teach nothing new; that makes {done}."
    return epochs, f"{done}, about as many as the weights that come with the package took."


def _lr(width: int, batch: int) -> float:
    return float(f"{KNOWN_LR * math.sqrt(batch / KNOWN_BATCH * KNOWN_WIDTH / width):.2g}")


def _notes(photos: DatasetFingerprint) -> Iterator[str]:
    if photos.groups < 2:
        yield "There is one group of photos, and a training needs two, one of them to validate on."
    elif photos.groups < 6:
        yield (
            f"There are only {photos.groups} groups, so the validation Dice is of one of them and may be far from that "
            "of other photos: take photos of more groups."
        )
    if photos.photos < 50:
        yield f"{counted(photos.photos, 'photo')} are few: more photos help more than any setting."
    if photos.share.median < SMALL:
        yield (
            f"The object fills {photos.share.median:.1%} of the median photo: crop the photos around it, and it gets "
            "more of the input's pixels."
        )
    if photos.aspect.largest > UNEQUAL * photos.aspect.smallest:
        yield (
            f"Aspects differ, from {photos.aspect.smallest:.2f} to {photos.aspect.largest:.2f}, and all photos are "
            "squeezed into one square: crop them to one aspect if masks of the extreme ones are bad."
        )


def _gigabytes(count: float) -> str:
    return f"{count / 2**30:.2g} GiB"
