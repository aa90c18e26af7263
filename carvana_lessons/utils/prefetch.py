"""Make the next item while the present one is used.

``Executor.map`` is not enough: before Python 3.14 it takes all items at once. A ``DataLoader`` starts processes for
that.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
END = object()


def prefetch(items: Iterable[T]) -> Iterator[T]:
    """The same items in the same order, each made by a thread while the one before it is used.

    Decoding lets other threads run, and a GPU needs none: what is read and what is computed then overlap. Never more
    than one item waits, so that memory does not grow with their number.

    Args:
        items: made one after the other by the thread.

    Yields:
        an item.

    Raises:
        Exception: whatever making an item raises, when that item's turn has come.

    Lesson:
        09.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, source, END)
        while (item := coming.result()) is not END:
            coming = pool.submit(next, source, END)
            yield item
