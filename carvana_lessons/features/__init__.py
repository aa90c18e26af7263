"""A network and a photo become what lies inside: receptive fields, feature maps, and what can be read from them."""

from carvana_lessons.features.maps import ablate, feature_maps, stages
from carvana_lessons.features.readout import Probe, Readout
from carvana_lessons.features.receptive import Window, receptive_field, seen_from, seen_pixels, windows
from carvana_lessons.features.strongest import strongest

__all__ = [
    "Probe",
    "Readout",
    "Window",
    "ablate",
    "feature_maps",
    "receptive_field",
    "seen_from",
    "seen_pixels",
    "stages",
    "strongest",
    "windows",
]
