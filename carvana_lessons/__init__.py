"""Companion package of the Carvana lessons: cut a car out of its photo, room by room.

The rooms, in the order in which a photo passes through them; each imports only those above it:

- ``utils``: tools under all rooms: files, errors, progress, devices
- ``data``: photos on disk become batches of tensors
- ``studio``: draws photos and masks where there are no real ones
- ``models``: networks, from batches to logits
- ``show``: every picture of the book
- ``course``: the start of a chapter
- ``prediction``: logits become masks, cut-outs and the challenge's submission
- ``evaluation``: masks become scores
- ``training``: losses, the loop, and what a long run needs
- ``features``: what a network holds inside
- ``comparison``: several networks under one protocol
- ``exercises``: tasks of the chapters that check themselves
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("carvana-lessons")
except PackageNotFoundError:  # a source folder on the path, never installed
    __version__ = "0+unknown"
