"""The folder ``network`` beside the pages, and its script on those pages alone that run a network.

A page asks for that by ``<div class="network-view" …></div>`` in its text; what is in it shows where scripts are off.
The folder is not below ``_static``: Jupyter Book puts every script from there on every page.
"""

import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

MARK, FOLDER, SCRIPTS = 'class="network-view"', "network", ("scripts.js", "views.js")


def _add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    if doctree is not None and any(MARK in node.astext() for node in doctree.findall(nodes.raw)):
        place = context["pathto"](FOLDER, resource=True)
        context["metatags"] += f'<link rel="stylesheet" href="{place}/network.css">\n'
        for script in SCRIPTS:
            context["metatags"] += f'<script src="{place}/{script}" defer></script>\n'


def _copy(app: Sphinx, error: Exception | None) -> None:
    source = Path(app.srcdir, FOLDER)
    if error is None and source.is_dir():
        shutil.copytree(source, Path(app.outdir, FOLDER), dirs_exist_ok=True)
        # A worker that answers for pages must lie above them all.
        Path(app.outdir, FOLDER, "offline.js").replace(Path(app.outdir, "offline.js"))


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _add)
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
