"""A folder that is not there is said at once: before torch is loaded, by every command that takes one."""

import json
import subprocess
import sys

import pytest
from PIL import Image
from samples import save_mask

from carvana_lessons import data
from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.paths import existing_folder

SCRIPT = """
import json, sys
from carvana_lessons.cli import app
sys.argv[1:] = json.loads(sys.argv[1])
try:
    app()
finally:
    print("torch" in sys.modules)
"""


def command(*words: object) -> subprocess.CompletedProcess:
    """A command of the course in a process of its own, which also prints whether it has loaded torch."""
    arguments = [sys.executable, "-c", SCRIPT, json.dumps([str(word) for word in words])]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, encoding="utf-8", timeout=300)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("check", []),
        ("train", ["out"]),
        ("evaluate", ["--weights", "unet"]),
        ("submit", ["a.csv", "--weights", "unet"]),
        ("compare", ["out"]),
    ],
)
def test_a_missing_folder_is_said_before_torch_is_loaded(tmp_path, name, rest):
    answer = command(name, tmp_path / "nowhere", *rest)
    assert answer.returncode == 1 and answer.stdout.strip() == "False"
    assert answer.stderr.startswith(
        f"carvana-lessons: {tmp_path / 'nowhere'} does not exist: give the folder that holds"
    )
    assert len(answer.stderr.splitlines()) == 1


def test_check_of_one_photo_names_its_folder(make_folder):
    root = make_folder(cars=1, views=1)
    answer = command("check", root / "train" / "000000000ab0_01.jpg")
    assert answer.returncode == 1 and answer.stdout.strip() == "False"
    assert answer.stderr.strip().endswith(f"is a file, not a folder: give the folder that it is in, {root}.")


def test_check_counts_one_and_notes_what_is_odd(make_folder):
    root = make_folder(cars=1, views=1)
    answer = command("check", root)
    assert answer.returncode == 0 and answer.stdout.splitlines()[-2] == "In order: real photos, 1 car, 1 photo."
    assert "To be" not in answer.stdout
    path = root / "train_masks" / "000000000ab0_01_mask.gif"
    save_mask(path, 1 - data.read_mask(path))
    (root / "train" / "notes.txt").write_text("hello", encoding="utf-8")
    answer = command("check", root)
    assert answer.returncode == 0
    assert "\nIn order, except for what is told above: real photos, 1 car, 1 photo.\n" in answer.stdout
    assert "Masks that look inverted" in answer.stdout and f"{path.name} (1 of 1)." in answer.stdout
    assert "Left out of" in answer.stdout and "Warning" not in answer.stderr


def test_check_of_a_mask_that_is_none(make_folder):
    root = make_folder(cars=1, views=1)
    path = root / "train_masks" / "000000000ab0_01_mask.gif"
    Image.linear_gradient("L").resize((48, 32)).save(path)
    answer = command("check", root)
    assert answer.returncode == 1 and "In order" not in answer.stdout
    assert "000000000ab0_01_mask.gif has 32 grey values where a mask has two" in answer.stdout


def test_the_folder_that_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert existing_folder("photos") == tmp_path / "photos"
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match=r"a\.jpg is a file, not a folder: give the folder that holds train/"):
        existing_folder("a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg.more does not exist"):
        existing_folder("a.jpg/more")
