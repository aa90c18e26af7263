"""Making, replacing and removing folders atomically: completely, or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carvana_lessons.utils.errors import CarvanaError, ExistsError
from carvana_lessons.utils.files import destination, make_folder, making, share, writing
from carvana_lessons.utils.interrupts import clean_up, delay_interrupt

NAME = 60  # characters of a name that its temporary name repeats: with 4 bytes each it stays below a disk's 255


@contextmanager
def building(folder: Path, overwrite: bool = False) -> Iterator[Path]:
    """Fill a folder beside ``folder``, then rename it to ``folder`` in one step.

    Args:
        folder: to make.
        overwrite: put it in the place of one that is there, when it is complete.

    Yields:
        the temporary folder to fill. When the block raises it is removed; when the process is killed its name
        (``.NAME.….part``) tells that it is not the real one. If another process finished ``folder`` first, that one
        wins and this copy is dropped.

    Raises:
        ExistsError: a FileExistsError, if ``folder`` exists when the block begins, and is not to be overwritten.
        CarvanaError: if the disk is full or may not be written to.
    """
    folder = Path(folder)
    place = destination(folder)
    if place.exists() and not overwrite:
        raise ExistsError(f"{folder} exists already; choose another folder or remove that one first.")
    make_folder(place.parent)
    with writing(folder):
        temporary = None
        try:
            with delay_interrupt(), making(folder):
                temporary = _beside(place)
            share(temporary, 0o755)
            yield temporary
            if overwrite and place.exists():
                with delay_interrupt():
                    _exchange(temporary, place)
            else:
                try:
                    temporary.rename(place)
                except OSError:
                    if not place.is_dir():
                        raise
        finally:
            if temporary is not None:
                clean_up(lambda: shutil.rmtree(temporary, ignore_errors=True))


def _exchange(new: Path, place: Path) -> None:
    """Put a folder in the place of another one, and remove that one when the new one stands there."""
    aside = _beside(place)
    try:
        place.rename(aside / "old")
        try:
            new.rename(place)
        except OSError:
            (aside / "old").rename(place)
            raise
    except OSError as error:
        raise CarvanaError(
            f"{place} cannot be replaced ({error.strerror}), most likely because a program has a file of it open: "
            "close it there; what was there before is still there."
        ) from error
    finally:
        if place.exists():  # else the old one is still in there
            shutil.rmtree(aside, ignore_errors=True)


def discard(folder: Path) -> bool:
    """Remove a folder atomically: other processes see all of it or nothing.

    Windows removes no file that a program has open or has mapped into memory, and renames no folder that holds one.
    Removing file by file would leave half a folder there. Of a link only the link is removed; a file is no folder and
    stays.

    Args:
        folder: its path.

    Returns:
        True if nothing is left under that name.
    """
    if folder.is_file():
        return False
    try:
        with delay_interrupt():
            aside = _beside(folder)
            try:
                folder.rename(aside / "old")
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError:
        return not folder.exists()
    return True


def _beside(folder: Path) -> Path:
    """A new, private folder beside another one: ``.NAME.….part``."""
    return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:NAME]}.", suffix=".part"))
