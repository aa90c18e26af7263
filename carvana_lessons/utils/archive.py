"""What must outlive this machine: a second folder, on Google Drive or a network disk, for trainings and photos.

Such a folder reads thousands of small files slowly, and a file that is mapped into memory over the network slower
still. So checkpoints are written there as they are, and a folder of photos as one archive, which is unpacked to this
machine's own disk before it is used. ``shutil.make_archive`` is not enough: stopped, it leaves half of one.
"""

import os
import shutil
import tarfile
from pathlib import Path

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.folders import building
from carvana_lessons.utils.paths import expand

VARIABLE = "CARVANA_KEEP"
LARGEST = 0.5e9  # bytes of a folder that is kept; larger ones are made again about as fast as they are fetched


def keep_folder() -> Path | None:
    """The folder that ``CARVANA_KEEP`` names, as `course.start` sets it with ``keep=…``; None where it is unset.

    Returns:
        the folder, or None.
    """
    chosen = os.environ.get(VARIABLE)
    return expand(chosen).resolve() if chosen else None


def restore(folder: Path) -> bool:
    """Unpack a folder that `archive` kept, on another machine or in another session.

    Files keep their modification times, so that keys made of names, sizes and times stay the same.

    Args:
        folder: a folder that does not exist.

    Returns:
        True if it is there now; False if nothing was kept of it, or only half an archive, or one that cannot be
        unpacked safely, which a sentence then says.
    """
    archive = _archive(folder)
    if archive is None or not archive.is_file():
        return False
    try:
        if not _is_whole(archive):
            archive.unlink()  # cut off on its way: the next `archive` writes it again
            return False
        with building(folder) as part:
            _unpack(archive, part)
    except FileExistsError:
        pass  # another process was faster; its copy is the same
    except tarfile.TarError as error:
        print(f"{archive} was not unpacked ({error}): delete it, and it is written again.")
        return False
    except (OSError, CarvanaError):
        return False  # the other disk is not there
    return True


def archive(folder: Path) -> None:
    """Keep a folder as one archive, once; prints a sentence where the other disk is full or not there.

    Args:
        folder: what is to be kept.
    """
    archive = _archive(folder)
    if archive is None or archive.exists() or _size(folder) > LARGEST:
        return
    try:
        with replacing(archive) as temporary, tarfile.open(temporary, "w") as box:
            box.add(folder, arcname=".")
    except (OSError, CarvanaError) as error:
        print(f"{folder.name} could not be kept in {archive.parent} ({error}): another session makes it again.")


def _archive(folder: Path) -> Path | None:
    keep = keep_folder()
    return keep / "photos" / f"{folder.name}.tar" if keep is not None else None


def _is_whole(archive: Path) -> bool:
    """True if it ends as a tar file does, in two blocks of zeros; unpacking half of one would not complain."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - 1024))
        return file.read() == bytes(1024)


def _unpack(archive: Path, out: Path) -> None:
    """Unpack folders and files, with their times, into ``out``.

    Not ``extractall``: the argument that makes it safe came with Python 3.10.12 and 3.11.4, Debian 12 has 3.11.2.

    Raises:
        tarfile.TarError: if the archive is damaged, or at a link, a device or a name that leads out of ``out``.
    """
    out = out.resolve()
    with tarfile.open(archive) as box:
        for member in box:
            place = (out / member.name).resolve()
            if not place.is_relative_to(out) or not (member.isdir() or member.isreg()):
                raise tarfile.ExtractError(f"its member {member.name!r} is a link or leads out of the folder")
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            with box.extractfile(member) as source, place.open("wb") as file:
                shutil.copyfileobj(source, file)
            os.utime(place, (member.mtime, member.mtime))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
