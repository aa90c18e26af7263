"""One photo with its mask as two files, and one car's row of the table."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from carvana_lessons.studio.names import car_id, metadata_row
from carvana_lessons.studio.picture import render
from carvana_lessons.studio.session import session
from carvana_lessons.studio.settings import Settings

QUALITY = 92


def save_view(folder: Path, index: int, view: int, settings: Settings) -> dict[str, str]:
    """Take one photo and write it with its mask.

    Args:
        folder: of the set.
        index: of the car, counted from 0.
        view: 1 to 16.
        settings: of the set.

    Returns:
        the two files' paths inside the folder, each with its sha256.
    """
    photo, mask = render(index, view, settings.size, settings.seed)
    name = f"{car_id(settings.seed, index)}_{view:02d}"
    paths = [f"train/{name}.jpg", f"train_masks/{name}_mask.gif"]
    Image.fromarray(photo).save(folder / paths[0], quality=QUALITY)
    drawn = Image.new("P", (mask.shape[1], mask.shape[0]))
    drawn.putpalette([0, 0, 0, 255, 255, 255])
    drawn.frombytes(mask.astype(np.uint8).tobytes())
    drawn.save(folder / paths[1], optimize=False)
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}


def describe(index: int, settings: Settings) -> dict[str, str]:
    """One car's row of ``metadata.csv``.

    Args:
        index: of the car, counted from 0.
        settings: of the set.

    Returns:
        column → value.
    """
    car = session(settings.seed, index).car
    return metadata_row(settings.seed, index, car.body.kind, car.paints.name)
