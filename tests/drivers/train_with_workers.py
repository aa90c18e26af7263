"""Train by the command line with two worker processes and press Ctrl-C in their console, twice, after an epoch.

Arguments: the photos, the folder of the run, how processes are started. Not for Windows: a process group is a console.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from carvana_lessons import cli

NET = ["--network", "unet-tiny", "--width", "2", "--size", "16", "--batch-size", "1", "--epochs", "5000"]


def press(history: Path) -> None:
    while not history.exists():
        time.sleep(0.001)
    workers = [worker.pid for worker in multiprocessing.active_children()]
    os.kill(0, signal.SIGINT)  # all of this group
    time.sleep(0.04)
    for worker in workers:  # the command itself is busy with the first
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGINT)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
    photos, out, start = sys.argv[1:]
    multiprocessing.set_start_method(start)
    threading.Thread(target=press, args=(Path(out) / "history.csv",), daemon=True).start()
    sys.argv[1:] = ["train", photos, out, "--workers", "2", *NET]
    cli.app()
