"""The start of every chapter: device, scale, data and seed, and one line that prints them.

Lesson:
    01.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch

from carvana_lessons import studio
from carvana_lessons.course import colab
from carvana_lessons.data import CarFolder, open_folder
from carvana_lessons.show.figures import STYLE
from carvana_lessons.utils.catalog import PRECISION_NAMES
from carvana_lessons.utils.console import print_anywhere
from carvana_lessons.utils.device import find_device, find_precision
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.measure import cores
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.wording import counted


@dataclass(frozen=True)
class Scale:
    """The size of a chapter's experiments.

    Attributes:
        size: input size: side of the square that photos are resized to, in pixels; a multiple of 32, as the pools of
            the networks need.
        width: channels of a network's first stage where the chapter may choose.
        batch_size: photos per step.
        lr: peak learning rate of Adam.
        images: training photos that a training processes in all; the number of epochs follows from it, so that a larger
            folder does not take longer.
        epochs: that number where it is fixed instead.
    """

    size: int
    width: int
    batch_size: int
    lr: float
    images: int = 0
    epochs: int = 0


#: How large and how long a chapter trains, by name. The drawn photos are 480×320 pixels, so a larger square than 320
#: would hold pixels that no photo has.
SCALES = {
    "quick": Scale(size=128, width=8, batch_size=4, lr=2e-3, images=1_800),
    "colab": Scale(size=320, width=32, batch_size=8, lr=1e-3, images=16_000),
    "paper": Scale(size=512, width=64, batch_size=4, lr=1e-3, epochs=250),
}
TRAIN_SHARE = 0.6  # of the cars, in the split of most chapters


@dataclass(frozen=True)
class Lesson:
    """The setting of one chapter, as `start` found it.

    Attributes:
        name: the chapter's file name.
        device: "cpu", "cuda" or "mps".
        precision: of training on that device, in words.
        scale: "quick", "colab" or "paper".
        data: the folder of the photos.
        source: what its photos are, in words.
        seed: of every random choice.
        size: see `Scale`.
        width: see `Scale`.
        batch_size: see `Scale`.
        lr: see `Scale`.
        epochs: see `Scale`.
        keep: the chapter's folder for checkpoints that must outlive this machine, None if nothing is kept: ``Trainer(…,
            folder=lesson.keep and lesson.keep / "unet").fit(…, resume=True)``.
        photos: the folder, opened.
    """

    name: str
    device: str
    precision: str
    scale: str
    data: Path
    source: str
    seed: int
    size: int
    width: int
    batch_size: int
    lr: float
    epochs: int
    keep: Path | None = None
    photos: CarFolder | None = field(default=None, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """ "synthetic studio", "drawn photos" (a chapter's own) or "real photos", for captions."""
        return self.source.split(",")[0]

    def __str__(self) -> str:
        return (
            f"{self.name} · device {self.device}, {self.precision} · scale {self.scale} ({self.size}×{self.size} px, "
            f"{self.epochs} epochs) · data: {self.source} · seed {self.seed}"
            + (f" · kept in {self.keep.parent.name}" if self.keep else "")
        )


def start(
    name: str, seed: int = 0, keep: str | Path | None = None, photos: Callable[[], CarFolder] | None = None
) -> Lesson:
    """Start a chapter: find the device, choose the scale, find or make the photos, seed everything, print all that.

    ``CARVANA_DEVICE`` is "cpu", "cuda" or "mps"; unset, the fastest that is here.
    ``CARVANA_SCALE`` is "quick", "colab" or "paper"; unset, "colab" with a GPU and "quick" without.
    ``CARVANA_DATA`` is a folder of photos and masks; unset, the synthetic studio, made once into the user's cache.
    ``CARVANA_MASKS``, ``CARVANA_GROUP``, ``CARVANA_CAR`` and ``CARVANA_SOFT`` (1) say of that folder what `open_folder`
    is told.
    A second line says so where the scale's size is larger than the photos. In Colab, a session without a GPU is told
    where to switch it on.

    Args:
        name: the chapter's file name without ending, for the line that is printed.
        seed: any integer ≥ 0.
        keep: a folder for trainings and photos that must outlive this machine, or "drive" for one on Google Drive;
            trainings of `train_once` in it are continued or reused. None: what ``CARVANA_KEEP`` says (``keep`` sets it
            for the session), and where that is unset nothing is kept.
        photos: opens the chapter's own, drawn photos, where ``CARVANA_DATA`` is unset; None for the synthetic studio.

    Returns:
        the `Lesson`.

    Raises:
        CarvanaError: for an unknown scale; for a ``keep`` that is not available, as `colab.open_keep`.
        DataError: for a folder that is not in order.

    Lesson:
        01.
    """
    print_anywhere()
    device = find_device()
    scale = scale_name(device)
    kept = colab.open_keep(keep)  # before the photos: they may lie there
    cars = open_photos(photos)
    chosen = SCALES[scale]
    epochs = chosen.epochs or max(1, round(chosen.images / (TRAIN_SHARE * len(cars))))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  libraries that still use the global generator
    torch.manual_seed(seed)
    if "OMP_NUM_THREADS" not in os.environ and cores() < torch.get_num_threads():
        torch.set_num_threads(cores())  # in a container torch counts the cores of the machine
    mpl.rcParams.update(STYLE)
    lesson = Lesson(
        name=name,
        device=device,
        precision=PRECISION_NAMES[find_precision(device)],
        scale=scale,
        data=cars.root,
        source=describe_data(cars, drawn=photos is not None and not os.environ.get("CARVANA_DATA")),
        seed=seed,
        size=chosen.size,
        width=chosen.width,
        batch_size=chosen.batch_size,
        lr=chosen.lr,
        epochs=epochs,
        keep=kept and kept / name,
        photos=cars,
    )
    print(lesson)
    if note := upscaling_note(cars, chosen.size):
        print(note)
    if device == "cpu" and colab.in_colab():
        print(colab.NO_GPU)
    return lesson


def scale_name(device: str) -> str:
    """``CARVANA_SCALE``, or what suits the device.

    Args:
        device: "cpu", "cuda" or "mps".

    Returns:
        "quick", "colab" or "paper".

    Raises:
        CarvanaError: if the variable names no scale.
    """
    scale = os.environ.get("CARVANA_SCALE") or ("colab" if device == "cuda" else "quick")
    if scale not in SCALES:
        raise CarvanaError(f"CARVANA_SCALE is {scale!r}; set it to {', '.join(SCALES)}, or unset it.")
    return scale


def data_folder() -> Path:
    """``CARVANA_DATA``, or the synthetic studio's folder, which is made when it is missing.

    A relative one is looked for here, then one folder up: JupyterLab starts notebooks in their own folder, and the
    variable was set where JupyterLab was started.

    Returns:
        the folder, absolute.
    """
    chosen = os.environ.get("CARVANA_DATA")
    if not chosen:
        return studio.ensure()
    folder = expand(chosen)
    above = Path.cwd().parent / folder
    return (above if not folder.exists() and above.is_dir() else folder).resolve()


def open_photos(default: Callable[[], CarFolder] | None = None) -> CarFolder:
    """The photos that chapters use: those of `data_folder`, opened as the environment says.

    Args:
        default: opens others, where ``CARVANA_DATA`` is unset; None for the synthetic studio.

    Returns:
        the folder.

    Raises:
        CarvanaError: for a value of ``CARVANA_SOFT`` that is neither 0 nor 1.
        DataError: for a folder that is not in order.
    """
    if not os.environ.get("CARVANA_DATA"):
        return CarFolder(data_folder()) if default is None else default()
    folder = data_folder()
    masks, group, car, soft = (os.environ.get(f"CARVANA_{name}") for name in ("MASKS", "GROUP", "CAR", "SOFT"))
    if (soft or "0") not in ("0", "1"):
        raise CarvanaError(
            f"CARVANA_SOFT is {soft!r}; set it to 1 to cut soft edges of masks at one half, or unset it."
        )
    return open_folder(folder, masks or None, group or None, car or None, soft == "1")


def upscaling_note(cars: CarFolder, size: int) -> str | None:
    """One sentence if photos are smaller than the input size of a network; else None.

    Args:
        cars: the photos.
        size: side of the square, in pixels.

    Returns:
        the sentence, or None.
    """
    cars.require("A lesson", masks=False)
    width, height = min((photo.size for photo in cars), key=min)
    if min(width, height) >= size:
        return None
    return f"Photos of {width}×{height} pixels are upscaled to {size}×{size}: that costs time and adds no detail."


def describe_data(cars: CarFolder, drawn: bool = False) -> str:
    """Describe the photos: synthetic or real, and how many.

    Args:
        cars: the photos.
        drawn: by a program that is not the synthetic studio.

    Returns:
        a few words.
    """
    count = "" if cars.unit == "photo" else f"{counted(len(cars.ids), cars.unit)}, "
    if cars.source == "synthetic studio":
        return f"synthetic studio, {count}{counted(len(cars), 'drawn photo')}"
    return f"{'drawn' if drawn else 'real'} photos, {count}{counted(len(cars), 'photo')}"
