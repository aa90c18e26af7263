"""The training loop, and what a long run needs around it."""

from carvana_lessons.training.cached import train_once
from carvana_lessons.training.history import History
from carvana_lessons.training.trainer import Trainer

__all__ = ["History", "Trainer", "train_once"]
