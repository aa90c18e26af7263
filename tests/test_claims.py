"""What a chapter asserts must hold wherever it runs: of a training at every scale, and of a machine's speed never.

Each chapter is read, not run: from name to name, what a training or a clock went into. What goes another way, through
a function that is called after an epoch for example, is not seen here.
"""

import ast
import json
from pathlib import Path

import pytest

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "book").glob("*.ipynb"))
TRAINERS, CLOCKS = (
    {"train_once", "Trainer"},
    {"median_milliseconds", "throughput", "perf_counter", "seconds", "images_per_second"},
)
OF_ONE_SCALE = "lesson.scale == 'quick'"
# Cells that assert something of a training at every scale, and why that is safe.
EVERYWHERE = {
    "04-augmentation": {
        "batch-norm-code-2": "in evaluation mode no other photo counts",
        "batch-norm-light-table": "a formula, but for the small number under the root, with wide bounds",
    },
    "05-segnet-unpooling": {
        "where-wrong-pixels-code-2": "more than the area's share, where a multiple is usual",
    },
    "08-feature-maps": {
        "unpooling-restore-code-5": "exact",
    },
    "09-results": {"submission-check": "a file against the masks that it was written from"},
    "10-beyond": {
        "free-flip-code-1": "a formula",
        "full-size-check": "a formula",
        "pseudo-code-3": "the sign of a gradient",
    },
    "11-your-own-photos": {"doubt-read": "the risk of all masks is their mean error, a formula"},
    "cut-out": {"three-edges-check": "logits times four: fewer between two bounds, and 0 stays where it is"},
}
# Cells whose assertions touch a time, and what they assert instead.
COUNTS = {"shuffle-workers": "batches; a clock has chosen how many"}


def names(node: ast.AST) -> set[str]:
    """Names that are read, without those that the node itself gives a value: loops inside, arguments."""
    parts = list(ast.walk(node))
    own = {n.id for n in parts if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in parts if isinstance(n, ast.arg)}
    return {n.id for n in parts if isinstance(n, ast.Name)} - own


class Reader:
    """Goes through a chapter in its order and collects the assertions that depend on one kind of source."""

    def __init__(self, sources: set[str]) -> None:
        self.sources, self.marked, self.found = sources, set(sources), {}

    def read(self, body: list[ast.stmt], cell: str, guarded: bool = False) -> None:
        for node in body:
            if isinstance(node, ast.Assert):
                if self._depends(node.test):
                    self.found[cell] = self.found.get(cell, True) and guarded
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._mark(node.name, self._depends(node))
            elif isinstance(node, ast.If):
                self.read(node.body, cell, guarded or OF_ONE_SCALE in ast.unparse(node.test))
                self.read(node.orelse, cell, guarded)
            elif isinstance(node, ast.For | ast.While | ast.With | ast.Try):
                if isinstance(node, ast.For):
                    self._assign([node.target], node.iter)
                for part in ("body", "handlers", "orelse", "finalbody"):
                    for inner in getattr(node, part, []):
                        self.read(inner.body if isinstance(inner, ast.ExceptHandler) else [inner], cell, guarded)
            else:
                self._statement(node)

    def _depends(self, node: ast.AST) -> bool:
        attributes = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        return bool(names(node) & self.marked or attributes & self.sources)

    def _statement(self, node: ast.stmt) -> None:
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            if names(call.func) & self.sources & TRAINERS:  # trains its network in place
                for argument in call.args[:2]:
                    if isinstance(argument, ast.Name | ast.Subscript) and names(argument) != {"lesson"}:
                        self._assign([argument], call.func)
            fills = isinstance(call.func, ast.Attribute) and call.func.attr in {"append", "setdefault", "update", "add"}
            if fills and any(map(self._depends, call.args)):
                self.marked |= {n.id for n in ast.walk(call.func.value) if isinstance(n, ast.Name)}
        if isinstance(node, ast.Assign):
            self._assign(node.targets, node.value)
        elif isinstance(node, ast.AugAssign) and self._depends(node.value):
            self._assign([node.target], node.value)

    def _assign(self, targets: list[ast.expr], value: ast.expr) -> None:
        marked = self._depends(value)
        for target in targets:
            if isinstance(target, ast.Tuple):
                self._assign(target.elts, value)
            elif isinstance(target, ast.Name):
                self._mark(target.id, marked)
            elif marked:  # an item of it
                self.marked |= {n.id for n in ast.walk(target.value) if isinstance(n, ast.Name)}

    def _mark(self, name: str, marked: bool) -> None:
        (self.marked.add if marked else self.marked.discard)(name)


def read(chapter: Path, sources: set[str]) -> dict[str, bool]:
    """Cells that assert something which depends on a source: whether each of those assertions is of one scale."""
    reader = Reader(sources)
    for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and not cell["id"].startswith("install"):
            reader.read(ast.parse("".join(cell["source"])).body, cell["id"])
    return reader.found


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_what_is_asserted_of_a_training_is_of_one_scale_or_safe_at_all(chapter):
    found = read(chapter, TRAINERS)
    everywhere = {cell for cell, guarded in found.items() if not guarded}
    assert everywhere == set(EVERYWHERE.get(chapter.stem, {}))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_nothing_is_asserted_of_a_time(chapter):
    assert set(read(chapter, CLOCKS)) - set(COUNTS) == set()


def test_the_reader_finds_what_a_training_went_into():
    text = """
model = make()
history = train_once(lesson, model, train)
scores = {n: evaluate(m) for n, m in {"a": model}.items()}
def look():
    return scores
best = max(look().values())
count = 3
assert count == 3
if lesson.scale == "quick":
    assert best > 0.9
"""
    reader = Reader(TRAINERS)
    reader.read(ast.parse(text).body, "cell")
    assert reader.found == {"cell": True} and "count" not in reader.marked
    reader.read(ast.parse("for k, v in scores.items():\n    assert v > 0.5").body, "next")
    assert reader.found["next"] is False
