"""The start of a chapter: its device, photos and scale; Google Colab; one's own copy of the course."""

from carvana_lessons.course.lesson import SCALES, Lesson, Scale, start

__all__ = ["SCALES", "Lesson", "Scale", "start"]
