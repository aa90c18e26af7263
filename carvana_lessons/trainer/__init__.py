"""The training loop, and what a long run needs around it."""

from carvana_lessons.trainer.trainer import Trainer

__all__ = ["Trainer"]
