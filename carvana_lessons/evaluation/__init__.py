"""How good masks are: the challenge's Dice, simple rules to compare with, tables of the best and the worst."""

from carvana_lessons.evaluation.held_out import held_out
from carvana_lessons.evaluation.scoring import evaluate, score

__all__ = ["evaluate", "held_out", "score"]
