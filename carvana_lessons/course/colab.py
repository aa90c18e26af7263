"""Google Colab: mount Google Drive, and remind the user to switch on a GPU.

Lesson:
    01.
"""

import os
import sys
from pathlib import Path

from carvana_lessons.utils.archive import VARIABLE
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.paths import expand

DRIVE = Path("/content/drive")  # where Colab mounts it by default
FOLDER = "MyDrive/carvana-lessons"
NO_GPU = "No GPU here: switch one on with Runtime → Change runtime type → GPU, then run the cells from the top again."


def in_colab() -> bool:
    """True in a notebook that runs in Colab.

    Returns:
        True in Colab.
    """
    return "google.colab" in sys.modules  # its kernel loads it before the first cell; a script has no Drive to mount


def open_keep(place: str | Path | None) -> Path | None:
    """Create the folder that keeps trainings and photos, and set ``CARVANA_KEEP`` to it.

    Args:
        place: "drive" for the folder ``carvana-lessons`` on the user's Google Drive, which Colab asks permission to
            mount; or any folder, made where it is missing. None: what ``CARVANA_KEEP`` says.

    Returns:
        the folder, absolute; None where nothing is kept.

    Raises:
        CarvanaError: for "drive" outside Colab, a Drive that was refused, or a folder that cannot be written to.

    Lesson:
        01.
    """
    place = place or os.environ.get(VARIABLE)
    if not place:
        return None
    folder = DRIVE / FOLDER if str(place) == "drive" else expand(place).resolve()
    if folder.is_relative_to(DRIVE):
        _mount()  # before the folder is made: Drive is not mounted over a folder that holds something
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CarvanaError(f"Nothing can be kept in {folder} ({error}); name another folder with keep=….") from error
    os.environ[VARIABLE] = str(folder)  # read where photos are made and trainings begin, worker processes included
    return folder


def _mount() -> None:
    if not in_colab():
        raise CarvanaError(
            "Google Drive is mounted in Colab only; name a folder of this machine instead, such as "
            'keep="~/carvana-lessons".'
        )
    from google.colab import drive

    try:
        drive.mount(str(DRIVE))  # at once where it is mounted already
    except Exception as error:  # Colab's own exceptions, which cannot be imported elsewhere
        raise CarvanaError(
            f"Google Drive could not be mounted ({error}): run the cell again and allow it, or leave keep out, which "
            "keeps nothing."
        ) from error
