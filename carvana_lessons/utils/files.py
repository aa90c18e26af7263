"""Writing files atomically: they appear complete, or not at all.

The package for that, atomicwrites, is archived; it replaces a link itself, and a full disk is a traceback.
"""

import errno
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from carvana_lessons.utils.errors import CarvanaError, ExistsError
from carvana_lessons.utils.interrupts import clean_up, delay_interrupt
from carvana_lessons.utils.paths import expand

NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
IN_USE = {5, 32, 33, 1224}  # what Windows says of a file that is open, locked or mapped into memory elsewhere
LINKS = 40  # one after the other, as many as Linux follows
SYSTEM = {("/", "proc"), ("/", "sys"), ("/", "dev")}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around whatever writes ``path``: a disk that is full or that may not be written to becomes one sentence.

    Args:
        path: the file or folder that is written.

    Raises:
        CarvanaError: in place of an OSError; it names the path and the cure. Every other exception stays as it is.
    """
    try:
        yield
    except Exception as error:
        number = _errno(error)
        if getattr(error, "winerror", None) in IN_USE and path.is_file():
            raise CarvanaError(
                f"{path} cannot be replaced, most likely because another program has it open: close it there, or "
                "choose another name; what was there before is still there."
            ) from error
        if number in NO_ROOM:
            raise CarvanaError(
                f"The disk has no room for {path}: free some, or choose a folder on another disk; what was there "
                "before is still there."
            ) from error
        if number in NOT_ALLOWED:
            raise CarvanaError(
                f"{path} may not be written here: choose a folder of your own (CARVANA_CACHE names the one for caches)."
            ) from error
        if number == errno.ENAMETOOLONG:
            raise CarvanaError(f"{path} is too long a name for this disk: choose a shorter one.") from error
        raise


def destination(path: str | Path) -> Path:
    """Where writing to ``path`` leads: a link stays a link, and what it leads to is written.

    Args:
        path: as somebody named it.

    Returns:
        the path of a file or a folder, or of one that may be made; it is no link.

    Raises:
        CarvanaError: for what is neither (a device, a pipe, a part of the system), for a link that leads in a circle,
            and for one into a folder that is not there: its disk may be away.
    """
    given = path = expand(path)
    with writing(given):
        for _ in range(LINKS):
            if _is_systems(path):
                raise _no_file(given)
            if not path.is_symlink():
                break
            path = path.parent / path.readlink()
        else:
            raise CarvanaError(f"{given} is a link that leads in a circle: remove it, or choose another name.")
        if path != given and not path.parent.is_dir():
            raise CarvanaError(
                f"{given} is a link to {path}, and the folder {path.parent} is not there: make it, connect its disk, "
                "or choose another name."
            )
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise _no_file(given)
    return path


def new_file(path: str | Path, overwrite: bool = False) -> Path:
    """A path that may be written, told before hours of work and not after them.

    Args:
        path: the file wanted.
        overwrite: whether one that is there may be replaced.

    Returns:
        the path, as it is.

    Raises:
        ExistsError: for a file that is there.
        CarvanaError: as `replacing`.
    """
    path = Path(path)
    place = destination(path)
    _mode(place)
    if place.exists() and not overwrite:
        raise ExistsError(f"{path} exists already: choose another name, or have it replaced with --overwrite.")
    make_folder(place.parent)
    return path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Args:
        folder: its path.

    Raises:
        CarvanaError: if it cannot be one, because a file is in the way for example.
    """
    place = destination(folder)
    with writing(folder):
        if place.is_dir():
            return
        if not place.parent.is_dir():
            make_folder(place.parent)
        with making(folder):
            try:
                place.mkdir(exist_ok=True)  # another process may make it at the same time
            except (FileExistsError, NotADirectoryError) as error:
                raise CarvanaError(
                    f"{folder} cannot be a folder, a file is in the way; choose another name."
                ) from error


@contextmanager
def making(path: Path) -> Iterator[None]:
    """Wrap the creation of a file or folder: every refusal of the system becomes one sentence.

    Args:
        path: the file or folder.

    Raises:
        CarvanaError: in place of an OSError, but for those that `writing` has a sentence for.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM | NOT_ALLOWED | {errno.ENAMETOOLONG}:  # `writing` has a sentence for these
            raise
        raise CarvanaError(f"{path} cannot be made there ({error.strerror}): choose another place.") from error


def _is_systems(path: Path) -> bool:
    """Whether a path is one of the system's, which looks like a file and is a device, a process or an open file."""
    parts = Path(os.path.realpath(path.parent), path.name).parts  # /dev/fd leads to /proc/self/fd
    return len(parts) > 2 and parts[:2] in SYSTEM and parts[:3] != ("/", "dev", "shm")


def _no_file(path: Path) -> CarvanaError:
    return CarvanaError(
        f"{path} is no file and no folder but a device, a pipe or another part of the system: choose another place."
    )


def _mode(path: Path) -> int:
    """The rights that a file gets: those of the one that it replaces.

    Raises:
        CarvanaError: if ``path`` is a folder, or a file that nobody is to change.
    """
    if path.is_dir():
        raise CarvanaError(f"{path} is a folder; name a file.")
    if not path.exists():
        return 0o644
    mode = stat.S_IMODE(path.stat().st_mode)
    if not (mode & 0o222 and os.access(path, os.W_OK)):
        raise CarvanaError(f"{path} is protected against writing: allow it, or choose another name.")
    return mode & 0o777


def _errno(error: Exception) -> int | None:
    """The system's number of an error; what is written in Rust (safetensors) has it in its text only."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    if found is None:
        return None
    number = int(found[1])
    return OSError(number, "", None, number).errno  # on Windows the text has Windows' number; Python translates it


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside ``path``, then rename it over ``path`` in one step.

    A link is written through: it stays, and the file that it leads to is replaced. Where that file has further names
    (hard links), those keep what they held.

    Args:
        path: the file to write.

    Yields:
        the temporary path to write to. When the block raises, or the process is killed, ``path`` keeps what it held
        before: a reader never meets half a file.

    Raises:
        CarvanaError: if the disk is full or may not be written to, or ``path`` is no file that may be replaced.
    """
    path = Path(path)
    place = destination(path)
    mode = _mode(place)
    make_folder(place.parent)
    with writing(path):
        temporary = None
        try:
            with delay_interrupt(), making(path):
                # Its name is not made of the other one's: that may be as long as the disk allows.
                handle, name = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")
                os.close(handle)
                temporary = Path(name)
            yield temporary
            with temporary.open("rb+") as written:  # Windows flushes only what may be written to
                os.fsync(written.fileno())
            share(temporary, mode)
            temporary.replace(place)
        finally:
            if temporary is not None:
                clean_up(lambda: temporary.unlink(missing_ok=True))


def write_json(path: str | Path, content: Any) -> Path:
    """Write a JSON file that others read, whole or not at all; whether a file may be replaced is the caller's question.

    It is ASCII, so that names of files that are no text can be written too.

    Args:
        path: of the file.
        content: dictionaries, lists, texts, and finite numbers.

    Returns:
        the path.

    Raises:
        CarvanaError: where it cannot be written.
    """
    path = expand(path)
    with replacing(path) as temporary:
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def share(temporary: Path, mode: int) -> None:
    """Set the permissions of a temporary file or folder, which is private at first; some disks have none.

    Args:
        temporary: a file or a folder.
        mode: its permissions, as ``chmod`` takes them.
    """
    with suppress(PermissionError):
        temporary.chmod(mode)
