"""From a notebook's Markdown and code to HTML that stands alone: no server, no network, formulae included.

`jupyter nbconvert --to slides` is not enough: its pages load reveal.js and MathJax from another host, and it makes a
slide of a cell, however long.
"""

from __future__ import annotations

import html
import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

from carvana_lessons.utils.errors import CarvanaError

HERE = Path(__file__).resolve().parent
MATHJAX = Path("static", "mathjax", "tex-svg.js")  # one file, with its fonts
FORMULA = re.compile(r"\\[(\[]")
SENTENCE = re.compile(r"(?<=[.?!])(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z0-9“\"*`(\[$])")


@lru_cache(maxsize=1)
def _tools() -> SimpleNamespace:
    """What the extra `book` brings: a parser of Markdown and a colourer of code."""
    try:
        import pygments
        from markdown_it import MarkdownIt
        from mdit_py_plugins.dollarmath import dollarmath_plugin
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError as error:
        raise CarvanaError(
            f"The module {error.name} is missing, of which pages are made: `pip install -e .[book]` brings it."
        ) from error
    parser = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=_formula, double_inline=True)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)

    def colour(code: str) -> str:
        return pygments.highlight(code, PythonLexer(), HtmlFormatter(noclasses=True, nobackground=True, wrapcode=True))

    return SimpleNamespace(parser=parser, colour=colour)


def _formula(text: str, options: dict) -> str:
    left, right = ("\\[", "\\]") if options.get("display_mode") else ("\\(", "\\)")
    return f"{left}{html.escape(text.strip())}{right}"


def _link_open(renderer: object, tokens: list, k: int, options: object, env: dict) -> str:
    """A link into the book leads nowhere from here, and becomes plain text."""
    outside = str(tokens[k].attrGet("href")).startswith(("http:", "https:"))
    env.setdefault("links", []).append(outside)
    return f'<a href="{html.escape(str(tokens[k].attrGet("href")))}">' if outside else ""


def _link_close(renderer: object, tokens: list, k: int, options: object, env: dict) -> str:
    return "</a>" if env["links"].pop() else ""


def rendered(markdown: str) -> str:
    """Markdown as HTML.

    Args:
        markdown: a notebook's text; formulae stand between dollars.

    Returns:
        HTML, in which MathJax finds the formulae.
    """
    return _tools().parser.render(markdown)


def rendered_inline(markdown: str) -> str:
    """One line of Markdown as HTML, without a paragraph around it.

    Args:
        markdown: a heading, say.

    Returns:
        HTML.
    """
    return _tools().parser.renderInline(markdown)


def highlighted(code: str) -> str:
    """Python code in colours.

    Args:
        code: of a cell.

    Returns:
        HTML with a ``pre`` in it.
    """
    return _tools().colour(code)


def plain(text: str) -> str:
    """What a cell printed, as it is.

    Args:
        text: any.

    Returns:
        HTML; an empty text stays empty.
    """
    return f'<pre class="said">{html.escape(text)}</pre>' if text.strip() else ""


def split_blocks(markdown: str) -> list[str]:
    """The paragraphs, lists, tables, formulae and headings of a Markdown text.

    Args:
        markdown: of a cell.

    Returns:
        their Markdown, in order.
    """
    lines = markdown.splitlines()
    tokens = [token for token in _tools().parser.parse(markdown) if token.level == 0 and token.map]
    return ["\n".join(lines[token.map[0] : token.map[1]]).strip() for token in tokens]


def first_sentences(paragraph: str, words: int) -> tuple[str, str]:
    """Cut a paragraph between two sentences.

    Args:
        paragraph: in Markdown.
        words: that the first part may have; its first sentence stays whole.

    Returns:
        both parts; the second one may be empty.
    """
    sentences = SENTENCE.split(paragraph)
    best = None
    for k in range(1, len(sentences) + 1):
        head = " ".join(sentences[:k])
        if best is not None and len(head.split()) > words:
            break
        if _whole(head):
            best = k
    best = best or len(sentences)
    return " ".join(sentences[:best]), " ".join(sentences[best:])


def _whole(text: str) -> bool:
    """Whether all that is opened in a piece of Markdown is closed in it."""
    pairs = all(text.count(a) == text.count(b) for a, b in ("()", "[]", "“”"))
    return pairs and all(text.count(mark) % 2 == 0 for mark in ("**", "`", "$")) and text.count("*") % 2 == 0


def page(title: str, body: str, style: str, script: str = "", language: str = "en") -> str:
    """A whole HTML file.

    Args:
        title: of the window.
        body: HTML.
        style: the name of a file of CSS in this folder.
        script: the name of a file of JavaScript in this folder, which runs when formulae are set.
        language: of the text.

    Returns:
        HTML that loads nothing.
    """
    after = _file(script) if script else ""
    math = _mathjax() if FORMULA.search(body) else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_file(style)}</style>\n</head>\n<body>\n{body}\n"
        f"{math}<script>\n{after}</script>\n</body>\n</html>\n"
    )


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _mathjax() -> str:
    """MathJax in the page itself: a file that is mailed or put on a stick keeps its formulae."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise CarvanaError(
            "sphinx-mathjax-offline is missing, which sets formulae: `pip install -e .[book]` brings it."
        )
    script = (Path(found.origin).parent / MATHJAX).read_text(encoding="utf-8").replace("</script", "<\\/script")
    settings = "MathJax = {svg: {fontCache: 'none'}, options: {enableMenu: false}}"
    return f"<script>{settings}</script>\n<script>{script}</script>\n"


def text_of(markdown: str) -> str:
    """Markdown without its marks, for titles.

    Args:
        markdown: one line.

    Returns:
        plain text.
    """
    return re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`$]", r"\1", markdown)
