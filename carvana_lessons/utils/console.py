"""Printing where not every character can be printed: a console or a pipe in an old code page.

Python's ``backslashreplace`` is not enough: it prints × as ``\\xd7``.
"""

import codecs
import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HANDLER = "carvana_lessons.plain"
DEFAULTS = {"strict", "backslashreplace", "surrogateescape"}  # what Python chooses where nobody has chosen
PLAIN = {"×": "x", "·": "-", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "≥": ">=", "≤": "<=", "’": "'"}
PLAIN |= {"“": '"', "”": '"', "¹": "1", "²": "2", "³": "3", "±": "+-", "≈": "~"}


def print_anywhere() -> None:
    """Make standard output and standard error accept every character.

    Characters that their encoding lacks are printed in ASCII: × as x, … as three points, a letter of another script as
    its number. UTF-8 lacks none, so nothing changes there; a notebook's output, and the error handler that
    PYTHONIOENCODING names, are left alone.
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


@contextmanager
def print_notes(name: str) -> Iterator[list[str]]:
    """Print warnings inside the block as one line each, without their place in the source.

    Args:
        name: of the command; each line begins with it.

    Yields:
        the notes so far.
    """

    notes: list[str] = []

    def show(message: Warning | str, *place: object, **more: object) -> None:
        notes.append(str(message))
        print(f"{name}: note: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # whatever filters Python was started with: a note is no error
        for category in (DeprecationWarning, FutureWarning):  # for people who write code
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of metadata and sizes: what matters is said by name
        warnings.showwarning = show
        yield notes


def is_broken_pipe(error: BaseException) -> bool:
    """True where the program that read our output has ended; Windows raises another error for it.

    Args:
        error: any.

    Returns:
        True for a pipe without a reader.
    """
    windows = os.name == "nt" and isinstance(error, OSError) and error.errno == errno.EINVAL and error.filename is None
    return isinstance(error, BrokenPipeError) or windows


def stop_printing(failing: bool = False) -> None:
    """Flush the output, while an error can still be reported.

    Args:
        failing: something has failed already: drop what cannot be written, or Python would print a second error at
            exit.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            if not failing:
                raise
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
