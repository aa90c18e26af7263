"""A copy of the course names its own repository everywhere."""

import shutil
from pathlib import Path

import pytest

from carvana_lessons.course.publishing import repository, set_repository
from carvana_lessons.utils.errors import CarvanaError

ROOT = Path(__file__).resolve().parents[2]
OURS, THEIRS = repository(ROOT), "https://github.com/a-school/car.masks"  # ours: whatever this copy is named


@pytest.fixture
def fork(tmp_path):
    for name in ("_config.yml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder)): f.read_text(encoding="utf-8")
        for f in folder.rglob("*")
        if f.suffix in {".yml", ".md", ".ipynb"}
    }


def test_every_mention_is_replaced_and_nothing_else(fork):
    before = texts(fork)
    changed = {str(path.relative_to(fork)) for path in set_repository(fork, THEIRS + "/")}
    assert texts(fork) == {name: text.replace(OURS, THEIRS) for name, text in before.items()}
    assert (
        changed == {name for name, text in before.items() if OURS in text} >= {"_config.yml", "book/01-the-task.ipynb"}
    )
    assert set_repository(fork, THEIRS) == []


def test_there_and_back_again(fork):
    readme = fork / "README.md"
    readme.write_bytes(readme.read_bytes().replace(b"\n", b"\r\n") + OURS.encode())  # as a checkout on Windows
    before = {path: path.read_bytes() for path in fork.rglob("*") if path.is_file()}
    set_repository(fork, THEIRS)
    assert THEIRS.encode() in readme.read_bytes()
    set_repository(fork, OURS)
    assert {path: path.read_bytes() for path in fork.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("now", [OURS, "https://github.com/OWNER/NAME"])
def test_the_example_of_the_command_stays(fork, now):
    """Also in a copy that has once been given the example itself."""
    for file in ("_config.yml", "README.md", "book/intro.md"):
        path = fork / file
        path.write_text(path.read_text(encoding="utf-8").replace(OURS, now), encoding="utf-8")
    example = "`carvana-lessons course repository https://github.com/OWNER/NAME`"
    for address in (THEIRS, THEIRS, "https://github.com/another/copy"):
        set_repository(fork, address)
        assert repository(fork) == address
        for file in ("README.md", "book/instructors.md"):
            assert example in (fork / file).read_text(encoding="utf-8")
        assert f"{address}#readme" in (fork / "book" / "intro.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "names", ["OWNER/NAME", "owner/carvana-lessons", "a-school/NAME", "your-name/carvana-lessons", "a/your-repository"]
)
def test_an_example_of_an_address_is_refused(fork, names):
    before = texts(fork)
    with pytest.raises(CarvanaError, match=rf"{names} is the example of an address; take the one that your fork has"):
        set_repository(fork, f"https://github.com/{names}")
    assert texts(fork) == before


def test_a_longer_name_is_another_repository(fork):
    (fork / "README.md").write_text(f"{OURS}-of-others, {OURS}.js and {OURS}#readme, {OURS}.git.", encoding="utf-8")
    set_repository(fork, THEIRS)
    text = (fork / "README.md").read_text(encoding="utf-8")
    assert text == f"{OURS}-of-others, {OURS}.js and {THEIRS}#readme, {THEIRS}.git."


@pytest.mark.parametrize("address", ["", "a-school/car-masks", "http://github.com/a/b", "https://github.com/a"])
def test_what_is_no_address_is_refused(fork, address):
    with pytest.raises(CarvanaError, match="OWNER/NAME"):
        set_repository(fork, address)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(CarvanaError, match="course's folder"):
        set_repository(tmp_path, THEIRS)


def test_what_failed_half_way_is_finished_by_the_same_call(fork):
    before = texts(fork)
    chapter = fork / "book" / "09-results.ipynb"
    whole = chapter.read_bytes()
    chapter.write_bytes(b"\xff" + whole)
    with pytest.raises(CarvanaError, match=r"09-results\.ipynb cannot be read as UTF-8"):
        set_repository(fork, THEIRS)
    chapter.write_bytes(whole)
    set_repository(fork, THEIRS)
    assert texts(fork) == {name: text.replace(OURS, THEIRS) for name, text in before.items()}
