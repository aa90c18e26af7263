"""From the exercises of a chapter to the cells of its notebook, and to the copies for students and instructors."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from carvana_lessons.exercises.case import Case
from carvana_lessons.exercises.chapters import CHAPTERS, FIRST, LAST, PAGES, Chapter, chapter
from carvana_lessons.exercises.handout import INSTALL, how_to_begin, install_from, mend_links
from carvana_lessons.exercises.minutes import with_minutes
from carvana_lessons.exercises.student_package import build_student_package, exam_paper
from carvana_lessons.utils.errors import CarvanaError, DataError, ExistsError
from carvana_lessons.utils.files import new_file, replacing
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.paths import expand

HELP = (
    "A line each helps: `{path}.{name}.hint()` gives one hint after the other, `.solution()` shows code and "
    "explanation."
)
HOW = f"Replace the `...`, run the cell, then the check below it. {HELP}"
HOW_CASES = (
    "Look at what was seen and name the fault. Then mend the code, run its cell and the check below it; the check has "
    f"data of its own. {HELP}"
)


def cells(found: Chapter) -> list[dict]:
    """The cells of a chapter's exercises and quiz, as a notebook stores them, without outputs.

    Args:
        found: the chapter.

    Returns:
        cells in the notebook's own format.
    """
    made = []
    for number, (name, exercise) in enumerate(found.exercises.items(), start=1):
        cell, path = f"exercise-{number}", f"{found.path}.{name}"
        unit = "minute" if exercise.minutes == 1 else "minutes"
        head = f"{number} · {exercise.title} ({exercise.minutes} {unit})"
        check = f"{path}.check({', '.join(exercise.names)})"
        if isinstance(exercise, Case):
            how, head = HOW_CASES, f"### {head}\n\n{exercise.complaint}"
            between = [
                _folded(f"{cell}-symptoms", exercise.symptoms.strip()),
                _code(f"{cell}-diagnosis", f"{path}.diagnosis"),
                _markdown(f"{cell}-task", exercise.task.strip()),
            ]
        else:
            how, head, between = HOW, f"**{head}.** {exercise.task.strip()}", []
            if number == 1:
                check = f"from carvana_lessons import exercises\n\n{check}"
        if number == 1:
            head = f"{FIRST}\n\n{how.format(path=found.path, name=name)}\n\n{head}"
        stub = _code(f"{cell}-stub", exercise.stub.strip())
        made += [_markdown(cell, head), *between, stub, _code(f"{cell}-check", check)]
    made.append(_markdown("quiz", "## Quiz"))
    made.append(_code("quiz-questions", f"{found.path}.quiz"))
    return made


def refresh(notebook: dict, found: Chapter) -> dict:
    """A notebook whose cells from "## Exercises" to "## Summary" are those of `cells`.

    Args:
        notebook: as read from its file.
        found: the chapter.

    Returns:
        another notebook; the one given stays as it is.

    Raises:
        CarvanaError: if it has no cell that begins with one of the two headings.
    """
    starts = {}
    for heading in (FIRST, LAST):
        places = [k for k, cell in enumerate(notebook["cells"]) if "".join(cell["source"]).startswith(heading)]
        if len(places) != 1:
            raise CarvanaError(f"{found.name} has {len(places)} cells that begin with {heading!r}; it needs one.")
        starts[heading] = places[0]
    if starts[LAST] < starts[FIRST]:
        raise CarvanaError(f"In {found.name} {LAST!r} stands before {FIRST!r}; exchange the two.")
    before, after = notebook["cells"][: starts[FIRST]], notebook["cells"][starts[LAST] :]
    return notebook | {"cells": before + cells(found) + after}


def refresh_folder(book: Path) -> list[str]:
    """Update the exercises of all chapters of a folder, and the minutes under the title of every notebook.

    Args:
        book: the folder of the chapters.

    Returns:
        the names of the chapters that changed.

    Raises:
        CarvanaError: if there is no chapter, or as `refresh`.
    """
    changed = []
    pages = [path for path in sorted(Path(book).glob("*.ipynb")) if path.stem in PAGES]
    for file in [*_chapters(book), *pages]:
        notebook = _read(file)
        wanted = with_minutes(refresh(notebook, chapter(file.stem)) if file.stem in CHAPTERS else notebook)
        if wanted != notebook:
            write(file, wanted)
            changed.append(file.stem)
    return changed


def solved(notebook: dict, found: Chapter) -> dict:
    """A notebook in which every stub is replaced by its solution, followed by the explanation.

    Args:
        notebook: as read from its file.
        found: the chapter.

    Returns:
        another notebook; the one given stays as it is.
    """
    answers = {f"exercise-{k}-stub": exercise for k, exercise in enumerate(found.exercises.values(), start=1)}
    made = []
    for cell in notebook["cells"]:
        exercise = answers.get(cell.get("id"))
        if exercise is None:
            made.append(cell)
        else:
            made.append(_code(cell["id"], exercise.answer.strip()))
            made.append(_markdown(f"{cell['id'].removesuffix('-stub')}-explanation", exercise.explanation.strip()))
    return notebook | {"cells": made}


def export(
    book: Path, out: Path, solutions: bool = False, without_solutions: bool = False, pages: str | None = None
) -> Path:
    """Write copies of all notebooks for a class into a new folder, and beside it a zip file of that folder.

    Links to pages that are no notebooks lead to the published book, or become text. For students a page is added that
    says how to install the course and how to begin.

    Args:
        book: the folder of the chapters.
        out: a new folder.
        solutions: with every stub solved and explained, and with an exam.
        without_solutions: with a package in which there are no solutions, and chapters that install it.
        pages: address of the published book.

    Returns:
        the zip file.

    Raises:
        ExistsError: if the folder or the zip file is there already.
        CarvanaError: if there is no chapter in ``book``, or if another process is writing ``out``; without solutions
            also as `build_student_package`.
    """
    files, out = _chapters(book), expand(out)
    with owned(out):
        archive = check_new(out)
        with building(out) as folder:
            wheel = build_student_package(Path(book).resolve().parent, folder).name if without_solutions else None
            made = {}
            for file in files:
                found = chapter(file.stem)
                notebook = refresh(_read(file), found)  # removes what an author tried in the stubs
                made[file.name] = solved(notebook, found) if solutions else notebook
            for name in PAGES:
                made[f"{name}.ipynb"] = _read(Path(book) / f"{name}.ipynb")
            for name, notebook in made.items():
                notebook = mend_links(notebook, made, pages)
                write(folder / name, install_from(notebook, wheel) if wheel else notebook)
            if solutions:
                paper = exam_paper()
                paper.put_exam(folder, paper.any_seed())
            else:
                text = how_to_begin(made[files[0].name], wheel)
                (folder / INSTALL).write_text(text, encoding="utf-8", newline="\n")
            with replacing(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as box:
                for file in sorted(folder.iterdir()):
                    box.write(file, f"{out.name}/{file.name}")
    return archive


def check_new(out: Path) -> Path:
    """Check that neither a folder of that name exists nor its zip file, which may hold a class's work.

    Args:
        out: the folder that is to be made.

    Returns:
        the zip file that `export` will write.

    Raises:
        ExistsError: if one of them is there.
    """
    if os.path.lexists(out):
        raise ExistsError(f"{out} exists already; choose another folder, or remove that one first.")
    return new_file(out.with_name(f"{out.name}.zip"))


def _chapters(book: Path) -> list[Path]:
    files = [path for path in sorted(Path(book).glob("*.ipynb")) if path.stem in CHAPTERS]
    if not files:
        raise CarvanaError(f"There are no chapters in {book}; name the course's folder `book`.")
    return files


def _read(path: Path) -> dict:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged, or no notebook ({error}): fetch it from the repository again.") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise DataError(f"{path} is no notebook, it has no cells: fetch it from the repository again.")
    for number, cell in enumerate(notebook["cells"], start=1):
        if not (isinstance(cell, dict) and _is_text(cell.get("source"))):
            raise DataError(f"{path} is damaged, its cell {number} has no text: fetch it from the repository again.")
    return notebook


def _is_text(source: object) -> bool:
    """A text, or its lines, as a notebook may store it."""
    return isinstance(source, str) or (isinstance(source, list) and all(isinstance(line, str) for line in source))


def write(path: Path, notebook: dict) -> None:
    """Write a notebook atomically, in the format of the repository.

    Args:
        path: the file.
        notebook: what it is to hold.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")


def solutions(found: Chapter) -> Iterator[str]:
    """The solutions of a chapter as Markdown, piece by piece.

    Args:
        found: the chapter.

    Yields:
        a piece of Markdown.
    """
    yield f"## {found.title}"
    for number, exercise in enumerate(found.exercises.values(), start=1):
        yield f"### {number} · {exercise.title}"
        yield exercise.task.strip()
        yield exercise.solution().markdown


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _markdown(name: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": _lines(text)}


def _folded(name: str, text: str) -> dict:
    """Folded in JupyterLab, Colab and the page."""
    folded = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
    return _code(name, text) | {"metadata": folded}


def _code(name: str, text: str) -> dict:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": _lines(text),
    }
