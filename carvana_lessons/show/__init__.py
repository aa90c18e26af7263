"""Every picture of the book, each with its alt text."""

from carvana_lessons.figures import Picture, encode, figure
from carvana_lessons.show.flipbook import Flipbook, flipbook
from carvana_lessons.show.network import architecture
from carvana_lessons.show.photos import compare, errors, grid, overlay, shrink

__all__ = [
    "Flipbook",
    "Picture",
    "architecture",
    "compare",
    "encode",
    "errors",
    "figure",
    "flipbook",
    "grid",
    "overlay",
    "shrink",
]
