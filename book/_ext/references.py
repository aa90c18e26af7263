"""``{references}``: the sources that the chapters name at their ends, on one page, each with its chapters.

sphinxcontrib-bibtex is not enough: its citations are MyST roles, which JupyterLab and Colab show as they are typed.
"""

import json
import re
from pathlib import Path

from contents import pages
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

_SOURCES = re.compile(r"\*\*Sources:\*\*(.*?)(?:\n\n|\Z)", re.DOTALL)
_LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")
_YEAR = re.compile(r"\b(19|20)\d\d$")


def sources(book: Path) -> dict[str, dict]:
    """By address: the label and the words that the first chapter gives it, and the chapters that name it."""
    found: dict[str, dict] = {}
    kept = pages(book)
    for path in sorted(path for path in book.glob("*.ipynb") if path.stem in kept):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        for item in " ".join("".join(_SOURCES.findall(text)).split()).split(" · "):
            links = _LINK.findall(item)
            words = _LINK.split(item)[-1].strip(" ,.") if len(links) == 1 else ""
            for label, address in links:
                entry = found.setdefault(address, {"label": label, "words": words, "chapters": []})
                entry["chapters"].append(path.stem)
    return found


class References(SphinxDirective):
    """``{references} papers`` lists what has a year, ``{references} others`` the rest."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        papers = self.arguments[0] == "papers"
        lines = []
        for address, entry in sorted(sources(Path(self.env.srcdir)).items(), key=lambda e: e[1]["label"].lower()):
            if bool(_YEAR.search(entry["label"])) == papers:
                words = f", {entry['words']}" if entry["words"] else ""
                chapters = ", ".join(f"[]({name}.ipynb)" for name in entry["chapters"])
                lines.append(f"- [{entry['label']}]({address}){words}. In {chapters}.")
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app) -> dict:
    app.add_directive("references", References)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
