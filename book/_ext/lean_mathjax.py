"""Remove the parts of MathJax that no page loads: the bundles for other inputs and outputs, 14 of its 24 MB.

sphinx-mathjax-offline copies all of MathJax and has no setting for less.

What a reader can switch on in the menu of a formula stays: the explorer and speech for screen readers, SVG.
"""

from pathlib import Path

from sphinx.application import Sphinx

BUNDLE = "tex-chtml.js"  # `mathjax_path` in _config.yml


def _prune(app: Sphinx, error: Exception | None) -> None:
    folder = Path(app.outdir, "_static", "mathjax")
    for path in folder.glob("*.js"):
        if path.name != BUNDLE:
            path.unlink()


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", _prune, priority=900)  # after the files were copied
    return {"parallel_read_safe": True, "parallel_write_safe": True}
