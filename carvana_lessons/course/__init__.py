"""The start of a chapter: its device, photos and scale; Google Colab; one's own copy of the course."""

from carvana_lessons.course.lesson import SCALES, Lesson, Scale, data_folder, describe, scale_name, start

__all__ = ["SCALES", "Lesson", "Scale", "data_folder", "describe", "scale_name", "start"]
