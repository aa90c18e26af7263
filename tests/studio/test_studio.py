"""The synthetic studio: its folder, its promises about pixels and masks, and what it refuses."""

import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import other_process

from carvana_lessons import studio
from carvana_lessons.studio.names import MAKES, car_id
from carvana_lessons.utils.errors import CarvanaError, DataError

SMALL = (96, 64)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two cars, made by two processes."""
    return studio.make(tmp_path_factory.mktemp("studio") / "set", cars=2, size=SMALL, workers=2, progress=False)


def photos(folder: Path) -> dict[str, str]:
    """sha256 of every file of a set, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_layout_is_kaggles(folder):
    ids = [car_id(0, index) for index in range(2)]
    views = [f"{view:02d}" for view in range(1, 17)]
    assert sorted(path.name for path in (folder / "train").iterdir()) == sorted(
        f"{i}_{v}.jpg" for i in ids for v in views
    )
    assert sorted(path.name for path in (folder / "train_masks").iterdir()) == sorted(
        f"{i}_{v}_mask.gif" for i in ids for v in views
    )
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "metadata.csv", "train", "train_masks"]
    assert all(len(i) == 12 and set(i) <= set("0123456789abcdef") for i in ids)


def test_files_are_what_kaggles_are(folder):
    for path in (folder / "train").iterdir():
        with Image.open(path) as photo:
            assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", SMALL)
    for path in (folder / "train_masks").iterdir():
        with Image.open(path) as mask:
            assert (mask.format, mask.mode, mask.size, getattr(mask, "n_frames", 1)) == ("GIF", "P", SMALL, 1)
            assert set(np.unique(np.asarray(mask))) == {0, 1}
            assert set(np.unique(np.asarray(mask.convert("L")))) == {0, 255}


def test_manifest_names_every_file(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["version"] == studio.VERSION
    assert manifest["source"] == "synthetic studio"
    assert manifest["settings"] == {"cars": 2, "size": [96, 64], "seed": 0, "views": 16, "quality": 92}
    found = photos(folder)
    del found["manifest.json"]
    assert manifest["files"] == found


def test_metadata_says_that_it_is_synthetic(folder):
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["id", "year", "make", "model", "trim1", "trim2", "source", "body", "color"]
    assert [row["id"] for row in rows] == [car_id(0, 0), car_id(0, 1)]
    assert all(
        row["source"] == "synthetic studio" and row["make"] in MAKES and row["body"] and row["color"] for row in rows
    )


def test_mask_file_holds_the_rendered_mask(folder):
    photo, mask = studio.render(1, 6, SMALL)
    name = f"{car_id(0, 1)}_06"
    with Image.open(folder / "train_masks" / f"{name}_mask.gif") as stored:
        assert np.array_equal(np.asarray(stored) == 1, mask)
    with Image.open(folder / "train" / f"{name}.jpg") as stored:
        assert np.abs(np.asarray(stored).astype(int) - photo).mean() < 6  # JPEG, no more


def test_any_number_of_workers_gives_the_same_bytes(folder, tmp_path):
    alone = studio.make(tmp_path / "alone", cars=2, size=SMALL, workers=1, progress=False)
    assert photos(alone) == photos(folder)


def test_pixels_are_those_of_this_version():
    """A change here changes every reader's photos: raise ``studio.VERSION`` together with these numbers."""
    total = {"photo": hashlib.sha256(), "mask": hashlib.sha256()}
    for index, view in ((0, 1), (1, 4), (2, 5), (3, 8), (5, 9), (8, 13)):
        photo, mask = studio.render(index, view, SMALL)
        assert (photo.dtype, photo.shape, mask.dtype, mask.shape) == (np.uint8, (64, 96, 3), np.bool_, (64, 96))
        total["photo"].update(photo.tobytes())
        total["mask"].update(np.packbits(mask).tobytes())
    found = (studio.VERSION, total["mask"].hexdigest()[:16], total["photo"].hexdigest()[:16])
    assert found == (5, "395ed7834a5141eb", "ff1b7a64fc9ce5eb")


def test_another_libm_draws_the_same_pixels():
    """Sines, cosines and exponentials that are one unit in the last place off change nothing."""
    code = """
import hashlib
import numpy as np
for name in ("sin", "cos", "exp"):
    right = getattr(np, name)
    setattr(np, name, lambda x, right=right: np.nextafter(right(x), np.inf))
from carvana_lessons import studio
photo, mask = studio.render(0, 2, (192, 128))
print(hashlib.sha256(photo.tobytes() + mask.tobytes()).hexdigest())
"""
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    photo, mask = studio.render(0, 2, (192, 128))
    assert other.stdout.strip() == hashlib.sha256(photo.tobytes() + mask.tobytes()).hexdigest()


def test_seeds_and_cars_differ():
    photos_and_masks = [studio.render(0, 3, SMALL), studio.render(0, 3, SMALL, seed=1), studio.render(1, 3, SMALL)]
    for one in (1, 2):
        for kind in (0, 1):
            assert not np.array_equal(photos_and_masks[0][kind], photos_and_masks[one][kind])
    assert len({car_id(0, 0), car_id(1, 0), car_id(0, 1)}) == 3


def test_cars_fill_the_frame_as_real_ones_do():
    shares = np.array([[studio.render(index, view, SMALL)[1].mean() for view in (4, 9)] for index in range(9)])
    assert 0.16 < shares.mean() < 0.22  # real photos, these two views: 0.19
    assert shares.min() > 0.06 and shares.max() < 0.45
    # cars are longer than they are wide: the side fills more of the frame than the rear
    assert (shares[:, 0] > shares[:, 1]).all()


def test_mask_is_exact_at_half_coverage():
    """Four times as many samples move the mask at its edge only, and never by much."""
    coarse = studio.render(2, 5, SMALL, antialias=2)[1]
    fine = studio.render(2, 5, SMALL, antialias=6)[1]
    changed = coarse != fine
    inside = fine.copy()
    for axis in (0, 1):
        inside &= np.roll(fine, 1, axis) & np.roll(fine, -1, axis)
    assert not (changed & inside).any()
    assert changed.sum() < 0.03 * fine.sum()


@pytest.mark.parametrize(("index", "view"), [(3, 1), (2, 5)])
def test_mask_is_one_car_in_one_piece(index, view):
    """No part floats: mirrors hang on their stalks, wheels touch the body."""
    mask = studio.render(index, view, SMALL)[1]
    seen = np.zeros_like(mask)
    seen[tuple(np.argwhere(mask)[mask.sum() // 2])] = True
    while True:  # flood fill
        grown = seen.copy()
        for axis in (0, 1):
            grown |= np.roll(seen, 1, axis) | np.roll(seen, -1, axis)
        grown &= mask
        if np.array_equal(grown, seen):
            break
        seen = grown
    assert mask.sum() - seen.sum() <= 3  # the tip of an aerial may stand apart


def test_nose_points_left_in_view_5_and_right_in_view_13():
    """The bonnet's end of the car is lower than the cabin's."""
    for index in (0, 3, 5, 7):
        for view, nose_is_left in ((5, True), (13, False)):
            mask = studio.render(index, view, SMALL)[1]
            columns = np.flatnonzero(mask.any(0))
            top = mask[:, columns].argmax(0)
            fifth = len(columns) // 5
            assert (top[:fifth].mean() > top[-fifth:].mean()) == nose_is_left


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"cars": 0}, "cars"), ({"cars": 2.5}, "cars"), ({"size": (8, 8)}, "size"), ({"size": 480}, "size"),
        ({"size": (480, 320.5)}, "size"), ({"seed": -1}, "seed"), ({"workers": 0}, "worker"),
    ],
)  # fmt: skip
def test_refuses_with_a_sentence(tmp_path, settings, word):
    with pytest.raises(DataError, match=word):
        studio.make(tmp_path / "set", progress=False, **settings)
    assert not list(tmp_path.iterdir())


def test_never_writes_over_a_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="exists already"):
        studio.make(tmp_path / "mine", cars=1, size=SMALL, progress=False)


def test_two_sets_at_once_are_never_both_made_under_one_name(tmp_path):
    with (
        other_process(tmp_path / "set"),
        pytest.raises(CarvanaError, match=r"Another process is writing .*set at this moment"),
    ):
        studio.make(tmp_path / "set", cars=1, size=SMALL, workers=1, progress=False)
    assert not (tmp_path / "set").exists()


def test_killed_run_leaves_nothing_that_looks_finished(tmp_path):
    out = tmp_path / "set"
    code = f"from carvana_lessons import studio; studio.make({str(out)!r}, cars=40, size=(96, 64), progress=False)"
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".set.*.part/train/*.jpg")):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        run.kill()
        run.wait()
        assert not out.exists()
        # the workers notice that nobody listens
        (part,) = tmp_path.glob(".set.*.part")
        count = -1
        while count != (count := len(list(part.glob("train/*.jpg")))):
            assert time.monotonic() < deadline
            time.sleep(0.6)
        assert count < 40 * 16
    finally:
        run.kill()


def test_ensure_makes_once_and_reuses(tmp_path, monkeypatch):
    monkeypatch.setenv("CARVANA_CACHE", str(tmp_path))
    settings = {"cars": 1, "size": (48, 32), "seed": 7, "workers": 1, "progress": False}
    first = studio.ensure(**settings)
    assert first == studio.default_folder(studio.Settings(1, (48, 32), 7))
    assert first.is_relative_to(tmp_path) and f"v{studio.VERSION}" in first.name
    stamp = (first / "manifest.json").stat().st_mtime_ns
    assert studio.ensure(**settings) == first
    assert (first / "manifest.json").stat().st_mtime_ns == stamp


def test_two_at_once_end_with_one_folder(tmp_path):
    code = "from carvana_lessons import studio; print(studio.ensure(1, (48, 32), 3, 1, False))"
    environment = {**os.environ, "CARVANA_CACHE": str(tmp_path)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        for _ in range(2)
    ]
    answers = {run.communicate()[0].strip() for run in runs}
    assert all(run.returncode == 0 for run in runs) and len(answers) == 1
    folder = Path(answers.pop())
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert len(list((folder / "train").iterdir())) == 16
