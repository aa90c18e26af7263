"""Where the course keeps what it makes, and how a file appears there: whole, or not at all."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from carvana_lessons.errors import CarvanaError

NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


def cache_folder() -> Path:
    """The folder for photos, caches and checkpoints that the course makes.

    ``CARVANA_CACHE`` where it is set (a folder on a larger disk, say), else the user's cache folder.
    """
    chosen = os.environ.get("CARVANA_CACHE")
    return Path(chosen).expanduser().resolve() if chosen else platformdirs.user_cache_path("carvana-lessons")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around whatever writes ``path``: a disk that is full or that may not be written to becomes one sentence.

    Raises: CarvanaError that names the path and the cure; every other exception as it is.
    """
    try:
        yield
    except Exception as error:
        number = _errno(error)
        if number in NO_ROOM:
            raise CarvanaError(
                f"The disk has no room for {path}: free some, or choose a folder on another disk; what was there "
                "before is still there."
            ) from error
        if number in NOT_ALLOWED:
            raise CarvanaError(
                f"{path} may not be written here: choose a folder of your own (CARVANA_CACHE names the one for caches)."
            ) from error
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises: CarvanaError if it cannot be one, because a file is in the way for example.
    """
    with writing(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise CarvanaError(f"{folder} cannot be a folder, a file is in the way; choose another name.") from error


def _errno(error: Exception) -> int | None:
    """The system's number of an error; what is written in Rust (safetensors) has it in its text only."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside ``path``, then rename it over ``path`` in one step.

    Yields: the temporary path to write to. When the block raises, or the process is killed, ``path`` keeps what it
    held before: a reader never meets half a file.
    Raises: CarvanaError if the disk is full or may not be written to, or ``path`` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise CarvanaError(f"{path} is a folder; name a file.")
    make_folder(path.parent)
    with writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)  # mkstemp makes it private; what the course writes is not
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Fill a folder beside ``folder``, then rename it to ``folder`` in one step.

    Yields: the temporary folder to fill. When the block raises it is removed; when the process is killed its name
    (``.NAME.….part``) tells that it is not the real one. If another process finished ``folder`` first, that one wins
    and this copy is dropped.
    Raises: FileExistsError if ``folder`` already exists when the block begins; CarvanaError if the disk is full or may
        not be written to.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists already; choose another folder or remove that one first.")
    make_folder(folder.parent)
    with writing(folder):
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
        temporary.chmod(0o755)  # mkdtemp makes it private; a folder of photos is not
        try:
            yield temporary
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
