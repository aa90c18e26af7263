"""The synthetic studio: photos of invented cars with exact masks, drawn by numpy, in Kaggle's layout."""

from .picture import render
from .session import VIEWS
from .settings import DEFAULT, SOURCE, VERSION, Settings, default_folder
from .write import ensure, make

__all__ = ["DEFAULT", "SOURCE", "VERSION", "VIEWS", "Settings", "default_folder", "ensure", "make", "render"]
