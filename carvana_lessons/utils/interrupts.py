"""Ctrl-C at a moment at which nothing is half done.

``signal.pthread_sigmask`` is not enough: Windows has none, and it holds the signal back
from one thread alone.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def delay_interrupt() -> Iterator[None]:
    """Let Ctrl-C, or the stop button of a notebook, take effect when the block is done.

    Around the few lines that make or remove a temporary file: a KeyboardInterrupt may come between any two of Python's
    steps, so also between the one that makes a file and the one that knows its name. Never around long work.
    Python calls signal handlers in the main thread alone; in every other one the block needs nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


def clean_up(act: Callable[[], object]) -> None:
    """Do what a ``finally`` has to do, even if Ctrl-C comes before or while it is done.

    Args:
        act: removes or releases something; it may run twice.

    Raises:
        KeyboardInterrupt: if Ctrl-C came, when all is done.
    """
    try:
        with delay_interrupt():
            act()
    except KeyboardInterrupt:  # perhaps before the handler was set
        with delay_interrupt():
            act()
        raise
