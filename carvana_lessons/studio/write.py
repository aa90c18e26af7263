"""A folder of photos in Kaggle's layout: rendered by worker processes, renamed into place when it is complete.

Lesson:
    01.
"""

import csv
import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from carvana_lessons.studio.names import COLUMNS
from carvana_lessons.studio.session import VIEWS
from carvana_lessons.studio.settings import DEFAULT, SOURCE, TAKEN, VERSION, Settings, default_folder
from carvana_lessons.studio.team import photograph
from carvana_lessons.studio.view import QUALITY
from carvana_lessons.utils.archive import archive, restore
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import expand
from carvana_lessons.utils.progress import bar


def make(
    out: Path, cars: int = DEFAULT.cars, size: tuple[int, int] = DEFAULT.size, seed: int = DEFAULT.seed,
    workers: int = 2, progress: bool = True,
) -> Path:  # fmt: skip
    """Render a set of cars into a new folder in Kaggle's layout.

    The folder holds ``train/<id>_<01..16>.jpg``, ``train_masks/<id>_<01..16>_mask.gif`` (palette, 0 and 1),
    ``metadata.csv`` with Kaggle's columns, ``source``, ``body`` and ``color``, and ``manifest.json`` with version,
    settings and the sha256 of every file. Files have a fixed modification time. It appears when it is
    complete; a killed run leaves nothing under its name.

    Args:
        out: the folder to make; it must not exist.
        cars: how many, 16 photos each.
        size: (width, height) of the photos in pixels.
        seed: random seed of the cars.
        workers: processes.
        progress: show a bar over all photos.

    Returns:
        ``out``.

    Raises:
        DataError: if ``out`` exists or a number cannot be met.
        CarvanaError: if a worker process fails, or if another process is making ``out``.
    """
    settings = Settings(cars, size, seed).checked()
    out = expand(out)
    if not isinstance(workers, int) or workers < 1:
        raise DataError(f"{workers!r} worker processes cannot take photos; give a whole number from 1.")
    with owned(out):
        if out.exists():
            raise DataError(f"{out} exists already; give the studio a new folder, or remove that one first.")
        with building(out) as folder:
            _draw(folder, settings, workers, progress)
    return out


def _draw(folder: Path, settings: Settings, workers: int, progress: bool) -> None:
    """Draw into a folder that is empty."""
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
    fix_times(folder)


def fix_times(folder: Path) -> None:
    """Give every file the same time, so that photos that are drawn again have the same fingerprint.

    Args:
        folder: with all its files.
    """
    for file in folder.rglob("*.*"):
        os.utime(file, (TAKEN, TAKEN))


def ensure(
    cars: int = DEFAULT.cars, size: tuple[int, int] = DEFAULT.size, seed: int = DEFAULT.seed,
    workers: int = 2, progress: bool = True,
) -> Path:  # fmt: skip
    """Return the photos with these settings from the cache folder; draw them first if they are missing.

    Where `course.start` was given ``keep``, it is kept there as one archive and restored in the next session. Two
    processes may call this at once: one draws, the other waits for it, and both return the same folder.

    Args:
        cars: how many.
        size: (width, height) of a photo, in pixels.
        seed: of the set.
        workers: processes that draw.
        progress: show a progress bar.

    Returns:
        the folder, in Kaggle's layout.
    """
    settings = Settings(cars, size, seed).checked()
    return kept(
        default_folder(settings), partial(_draw, settings=settings, workers=workers, progress=progress), progress
    )


def kept(folder: Path, draw: Callable[[Path], None], progress: bool) -> Path:
    """A folder of the cache: as it is there, or restored from what `course.start` keeps, or drawn now.

    Args:
        folder: it has a name that changes whenever its photos would.
        draw: fills an empty folder.
        progress: say that another process is drawing it, while this one waits.

    Returns:
        ``folder``.
    """
    if not folder.exists() and not restore(folder):
        with owned(folder, wait=not progress or f"Another process is drawing {folder.name}: waiting for it."):
            if not folder.exists():
                with building(folder) as part:
                    draw(part)
    archive(folder)
    return folder
