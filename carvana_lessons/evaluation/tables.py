"""Reading a table of scores: the best and the worst photos, and what they have in common."""

from __future__ import annotations

import numpy as np
import pandas as pd

from carvana_lessons.data import CarFolder, read_pair
from carvana_lessons.data.layout import listed
from carvana_lessons.evaluation.boundary import WIDTH
from carvana_lessons.evaluation.surface import OUTLINE, TOLERANCE
from carvana_lessons.utils.errors import DataError

FAMILIES = ("light", "grey", "dark", "warm", "cool")
COLORED, FAINT, LIGHT, DARK = (
    0.08,
    9,
    170,
    95,
)  # where the families of the studio, whose paints are known, separate best
LOOK = (48, 72)  # (height, width) at which a colour is looked at: enough pixels, and hardly any reflections


def best(scores: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """The photos with the highest Dice, best first: name, dice.

    Args:
        scores: as `evaluate` gives them.
        count: how many rows.

    Returns:
        at most ``count`` rows, with name and dice.

    Source:
        "Good predictions" of slides [A].

    Lesson:
        09.
    """
    return _table(scores.nlargest(count, "dice"))


def worst(scores: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """The photos with the lowest Dice, worst first: name, dice, and the wrong pixels of both kinds.

    Args:
        scores: as `evaluate` gives them.
        count: how many rows.

    Returns:
        at most ``count`` rows, with name, dice, fp and fn.

    Source:
        "Bad predictions" of slides [A].

    Lesson:
        09.
    """
    return _table(scores.nsmallest(count, "dice"))


def outline(scores: pd.DataFrame) -> str:
    """The mean scores of the outlines in one sentence.

    Args:
        scores: as `evaluate` gives them with ``boundary=True``.

    Returns:
        a sentence.

    Lesson:
        09.
    """
    mean = scores[list(OUTLINE)].mean()
    return (
        f"Outlines: boundary IoU {mean.boundary_iou:.4f} in a band of {WIDTH} pixels, 95 % Hausdorff distance "
        f"{mean.hd95:.2f} pixels, surface Dice {mean.surface_dice:.4f} within {TOLERANCE:g} pixels."
    )


def by(scores: pd.DataFrame, what: str | pd.Series) -> pd.DataFrame:
    """Dice in groups, lowest mean first.

    Args:
        scores: one row per photo, as `carvana_lessons.evaluation.scoring.evaluate` gives it.
        what: a column of it, "view" or "car"; or a property of each car, indexed by car id: ``car_colors(photos)``,
            ``cars.metadata["body"]``.

    Returns:
        one row per group, with mean and worst Dice, and the number of cars and photos; cars whose property is not known
        are the group "unknown".

    Lesson:
        09.
    """
    key = scores[what] if isinstance(what, str) else scores["car"].map(what).rename(what.name)
    if key.isna().any():  # no metadata.csv, or one without these cars
        key = key.astype(object).where(key.notna(), "unknown")
    return (
        scores.groupby(key)
        .agg(mean=("dice", "mean"), worst=("dice", "min"), cars=("car", "nunique"), photos=("dice", "size"))
        .sort_values("mean")
    )


def car_colors(photos: CarFolder, views: tuple[int, ...] = (3, 5, 7)) -> pd.Series:
    """The family of each car's colour, judged from its pixels: light, grey, dark, or clearly warm or cool.

    White cars are light and black ones dark; a silver one is light or grey, depending on the light.

    Args:
        photos: with masks.
        views: which of a car's photos are used; all, for a car without these.

    Returns:
        the family by car id, named "color".

    Raises:
        DataError: if a file does not decode, there are no photos or no masks, or a car's masks are all empty.

    Lesson:
        09.
    """
    photos.require("The colour of a car")
    families = {}
    for car in photos.ids:
        own = photos.select(cars=car)
        chosen = [photo for photo in own if photo.view in views] or list(own)
        pairs = [read_pair(photo, LOOK) for photo in chosen]
        pixels = np.concatenate([image[mask > 0] for image, mask in pairs])
        if not len(pixels):
            raise DataError(
                f"The {photos.unit} {car} has no colour: the masks of {listed([p.name for p in chosen])} are empty."
            )
        families[car] = _family(pixels)
    return pd.Series(families, name="color", dtype=str)


def _family(pixels: np.ndarray) -> str:
    """The family of one car's pixels, (n, 3) uint8."""
    pixels = pixels.astype(float)
    mean = pixels.mean(axis=0)
    if (pixels.max(axis=1) - pixels.min(axis=1)).mean() > max(COLORED * mean.mean(), FAINT):
        return "warm" if mean[0] == mean.max() else "cool"
    light = np.quantile(pixels.mean(axis=1), 0.6)
    return "light" if light > LIGHT else "grey" if light > DARK else "dark"


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["name", "dice", "fp", "fn"]].reset_index(drop=True)
