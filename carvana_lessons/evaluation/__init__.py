"""Evaluate masks: the challenge's Dice, simple baselines, tables of the best and the worst photos."""

from carvana_lessons.evaluation.held_out import held_out
from carvana_lessons.evaluation.scoring import evaluate, score

__all__ = ["evaluate", "held_out", "score"]
