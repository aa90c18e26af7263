"""Masks and true masks become scores: the challenge's Dice, for networks and for simple baselines."""

from carvana_lessons.evaluation.folder_scores import FolderScores, evaluate_folder
from carvana_lessons.evaluation.held_out import held_out
from carvana_lessons.evaluation.pixels import CAR_PIXELS, wrong_pixels
from carvana_lessons.evaluation.scoring import evaluate, score

__all__ = ["CAR_PIXELS", "FolderScores", "evaluate", "evaluate_folder", "held_out", "score", "wrong_pixels"]
