"""End commands at every one of their steps on disk, run them again, and compare. Arguments: a folder, a way to end.

A step is whatever Python's audit hooks tell of a file that is opened for writing, made, renamed, cut off or removed in
that folder. Each command is a process of its own, forked from this one: torch is loaded once.
"""

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import torch
from samples import Brightness

from carvana_lessons import data
from carvana_lessons.prediction import merge, predict_folder, pseudo_label, submit
from carvana_lessons.utils.errors import CarvanaError

FAULT, INTERRUPTED = 2, 130  # exit codes
STEPS = {
    "os.rename",
    "os.remove",
    "os.truncate",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "tempfile.mkstemp",
    "tempfile.mkdtemp",
}


def network(threshold: float = 0.4) -> Brightness:
    made = Brightness()
    torch.nn.init.constant_(made.threshold, threshold)
    return made


def shards(photos: data.CarFolder, out: Path) -> None:
    for k in range(2):
        submit(network(), photos, out / "p.csv", 16, batch_size=2, shard=(k, 2), overwrite=True)
    merge(out / "p.csv", 2, overwrite=True)


def commands(root: Path, photos: data.CarFolder) -> dict[str, Callable[[Path], object]]:
    return {
        "submit": lambda out: submit(network(), photos, out / "s.csv", 16, batch_size=2, overwrite=True),
        "packed": lambda out: submit(network(), photos, out / "s.csv.gz", 16, batch_size=2, overwrite=True),
        "shards": lambda out: shards(photos, out),
        "masks": lambda out: predict_folder(network(), root / "photos" / "train", out / "m", 16, 2, cut_outs=True),
        "pseudo": lambda out: pseudo_label(network(), photos[:2], photos[2:], out / "both", 16),
    }


def process(act: Callable[[], object], wait: bool = True) -> int:
    """A process that does it: its number, or how it ended: 0, 1 with a sentence, otherwise as above or by a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if wait else child
    code = FAULT
    try:
        act()
        code = 0
    except (CarvanaError, FileExistsError):
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        os._exit(code)


def end_at(step: int, place: Path, how: signal.Signals) -> None:
    """From now on end this process at its next but so many step below a folder."""
    left = [step]

    def watch(event: str, given: tuple) -> None:
        writes = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in STEPS) and str(given[0]).startswith(str(place)):
            left[0] -= 1
            if left[0] == 0 and threading.current_thread() is threading.main_thread():
                os.kill(os.getpid(), how)

    sys.addaudithook(watch)


def found(place: Path) -> dict[str, str]:
    """Files by name, hidden ones left out: a killed process cannot take its temporary names along."""
    files = [
        p for p in place.rglob("*") if p.is_file() and not any(n.startswith(".") for n in p.relative_to(place).parts)
    ]
    return {str(p.relative_to(place)): p.read_bytes().hex() for p in files}


def main() -> None:
    root, how = Path(sys.argv[1]), signal.Signals[sys.argv[2]]
    photos = data.CarFolder(root / "photos")
    told = {}
    for name, act in commands(root, photos).items():
        whole = root / f"{name} whole"
        whole.mkdir()
        assert process(lambda act=act, whole=whole: act(whole)) == 0
        wanted, wrong, step, ended = found(whole), [], 0, None
        while ended != 0:
            step += 1 if how == signal.SIGKILL else 3  # an interrupt lets each block end as an exception does
            place = root / f"{name} {step}"
            place.mkdir()
            ended = process(lambda act=act, place=place, step=step: (end_at(step, place, how), act(place)))
            half = found(place)
            again = process(lambda act=act, place=place: act(place))
            finished = again == 0 or (name == "pseudo" and half == wanted)  # which refuses a folder that is there
            if ended not in (0, -how, INTERRUPTED) or not finished or found(place) != wanted:
                wrong.append([step, ended, again, sorted(half), sorted(found(place))])
        told[name] = {"steps": step, "wrong": wrong}
    told["at once"] = at_once(root, photos) if how == signal.SIGKILL else []
    print(json.dumps(told))


def at_once(root: Path, photos: data.CarFolder) -> list:
    """Two at the same time, again and again: what is left is right, and at least one of the two says so."""
    wrong, draw = [], random.Random(0)
    for name, act in commands(root, photos).items():
        wanted = found(root / f"{name} whole")
        for turn in range(4):
            place = root / f"{name} at once {turn}"
            place.mkdir()
            waits = [0.0, draw.random() * 0.05]
            both = [
                process(lambda act=act, place=place, w=w: (threading.Event().wait(w), act(place)), False) for w in waits
            ]
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in both]
            if set(codes) - {0, 1} or (0 not in codes and name != "shards"):
                wrong.append([name, turn, codes])
            if name == "shards" and 0 not in codes:  # each may own a part that the other one wants
                process(lambda act=act, place=place: act(place))
            if found(place) != wanted:
                wrong.append([name, turn, codes, sorted(found(place))])
    return wrong


main()
