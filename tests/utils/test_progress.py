"""Bars that leave nothing behind; the notebook's in a real kernel."""

import subprocess
import sys

import nbformat
from nbclient import NotebookClient

from carvana_lessons.utils.progress import bar, in_notebook

CELL = """
import time
from carvana_lessons.utils.progress import Live, bar, in_notebook
assert in_notebook()
live = Live(seconds=0)
for k in bar(range(3), desc="<counting>", unit="photo"):
    time.sleep(0.5)
    live.update(lambda: f"<b>{k}</b>")
SECOND
"""


def outputs(code: str) -> list[dict]:
    """What a cell with that code leaves."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook.cells[0].outputs


def test_a_notebooks_bar_is_drawn_and_then_gone():
    running = outputs(
        CELL.replace("SECOND", "counting = bar(total=9, desc='<half>'); counting.update(4); counting.refresh();")
    )
    shown = [o["data"]["text/html"] for o in running]
    assert "" in shown  # the first bar, closed
    assert any("&lt;half&gt;" in s and "4/9" in s for s in shown)  # the second, still open, and escaped
    assert "<b>2</b>" in shown
    after = outputs(CELL.replace("SECOND", "live.clear()"))
    assert {o["output_type"] for o in after} == {"display_data"}  # neither stderr nor a widget
    assert {o["data"]["text/html"] for o in after} == {""}


def test_loss_and_scores_behind_a_bar_are_there_to_their_last_digit():
    code = (
        "from carvana_lessons.utils.progress import bar\n"
        "training = bar(total=1234, desc='training', unit='batch'); training.update(567)\n"
        "training.set_postfix(loss='0.1234', valid_loss='0.2345', valid_dice='0.9876'); training.refresh();"
    )
    (shown,) = (output["data"]["text/html"] for output in outputs(code))
    assert all(text in shown for text in ("loss=0.1234", "valid_dice=0.9876", "valid_loss=0.2345]"))


def test_a_log_is_not_flooded():
    code = "from carvana_lessons.utils.progress import bar\nimport time\nfor _ in bar(range(500)): time.sleep(0.001)"
    log = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stderr
    assert len(log) < 1000


def test_outside_a_notebook_it_is_a_plain_bar():
    assert not in_notebook()
    assert list(bar(range(3))) == [0, 1, 2]
    with bar(total=2, disable=True) as silent:
        silent.update()
