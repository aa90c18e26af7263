"""Companion package of the Carvana lessons: cut a car out of its photo, room by room.

The rooms, in the order in which a photo passes through them: ``data`` (and ``studio``, which makes photos),
``models``, ``losses`` and ``metrics``, ``trainer``, ``evaluate``; beside them ``show`` draws every picture of the
book and ``course`` starts a chapter. A room imports only from rooms before it.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("carvana-lessons")
except PackageNotFoundError:  # a source folder on the path, never installed
    __version__ = "0+unknown"
