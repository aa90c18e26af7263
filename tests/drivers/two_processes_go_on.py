"""Two processes train with a loss that draws, stop after two of four epochs and go on. Argument: an empty folder."""

import sys
from pathlib import Path

import torch
import toy
import world

EPOCHS = 4


class Stop(Exception):
    """The session ends."""


def train(folder: Path, rank: int, stop: int | None = None) -> None:
    def look(_model, epoch):
        if epoch == stop:
            raise Stop

    trainer = toy.trainer(folder)
    torch.manual_seed(100 + rank)  # each process draws other noise
    try:
        trainer.fit(toy.loader(4), epochs=EPOCHS, resume=True, after_epoch=look)
    except Stop:
        torch.manual_seed(7)  # the next session begins with other generators


def work(out: Path, rank: int) -> dict:
    train(out / "whole", rank)
    train(out / "parts", rank, stop=2)
    train(out / "parts", rank)
    return {}


def main() -> None:
    out = Path(sys.argv[1])
    world.run_both(out, lambda rank: work(out, rank))


main()
