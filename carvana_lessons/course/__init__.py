"""A chapter's name becomes its setting: device, photos, scale and seed.

Google Colab, and one's own copy of the course, are prepared here too.
"""

from carvana_lessons.course.lesson import (
    SCALES,
    Lesson,
    Scale,
    data_folder,
    describe_data,
    open_photos,
    scale_name,
    start,
)
from carvana_lessons.course.marks import Mark, Progress, progress

__all__ = [
    "SCALES",
    "Lesson",
    "Mark",
    "Progress",
    "Scale",
    "data_folder",
    "describe_data",
    "open_photos",
    "progress",
    "scale_name",
    "start",
]
