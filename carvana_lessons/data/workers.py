"""Worker processes of a loader: an error in one of them becomes one sentence, and nothing hangs."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from carvana_lessons.utils.errors import CarvanaError

ENDED = re.compile(r"DataLoader worker \(pid")
NO_SHARED_MEMORY = re.compile(
    r"Bus error|</torch_\w+>.*\((?:12|27|28)\)"
)  # of a file that torch shares: no room for it
TRACE = re.compile(r"Caught \w+ in DataLoader worker process")


def leave_stopping_to_parent(worker: int) -> None:
    """Let a worker process ignore Ctrl-C, which a console sends to all processes of a command; its parent ends it.

    Args:
        worker: its number, as torch tells a ``worker_init_fn``.

    Lesson:
        03.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def watch_workers(count: int) -> Iterator[None]:
    """Wrap a loop over a DataLoader: an error in its worker processes becomes one sentence.

    The whole loop belongs into the block, not only the call for the next batch: torch reports a worker that has ended
    in whatever line the loop has reached.

    Args:
        count: worker processes of the loader.

    Raises:
        CarvanaError: if a worker was ended from outside, or shared memory is too small for its batches.
        Exception: what a worker raised itself (DataError for a photo that does not decode), as this process would have
            raised it.

    Lesson:
        03.
    """
    try:
        yield
    except (CarvanaError, OSError, RuntimeError) as error:
        text = str(error)
        if NO_SHARED_MEMORY.search(text):
            raise CarvanaError(
                f"Shared memory (/dev/shm) is too small for batches from {count} worker processes: start the container "
                "with --shm-size=2g, or take workers=0."
            ) from None
        if ENDED.match(text):
            raise CarvanaError(
                "A worker process was ended from outside, most often because memory ran out: take fewer workers "
                f"than {count} (workers=0 needs none), or smaller batches."
            ) from None
        if TRACE.match(text) and isinstance(error, CarvanaError | OSError):
            raise type(error)(_last_words(error)) from None
        raise


def _last_words(error: Exception) -> str:
    """The message of the error itself: torch hands on the worker's whole trace, which ends with it."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return str(error).rpartition(f"\n{name}: ")[2].strip()
