"""A file appears whole, or not at all."""

import pytest

from carvana_lessons.files import building, cache_folder, replacing


def test_a_finished_file_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "new folder" / "a.txt"
    for text in ("first", "second"):
        with replacing(target) as temporary:
            temporary.write_text(text)
        assert target.read_text() == text
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_a_failed_file_leaves_the_old_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_appears_when_it_is_filled(tmp_path):
    with building(tmp_path / "out") as temporary:
        (temporary / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a").read_text() == "1"
    with pytest.raises(FileExistsError, match="choose another folder"), building(tmp_path / "out"):
        pass


def test_a_folder_that_failed_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), building(tmp_path / "out") as temporary:
        (temporary / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_of_two_builders_the_first_wins(tmp_path):
    with building(tmp_path / "out") as slow:
        (slow / "a").write_text("slow")
        with building(tmp_path / "out") as fast:
            (fast / "a").write_text("fast")
    assert (tmp_path / "out" / "a").read_text() == "fast"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_cache_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("CARVANA_CACHE", str(tmp_path / "drive"))
    assert cache_folder() == tmp_path / "drive"
