"""Arrays, tables and networks become pictures, each with its alt text."""

from carvana_lessons.show.bars import bars
from carvana_lessons.show.curves import training_curves
from carvana_lessons.show.figures import Picture, encode, figure
from carvana_lessons.show.flipbook import Flipbook, flipbook
from carvana_lessons.show.intervals import intervals
from carvana_lessons.show.live import play
from carvana_lessons.show.network import architecture
from carvana_lessons.show.numbers import numbers
from carvana_lessons.show.photos import (
    BLUE,
    GREEN,
    ORANGE,
    ContactSheet,
    captions,
    compare,
    confusion,
    errors,
    grid,
    overlay,
    shrink,
)
from carvana_lessons.show.selective import risk_coverage

__all__ = [
    "BLUE",
    "GREEN",
    "ORANGE",
    "ContactSheet",
    "Flipbook",
    "Picture",
    "architecture",
    "bars",
    "captions",
    "compare",
    "confusion",
    "encode",
    "errors",
    "figure",
    "flipbook",
    "grid",
    "intervals",
    "numbers",
    "overlay",
    "play",
    "risk_coverage",
    "shrink",
    "training_curves",
]
