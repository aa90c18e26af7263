"""The code of a chapter fits its page, shows the lesson alone, and draws its samples evenly."""

import ast
import json
import re
from pathlib import Path

import pytest

from carvana_lessons.course.publishing import repository

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
COLUMNS, LINES = 72, 12
FOLDED = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}, "cellView": "form"}


def code_cells(chapter: Path) -> list[dict]:
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells if cell["cell_type"] == "code"]


def is_shown(cell: dict) -> bool:
    return not {"hide-input", "remove-cell"} & set(cell["metadata"].get("tags", []))


def even_steps(source: str) -> list[str]:
    """Slices of one axis whose step shares a factor with a car's sixteen views: they skip most of the views."""
    code = re.sub(r"^(\s*)%", r"\1pass  # ", source, flags=re.MULTILINE)
    slices = [n.slice for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Subscript)]
    steps = [s.step for s in slices if isinstance(s, ast.Slice) and isinstance(s.step, ast.Constant)]
    return [f"[::{step.value}]" for step in steps if step.value % 2 == 0]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_code_fits_the_page(chapter):
    lines = [line for cell in code_cells(chapter) for line in cell["source"].splitlines()]
    own = repository(ROOT)  # of a fork it is as long as its owner named it
    assert [line for line in lines if len(line) > COLUMNS and own not in line] == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_shown_cell_is_short(chapter):
    shown = [cell for cell in code_cells(chapter) if is_shown(cell)]
    assert {c["id"]: c["source"].count("\n") + 1 for c in shown if c["source"].count("\n") >= LINES} == {}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_folded_cell_is_folded_in_all_three_readers(chapter):
    """On the page by its tag, in JupyterLab by ``source_hidden``, in Colab as a form, which wants a title."""
    for cell in code_cells(chapter):
        if not is_shown(cell) or {"jupyter", "cellView"} & set(cell["metadata"]):
            if "remove-cell" in cell["metadata"].get("tags", []):
                continue
            assert {k: cell["metadata"].get(k) for k in FOLDED} == FOLDED, cell["id"]
            assert re.match(r"# @title [A-Z]\w*", cell["source"]), cell["id"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_no_sample_leaves_views_out_by_accident(chapter):
    assert {c["id"]: found for c in code_cells(chapter) if (found := even_steps(c["source"]))} == {}


def test_a_step_that_leaves_views_out_would_be_found():
    code = "a = test[::8]\nb = x[1::4]\nc = test[::3]\nd = row[2:]\ne = grid[::2, ::2]"
    assert even_steps(code) == ["[::8]", "[::4]"]
