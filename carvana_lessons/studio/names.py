"""Ids, makes and models of cars that nobody builds."""

import hashlib

from carvana_lessons.studio.draw import Draw
from carvana_lessons.studio.settings import SOURCE

COLUMNS = ["id", "year", "make", "model", "trim1", "trim2", "source", "body", "color"]
MAKES = [
    "Tovrik",
    "Quellin",
    "Marbolt",
    "Ysander",
    "Plumero",
    "Oakwhistle",
    "Brindlow",
    "Fennimar",
    "Gundrel",
    "Hollvik",
]
MODELS = [
    "Lantern",
    "Teacup",
    "Paperboat",
    "Marmalade",
    "Thimble",
    "Drizzle",
    "Acornet",
    "Snowdrift",
    "Bellows",
    "Halfmoon",
]
TRIMS = ["Base", "Plus", "Touring", "w/Glass Roof", "Comfort"]


def car_id(seed: int, index: int) -> str:
    """The 12 hexadecimal digits that name a car's files.

    Args:
        seed: of the set.
        index: of the car, counted from 0.

    Returns:
        the digits.
    """
    return hashlib.sha256(f"studio car {seed} {index}".encode()).hexdigest()[:12]


def metadata_row(seed: int, index: int, body: str, color: str) -> dict[str, str]:
    """One car's row of ``metadata.csv``.

    Args:
        seed: of the set.
        index: of the car, counted from 0.
        body: the kind of its body.
        color: the family of its colour.

    Returns:
        column → value.
    """
    draw = Draw(seed, index, 4)
    model = f"{draw.pick(MODELS)} {draw.integer(2, 9)}"
    return {
        "id": car_id(seed, index), "year": str(draw.integer(2007, 2017)), "make": draw.pick(MAKES), "model": model,
        "trim1": model, "trim2": draw.pick(TRIMS), "source": SOURCE, "body": body, "color": color,
    }  # fmt: skip
