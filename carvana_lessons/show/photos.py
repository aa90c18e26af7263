"""Photos and masks side by side, and as overlays.

Lesson:
    01.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from carvana_lessons.data import CarFolder
from carvana_lessons.show.figures import Picture, figure
from carvana_lessons.utils.errors import ArgumentError

#: A colour of the pictures, RGB; after Okabe & Ito, told apart by colour-blind readers.
BLUE, ORANGE, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)


def shrink(image: np.ndarray, width: int) -> np.ndarray:
    """A smaller copy for a page.

    Args:
        image: (H, W, 3) uint8, or a mask (H, W).
        width: of the copy, in pixels; a smaller image stays as it is.

    Returns:
        (h, width, 3) uint8 or (h, width) of the same dtype, the aspect kept.
    """
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    if width >= image.shape[1]:
        return image
    if image.ndim == 3:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
    mask = Image.fromarray((image > 0).astype(np.uint8) * 255).resize((width, height), Image.Resampling.BOX)
    return (np.asarray(mask) > 127).astype(image.dtype)


def overlay(photo: np.ndarray, mask: np.ndarray, color: tuple[int, int, int] = BLUE, alpha: float = 0.55) -> np.ndarray:
    """Tint the photo where the mask is car.

    Args:
        photo: (H, W, 3) uint8.
        mask: (H, W), car where > 0.
        color: RGB.
        alpha: share of the tint, 0…1.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if the sizes differ.
    """
    _same_size(photo, mask)
    tinted = (1 - alpha) * photo + alpha * np.asarray(color)
    return np.where((mask > 0)[..., None], tinted, photo).astype(np.uint8)


def errors(photo: np.ndarray, target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """A pale photo with the wrong pixels in colour: orange where car was missed, blue where there is none.

    Args:
        photo: (H, W, 3) uint8.
        target: (H, W), car where > 0.
        prediction: (H, W), car where > 0.

    Returns:
        (H, W, 3) uint8.
    """
    _same_size(photo, target)
    _same_size(photo, prediction)
    grey = photo.mean(axis=2, keepdims=True).repeat(3, axis=2)
    pale = (0.35 * grey + 0.65 * 255).astype(np.uint8)
    pale[(target > 0) & (prediction == 0)] = ORANGE
    pale[(target == 0) & (prediction > 0)] = BLUE
    return pale


def confusion(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Two masks as one picture of right and wrong pixels.

    Args:
        target: (H, W), car where > 0.
        prediction: (H, W), car where > 0.

    Returns:
        (H, W, 3) uint8: true positives green, false positives blue, false negatives orange, true negatives light grey.

    Raises:
        ValueError: if the sizes differ.
    """
    if target.shape != prediction.shape:
        raise ValueError(f"The masks are {target.shape} and {prediction.shape} (height, width); resize one first.")
    colors = np.array([(235, 235, 235), BLUE, ORANGE, GREEN], np.uint8)
    return colors[2 * (target > 0) + (prediction > 0)]


def captions(photos: CarFolder) -> list[str]:
    """A title for each photo: make, model and view, as far as ``metadata.csv`` knows the car.

    Args:
        photos: of a folder with or without ``metadata.csv``.

    Returns:
        one text per photo, in their order: "Acura TL, view 4", or "0004d4463b50, view 4" for a car without make and
        model.
    """
    known = photos.metadata[["make", "model"]].dropna()
    names = {car: f"{row.make} {row.model}" for car, row in known.iterrows()}
    return [f"{names.get(photo.car, photo.car)}, view {photo.view}" for photo in photos]


def grid(
    images: Sequence[np.ndarray], alt: str, titles: Sequence[str] | None = None, columns: int = 4, width: float = 8.0
) -> Picture:
    """A contact sheet.

    Args:
        images: each (H, W, 3) uint8, or a mask or map (H, W), drawn from its lowest value (black) to its highest.
        alt: what is seen.
        titles: one for each image.
        columns: images per row.
        width: of the sheet, in inches.

    Returns:
        the picture.

    Raises:
        ValueError: if there are no images.
    """
    if not len(images):
        raise ArgumentError("A contact sheet needs images: give one or more.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    aspect = images[0].shape[0] / images[0].shape[1]
    between = 0.03  # of an image's width; more below a row where titles follow
    cell = width / (columns + between * (columns - 1))
    below = 0.25 if titles else between * cell
    fig, axes = plt.subplots(rows, columns, figsize=(width, rows * cell * aspect + (rows - 1) * below), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(shrink(image, 640) if image.dtype == np.uint8 else image)
        if titles:
            axis.set_title(titles[k], fontsize=8, pad=3)
    fig.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=between, hspace=below / (cell * aspect))
    return figure(fig, alt, kind="jpeg")


def compare(photo: np.ndarray, target: np.ndarray, prediction: np.ndarray, alt: str, title: str = "") -> Picture:
    """Photo, target, prediction and error map in a row.

    Args:
        photo: (H, W, 3) uint8.
        target: (H, W), car where > 0.
        prediction: (H, W), car where > 0.
        alt: what is seen.
        title: of the prediction, its score for example.

    Returns:
        the picture.
    """
    wrong = int(((target > 0) != (prediction > 0)).sum())
    target, prediction = (target > 0).astype(np.uint8), (prediction > 0).astype(np.uint8)
    return grid(
        [photo, target, prediction, errors(photo, target, prediction)],
        alt,
        titles=["photo", "target", title or "prediction", f"{wrong:,} wrong (orange: missed)"],
    )


def _same_size(photo: np.ndarray, mask: np.ndarray) -> None:
    if mask is None:
        raise ArgumentError("There is no mask to show: the photo's folder was opened without masks.")
    if photo.shape[:2] != mask.shape:
        raise ValueError(f"The photo is {photo.shape[:2]} and the mask {mask.shape} (height, width); resize one first.")
