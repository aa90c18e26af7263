"""A batch of photos, (B, 3, H, W) in [0, 1], becomes logits, (B, K, H, W): the networks of the course, by name.

Trained weights come with some of them, see `shipped`.
"""

from carvana_lessons.models.blocks import ConvBlock, DoubleConv
from carvana_lessons.models.coordinates import append_maps, coordinate_maps
from carvana_lessons.models.fuse import fuse_batch_norm
from carvana_lessons.models.logits import car_logit
from carvana_lessons.models.maskingnet import DESIGNS, Design, MaskingNet, Unpool
from carvana_lessons.models.model_cards import read_card, ship, shipped
from carvana_lessons.models.pretrained import load_pretrained
from carvana_lessons.models.provenance import Provenance, provenance
from carvana_lessons.models.registry import count_parameters, create, names
from carvana_lessons.models.unet import UNet

__all__ = [
    "DESIGNS",
    "ConvBlock",
    "Design",
    "DoubleConv",
    "MaskingNet",
    "Provenance",
    "UNet",
    "Unpool",
    "append_maps",
    "car_logit",
    "coordinate_maps",
    "count_parameters",
    "create",
    "fuse_batch_norm",
    "load_pretrained",
    "names",
    "provenance",
    "read_card",
    "ship",
    "shipped",
]
