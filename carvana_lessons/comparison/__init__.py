"""Names of networks and one protocol become a table: scores with confidence intervals, time and memory.

What others report stands beside it.
"""

from carvana_lessons.comparison.protocol import Protocol
from carvana_lessons.comparison.reported import LEADERBOARD, leaderboard, reported
from carvana_lessons.comparison.results import Results, load_results, save_results
from carvana_lessons.comparison.runs import compare
from carvana_lessons.comparison.significance import holm, permutation_test
from carvana_lessons.comparison.speed import Speed, measure_speed
from carvana_lessons.comparison.table import interval, markdown, paired, summarise

__all__ = [
    "LEADERBOARD",
    "Protocol",
    "Results",
    "Speed",
    "compare",
    "holm",
    "interval",
    "leaderboard",
    "load_results",
    "markdown",
    "measure_speed",
    "paired",
    "permutation_test",
    "reported",
    "save_results",
    "summarise",
]
