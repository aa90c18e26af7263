"""What a class gets beside the chapters: links that lead somewhere, and a page that says how to begin."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|data:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
_ADDRESS = re.compile(r"git\+https://[^\"'\s]+")
INSTALL = "INSTALL.txt"
_TEXT = """\
How to begin
============

1. Install Python 3.10 or newer, from https://www.python.org/downloads/ for example.{git}

2. Open a terminal in this folder, and make an environment for the course:

       python -m venv .venv

   On Linux it may be called python3. Switch the environment on, each time you come back:

       source .venv/bin/activate        (Linux, macOS)
       .venv\\Scripts\\activate           (Windows)

3. Install the course, and JupyterLab to read it in. On Linux without an NVIDIA GPU, type the first line too: it takes
   the small PyTorch (0.2 GB to download instead of 3).

       python -m pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
       python -m pip install {package} jupyterlab

4. Start JupyterLab. It opens in your browser:

       jupyter lab

   Open 01-the-task.ipynb, and run its cells one after the other, from the top, with Shift and Enter. The first time the
   photos are drawn, which takes a minute or two.

5. In the exercises, replace the `...`, run the cell, then the check below it. Leave the cells where they are. Save the
   notebook (Ctrl+S), and hand in that .ipynb file.

In Google Colab nothing is installed beforehand: upload a notebook{colab}, and run its first cell.
"""


def mend_links(notebook: dict, there: Collection[str], pages: str | None = None) -> dict:
    """A notebook whose links lead to files that are there, or to the published book.

    Args:
        notebook: as read from its file.
        there: names of the files beside it.
        pages: address of the published book; None where there is none, and such a link becomes text.

    Returns:
        another notebook; the one given stays as it is.
    """

    def mended(link: re.Match) -> str:
        text, name, place = link[1], unquote(link[2]), link[3] or ""
        if name in there:
            return link[0]
        page = re.sub(r"\.(md|ipynb)$", ".html", link[2])
        return f"[{text}]({pages.rstrip('/')}/{page}{place})" if pages else text

    def of(cell: dict) -> dict:
        if cell["cell_type"] != "markdown":
            return cell
        source = "".join(cell["source"])
        new = _LINK.sub(mended, source)
        return cell if new == source else cell | {"source": new.splitlines(keepends=True)}

    return notebook | {"cells": [of(cell) for cell in notebook["cells"]]}


def install_from(notebook: dict, package: str) -> dict:
    """A notebook whose first cell installs another package than the repository's.

    Args:
        notebook: as read from its file.
        package: what pip is told, a file beside the notebook for example.

    Returns:
        another notebook; the one given stays as it is.
    """

    def of(cell: dict) -> dict:
        if cell["cell_type"] != "code":
            return cell
        return cell | {"source": _ADDRESS.sub(package, "".join(cell["source"])).splitlines(keepends=True)}

    return notebook | {"cells": [of(cell) for cell in notebook["cells"]]}


def how_to_begin(notebook: dict, wheel: str | None = None) -> str:
    """The text of `INSTALL`.

    Args:
        notebook: any chapter: its first cell names the repository.
        wheel: name of the package's file in the same folder; None where the package comes from the repository.

    Returns:
        the text, in ASCII.
    """
    found = _ADDRESS.search("".join(line for cell in notebook["cells"] for line in cell["source"]))
    address = found[0] if found else "carvana-lessons"
    return _TEXT.format(
        package=wheel or f'"{address}"',
        git="" if wheel else " Install git\n   too, from https://git-scm.com/downloads.",
        colab=f",\nbeside it {wheel} (the folder at the left)" if wheel else "",
    )
