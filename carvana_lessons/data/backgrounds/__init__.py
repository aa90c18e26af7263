"""Backgrounds out of nothing but numbers, for cars that are cut out and put before them (domain randomisation).

Read it in this order: `draws` and `noise` make random fields, `colors` and `textures` surfaces, `views` and `shapes`
what a camera sees of them, `places` whole backgrounds, `unseen` those kept for the test; `families` has them by name.
`cutting`, `placing`, `light` and `camera` put a car before one, and `replacement` does so while a network trains.

Lesson:
    11.
"""

from carvana_lessons.data.backgrounds.cutting import paste
from carvana_lessons.data.backgrounds.draws import Draws
from carvana_lessons.data.backgrounds.families import FAMILIES, HELD_OUT, make_background
from carvana_lessons.data.backgrounds.places import Place
from carvana_lessons.data.backgrounds.replacement import put_before

__all__ = ["FAMILIES", "HELD_OUT", "Draws", "Place", "make_background", "paste", "put_before"]
