"""A plan as a text to read, and as a JSON file that ``train --plan`` takes."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

import carvana_lessons
from carvana_lessons.data.dataset_fingerprint import DatasetFingerprint
from carvana_lessons.training.folder_plan import Plan
from carvana_lessons.training.plan import Settings, trained_photos
from carvana_lessons.utils.catalog import check_network, check_schedule
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import write_json
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.wording import counted

MAKE = "carvana-lessons plan FOLDER"
VERSION = 1  # counts up when a reader of older files would misread newer ones
TEXTS = {"network": check_network, "schedule": check_schedule}


def write_plan(plan: Plan, path: str | Path) -> Path:
    """Write a plan as JSON, whole or not at all; whether a file may be replaced is the caller's question.

    Args:
        plan: of `plan_folder`.
        path: of the file.

    Returns:
        the path.

    Raises:
        CarvanaError: where it cannot be written.

    Lesson:
        11.
    """
    return write_json(path, as_json(plan))


def as_json(plan: Plan) -> dict[str, Any]:
    """A plan in dictionaries, lists, texts and numbers.

    Args:
        plan: of `plan_folder`.

    Returns:
        what `write_plan` writes; memory is in bytes, time in seconds and hours.
    """
    return {
        "version": VERSION,
        "made_by": f"carvana-lessons {carvana_lessons.__version__}",
        "date": date.today().isoformat(),
        "photos": asdict(plan.photos),
        "machine": asdict(plan.machine),
        "settings": asdict(plan.settings),
        "reasons": plan.choice.reasons,
        "notes": list(plan.choice.notes),
        "memory": {"estimated": plan.choice.memory, "measured": plan.measured.memory},
        "time": {
            "train_seconds": plan.measured.train_seconds,
            "valid_seconds": plan.measured.valid_seconds,
            "threads": plan.measured.threads,
            "steps": plan.settings.steps(trained_photos(plan.photos)),
            "hours": plan.hours,
        },
    }


def read_plan(path: str | Path) -> dict[str, Any]:
    """The settings of a plan's file; one that was edited by hand may name only some of them.

    Args:
        path: of the JSON file.

    Returns:
        arguments of `train_folder`, by name.

    Raises:
        CarvanaError: if it is no plan, is of a newer version, or holds a setting that does not exist or a value that
            none can have.

    Lesson:
        11.
    """
    path = expand(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CarvanaError(f"There is no plan {path}: make one, with `{MAKE} --out {path}`.") from error
    except (ValueError, OSError) as error:
        raise CarvanaError(f"{path} cannot be read as a plan ({error}): make it again, with `{MAKE}`.") from error
    settings = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(settings, dict) or not isinstance(content.get("version"), int):
        raise CarvanaError(f"{path} is no plan, it lacks its version or its settings: make one, with `{MAKE}`.")
    if content["version"] > VERSION:
        raise CarvanaError(
            f"{path} is a plan of version {content['version']} and this package knows {VERSION}: install a newer one."
        )
    for name, value in settings.items():
        _check(path, name, value)
    return settings


def _check(path: Path, name: str, value: object) -> None:
    kinds = {field.name: field.type for field in fields(Settings)}
    if name not in kinds:
        raise CarvanaError(f"{path} holds a setting {name!r}, which no training has: remove it ({', '.join(kinds)}).")
    wanted = kinds[name]
    if wanted == "str":
        if not isinstance(value, str):
            raise CarvanaError(f"The {name} in {path} is {value!r}: write its name in quotes.")
        TEXTS[name](value)
    elif wanted == "int" and not (type(value) is int and value >= 1):
        raise CarvanaError(f"The {name} in {path} is {value!r}: write a whole number of 1 or more.")
    elif wanted == "float" and not (type(value) in (int, float) and 0 < value < math.inf):
        raise CarvanaError(f"The {name} in {path} is {value!r}: write a number above 0.")


def describe_plan(plan: Plan, width: int = 100) -> str:
    """A plan on one page: what was found, each setting with its reason, and what it will take.

    Args:
        plan: of `plan_folder`.
        width: of a line, in characters.

    Returns:
        lines of text.

    Lesson:
        11.
    """
    photos, machine, measured = plan.photos, plan.machine, plan.measured
    settings = asdict(plan.settings)
    where = machine.name or {"cpu": "processor", "mps": "Apple's GPU"}.get(machine.device, machine.device)
    steps = plan.settings.steps(trained_photos(photos))
    paragraphs = [
        f"Photos: {counted(photos.photos, 'photo')} in {counted(photos.groups, 'group')}, {_sizes(photos)}. In "
        f"{counted(photos.sample, 'mask')} the object is {photos.share.median:.1%} of the photo "
        f"({photos.share.smallest:.1%} to {photos.share.largest:.1%}), and its parts are {photos.thickness:.1%} of the "
        "longer side wide on average.",
        f"Machine: {where}, {counted(machine.cores, 'core')}, {machine.memory / 2**30:.1f} GiB for a training.",
        *(f"{name} {_value(value)}: {plan.choice.reasons[name]}" for name, value in settings.items()),
        f"Memory: {_megabytes(plan.choice.memory)} by estimate, {_megabytes(measured.memory)} measured in real steps.",
        f"Time: {measured.train_seconds:.2g} s a batch, measured here just now with "
        f"{counted(measured.threads, 'thread')}; {counted(steps, 'step')} and the validation take about "
        f"{_duration(plan.hours)}.",
        *(f"Note: {note}" for note in plan.choice.notes),
    ]
    return "\n".join(textwrap.fill(text, width, subsequent_indent="    ") for text in paragraphs)


def as_options(settings: dict[str, Any]) -> str:
    """Settings as the command `train` takes them.

    Args:
        settings: by name.

    Returns:
        "--network unet --width 8 …".
    """
    return " ".join(f"--{name.replace('_', '-')} {_value(value)}" for name, value in settings.items())


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sizes(photos: DatasetFingerprint) -> str:
    w, h = photos.width, photos.height
    if not photos.mixed_sizes:
        return f"all {w.median:.0f}×{h.median:.0f}"
    return (
        f"of different sizes: widths {w.smallest:.0f} to {w.largest:.0f}, heights {h.smallest:.0f} to {h.largest:.0f}, "
        f"medians {w.median:.0f} and {h.median:.0f}"
    )


def _megabytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"


def _duration(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} hours"
    return counted(max(1, round(60 * hours)), "minute")
