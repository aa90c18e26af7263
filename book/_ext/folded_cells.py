"""A folded cell shows its title instead of "Show code cell source": what a reader finds when it is opened.

myst-nb's ``code_prompt_show`` is one text for all cells. The title is the cell's first line, ``# @title …``, which
Colab shows too; on the page that line is then left out of the code.
"""

import re

from sphinx.application import Sphinx

_FOLDED = re.compile(
    r'<summary aria-label="[^"]*">\s*<p class="collapsed admonition-title">[^<]*</p>\s*'
    r'<p class="expanded admonition-title">[^<]*</p>\s*</summary>'
    r'(?P<between>\s*<div class="cell_input docutils container">\s*<div class="[^"]*"><div class="highlight"><pre>'
    r"<span></span>)"
    r'<span class="c1"># @title (?P<title>[^<]*)</span>\n'
)


def with_titles(body: str) -> str:
    """The page, with the title of each folded cell on its bar."""
    return _FOLDED.sub(
        lambda m: f'<summary><p class="admonition-title">Code: {m["title"]}</p></summary>{m["between"]}', body
    )


def _put(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    if "hide above-input" in context.get("body", ""):
        context["body"] = with_titles(context["body"])


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _put)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
