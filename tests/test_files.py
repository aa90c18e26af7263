"""A file appears whole, or not at all."""

import errno
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import draw_pair, save_mask

from carvana_lessons.errors import CarvanaError
from carvana_lessons.files import building, cache_folder, make_folder, replacing, writing


def test_a_finished_file_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "new folder" / "a.txt"
    for text in ("first", "second"):
        with replacing(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
        assert target.read_text(encoding="utf-8") == text
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_a_failed_file_leaves_the_old_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert target.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_appears_when_it_is_filled(tmp_path):
    with building(tmp_path / "out") as temporary:
        (temporary / "a").write_text("1", encoding="utf-8")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a").read_text(encoding="utf-8") == "1"
    with pytest.raises(FileExistsError, match="choose another folder"), building(tmp_path / "out"):
        pass


def test_a_folder_that_failed_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), building(tmp_path / "out") as temporary:
        (temporary / "a").write_text("1", encoding="utf-8")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_of_two_builders_the_first_wins(tmp_path):
    with building(tmp_path / "out") as slow:
        (slow / "a").write_text("slow", encoding="utf-8")
        with building(tmp_path / "out") as fast:
            (fast / "a").write_text("fast", encoding="utf-8")
    assert (tmp_path / "out" / "a").read_text(encoding="utf-8") == "fast"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_cache_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("CARVANA_CACHE", str(tmp_path / "drive"))
    assert cache_folder() == tmp_path / "drive"


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        for act in (lambda f: replacing(f / "a").__enter__(), lambda f: building(f / "a").__enter__(), make_folder):
            with pytest.raises(CarvanaError, match="cannot be a folder, a file is in the way"):
                act(folder)
    with pytest.raises(CarvanaError, match="is a folder; name a file"), replacing(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_place_that_is_closed_is_said(tmp_path, number):
    words = r"out may not be written here: choose a folder of your own"
    with pytest.raises(CarvanaError, match=words), building(tmp_path / "out"):
        raise OSError(number, "as the system says it to a user who is not root")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path):
    for error in (FileNotFoundError(errno.ENOENT, "gone"), ValueError("no space left (os error 2)"), RuntimeError()):
        with pytest.raises(type(error)), writing(tmp_path):
            raise error


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory) -> dict:
    """What happened on a disk that ran full at every one of the course's writes, see the driver."""
    pytest.importorskip("resource", reason="Windows has no limit to lower")
    out = tmp_path_factory.mktemp("full")
    photos, rng = out / "photos", np.random.default_rng(0)
    for name in ("train", "train_masks"):
        (photos / name).mkdir(parents=True)
    for view in range(1, 7):
        image, mask = draw_pair((48, 32), rng)
        Image.fromarray(image).save(photos / "train" / f"000000000ab0_{view:02}.jpg", quality=95)
        save_mask(photos / "train_masks" / f"000000000ab0_{view:02}_mask.gif", mask)
    with zipfile.ZipFile(out / "train.zip", "w") as box:
        for file in sorted((photos / "train").iterdir()):
            box.write(file, f"train/{file.name}")
    driver = Path(__file__).parent / "drivers" / "full_disk.py"
    environment = {**os.environ, "CARVANA_CACHE": str(out / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, driver, out],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("cache", "photos-"),
        ("checkpoint", "a.safetensors"),
        ("submission", "s.csv.1-of-1.part"),
        ("compressed", "z.csv.gz"),
        ("mask", "_mask.png"),
        ("studio", "studio"),
        ("download", "too small (it ran full at train)"),
    ],
)
def test_a_full_disk_is_one_sentence_and_with_room_the_same_call_goes_well(full_disk, what, name):
    said = full_disk["said"][what]
    assert name in said and "free some" in said and len(said.splitlines()) == 1
    assert full_disk["again"][what] == "it went well"


def test_a_full_disk_leaves_the_old_file_and_nothing_by_halves(full_disk):
    assert full_disk["intact"] == {"checkpoint": True, "submission": True}
    # lines of a submission are gone on with
    rest = [file for file in full_disk["left"] if not file.endswith("-of-1.part")]
    assert rest == ["a.safetensors", "s.csv", "train.zip"]
