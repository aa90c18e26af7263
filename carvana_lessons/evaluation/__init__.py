"""Masks and true masks become scores: the challenge's Dice, for networks and for simple baselines."""

from carvana_lessons.evaluation.folder_scores import FolderScores, evaluate_folder
from carvana_lessons.evaluation.held_out import held_out
from carvana_lessons.evaluation.pixels import CAR_PIXELS, wrong_pixels
from carvana_lessons.evaluation.scoring import evaluate, score
from carvana_lessons.evaluation.surface import boundary_scores, hausdorff95, surface_dice

__all__ = [
    "CAR_PIXELS",
    "FolderScores",
    "boundary_scores",
    "evaluate",
    "evaluate_folder",
    "hausdorff95",
    "held_out",
    "score",
    "surface_dice",
    "wrong_pixels",
]
