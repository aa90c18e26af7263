"""Run a comparison: one folder per run; runs that are done are not repeated."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from carvana_lessons import models
from carvana_lessons.comparison.protocol import Protocol, claim, environment
from carvana_lessons.comparison.reading import read_json, read_speeds, read_table
from carvana_lessons.comparison.speed import measure_speed
from carvana_lessons.comparison.table import markdown, summarise
from carvana_lessons.data import CarFolder, loader
from carvana_lessons.evaluation.scoring import evaluate
from carvana_lessons.evaluation.surface import OUTLINE
from carvana_lessons.training import Trainer
from carvana_lessons.utils.errors import CarvanaError, DataError
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import expand

RUN = {"network": str, "seed": int, "parameters": int}  # what the tables take from run.json


def compare(
    cars: CarFolder,
    out: str | Path,
    networks: Sequence[str],
    seeds: Sequence[int] = (0, 1),
    protocol: Protocol | None = None,
    hours: float | None = None,
    speed: bool = True,
) -> pd.DataFrame:
    """Train networks under one protocol, score them on held-out cars, and tabulate.

    ``out`` gets one folder per run (``unet-seed0``: settings, history, weights, scores per photo), ``results.csv`` with
    one row per network, ``runs.csv`` with one per run, ``cars.csv`` with one per run and car, and ``results.md``. After
    an interruption the same call continues after the last full epoch; networks and seeds may be added to a folder.

    Args:
        cars: photos with masks.
        out: a folder.
        networks: names as of `models.names`; where ``unet`` is not among them, the first one is the baseline.
        seeds: of the initial weights, the shuffling and the augmentation; one run per seed.
        protocol: the settings that all share.
        hours: no epoch starts after that time; None for no limit.
        speed: measure time and memory of each network; on a machine that does nothing else at the moment.

    Returns:
        the table as `summarise` makes it, of the runs that are done.

    Raises:
        ValueError: for an unknown network.
        CarvanaError: if the folder is of another protocol, or if nothing is done when the time is over, or if another
            process is running it.
        Stopped: as `Trainer.fit`, and the same call continues.

    Lesson:
        09.
    """
    out, protocol = expand(out), protocol or Protocol()
    for name in networks:
        models.create(name, width=protocol.width)  # refused now, not after hours
    with owned(out / "protocol.json"):
        return _compare(cars, out, networks, seeds, protocol, hours, speed)


def _compare(
    cars: CarFolder,
    out: Path,
    networks: Sequence[str],
    seeds: Sequence[int],
    protocol: Protocol,
    hours: float | None,
    speed: bool,
) -> pd.DataFrame:
    claim(out, protocol, cars)
    end = None if hours is None else time.monotonic() + 3600 * hours
    known, unseen = protocol.split(cars)
    # All networks with the first seed, then with the next: a full table is there as early as possible.
    done = all(
        _run(out / f"{name}-seed{seed}", name, seed, protocol, known, unseen, end)
        for seed in seeds
        for name in networks
    )
    if speed and done:
        for name in networks:
            _measure(out / "speed" / f"{name}.json", name, protocol)
    return _write(out)


def _run(
    folder: Path, name: str, seed: int, protocol: Protocol, known: CarFolder, unseen: CarFolder, end: float | None
) -> bool:
    """One training and its scores, unless ``scores.csv`` says that it is done; False where it was stopped."""
    if (folder / "scores.csv").exists():
        return True
    torch.manual_seed(seed)
    model = models.create(name, width=protocol.width)
    _note(folder / "run.json", _provenance(name, seed, protocol, model))
    p = protocol
    epochs, each = p.passes(known)
    batches = loader(known, p.size, p.batch_size, shuffle=True, transform=p.transform, seed=seed, photos_per_epoch=each)
    trainer = Trainer(model, lr=p.lr, schedule="one-cycle", folder=folder, seed=seed, precision=p.precision)
    seconds = None if end is None else end - time.monotonic()
    history = trainer.fit(batches, epochs=epochs, resume=True, seconds=seconds)
    if not len(history):  # not one epoch fitted into the time
        return False
    with replacing(folder / "history.csv") as file:
        history.frame.to_csv(file, index=False, lineterminator="\n")
    if len(history) < epochs:  # the time is over
        return False
    scores = evaluate(model, unseen, p.size, p.batch_size, boundary=True)
    with replacing(folder / "scores.csv") as file:
        scores.to_csv(file, index=False, lineterminator="\n")
    return True


def _provenance(name: str, seed: int, protocol: Protocol, model: torch.nn.Module) -> dict:
    return {
        "network": name,
        "seed": seed,
        "parameters": models.count_parameters(model),
        "protocol": asdict(protocol),
        **environment(),
    }


def _measure(file: Path, name: str, protocol: Protocol) -> None:
    if not file.exists():
        _note(file, asdict(measure_speed(name, protocol.width, protocol.size, protocol.batch_size)))


def _note(file: Path, values: dict) -> None:
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8", newline="\n")


def _write(out: Path) -> pd.DataFrame:
    """Tables of all runs that are done, whichever call made them."""
    rows, tables, shown = [], [], ["dice", *OUTLINE]
    for file in sorted(out.glob("*/scores.csv")):
        cure = f"remove the folder {file.parent}, and the same command makes that run again"
        about = read_json(file.parent / "run.json", RUN, cure)
        if about["network"] not in models.names():
            raise DataError(f"{file.parent / 'run.json'} names no network of the course: {cure}.")
        scores = read_table(file, ("car", "dice"), cure)
        shown = [name for name in shown if name in scores]  # runs of earlier versions have no scores of outlines
        history = read_table(file.parent / "history.csv", ("seconds",), cure)
        run = {"network": about["network"], "seed": about["seed"]}
        rows.append(
            run
            | scores[shown].mean().to_dict()
            | {
                "worst": scores["dice"].min(),
                "parameters": about["parameters"],
                "epochs": len(history),
                "seconds": history["seconds"].sum(),
            }
        )
        tables.append(scores.groupby("car", as_index=False)[shown].mean().assign(**run))
    if not rows:
        raise CarvanaError(f"No run in {out} is done yet; the same command continues them.")
    order = models.names()
    about = ["network", "seed", *shown, "worst", "parameters", "epochs", "seconds"]
    runs = pd.DataFrame(rows)[about].sort_values(["network", "seed"], key=_rank(order))
    by_car = pd.concat(tables)[["network", "seed", "car", *shown]].sort_values(["network", "seed"], key=_rank(order))
    speeds = read_speeds(out)
    result = summarise(runs, by_car, speeds)
    for name, table in [("runs", runs), ("cars", by_car), ("results", result)]:
        with replacing(out / f"{name}.csv") as file:
            table.to_csv(file, index=False, lineterminator="\n")
    with replacing(out / "results.md") as file:
        file.write_text(markdown(result), encoding="utf-8", newline="\n")
    return result


def _rank(order: list[str]):
    return lambda column: column.map(order.index) if column.name == "network" else column
