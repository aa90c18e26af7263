"""One process at a time: two that write one file or one folder of a run would mix what they write.

filelock locks. Around it stands what it does not do: a sentence for people, no lock file left behind, a Ctrl-C that
comes between two of its steps, and disks without locks (its ``SoftFileLock`` would outlive a killed process).
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import destination, make_folder, writing
from carvana_lessons.utils.interrupts import clean_up, delay_interrupt

# What a disk that knows no locks answers, as some network drives do.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", errno.EOPNOTSUPP)}
PAUSE = 0.05  # seconds between two tries, as filelock's own


@contextmanager
def owned(path: Path, wait: bool | str = False) -> Iterator[None]:
    """Hold a lock on ``path``, a file or the folder of a run, so that no other process writes it at the same time.

    The system drops the lock when a process ends, however it ends: a killed one leaves nothing that must be removed.
    On a disk without locks every lock is granted.

    Args:
        path: what is written; beside it lies ``.NAME.lock`` for as long as it is owned, or in it where it is a folder
            beside which this user may write nothing.
        wait: wait until the other process is done, instead of refusing at once; a text is printed while it waits.

    Raises:
        CarvanaError: if another process owns it, or if nothing may be written there.
    """
    path = Path(os.path.realpath(destination(path)))  # one name, by whatever link it is reached
    make_folder(path.parent)
    inside = path.is_dir() and not os.access(path.parent, os.W_OK)  # a disk's own folder, or a user's home
    lock = FileLock((path if inside else path.parent) / f".{path.name}.lock", timeout=0)
    try:
        _hold(lock, path, wait)
        yield
    finally:
        clean_up(lambda: _release(lock))


def _release(lock: FileLock) -> None:
    if lock.is_locked:
        with suppress(OSError):  # while it is held; Windows removes it on release
            Path(lock.lock_file).unlink()
        lock.release()


def _hold(lock: FileLock, path: Path, wait: bool | str) -> None:
    try:
        with writing(path):
            _acquire(lock, wait)
    except Timeout as error:
        raise CarvanaError(
            f"Another process is writing {path} at this moment: wait until it has ended, or choose another name."
        ) from error
    except NotImplementedError:
        pass
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _acquire(lock: FileLock, wait: bool | str) -> None:
    """Try until the lock is free, if it waits; Ctrl-C never interrupts a single try."""
    while True:
        try:
            with delay_interrupt():
                lock.acquire()
            return
        except Timeout:
            if not wait:
                raise
        if isinstance(wait, str):
            print(wait, flush=True)
            wait = True
        time.sleep(PAUSE)
