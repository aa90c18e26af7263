"""Remove what a page does not need, so that pages load fast on a phone.

Jupyter Book adds the first two to every page, and the theme the last one; no setting takes them off.

- sphinx-thebe: the book runs no cell in the page, and its script fails beside the theme's own.
- sphinx-design: its tabs and cards are not used.
- MathJax, on pages without a formula. Sphinx leaves it out there itself, but not on the first page, whose table of
  contents leads to formulas.
- Font Awesome as a script, 1.5 MB: the theme's style sheet brings the same icons as a font.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

_ICONS = re.compile(r'\s*<script src="[^"]*fontawesome\.js[^"]*"></script>')


def _drop(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    formulas = doctree is not None and any(doctree.findall(lambda n: isinstance(n, (nodes.math, nodes.math_block))))
    unused = ("thebe", "sphinx-design", "design-tabs") + (() if formulas else ("mathjax",))
    for kind in ("script_files", "css_files"):
        context[kind] = [f for f in context.get(kind, []) if not any(name in _content(f) for name in unused)]


def _content(file: object) -> str:
    """A file's name, and the text of a script that is written into the page."""
    body = getattr(file, "attributes", {}).get("body") or ""
    return f"{getattr(file, 'filename', file)} {body}".lower()


def _drop_icons(app: Sphinx, error: Exception | None) -> None:
    for page in Path(app.outdir).rglob("*.html"):
        page.write_text(_ICONS.sub("", page.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    for file in Path(app.outdir, "_static", "scripts").glob("fontawesome.js*"):
        file.unlink()


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _drop, priority=900)
    app.connect("build-finished", _drop_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
