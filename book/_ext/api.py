"""Pages about the package: ``{room}`` lists what is public in its modules, and each chapter lists what it explains.

Which chapter explains an object stands in its docstring, in the section ``Lesson:``, and nowhere else; where it does
not, its module's docstring says it for all. Both directions of links are made from that. The rest of a docstring is
read by autodoc and napoleon as it stands.
"""

import ast
import importlib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from contents import pages
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

_ROOM = re.compile(r"^```\{room\} +(.+)$", re.MULTILINE)
_LESSON = re.compile(r"^Lesson:\n((?: .*\n?)+)", re.MULTILINE)  # the section of a docstring
_CHAPTER = re.compile(r"\b\d\d\b|cut-out|appendix-\w+|\bexport\b")


@dataclass(frozen=True)
class Entry:
    """A public object: where a reader imports it from, its docstring, and the page that describes it."""

    module: str
    name: str
    kind: str  # "function", "class", "data" or "module"
    text: str
    page: str

    @property
    def full(self) -> str:
        return f"{self.module}.{self.name}"


def public_names(module: ModuleType) -> list[str]:
    """What ``__all__`` names; without one, the documented functions and classes that the module itself defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and value.__doc__
    ]


def entries(srcdir: str, left_out: bool = False) -> list[Entry]:
    """Everything public in the rooms that the pages below ``api/`` name, page by page.

    Args:
        srcdir: the folder of the pages' sources.
        left_out: of those pages alone that the table of contents does not name, instead of the others.
    """
    found, kept = [], pages(srcdir)
    for page in sorted(Path(srcdir, "api").glob("*.md")):
        if (f"api/{page.stem}" in kept) == left_out:
            continue
        for names in _ROOM.findall(page.read_text(encoding="utf-8")):
            for module in map(importlib.import_module, names.split()):
                found += [_entry(module, name, f"api/{page.stem}") for name in public_names(module)]
    return found


def _entry(module: ModuleType, name: str, page: str) -> Entry:
    value = getattr(module, name)
    if inspect.ismodule(value):
        kind, home, text = "module", value.__doc__, inspect.getdoc(value)
    elif inspect.isclass(value) or inspect.isfunction(value):
        kind = "class" if inspect.isclass(value) else "function"
        home, text = inspect.getmodule(value).__doc__, inspect.getdoc(value)
    else:
        kind, (home, text) = "data", _comment(module, name)
    text = text or ""
    if not _LESSON.search(text) and (lesson := _LESSON.search(inspect.cleandoc(home or ""))):
        text += f"\n\n{lesson[0]}"
    return Entry(module.__name__, name, kind, text, page)


def _comment(module: ModuleType, name: str) -> tuple[str, str]:
    """Of a constant: the docstring of the file of the package that assigns it, and the ``#:`` comment there."""
    for path in sorted(Path(module.__file__).parent.glob("*.py")):
        analyzer = ModuleAnalyzer.for_file(str(path), f"{module.__name__}.{path.stem}")
        if ("", name) in (found := analyzer.find_attr_docs()):
            return ast.get_docstring(ast.parse(analyzer.code)) or "", "\n".join(found["", name]).strip()
    raise ExtensionError(f"{module.__name__}.{name} has no comment that begins with '#:'.")


def chapters(text: str, srcdir: str) -> list[str]:
    """Pages that a docstring's Lesson names: "05 (SegNet), 06" → 05-segnet-unpooling and 06-coordinate-maps."""
    lesson = _LESSON.search(text)
    return [_chapter(token, srcdir) for token in _CHAPTER.findall(lesson[1])] if lesson else []


def _chapter(token: str, srcdir: str) -> str:
    found = [path.stem for path in Path(srcdir).glob(f"{token}*.*") if path.suffix in (".ipynb", ".md")]
    if len(found) != 1:
        raise ExtensionError(f"A docstring says 'Lesson: {token}', which is not exactly one chapter: {found}.")
    return found[0]


class Room(SphinxDirective):
    """``{room} carvana_lessons.show carvana_lessons.features``: a section per module, an entry per object."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        lines = []
        for name in self.arguments[0].split():
            parts = [f".. automodule:: {name}", *self._entries(name)]
            lines += [f"## `{name}`", ""]
            lines += [line for part in parts for line in ("```{eval-rst}", part, "```", "")]
        holder = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, source=self.env.docname), holder)
        return holder.children

    def _entries(self, module: str) -> list[str]:
        options = {"class": "\n   :members:", "data": "\n   :no-value:"}
        return [
            (f"**{entry.name}**\n\n" if entry.kind == "module" else "")
            + f".. auto{entry.kind}:: {module}{'.' if entry.kind == 'module' else '::'}{entry.name}"
            + options.get(entry.kind, "")
            for entry in self.env.app.api_entries
            if entry.module == module
        ]


def _rewrite(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Autodoc's hook, before napoleon's: the numbers in the section Lesson become links with the chapters' titles."""
    text = next((e.text for e in app.api_entries if e.full == name), "\n".join(lines))
    if text.startswith("Alias for field number"):  # Python's text for a named tuple's field
        text = ""

    def links(lesson: re.Match) -> str:
        return _CHAPTER.sub(lambda token: f":doc:`/{_chapter(token[0], app.srcdir)}`", lesson[0])

    lines[:] = [*_LESSON.sub(links, text).splitlines(), ""]


def _find(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """A name in single backticks that Sphinx does not find where it stands: the only entry of that name, else code.

    A word such as "size" is an argument more often than an entry of another room. A name of a room whose page is left
    out is code, too.
    """
    if node["refdomain"] == "py" and node["reftarget"].rpartition(".")[2] in app.api_left_out:
        return content
    if (node["refdomain"], node["reftype"]) != ("py", "obj") or node.get("refexplicit"):
        return None
    name = node["reftarget"]
    found = [e.full for e in app.api_entries if e.full.endswith(f".{name}")]
    if (len(found) == 1 and not name.islower()) or ("." in name and found):
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, content)
    return content


def _no_signature(app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str):
    """A class that has no ``__init__`` of its own would show its base's: ``*args, **kwargs`` says nothing."""
    return ("", None) if what in ("class", "exception") and "__init__" not in vars(obj) else None


def _add_section(app: Sphinx, doctree: nodes.document) -> None:
    """At the end of a chapter: the entries of the package that it explains, room by room."""
    name = app.env.docname
    mine = [entry for entry in app.api_entries if name in chapters(entry.text, app.srcdir)]
    if not mine:
        return
    part = nodes.section("", nodes.title("", "From the package"), ids=["from-the-package"], names=["from the package"])
    part += nodes.paragraph("", "What this chapter explains or uses first, each with its reference:")
    rooms = nodes.bullet_list()
    for module in dict.fromkeys(entry.module for entry in mine):
        line = nodes.paragraph("", "", nodes.literal("", module), nodes.Text(": "))
        for k, entry in enumerate(e for e in mine if e.module == module):
            line += [nodes.Text(", ")] * (k > 0) + [_reference(entry, name)]
        rooms += nodes.list_item("", line)
    part += rooms
    doctree[0 if len(doctree) == 1 else -1].append(part)


def _reference(entry: Entry, docname: str) -> pending_xref:
    target = {"refdomain": "py", "reftype": "obj", "reftarget": entry.full, "refdoc": docname}
    return pending_xref("", nodes.literal("", entry.name), refexplicit=True, refwarn=True, **target)


def _collect(app: Sphinx) -> None:
    app.api_entries = entries(app.srcdir)
    app.api_left_out = {entry.name for entry in entries(app.srcdir, left_out=True)}


def setup(app: Sphinx) -> dict:
    app.add_directive("room", Room)
    app.connect("builder-inited", _collect)
    app.connect("autodoc-process-docstring", _rewrite, priority=400)
    app.connect("missing-reference", _find)
    app.connect("autodoc-process-signature", _no_signature)
    app.connect("doctree-read", _add_section, priority=400)  # before the table of contents is read off
    return {"parallel_read_safe": True, "parallel_write_safe": True}
