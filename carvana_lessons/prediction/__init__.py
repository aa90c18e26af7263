"""Photos and a trained network become logits, masks at the photos' own size, cut-outs and the challenge's file."""

from carvana_lessons.prediction.background_removal import cut_out
from carvana_lessons.prediction.cutout_files import cut_out_files
from carvana_lessons.prediction.doubts import look_first, read_doubts
from carvana_lessons.prediction.export import export_onnx
from carvana_lessons.prediction.inference import Ensemble, car_logits, input_size, predict, upsample
from carvana_lessons.prediction.pseudo_labels import pseudo_label
from carvana_lessons.prediction.submission import merge, predict_folder, submit
from carvana_lessons.prediction.trained import load_trained

__all__ = [
    "Ensemble",
    "car_logits",
    "cut_out",
    "cut_out_files",
    "export_onnx",
    "input_size",
    "load_trained",
    "look_first",
    "merge",
    "predict",
    "predict_folder",
    "pseudo_label",
    "read_doubts",
    "submit",
    "upsample",
]
