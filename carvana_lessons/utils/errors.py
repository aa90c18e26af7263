"""Errors meant to be read: one sentence that names the thing and the cure.

Lesson:
    01. The command line prints a `CarvanaError` as a problem of the user's files, disk or settings, and every unknown
    exception as a fault of the package. A function therefore raises `ArgumentError` for a value that a user may have
    typed, and Python's plain ``ValueError`` for arrays of the wrong shape, which only code passes.
"""


class CarvanaError(Exception):
    """What went wrong and what to do about it, in one sentence; the command line prints it without a trace."""


class ArgumentError(CarvanaError, ValueError):
    """A wrong value of an argument: the message names it, and the values that are allowed."""


class ExistsError(CarvanaError, FileExistsError):
    """The file or folder to be written exists already; user files are replaced only on request."""


class DataError(CarvanaError, ValueError):
    """A photo, a mask, a folder or a table is not what it should be."""


class Stopped(KeyboardInterrupt):
    """The user pressed stop (Ctrl-C, a notebook's button): the text says what is saved and how to continue.

    It is a KeyboardInterrupt, so that the cells that follow do not run with half a result.

    Args:
        text: what is kept and how to go on.
        epochs: of a training, that are kept on disk.

    Attributes:
        epochs: full epochs of a training that are saved on disk.
    """

    def __init__(self, text: str, epochs: int = 0) -> None:
        super().__init__(text)
        self.epochs = epochs
