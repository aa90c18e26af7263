"""One process at a time writes a file, and a killed one stands in nobody's way."""

import os
from pathlib import Path

import pytest
from filelock import FileLock
from samples import other_process

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.locking import owned


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


def test_a_link_and_what_it_leads_to_are_one(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with (
        other_process(tmp_path / "run"),
        pytest.raises(CarvanaError, match="Another process is writing"),
        owned(tmp_path / "link"),
    ):
        pass


def test_a_folder_beside_which_nothing_may_be_written_holds_its_lock(tmp_path, monkeypatch):
    """A disk of its own, or a user's home; as a user who is not root sees it."""
    (tmp_path / "disk").mkdir()
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and may(path, mode))
    with owned(tmp_path / "disk"):
        assert [p.name for p in (tmp_path / "disk").iterdir()] == [".disk.lock"]
    assert [p.name for p in tmp_path.rglob("*")] == ["disk"]
