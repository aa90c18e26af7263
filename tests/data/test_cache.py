"""The decoded copy: built once, whole or not at all, anew when the photos change."""

import json
import os
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from carvana_lessons import data
from carvana_lessons.data import cache as cache_function
from carvana_lessons.utils.errors import CarvanaError, DataError

module = sys.modules["carvana_lessons.data.cache"]  # `data.cache` is the function of that name


@pytest.fixture
def decodes(monkeypatch) -> list[str]:
    """The names of the photos that were decoded for a cache, one by one."""
    seen: list[str] = []
    real = module.read_pair

    def counting(photo, size):
        seen.append(photo.name)
        return real(photo, size)

    monkeypatch.setattr(module, "read_pair", counting)
    return seen


def assert_right(folder: Path, cars: data.CarFolder, size: tuple[int, int]) -> None:
    images, masks = np.load(folder / "images.npy"), np.load(folder / "masks.npy")
    assert images.dtype == masks.dtype == np.uint8 and len(images) == len(masks) == len(cars.whole)
    for i, photo in enumerate(cars.whole):
        image, mask = data.read_pair(photo, size)
        np.testing.assert_array_equal(images[i], image)
        np.testing.assert_array_equal(masks[i], mask)


def test_holds_every_photo_of_the_whole_folder(cars, own_cache):
    folder = cache_function(cars[5:9], (16, 24))
    assert folder.parent == own_cache / "photos"
    assert_right(folder, cars, (16, 24))


def test_built_once_and_shared_by_all_parts(cars, own_cache, decodes):
    train, valid, test = data.split_by_car(cars)
    folders = {data.CarDataset(part, size=8).folder for part in (train, valid, test)}
    assert len(folders) == 1 and sorted(decodes) == [photo.name for photo in cars]
    assert cache_function(data.CarFolder(cars.root), 8) in folders and len(decodes) == len(cars)
    assert cache_function(cars, (8, 12)) not in folders and len(decodes) == 2 * len(cars)


def test_stale_copy_is_replaced_and_removed(cars, own_cache, decodes):
    old, other_size = cache_function(cars, 8), cache_function(cars, 12)
    photo = cars[3]
    mask = data.read_mask(photo.mask)
    photo.mask.write_bytes(cars[4].mask.read_bytes())
    os.utime(photo.mask, ns=(1, 1))
    assert not np.array_equal(mask, data.read_mask(photo.mask))
    fresh = data.CarFolder(cars.root)
    new = cache_function(fresh, 8)
    assert new != old and not old.exists() and other_size.exists()
    assert_right(new, fresh, (8, 8))


def test_copies_of_two_folders_of_one_name_live_side_by_side(make_folder, own_cache):
    one, two = (data.CarFolder(make_folder(f"{name}/photos", seed=seed)) for seed, name in enumerate("ab"))
    first, second = cache_function(one, 8), cache_function(two, 8)
    assert first.exists() and second.exists()
    assert_right(first, one, (8, 8))
    assert_right(second, two, (8, 8))


def test_copy_that_lost_bytes_is_built_anew(cars, own_cache):
    folder = cache_function(cars, 8)
    for name in ("images.npy", "masks.npy"):
        os.truncate(folder / name, (folder / name).stat().st_size - 1)
        assert_right(cache_function(cars, 8), cars, (8, 8))
    np.save(folder / "images.npy", np.zeros((2, 8, 8, 3), np.uint8))
    assert_right(cache_function(cars, 8), cars, (8, 8))
    (folder / "masks.npy").unlink()
    assert_right(cache_function(cars, 8), cars, (8, 8))


def test_damaged_photo_leaves_no_copy(cars, own_cache):
    cars[60].mask.write_bytes(b"GIF89a")  # damaged after the folder was opened
    with pytest.raises(DataError, match=cars[60].name):
        cache_function(cars, 8)
    assert list((own_cache / "photos").iterdir()) == []


KILLED = """
import sys, time
from carvana_lessons import data
module = sys.modules["carvana_lessons.data.cache"]
real = module.read_pair
def slow(photo, size):
    time.sleep(0.05)
    return real(photo, size)
module.read_pair = slow
data.cache(data.CarFolder(sys.argv[1]), 64)
"""


def test_killed_build_is_never_taken_for_complete(cars, own_cache, decodes):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(cars.root)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not any(p.stat().st_size > 0 for p in own_cache.glob("photos/.*.part/images.npy")):
            assert process.poll() is None and time.monotonic() < deadline, "killed too late, or it never began"
            time.sleep(0.01)
    finally:
        process.kill()  # SIGKILL: no chance to tidy up
        process.wait()
    left = sorted((own_cache / "photos").iterdir(), key=lambda path: path.suffix, reverse=True)
    assert [p.suffix for p in left] == [".part", ".lock"], "half a copy, under a name that nobody looks for"
    assert all(p.name.startswith(".") for p in left) and left[1].stat().st_size == 0
    folder = cache_function(cars, 64)
    assert len(decodes) == len(cars), "nothing of the half copy was used"
    assert_right(folder, cars, (64, 64))
    # What is left of the killed run goes with a later build, once it is too old to be one under way.
    assert left[0].exists()
    os.utime(left[0], (0, 0))
    os.utime(cars[0].image, ns=(1, 1))
    cache_function(data.CarFolder(cars.root), 64)
    assert not left[0].exists()


def test_disk_that_is_too_small(cars, own_cache, monkeypatch):
    usage = namedtuple("usage", "total used free")
    need = len(cars) * 64 * 64 * 4
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(0, 0, int(need / 0.8) - 1))
    with pytest.raises(CarvanaError, match=r"64 photos at 64×64 take 0\.0 GB .* smaller size, .*cached=False"):
        cache_function(cars, 64)
    assert not own_cache.exists()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(0, 0, int(need / 0.8) + 1))
    assert cache_function(cars, 64).is_dir()


@pytest.mark.parametrize("what", ["wait", "kill"])
def test_of_two_processes_one_decodes_and_the_other_waits(make_folder, own_cache, tmp_path, what):
    """And where the one that decodes is killed, the other one does."""
    cars = data.CarFolder(make_folder(cars=2, views=4))
    driver = Path(__file__).parents[1] / "drivers" / "two_caches.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, driver, cars.root, tmp_path, what]
    answer = subprocess.run(command, env=environment, check=True, timeout=100, capture_output=True, encoding="utf-8")
    assert answer.stdout == "Another process is decoding these photos at 8×8: waiting for its copy.\n"
    first, second = (tmp_path / f"{rank}.json" for rank in range(2))
    two = json.loads(second.read_text(encoding="utf-8"))
    if what == "wait":
        one = json.loads(first.read_text(encoding="utf-8"))
        assert (one["decoded"], two["decoded"]) == (len(cars), 0)
        assert one["folder"] == two["folder"] and one["values"] == two["values"]
    else:
        assert not first.exists() and two["decoded"] == len(cars)
    whole = [p.name for p in (own_cache / "photos").iterdir() if not p.name.endswith(".part")]
    assert whole == [Path(two["folder"]).name], "no lock is left either"
    assert_right(Path(two["folder"]), cars, (8, 8))


def test_a_copy_that_another_process_has_just_finished_stays(cars, own_cache, monkeypatch):
    real = module._check_room
    finished = []

    def meanwhile(*args):
        monkeypatch.setattr(module, "_check_room", real)
        finished.append(cache_function(cars, 8))
        (finished[0] / "mark").touch()

    monkeypatch.setattr(module, "_check_room", meanwhile)
    assert cache_function(cars, 8) == finished[0]
    assert (finished[0] / "mark").exists(), "whoever reads it meanwhile still finds it"


def test_a_cache_that_cannot_be_written_is_said(cars, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARVANA_CACHE", str(tmp_path / "file"))
    with pytest.raises(CarvanaError, match="cannot be a folder, a file is in the way"):
        data.CarDataset(cars, size=8)


def test_few_photos_in_memory_at_a_time(cars, own_cache, monkeypatch):
    """The writer is held up; the readers must not run ahead of it by more than a few photos."""
    ahead, most = 0, 0
    real_read = module.read_pair

    def reading(photo, size):
        nonlocal ahead, most
        ahead += 1
        most = max(most, ahead)
        return real_read(photo, size)

    def decoded(*args, **kwargs):
        nonlocal ahead
        for pair in real_decoded(*args, **kwargs):
            time.sleep(0.002)
            yield pair
            ahead -= 1

    real_decoded = module._decoded
    monkeypatch.setattr(module, "read_pair", reading)
    monkeypatch.setattr(module, "_decoded", decoded)
    cache_function(cars, 8, workers=2)
    assert 1 < most <= 8 < len(cars)


def test_what_is_written_into_a_mapped_copy_never_reaches_the_file(cars, own_cache):
    folder = data.cache(cars, 8)
    images, masks = module.open_cache(folder, masks=True)
    images[:], masks[:] = 77, 77
    del images, masks
    assert_right(folder, cars, (8, 8))
