"""What shall outlive this machine: a second folder, on Google Drive or a network disk, for trainings and photos.

Such a folder reads thousands of small files slowly, and a file that is mapped into memory over the network slower
still. So checkpoints are written there as they are, and a folder of photos as one archive, which is unpacked to this
machine's own disk before it is used.
"""

import os
import shutil
import tarfile
from pathlib import Path

from carvana_lessons.errors import CarvanaError
from carvana_lessons.files import building, expand, replacing

VARIABLE = "CARVANA_KEEP"
LARGEST = 0.5e9  # bytes of a folder that is kept; what is larger is made anew about as fast as it is fetched


def keep_folder() -> Path | None:
    """The folder that ``CARVANA_KEEP`` names, as `course.start` sets it with ``keep=…``; None where it is unset."""
    chosen = os.environ.get(VARIABLE)
    return expand(chosen).resolve() if chosen else None


def bring(folder: Path) -> bool:
    """Unpack what `put_by` kept of a folder, on another machine or in another session, to its place.

    Files get the times that they had, so that keys made of names, sizes and times stay what they were.

    Args:
        folder: a folder that does not exist.
    Returns: True if it is there now; False if nothing was kept of it, or only half an archive.
    """
    archive = _archive(folder)
    if archive is None or not archive.is_file():
        return False
    try:
        if not _is_whole(archive):
            archive.unlink()  # cut off on its way: the next `put_by` writes it anew
            return False
        with building(folder) as part:
            shutil.unpack_archive(archive, part, "tar", filter="data")
    except FileExistsError:
        pass  # another process was faster; its copy is the same
    except (OSError, CarvanaError, tarfile.TarError):
        return False  # the other disk is away
    return True


def put_by(folder: Path) -> None:
    """Keep a folder as one archive, once; says so in a sentence where the other disk is full or away."""
    archive = _archive(folder)
    if archive is None or archive.exists() or _size(folder) > LARGEST:
        return
    try:
        with replacing(archive) as temporary, tarfile.open(temporary, "w") as box:
            box.add(folder, arcname=".")
    except (OSError, CarvanaError) as error:
        print(f"{folder.name} could not be kept in {archive.parent} ({error}): another session makes it anew.")


def _archive(folder: Path) -> Path | None:
    keep = keep_folder()
    return keep / "photos" / f"{folder.name}.tar" if keep is not None else None


def _is_whole(archive: Path) -> bool:
    """True if it ends as a tar file does, in two blocks of zeros; unpacking half of one would not complain."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - 1024))
        return file.read() == bytes(1024)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
