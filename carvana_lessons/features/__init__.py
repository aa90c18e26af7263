"""What a network holds inside: what its stacks see, and the maps between its stages."""

from carvana_lessons.features.receptive import receptive_field, seen_pixels

__all__ = ["receptive_field", "seen_pixels"]
