"""Leave out what no page loads of MathJax: of its 24 MB the book's formulas want one script and its fonts.

What the menu of a formula can switch on stays: the explorer for screen readers, with speech in English.
"""

from pathlib import Path

from sphinx.application import Sphinx

KEPT = (
    "tex-chtml.js",
    "output/chtml/fonts/woff-v2/",
    "a11y/",
    "ui/",
    "input/tex/extensions/",
    "sre/mathmaps/en.json",
)
KEPT += ("sre/mathmaps/base.json", "sre/mathmaps/nemeth.json", "sre/speech-worker.js")


def _prune(app: Sphinx, error: Exception | None) -> None:
    folder = Path(app.outdir, "_static", "mathjax")
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif not path.relative_to(folder).as_posix().startswith(KEPT):
            path.unlink()


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", _prune, priority=900)  # after the files were copied
    return {"parallel_read_safe": True, "parallel_write_safe": True}
