"""What the pages take from the exercises' modules: ``{solutions}``, and for instructors ``{exercise-table}`` and
``{session-plan}``.

sphinx-exercise is not enough: its exercises are MyST directives, which JupyterLab and Colab show as they are typed.
"""

from pathlib import Path

from chapter_times import needs, record
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from carvana_lessons.exercises.chapters import CHAPTERS, chapter
from carvana_lessons.exercises.notebook import solutions

SESSION = 90  # minutes
WITH_QUESTIONS = 1.5  # times the reading: half as much again, as the page says


class _FromExercises(SphinxDirective):
    """Markdown made from the exercises of all chapters, parsed as the page's own."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def chapters(self) -> list[str]:
        """Those that have a page."""
        return [name for name in CHAPTERS if name in self.env.found_docs]

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


class Solutions(_FromExercises):
    """All chapters, one section each."""

    def lines(self) -> list[str]:
        pieces = (piece for name in self.chapters() for piece in solutions(chapter(name)))
        return [line for piece in pieces for line in [*piece.splitlines(), ""]]


class ExerciseTable(_FromExercises):
    """A row a chapter: its exercises with their minutes, and the sum."""

    def lines(self) -> list[str]:
        rows = ["| chapter | exercises (minutes) | together |", "| --- | --- | ---: |"]
        for name in self.chapters():
            found = chapter(name)
            each = ", ".join(f"{e.title} ({e.minutes})" for e in found.exercises.values())
            together = sum(e.minutes for e in found.exercises.values())
            rows.append(f"| [{found.title}]({name}.ipynb) | {each} | {together} min |")
        return rows


def session_plan(lines: list[str], srcdir: str) -> list[str]:
    """A table of sessions, a line each: "01-the-task: 1, 2, 3" is that chapter with these of its exercises.

    The minutes are those of the pages: reading by the rule of `chapter_times`, exercises as each states, computing as
    the last run measured it.

    Args:
        lines: the sessions.
        srcdir: the folder of the chapters.

    Returns:
        Markdown, a line each.

    Raises:
        ExtensionError: for a session that does not fit.
    """
    rows = ["| | chapter | reading, with questions | exercises | computing | together |", "|" + " --- |" * 6]
    for number, line in enumerate(lines, start=1):
        name, _, wanted = line.partition(":")
        found = chapter(name.strip())
        every = list(found.exercises.values())
        chosen = [every[int(k) - 1] for k in wanted.split(",")]
        reading = needs(Path(srcdir) / f"{found.name}.ipynb").reading * WITH_QUESTIONS
        tasks = sum(exercise.minutes for exercise in chosen)
        computing = record(srcdir).get(f"{found.name}.ipynb", {}).get("seconds", 0) / 60
        together = reading + tasks + computing
        if together > SESSION:
            raise ExtensionError(
                f"Session {number}, {found.title}, takes {together:.0f} minutes of {SESSION}: shorten it."
            )
        named = ", ".join(f"{exercise.title} ({exercise.minutes})" for exercise in chosen)
        rows.append(
            f"| {number} | [{found.title}]({found.name}.ipynb) | {reading:.0f} min | {named}: {tasks} min "
            f"| {computing:.1f} min | {together:.0f} of {SESSION} min |"
        )
    return rows


class SessionPlan(_FromExercises):
    """Sessions of `SESSION` minutes, each a chapter with some of its exercises."""

    has_content = True

    def lines(self) -> list[str]:
        self.env.note_dependency(str(Path(self.env.srcdir).parent / "executed.json"))
        return session_plan([line for line in self.content if line.strip()], self.env.srcdir)


def setup(app: Sphinx) -> dict:
    app.add_directive("solutions", Solutions)
    app.add_directive("exercise-table", ExerciseTable)
    app.add_directive("session-plan", SessionPlan)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
