"""Baselines: masks without a network, which every network has to beat.

Lesson:
    01.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from carvana_lessons.data import CarFolder, Photo, loader, read_mask
from carvana_lessons.prediction.inference import upsample
from carvana_lessons.utils.errors import DataError

BATCH = 64


def mean_mask(photos: CarFolder, size: int | tuple[int, int] = 128) -> Tensor:
    """The share of the photos in which each pixel is car.

    Args:
        photos: photos with masks.
        size: side, or (height, width), of the result.

    Returns:
        (1, h, w) float32 in [0, 1].

    Raises:
        DataError: if there are no photos, or no masks.

    Lesson:
        01.
    """
    photos.require("A mean mask")
    total = sum(y.sum(dim=0) for _, y in loader(photos, size=size, batch_size=BATCH))
    return total / len(photos)


def mean_mask_by_view(photos: CarFolder, size: int | tuple[int, int] = 128) -> dict[int, Tensor]:
    """`mean_mask` per view: {1: (1, h, w), …, 16: (1, h, w)}, for the views that are there.

    Args:
        photos: photos with masks.
        size: as `mean_mask` takes it.

    Returns:
        view → (1, h, w) float32 in [0, 1].

    Raises:
        DataError: if there are no photos, or no masks.

    Lesson:
        01.
    """
    photos.require("A mean mask")
    views = sorted({photo.view for photo in photos})
    return {view: mean_mask(photos.select(views=view), size) for view in views}


def as_mask(share: Tensor, size: tuple[int, int], threshold: float = 0.5) -> np.ndarray:
    """Upsample a map of shares and threshold it: car where more than ``threshold`` of the training photos have car.

    Args:
        share: (1, h, w) in [0, 1].
        size: **(width, height)** to reach, as ``photo.size`` says it.
        threshold: share above which a pixel is car.

    Returns:
        (height, width) bool.

    Lesson:
        01.
    """
    width, height = size
    return upsample(share[None], (height, width))[0, 0].gt(threshold).numpy()


@dataclass(frozen=True)
class Match:
    """The most similar training photo of a photo; ``mirrored`` if its horizontal flip is.

    Attributes:
        photo: the training photo.
        mirrored: whether left and right are to be exchanged.
    """

    photo: Photo
    mirrored: bool

    def read(self) -> np.ndarray:
        """Its pixels, flipped if ``mirrored``: (H, W, 3) uint8.

        Returns:
            (H, W, 3) uint8, RGB.
        """
        return self._flipped(self.photo.read())

    def mask(self) -> np.ndarray:
        """Its mask, flipped if ``mirrored``: (H, W) bool, at full size.

        Returns:
            (H, W) bool.
        """
        return self._flipped(read_mask(self.photo).view(bool))

    def _flipped(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[:, ::-1]) if self.mirrored else image


def most_similar(photos: CarFolder, train: CarFolder, exclude_same_car: bool = False, side: int = 16) -> list[Match]:
    """Nearest-neighbour baseline: for each photo, the most similar training photo.

    Most similar is the smallest squared difference between two grey thumbnails. Training photos count twice, as they
    are and flipped, because a car's left side is its right side in the mirror.

    Args:
        photos: the queries.
        train: the photos to search.
        exclude_same_car: ignore training photos of the photo's own car.
        side: of the thumbnails, in pixels.

    Returns:
        one `Match` per photo, in their order.

    Raises:
        DataError: if there is nothing to find, or ``train`` has no masks.

    Lesson:
        01.
    """
    train.require("The mask of the photo that looks most alike")
    seen = thumbnails(train, side)
    memory = torch.cat([seen, seen.flip(-1)]).flatten(1)  # (2N, side²)
    distance = torch.cdist(thumbnails(photos, side).flatten(1), memory)  # (M, 2N)
    if exclude_same_car:
        cars = np.array([photo.car for photo in train] * 2)
        same = np.array([photo.car for photo in photos])[:, None] == cars
        distance[torch.from_numpy(same)] = torch.inf
    best, found = distance.min(dim=1)
    if best.isinf().any():
        raise DataError("A photo has no neighbour: every training photo shows its own car.")
    return [Match(train[k % len(train)], k >= len(train)) for k in found.tolist()]


def thumbnails(photos: CarFolder, side: int = 16) -> Tensor:
    """Small grey copies, (N, side, side) float32 in [0, 1], from the decoded copy at 128 px.

    Args:
        photos: with or without masks.
        side: of a copy, in pixels.

    Returns:
        (N, side, side) float32 in [0, 1].

    Raises:
        DataError: if there are no photos.
    """
    photos.require("A comparison", masks=False)
    batches = loader(photos, size=128, batch_size=BATCH)
    seen = (batch if isinstance(batch, Tensor) else batch[0] for batch in batches)  # photos without masks come alone
    return torch.cat([F.adaptive_avg_pool2d(x.mean(dim=1), side) for x in seen])
