"""Worker processes: each gets one car after the other and answers with a line per photo.

They are started by name rather than forked, so that a notebook and a script without a ``__main__`` guard work alike
on every system, and each ends by itself when its pipe breaks: a killed parent leaves no process behind.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from carvana_lessons.studio.session import VIEWS
from carvana_lessons.studio.settings import Settings
from carvana_lessons.studio.view import describe, save_view
from carvana_lessons.utils.errors import CarvanaError

# Ctrl-C reaches every process of a terminal; the first one ends the others.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from carvana_lessons.studio.team import work; work()"
)
Photo = tuple[int, dict[str, str] | None, dict[str, str]]  # car, its metadata row (once), sha256 by path


def photograph(folder: Path, settings: Settings, workers: int) -> Iterator[Photo]:
    """Take all photos of a set.

    Args:
        folder: holds ``train`` and ``train_masks`` already.
        settings: of the set.
        workers: processes; 1 works in this one.

    Yields:
        a ``Photo`` as soon as it is written, in no fixed order.

    Raises:
        OSError: as a worker met it.
        CarvanaError: if a worker ends early.
    """
    if workers == 1:
        for index in range(settings.cars):
            yield from _one_car(folder, index, settings)
        return
    left: queue.Queue = queue.Queue()
    for index in range(settings.cars):
        left.put(index)
    done: queue.Queue = queue.Queue()
    team = [_start(folder, settings) for _ in range(min(workers, settings.cars))]
    try:
        for member in team:
            threading.Thread(target=_serve, args=(member, left, done), daemon=True).start()
        busy = len(team)
        while busy:
            answer = done.get()
            if answer is None:
                busy -= 1
            elif isinstance(answer, Exception):
                raise answer
            else:
                yield answer
    finally:
        for member in team:
            member.kill()
            member.wait()
            for pipe in (member.stdin, member.stdout, member.stderr):
                pipe.close()


def _start(folder: Path, settings: Settings) -> subprocess.Popen:
    """Start a worker: one thread of linear algebra, and this very copy of the package."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    job = json.dumps([str(folder), settings.cars, list(settings.size), settings.seed])
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", START, job], stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8",
        env={**os.environ, **one, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip


def _serve(member: subprocess.Popen, left: queue.Queue, done: queue.Queue) -> None:
    """Give one worker car after car until none is left; pass its answers on."""
    try:
        while True:
            try:
                index = left.get_nowait()
            except queue.Empty:
                break
            member.stdin.write(f"{index}\n")
            member.stdin.flush()
            for line in iter(member.stdout.readline, "\n"):
                if not line:
                    last = (member.stderr.read().strip().splitlines() or ["no message"])[-1]
                    raise CarvanaError(f"A studio process ended early ({last}); try again with workers=1 to see why.")
                answer = json.loads(line)
                if isinstance(answer, dict):  # an error of the system, a full disk for example, is passed on
                    done.put(OSError(answer["errno"], answer["why"], answer["file"]))
                    return
                index, row, files = answer
                done.put((index, row, files))
        done.put(None)
    except (OSError, ValueError, CarvanaError) as error:
        ended = CarvanaError(f"A studio process ended early ({error}); try again with workers=1 to see why.")
        done.put(error if isinstance(error, CarvanaError) else ended)


def _one_car(folder: Path, index: int, settings: Settings) -> Iterator[Photo]:
    """The 16 photos of one car."""
    for view in range(1, VIEWS + 1):
        yield index, describe(index, settings) if view == 1 else None, save_view(folder, index, view, settings)


def work() -> None:
    """A worker's whole life: car numbers on stdin, a JSON line per photo and an empty line per car on stdout.

    Where the system refuses something it ends with a JSON object that says what: ``writing`` has a sentence for it.
    """
    folder, cars, size, seed = json.loads(sys.argv[1])
    settings = Settings(cars, tuple(size), seed)
    for line in sys.stdin:
        try:
            for photo in _one_car(Path(folder), int(line), settings):
                print(json.dumps(photo), flush=True)
        except OSError as error:
            if error.errno is None:
                raise
            file = None if error.filename is None else str(error.filename)
            print(json.dumps({"errno": error.errno, "why": error.strerror, "file": file}), flush=True)
            return
        print(flush=True)
