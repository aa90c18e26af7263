"""Run untrusted code with limits of time and memory and without output, and survive its errors."""

import builtins
import contextlib
import ctypes
import getpass
import io
import random
import site
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

SECONDS, GIGABYTES = 2.5, 2.0
# Where code lies that is not the reader's: Python's own, what pip installed, and this package.
_PATHS = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
LIBRARIES = (*_PATHS, *site.getsitepackages(), str(Path(__file__).parents[1]), "<frozen")
PATIENCE = 0.4  # seconds that a thread has to end


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call.

    Attributes:
        value: what it returned.
        problem: one sentence where it did not get that far, else None.
        late: whether it was stopped because its time was over.
    """

    value: Any = None
    problem: str | None = None
    late: bool = False


class _Stop(BaseException):
    """Raised inside code that took too long; no ``except Exception`` there catches it."""


class _Park(BaseException):
    """Raised in code that caught `_Stop`: catching it means creating it, and that never ends.

    No thread can be killed, but one that waits here takes no more of the processor's time.
    """

    def __init__(self, *_: Any) -> None:
        threading.Event().wait()


class _NobodyTypes(Exception):
    """An answer asked for something to be typed."""


def _no_input(*_: Any, **__: Any) -> None:
    raise _NobodyTypes("input()")


def _no_password(*_: Any, **__: Any) -> None:
    raise _NobodyTypes("getpass()")


class _Silent(io.TextIOBase):
    """A stream from which nothing can be read."""

    def read(self, size: int | None = -1) -> str:
        raise _NobodyTypes("sys.stdin")

    readline = read


class _Shut(io.TextIOBase):
    """A stream that discards what is printed."""

    def write(self, text: str) -> int:
        return len(text)


def run(work: Callable[[], Any], seconds: float = SECONDS, gigabytes: float = GIGABYTES) -> Outcome:
    """Call a function that may be broken in any way.

    It runs in a thread, so that it can be left behind; nothing that it prints is shown; on Linux it may take so much
    memory beyond what the process has; and the random generators are afterwards as they were before.

    Args:
        work: takes nothing.
        seconds: after which it is stopped; where others keep the processor busy, twice that.
        gigabytes: of memory that it may take.

    Returns:
        an `Outcome`; nothing is ever raised, but for a KeyboardInterrupt of the reader's own.
    """
    found: list[Outcome] = []

    def target() -> None:
        try:
            found.append(Outcome(value=work()))
        except _Stop:
            pass
        except BaseException as error:  # SystemExit too: it is not the reader's kernel that should end
            found.append(Outcome(problem=describe(error, gigabytes)))

    thread = threading.Thread(target=target, daemon=True)
    with _same_random_numbers(), _little_memory(gigabytes), _quiet():
        thread.start()
        _wait(thread, seconds)
        if thread.is_alive():
            _stop(thread)
    if found:
        return found[0]
    return Outcome(problem=f"it was not done after {seconds:g} seconds; is there a loop that never ends?", late=True)


def _wait(thread: threading.Thread, seconds: float) -> None:
    """Until a thread ends or has had its time; a process that was kept waiting for the processor gets it twice."""
    clock, computed = time.monotonic(), time.process_time()
    while thread.is_alive():
        thread.join(0.02)
        waited = time.monotonic() - clock
        if waited >= 2 * seconds or (waited >= seconds and time.process_time() - computed >= seconds):
            break


def describe(error: BaseException, gigabytes: float = GIGABYTES) -> str:
    """The end of a sentence that says what went wrong, and in which line of the reader's code.

    Args:
        error: what the reader's code raised.
        gigabytes: of memory that it was allowed.

    Returns:
        the end of a sentence.
    """
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return f"it wanted more than {gigabytes:g} GB of memory; how large are the arrays that it makes?"
    if isinstance(error, RecursionError):
        return "it calls itself without end (RecursionError)."
    if isinstance(error, _NobodyTypes):
        return f"it waits for {error}, and in a check nobody types; what it needs comes as its arguments."
    line, place = "", error.__traceback__
    while place is not None:  # the last line in a notebook or a student's file, not in a library
        if not place.tb_frame.f_code.co_filename.startswith(LIBRARIES):
            line = f", in line {place.tb_lineno} of its cell"
        place = place.tb_next
    text = " ".join(str(error).split())
    return f"it raised {type(error).__name__}: {text[:200] or 'without a message'}{line}."


def _stop(thread: threading.Thread) -> None:
    """End a thread, or where its code swallows whatever is raised in it, put it to sleep for ever."""
    for kind in (_Stop, _Park):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(kind))
        thread.join(PATIENCE)
        if not thread.is_alive():
            return


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is shown of what is printed, of warnings, nor of a `_Stop` that arrives when the work is over.

    Nothing is asked either: a notebook would wait for somebody to type.
    """
    hooks = threading.excepthook, sys.unraisablehook
    asks = builtins.input, getpass.getpass, sys.stdin
    builtins.input, getpass.getpass, sys.stdin = _no_input, _no_password, _Silent()
    threading.excepthook = sys.unraisablehook = lambda _: None
    try:
        with contextlib.redirect_stdout(_Shut()), contextlib.redirect_stderr(_Shut()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks
        builtins.input, getpass.getpass, sys.stdin = asks


@contextlib.contextmanager
def _little_memory(gigabytes: float) -> Iterator[None]:
    """Let the address space grow by so much and no more; only Linux keeps to it."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = int(psutil.Process().memory_info().vms + gigabytes * 1e9)
    within = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft)
    resource.setrlimit(resource.RLIMIT_AS, (within, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    """What a reader's code draws, and the dtype that it may set, change nothing for the cells that follow."""
    kept = np.random.get_state(), random.getstate()  # noqa: NPY002  student code may draw from the global generator
    kind, devices = torch.get_default_dtype(), range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            torch.set_default_dtype(kind)
            np.random.set_state(kept[0])  # noqa: NPY002
            random.setstate(kept[1])
