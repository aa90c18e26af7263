"""A network and batches become a trained network, its history, and checkpoints from which a stopped run continues."""

from carvana_lessons.training.cached import train_once
from carvana_lessons.training.folder_plan import Plan, plan_folder
from carvana_lessons.training.folder_training import FolderTraining, train_folder
from carvana_lessons.training.history import History
from carvana_lessons.training.plan_file import read_plan, write_plan
from carvana_lessons.training.trainer import Trainer
from carvana_lessons.utils.progress import count_runs

__all__ = [
    "FolderTraining",
    "History",
    "Plan",
    "Trainer",
    "count_runs",
    "plan_folder",
    "read_plan",
    "train_folder",
    "train_once",
    "write_plan",
]
