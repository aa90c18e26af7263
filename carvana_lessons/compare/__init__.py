"""Several networks under one protocol: trained, scored at the photos' own size, compared with their uncertainty."""

from carvana_lessons.compare.kept import Measured, keep, measured
from carvana_lessons.compare.protocol import Protocol
from carvana_lessons.compare.reported import LEADERBOARD, reported
from carvana_lessons.compare.runs import compare
from carvana_lessons.compare.speed import Speed, measure_speed
from carvana_lessons.compare.table import interval, markdown, paired, summarise

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
