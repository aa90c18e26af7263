"""The code of a notebook's cell as plain Python, and the names that it gives and takes.

IPython itself translates magics and shell lines; here those are left out, for nothing is to be installed or timed.
"""

from __future__ import annotations

import ast
import builtins
import dis
import warnings
from collections.abc import Iterator
from types import CodeType

LONGEST = 100_000  # characters of a cell: far beyond any that is typed
WITH_BODY = {"time", "timeit", "capture", "prun"}  # cell magics below which stands Python
FILE = "<cell>"
_READS = {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"}
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)  # what stands in them runs when they are called
_OWN_NAMES = (*_LATER, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def parse(source: str) -> ast.Module:
    """Parse a cell as Python code.

    Args:
        source: of the cell, with magics and shell lines as a student leaves them.

    Returns:
        its syntax tree, with the cell's own line numbers. Line magics and shell lines are gone, of ``%time`` and
        ``%%time`` the code stays; a cell of another language is empty.

    Raises:
        SyntaxError: if it is no Python code.
    """
    if len(source) > LONGEST:
        raise SyntaxError(f"it has {len(source):,} characters")
    lines = source.split("\n")
    first = next((k for k, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        if (lines[first][2:].split() or [""])[0] not in WITH_BODY:
            return ast.Module(body=[], type_ignores=[])
        lines[first] = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a text: Python says it to the student
            tree = ast.parse(_without_magics("\n".join(lines)))
            return ast.fix_missing_locations(_Silence().visit(tree))
    except (ValueError, RuntimeError, MemoryError) as error:
        raise SyntaxError(str(error) or "it is nested too deeply") from error


def _without_magics(source: str) -> str:
    """Magics and shell lines as calls of ``get_ipython()``; blank lines at the top stay, for the line numbers."""
    from IPython.core.inputtransformer2 import TransformerManager  # comes with ipywidgets; only grading needs it

    blank = len(source) - len(source.lstrip("\n"))
    return "\n" * blank + TransformerManager().transform_cell(source[blank:])


class _Silence(ast.NodeTransformer):
    """Takes out what IPython would do; the statement behind ``%time`` stays."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.AST]:
        if not _is_magic(node.value):
            return self.generic_visit(node)
        if timed := _timed(node.value):
            return [_at(node, statement) for statement in ast.parse(timed).body]
        return ast.copy_location(ast.Pass(), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _is_magic(node):
            if timed := _timed(node):  # `x = %time f()` is f()
                return _at(node, ast.parse(timed, mode="eval").body)
            return ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)


def _timed(call: ast.Call) -> str:
    """The code behind ``%time``; nothing for another magic."""
    words = [part.value for part in call.args if isinstance(part, ast.Constant)]
    return str(words[1]) if words[:1] == ["time"] and len(words) > 1 else ""


def _at(place: ast.AST, tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            ast.copy_location(node, place)
    return tree


def _is_magic(node: ast.AST) -> bool:
    inner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
    return isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "get_ipython"


def compiled(statements: list[ast.stmt]) -> CodeType:
    """Compile statements of a cell.

    Args:
        statements: of `parse`.

    Returns:
        code for ``exec``.

    Raises:
        SyntaxError: for what Python finds only now, a ``return`` outside a function for example.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(ast.Module(body=statements, type_ignores=[]), FILE, "exec", dont_inherit=True)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise SyntaxError(str(error) or "it is nested too deeply") from error


def bound(statements: list[ast.stmt]) -> set[str]:
    """Names of the notebook that statements give a value, also where they never get that far.

    Args:
        statements: of `parse`.

    Returns:
        the names.
    """
    found, left = set(), list(statements)
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        if isinstance(node, _OWN_NAMES):
            found |= {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
        else:
            left += ast.iter_child_nodes(node)
    return found


def taken(code: CodeType) -> set[str]:
    """Names of the notebook that code reads, now or when its functions are called.

    Args:
        code: of `compiled`.

    Returns:
        the names, without those of Python itself.
    """
    return {i.argval for i in _all(code) if i.opname in _READS} - set(dir(builtins))


def touched(statements: list[ast.stmt]) -> set[str]:
    """Names whose object statements change in place: ``name[0] = 1``, ``name.x = 1``, ``name.append(1)``.

    Args:
        statements: of a cell.

    Returns:
        the names.
    """
    found, left = set(), list(statements)
    while left:
        node = left.pop()
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(_root(node))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found.add(_root(node.value.func) if isinstance(node.value.func, ast.Attribute) else "")
        if not isinstance(node, _LATER):
            left += ast.iter_child_nodes(node)
    return found - {""}


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _all(code: CodeType) -> Iterator[dis.Instruction]:
    """The instructions of code and of the functions and classes in it."""
    yield from dis.get_instructions(code)
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _all(part)
