"""Memory that a training step or an answer frees is kept for the next one, which wants the same.

glibc's variable MALLOC_TRIM_THRESHOLD_ and other allocators (jemalloc) are not enough: they must be there before Python
starts.
"""

import ctypes
import functools
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


@functools.cache
def disable_malloc_trim() -> bool:
    """Tell the C library to hold on to large blocks that are freed; on a CPU with glibc, for the whole process.

    Otherwise every feature map goes back to the operating system when a step is over and comes back, page by page and
    wiped, in the next: a fifth of the processor's time (``python -m benchmarks allocator``).

    Returns:
        whether there was a C library that could be told.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl, for example
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
