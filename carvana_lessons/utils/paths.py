"""Paths that a user named, and the cache folder of the course; wrong names are reported before anything is loaded."""

import glob
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import platformdirs

from carvana_lessons.utils.errors import CarvanaError, DataError


def cache_folder() -> Path:
    """The folder for photos, caches and checkpoints that the course makes.

    ``CARVANA_CACHE`` where it is set (a folder on a larger disk, say), else the user's cache folder.

    Returns:
        the folder's path, whether it is there or not.

    Raises:
        CarvanaError: where the variable is unset and the user has no home folder, as in some containers.
    """
    chosen = os.environ.get("CARVANA_CACHE")
    if chosen:
        return expand(chosen).resolve()
    with suppress(RuntimeError):  # newer versions of platformdirs raise it, older ones answer with "~" as it is
        folder = platformdirs.user_cache_path("carvana-lessons")
        if folder.is_absolute():
            return folder
    raise CarvanaError("This user has no home folder here: set CARVANA_CACHE to a folder that may be written to.")


def expand(path: str | Path) -> Path:
    """A path with the home folder in place of its ``~``.

    Args:
        path: as somebody typed it.

    Returns:
        the path.

    Raises:
        CarvanaError: where there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise CarvanaError(
            f"{path} begins with a home folder that does not exist here; write the whole path."
        ) from error


def existing_folder(path: str | Path) -> Path:
    """A folder of photos that somebody named, as a whole path.

    Args:
        path: as somebody typed it.

    Returns:
        the path, with the home folder in place of its ``~``; what the folder holds is not looked at.

    Raises:
        DataError: if there is none, or a file in its place; where a photo was named, with the folder that it is of.

    Lesson:
        01.
    """
    root = expand(path).absolute()
    if root.is_dir():
        return root
    cure = (
        "give the folder that holds train/ and train_masks/ (test/ for a submission), or make one with "
        "`carvana-lessons studio`."
    )
    if not root.exists():
        raise DataError(f"{root} does not exist: {cure}")
    if any((above := folder / "train").is_dir() for folder in list(root.parents)[:2]):
        raise DataError(f"{root} is a file, not a folder: give the folder that it is in, {above.parent}.")
    raise DataError(f"{root} is a file, not a folder: {cure}")


def matching(places: Sequence[str | Path]) -> list[Path]:
    """Names as somebody typed them, with the files in place of a pattern that the shell has left as it is.

    The shell of Windows expands no pattern, others none in quotes. What is there under its own name is no pattern: a
    photo may be called ``car[1].jpg``.

    Args:
        places: paths or patterns, such as ``photos/*.jpg`` or ``photos/**/*.jpg``.

    Returns:
        the paths; those of a pattern in the order of their names.

    Raises:
        DataError: for a pattern that matches nothing.
    """
    found: list[Path] = []
    for place in places:
        path = expand(place)
        if os.path.lexists(path) or not glob.has_magic(str(path)):
            found.append(path)
            continue
        # Path.glob takes no whole path as a pattern.
        files = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
        if not files:
            raise DataError(f"Nothing matches {place}; name photos, or the folder that holds them.")
        found += files
    return found


def check_there(path: str | Path) -> None:
    """Refuse a photo, or a folder of photos, that is not there.

    Args:
        path: of a photo or a folder.

    Raises:
        DataError: if it is not.
    """
    if not os.path.lexists(expand(path)):
        raise DataError(f"{path} does not exist; name photos, or the folder that holds them.")
