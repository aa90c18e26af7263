"""How long a reader needs for a chapter, by a rule; a line under its title says it, in the notebook and on the page."""

from __future__ import annotations

import re
from typing import NamedTuple

WORDS_PER_MINUTE = 150  # of a text that one wants to understand, in a second language maybe
SECONDS_PER_LINE = 4  # of code that is shown
#: The line, and what follows it up to the text.
LINE = re.compile(r"^\*About \d+ minutes? to read.*\*\n+", re.MULTILINE)
#: The heading of an exercise as `notebook.cells` writes it: "**1 · Title (4 minutes).**", of a case "### 1 · …".
EXERCISE = re.compile(r"^(?:\*\*|### )(\d+ · .+? \((\d+) minutes?\))", re.MULTILINE)
TITLE = re.compile(r"# .+\n+(?:!\[[^\]]*\]\(data:[^)]*\)\n+)?")  # and the picture under it


class Minutes(NamedTuple):
    """What a reader needs for a chapter.

    Attributes:
        reading: the text and the code that is shown.
        exercises: as each of them states.
    """

    reading: int
    exercises: int

    def __str__(self) -> str:
        exercises = f", {self.exercises} for the exercises" if self.exercises else ""
        return f"about {self.reading} minute{'s' * (self.reading != 1)} to read{exercises}"


def minutes(notebook: dict) -> Minutes:
    """Count the words of the text, the lines of the code that is shown, and the minutes that each exercise states.

    Args:
        notebook: as read from its file.

    Returns:
        the sums; the line that `with_minutes` writes does not count.
    """
    words = lines = exercises = 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            words += len(LINE.sub("", source).split())
            exercises += sum(int(found[2]) for found in EXERCISE.finditer(source))
        elif not {"hide-input", "remove-cell"} & set(cell["metadata"].get("tags", [])):
            lines += len(source.splitlines())
    return Minutes(round(words / WORDS_PER_MINUTE + lines * SECONDS_PER_LINE / 60), exercises)


def with_minutes(notebook: dict) -> dict:
    """A notebook with its minutes below its title and the picture there.

    Args:
        notebook: as read from its file.

    Returns:
        another notebook, or the same where its first cell has no title.
    """
    first, *rest = notebook["cells"] or [{"source": ""}]
    text = LINE.sub("", "".join(first["source"]))
    title = TITLE.match(text)
    if not title:
        return notebook
    line = f"*{str(minutes(notebook)).capitalize()}.*"
    source = f"{title[0].rstrip()}\n\n{line}\n\n{text[title.end() :]}"
    return notebook | {"cells": [first | {"source": source.splitlines(keepends=True)}, *rest]}
