"""Several networks under one protocol: trained, scored at the photos' own size, compared with their uncertainty."""

from carvana_lessons.comparison.kept import Measured, keep, measured
from carvana_lessons.comparison.protocol import Protocol
from carvana_lessons.comparison.reported import LEADERBOARD, reported
from carvana_lessons.comparison.runs import compare
from carvana_lessons.comparison.speed import Speed, measure_speed
from carvana_lessons.comparison.table import interval, markdown, paired, summarise

__all__ = [
    "LEADERBOARD",
    "Measured",
    "Protocol",
    "Speed",
    "compare",
    "interval",
    "keep",
    "markdown",
    "measure_speed",
    "measured",
    "paired",
    "reported",
    "summarise",
]
