"""One of two processes cannot go on, and the other one hears of it. Argument: an empty folder."""

import sys
from pathlib import Path

import toy
import world

from carvana_lessons.models import checkpoint
from carvana_lessons.utils.locking import owned


def said(act) -> str:
    try:
        act()
    except (Exception, KeyboardInterrupt) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def work(out: Path, rank: int) -> dict:
    answers = {}
    toy.trainer(out / "run").fit(toy.loader(4), epochs=1)
    answers["holds a run"] = said(lambda: toy.trainer(out / "run").fit(toy.loader(4), epochs=1))

    def together(act):
        if rank == 0:
            with owned(out / "run" / "last.safetensors"):
                return act()
        return act()

    answers["held"] = said(lambda: together(lambda: toy.trainer(out / "run").fit(toy.loader(4), epochs=1, resume=True)))
    real = checkpoint.save

    def full(path, saved):
        raise checkpoint.CarvanaError("The disk has no room.")

    checkpoint.save = full
    answers["full"] = said(lambda: toy.trainer(out / "full").fit(toy.loader(4), epochs=2))
    checkpoint.save = real

    settings = {"lr": 3.0, "schedule": "constant", "clip": None, "patience": 2}
    histories = [
        toy.trainer(out / "patient", **settings).fit(toy.loader(4), toy.loader(4), epochs=40, resume=True)
        for _ in range(2)
    ]
    answers["patience"] = [len(history) for history in histories]

    def ends(_model, epoch):
        if rank == 1 and epoch == 2:
            raise KeyboardInterrupt

    answers["stopped"] = said(lambda: toy.trainer(out / "stopped").fit(toy.loader(4), epochs=9, after_epoch=ends))
    return answers  # the process that was stopped ends now: the other one waits for it in the third epoch


def main() -> None:
    out = Path(sys.argv[1])
    world.run_both(out, lambda rank: work(out, rank))


main()
