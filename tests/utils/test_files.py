"""A file appears whole, or not at all."""

import errno
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import draw_pair, save_mask

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import destination, make_folder, new_file, replacing, writing
from carvana_lessons.utils.folders import building, discard
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import cache_folder


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


# --- links, devices and files that are protected


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that links lead to, with a file in it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("old", encoding="utf-8")
    return tmp_path / "elsewhere"


@pytest.mark.parametrize("target", ["elsewhere/a.txt", "elsewhere/new.txt", "{root}/elsewhere/a.txt", "second"])
def test_a_link_is_written_through(tmp_path, elsewhere, target):
    (tmp_path / "second").symlink_to("elsewhere/a.txt")
    link = tmp_path / "link"
    link.symlink_to(target.format(root=tmp_path))
    with replacing(link) as temporary:
        assert temporary.parent == elsewhere, "beside the file, so that one step replaces it on its own disk"
        temporary.write_text("new", encoding="utf-8")
    assert link.is_symlink() and link.read_text(encoding="utf-8") == "new"
    assert (tmp_path / "second").is_symlink()
    name = "new.txt" if target.endswith("new.txt") else "a.txt"
    assert (elsewhere / name).read_text(encoding="utf-8") == "new" and not (elsewhere / name).is_symlink()
    assert sorted(p.name for p in elsewhere.iterdir()) == sorted({"a.txt", name})


def test_a_link_that_leads_nowhere_useful_is_said(tmp_path, elsewhere):
    links = {"circle": "circle", "folder": "elsewhere", "away": "no disk/a.txt"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    for name, words in {
        "circle": "is a link that leads in a circle",
        "folder": "is a folder; name a file",
        "away": r"is a link to .*no disk.a\.txt, and the folder .*no disk is not there",
    }.items():
        with pytest.raises(CarvanaError, match=words), replacing(tmp_path / name):
            raise AssertionError
        assert (tmp_path / name).is_symlink()
    for name in ("circle", "away"):
        for act in (lambda f: building(f).__enter__(), make_folder, lambda f: make_folder(f / "below")):
            with pytest.raises(CarvanaError, match=r"leads in a circle|is not there"):
                act(tmp_path / name)
    assert not (tmp_path / "no disk").exists()


def test_a_folder_is_made_where_a_link_leads(tmp_path, elsewhere):
    (tmp_path / "link").symlink_to("elsewhere/new")
    with building(tmp_path / "link") as folder:
        (folder / "a").touch()
    assert (tmp_path / "link").is_symlink() and (elsewhere / "new" / "a").is_file()
    with pytest.raises(CarvanaError, match="exists already"), building(tmp_path / "link"):
        raise AssertionError
    (tmp_path / "second").symlink_to("elsewhere/second")
    make_folder(tmp_path / "second" / "below")
    assert (elsewhere / "second" / "below").is_dir() and (tmp_path / "second").is_symlink()


def test_only_the_link_is_discarded_and_never_a_file(tmp_path, elsewhere):
    (tmp_path / "link").symlink_to("elsewhere")
    assert discard(tmp_path / "link") and not (tmp_path / "link").is_symlink()
    assert not discard(elsewhere / "a.txt")
    assert (elsewhere / "a.txt").read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["elsewhere"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_what_is_neither_a_file_nor_a_folder_is_refused_and_stays(tmp_path):
    """No device of the machine that runs this: a fault would replace it. Nothing can be made below /proc and /sys."""
    os.mkfifo(tmp_path / "pipe")
    for name, target in {"to a pipe": "pipe", "output": "/proc/self/fd/1"}.items():
        (tmp_path / name).symlink_to(target)
    names = ["pipe", "to a pipe", "output"]
    for path in [
        *(tmp_path / name for name in names),
        *map(Path, ["/proc/self/fd/1", "/proc/x", "/proc/self/x", "/sys/x"]),
    ]:
        acts = {
            "replacing": lambda p=path: replacing(p).__enter__(),
            "building": lambda p=path: building(p).__enter__(),
            "make_folder": lambda p=path: make_folder(p),
            "new_file": lambda p=path: new_file(p, overwrite=True),
            "owned": lambda p=path: owned(p).__enter__(),
        }
        for name, act in acts.items():
            with pytest.raises(CarvanaError, match=rf"{re.escape(str(path))} is no file and no folder") as said:
                act()
            assert len(str(said.value).splitlines()) == 1, (name, path)
    assert (tmp_path / "pipe").is_fifo() and sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    for known in ("/dev/null", "/dev/stdout", "/dev/fd/1", "/dev/new"):
        with pytest.raises(CarvanaError, match=f"^{known} is no file and no folder"):
            destination(known)  # which writes nothing


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_standard_output_that_leads_to_a_file_is_none_to_replace(tmp_path):
    """`--out /dev/stdout > scores.csv`: the file would be replaced under the shell's hands."""
    (tmp_path / "output").symlink_to("/proc/self/fd/1")  # as /dev/stdout is
    code = "import sys, pathlib; from carvana_lessons.utils.files import replacing\nprint('begin', flush=True)\n"
    code += "try:\n with replacing(pathlib.Path(sys.argv[1])) as t: t.write_text('x', encoding='utf-8')\n"
    code += "except Exception as error: print(type(error).__name__)"
    with (tmp_path / "scores.csv").open("wb") as out:
        subprocess.run([sys.executable, "-c", code, tmp_path / "output"], stdout=out, check=True)
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").split() == ["begin", "CarvanaError"]
    assert (tmp_path / "output").is_symlink() and len(list(tmp_path.iterdir())) == 2


def test_a_file_keeps_its_rights_and_one_that_is_protected_is_kept(tmp_path):
    target = tmp_path / "a.txt"
    for mode in (0o600, 0o664):
        target.write_text("old", encoding="utf-8")
        target.chmod(mode)
        wanted = target.stat().st_mode  # Windows knows only one of the rights
        with replacing(target) as temporary:
            temporary.write_text("new", encoding="utf-8")
        assert target.stat().st_mode == wanted and target.read_text(encoding="utf-8") == "new"
    target.chmod(0o444)
    with pytest.raises(CarvanaError, match=r"a\.txt is protected against writing: allow it"), replacing(target):
        raise AssertionError
    assert target.read_text(encoding="utf-8") == "new" and len(list(tmp_path.iterdir())) == 1
    target.chmod(0o644)


def test_the_other_name_of_a_file_keeps_what_it_held(tmp_path):
    """Pseudo-labels are second names of the photos and masks that they were made from."""
    (tmp_path / "mine").write_text("old", encoding="utf-8")
    (tmp_path / "a").hardlink_to(tmp_path / "mine")
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert [(tmp_path / n).read_text(encoding="utf-8") for n in ("a", "mine")] == ["new", "old"]


def test_a_new_file_is_one(tmp_path):
    assert new_file(tmp_path / "new" / "a") == tmp_path / "new" / "a" and not (tmp_path / "new" / "a").exists()
    (tmp_path / "a").touch()
    for error in (CarvanaError, FileExistsError):
        with pytest.raises(error, match=r"a exists already: choose another name.*--overwrite"):
            new_file(tmp_path / "a")
    assert new_file(tmp_path / "a", overwrite=True) == tmp_path / "a"
    with pytest.raises(CarvanaError, match="is a folder"):
        new_file(tmp_path, overwrite=True)


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
    driver = Path(__file__).parents[1] / "drivers" / "full_disk.py"
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
        ("studio of two", "two"),
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
