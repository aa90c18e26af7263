"""Colours with 16 bits per channel: Pillow decodes only the high byte, and a mask of 0 and 1 is in the low one.

So such a file is decoded twice: in the other byte order, the byte that Pillow keeps is the low one.
"""

from __future__ import annotations

import io
import sys

import numpy as np
from PIL import Image

BANDS = {"RGB", "RGBX", "RGBA"}  # those that Pillow reads in either byte order
OTHER = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


def has_16_bit_colors(image: Image.Image) -> bool:
    """Whether an open image has 16 bits per channel, more than Pillow decodes; never true of grey images.

    Args:
        image: open, not yet decoded.
    """
    if image.mode not in ("RGB", "RGBA", "CMYK"):
        return False
    for codec, _, _, told in image.tile:
        if codec.startswith("ppm") and told[1] > 255:  # its largest number
            return True
    return any(";16" in raw for raw in _raw_modes(image))


def read_16_bit_colors(image: Image.Image) -> np.ndarray | None:
    """The numbers of an image of which `has_16_bit_colors` is true.

    Args:
        image: open, not yet decoded.

    Returns:
        (H, W, 3) or (H, W, 4) uint16, RGB and where there is transparency how opaque; None where Pillow has no way to
        read them whole.
    """
    image.fp.seek(0)
    content = image.fp.read()
    modes = _raw_modes(image)
    if modes == {"LA;16B"}:  # four bytes, as RGBA has
        both = np.asarray(_decoded(content, {"LA;16B": "RGBA"})).astype(np.uint16)
        return (both[..., ::2] << 8 | both[..., 1::2])[..., [0, 0, 0, 1]]
    swapped = {raw: f"{bands};{OTHER[order]}" for raw in modes for bands, _, order in [raw.partition(";")]
               if bands in BANDS and order in OTHER}  # fmt: skip
    if not modes or set(swapped) != modes:
        return None
    values = np.asarray(_decoded(content, {})).astype(np.uint16) << 8 | np.asarray(_decoded(content, swapped))
    clear = Image.open(io.BytesIO(content)).info.get("transparency")  # in a PNG, one colour of 16 bits per band
    if values.shape[2] == 3 and clear is not None:
        opaque = (values != np.array(clear)).any(axis=2, keepdims=True)
        return np.concatenate([values, np.where(opaque, 65535, 0).astype(np.uint16)], axis=2)
    return values


def _raw_modes(image: Image.Image) -> set[str]:
    """How the bands lie in the file, in Pillow's words."""
    return {told if isinstance(told, str) else str(told[0]) for _, _, _, told in image.tile if told}


def _decoded(content: bytes, modes: dict[str, str]) -> Image.Image:
    """A file as Pillow decodes it if the bands are said to lie otherwise."""
    image = Image.open(io.BytesIO(content))
    tiles = []
    for tile in image.tile:
        told = tile[3]
        told = modes.get(told, told) if isinstance(told, str) else (modes.get(told[0], told[0]), *told[1:])
        tiles.append(tile._replace(args=told) if hasattr(tile, "_replace") else (*tile[:3], told))  # Pillow < 11.1
    image.tile = tiles
    image.load()
    return image
