"""Stop stops: what was done is kept, nothing half-written is left, and no further cell or command runs on."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from carvana_lessons import data

DRIVER = Path(__file__).resolve().parent / "drivers" / "stopped_command.py"
NET = ["--network", "unet-tiny", "--width", "2", "--size", "16", "--batch-size", "4"]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"}


def stopped(pattern: Path, *words) -> str:
    """Press Ctrl-C when that file is there; what the command line has to say of it."""
    answer = subprocess.run(
        [sys.executable, DRIVER, pattern, *map(str, words)],
        env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=200, check=False,
    )  # fmt: skip
    assert answer.returncode == 130, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


def command(*words) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "carvana_lessons", *map(str, words)],
        env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=200, check=False,
    )  # fmt: skip


def parts(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob(".*") if p.name.endswith((".part", ".lock"))]


def test_a_training_that_is_stopped_says_how_to_go_on_and_is_not_overwritten(make_folder, own_cache, tmp_path):
    photos, out = make_folder(cars=4, views=4), tmp_path / "run"
    training = ["train", photos, out, *NET, "--schedule", "constant"]
    said = stopped(out / "history.csv", *training, "--epochs", 5000)
    done = len(pd.read_csv(out / "history.csv"))
    epochs = "1 full epoch in" if done == 1 else f"{done} full epochs in"
    assert f"Stopped: Stopped in epoch {done + 1}: {epochs} {out}" in said
    assert said.endswith("kept, and the same command with --resume continues.\n")
    kept = {p.name: p.read_bytes() for p in out.iterdir()}
    assert sorted(kept) == ["best.safetensors", "history.csv", "last.safetensors"]
    again = command(*training, "--epochs", done + 1)
    assert again.returncode == 1 and "--resume" in again.stderr and "--overwrite" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert {p.name: p.read_bytes() for p in out.iterdir()} == kept
    (out / "history.csv").unlink()
    again = command(*training, "--epochs", done + 1)
    assert again.returncode == 1 and "holds a run already" in again.stderr
    on = command(*training, "--epochs", done + 1, "--resume")
    assert on.returncode == 0 and len(pd.read_csv(out / "history.csv")) == done + 1, on.stderr
    anew = command(*training, "--epochs", 1, "--overwrite")
    assert anew.returncode == 0 and len(pd.read_csv(out / "history.csv")) == 1, anew.stderr
    assert command(*training, "--resume", "--overwrite").returncode == 2


def test_resume_where_nothing_is_begins(make_folder, own_cache, tmp_path):
    first = command("train", make_folder(cars=4, views=2), tmp_path / "run", *NET, "--epochs", 1, "--resume")
    assert first.returncode == 0 and "Saved in" in first.stdout, first.stderr


def test_a_comparison_that_is_stopped_says_how_to_go_on(make_folder, own_cache, tmp_path):
    photos, out = make_folder(cars=4, views=4), tmp_path / "runs"
    said = stopped(
        out / "*" / "last.safetensors",
        *["compare", photos, out, "--network", "unet", "--network", "arc1", "--seed", 0, "--epochs", 500],
        *["--size", 32, "--width", 2, "--valid", 0.5, "--no-speed"],
    )
    assert said == f"Stopped: Stopped: what is done is saved in {out}, and the same command continues it.\n"
    assert parts(out) == []


def test_photos_that_are_being_drawn_or_decoded_leave_nothing_half_made(make_folder, own_cache, tmp_path):
    out = tmp_path / "studio"
    said = stopped(tmp_path / ".studio.*.part" / "train" / "*.jpg", "studio", out, "--cars", 400, "--size", "96x64")
    assert "KeyboardInterrupt" in said and not out.exists() and parts(tmp_path) == []
    photos = make_folder(cars=30, views=16)
    pattern = own_cache / "photos" / ".*.part" / "images.npy"
    stopped(pattern, "train", photos, tmp_path / "run", *NET, "--epochs", 1)
    assert parts(tmp_path) == [] and list((own_cache / "photos").iterdir()) == []
    folder = data.cache(data.CarFolder(photos), 16)
    assert (folder / "masks.npy").exists()


@pytest.mark.skipif(os.name == "nt", reason="the driver sends a signal to a process group")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_processes_say_nothing_of_a_stop(make_folder, own_cache, tmp_path, start):
    """A console sends Ctrl-C to them too, and a hand may be heavy."""
    photos, out = make_folder(cars=2, views=2), tmp_path / "run"
    answer = subprocess.run(
        [sys.executable, DRIVER.with_name("train_with_workers.py"), photos, out, start],
        env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=200, check=False,
        start_new_session=True,
    )  # fmt: skip
    assert answer.returncode == 130, answer.stderr
    assert "Traceback" not in answer.stderr, answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("carvana-lessons: Stopped in epoch"), answer.stderr


CELLS = [
    """
import os, pathlib, signal, threading, time
import toy

def press():
    while not any(pathlib.Path("runs").glob("*/last.safetensors")):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)  # what the stop button sends

threading.Thread(target=press, daemon=True).start()
""",
    """
for seed in range(6):
    pathlib.Path(f"began{seed}").touch()
    history = toy.trainer(f"runs/{seed}", seed=seed, schedule="constant").fit(
        toy.loader(8), epochs=400, resume=True
    )
    tables = [history]
""",
    """
pathlib.Path("ran on").touch()
""",
]


@pytest.mark.skipif(os.name == "nt", reason="a kernel on Windows is not interrupted by a signal")
def test_in_a_notebook_neither_the_next_training_nor_the_next_cell_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(DRIVER.parent), *sys.path]))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(
        CellExecutionError, match=r"Stopped in epoch \d+: run this cell again to continue after epoch \d+"
    ):
        client.execute()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["began0", "runs"]
    # Between the two files of the first epoch, perhaps: then best is made from last by the run that goes on.
    there = {p.name for p in (tmp_path / "runs" / "0").iterdir() if not p.name.startswith(".")}
    assert there - {"best.safetensors"} == {"last.safetensors"}
