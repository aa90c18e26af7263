"""Errors meant to be read: one sentence that names the thing and the cure.

Lesson:
    01. The command line prints a `CarvanaError` as what went wrong with the user's files, disk or settings, and every
    exception that it does not know as a fault of the package. A function therefore raises `ArgumentError` for a value
    that a reader may have typed, and Python's plain ``ValueError`` for arrays that do not fit together, which only code
    passes on.
"""


class CarvanaError(Exception):
    """What went wrong and what to do about it, in one sentence; the command line prints it without a trace."""


class ArgumentError(CarvanaError, ValueError):
    """A value that a function cannot work with: which one, and which ones it takes."""


class ExistsError(CarvanaError, FileExistsError):
    """What would be written is there already; nothing that a user has is replaced unasked."""


class DataError(CarvanaError, ValueError):
    """A photo, a mask, a folder or a table is not what it should be."""


class Stopped(KeyboardInterrupt):
    """Somebody pressed stop (Ctrl-C, a notebook's button): the text says what is kept and how to go on.

    A KeyboardInterrupt still, so that the cells that follow do not run on with half a result.

    Args:
        text: what is kept and how to go on.
        epochs: of a training, that are kept on disk.

    Attributes:
        epochs: of a training, that are kept on disk.
    """

    def __init__(self, text: str, epochs: int = 0) -> None:
        super().__init__(text)
        self.epochs = epochs
