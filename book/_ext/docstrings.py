"""From a docstring as the package writes it to reStructuredText: sections become fields, names become links."""

import re
from collections.abc import Callable, Iterator

TITLES = {"Args": "Parameters"} | {
    name: name
    for name in ("Attributes", "Shapes", "Returns", "Yields", "Raises", "Warns", "Source", "Lesson")
}
_ONE = "|".join(TITLES)
_SECTION = re.compile(rf"(?<=\S)  (?=(?:{_ONE}): )")  # "Source: slides [B].  Lesson: 06."
_START = re.compile(rf"({_ONE}):(?: +(.*))?$")
_ITEM = re.compile(r"(?<=\S)  (?=[A-Za-z_]\w*(?:, [A-Za-z_]\w*)*: )")  # "x: (B, C).  size: (H, W)."
_CODE = re.compile(r"``(.+?)``|`(.+?)`|(\*\*.+?\*\*)")
_MARKUP = re.compile(r"([*|\\]|_(?=\W|$))")


def sections(text: str) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The lines before the first section, and each section's name with its lines, indentation kept."""
    head, found = [], []
    for line in text.splitlines():
        for part in _SECTION.split(line):
            start = _START.match(part)
            if start:
                found.append((start[1], [start[2]] if start[2] else []))
            elif found:
                found[-1][1].append(part)
            else:
                head.append(part)
    return head, found


def section(text: str, name: str) -> str:
    """One section as a line; empty where there is none."""
    return " ".join(
        " ".join(line.split()) for n, lines in sections(text)[1] if n == name for line in lines
    )


def items(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names and texts of a section such as Args, several of which may stand on one line."""
    lines = [line for line in lines if line.strip()]
    edge = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    whole: list[str] = []
    for line in lines:
        if len(line) - len(line.lstrip()) == edge:
            whole.append(line.strip())
        else:
            whole[-1] += " " + line.strip()
    for line in whole:
        for item in _ITEM.split(line):
            names, _, text = item.partition(": ")
            yield names, text


def inline(text: str, resolve: Callable[[str], str | None]) -> str:
    """A line of text: names in backticks that ``resolve`` knows become links, others code, the rest itself."""

    def code(match: re.Match) -> str:
        literal, name, bold = match.groups()
        if bold:
            return bold
        target = resolve(name or literal)
        return f":py:obj:`{name or literal} <{target}>`" if target else f"``{literal or name}``"

    pieces, end = [], 0
    for match in _CODE.finditer(text):
        pieces += [_MARKUP.sub(r"\\\1", text[end : match.start()]), code(match)]
        end = match.end()
    return "".join([*pieces, _MARKUP.sub(r"\\\1", text[end:])])


def restructured(
    text: str, resolve: Callable[[str], str | None], lesson: Callable[[str], str]
) -> list[str]:
    """The whole docstring as lines of reStructuredText; ``lesson`` writes the links of the section Lesson."""
    head, found = sections(text)
    lines = [inline(line, resolve) for line in head] + [""]
    for name, content in found:
        if name in ("Args", "Attributes"):
            lines += [f":{TITLES[name]}:"]
            for names, what in items(content):
                code = ", ".join(f"``{n}``" for n in names.split(", "))
                lines += [f"   * {code}: {inline(what, resolve)}"]
        else:
            line = " ".join(" ".join(content).split())
            line = lesson(line) if name == "Lesson" else inline(line, resolve)
            lines += [f":{'Chapter' if name == 'Lesson' else TITLES[name]}: {line}"]
    return [*lines, ""]
