"""A contact sheet of photos with the outlines of their masks, as a page or a picture."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, binary_erosion

from carvana_lessons.data import Pair, read_mask, read_photo
from carvana_lessons.data.mask_rule import MaskRule
from carvana_lessons.data.split import even_positions
from carvana_lessons.show.photos import BLUE, ORANGE, grid, shrink
from carvana_lessons.utils.errors import ArgumentError, DataError
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.paths import expand

PHOTOS, COLUMNS, WIDTH = 48, 4, 320  # photos of a sheet, in a row, pixels of one
LINE = 22  # pixels of a caption
MARK = "(!)"  # before the name of a photo that a finding names
KINDS = (".png", ".html")
ALT = "photos with the outlines of their masks"


def check_kind(path: Path) -> Path:
    """Refuse another kind of file than a sheet can be, before the photos are looked at.

    Args:
        path: of the sheet.

    Returns:
        the same path.

    Raises:
        ArgumentError: for another ending.
    """
    if path.suffix.lower() not in KINDS:
        raise ArgumentError(f"A sheet is a .png or a .html file, and {path.name} is neither: name it sheet.html.")
    return path


def outline(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draw the boundary of a mask into its photo: orange, with blue around, so that it is seen on any colour.

    Args:
        photo: (H, W, 3) uint8.
        mask: (H, W), object where > 0.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if the sizes differ.

    Lesson:
        11.
    """
    if photo.shape[:2] != mask.shape:
        raise ValueError(
            f"Two sizes, {photo.shape[:2]} and {mask.shape} (height, width), cannot be laid on each other."
        )
    inside, drawn = mask > 0, photo.copy()
    drawn[binary_dilation(inside) & ~inside] = BLUE
    drawn[inside & ~binary_erosion(inside)] = ORANGE
    return drawn


def write_sheet(
    pairs: Sequence[Pair], path: str | Path, first: Sequence[Pair] = (), rule: MaskRule | None = None, name: str = ""
) -> Path:
    """Write a contact sheet of photos and masks; it holds the photos, so it is as private as they are.

    Args:
        pairs: as `find_pairs` gives them.
        path: .html or .png; whether a file may be replaced is the caller's question.
        first: those that stand first, marked; the rest of the sheet is an even sample of the others.
        rule: which values of the masks are object; None for the brighter of two.
        name: of the folder, for the title.

    Returns:
        the path.

    Raises:
        ArgumentError: for another ending.
        DataError: if there are no pairs.
        CarvanaError: if the file cannot be written.

    Lesson:
        11.
    """
    path = check_kind(expand(path))
    if not pairs:
        raise DataError("A contact sheet needs photos with masks, and there are none: look at what is told above.")
    marked = set(first)
    chosen = _chosen(pairs, marked)
    pictures = [_drawn(pair, rule) for pair in chosen]
    titles = [f"{MARK} {pair.name}" if pair in marked else pair.name for pair in chosen]
    with replacing(path) as temporary:
        if path.suffix.lower() == ".html":
            temporary.write_text(_page(pictures, titles, name), encoding="utf-8", newline="\n")
        else:
            _picture(pictures, titles).save(temporary, format="PNG")
    return path


def _chosen(pairs: Sequence[Pair], marked: set[Pair]) -> list[Pair]:
    ahead = [pair for pair in pairs if pair in marked][:PHOTOS]
    others, places = [pair for pair in pairs if pair not in marked], []
    if not others or len(ahead) == PHOTOS:
        return ahead
    views = Counter[str]()
    for pair in others:
        views[pair.group] += 1
        places.append((pair.group, views[pair.group]))
    return ahead + [others[k] for k in even_positions(places, PHOTOS - len(ahead))]


def _drawn(pair: Pair, rule: MaskRule | None) -> np.ndarray:
    """A small photo with the outline of its mask; a grey field where the two cannot be read or do not fit."""
    try:
        photo, mask = read_photo(pair.image), read_mask(pair.mask, rule)
        if photo.shape[:2] != mask.shape:
            photo = read_photo(pair.image, upright=True)
        return outline(shrink(photo, WIDTH), shrink(mask, WIDTH))
    except (DataError, ValueError):  # the report says why
        return np.full((WIDTH * 2 // 3, WIDTH, 3), 200, np.uint8)


def _page(pictures: list[np.ndarray], titles: list[str], name: str) -> str:
    sheet = grid(pictures, f"{len(pictures)} {ALT}", titles, columns=COLUMNS, width=COLUMNS * WIDTH / 100)
    title = html.escape(f"Masks of {name}" if name else "Masks")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f'<body style="font-family:sans-serif"><h1>{title}</h1>{sheet.tag()}</body></html>\n'
    )


def _picture(pictures: list[np.ndarray], titles: list[str]) -> Image.Image:
    height = max(len(picture) for picture in pictures) + LINE
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (min(COLUMNS, len(pictures)) * WIDTH, rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    for k, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        x, y = k % COLUMNS * WIDTH, k // COLUMNS * height
        pen.text((x + 4, y + 4), title.encode("ascii", "replace").decode()[:50], fill="black")  # the font has no others
        sheet.paste(Image.fromarray(picture), (x, y + LINE))
    return sheet
