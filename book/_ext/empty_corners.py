"""A table's empty corner is no heading: a screen reader would announce a heading without words."""

import re

from sphinx.application import Sphinx

_EMPTY = re.compile(r"<th(?: [^>]*)?>(?:\s|&nbsp;|&#160;|<p>\s*</p>)*</th>")


def _mend(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    if "body" in context:
        context["body"] = _EMPTY.sub("<td></td>", context["body"])


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
