"""A seed becomes a folder of photos in Kaggle's layout: invented cars with exact masks, drawn by numpy."""

from carvana_lessons.studio.picture import render
from carvana_lessons.studio.session import VIEWS
from carvana_lessons.studio.settings import DEFAULT, SOURCE, VERSION, Settings, default_folder
from carvana_lessons.studio.write import ensure, make

__all__ = ["DEFAULT", "SOURCE", "VERSION", "VIEWS", "Settings", "default_folder", "ensure", "make", "render"]
