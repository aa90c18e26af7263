"""Inside the kernel of a chapter: an assertion that fails is noted, and its cell goes on.

IPython gives every cell, as a syntax tree, to its ``ast_transformers`` before it runs. Ours puts each ``assert`` into
a ``try``. The text of the cell and its line numbers stay as they are, and no code of the chapter is changed on disk.

    try:
        assert fall > 1.5 * small_fall
    except Exception as error:
        note_claim("fall > 1.5 * small_fall", ["fall", "1.5 * small_fall"], error, {**globals(), **locals()})
    else:
        note_claim("fall > 1.5 * small_fall")

Only the standard library is imported here: a chapter shall find its kernel as a reader does.
"""

import ast
import builtins
import json
import reprlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class Recorder(ast.NodeTransformer):
    """Puts each ``assert`` of a cell into a ``try`` that calls ``note_claim``, in functions of the cell too."""

    def visit_Assert(self, node: ast.Assert) -> ast.Try:
        """An assertion's replacement.

        Args:
            node: the assertion.

        Returns:
            the ``try`` around it.
        """
        compared = [n for n in ast.walk(node.test) if isinstance(n, ast.Compare)]
        sides = [side for n in compared for side in (n.left, *n.comparators) if not isinstance(side, ast.Constant)]
        claim, texts = ast.unparse(node.test), list(dict.fromkeys(map(ast.unparse, sides)))
        made = ast.parse(
            "try:\n    pass\n"
            "except Exception as _claim_error:\n"
            f"    note_claim({claim!r}, {texts!r}, _claim_error, {{**globals(), **locals()}})\n"
            f"else:\n    note_claim({claim!r})"
        ).body[0]
        for part in ast.walk(made):
            ast.copy_location(part, node)
        made.body = [node]
        return made


def values(sides: Sequence[str], scope: dict) -> str:
    """What the two sides of a comparison were, for whoever mends the claim.

    Args:
        sides: their code.
        scope: the names that they may use.

    Returns:
        "fall = 0.067, 1.5 * small_fall = 0.0705"; a side that needs the variable of a loop is left out.
    """
    found = []
    for side in sides:
        with suppress(Exception):  # whatever a chapter's expression may raise a second time
            found.append(f"{side} = {number(eval(side, scope))}")
    return ", ".join(found)


def number(value: object) -> str:
    """Numbers with four digits, anything else by the beginning of its ``repr``.

    Args:
        value: of any type.

    Returns:
        a few characters.
    """
    with suppress(Exception):  # tensors, arrays and series, if they hold numbers
        value = value.tolist()
    if isinstance(value, list) and value and all(isinstance(one, int | float) for one in value):
        return f"[{', '.join(map(number, value[:6]))}{', …' if len(value) > 6 else ''}]"
    try:
        return reprlib.repr(value) if isinstance(value, str | bool) else f"{float(value):.4g}"
    except (TypeError, ValueError, RuntimeError):
        return reprlib.repr(value).replace("\n", " ")


def install(log: str) -> None:
    """Record the assertions of all later cells.

    Args:
        log: a file; a line of JSON is added when an assertion holds or fails for the first time in a cell.
    """
    from IPython import get_ipython

    shell, seen, file = get_ipython(), set(), Path(log)

    def note_claim(claim: str, sides: Sequence[str] = (), error: Exception | None = None, scope: dict | None = None):
        key = (shell.execution_count, claim, error is None)
        if key in seen:  # once more in a loop
            return
        seen.add(key)
        note = {"claim": claim}
        if error is not None:
            texts = (str(error), values(sides, scope))
            note |= {"error": type(error).__name__, "message": "; ".join(text for text in texts if text)}
        with file.open("a", encoding="utf-8", newline="\n") as lines:
            lines.write(json.dumps(note) + "\n")

    builtins.note_claim = note_claim
    shell.ast_transformers.append(Recorder())
