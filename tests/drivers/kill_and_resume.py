"""Kill a training at random moments, go on, compare with one that was never killed. Argument: an empty folder."""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import toy

from carvana_lessons.models import checkpoint

EPOCHS = 12


def child(folder: Path) -> int:
    """Start a process that trains to the end; torch is loaded already, so it starts at once."""
    process = os.fork()
    if process == 0:
        toy.trainer(folder).fit(toy.loader(8), toy.loader(8), epochs=EPOCHS, resume=True)
        os._exit(0)
    return process


def run(folder: Path) -> float:
    began = time.perf_counter()
    if os.waitpid(child(folder), 0)[1] != 0:
        sys.exit("a training failed")
    return time.perf_counter() - began


def main() -> None:
    out = Path(sys.argv[1])
    seconds = run(out / "whole")
    whole = checkpoint.load(out / "whole" / "last.safetensors")
    dice = random.Random(5)
    for trial in range(5):
        folder, killed = out / f"killed-{trial}", False
        while not killed:  # a moment after the end is no kill: that trial begins anew
            shutil.rmtree(folder, ignore_errors=True)
            process = child(folder)
            time.sleep(dice.uniform(0.1, 0.9) * seconds)
            os.kill(process, signal.SIGKILL)
            killed = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
        last = folder / "last.safetensors"
        done = checkpoint.load(last).about["epoch"] if last.exists() else 0
        run(folder)
        parts = checkpoint.load(last)
        same = all(parts.weights[k].equal(v) for k, v in whole.weights.items())
        same &= [r["loss"] for r in parts.about["history"]] == [r["loss"] for r in whole.about["history"]]
        print(f"killed after {done} of {EPOCHS} epochs: {'same' if same else 'DIFFERENT'}")


main()
