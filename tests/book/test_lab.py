"""A chapter in JupyterLab, as a student runs it: a real server, a real kernel, a real browser."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from built import BOOK
from playwright.sync_api import Browser, Page, expect

TOKEN = "lessons"
CHAPTER = "01-the-task"  # the quickest one that has a slider
# JupyterLab draws only the cells in view; with this, all of them.
ALL_CELLS = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
# What the menu's "Run All Cells" does, once the kernel listens: before, it does nothing and says nothing.
RUN_ALL = """async () => {
    await jupyterapp.restored;
    const panel = jupyterapp.shell.currentWidget;
    await panel.revealed;
    await panel.sessionContext.ready;
    jupyterapp.commands.execute('notebook:run-all-cells');
}"""
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[tuple[str, Path]]:
    """The address of a lab server and the folder with the copy of a chapter that it shows."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copy(BOOK / f"{CHAPTER}.ipynb", root)
    (root / "app").mkdir()
    shutil.copytree(Path(sys.prefix) / "share" / "jupyter" / "lab", root / "app", dirs_exist_ok=True)
    (root / "app" / "settings").mkdir(exist_ok=True)
    (root / "app" / "settings" / "overrides.json").write_text(json.dumps(ALL_CELLS | QUIET), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [
        f"--IdentityProvider.token={TOKEN}",
        f"--app-dir={root / 'app'}",
        "--allow-root",
        "--expose-app-in-browser",
    ]
    own = {"JUPYTER_CONFIG_DIR": str(root / "config"), "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(root / "user"), "CARVANA_SCALE": "quick"}
    with (root / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=root, env=os.environ | own, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api?token={TOKEN}", server, root / "server.log")
        yield address, root
    finally:
        server.terminate()  # shuts its kernels down
        server.wait(30)


def _wait_for(url: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def opened(lab: tuple[str, Path], browser: Browser, name: str) -> Page:
    """A notebook in JupyterLab, all of its cells begun."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{lab[0]}/lab/tree/{name}.ipynb?reset&token={TOKEN}")
    page.locator(".jp-NotebookPanel .jp-CodeCell").first.wait_for(timeout=60_000)
    page.evaluate(RUN_ALL)
    return page


def written(lab: tuple[str, Path], name: str, *codes: str) -> str:
    """A notebook of such cells in the lab's folder; its name."""
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), lab[1] / f"{name}.ipynb")
    return name


def saved(lab: tuple[str, Path], page: Page, name: str) -> list[dict]:
    """The outputs of a notebook, after it was saved."""
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    cells = json.loads((lab[1] / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


def test_arrow_keys_choose_in_a_quiz_and_leave_the_cell_where_it_is(lab, browser: Browser):
    name = written(lab, "quiz", "from carvana_lessons import exercises", "exercises.ex02.quiz", "1")
    page = opened(lab, browser, name)
    choices = page.locator(".quiz fieldset").first.locator("input")
    choices.first.check(timeout=300_000)
    cell = "jupyterapp.shell.currentWidget.content.activeCellIndex"
    before = page.evaluate(cell)
    page.keyboard.press("ArrowDown")
    expect(choices.nth(1)).to_be_checked()
    assert page.evaluate(cell) == before == 1
    page.close()


def test_a_chapter_runs_to_its_end_and_its_slider_changes_the_picture(lab, browser: Browser):
    page = opened(lab, browser, CHAPTER)
    notebook = json.loads((lab[1] / f"{CHAPTER}.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    # A folded cell has no input area, and its number stands nowhere.
    folded = ["source_hidden" in cell["metadata"].get("jupyter", {}) for cell in code]
    numbers = [f"[{k}]:" for k, hidden in enumerate(folded, start=1) if not hidden]
    assert len(folded) - len(numbers) > 3
    expect(page.locator(".jp-CodeCell .jp-InputArea-prompt")).to_have_text(numbers, timeout=1_200_000)
    outputs = saved(lab, page, CHAPTER)
    assert outputs and [output for output in outputs if output["output_type"] == "error"] == []

    widget = page.locator(".jp-OutputArea-output .widget-vbox").first
    picture = widget.locator("img")
    before = picture.get_attribute("src"), picture.get_attribute("alt")
    slider = widget.get_by_role("slider").first
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(picture).not_to_have_attribute("alt", before[1])
    assert picture.get_attribute("src") != before[0]
    page.close()


TRAINING = """
from carvana_lessons import course, data, models
from carvana_lessons.training import Trainer

lesson = course.start("02-u-net")
few = data.sample_evenly(lesson.photos, 160)
trainer = Trainer(models.create("unet-tiny", width=4), lr=lesson.lr)
trainer.fit(data.loader(few, 64, shuffle=True), data.loader(few, 64), epochs=12)
"""


def test_a_training_shows_its_epochs_and_then_its_curves(lab, browser: Browser):
    page = opened(lab, browser, written(lab, "training", TRAINING, "2 + 3"))
    shown = page.locator(".jp-OutputArea-output")
    bar = shown.filter(has_text=re.compile(r"epoch \d+/12"))
    expect(bar).to_have_count(1, timeout=600_000)
    expect(shown.last).to_have_text("5", timeout=600_000)
    expect(shown.locator("img")).to_have_attribute("alt", re.compile("^Training loss over 12 epochs"))
    expect(bar).to_have_count(0)
    assert [output for output in saved(lab, page, "training") if output["output_type"] == "error"] == []
    page.close()
