"""What a folder of photos and masks is like, in a dozen numbers: how many, how large, how much of a photo is object.

Source:
    the dataset fingerprint of nnU-Net (Isensee et al. 2021), from which its settings follow.

Lesson:
    11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.images import read_mask
from carvana_lessons.data.shrink import shrink_mask
from carvana_lessons.data.split import sample_evenly
from carvana_lessons.utils.progress import bar

SIDES = (32, 64, 96, 128, 192, 256, 320, 384, 512, 768, 1024)  # inputs that the networks' pools can halve, in pixels
SAMPLE = 24  # masks that are decoded at full size; half a second each at 1918×1280


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of some numbers.

    Attributes:
        median: half of the numbers are smaller.
        smallest: of all.
        largest: of all.
    """

    median: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, values: np.ndarray) -> Spread:
        """The spread of some numbers.

        Args:
            values: (N,), one or more.

        Returns:
            median and ends.
        """
        return cls(float(np.median(values)), float(np.min(values)), float(np.max(values)))


@dataclass(frozen=True)
class DatasetFingerprint:
    """What decides how a network for these photos is to be trained.

    Attributes:
        photos: how many.
        groups: cars, or whatever else the photos are grouped by.
        width: of the photos, in pixels.
        height: of the photos, in pixels.
        aspect: width divided by height.
        mixed_sizes: whether the photos have more than one size.
        share: of a photo that is object, 0…1, in a sample of the photos.
        thickness: mean width of the object, as a share of the photo's longer side: 0.3 for a car that fills its photo,
            0.005 for a wire. Twice the area by the length of the boundary, in the sample.
        resolved: side of a square input → median Dice of a mask that is shrunk to it and enlarged again: about what a
            network without any fault could reach there.
        sample: masks that the last three were measured on.
    """

    photos: int
    groups: int
    width: Spread
    height: Spread
    aspect: Spread
    mixed_sizes: bool
    share: Spread
    thickness: float
    resolved: dict[int, float]
    sample: int


def dataset_fingerprint(cars: CarFolder, sample: int = SAMPLE, progress: bool = True) -> DatasetFingerprint:
    """Measure a folder: sizes of all photos from the index, the object in an even sample of the masks.

    Args:
        cars: photos with masks.
        sample: masks that are decoded, at most.
        progress: show a progress bar.

    Returns:
        the fingerprint.

    Raises:
        DataError: if there are no photos, or no masks, or a mask of the sample does not decode.

    Source:
        Isensee et al. 2021.

    Lesson:
        11.
    """
    cars.require("A plan")
    table = cars.frame()
    width, height = table["width"].to_numpy(), table["height"].to_numpy()
    sides = _sides(int(np.median(np.maximum(width, height))))
    chosen = sample_evenly(cars, sample)
    shares, widths, dice = [], [], {side: [] for side in sides}
    for photo in bar(chosen, total=len(chosen), desc="measuring masks", unit="mask", disable=not progress):
        mask = read_mask(photo)
        shares.append(mask.mean())
        if not mask.any():
            continue  # without an object there is nothing to lose
        widths.append(mean_width(mask) / max(mask.shape))
        for side in sides:
            dice[side].append(dice_of_shrunk(mask, side))
    return DatasetFingerprint(
        photos=len(cars),
        groups=len(cars.ids),
        width=Spread.of(width),
        height=Spread.of(height),
        aspect=Spread.of(width / height),
        mixed_sizes=len({*zip(width, height, strict=True)}) > 1,
        share=Spread.of(np.array(shares)),
        thickness=float(np.median(widths)) if widths else 0.0,
        resolved={side: float(np.median(values)) if values else 1.0 for side, values in dice.items()},
        sample=len(chosen),
    )


def mean_width(mask: np.ndarray) -> float:
    """How wide the parts of an object are on average: twice its area by the length of its boundary.

    Of a long bar that is its width, of a disk its radius. The edge of the photo is no boundary.

    Args:
        mask: (H, W) in {0, 1}.

    Returns:
        pixels; the longer side where the mask has no boundary; 0 for an empty one.
    """
    inside = mask.astype(bool)
    if not inside.any():
        return 0.0
    edge = np.zeros_like(inside)
    edge[1:] |= ~inside[:-1]
    edge[:-1] |= ~inside[1:]
    edge[:, 1:] |= ~inside[:, :-1]
    edge[:, :-1] |= ~inside[:, 1:]
    length = int((edge & inside).sum())
    return min(2 * int(inside.sum()) / length, max(mask.shape)) if length else float(max(mask.shape))


def dice_of_shrunk(mask: np.ndarray, side: int) -> float:
    """Dice of a mask with itself, shrunk to a square input and enlarged again, as a network's answer is.

    Args:
        mask: (H, W) uint8 in {0, 1}, with an object.
        side: of the square, in pixels.

    Returns:
        0…1.
    """
    small = Image.fromarray(shrink_mask(mask, (side, side)) * np.uint8(255))
    again = np.asarray(small.resize(mask.shape[::-1], Image.Resampling.BILINEAR)) > 127
    inside = mask.astype(bool)
    return 2 * int((again & inside).sum()) / (int(again.sum()) + int(inside.sum()))


def _sides(longest: int) -> list[int]:
    """The sides that make sense for photos of that longer side: up to the first that keeps every pixel."""
    last = next((k for k, side in enumerate(SIDES) if side >= longest), len(SIDES) - 1)
    return list(SIDES[: last + 1])
