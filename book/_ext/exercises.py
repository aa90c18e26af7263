"""What the pages take from the exercises' modules: ``{solutions}``, and ``{exercise-table}`` for instructors."""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from carvana_lessons.exercises.chapters import CHAPTERS, chapter
from carvana_lessons.exercises.notebook import solutions


class _FromExercises(SphinxDirective):
    """Markdown made from the exercises of all chapters, parsed as the page's own."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        holder = nodes.Element()
        nested_parse_with_titles(self.state, StringList(self.lines(), source=self.env.docname), holder)
        return holder.children


class Solutions(_FromExercises):
    """All chapters, one section each."""

    def lines(self) -> list[str]:
        pieces = (piece for name in CHAPTERS for piece in solutions(chapter(name)))
        return [line for piece in pieces for line in [*piece.splitlines(), ""]]


class ExerciseTable(_FromExercises):
    """A row a chapter: its exercises with their minutes, and the sum."""

    def lines(self) -> list[str]:
        rows = ["| chapter | exercises (minutes) | together |", "| --- | --- | ---: |"]
        for name in CHAPTERS:
            found = chapter(name)
            each = ", ".join(f"{e.title} ({e.minutes})" for e in found.exercises.values())
            together = sum(e.minutes for e in found.exercises.values())
            rows.append(f"| [{found.title}]({name}.ipynb) | {each} | {together} min |")
        return rows


def setup(app: Sphinx) -> dict:
    app.add_directive("solutions", Solutions)
    app.add_directive("exercise-table", ExerciseTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
