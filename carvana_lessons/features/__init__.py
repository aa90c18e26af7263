"""A network and a photo become what lies inside: receptive fields, feature maps, and what can be read from them."""

from carvana_lessons.features.effective import effective_receptive_field, effective_size
from carvana_lessons.features.maps import ablate, feature_maps, stages
from carvana_lessons.features.readout import Probe, Readout, stage_readouts
from carvana_lessons.features.receptive import ReceptiveField, receptive_field, receptive_fields, seen_from, seen_pixels
from carvana_lessons.features.top_activations import top_activations

__all__ = [
    "Probe",
    "Readout",
    "ReceptiveField",
    "ablate",
    "effective_receptive_field",
    "effective_size",
    "feature_maps",
    "receptive_field",
    "receptive_fields",
    "seen_from",
    "seen_pixels",
    "stage_readouts",
    "stages",
    "top_activations",
]
