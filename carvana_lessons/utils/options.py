"""The options that several commands share, and how each parses its value.

A wrong value is refused here, before torch is loaded, in a sentence that repeats it and says what to write.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from carvana_lessons.utils import catalog

LARGEST = 8192  # pixels per side
SEEDS = 2**32
NETWORKS = ", ".join(catalog.NETWORKS)


def number(kind: type, wanted: str, fits: Callable[[float], bool]) -> dict:
    """Arguments of an option that takes a number; "nan" and "inf" are refused, because training fails late with them.

    Typer's own ``min`` and ``max`` do not repeat the wrong value, and cannot express 0 < x.

    Args:
        kind: int or float.
        wanted: in words, what fits.
        fits: whether a number does.

    Returns:
        arguments of ``typer.Option``.
    """

    def parse(text: object) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise typer.BadParameter(f"{str(text)[:60]!r} will not do; write {wanted}.")
        return value

    return {"parser": parse, "metavar": "NUMBER"}


ONE_OR_MORE = number(int, "a whole number of 1 or more", lambda n: n >= 1)
ZERO_OR_MORE = number(int, "a whole number of 0 or more", lambda n: n >= 0)
A_SEED = number(int, f"a whole number from 0 to {SEEDS - 1}, and one alone", lambda n: 0 <= n < SEEDS)
SEVERAL_SEEDS = number(
    int, f"a whole number from 0 to {SEEDS - 1}, and repeat --seed for several", lambda n: 0 <= n < SEEDS
)
WIDTH = number(int, "a whole number from 1 to 512", lambda n: 1 <= n <= 512)
WIDTH_OR_ZERO = number(int, "a whole number from 0 to 512", lambda n: 0 <= n <= 512)
AMOUNT = number(float, "a number of 0 or more", lambda x: 0 <= x < math.inf)
RATE = number(float, "a number above 0, such as 0.002 (at 0 nothing is learned)", lambda x: 0 < x < math.inf)
HOURS = number(float, "a number of hours above 0, such as 1.5", lambda x: 0 < x < math.inf)
SECONDS = number(float, "a number of seconds above 0, such as 20", lambda x: 0 < x < math.inf)
SHARE = number(float, "a share of the cars above 0, and 1 at most, such as 0.2", lambda x: 0 < x <= 1)
PART = number(float, "a share of the cars above 0 and below 1, such as 0.2: both parts need some", lambda x: 0 < x < 1)
ANGLE = number(float, "a number of degrees from 0 to 180", lambda x: 0 <= x <= 180)
CHANGE = number(float, "a number from 0 to 0.99", lambda x: 0 <= x <= 0.99)
PROBABILITY = number(float, "a number from 0 to 1", lambda x: 0 <= x <= 1)


def each(check: Callable[[str], object]) -> Callable:
    """A callback for an option that may be unset or repeated; ``check`` raises for a wrong value.

    Args:
        check: takes what was typed, raises if it is wrong.

    Returns:
        a callback for ``typer.Option``.
    """

    def callback(value: object) -> object:
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None:
                check(one)
        return value

    return callback


def is_one(name: str) -> None:
    """Refuse several values in one word.

    Args:
        name: as somebody typed it.

    Raises:
        BadParameter: if it holds a comma.
    """
    if "," in name:
        raise typer.BadParameter(f"{name!r} are several; write each with an option of its own.")


def is_name(text: str) -> None:
    """Refuse a path where a plain name is wanted.

    Args:
        text: as somebody typed it.

    Raises:
        BadParameter: if it is a path.
    """
    if not text.strip(". ") or re.search(r"[/\\:]", text):
        raise typer.BadParameter(f"{text!r} is no name; write one without folders, six-networks for example.")


def is_address(text: str) -> None:
    """Refuse what is no address of a web page.

    Args:
        text: as somebody typed it.

    Raises:
        BadParameter: if it is none.
    """
    if not re.fullmatch(r"https?://[^\s()]+", text):
        raise typer.BadParameter(f"{text!r} is no address; write one as https://OWNER.github.io/NAME.")


def is_network(name: str) -> None:
    """Refuse an unknown network.

    Args:
        name: as somebody typed it.

    Raises:
        ArgumentError: as `check_network`.
    """
    is_one(name)
    catalog.check_network(name)


def is_grouping(by: str) -> None:
    """Refuse an unknown grouping.

    Args:
        by: as somebody typed it.

    Raises:
        BadParameter: for another name; it lists those there are.
    """
    if by not in ("view", "car", "color"):
        raise typer.BadParameter(f"{by!r} will not do; write view, car or color.")


def is_schedule(name: str) -> None:
    """Refuse an unknown schedule.

    Args:
        name: as somebody typed it.

    Raises:
        ArgumentError: as `check_schedule`.
    """
    catalog.check_schedule(name)


def square(text: object) -> int:
    """ "320" or "320x320" → 320, the side of a square.

    Args:
        text: as somebody typed it.

    Returns:
        the side, in pixels.

    Raises:
        BadParameter: if it is no size, or not that of a square.
    """
    words = re.split("[x×]", str(text).lower())
    if len(words) > 2 or not all(map(is_count, words)):
        raise typer.BadParameter(f"{text!r} is no size; write the side of a square in pixels, 320 or 320x320.")
    sides = {int(word) for word in words}
    if len(sides) > 1:
        raise typer.BadParameter(
            f"{text!r} is no square, and the input is a square here; write one side, {min(sides)} for example (in "
            "Python, size=(height, width) works)."
        )
    if not 1 <= min(sides) <= LARGEST:
        raise typer.BadParameter(f"{text!r} is out of range; write a side from 1 to {LARGEST} pixels.")
    return sides.pop()


def photo_size(text: str) -> tuple[int, int]:
    """ "480x320" → (480, 320), width first, as photos are named.

    Args:
        text: as somebody typed it.

    Returns:
        (width, height), in pixels.

    Raises:
        BadParameter: if it is no size.
    """
    width, cross, height = text.lower().replace("×", "x").partition("x")
    if not (cross and is_count(width) and is_count(height)):
        raise typer.BadParameter(f"{text!r} is no size; write it as WIDTHxHEIGHT, 480x320 for example.")
    return int(width), int(height)


def shard_of(text: str) -> tuple[int, int]:
    """ "2/4" → (2, 4).

    Args:
        text: as somebody typed it.

    Returns:
        number of the part, counted from 1, and how many there are.

    Raises:
        BadParameter: if it is not two numbers like these.
    """
    k, slash, n = text.partition("/")
    if not (slash and is_count(k) and is_count(n) and 1 <= int(k) <= int(n)):
        raise typer.BadParameter(f"{text!r} is no shard; write it as K/N, 1/4 to 4/4 for example.")
    return int(k), int(n)


def is_count(text: str) -> bool:
    """Digits that `int` takes, not ², and few enough for a number that means something.

    Args:
        text: as somebody typed it.

    Returns:
        True if it is such a number.
    """
    return text.isascii() and text.isdigit() and len(text) < 10


Book = Annotated[Path, typer.Option(help="Folder of the chapters.")]
Build = Annotated[Path, typer.Option(help="Folder in which `make book` executed the chapters.")]
Chapters = Annotated[
    list[str] | None,
    typer.Option(help="A chapter, 05-segnet-unpooling for example; repeat it for several.", show_default="all"),
]
Folder = Annotated[
    Path,
    typer.Argument(
        help="A folder of photos and masks: in Kaggle's layout (train/, train_masks/), or any other where a mask has "
        "its photo's name."
    ),
]
Masks = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the masks, within FOLDER or elsewhere. Default: found by their names.", metavar="FOLDER"
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help=r"Regular expression with one bracket around what a photo's name says that it belongs to, '(.+)_\d+' for "
        "example: no split divides such a group. Default: the car in Kaggle's names, else each photo for itself.",
    ),
]
Car = Annotated[
    str | None,
    typer.Option(
        metavar="VALUES",
        help="Values of the masks that are car, 1 or 1,3, or colours, '#ff0000'. Default: the brighter of two.",
    ),
]
Soft = Annotated[bool, typer.Option("--soft", help="Cut masks with soft edges at one half.")]
Photos = Annotated[
    list[Path] | None,
    typer.Argument(help="Photos (JPEG, PNG, WebP, TIFF, …), or folders of them.", show_default=False),
]
_TRAINED = f"A checkpoint, the folder of a run, or weights shipped with the package: {', '.join(catalog.shipped())}"
Weights = Annotated[
    list[str],
    typer.Option("--weights", callback=each(catalog.find_weights), help=f"{_TRAINED}; repeat to average several."),
]
OneWeights = Annotated[  # a list, so that a second one can be refused: of a text alone the last one would win
    list[str], typer.Option("--weights", callback=each(catalog.find_weights), help=f"{_TRAINED}.")
]
Size = Annotated[
    int,
    typer.Option(parser=square, metavar="PIXELS", help="Input size of the network, a square: 320 or 320x320."),
]
InputSize = Annotated[
    int | None,
    typer.Option(
        parser=square,
        metavar="PIXELS",
        help="Input size of the networks, a square. Default: the size that each was trained at.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        callback=each(catalog.check_precision),
        help="Mixed precision: no (float32), bf16 or fp16. Default: chosen by device.",
    ),
]
Batch = Annotated[int, typer.Option(**ONE_OR_MORE, help="Batch size, in photos.")]
Epochs = Annotated[int, typer.Option(**ONE_OR_MORE, help="Number of epochs.")]
Workers = Annotated[int, typer.Option(**ZERO_OR_MORE, help="Number of DataLoader worker processes.")]
Flip = Annotated[
    bool, typer.Option("--flip", help="Test-time augmentation: average the logits with those of the flipped photo.")
]
PER_CENT = number(float, "per cent of the car's longer side, 0 or more: 5 for example", lambda x: 0 <= x <= 1000)
Format = Annotated[
    str,
    typer.Option("--format", callback=each(catalog.check_picture), help=f"One of {', '.join(catalog.PICTURES)}."),
]
Backdrop = Annotated[
    str | None,
    typer.Option(
        callback=each(catalog.check_background),
        metavar="COLOUR|PICTURE|blur",
        help="What stands behind the car: a colour (white, '#e8eef4'), a picture, or blur, the photo's own background "
        "out of focus. Default: nothing, the background is transparent.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files made with other settings.")]
Seed = Annotated[int, typer.Option(**A_SEED, help="Random seed of split, initial weights and shuffling.")]
ExamSeed = Annotated[
    int | None, typer.Option(**A_SEED, help="Draws the numbers of exam questions.", show_default="another each time")
]
Hours = Annotated[
    float | None,
    typer.Option(**AMOUNT, help="Time limit in hours: start no epoch after it; the same command continues."),
]
