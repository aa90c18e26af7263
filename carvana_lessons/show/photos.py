"""Photos and masks side by side, and as overlays.

Lesson:
    01.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from carvana_lessons.data import CarFolder
from carvana_lessons.show.figures import Picture, encode
from carvana_lessons.utils.errors import ArgumentError

#: A colour of the pictures, RGB; after Okabe & Ito, told apart by colour-blind readers.
BLUE, ORANGE, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)
NARROW = 150  # CSS pixels: less wide, a photo is not readable


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


@dataclass(frozen=True)
class ContactSheet:
    """Pictures in rows. A page as narrow as a phone's shows two of four in a row, and the text of a title stays text.

    Attributes:
        pictures: in reading order.
        alt: what is seen, in a sentence; it stands for all the pictures.
        titles: above the pictures; empty, or one for each.
        columns: pictures per row.
        width: of a row, in CSS pixels; a narrow page shrinks it.
    """

    pictures: tuple[Picture, ...] = field(repr=False)
    alt: str
    titles: tuple[str, ...]
    columns: int
    width: int

    def tag(self, attributes: str = "") -> str:
        """The HTML element; ``attributes`` go in as they are.

        Args:
            attributes: HTML to add, ``hidden`` for example.

        Returns:
            HTML.
        """
        # Rows of two, four, six may break in the middle; a row of three stays whole, or its columns would be mixed.
        narrow = min(NARROW, self.width // self.columns - 6)
        least = f"max({narrow}px,{90 / self.columns:.2f}%)" if self.columns % 2 == 0 else "0px"
        count = "auto-fill" if self.columns % 2 == 0 else self.columns
        layout = (
            f"display:grid;grid-template-columns:repeat({count},minmax({least},1fr));gap:6px;align-items:end;"
            f"width:{self.width}px;max-width:100%"
        )
        titles = self.titles or ("",) * len(self.pictures)
        cells = "".join(
            f'<div><div style="font-size:.8em;line-height:1.25;text-align:center">{html.escape(title)}</div>'
            f"{picture.tag(width='100%')}</div>"
            for picture, title in zip(self.pictures, titles, strict=True)
        )
        label = html.escape(self.alt)
        return f'<div role="img" aria-label="{label}" {attributes}><div style="{layout}">{cells}</div></div>'

    def _repr_html_(self) -> str:
        return self.tag()


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
    _same_size(target, prediction)
    colors = np.array([(235, 235, 235), BLUE, ORANGE, GREEN], np.uint8)
    return colors[2 * (target > 0) + (prediction > 0)]


def captions(photos: CarFolder) -> list[str]:
    """A title for each photo: make, model and view, as far as ``metadata.csv`` knows the car.

    Args:
        photos: of a folder with or without ``metadata.csv``.

    Returns:
        one text per photo, in their order: "Acura TL, view 4", or "0004d4463b50, view 4" for a car without make and
        model. In a folder that is not in Kaggle's layout, the photo's name.
    """
    known = photos.metadata[["make", "model"]].dropna()
    names = {car: f"{row.make} {row.model}" for car, row in known.iterrows()}
    if photos.unit != "car":
        return [photo.name for photo in photos]
    return [f"{names.get(photo.car, photo.car)}, view {photo.view}" for photo in photos]


def grid(
    images: Sequence[np.ndarray], alt: str, titles: Sequence[str] | None = None, columns: int = 4, width: float = 8.0
) -> ContactSheet:
    """A contact sheet.

    Args:
        images: each (H, W, 3) uint8, or a mask or map (H, W), drawn from its lowest value (black) to its highest.
        alt: what is seen.
        titles: one for each image.
        columns: images per row; on a phone, two of an even number.
        width: of the sheet, in inches of 100 CSS pixels.

    Returns:
        the sheet; as the last value of a cell it is displayed.

    Raises:
        ValueError: if there are no images, no alt text, or not one title for each image.
    """
    if not len(images):
        raise ArgumentError("A contact sheet needs images: give one or more.")
    if not alt.strip():
        raise ArgumentError("A contact sheet needs an alt text: say in one sentence what is seen.")
    titles = tuple(titles or ())
    if titles and len(titles) != len(images):
        raise ArgumentError(f"A contact sheet has a title for each image, not {len(titles)} for {len(images)}.")
    columns = min(columns, len(images))
    cell = round(100 * width / columns)
    names = titles or [f"picture {k} of {len(images)}" for k in range(1, len(images) + 1)]
    pictures = tuple(
        encode(_pixels(image, 2 * cell), alt=name or alt, width=cell) for image, name in zip(images, names, strict=True)
    )
    return ContactSheet(pictures, alt, titles, columns, round(100 * width))


def _pixels(image: np.ndarray, width: int) -> np.ndarray:
    """An image, a mask or a map as the bytes of a picture of about this width: shrunk, or each value a square."""
    if image.ndim == 3:
        if image.dtype != np.uint8:
            raise ArgumentError(f"A photo on a contact sheet is uint8, 0 to 255, not {image.dtype}.")
        return shrink(image, max(width, NARROW * 2))
    low, high = float(np.min(image)), float(np.max(image))
    grey = ((np.asarray(image, float) - low) / ((high - low) or 1) * 255).astype(np.uint8)
    factor = max(1, width // grey.shape[1])
    if factor == 1:
        height = max(1, round(grey.shape[0] * width / grey.shape[1]))
        return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))
    return grey.repeat(factor, axis=0).repeat(factor, axis=1)


def compare(photo: np.ndarray, target: np.ndarray, prediction: np.ndarray, alt: str, title: str = "") -> ContactSheet:
    """Photo, target, prediction and error map in a row.

    Args:
        photo: (H, W, 3) uint8.
        target: (H, W), car where > 0.
        prediction: (H, W), car where > 0.
        alt: what is seen.
        title: of the prediction, its score for example.

    Returns:
        the sheet.
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
        sizes = f"{photo.shape[:2]} and {mask.shape}"
        raise ValueError(f"Two sizes, {sizes} (height, width), cannot be laid on each other; resize one first.")
