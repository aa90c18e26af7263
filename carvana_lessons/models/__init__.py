"""The networks of the course, by name, and the weights that are shipped with the package."""

from carvana_lessons.models.blocks import ConvBlock, DoubleConv
from carvana_lessons.models.coordinates import append_maps, coordinate_maps
from carvana_lessons.models.fuse import fuse_batch_norm
from carvana_lessons.models.maskingnet import DESIGNS, Design, MaskingNet, Unpool
from carvana_lessons.models.pretrained import load_pretrained
from carvana_lessons.models.provenance import Provenance, provenance
from carvana_lessons.models.registry import count_parameters, create, names
from carvana_lessons.models.shipped import read_card, ship, shipped
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
