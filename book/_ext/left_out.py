"""A page that ``_toc.yml`` does not name is left out, and what led to it is text without a link.

Sphinx excludes such a page, and then complains of each link to it; its setting for that (``nitpick_ignore``) wants a
list of pages, leaves MyST's links in place, and knows no titles.
"""

import json
import posixpath
import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


def title(book: str | Path, page: str) -> str | None:
    """The first heading of a page's source, whether it is built or not; None where there is no such source."""
    for file in (Path(book, f"{page}.md"), Path(book, f"{page}.ipynb")):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            if file.suffix == ".ipynb":
                text = "".join(json.loads(text)["cells"][0]["source"])
            return re.search(r"^# (.+)$", text + f"\n# {page}", re.MULTILINE)[1]
    return None


class WithoutLink(SphinxPostTransform):
    """The text of a link stays where its page is left out; a link to a page that never was is still an error."""

    default_priority = 8  # before MyST and Sphinx look for the page

    def run(self, **kwargs: object) -> None:
        for link in list(self.document.findall(pending_xref)):
            if (link["refdomain"], link["reftype"]) not in (("doc", "myst"), ("std", "doc")):
                continue
            page = link["reftarget"]
            if link["refdomain"] == "std":  # MyST's is a whole name already
                page = posixpath.normpath(posixpath.join("/", posixpath.dirname(self.env.docname), page))[1:]
            if page not in self.env.found_docs and (heading := title(self.env.srcdir, page)) is not None:
                said = link.children if link["refexplicit"] else [nodes.Text(heading)]
                link.replace_self(said)


def setup(app: Sphinx) -> dict:
    app.add_post_transform(WithoutLink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
