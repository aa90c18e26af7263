"""Errors meant to be read: one sentence that names the thing and the cure.  Lesson: 01."""


class CarvanaError(Exception):
    """What went wrong and what to do about it, in one sentence; the command line prints it without a trace."""


class DataError(CarvanaError, ValueError):
    """A photo, a mask, a folder or a table is not what it should be."""
