"""What a reader named: looked for before anything heavy is loaded, so that a wrong name is said at once."""

import os
from pathlib import Path

from carvana_lessons.errors import DataError
from carvana_lessons.files import expand


def existing_folder(path: str | Path) -> Path:
    """A folder of photos that somebody named, as a whole path.

    Returns: the path, with the home folder in place of its ``~``; what the folder holds is not looked at.
    Raises: DataError if there is none, or a file in its place; where a photo was named, with the folder that it is of.
    Lesson: 01.
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


def check_there(path: str | Path) -> None:
    """Refuse a photo, or a folder of photos, that is not there.

    Raises: DataError.
    """
    if not os.path.lexists(expand(path)):
        raise DataError(f"{path} does not exist; name photos, or the folder that holds them.")
