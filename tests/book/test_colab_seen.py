"""The page on Colab shows the last day on which its chapters ran; a workflow makes it weekly, in a fork too."""

from datetime import date

import colab
import pytest
import yaml
from built import ROOT
from sphinx.errors import ExtensionError

WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob(".github/workflows/*")}


@pytest.fixture
def status(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import status

    return status


def test_the_later_of_the_two_days_counts(status, monkeypatch, tmp_path):
    (tmp_path / "colab-seen.txt").write_text("2026-11-27\n", encoding="utf-8")
    for day, expected in (("", "2026-11-27"), ("2026-11-02", "2026-11-27"), ("2026-12-07", "2026-12-07")):
        monkeypatch.setenv("COLAB_SEEN", day)
        assert status.colab_seen(tmp_path).isoformat() == expected
    monkeypatch.delenv("COLAB_SEEN")
    assert status.colab_seen(tmp_path) == date(2026, 11, 27)
    monkeypatch.setenv("COLAB_SEEN", "last week")
    with pytest.raises(ExtensionError, match=r"name a day as 2026-11-27, not .*last week"):
        status.colab_seen(tmp_path)


def test_the_page_names_the_chapters_that_ran(status):
    numbers = [str(int(name[:2])) for name in colab.CHAPTERS]
    assert f"chapters {', '.join(numbers[:-1])} and {numbers[-1]}" == status.RAN


def test_a_green_run_writes_the_day(monkeypatch, tmp_path):
    for name in ("make_environment", "build_wheel", "install", "execute"):
        monkeypatch.setattr(colab, name, lambda *given: None)
    monkeypatch.setattr(colab, "SEEN", tmp_path / "colab-seen.txt")
    monkeypatch.setattr("sys.argv", ["colab.py"])
    colab.main()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("sys.argv", ["colab.py", "--record"])
    colab.main()
    assert date.fromisoformat((tmp_path / "colab-seen.txt").read_text(encoding="utf-8").strip())


def test_a_fork_publishes_though_its_schedules_are_off():
    """GitHub switches a workflow that has a schedule off in a fork, with its pushes: `book` must have none."""
    triggers = {name: flow[True] for name, flow in WORKFLOWS.items()}  # YAML reads the key `on` as true
    assert "schedule" not in triggers["book"] and triggers["book"]["push"] == {"branches": ["main"]}
    assert triggers["book"]["workflow_run"]["workflows"] == [WORKFLOWS["colab"]["name"]]
    assert triggers["colab"]["schedule"] and "workflow_dispatch" in triggers["colab"]
    assert [step["run"] for step in WORKFLOWS["colab"]["jobs"]["colab"]["steps"] if "run" in step] == [
        "make TORCH=cpu colab"
    ]
    text = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    assert [f"`{name}`" for name, on in triggers.items() if "schedule" in on and f"`{name}`" not in text] == []
