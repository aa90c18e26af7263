"""Whether what the chapters assert holds on other photos: every chapter on many folders, at the scale quick.

    python -m benchmarks claims --studios 8 --halves 6 --real PHOTOS --out book/claims/runs.csv > book/claims/table.txt

Folders are studios of other seeds, and random halves, by car, of a folder of real cars; every second half comes
without ``metadata.csv``, as most copies of the challenge's photos do. A failed assertion ends neither its cell nor its
chapter (`benchmarks._recorder`), so the later ones are seen too. An error ends its cell only; where later cells lack a
name because of it, they count as "after an error".

Every chapter and folder has a cache of its own, so that each training is done. What is finished is not done again: a
run that was stopped goes on with the same command, and a chapter is executed again when its text, the photos or the
package or torch changed. The command ends with 1 where anything failed.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import torch

from benchmarks._chapter import finished
from benchmarks._paired import ROOT, commit, provenance, table
from carvana_lessons import data, studio
from carvana_lessons.utils.files import make_folder, replacing
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.paths import cache_folder
from carvana_lessons.utils.wording import counted

SHOWN = 120  # characters of a message on the page; the CSV file has all
ABOUT = ("folder", "chapter", "photos", "seconds", "assertions", "made", "commit")


def digest(*files: Path) -> str:
    """Hex digits that change when the content of a file does."""
    made = hashlib.blake2b(digest_size=8)
    for file in files:
        made.update(file.read_bytes())
    return made.hexdigest()


def half(real: data.CarFolder, number: int, place: Path) -> Path:
    """Half of the cars, drawn with the number as seed: hard links, or copies on another disk.

    Args:
        real: the whole folder.
        number: from 1; even ones get no ``metadata.csv``.
        place: the folder to make, if it is not there.

    Returns:
        ``place``.
    """
    if place.exists():
        return place
    cars = random.Random(number).sample(real.ids, len(real.ids) // 2)
    files = [file for photo in real.select(cars=cars) for file in (photo.image, photo.mask)]
    table_of_cars = real.root / "metadata.csv"
    with building(place) as folder:
        for file in [*files, *([table_of_cars] if number % 2 and table_of_cars.exists() else [])]:
            to = folder / file.relative_to(real.root)
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, to)
            except OSError:
                shutil.copy2(file, to)
    return place


def photo_folders(options: argparse.Namespace, work: Path) -> dict[str, Path]:
    """Every folder by its name, drawn or linked where it is missing."""
    seeds = range(options.first_seed, options.first_seed + options.studios)
    found = {f"studio-{seed}": studio.ensure(cars=options.cars, seed=seed) for seed in seeds}
    if options.real:
        real = data.CarFolder(options.real)
        for number in range(1, options.halves + 1):
            name = f"half-{number}" + ("" if number % 2 else "-bare")
            found[name] = half(real, number, work / "halves" / f"{real.fingerprint}-{number}")
    for folder in options.folders:
        if found.setdefault(folder.name, folder.resolve()) != folder.resolve():
            sys.exit(f"Two folders are called {folder.name}: the table could not tell them apart.")
    return found


def tasks(options: argparse.Namespace, folders: dict[str, Path], chapters: list[Path], work: Path) -> list[dict]:
    """A task for `benchmarks._chapter` for every chapter and folder."""
    package = digest(*sorted((ROOT / "carvana_lessons").rglob("*.py")))
    made, now, found = provenance(), commit(), []
    for folder, photos in folders.items():
        cars = data.CarFolder(photos)
        for notebook in chapters:
            key = {
                "notebook": digest(notebook),
                "photos": cars.fingerprint,
                "package": package,
                "torch": torch.__version__,
            }
            about = {"folder": folder, "chapter": notebook.stem, "photos": len(cars)}
            about |= {"made": made, "commit": now, "key": key}
            name = f"{notebook.stem}--{folder}"
            found.append(
                {
                    "about": about, "notebook": str(notebook), "photos": str(photos), "minutes": options.minutes,
                    "stop_at_first": options.stop_at_first == "yes", "any_package": options.any_package,
                    "place": str(work / "running" / name), "file": str(work / "results" / f"{name}.json"),
                }
            )  # fmt: skip
    return found


def start(task: dict) -> subprocess.Popen:
    """A process that executes a chapter: one thread, a cache of its own, this checkout's package."""
    environment = {name: value for name, value in os.environ.items() if name != "CARVANA_KEEP"} | {
        "CARVANA_DATA": task["photos"],
        "CARVANA_CACHE": str(Path(task["place"], "cache")),
        "CARVANA_SCALE": "quick",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "benchmarks._chapter", json.dumps(task)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)


def run(every: list[dict], jobs: int, out: Path) -> None:
    """Execute what is not finished, so many at once; the CSV file is written after each."""
    waiting, running = [task for task in every if finished(task) is None], []
    total = len(waiting)
    print(f"{total} of {len(every)} executions to do.", file=sys.stderr, flush=True)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append((waiting[0], start(waiting.pop(0))))
            time.sleep(0.2)
            for task, process in [pair for pair in running if pair[1].poll() is not None]:
                running.remove((task, process))
                name = f"{total - len(waiting) - len(running)}/{total} {Path(task['place']).name}"
                if (result := finished(task)) is None:
                    line = f"not done, its process ended with {process.returncode}"
                else:
                    failed = counted(len(result["failures"]), "failure")
                    line = f"{result['seconds']:.0f} s, {counted(result['assertions'], 'assertion')}, {failed}"
                print(f"{name}: {line}", file=sys.stderr, flush=True)
                write(every, out)
    finally:
        for _, process in running:
            process.terminate()  # its kernel notices, and ends within a second


def write(every: list[dict], out: Path) -> list[dict]:
    """The results that there are; the CSV file has a row for each failure, and one for a run without any."""
    results = [result for task in every if (result := finished(task)) is not None]
    rows = [
        {name: result[name] for name in ABOUT[:2]} | failure | {name: result[name] for name in ABOUT[2:]}
        for result in results
        for failure in result["failures"] or [{"cell": "", "kind": "none", "claim": "", "message": ""}]
    ]
    with replacing(out) as file:
        pd.DataFrame(rows).to_csv(file, index=False, lineterminator="\n")
    return results


def code(text: str) -> str:
    """A text as code in a cell of a Markdown table."""
    text = " ".join(text.replace("`", "'").replace("|", r"\|").split())
    return f"`{text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'}`"


def report(results: list[dict], wanted: int) -> bool:
    """Print what failed, how often and where, then a row for each folder; whether all is done and nothing failed."""
    names = list(dict.fromkeys(result["folder"] for result in results))
    found: dict[tuple, dict] = {}
    for result in results:
        for failure in result["failures"]:
            if failure["kind"] != "after an error":
                key = (result["chapter"], failure["cell"], failure["claim"])
                found.setdefault(key, {}).setdefault(result["folder"], failure["message"])
    executed = Counter(result["chapter"] for result in results)
    failed = sum(bool(result["failures"]) for result in results)
    print(
        f"{counted(len(executed), 'chapter')} on {counted(len(names), 'folder')} of photos, at the scale quick: "
        f"{failed} of {counted(len(results), 'execution')} met a failed assertion or an error.\n"
    )
    for made, of in dict.fromkeys((result["made"], result["commit"]) for result in results):
        print(f"{made}; commit {of}.\n")
    if found:
        head = ["chapter", "cell", "claim or error", "what the first folder gave", "folders", "failed"]
        rows = [
            [chapter, f"`{cell}`", code(claim), code(next(iter(where.values()))), ", ".join(where),
             f"{len(where)} of {executed[chapter]}"]
            for (chapter, cell, claim), where in sorted(found.items(), key=lambda pair: pair[0][0])
        ]  # fmt: skip
        table(head, rows, texts=5)
    rows = []
    for name in names:
        own = [result for result in results if result["folder"] == name]
        kinds = Counter(failure["kind"] for result in own for failure in result["failures"])
        minutes = sum(result["seconds"] for result in own) / 60
        checked = sum(result["assertions"] for result in own)
        rows.append([name, own[0]["photos"], len(own), checked, kinds["assertion"], kinds["error"], f"{minutes:.1f}"])
    table(["folder", "photos", "chapters", "assertions", "failed", "errors", "minutes"], rows)
    if len(results) < wanted:
        print(f"{wanted - len(results)} executions are not done; the same command goes on.", file=sys.stderr)
    return not failed and len(results) == wanted


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--studios", type=int, default=8, help="how many, of seeds that follow each other")
    made.add_argument("--first-seed", type=int, default=1, help="the seed of the first one; 0 is the course's own")
    made.add_argument("--cars", type=int, default=studio.DEFAULT.cars, help="of a studio, 16 photos each")
    made.add_argument("--real", type=Path, help="a folder of real cars in Kaggle's layout")
    made.add_argument("--halves", type=int, default=6, help="how many random halves of its cars")
    made.add_argument("--folders", type=Path, nargs="+", default=[], help="further folders, each as it is")
    made.add_argument("--chapters", nargs="+", help="names without .ipynb; default: all")
    made.add_argument("--book", type=Path, default=ROOT / "book", help="folder of the chapters")
    made.add_argument("--work", type=Path, help="folder for results; default: claims in the course's cache")
    made.add_argument("--out", type=Path, help="the table as CSV; default: claims.csv in the folder of --work")
    made.add_argument("--jobs", type=int, default=2, help="chapters at once, one thread each")
    made.add_argument("--minutes", type=float, default=20, help="after which a chapter is stopped")
    made.add_argument("--stop-at-first", choices=["no", "yes"], default="no", help="end a chapter at its first failure")
    made.add_argument("--any-package", action="store_true", help="also keep results that another package gave")
    options = made.parse_args()
    chapters = sorted(options.book.resolve().glob("*.ipynb"))
    if unknown := set(options.chapters or ()) - {path.stem for path in chapters}:
        sys.exit(f"No chapter is called {min(unknown)}; there are {', '.join(path.stem for path in chapters)}.")
    chapters = [path for path in chapters if not options.chapters or path.stem in options.chapters]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # also stops the chapters
    torch.set_num_threads(1)  # as in the chapters' processes; the line of provenance says so
    work = (options.work or cache_folder() / "claims").resolve()
    make_folder(work / "results")
    out = options.out or work / "claims.csv"
    every = tasks(options, photo_folders(options, work), chapters, work)
    run(every, options.jobs, out)
    shutil.rmtree(work / "halves", ignore_errors=True)
    sys.exit(0 if report(write(every, out), len(every)) else 1)


if __name__ == "__main__":
    main()
