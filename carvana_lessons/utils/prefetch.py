"""Compute the next item while the current one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
END = object()


def prefetch(items: Iterable[T]) -> Iterator[T]:
    """The same items in the same order, each computed by a thread while the one before it is used.

    Decoding releases the GIL, and a GPU does not need it, so reading and computing overlap. At most one item waits, so
    memory does not grow with their number.

    Raises: whatever making an item raises, when that item's turn has come.
    Lesson: 09.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, source, END)
        while (item := coming.result()) is not END:
            coming = pool.submit(next, source, END)
            yield item
