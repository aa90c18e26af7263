"""Errors meant to be read: one sentence that names the thing and the cure.  Lesson: 01."""


class CarvanaError(Exception):
    """What went wrong and what to do about it, in one sentence; the command line prints it without a trace."""


class DataError(CarvanaError, ValueError):
    """A photo, a mask, a folder or a table is not what it should be."""


class Stopped(KeyboardInterrupt):
    """Somebody pressed stop (Ctrl-C, a notebook's button): the text says what is kept and how to go on.

    A KeyboardInterrupt still, so that the cells that follow do not run on with half a result.
    """
