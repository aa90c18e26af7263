"""A folder of photos and masks becomes batches of tensors: indexed and checked, split by car, decoded, augmented.

Run-length code and the download of the real photos stand here too.
"""

from carvana_lessons.data.augment import Augment, mirror, recolor, rotate
from carvana_lessons.data.backgrounds.replacement import BackgroundReplacement
from carvana_lessons.data.cache import cache
from carvana_lessons.data.dataset import CarDataset, loader
from carvana_lessons.data.download import download
from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.images import Photo, read_mask, read_pair, read_photo, read_resized
from carvana_lessons.data.open_folder import open_folder
from carvana_lessons.data.pairs import FoundPairs, Pair, find_pairs
from carvana_lessons.data.rle import rle_decode, rle_encode, submission_line
from carvana_lessons.data.split import k_folds_by_car, sample_evenly, split_by_car, split_by_image

__all__ = [
    "Augment",
    "BackgroundReplacement",
    "CarDataset",
    "CarFolder",
    "FoundPairs",
    "Pair",
    "Photo",
    "cache",
    "download",
    "find_pairs",
    "k_folds_by_car",
    "loader",
    "mirror",
    "open_folder",
    "read_mask",
    "read_pair",
    "read_photo",
    "read_resized",
    "recolor",
    "rle_decode",
    "rle_encode",
    "rotate",
    "sample_evenly",
    "split_by_car",
    "split_by_image",
    "submission_line",
]
