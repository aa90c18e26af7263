"""``python -m carvana_lessons`` is the command ``carvana-lessons``."""

from carvana_lessons.cli import app

app()
