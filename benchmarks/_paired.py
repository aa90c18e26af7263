"""What the measurements share: candidates in turns, medians with their spread, and a Markdown table."""

import argparse
import functools
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pandas as pd
import psutil
import torch

from carvana_lessons import data, studio
from carvana_lessons.utils.errors import ExistsError
from carvana_lessons.utils.files import replacing, write_json

ROOT = Path(__file__).resolve().parents[1]
PHOTO = (1918, 1280)  # width and height of the challenge's photos


def new_folder(place: Path) -> Path:
    """A folder for results that holds none yet."""
    if place.exists() and any(place.iterdir()):
        raise ExistsError(f"{place} is not empty; name a new folder for the results.")
    return place


def keep(folder: Path, tables: dict[str, pd.DataFrame], about: dict) -> None:
    """Write tables, and where they are from, as `comparison.load_results` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        with replacing(folder / f"{name}.csv") as file:
            frame.round(6).to_csv(file, index=False, lineterminator="\n")
    write_json(folder / "about.json", about)


def parser(doc: str, repeats: int) -> argparse.ArgumentParser:
    """Options that every measurement has; ``doc`` is its module's docstring."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--repeats", type=int, default=repeats, help="rounds; every candidate runs once in each")
    made.add_argument("--one", help=argparse.SUPPRESS)  # what a process of its own is to measure
    return made


def add_photos(made: argparse.ArgumentParser, cars: int) -> None:
    """The options from which `photos` finds what to read."""
    made.add_argument("folder", type=Path, nargs="?", help="photos in Kaggle's layout; unset, the studio draws some")
    made.add_argument("--cars", type=int, default=cars, help="16 photos each")


@contextmanager
def photos(options: argparse.Namespace) -> Iterator[data.CarFolder]:
    """The first cars of a folder, or cars that the studio draws once at the challenge's size (minutes).

    They lie in a folder of their own that goes afterwards, with everything that is cached: a decoded copy is always of
    a whole folder, and neither the reader's cache nor an older run's must count.
    """
    cars = data.CarFolder(options.folder or studio.ensure(cars=options.cars, size=PHOTO))
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "photos")
        for photo in cars.select(cars=cars.ids[: options.cars]):
            for file in (photo.image, photo.mask):
                to = root / file.relative_to(cars.root)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, to)
        os.environ["CARVANA_CACHE"] = str(Path(place, "cache"))
        yield data.CarFolder(root)


@functools.cache
def installed(module: str, package: str) -> bool:
    """Whether a peer is installed; if not, a sentence says so, once. The benchmark that measures it imports it."""
    there = importlib.util.find_spec(module) is not None
    if not there:
        print(f"{package} is not installed and left out; `pip install -e .[bench]` brings it.\n")
    return there


def alternate(
    ways: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of every candidate in every round, after a round that warms up, by the wall's clock or another.

    Every second round goes backwards: a machine that gets slower or faster meanwhile does so for all alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(-1, repeats):
        for name in reversed(ways) if round_ % 2 else ways:
            began = clock()
            ways[name]()
            if round_ >= 0:
                seconds[name].append(clock() - began)
    return seconds


def spread(values: Iterable[float], digits: int = 2) -> str:
    """ "median (smallest…largest)"."""
    values = list(values)
    middle, low, high = (f"{v:,.{digits}f}" for v in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}…{high})"


def faster(seconds: dict[str, list[float]], name: str, base: str) -> str:
    """How many times as fast as ``base`` a candidate is, round by round."""
    return "1" if name == base else spread(b / a for a, b in zip(seconds[name], seconds[base], strict=True))


def described(cars: data.CarFolder) -> str:
    """ "64 photos of 1918×1280"."""
    return f"{len(cars)} photos of {cars[0].size[0]}×{cars[0].size[1]}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], texts: int = 1) -> None:
    """Print a Markdown table; the first columns are ``texts``, the others are numbers."""
    print(f"| {' | '.join(head)} |\n|{' --- |' * texts}{' ---: |' * (len(head) - texts)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print()


def introduce(what: str, *packages: str, medians: bool = True) -> None:
    """Print what is measured, where and when; ``medians`` says how to read tables of repeated rounds."""
    print(f"{what}\n\n{provenance(*packages)}.")
    if medians:
        print("Medians, in brackets the smallest and the largest; ratios are of the same round.")
    print(flush=True)


def provenance(*packages: str) -> str:
    """The day, the machine and the versions, for the head of a table."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "pillow", *packages))
    return f"{date.today()}, {_processor()}, {torch.get_num_threads()} threads of torch, {versions}"


def commit() -> str:
    """The commit of the sources, with "-dirty" where they have changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def in_own_process(name: str, task: dict, *arguments: str) -> dict:
    """What ``python -m benchmarks NAME --one TASK`` prints last, as JSON: memory that no other candidate touched."""
    command = [sys.executable, "-m", "benchmarks", name, *arguments, "--one", json.dumps(task)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, encoding="utf-8")
    return json.loads(done.stdout.splitlines()[-1])


def own_bytes() -> int:
    """Resident bytes of this process without files that are mapped into it: the system takes those back at will."""
    memory = psutil.Process().memory_info()
    return memory.rss - getattr(memory, "shared", 0)
