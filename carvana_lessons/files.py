"""Where the course keeps what it makes, and how a file appears there: whole, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder for photos, caches and checkpoints that the course makes.

    ``CARVANA_CACHE`` where it is set (a folder on a larger disk, say), else the user's cache folder.
    """
    chosen = os.environ.get("CARVANA_CACHE")
    return Path(chosen).expanduser().resolve() if chosen else platformdirs.user_cache_path("carvana-lessons")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside ``path``, then rename it over ``path`` in one step.

    Yields: the temporary path to write to. When the block raises, or the process is killed, ``path`` keeps what it
    held before: a reader never meets half a file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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
    Raises: FileExistsError if ``folder`` already exists when the block begins.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists already; choose another folder or remove that one first.")
    folder.parent.mkdir(parents=True, exist_ok=True)
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
