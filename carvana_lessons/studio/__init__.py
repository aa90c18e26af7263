"""A seed becomes a folder of photos with exact masks, drawn by numpy: invented cars in Kaggle's layout, and leaves."""

from carvana_lessons.studio.leaves import PLANT, draw_leaf, ensure_leaves
from carvana_lessons.studio.picture import render
from carvana_lessons.studio.session import VIEWS
from carvana_lessons.studio.settings import DEFAULT, SOURCE, VERSION, Settings, default_folder
from carvana_lessons.studio.write import ensure, make

__all__ = [
    "DEFAULT",
    "PLANT",
    "SOURCE",
    "VERSION",
    "VIEWS",
    "Settings",
    "default_folder",
    "draw_leaf",
    "ensure",
    "ensure_leaves",
    "make",
    "render",
]
