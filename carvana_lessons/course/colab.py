"""Google Colab: mount Google Drive, take photos in and give results out as zip files, ask for a GPU.

Lesson:
    01.
"""

import io
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from carvana_lessons.utils.archive import VARIABLE
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import make_folder
from carvana_lessons.utils.folders import building
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


def upload_zip(place: str | Path = ".") -> Path:
    """Ask for a zip file with a button, in Colab, and unpack it.

    Args:
        place: the folder in which its own folder is made, named after the file: ``leaves.zip`` becomes ``leaves``. A
            folder that is there stays as it is, and the new one gets a number.

    Returns:
        the new folder.

    Raises:
        CarvanaError: outside Colab, or where no zip file was chosen, or it is damaged or larger than the disk.

    Lesson:
        11.
    """
    if not in_colab():
        raise CarvanaError("A zip file is uploaded in Colab only; name a folder of this machine instead.")
    from google.colab import files

    place = expand(place)
    for name, content in files.upload().items():
        make_folder(place)
        return _unzip(name, content, place)
    raise CarvanaError("No file was chosen: run the cell again, and choose a zip file of photos and masks.")


def _unzip(name: str, content: bytes, place: Path) -> Path:
    try:
        box = zipfile.ZipFile(io.BytesIO(content))
        damaged = box.testzip()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, NotImplementedError) as error:
        raise CarvanaError(f"{name} is no zip file that can be unpacked ({error}): pack the folder again.") from error
    need, free = sum(member.file_size for member in box.infolist()), shutil.disk_usage(place).free
    if damaged or need > free:
        why = f"{damaged} in it is damaged" if damaged else f"it unpacks to {need / 1e9:.1f} GB, more than the disk has"
        raise CarvanaError(f"{name} cannot be unpacked ({why}): pack the folder again, or fewer photos.")
    stem, number = Path(name).stem, 2
    folder = place / stem
    while folder.exists():
        folder, number = place / f"{stem}-{number}", number + 1
    with building(folder) as part:
        box.extractall(part)  # drops what would lead out of the folder
    return folder


def download_zip(folder: str | Path) -> None:
    """Pack a folder into a zip file, and let the browser save it, in Colab.

    Args:
        folder: what to pack.

    Raises:
        CarvanaError: outside Colab, where the folder is on the user's own disk already, or if there is no such folder.

    Lesson:
        11.
    """
    folder = expand(folder)
    if not in_colab():
        raise CarvanaError(f"A zip file is downloaded in Colab only; here the folder is on this machine: {folder}.")
    if not folder.is_dir():
        raise CarvanaError(f"There is no folder {folder}: run the cells above first.")
    from google.colab import files

    place = Path(tempfile.mkdtemp())  # of its own: nothing of the user's is replaced, and Colab reads it afterwards
    files.download(shutil.make_archive(str(place / folder.name), "zip", folder))


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
