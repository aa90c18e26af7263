"""Read a notebook as it comes back from a student: renamed, from Colab, without ids, damaged or no notebook at all.

nbformat is not among the package's dependencies, and it refuses what is here to be read as far as possible.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.os_errors import explain_system

LARGEST = 200 * 2**20  # bytes of a file: a chapter with all its pictures has a few million


@dataclass(frozen=True)
class Cell:
    """A cell of a returned notebook.

    Attributes:
        code: whether it is a code cell.
        name: its id, "" where it has none.
        source: its text.
        executed: when it was last executed, in seconds since 1970, where JupyterLab or Colab recorded that; else None.
    """

    code: bool
    name: str
    source: str
    executed: float | None = None


def read_returned(path: Path) -> list[Cell]:
    """Read the cells of a notebook.

    Args:
        path: of the file.

    Returns:
        its cells; what is no cell is left out.

    Raises:
        DataError: if it is no notebook; the sentence says why.
    """
    notebook = _content(path)
    found = notebook.get("cells") if isinstance(notebook, dict) else None
    if isinstance(notebook, dict) and isinstance(notebook.get("worksheets"), list):
        raise DataError("It is a notebook in the format of before 2015: open it in JupyterLab and save it again.")
    if not isinstance(found, list):
        raise DataError("It is no notebook, for it has no cells: ask for the file again.")
    return [made for cell in found if (made := _cell(cell)) is not None]


def _content(path: Path) -> Any:
    try:
        size = path.stat().st_size
        raw = b"" if size > LARGEST else path.read_bytes()
    except OSError as error:
        raise DataError(f"{explain_system(error) or f'It cannot be read ({error})'}.") from error
    if size > LARGEST:
        raise DataError(
            f"It has {size / 2**20:,.0f} MiB, more than the {LARGEST // 2**20} that are read: remove its outputs."
        )
    if not raw.strip():
        raise DataError("It is empty: ask for the file again.")
    try:
        return json.loads(raw)  # UTF-8, -16 or -32, with a mark or without
    except (ValueError, RecursionError) as error:
        if raw.lstrip()[:1] == b"<":
            raise DataError("It is a web page, not a notebook: ask for the file itself.") from error
        raise DataError(f"It is damaged, or no notebook ({error}): ask for the file again.") from error


def _cell(cell: Any) -> Cell | None:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return None
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    names = (cell.get("id"), metadata.get("id"))  # Colab keeps a cell's id in its metadata, and may drop the other
    known = [name for name in names if isinstance(name, str)]
    name = next((name for name in known if name.startswith("exercise-")), known[0] if known else "")
    return Cell(cell["cell_type"] == "code", name, source.replace("\r\n", "\n"), _executed(metadata))


def _executed(metadata: dict) -> float | None:
    """What JupyterLab ("Record timing") or Colab noted of a cell's last execution."""
    lab, colab = metadata.get("execution"), metadata.get("executionInfo")
    try:
        if isinstance(lab, dict) and isinstance(lab.get("iopub.execute_input"), str):
            when = datetime.fromisoformat(lab["iopub.execute_input"].replace("Z", "+00:00"))
            return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
        if isinstance(colab, dict) and isinstance(colab.get("timestamp"), int | float):
            return colab["timestamp"] / 1000  # milliseconds
    except (ValueError, OverflowError, OSError):
        pass
    return None
