"""A network and batches become a trained network, its history, and checkpoints from which a stopped run continues."""

from carvana_lessons.training.cached import train_once
from carvana_lessons.training.folder_training import FolderTraining, train_folder
from carvana_lessons.training.history import History
from carvana_lessons.training.trainer import Trainer

__all__ = ["FolderTraining", "History", "Trainer", "train_folder", "train_once"]
