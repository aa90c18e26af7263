"""Bars that leave nothing behind; the notebook's in a real kernel."""

import subprocess
import sys
import textwrap

import nbformat
from nbclient import NotebookClient

from carvana_lessons.utils.progress import bar, count_runs, in_notebook, which_run

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


def test_a_training_says_which_of_how_many_it_is():
    assert [which_run() for _ in count_runs("ab") for _ in count_runs(range(3))] == [
        f"run {k} of 6, " for k in range(1, 7)
    ]
    assert [which_run() for _ in count_runs(["only"])] == [""] and which_run() == ""
    for _ in count_runs(range(3)):
        break
    assert which_run() == ""


def test_its_bar_shows_it_and_a_loop_that_failed_counts_no_more():
    """In a kernel: the traceback of a failed cell keeps its loop alive."""
    first = """
        import re, torch
        from carvana_lessons.training import Trainer, count_runs
        from carvana_lessons.utils import progress
        seen = []
        def display(bar, msg=None, pos=None):
            seen.append(re.match(r"(run . of ., )?(training|epoch \\d/\\d)|$", str(bar))[0])
        progress._NotebookBar.display = display
        def train(epochs):
            pairs = [(torch.zeros(3, 16, 16), torch.ones(1, 16, 16))] * 2
            batches = torch.utils.data.DataLoader(pairs, 2)
            Trainer(torch.nn.Conv2d(3, 1, 1)).fit(batches, epochs=epochs)
        for k in count_runs(range(3)):
            train(2)
            assert k < 1, "stopped in the second"
    """
    second = "print(seen); seen.clear(); train(1); print(seen)"
    cells = [nbformat.v4.new_code_cell(textwrap.dedent(first)), nbformat.v4.new_code_cell(second)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    assert notebook.cells[0].outputs[-1]["evalue"] == "stopped in the second"
    inside, after = "".join(output.get("text", "") for output in notebook.cells[1].outputs).splitlines()
    assert "'run 1 of 3, training'" in inside and "'run 2 of 3, epoch 2/2'" in inside
    assert "'epoch 1/1'" in after and "run" not in after
