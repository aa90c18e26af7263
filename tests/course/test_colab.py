"""What a Colab session needs: a Drive that keeps trainings and photos, a word on the GPU, a gentle first cell."""

import importlib.util
import io
import json
import os
import re
import shutil
import sys
import tarfile
import types
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
import torch
import toy
from packaging.requirements import Requirement

from carvana_lessons import course, data, models, studio
from carvana_lessons.course import colab
from carvana_lessons.course.publishing import repository
from carvana_lessons.data.unpack import unpack
from carvana_lessons.training import train_once
from carvana_lessons.utils import archive
from carvana_lessons.utils.errors import CarvanaError

ROOT = Path(__file__).resolve().parents[2]

writing = sys.modules["carvana_lessons.studio.write"]
caching = sys.modules["carvana_lessons.data.cache"]


@pytest.fixture(autouse=True)
def session(own_cache, make_folder, monkeypatch):
    """Photos, an empty cache, nothing kept; what `start` sets is unset again afterwards."""
    monkeypatch.setenv("CARVANA_DATA", str(make_folder(cars=4, views=2)))
    monkeypatch.setenv("CARVANA_SCALE", "quick")
    monkeypatch.setenv(archive.VARIABLE, "")


@pytest.fixture
def another_session(tmp_path, monkeypatch):
    """Call it for a machine that has nothing of the one before but the folder that was kept."""

    def begin():
        monkeypatch.setenv("CARVANA_CACHE", str(tmp_path / f"cache-{os.urandom(4).hex()}"))

    return begin


@pytest.fixture
def in_colab(tmp_path, monkeypatch):
    """The little of Colab's own module that is used; like Colab's, it mounts over an empty folder only."""

    def mount(place):
        if "refused" in asked:
            raise ValueError("mount failed")
        if not asked and Path(place).exists() and any(Path(place).iterdir()):
            raise ValueError("Mountpoint must not already contain files")
        asked.append(place)
        (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)

    asked = []
    if importlib.util.find_spec("google") is None:
        monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    module = types.ModuleType("google.colab")
    module.drive = types.SimpleNamespace(mount=mount)
    module.files = types.SimpleNamespace(upload=dict, download=asked.append)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    monkeypatch.setattr(colab, "DRIVE", tmp_path / "drive")
    return asked


def test_drive_is_mounted_and_the_chapter_has_a_folder_on_it(in_colab, tmp_path, capsys):
    lesson = course.start("02-u-net", keep="drive")
    assert in_colab == [str(tmp_path / "drive")]
    assert lesson.keep == tmp_path / "drive" / "MyDrive" / "carvana-lessons" / "02-u-net"
    assert "seed 0 · kept in carvana-lessons\n" in capsys.readouterr().out
    assert course.start("02-u-net").keep == lesson.keep, "it stays on for the session"
    assert course.start("05-segnet-unpooling").keep.name == "05-segnet-unpooling"


def test_a_folder_on_drive_is_not_made_before_drive_is_there(in_colab, tmp_path):
    lesson = course.start("02-u-net", keep=tmp_path / "drive" / "MyDrive" / "mine")
    assert len(in_colab) == 1 and lesson.keep.parent == tmp_path / "drive" / "MyDrive" / "mine"


def test_a_drive_that_was_refused_is_one_sentence(in_colab):
    in_colab.append("refused")
    with pytest.raises(CarvanaError, match=r"could not be mounted \(mount failed\): run the cell again and allow it"):
        course.start("02-u-net", keep="drive")


def test_elsewhere_a_folder_is_asked_for():
    with pytest.raises(CarvanaError, match=r'in Colab only; name a folder .* keep="~/carvana-lessons"'):
        course.start("02-u-net", keep="drive")


def test_any_folder_will_do_and_none_keeps_nothing(tmp_path, capsys):
    assert course.start("02-u-net").keep is None
    assert "kept" not in capsys.readouterr().out
    assert course.start("02-u-net", keep=tmp_path / "new" / "mine").keep == tmp_path / "new" / "mine" / "02-u-net"
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CarvanaError, match="name another folder with keep="):
        course.start("02-u-net", keep=tmp_path / "file" / "mine")


def zipped(**files: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as box:
        for name, content in files.items():
            box.writestr(name, content)
    return kept.getvalue()


def test_a_zip_of_photos_goes_in_and_one_of_results_comes_out(in_colab, tmp_path, make_folder, monkeypatch):
    leaves = make_folder("leaves", cars=2, views=1)
    content = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", leaves)).read_bytes()
    monkeypatch.setattr(sys.modules["google.colab"].files, "upload", lambda: {"my leaves.zip": content})
    place = tmp_path / "not there yet"
    first, second = colab.upload_zip(place), colab.upload_zip(place)
    assert (first, second) == (place / "my leaves", place / "my leaves-2"), "an earlier one is not touched"
    assert len(data.open_folder(first)) == 2
    colab.download_zip(first)
    with zipfile.ZipFile(in_colab[-1]) as box:
        packed = {info.filename for info in box.infolist() if not info.is_dir()}
    assert packed == {file.relative_to(first).as_posix() for file in first.rglob("*.*") if file.is_file()}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({}, "No file was chosen"),
        ({"a.zip": b"no zip"}, r"a\.zip is no zip file that can be unpacked"),
        ({"a.zip": zipped(x=bytes(range(200)) * 9).replace(bytes(range(50)), bytes(50), 1)}, r"x in it is damaged"),
    ],
)
def test_what_is_no_zip_is_said_and_leaves_nothing(in_colab, tmp_path, monkeypatch, chosen, told):
    place = tmp_path / "new"
    place.mkdir()
    monkeypatch.setattr(sys.modules["google.colab"].files, "upload", lambda: chosen)
    with pytest.raises(CarvanaError, match=told):
        colab.upload_zip(place)
    assert list(place.iterdir()) == []


def test_nothing_of_a_zip_lands_outside_its_folder(in_colab, tmp_path, monkeypatch):
    content = zipped(**{"../../out.txt": b"1", "in.txt": b"2"})
    monkeypatch.setattr(sys.modules["google.colab"].files, "upload", lambda: {"a.zip": content})
    folder = colab.upload_zip(tmp_path / ".")
    assert all(file.is_relative_to(folder) for file in tmp_path.rglob("*.txt")) and (folder / "in.txt").exists()


def test_a_zip_larger_than_the_disk_is_refused(in_colab, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["google.colab"].files, "upload", lambda: {"a.zip": zipped(x=b"1" * 999)})
    monkeypatch.setattr(shutil, "disk_usage", lambda place: types.SimpleNamespace(free=998))
    with pytest.raises(CarvanaError, match="more than the disk has"):
        colab.upload_zip(tmp_path)


def test_elsewhere_than_in_colab_a_folder_is_named(tmp_path):
    for call in (colab.upload_zip, lambda: colab.download_zip(tmp_path)):
        with pytest.raises(CarvanaError, match="in Colab only"):
            call()


def test_a_folder_that_is_not_there_is_not_packed(in_colab, tmp_path):
    with pytest.raises(CarvanaError, match=r"There is no folder .*run the cells above first"):
        colab.download_zip(tmp_path / "none")


def test_without_a_gpu_colab_says_where_to_switch_it_on(in_colab, monkeypatch, fake_cuda, capsys):
    course.start("01-the-task")
    assert "Runtime → Change runtime type → GPU" in capsys.readouterr().out
    fake_cuda((7, 5))
    course.start("01-the-task")
    assert "Runtime" not in capsys.readouterr().out
    monkeypatch.setenv("CARVANA_DEVICE", "cpu")
    monkeypatch.delitem(sys.modules, "google.colab")
    course.start("01-the-task")
    assert "Runtime" not in capsys.readouterr().out


def test_a_training_goes_on_after_a_disconnect(tmp_path, another_session):
    def begin(keep):
        lesson = course.start("02-u-net", keep=keep)
        return toy.trainer(lesson.keep and lesson.keep / "unet")

    whole = begin(tmp_path / "whole")
    whole.fit(toy.loader(8), epochs=4, resume=True)
    with pytest.raises(ConnectionError):
        batches = toy.loader(8, stop=110, error=ConnectionError)  # 48 photos an epoch: in the third
        begin(tmp_path / "keep").fit(batches, epochs=4, resume=True)
    another_session()
    again = begin(tmp_path / "keep")
    history = again.fit(toy.loader(8), epochs=4, resume=True)
    assert len(history) == 4 and history.frame["loss"].tolist() == whole.history.frame["loss"].tolist()
    assert all(torch.equal(v, again.model.state_dict()[k]) for k, v in whole.model.state_dict().items())


def test_a_chapters_trainings_are_found_by_the_next_session(tmp_path, another_session, own_cache):
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", os.environ["CARVANA_DATA"]))

    def train():
        shutil.rmtree(os.environ["CARVANA_DATA"])
        photos = Path(os.environ["CARVANA_DATA"])
        unpack(archive, photos, photos / "rest")  # a new session unpacks its photos again
        shutil.move(photos / "rest" / "metadata.csv", photos / "metadata.csv")
        lesson = course.start("05-segnet-unpooling", keep=tmp_path / "keep")
        cars = data.CarFolder(lesson.data)
        torch.manual_seed(0)
        return train_once(lesson, models.create("unet-tiny", width=2), cars, size=16, images=2 * len(cars))

    first = train()
    stamps = {f: f.stat().st_mtime_ns for f in (tmp_path / "keep" / "runs").glob("*/*")}
    another_session()
    assert train().frame.equals(first.frame) and len(first) == 2
    assert stamps and {f: f.stat().st_mtime_ns for f in (tmp_path / "keep" / "runs").glob("*/*")} == stamps
    assert not (own_cache / "runs").exists()


@pytest.mark.parametrize("told", [(2017, 7, 24, 9, 30, 0), (1980, 0, 0, 0, 0, 0)])
def test_what_is_unpacked_has_the_archives_time_even_where_it_tells_none(tmp_path, told):
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as box:
        box.writestr(zipfile.ZipInfo("train/a.jpg", told), b"pixels")
    times = set()
    for name in ("one", "two"):
        unpack(tmp_path / "train.zip", tmp_path / name, tmp_path / name / "train")
        times.add((tmp_path / name / "train" / "a.jpg").stat().st_mtime_ns)
    (time,) = times
    assert time < 1.6e18  # long ago


def small_studio() -> Path:
    return studio.ensure(cars=1, size=(48, 32), seed=3, workers=1, progress=False)


def test_drawn_photos_are_one_archive_and_are_not_drawn_again(tmp_path, another_session, monkeypatch):
    colab.open_keep(tmp_path / "keep")
    first = small_studio()
    assert [f.name for f in (tmp_path / "keep").rglob("*") if f.is_file()] == [f"{first.name}.tar"]
    another_session()
    monkeypatch.setattr(writing, "make", lambda *_: pytest.fail("drawn again"))
    second = small_studio()
    assert second != first and data.CarFolder(second).fingerprint == data.CarFolder(first).fingerprint
    files = [f.relative_to(first) for f in first.rglob("*") if f.is_file()]
    assert len(files) == 34 and all((first / f).read_bytes() == (second / f).read_bytes() for f in files)


def test_photos_that_are_drawn_anew_are_the_same_to_every_cache(another_session):
    fingerprints = set()
    for _ in range(2):
        another_session()
        folder = small_studio()
        fingerprints.add(data.CarFolder(folder).fingerprint)
        assert {f.stat().st_mtime for f in folder.rglob("*.*")} == {writing.TAKEN}
    assert len(fingerprints) == 1


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_half_an_archive_is_written_anew(tmp_path, another_session, share):
    colab.open_keep(tmp_path / "keep")
    archive = tmp_path / "keep" / "photos" / f"{small_studio().name}.tar"
    size = archive.stat().st_size
    os.truncate(archive, int(share * size))
    another_session()
    assert len(data.CarFolder(small_studio())) == 16
    assert archive.stat().st_size == size


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../outside.txt", tarfile.REGTYPE, ""),
        ("/{folder}/outside.txt", tarfile.REGTYPE, ""),
        ("../outside", tarfile.DIRTYPE, ""),
        ("train/link", tarfile.SYMTYPE, "/{folder}"),
        ("train/link", tarfile.SYMTYPE, "photo.jpg"),
        ("train/link", tarfile.LNKTYPE, "./metadata.csv"),
        ("train/pipe", tarfile.FIFOTYPE, ""),
    ],
)
def test_an_archive_with_links_or_names_outside_is_not_unpacked(tmp_path, another_session, capsys, name, kind, target):
    colab.open_keep(tmp_path / "keep")
    folder = small_studio()
    member = tarfile.TarInfo(name.format(folder=tmp_path))
    member.type, member.linkname = kind, target.format(folder=tmp_path)
    archive = tmp_path / "keep" / "photos" / f"{folder.name}.tar"
    with tarfile.open(archive, "a") as box:
        box.addfile(member)
    another_session()
    before = set(tmp_path.iterdir())
    capsys.readouterr()
    again = small_studio()
    made = [f for f in again.parent.parent.rglob("*") if f.is_symlink() or not (f.is_file() or f.is_dir())]
    assert len(data.CarFolder(again)) == 16 and made == []
    assert {p.name for p in set(tmp_path.iterdir()) - before} == {Path(os.environ["CARVANA_CACHE"]).name}
    assert not list(tmp_path.rglob("outside*"))
    assert re.search(rf"{archive.name} was not unpacked .* delete it", capsys.readouterr().out)


def test_decoded_copies_are_kept_where_they_are_small(tmp_path, another_session, monkeypatch):
    decoded = []
    read = caching.read_pair
    monkeypatch.setattr(caching, "read_pair", lambda photo, size: decoded.append(photo) or read(photo, size))
    lesson = course.start("03-data-generators", keep=tmp_path / "keep")
    cars = data.CarFolder(lesson.data)
    first = data.cache(cars, 8)
    another_session()
    second = data.cache(cars, 8)
    assert len(decoded) == len(cars) and second != first
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in ("images.npy", "masks.npy"))
    monkeypatch.setattr(archive, "LARGEST", 16 * 16 * 4 * len(cars))
    data.cache(cars, 16)  # a few bytes more: files have headers
    another_session()
    data.cache(cars, 16)
    assert len(decoded) == 3 * len(cars)


def test_a_kept_folder_that_is_gone_costs_a_sentence_not_the_lesson(tmp_path, capsys):
    colab.open_keep(tmp_path / "keep")
    (tmp_path / "keep").rmdir()
    (tmp_path / "keep").write_text("", encoding="utf-8")  # as a Drive that was unmounted: there, and no folder
    assert len(data.CarFolder(small_studio())) == 16
    assert "another session makes it again" in capsys.readouterr().out


def test_every_first_cell_is_the_same_and_asks_for_the_package_alone():
    cells = {
        next(
            "".join(c["source"]) for c in json.loads(f.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"
        )
        for f in (ROOT / "book").glob("*.ipynb")
    }
    (cell,) = cells
    assert cell.splitlines()[1:3] == ["try:", "    import carvana_lessons  # noqa: F401"]
    assert re.findall(r"%pip (.*)", cell) == ["install --quiet --no-deps $url"]
    assert f'url = "git+{repository(ROOT)}"\n' in cell


def test_colab_has_all_that_the_package_asks_for():
    """A first cell installs without dependencies: pip would repair what it finds wanting there, and torch with it."""
    text = (ROOT / "tests" / "colab.txt").read_text(encoding="utf-8")
    has = dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE)) | dict(
        re.findall(r"\b(torch|torchvision) (\d[\d.]*\d)", text)
    )
    asked = [Requirement(line) for line in requires("carvana-lessons")]
    asked = [r for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]
    assert len(asked) > 10 and [str(r) for r in asked if not r.specifier.contains(has.get(r.name, "0"))] == []
