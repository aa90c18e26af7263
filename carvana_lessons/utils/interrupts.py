"""Ctrl-C at a moment at which nothing is half done."""

import signal
import threading
from collections.abc import Iterator
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
