"""How long each chapter takes, on its page and as a list: a reader to read it and to do the exercises, by a rule; the
computer to execute it, as measured in the run that made these pages. A chapter that failed says where.

myst-nb's ``{nb-exec-table}`` is not enough: it knows the times of notebooks that myst-nb itself executed.
"""

import html
import json
import re
from pathlib import Path

from contents import pages
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from carvana_lessons.exercises.minutes import Minutes, minutes


def record(srcdir: str) -> dict[str, dict]:
    """What ``book/build.py`` noted of the chapters that have a page; empty where nothing was executed."""
    path = Path(srcdir).parent / "executed.json"
    noted = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = pages(srcdir) if noted else ()
    return {name: run for name, run in noted.items() if Path(name).stem in kept}


# The notebook's own line, which the page completes.
_LINE = re.compile(r"<p><em>About \d+ minutes? to read[^<]*</em></p>\s*")


def needs(notebook: Path) -> Minutes:
    """What a reader needs for a chapter."""
    return minutes(json.loads(notebook.read_text(encoding="utf-8")))


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _setting(run: dict) -> str:
    return f"on this run's {run['device']}, scale {run['scale']}, {run['data']}"


class ChapterTimes(SphinxDirective):
    """``{chapter-times}``: a list of the executed chapters with their measured time, under what they share."""

    def run(self) -> list[nodes.Node]:
        groups: dict[str, nodes.bullet_list] = {}
        for name, run in sorted(record(self.env.srcdir).items()):
            computed = f"the computer works {duration(run['seconds'])}" if "seconds" in run else "it failed"
            text = f"{Path(name).stem}: {needs(Path(self.env.srcdir) / name)}; {computed}"
            item = nodes.list_item("", nodes.paragraph("", text))
            groups.setdefault(_setting(run), nodes.bullet_list()).append(item)
        self.env.note_dependency(str(Path(self.env.srcdir).parent / "executed.json"))
        if not groups:
            return [nodes.paragraph("", "Nothing was executed in this build.")]
        return [n for setting, items in groups.items() for n in (nodes.paragraph("", f"O{setting[1:]}:"), items)]


def _add_line(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    run = record(app.srcdir).get(f"{pagename}.ipynb")
    if run and "</h1>" in context.get("body", ""):
        read = str(needs(Path(app.srcdir) / f"{pagename}.ipynb")).capitalize()
        if "error" in run:
            line = (
                '<div class="admonition error"><p class="admonition-title">This chapter stopped</p>'
                f"<p>{html.escape(run['error'].rstrip('.'))}. What lies below it was not executed.</p></div>"
            )
        else:
            works = f"The computer works {duration(run['seconds'])} {_setting(run)}."
            line = f'<p class="measured-time">{read}. {works}</p>'
        context["body"] = _LINE.sub("", context["body"]).replace("</h1>", f"</h1>\n{line}", 1)


def setup(app: Sphinx) -> dict:
    app.add_directive("chapter-times", ChapterTimes)
    app.connect("html-page-context", _add_line)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
