"""What Windows refuses, found out on any system: files that are open or mapped, long names, another code page."""

import ast
import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from samples import Brightness

from carvana_lessons import data, models
from carvana_lessons.models.model_cards import load_shipped
from carvana_lessons.prediction import predict_folder, submit
from carvana_lessons.utils.errors import CarvanaError, DataError
from carvana_lessons.utils.files import replacing, writing
from carvana_lessons.utils.folders import building, discard

ROOT = Path(__file__).resolve().parent.parent
MAPS = Path("/proc/self/maps")


# --- files that are open


def test_fsync_takes_no_file_that_was_opened_for_reading(tmp_path):
    """So the guard of all these tests is one."""
    (tmp_path / "a").touch()
    with (tmp_path / "a").open("rb") as file, pytest.raises(OSError, match="opened for reading alone"):
        os.fsync(file.fileno())
    with (tmp_path / "a").open("rb+") as file:
        os.fsync(file.fileno())
    with replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.parametrize("number", [5, 32, 33, 1224])
def test_a_file_that_another_program_has_open_is_said(tmp_path, number):
    (tmp_path / "s.csv").write_bytes(b"old")
    error = PermissionError(errno.EACCES, "as Windows says it")
    error.winerror = number
    with (
        pytest.raises(CarvanaError, match=r"s\.csv cannot be replaced.* close it there"),
        replacing(tmp_path / "s.csv"),
    ):
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["s.csv"] and (tmp_path / "s.csv").read_bytes() == b"old"


@pytest.fixture
def held(monkeypatch) -> set[Path]:
    """Folders in which a file is open: as on Windows they cannot be renamed, and the file cannot be removed."""
    folders: set[Path] = set()
    rename, unlink = Path.rename, os.unlink

    def renamed(self, target):
        if self in folders:
            raise PermissionError(errno.EACCES, "a file in it is open", str(self))
        return rename(self, target)

    def unlinked(path, *, dir_fd=None):
        if dir_fd is not None:  # as shutil.rmtree does
            path = Path(f"/proc/self/fd/{dir_fd}").readlink() / path
        if Path(path).parent in folders and Path(path).name == "images.npy":
            raise PermissionError(errno.EACCES, "it is open", str(path))
        return unlink(path)

    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(os, "unlink", unlinked)
    return folders


def test_a_folder_goes_whole_or_stays_whole(tmp_path, held):
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("images.npy", "masks.npy"):
        (folder / name).touch()
    held.add(folder)
    assert not discard(folder)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["images.npy", "masks.npy", "old"]
    held.clear()
    assert discard(folder) and discard(folder)
    assert list(tmp_path.iterdir()) == []


def test_an_older_copy_that_somebody_reads_stays_whole_and_goes_next_time(cars, own_cache, held):
    old = data.cache(cars, 8)
    held.add(old)
    os.utime(cars[0].image, ns=(1, 1))
    data.cache(data.CarFolder(cars.root), 8)
    assert sorted(p.name for p in old.iterdir()) == ["images.npy", "masks.npy"], "the reader still finds all of it"
    held.clear()
    os.utime(cars[0].image, ns=(2, 2))
    newest = data.cache(data.CarFolder(cars.root), 8)
    assert [p.name for p in newest.parent.iterdir()] == [newest.name]


def test_a_damaged_copy_that_cannot_be_removed_is_said_and_not_used(cars, own_cache, held):
    copy = data.cache(cars, 8)
    os.truncate(copy / "masks.npy", 200)
    held.add(copy)
    with pytest.raises(CarvanaError, match=r"is damaged and cannot be removed.*cached=False"):
        data.cache(cars, 8)
    held.clear()
    assert np.load(data.cache(cars, 8) / "masks.npy").shape == (len(cars), 8, 8)


# --- files that are mapped into memory


def mapped(folder: Path) -> list[str]:
    """Files below a folder that this process has mapped; only Linux tells."""
    lines = MAPS.read_text(encoding="utf-8").splitlines() if MAPS.exists() else []
    return [line.split(maxsplit=5)[-1] for line in lines if f" {folder}" in line]


def test_a_mapped_file_would_be_seen(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(9))
    kept = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert mapped(tmp_path) == [str(tmp_path / "a.npy")] * MAPS.exists()
    del kept
    assert mapped(tmp_path) == []


def test_the_cache_maps_nothing_until_photos_are_read(cars, own_cache):
    dataset = data.CarDataset(cars, size=8)
    assert dataset.folder == data.cache(cars, 8)  # built, then found
    assert mapped(own_cache) == []
    pickle.dumps(dataset)
    assert mapped(own_cache) == []


def test_shipped_weights_are_never_mapped(tmp_path, monkeypatch):
    """`ship` may replace them."""
    folder = tmp_path / "weights"
    model = models.create("unet-tiny", width=2)
    models.ship(model, {}, folder)
    monkeypatch.setattr("carvana_lessons.models.model_cards.FOLDER", folder)
    seen = []
    model.register_load_state_dict_pre_hook(lambda *_: seen.append(mapped(folder)))
    load_shipped(model, "unet-tiny")
    models.ship(model, {}, folder)
    assert seen == [[]] and mapped(folder) == []


def test_weights_that_do_not_fit_can_be_replaced_while_their_error_is_shown(tmp_path):
    """A notebook keeps the last error, and with it everything that its functions held."""
    save_file({"features.0.weight": torch.zeros(3)}, tmp_path / "vgg.safetensors")
    with pytest.raises(CarvanaError, match="are not the weights") as shown:
        models.load_pretrained(models.create("segnet"), tmp_path / "vgg.safetensors")
    assert mapped(tmp_path) == [] and shown.value.__traceback__ is not None


def test_a_submission_leaves_nothing_mapped(make_folder, tmp_path):
    photos = data.CarFolder(make_folder(), masks=None)
    for _ in range(2):
        submit(Brightness(), photos, tmp_path / "s.csv", size=8, overwrite=True)
        assert mapped(tmp_path) == []


# --- names


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path):
    long = "x" * 251 + ".csv"
    with replacing(tmp_path / long) as temporary:
        temporary.touch()
    with building(tmp_path / ("車" * 85)) as folder:
        (folder / "a").touch()
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(CarvanaError, match="too long a name"), writing(tmp_path / (long + "x")):
        (tmp_path / (long + "x")).touch()


@pytest.mark.parametrize("name", ["x" * 255, "車" * 85, "[1] photos*"])
def test_photos_in_a_folder_of_any_name_have_a_cache_that_is_tidied(make_folder, own_cache, name):
    cars = data.CarFolder(make_folder(name))
    data.cache(cars, 8)
    os.utime(cars[0].image, ns=(1, 1))
    newest = data.cache(data.CarFolder(cars.root), 8)
    assert [p.name for p in newest.parent.iterdir()] == [newest.name]


def test_two_photos_whose_names_differ_in_case_do_not_share_a_mask(tmp_path):
    """On Windows and on a Mac the second mask would take the first one's place."""
    (tmp_path / "photos").mkdir()
    for name in ("Car.jpg", "car.png"):
        Image.new("RGB", (60, 40)).save(tmp_path / "photos" / name)
    with pytest.raises(DataError, match=r"Car\.jpg and car\.png would share one mask"):
        predict_folder(Brightness(), tmp_path / "photos", tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()


# --- text

OTHERS = {"Image", "tarfile", "box"}  # whose `open` is of no text


def undecided(path: Path) -> list[str]:
    """Calls that leave it to the system how text becomes bytes: on Windows not UTF-8, and with other ends of lines."""
    tests = path.is_relative_to(ROOT / "tests")  # which read back what they wrote
    found = []
    for call in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute | ast.Name):
            continue
        owner, _, name = ast.unparse(call.func).rpartition(".")
        said = {keyword.arg for keyword in call.keywords}
        wanted = set()
        if name in ("read_text", "write_text") or (name == "open" and owner not in OTHERS and is_text(call)):
            wanted = {"encoding", "newline"} if name == "write_text" and not tests else {"encoding"}
        elif "text" in said and name in ("run", "Popen"):
            wanted = {"encoding"}
        if wanted - said:
            found.append(f"{path.relative_to(ROOT)}:{call.lineno} {name}")
    return found


def is_text(call: ast.Call) -> bool:
    """Of ``open(path, mode)`` and ``path.open(mode)``."""
    modes = call.args[isinstance(call.func, ast.Name) :]
    return not modes or (isinstance(modes[0], ast.Constant) and "b" not in str(modes[0].value))


def test_text_is_utf_8_whatever_the_systems_code_page():
    files = [f for name in ("carvana_lessons", "book", "benchmarks", "tests") for f in (ROOT / name).rglob("*.py")]
    assert len(files) > 100 and [line for file in files for line in undecided(file)] == []
