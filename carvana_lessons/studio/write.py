"""A folder of photos in Kaggle's layout: drawn by worker processes, renamed into place when it is complete.

Lesson: 01.
"""

import csv
import hashlib
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from carvana_lessons.errors import DataError
from carvana_lessons.files import building, expand
from carvana_lessons.keeping import bring, put_by
from carvana_lessons.locking import owned
from carvana_lessons.progress import bar
from carvana_lessons.studio.names import COLUMNS, car_id, metadata_row
from carvana_lessons.studio.picture import render
from carvana_lessons.studio.session import VIEWS, session
from carvana_lessons.studio.settings import DEFAULT, SOURCE, TAKEN, VERSION, Settings, default_folder
from carvana_lessons.studio.team import photograph

QUALITY = 92


def save_view(folder: Path, index: int, view: int, settings: Settings) -> dict[str, str]:
    """Take one photo and write it with its mask.

    Returns: the two files' paths inside the folder, each with its sha256.
    """
    photo, mask = render(index, view, settings.size, settings.seed)
    name = f"{car_id(settings.seed, index)}_{view:02d}"
    paths = [f"train/{name}.jpg", f"train_masks/{name}_mask.gif"]
    Image.fromarray(photo).save(folder / paths[0], quality=QUALITY)
    drawn = Image.new("P", (mask.shape[1], mask.shape[0]))
    drawn.putpalette([0, 0, 0, 255, 255, 255])
    drawn.frombytes(mask.astype(np.uint8).tobytes())
    drawn.save(folder / paths[1], optimize=False)
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}


def describe(index: int, settings: Settings) -> dict[str, str]:
    """One car's row of ``metadata.csv``."""
    car = session(settings.seed, index).car
    return metadata_row(settings.seed, index, car.body.kind, car.paints.name)


def make(
    out: Path, cars: int = DEFAULT.cars, size: tuple[int, int] = DEFAULT.size, seed: int = DEFAULT.seed,
    workers: int = 2, progress: bool = True,
) -> Path:  # fmt: skip
    """Photograph a set of cars into a new folder in Kaggle's layout.

    The folder holds ``train/<id>_<01..16>.jpg``, ``train_masks/<id>_<01..16>_mask.gif`` (palette, 0 and 1),
    ``metadata.csv`` with Kaggle's columns, ``source``, ``body`` and ``color``, and ``manifest.json`` with version,
    settings and the sha256 of every file. Files carry the same time whenever they are drawn. It appears when it is
    complete; a killed run leaves nothing under its name.

    Args:
        out: the folder to make; it must not exist.  cars: how many, 16 photos each.
        size: (width, height) of the photos in pixels.  seed: another seed, other cars.
        workers: processes.  progress: show a bar over all photos.

    Returns: ``out``.
    Raises: DataError if ``out`` exists or a number cannot be met; CarvanaError if a worker process fails, or if another
        process is making ``out``.
    """
    settings = Settings(cars, size, seed).checked()
    out = expand(out)
    if not isinstance(workers, int) or workers < 1:
        raise DataError(f"{workers!r} worker processes cannot take photos; give a whole number from 1.")
    with owned(out):
        if out.exists():
            raise DataError(f"{out} exists already; give the studio a new folder, or remove that one first.")
        _make(out, settings, workers, progress)
    return out


def _make(out: Path, settings: Settings, workers: int, progress: bool) -> None:
    """Draw into a folder that this process owns."""
    with building(out) as folder:
        (folder / "train").mkdir()
        (folder / "train_masks").mkdir()
        files: dict[str, str] = {}
        rows: dict[int, dict[str, str]] = {}
        with bar(total=settings.cars * VIEWS, desc="drawing photos", unit="photo", disable=not progress) as shown:
            for index, row, hashes in photograph(folder, settings, workers):
                files |= hashes
                if row:
                    rows[index] = row
                shown.update(1)
        with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows[index] for index in sorted(rows))
        files["metadata.csv"] = hashlib.sha256((folder / "metadata.csv").read_bytes()).hexdigest()
        manifest = {
            "source": SOURCE, "version": VERSION,
            "settings": {
                "cars": settings.cars, "size": list(settings.size), "seed": settings.seed, "views": VIEWS,
                "quality": QUALITY,
            },
            "files": dict(sorted(files.items())),
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8", newline="\n")
        for file in folder.rglob("*.*"):
            os.utime(file, (TAKEN, TAKEN))


def ensure(
    cars: int = DEFAULT.cars, size: tuple[int, int] = DEFAULT.size, seed: int = DEFAULT.seed,
    workers: int = 2, progress: bool = True,
) -> Path:  # fmt: skip
    """The set of photos with these settings from the cache folder; made first where it is missing.

    Where `course.start` was given ``keep``, it is kept there as one archive and fetched by the next session. Two
    processes may call this at once: one draws, the other waits for it, and both return the same folder.
    """
    settings = Settings(cars, size, seed).checked()
    folder = default_folder(settings)
    if not folder.exists() and not bring(folder):
        with owned(folder, wait=not progress or f"Another process is drawing {folder.name}: waiting for it."):
            if not folder.exists():
                _make(folder, settings, workers, progress)
    put_by(folder)
    return folder
