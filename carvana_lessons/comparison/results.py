"""Results of long runs on real photos that come with the book: load them, and save those of a comparison.

Lesson:
    09.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from carvana_lessons.comparison.protocol import Protocol
from carvana_lessons.comparison.reading import read_json, read_speeds, read_table
from carvana_lessons.comparison.table import summarise
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.locking import owned

PACKAGE = Path(__file__).parents[1]
# In the repository they stand in the book; the wheel, which has no book, carries a copy.
PLACES = (PACKAGE.parent / "book" / "results", PACKAGE / "results")
FILES = ("about.json", "runs.csv", "cars.csv", "speeds.csv")  # of a comparison
COLUMNS = {"runs": ("network", "seed", "dice", "parameters"), "cars": ("network", "seed", "car", "dice")}
ENVIRONMENT = {"began": str, "torch": str, "device": str, "threads": int}
ANEW = "run the comparison once more, and it is written again"
AGAIN = "fetch the course's results again, or keep yours again with --overwrite"
ONCE_MORE = "run the comparison in another folder"


@dataclass(frozen=True)
class Results:
    """The results of a comparison, and the command that repeats it.

    Attributes:
        about: command, commit, protocol, photos, hours of training, when it began, torch, device, threads.
        runs: one row per run: network, seed, dice, worst, parameters, …
        cars: one row per run and car: dice.
        speeds: one row per network: train_ms, test_ms, memory_mb; empty where they were not measured.
        further: what else was measured, by the name of its file without ending; one row per network or more.
    """

    about: dict
    runs: pd.DataFrame
    cars: pd.DataFrame
    speeds: pd.DataFrame
    further: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """As `carvana_lessons.comparison.summarise` makes it."""
        return summarise(self.runs, self.cars, self.speeds.to_dict("index"))


def load_results(name: str) -> Results:
    """Load results of the book by name.

    Args:
        name: of a folder in the book's results.

    Returns:
        the comparison's tables and notes.

    Raises:
        CarvanaError: for an unknown name.

    Lesson:
        09.
    """
    home = next((place for place in PLACES if place.is_dir()), PLACES[0])
    folder = home / name
    if not (folder / "about.json").exists():
        there = ", ".join(sorted(f.parent.name for f in home.glob("*/about.json")))
        raise CarvanaError(f"No results called {name!r} come with the course; there are {there or 'none'}.")
    names = sorted({*COLUMNS, *(file.stem for file in folder.glob("*.csv"))})  # those of COLUMNS have to be there
    tables = {name: read_table(folder / f"{name}.csv", COLUMNS.get(name, ("network",)), AGAIN) for name in names}
    runs, cars = (tables.pop(name) for name in COLUMNS)
    speeds = tables.pop("speeds", pd.DataFrame(columns=["network"])).set_index("network")
    return Results(read_json(folder / "about.json", {}, AGAIN), runs, cars, speeds, tables)


def save_results(out: Path, folder: Path, commit: str, command: str | None = None, overwrite: bool = False) -> Path:
    """Copy the tables of a comparison into the book, without photos and weights.

    Args:
        out: the folder that `compare` or ``benchmarks beyond`` filled.
        folder: to write.
        commit: of the code that made them.
        command: that made them; None to derive it from the settings of `compare`.
        overwrite: replace results that are there.

    Returns:
        ``folder``, which appears when it is complete.

    Raises:
        CarvanaError: if nothing is done in ``out``, or if there is such a folder that is not to be overwritten.
    """
    _check_free(folder, overwrite)
    if not (out / "runs.csv").exists():
        raise CarvanaError(f"There is no runs.csv in {out}; run the comparison first.")
    tables = {name: read_table(out / f"{name}.csv", COLUMNS[name], ANEW) for name in COLUMNS}
    if speeds := read_speeds(out):
        tables["speeds"] = pd.DataFrame.from_dict(speeds, orient="index").rename_axis("network").reset_index()
    settings = read_json(out / "protocol.json", {"protocol": dict, "photos": dict}, ONCE_MORE)
    about = {"command": command or _command(tables["runs"], settings["protocol"]), "commit": commit} | settings
    seconds = sum(
        read_table(file, ("seconds",), _made_again(file))["seconds"].sum() for file in out.rglob("history.csv")
    )
    about["hours"] = round(seconds / 3600, 2)
    runs = [read_json(file, ENVIRONMENT, _made_again(file)) for file in out.glob("*/run.json")]
    for run in sorted(runs, key=lambda run: run["began"])[:1]:
        about |= {key: run[key] for key in ENVIRONMENT}
    with owned(folder), building(folder, overwrite) as part:
        _check_free(folder, overwrite)  # the tables were read meanwhile
        for name, table in tables.items():
            table.round(6).to_csv(part / f"{name}.csv", index=False, lineterminator="\n")
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        (part / "about.json").write_text(text, encoding="utf-8", newline="\n")
    return folder


def _check_free(folder: Path, overwrite: bool) -> None:
    """Check that writing ``folder`` loses nothing of the user.

    Raises:
        CarvanaError: for a folder that is there, unless it is to be overwritten and holds results and no more.
    """
    if not folder.exists():
        return
    if not (folder / "about.json").is_file():
        raise CarvanaError(f"{folder} exists already: choose another name.")
    if not overwrite:
        raise CarvanaError(f"{folder} exists already: replace it with --overwrite, or choose another name.")
    if others := sorted(path.name for path in folder.iterdir() if path.name not in FILES):
        raise CarvanaError(f"{folder} holds {others[0]} too, which is no result: move it away, or choose another name.")


def _made_again(file: Path) -> str:
    return f"remove the folder {file.parent}, and that run is made again"


def _command(runs: pd.DataFrame, protocol: dict) -> str:
    """What `carvana-lessons compare` was told, from what it left; settings that are the default are not repeated."""
    usual = asdict(Protocol())
    options = [("network", name) for name in dict.fromkeys(runs["network"])]
    options += [("seed", seed) for seed in sorted(set(runs["seed"]))]
    options += [
        (k.replace("_", "-"), value or 0) for k, value in protocol.items() if k not in usual or value != usual[k]
    ]
    return "carvana-lessons compare PHOTOS OUT " + " ".join(f"--{name} {value}" for name, value in options)
