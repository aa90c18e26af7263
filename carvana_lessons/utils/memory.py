"""Keep memory that a training step or a forward pass frees for the next one, which needs the same amount."""

import ctypes
import functools
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


@functools.cache
def disable_malloc_trim() -> bool:
    """Let malloc keep large freed blocks instead of returning them to the system; glibc only, for the whole process.

    Otherwise every feature map is returned to the operating system at the end of a step and allocated again, page by
    page and zeroed, in the next one: a fifth of the processor's time (``python -m benchmarks allocator``).

    Returns: True if the C library supports it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl, for example
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
