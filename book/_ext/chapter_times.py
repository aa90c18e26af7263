"""How long each chapter took in the run that made these pages, on its page and as a table.

myst-nb's ``{nb-exec-table}`` is not enough: it knows the times of notebooks that myst-nb itself executed.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def record(srcdir: str) -> dict[str, dict]:
    """What ``book/build.py`` noted beside its copy of the chapters; empty where nothing was executed."""
    path = Path(srcdir).parent / "executed.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _setting(run: dict) -> str:
    return f"on this run's {run['device']}, scale {run['scale']}, {run['data']}"


class ChapterTimes(SphinxDirective):
    """``{chapter-times}``: a list of the executed chapters with their measured time, under what they share."""

    def run(self) -> list[nodes.Node]:
        groups: dict[str, nodes.bullet_list] = {}
        for name, run in sorted(record(self.env.srcdir).items()):
            text = f"{Path(name).stem}: {duration(run['seconds'])}"
            item = nodes.list_item("", nodes.paragraph("", text))
            groups.setdefault(_setting(run), nodes.bullet_list()).append(item)
        self.env.note_dependency(str(Path(self.env.srcdir).parent / "executed.json"))
        if not groups:
            return [nodes.paragraph("", "Nothing was executed in this build.")]
        return [n for setting, items in groups.items() for n in (nodes.paragraph("", f"O{setting[1:]}:"), items)]


def _add_line(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    run = record(app.srcdir).get(f"{pagename}.ipynb")
    if run and "</h1>" in context.get("body", ""):
        text = f"Time of the whole chapter: {duration(run['seconds'])} {_setting(run)}."
        line = f'</h1>\n<p class="measured-time">{text}</p>'
        context["body"] = context["body"].replace("</h1>", line, 1)


def setup(app: Sphinx) -> dict:
    app.add_directive("chapter-times", ChapterTimes)
    app.connect("html-page-context", _add_line)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
