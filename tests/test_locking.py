"""One process at a time writes a file, and a killed one stands in nobody's way."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from carvana_lessons.errors import CarvanaError
from carvana_lessons.locking import owned

DRIVER = Path(__file__).parent / "drivers" / "hold_lock.py"


@contextmanager
def other_process(path: Path) -> Iterator[subprocess.Popen]:
    child = subprocess.Popen(
        [sys.executable, DRIVER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert child.stdout.readline() == "owned\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_second_process_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "submission.csv"
    with (
        other_process(path),
        pytest.raises(CarvanaError, match=r"Another process is writing .*submission\.csv"),
        owned(path),
    ):
        pass


def test_after_it_was_killed_the_next_one_owns_it(tmp_path):
    path = tmp_path / "submission.csv"
    with other_process(path) as child:
        child.kill()
        child.wait()
        with owned(path):
            pass


def test_nothing_is_left_beside_the_file(tmp_path):
    with owned(tmp_path / "run"):
        assert [p.name for p in tmp_path.iterdir()] == [".run.lock"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [NotImplementedError(), OSError(37, "No locks available")])
def test_a_disk_without_locks_grants_them(tmp_path, monkeypatch, error):
    def refuse(self, *given, **named):
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with owned(tmp_path / "run"):
        reached = True
    assert reached
