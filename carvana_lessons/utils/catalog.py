"""The names of networks, shipped weights, schedules, precisions and backgrounds, without loading torch.

The command line answers from here before anything slow is loaded. Typer's own choices (an Enum or a Literal) would say
the same mistake in other words than the Python functions, which take these names too.
"""

from pathlib import Path

from carvana_lessons.utils.errors import ArgumentError, CarvanaError
from carvana_lessons.utils.paths import expand

NETWORKS = ("unet-tiny", "unet-small", "unet", "segnet", "arc1", "arc2", "arc3", "maskingnet")  # of `models.create`
DEFENSE = ("unet", "segnet", "arc1", "arc2", "arc3", "maskingnet")  # the six that were compared there
DEFAULT_WEIGHTS = "unet-backgrounds"  # of `predict` and `cut-out`: whoever has photos may have taken them anywhere
WEIGHTS = Path(__file__).parents[1] / "models" / "weights"
SCHEDULES = ("constant", "halving", "one-cycle")  # of the learning rate
PRECISION_NAMES = {"no": "float32", "bf16": "bf16 mixed precision", "fp16": "fp16 mixed precision"}
PICTURES = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}  # formats of cut-outs, and the endings of their names
BLUR = "blur"  # a cut-out's background: the photo's own, out of focus
BEST, LAST = "best.safetensors", "last.safetensors"  # of a run's folder


def shipped(folder: Path = WEIGHTS) -> list[str]:
    """Names of the networks whose weights come with the package.

    Args:
        folder: of the weights.

    Returns:
        names for `models.create`.
    """
    return sorted(path.stem for path in folder.glob("*.json"))


def check_network(name: str) -> str:
    """The same name, if it is one of a network.

    Args:
        name: as somebody typed it.

    Returns:
        ``name``.

    Raises:
        ArgumentError: for another name; it lists those there are.
    """
    if name not in NETWORKS:
        raise ArgumentError(f"There is no network called {name!r}; the course has {', '.join(NETWORKS)}.")
    return name


def check_schedule(name: str) -> str:
    """The same name, if it is one of a schedule of the learning rate.

    Args:
        name: as somebody typed it.

    Returns:
        ``name``.

    Raises:
        ArgumentError: for another name; it lists those there are.
    """
    if name not in SCHEDULES:
        raise ArgumentError(f"There is no schedule {name!r}; the trainer has {', '.join(SCHEDULES)}.")
    return name


def check_precision(precision: str | None) -> str | None:
    """The same precision, if it is one.

    Args:
        precision: as somebody typed it.

    Returns:
        ``precision``.

    Raises:
        ArgumentError: for anything but None, "no", "bf16" and "fp16".
    """
    if precision is not None and precision not in PRECISION_NAMES:
        raise ArgumentError(f"There is no precision {precision!r}; take {', '.join(PRECISION_NAMES)}.")
    return precision


def check_picture(name: str) -> str:
    """The same name, if it is one of a format in which cut-outs are written.

    Args:
        name: as somebody typed it.

    Returns:
        ``name``.

    Raises:
        ArgumentError: for another name; it lists those there are.
    """
    if name not in PICTURES:
        raise ArgumentError(f"Cut-outs are not written as {name!r}; take {', '.join(PICTURES)}.")
    return name


def check_background(text: str | None) -> tuple[int, int, int] | Path | str | None:
    """What a user calls a background; a picture is not opened.

    Args:
        text: a colour as CSS writes it ("white", "#e8eef4", "rgb(232, 238, 244)"), the path of a picture, or "blur". A
            colour and "blur" win over a file of that name; ``./white`` is always a path. None for none.

    Returns:
        the colour in RGB, the path, "blur" or None.

    Raises:
        ArgumentError: if it is none of these.
    """
    from PIL import ImageColor  # only here: no other command asks for it

    if text is None or text == BLUR:
        return text
    try:
        return ImageColor.getcolor(text, "RGB")
    except ValueError:
        path = expand(text) if text.strip() else Path()
    if not path.is_file():
        raise ArgumentError(
            f"{text!r} is no background: write a colour (white, '#e8eef4'), the name of a picture that is there, or "
            f"{BLUR}."
        )
    return path


def find_weights(place: str | Path) -> str | Path:
    """Resolve what a user calls some weights.

    Args:
        place: a name of `shipped`, which wins over a file or folder of that name (``./unet`` is always a path); a
            checkpoint; or the folder of a run, of which its best epoch is meant.

    Returns:
        the name, or the path of the checkpoint.

    Raises:
        CarvanaError: that lists what there is, if nothing matches.
    """
    text = str(place)
    if text in shipped():
        return text
    if not text.strip():
        raise ArgumentError(f"The name of the weights is empty; {_choice()}.")
    path = expand(text)
    if path.is_file():
        return path
    if path.is_dir():
        return _of_run(path)
    if text in NETWORKS:
        raise ArgumentError(
            f"No weights of {text} come with the package, only of {', '.join(shipped())}; train first, with "
            f"`carvana-lessons train FOLDER OUT --network {text}`, and name OUT/{BEST}."
        )
    many = [part for part in text.split(",") if part.strip()]
    if len(many) > 1:
        raise ArgumentError(f"There is no checkpoint {text}; name several one by one, each with its own --weights.")
    raise CarvanaError(f"There is no checkpoint {text}; train first, or name another file; {_choice()}.")


def _of_run(folder: Path) -> Path:
    """The checkpoint of a run's best epoch."""
    if (folder / BEST).is_file():
        return folder / BEST
    if (folder / LAST).is_file():
        raise CarvanaError(
            f"{folder} holds no {BEST}, it was lost or moved away; {folder / LAST} may be named instead."
        )
    below = sorted(path.parent for path in folder.glob(f"*/{BEST}"))
    cure = f"but {below[0]} does; name that one" if below else f"train first, or name another file; {_choice()}"
    raise CarvanaError(f"{folder} is a folder without {BEST}: {cure}.")


def _choice() -> str:
    return f"with the package come weights called {', '.join(shipped())}"
