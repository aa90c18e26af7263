"""A chapter's name becomes its setting: device, photos, scale and seed.

Google Colab, and one's own copy of the course, are prepared here too.
"""

from carvana_lessons.course.lesson import SCALES, Lesson, Scale, start

__all__ = ["SCALES", "Lesson", "Scale", "start"]
