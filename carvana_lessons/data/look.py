"""What a photo and its mask are, looked at once: decoded from end to end, and no fault ends it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from carvana_lessons.data.decode import UNREADABLE, apply_exif_orientation, as_rgb, decode, exif_orientation
from carvana_lessons.data.duplicates import difference_hash
from carvana_lessons.data.images import unreadable
from carvana_lessons.data.mask_rule import MaskRule
from carvana_lessons.data.mask_values import NoMask, values_of
from carvana_lessons.data.masks import find_car, load_mask
from carvana_lessons.data.pairs import Pair
from carvana_lessons.data.strange import strange
from carvana_lessons.utils.errors import DataError

Size = tuple[int, int]
MANY = 4  # values of a mask that are named


@dataclass(frozen=True)
class Look:
    """What was seen of a pair; None where a fault prevented it.

    Attributes:
        pair: its files.
        photo_fault: why the photo cannot be read.
        mask_fault: why the mask cannot be read, or is none.
        size: (width, height) of the photo as stored.
        mask_size: (width, height) of the mask.
        kind: format and mode of the photo, "JPEG, RGB".
        mask_kind: format and mode of the mask.
        turned: whether EXIF turns the photo.
        values: of the mask, "0 and 255".
        share: of the photo that is object, 0…1.
        strange: a key of `carvana_lessons.data.strange.STRANGE`.
        digest: of the photo's bytes.
        bits: `difference_hash` of the photo, upright.
    """

    pair: Pair
    photo_fault: str | None = None
    mask_fault: str | None = None
    size: Size | None = None
    mask_size: Size | None = None
    kind: str | None = None
    mask_kind: str | None = None
    turned: bool = False
    values: str | None = None
    share: float | None = None
    strange: str | None = None
    digest: str | None = None
    bits: np.ndarray | None = None


def look_at(pair: Pair, rule: MaskRule | None = None) -> Look:
    """Decode a photo and its mask; about 40 ms at 1918×1280.

    Args:
        pair: of `find_pairs`.
        rule: which values of the mask are car; None for the brighter of two.

    Returns:
        what was seen.

    Lesson:
        01.
    """
    return Look(pair, **_photo(pair), **_mask(pair, rule))


def _photo(pair: Pair) -> dict:
    def seen(image: Image.Image) -> dict:
        kind, size, turn = f"{image.format}, {image.mode}", image.size, exif_orientation(image)
        upright = apply_exif_orientation(as_rgb(image))  # the whole picture is decoded: a cut one fails here
        return {"kind": kind, "size": size, "turned": turn != 1, "bits": difference_hash(upright)}

    try:
        content = pair.image.read_bytes()
        return decode(io.BytesIO(content), seen) | {"digest": hashlib.blake2b(content, digest_size=16).hexdigest()}
    except DataError as error:
        return {"photo_fault": str(error)}
    except UNREADABLE as error:
        return {"photo_fault": str(unreadable(pair.image, error))}


def _mask(pair: Pair, rule: MaskRule | None) -> dict:
    told: dict = {}

    def seen(image: Image.Image) -> Image.Image:
        told.update(mask_kind=f"{image.format}, {image.mode}", mask_size=image.size)
        return load_mask(image)

    try:
        pixels = decode(pair.mask, seen)
        told["values"] = _in_words([name for name, _ in values_of(pixels)])
        car = find_car(pixels, rule)
    except NoMask as error:
        return told | {"mask_fault": f"{pair.mask} {error}."}
    except DataError as error:
        return told | {"mask_fault": str(error)}
    except UNREADABLE as error:
        return {"mask_fault": str(unreadable(pair.mask, error))}
    return told | {"share": float(car.mean()), "strange": strange(car)}


def _in_words(values: list[str]) -> str:
    """The values of a mask, the darkest first; of a smoothed one how many."""
    if len(values) > MANY:
        return f"{len(values):,} different"
    if not any(value.startswith("#") for value in values):
        values = sorted(values, key=float)
    return " and ".join(", ".join(values).rsplit(", ", 1))
