"""The build executes what changed, and nothing else; real notebooks in real kernels."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sphinx.errors import ExtensionError

from carvana_lessons.exercises.chapters import chapter
from carvana_lessons.training.cached import WAITING
from carvana_lessons.utils import measure

ROOT = Path(__file__).resolve().parent.parent
RUN = {"device": "cpu", "scale": "quick", "data": "none"}


def notebook(code: str) -> str:
    cell = {"cell_type": "code", "id": "only", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def build(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book")  # as `python book/build.py` has it
    spec = importlib.util.spec_from_file_location("build", ROOT / "book" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, path in {
        "ROOT": tmp_path,
        "SOURCE": tmp_path / "book",
        "BUILD": tmp_path / "build",
        "COPY": tmp_path / "build" / "book",
        "RECORD": tmp_path / "build" / "executed.json",
    }.items():
        monkeypatch.setattr(module, name, path)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "a.ipynb").write_text(notebook("print(6 * 7)"), encoding="utf-8")
    (tmp_path / "book" / "b.ipynb").write_text(notebook("print('b')"), encoding="utf-8")
    (tmp_path / "book" / "page.md").write_text("# A page", encoding="utf-8")
    contents = "root: page\nchapters:\n  - file: a\n  - file: b\n"
    (tmp_path / "book" / "_toc.yml").write_text(contents, encoding="utf-8")
    return module


def run(build, setting="s"):
    """One build: names of the executed notebooks, and the errors of those that failed."""
    record = build.load_record()
    stale = build.copy_sources(record, setting)
    return [p.name for p in stale], build.execute(stale, record, RUN, None) if stale else {}


def printed(path: Path) -> str:
    return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["outputs"][0]["text"])


def test_only_what_changed_is_executed(build):
    source = build.SOURCE / "a.ipynb"
    before = source.read_text(encoding="utf-8")
    assert run(build) == (["a.ipynb", "b.ipynb"], {})
    assert printed(build.COPY / "a.ipynb") == "42\n"
    assert source.read_text(encoding="utf-8") == before  # the tracked notebook is never written to
    assert run(build) == ([], {})

    source.write_text(notebook("print('new')"), encoding="utf-8")
    assert run(build) == (["a.ipynb"], {})
    assert printed(build.COPY / "a.ipynb") == "new\n" and printed(build.COPY / "b.ipynb") == "b\n"

    changed = build.copy_sources(build.load_record(), "the package changed")
    assert list(changed) == [build.COPY / "a.ipynb", build.COPY / "b.ipynb"]


def test_a_chapter_that_the_table_of_contents_leaves_out_is_not_executed_and_may_come_back(build):
    contents = build.SOURCE / "_toc.yml"
    whole = contents.read_text(encoding="utf-8")
    contents.write_text(whole.replace("  - file: b\n", "  # - file: b\n"), encoding="utf-8")
    assert run(build) == (["a.ipynb"], {})
    assert (build.COPY / "b.ipynb").read_bytes() == (build.SOURCE / "b.ipynb").read_bytes()  # links to it are known
    assert build.downloads.notebooks(build.SOURCE) == [build.SOURCE / "a.ipynb"]
    assert build.left_out(build.SOURCE) == ["b"]

    contents.write_text(whole, encoding="utf-8")
    assert run(build) == (["b.ipynb"], {}) and printed(build.COPY / "b.ipynb") == "b\n"
    contents.write_text(whole.replace("  - file: b\n", ""), encoding="utf-8")
    assert run(build) == ([], {})
    contents.write_text(whole, encoding="utf-8")
    assert run(build) == ([], {}) and printed(build.COPY / "b.ipynb") == "b\n"  # not a copy that was not executed


def test_a_chapter_with_photos_of_its_own_is_recorded_with_them(build):
    line = (
        "a · device cpu, float32 · scale quick (8×8 px, 1 epochs) · data: drawn photos, 20 groups, 80 photos · seed 0"
    )
    (build.SOURCE / "a.ipynb").write_text(notebook(f"print({line!r})"), encoding="utf-8")
    run(build)
    record = build.load_record()
    assert [record[name]["data"] for name in ("a.ipynb", "b.ipynb")] == ["drawn photos, 20 groups, 80 photos", "none"]


def test_a_chapter_that_is_edited_while_its_copy_runs_runs_again(build):
    stale = build.copy_sources({}, "s")
    (build.SOURCE / "a.ipynb").write_text(notebook("print('edited')"), encoding="utf-8")
    assert build.execute(stale, record := {}, RUN, None) == {} and set(record) == {"a.ipynb", "b.ipynb"}
    assert run(build) == (["a.ipynb"], {})
    assert printed(build.COPY / "a.ipynb") == "edited\n"


def test_a_failed_chapter_is_told_and_the_others_are_executed(build):
    (build.SOURCE / "a.ipynb").write_text(notebook("# a check\nassert 1 == 2"), encoding="utf-8")
    assert run(build) == (["a.ipynb", "b.ipynb"], {"a.ipynb": "AssertionError in the first section: assert 1 == 2"})
    record = build.load_record()
    assert record["b.ipynb"]["seconds"] >= 0 and "key" not in record["a.ipynb"]
    assert printed(build.COPY / "b.ipynb") == "b\n"
    assert run(build)[0] == ["a.ipynb"]

    (build.SOURCE / "a.ipynb").write_text(notebook("import os\nos._exit(3)"), encoding="utf-8")
    [(name, error)] = run(build)[1].items()  # the kernel is gone, and nothing was written
    assert name == "a.ipynb" and "Kernel died" in error

    (build.SOURCE / "a.ipynb").write_text(notebook("print('mended')"), encoding="utf-8")
    assert run(build) == (["a.ipynb"], {}) and "error" not in build.load_record()["a.ipynb"]


def test_a_failed_chapter_ends_the_command_with_1_and_with_pages_unless_strict(build, monkeypatch, capsys, make_folder):
    made = []
    monkeypatch.setattr(build, "build_pages", lambda: made.append(1) or 0)
    monkeypatch.setenv("CARVANA_DATA", str(make_folder()))
    monkeypatch.setenv("CARVANA_DEVICE", "cpu")
    (build.ROOT / "carvana_lessons").mkdir()
    (build.SOURCE / "a.ipynb").write_text(notebook("raise ValueError('no such car')"), encoding="utf-8")
    for options, pages in (([], 1), (["--strict"], 0)):
        made.clear()
        monkeypatch.setattr(sys, "argv", ["build.py", *options])
        assert build.main() == 1 and len(made) == pages
        assert "a.ipynb failed: ValueError in the first section: no such car" in capsys.readouterr().err


def test_chapters_run_side_by_side_with_as_many_threads_as_cores_in_all(build, monkeypatch):
    monkeypatch.setattr(build.psutil, "virtual_memory", lambda: SimpleNamespace(available=20 * 2**30))
    for cores, chapters, expected in ((1, 12, (1, 1)), (2, 12, (2, 1)), (2, 1, (1, 2)), (16, 12, (4, 4))):
        monkeypatch.setattr(measure, "cores", lambda cores=cores: cores)
        assert build.side_by_side("cpu", chapters) == expected
    assert build.side_by_side("cuda", 12) == (1, 0)
    monkeypatch.setattr(build.psutil, "virtual_memory", lambda: SimpleNamespace(available=2 * 2**30))
    assert build.side_by_side("cpu", 12) == (1, 16)  # little memory: one after the other


def test_the_longest_chapters_begin_first(build, monkeypatch):
    """By the seconds that are known, and without any by name: the last to end should be short."""
    assert {path.stem for path in (ROOT / "book").glob("*.ipynb")} > build.LONG
    orders = []

    def note(command, **settings):
        orders.append([Path(name).stem for name in command if name.endswith(".ipynb")])
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(build.subprocess, "run", note)
    monkeypatch.setattr(build, "LONG", {"b"})
    for record in ({}, {"a.ipynb": {"seconds": 9}, "b.ipynb": {"seconds": 2}}):
        build.execute(build.copy_sources({}, "s"), record, RUN, None)
    assert orders == [["b", "a"], ["a", "b"]]


def page_of(monkeypatch, folder, entry, cells):
    """What the build puts under the title of a chapter's page."""
    pytest.importorskip("sphinx", reason="needs what builds the pages: pip install -e .[book]")
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import chapter_times

    (folder / "book").mkdir(exist_ok=True)
    (folder / "executed.json").write_text(json.dumps({"a.ipynb": RUN | entry}), encoding="utf-8")
    (folder / "book" / "a.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (folder / "book" / "_toc.yml").write_text("root: a\n", encoding="utf-8")
    context = {"body": "<h1>A</h1>\n<p><em>About 7 minutes to read, 1 for the exercises.</em></p>\n<p>Text.</p>"}
    chapter_times._add_line(SimpleNamespace(srcdir=str(folder / "book")), "a", "page.html", context, None)
    return context["body"]


def test_a_page_says_what_a_reader_needs_and_where_its_chapter_stopped(monkeypatch, tmp_path):
    text = "word " * 600 + "\n\n**1 · Count (10 minutes).** Do it.\n\n**2 · Again (15 minutes).** And (30 minutes) no."
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": text},
        {"cell_type": "code", "metadata": {}, "source": "x = 1\n" * 60},
        {"cell_type": "code", "metadata": {"tags": ["hide-input"]}, "source": "y = 1\n" * 6000},
    ]
    body = page_of(monkeypatch, tmp_path, {"seconds": 31.2, "key": "k"}, cells)
    assert "About 8 minutes to read, 25 for the exercises. The computer works 31 s" in body
    assert body.count("minutes to read") == 1 and body.endswith("</p>\n<p>Text.</p>")  # the notebook's line is gone
    body = page_of(monkeypatch, tmp_path, {"error": "ValueError in the section “Two”: 1 < 2"}, cells)
    assert "This chapter stopped" in body and "1 &lt; 2" in body and "works" not in body


def test_pages_follow_their_sources(build):
    build.copy_sources({}, "s")
    (build.SOURCE / "page.md").unlink()
    (build.SOURCE / "other.md").write_text("# Another", encoding="utf-8")
    build.copy_sources({}, "s")
    assert sorted(p.name for p in build.COPY.glob("*.md")) == ["other.md"]


def test_what_tools_leave_behind_is_no_source(build):
    build.copy_sources({}, "s")
    before = build.digest_of_tree(build.COPY)
    for name in (".ruff_cache/x", "_ext/__pycache__/y.pyc", ".ipynb_checkpoints/a-checkpoint.ipynb"):
        (build.SOURCE / name).parent.mkdir(parents=True)
        (build.SOURCE / name).write_text("", encoding="utf-8")
    build.copy_sources({}, "s")
    assert build.digest_of_tree(build.COPY) == before
    left = sorted(p.name for p in build.COPY.rglob("*") if p.is_file())
    assert left == ["_toc.yml", "a.ipynb", "b.ipynb", "page.md"]


def test_the_package_is_part_of_what_a_page_is_made_from(build, tmp_path):
    (tmp_path / "carvana_lessons").mkdir()
    module = tmp_path / "carvana_lessons" / "m.py"
    module.write_text("a = 1", encoding="utf-8")
    first = build.package_digest()
    module.write_text("a = 2", encoding="utf-8")
    second = build.package_digest()
    module.rename(module.with_name("n.py"))
    assert len({first, second, build.package_digest()}) == 3


def test_tables_of_long_runs_count_for_whoever_reads_them(build):
    (build.SOURCE / "results" / "six").mkdir(parents=True)
    table = build.SOURCE / "results" / "six" / "runs.csv"
    keys = []
    for text in ("dice\n0.5\n", "dice\n0.6\n"):
        table.write_text(text, encoding="utf-8")
        notebooks = [notebook("comparison.load_results('six')"), notebook("6 * 7")]
        for k, content in enumerate(notebooks):
            (build.SOURCE / f"{k}.ipynb").write_text(content, encoding="utf-8")
        keys.append([build.key(build.SOURCE / f"{k}.ipynb", "setting") for k in (0, 1)])
    assert keys[0][0] != keys[1][0] and keys[0][1] == keys[1][1]


def test_what_a_progress_bar_leaves_is_no_gap_in_the_page(build, tmp_path):
    def html(text):
        return {"output_type": "display_data", "data": {"text/html": text, "text/plain": "x"}, "metadata": {}}

    printed = {"output_type": "stream", "name": "stdout", "text": ["a"]}
    waited = {"output_type": "stream", "name": "stdout", "text": [f"{WAITING}\n"]}  # for the chapter beside it
    outputs = [html([]), html(""), waited, html(["<p>kept</p>"]), printed]
    cells = [
        {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "outputs": outputs},
        {"cell_type": "markdown", "id": "b", "metadata": {}},
        {"cell_type": "code", "id": "c", "metadata": {"tags": ["remove-cell"]}, "outputs": [html("<p>a live one</p>")]},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"widgets": {"state": 1}, "kernelspec": {}}}), encoding="utf-8"
    )
    build.drop_empty_outputs(path)
    left = json.loads(path.read_text(encoding="utf-8"))
    assert left["cells"][0]["outputs"] == outputs[3:] and left["cells"][1] == cells[1]
    # A widget brings scripts of a foreign server into the page, even of a cell that the page does not show.
    assert left["cells"][2]["outputs"] == [] and left["metadata"] == {"kernelspec": {}}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CARVANA_DEVICE", "gpu", "set it to cpu, cuda, mps"),
        ("CARVANA_SCALE", "huge", "set it to quick, colab, paper"),
        ("CARVANA_DATA", "nowhere", "nowhere"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_sentence(make_folder, name, value, words):
    settings = {"CARVANA_DATA": str(make_folder()), name: value, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, str(ROOT / "book" / "build.py")]
    answer = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert answer.returncode == 1 and answer.stdout == ""
    assert answer.stderr.startswith("book: ") and words in answer.stderr and len(answer.stderr.splitlines()) == 1


def test_the_bar_of_a_folded_cell_has_its_title(monkeypatch):
    pytest.importorskip("sphinx", reason="needs what builds the pages: pip install -e .[book]")
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import folded_cells

    bar = (
        '<summary aria-label="Toggle hidden content">\n'
        '<p class="collapsed admonition-title">Show code cell source</p>\n'
        '<p class="expanded admonition-title">Hide code cell source</p>\n</summary>\n'
        '<div class="cell_input docutils container">\n<div class="highlight-ipython3 notranslate">'
        '<div class="highlight"><pre><span></span>'
    )
    page = folded_cells.with_titles(f'{bar}<span class="c1"># @title Draw two &lt; curves</span>\n<span>x</span>')
    assert "Code: Draw two &lt; curves</p></summary>" in page and "@title" not in page and "<span>x</span>" in page
    untitled = f"{bar}<span>x</span>"
    assert folded_cells.with_titles(untitled) == untitled


def test_the_plan_of_two_sessions_counts_as_the_pages_do_and_fits(monkeypatch, tmp_path):
    """Computed here from the notebooks' words, not by the function that counts them for the page."""
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import exercises

    text = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    lines = re.search(r"```{session-plan}\n(.+?)\n```", text, re.DOTALL)[1].splitlines()
    assert [line.partition(":")[0] for line in lines] == ["01-the-task", "02-u-net"]
    book = tmp_path / "book"
    book.mkdir()
    shutil.copy(ROOT / "book" / "_toc.yml", book)
    for line in lines:
        name = f"{line.partition(':')[0]}.ipynb"
        shutil.copy(ROOT / "book" / name, book / name)
    seconds = {"01-the-task.ipynb": {"seconds": 12.0}, "02-u-net.ipynb": {"seconds": 180.0}}
    (tmp_path / "executed.json").write_text(json.dumps(seconds), encoding="utf-8")
    rows = exercises.session_plan(lines, str(book))[2:]
    for line, row in zip(lines, rows, strict=True):
        name, _, wanted = line.partition(":")
        found = chapter(name)
        tasks = [e.minutes for k, e in enumerate(found.exercises.values(), 1) if k in map(int, wanted.split(","))]
        words = code = 0
        for cell in json.loads((book / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            folded = {"hide-input", "remove-cell"} & set(cell["metadata"].get("tags", []))
            read = re.sub(r"^\*About \d+ min.*\*$", "", source, flags=re.MULTILINE)  # the line that says the result
            words += len(read.split()) if cell["cell_type"] == "markdown" else 0
            code += len(source.splitlines()) if cell["cell_type"] == "code" and not folded else 0
        reading = 1.5 * round(words / 150 + code * 4 / 60)
        computing = seconds[f"{name}.ipynb"]["seconds"] / 60
        together = reading + sum(tasks) + computing
        assert together <= 90
        told = [cell.strip() for cell in row.strip("|").split("|")][2:]
        assert told[0] == f"{reading:.0f} min" and told[1].endswith(f": {sum(tasks)} min")
        assert told[2:] == [f"{computing:.1f} min", f"{together:.0f} of 90 min"]
    (tmp_path / "executed.json").write_text('{"02-u-net.ipynb": {"seconds": 1800}}', encoding="utf-8")
    with pytest.raises(ExtensionError, match=r"Session 2, 2 · A U-Net in an afternoon, takes \d+ minutes of 90"):
        exercises.session_plan(lines, str(book))
