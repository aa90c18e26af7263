"""``benchmarks claims``: every assertion of a chapter is seen on every folder, and what is finished stays finished."""

import ast
import asyncio
import csv
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import torch

from benchmarks._chapter import execute
from benchmarks._recorder import Recorder, values
from benchmarks.claims import half, main
from carvana_lessons import data

ROOT = Path(__file__).resolve().parents[1]
GOOD = [
    "# A mark for each time that this cell runs.\n"
    "import os\nfrom pathlib import Path\n"
    "with Path(os.environ['MARKS']).open('a') as file:\n    print('good', file=file)",
    "for k in range(3):\n    assert k < 3",
]
BAD = [
    "import os\nfrom pathlib import Path\nfolder = Path(os.environ['CARVANA_DATA'])\n"
    "cars = len({path.name[:12] for path in (folder / 'train').iterdir()})\n"
    "assert cars > 1\nassert cars > 2, 'too few | cars'\nreached = True",
    "assert reached",
    "known = {}['year']",
    "print(known)",
    "assert os.environ['OMP_NUM_THREADS'] == '1' and 'CARVANA_KEEP' not in os.environ",
]


def write(folder: Path, name: str, cells: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    made = [nbformat.v4.new_code_cell(text, id=f"{name}-{k}") for k, text in enumerate(cells, start=1)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / f"{name}.ipynb")


def claims(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "benchmarks", "claims", "--studios", "0", "--book", tmp_path / "book"]
    command += ["--work", tmp_path / "work", "--out", tmp_path / "runs.csv", *arguments]
    environment = os.environ | {"MARKS": str(tmp_path / "marks.txt"), "CARVANA_KEEP": str(tmp_path / "keep")}
    return subprocess.run(
        [*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def rows(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_every_failure_of_every_folder_and_nothing_runs_twice(tmp_path, make_folder):
    folders = [make_folder("two", cars=2), make_folder("three", cars=3)]
    write(tmp_path / "book", "good", GOOD)
    write(tmp_path / "book", "bad", BAD)
    done = claims(tmp_path, "--folders", *folders)
    assert done.returncode == 1, done.stderr
    error = {"cell": "bad-3", "kind": "error", "claim": "KeyError", "message": "KeyError: 'year'"}
    after = {"cell": "bad-4", "kind": "after an error", "claim": "NameError"}
    after["message"] = "NameError: name 'known' is not defined"
    failed = {"cell": "bad-1", "kind": "assertion", "claim": "cars > 2", "message": "too few | cars; cars = 2"}
    none = {"cell": "", "kind": "none", "claim": "", "message": ""}
    wanted = [("two", "bad", failed), ("two", "bad", error), ("two", "bad", after), ("two", "good", none)]
    wanted += [("three", "bad", error), ("three", "bad", after), ("three", "good", none)]
    found = rows(tmp_path)
    assert [(r["folder"], r["chapter"], {k: r[k] for k in none}) for r in found] == wanted
    assert {r["chapter"]: r["assertions"] for r in found} == {"bad": "4", "good": "1"}
    assert all(re.match(r"20\d\d-\d\d-\d\d, .+, 1 threads of torch, torch [\d.]+", r["made"]) for r in found)
    assert r"| bad | `bad-1` | `cars > 2` | `too few \| cars; cars = 2` | two | 1 of 2 |" in done.stdout
    assert "| bad | `bad-3` | `KeyError` | `KeyError: 'year'` | two, three | 2 of 2 |" in done.stdout
    assert re.search(r"^\| two \| 6 \| 2 \| 5 \| 1 \| 1 \| [\d.]+ \|$", done.stdout, re.MULTILINE)

    write(tmp_path / "book", "bad", ["assert True"])
    again = claims(tmp_path, "--folders", *folders)
    assert again.returncode == 0, again.stderr
    assert "2 of 4 executions to do" in again.stderr and "failed" in again.stdout
    assert (tmp_path / "marks.txt").read_text(encoding="utf-8").split() == ["good"] * 2
    assert {r["kind"] for r in rows(tmp_path)} == {"none"}
    assert list((tmp_path / "work" / "running").iterdir()) == []


@pytest.mark.parametrize(
    ("cells", "stop_at_first", "wanted"),
    [
        (["assert 1 < 0", "import os\nos._exit(3)", "assert 2 < 0"], False, ["1 < 0", "DeadKernelError"]),
        (["import time\ntime.sleep(6000)", "assert 2 < 0"], False, ["CellTimeoutError"]),
        (["assert 1 < 0", "assert 2 < 0"], True, ["1 < 0"]),
    ],
    ids=["a dead kernel", "its time", "the first failure, if wanted"],
)
def test_what_ends_a_chapter(tmp_path, monkeypatch, cells, stop_at_first, wanted):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write(tmp_path, "short", cells)
    with ThreadPoolExecutor() as pool:  # the browser's tests leave a running loop in this thread
        run = pool.submit(asyncio.run, execute(tmp_path / "short.ipynb", tmp_path, 1 / 60, stop_at_first))
        result = run.result()
    assert [failure["claim"] for failure in result["failures"]] == wanted


def test_a_half_holds_half_of_the_cars_and_every_second_one_no_metadata(tmp_path, make_folder):
    real = data.CarFolder(make_folder(cars=6, views=2))
    halves = [data.CarFolder(half(real, number, tmp_path / f"half{number}")) for number in (1, 2, 3)]
    assert [len(h.ids) for h in halves] == [3, 3, 3] and [len(h) for h in halves] == [6, 6, 6]
    assert all(set(h.ids) < set(real.ids) for h in halves) and len({tuple(h.ids) for h in halves}) > 1
    assert [(h.root / "metadata.csv").exists() for h in halves] == [True, False, True]
    again = data.CarFolder(half(real, 1, tmp_path / "again"))
    assert again.fingerprint == halves[0].fingerprint  # the same cars, with the times of the originals


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("assert a > 3, 'no'", "a > 3"),
        ("def f(b):\n    assert b > 3\nf(a)", "b > 3"),
        ("for b in [a]:\n    if b:\n        assert all(b > c for c in [3])", "all((b > c for c in [3]))"),
        ("assert {}['year'] == a", "{}['year'] == a"),
    ],
)
def test_a_rewritten_assertion_is_noted_and_the_rest_of_the_cell_runs(text, claim):
    noted = []
    scope = {"a": 2, "note_claim": lambda *note: noted.append(note)}
    tree = Recorder().visit(ast.parse(f"{text}\nreached = True"))
    exec(compile(tree, "cell", "exec"), scope)
    assert scope["reached"] and [n[0] for n in noted] == [claim] and isinstance(noted[0][2], Exception)
    scope["a"] = 5
    if "year" not in text:
        exec(compile(tree, "cell", "exec"), scope)
        assert noted[1:] == [(claim,)]


def test_a_failed_comparison_tells_its_two_sides():
    scope = {"fall": 0.06712345, "small": 0.047, "names": ["a"] * 99}
    assert (
        values(["fall", "1.5 * small", "missing", "names[0]"], scope)
        == "fall = 0.06712, 1.5 * small = 0.0705, names[0] = 'a'"
    )
    assert len(values(["names"], scope)) < 60
    scope |= {"two": pd.Series([0.5, 1 / 3]), "many": torch.arange(9), "one": torch.tensor(2.0)}
    told = values(["two", "many", "one", "two.max()"], scope)
    assert told == "two = [0.5, 0.3333], many = [0, 1, 2, 3, 4, 5, …], one = 2, two.max() = 0.5"


def test_the_page_shows_a_table_with_its_day_machine_and_commit():
    page = (ROOT / "book" / "status.md").read_text(encoding="utf-8")
    assert "```{include} claims/table.txt\n" in page
    text = (ROOT / "book" / "claims" / "table.txt").read_text(encoding="utf-8")
    line = r"^20\d\d-\d\d-\d\d, .+, 1 threads of torch, torch [\d.]+, pillow [\d.]+; commit [\w-]+\.$"
    assert re.search(line, text, re.MULTILINE) and "| folder | photos | chapters | assertions | failed |" in text


def test_an_unknown_chapter_is_told_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["claims", "--chapters", "11-more"])
    with pytest.raises(SystemExit, match="No chapter is called 11-more; there are 01-the-task, "):
        main()
