"""Run a command line and press Ctrl-C when a file is there. Arguments: a pattern of the file, the words.

What the command line would print of the stop goes to standard output.
"""

import signal
import sys
import threading
import time
from pathlib import Path

import typer

from carvana_lessons import cli


def press(pattern: Path) -> None:
    while not any(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))):
        time.sleep(0.001)
    signal.raise_signal(signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
pattern, *words = sys.argv[1:]
threading.Thread(target=press, args=(Path(pattern),), daemon=True).start()
try:
    command = typer.main.get_command(cli.commands)
    with command.make_context("carvana-lessons", words) as context:
        command.invoke(context)
except KeyboardInterrupt as stop:
    print(f"{type(stop).__name__}: {stop}")
    sys.exit(130)
