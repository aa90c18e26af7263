"""Printing where not every character can be printed: a console or a pipe in an old code page."""

import codecs
import io
import sys

HANDLER = "carvana_lessons.plain"
DEFAULTS = {"strict", "backslashreplace", "surrogateescape"}  # what Python chooses where nobody has chosen
PLAIN = {"×": "x", "·": "-", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "≥": ">=", "≤": "<=", "’": "'"}
PLAIN |= {"“": '"', "”": '"', "¹": "1", "²": "2", "³": "3", "±": "+-", "≈": "~"}


def print_anywhere() -> None:
    """Let standard output and standard error take every character.

    What their encoding lacks is printed in plain letters: × as x, … as three points, a letter of another script as its
    number. UTF-8 lacks none, so there nothing changes; a notebook's output, and what PYTHONIOENCODING says of errors,
    are left alone.
    """
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in DEFAULTS:
            stream.reconfigure(errors=HANDLER)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """One character that an encoding lacks, in those that it has; a byte of a file name that is no text, as it is."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, after = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), after
    return PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode("ascii"), after
