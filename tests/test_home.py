"""Users without a home, or with one that cannot be written: it works, or one sentence says the cure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from carvana_lessons import course, data, studio
from carvana_lessons.course.colab import open_keep
from carvana_lessons.utils.archive import keep_folder
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.paths import cache_folder, expand

HOMES = ("HOME", "USERPROFILE", "HOMEPATH", "HOMEDRIVE", "LOCALAPPDATA", "XDG_CACHE_HOME", "CARVANA_CACHE")


@pytest.fixture
def nobody(monkeypatch, tmp_path) -> Path:
    """A user without HOME and without an entry in passwd, as after ``docker run --user 1234``; in an empty folder."""
    for name in HOMES:
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "win32":

        def unknown(number):
            raise KeyError(f"getpwuid(): uid not found: {number}")

        monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows finds the folder without a variable")
def test_without_a_home_the_cure_is_named_and_nothing_is_written(nobody, monkeypatch):
    for act in (cache_folder, course.data_folder):
        monkeypatch.delenv("CARVANA_DATA", raising=False)
        with pytest.raises(CarvanaError, match="no home folder here: set CARVANA_CACHE to a folder"):
            act()
    assert list(nobody.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows finds the folder without a variable")
def test_older_platformdirs_leave_the_tilde_there(nobody, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: Path("~/.cache") / name)
    with pytest.raises(CarvanaError, match="set CARVANA_CACHE"):
        cache_folder()


def test_with_a_folder_named_no_home_is_needed(nobody, monkeypatch):
    monkeypatch.setenv("CARVANA_CACHE", str(nobody / "cache"))
    folder = studio.ensure(1, (48, 32), workers=1, progress=False)
    assert folder.is_relative_to(nobody / "cache") and data.cache(data.CarFolder(folder), 8).is_dir()


def test_a_tilde_without_a_home_is_one_sentence(nobody, monkeypatch):
    for name in ("CARVANA_CACHE", "CARVANA_DATA", "CARVANA_KEEP"):
        monkeypatch.setenv(name, "~/photos")
    for act in (
        cache_folder,
        course.data_folder,
        keep_folder,
        lambda: expand("~nobody-of-that-name/photos"),
        lambda: open_keep("~/kept"),
        lambda: data.CarFolder("~/photos"),
        lambda: data.download("~/photos"),
        lambda: studio.make(Path("~/photos"), cars=1),
    ):
        with pytest.raises(CarvanaError, match=r"photos|kept.*does not exist here; write the whole path"):
            act()
    assert list(nobody.iterdir()) == []


# Root may write anywhere, unless that right is taken from it.
AS_USER = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if hasattr(os, "getuid") and os.getuid() == 0 else []


@pytest.mark.skipif(sys.platform == "win32", reason="rights of that kind are POSIX's")
@pytest.mark.parametrize("command", ["train", "evaluate", "studio", "submit"])
def test_a_home_that_cannot_be_written_is_one_sentence(make_folder, tmp_path, command):
    """A real folder without the right to write; what needs no cache works."""
    photos, home = make_folder(cars=4), tmp_path / "home"
    home.mkdir()
    small = ["--size", "32"]
    words = {
        "train": [photos, tmp_path / "run", "--network", "unet-tiny", "--width", "2", "--epochs", "1", *small],
        "evaluate": [photos, "--weights", "unet-small", "--valid", "0.25", *small],
        "studio": [home / "drawn", "--cars", "1", "--size", "48x32", "--workers", "1"],
        "submit": [photos, tmp_path / "s.csv", "--images", "train", "--weights", "unet-small", *small],
    }[command]
    environment = {key: value for key, value in os.environ.items() if key not in HOMES}
    environment |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "missing")}
    line = [*AS_USER, sys.executable, "-m", "carvana_lessons", command, *map(str, words)]
    home.chmod(0o555)
    try:
        answer = subprocess.run(
            line, capture_output=True, text=True, check=False, env=environment, timeout=300, encoding="utf-8"
        )
    finally:
        home.chmod(0o755)
    told = answer.stderr.rpartition("\r")[2].strip()  # behind what a bar leaves
    assert "Traceback" not in answer.stderr, answer.stderr
    if command == "submit":  # decodes on the fly
        assert answer.returncode == 0 and (tmp_path / "s.csv").exists(), told
    else:
        assert answer.returncode == 1 and told.splitlines()[-1].startswith("carvana-lessons: "), told
        assert str(home) in told and "may not be written here" in told and "CARVANA_CACHE" in told
    assert list(home.iterdir()) == []
