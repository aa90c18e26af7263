"""Dice of ``unet-small`` on cars it never saw: real on real, studio on studio, studio on real.

    python -m benchmarks transfer ../photos

The folder holds real photos in Kaggle's layout. The last line is the measure of the studio: a network that saw nothing
but drawn cars is scored on every real photo of the folder.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import torch

from carvana_lessons import data, models, studio
from carvana_lessons.evaluate import evaluate
from carvana_lessons.trainer import Trainer

SIZE, BATCH, LR = 128, 8, 2e-3


def train(photos: data.CarFolder, epochs: int, seed: int) -> tuple[torch.nn.Module, float]:
    """A fresh ``unet-small``, trained; and the seconds that took."""
    torch.manual_seed(seed)
    model = models.create("unet-small")
    batches = data.loader(photos, size=SIZE, batch_size=BATCH, shuffle=True, seed=seed)
    began = time.perf_counter()
    Trainer(model, lr=LR, schedule="one-cycle").fit(batches, epochs=epochs)
    return model, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path, help="folder of real photos")
    parser.add_argument("--drawn", type=Path, help="folder of drawn photos; unset, the default studio")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    real = data.CarFolder(options.real)
    drawn = data.CarFolder(options.drawn or studio.ensure())
    print(f"`unet-small`, {SIZE}×{SIZE}, batch {BATCH}, one-cycle Adam with peak {LR:g}, {options.epochs} epochs,")
    print(f"{torch.get_num_threads()} threads, {date.today()}; Dice at the photos' own size.\n")
    print("| trained on | scored on | seed | Dice | worst photo | training, s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")

    def line(what: str, where: str, seed: int, model: torch.nn.Module, photos: data.CarFolder, seconds: float) -> None:
        dice = evaluate(model, photos, size=SIZE).dice
        print(f"| {what} | {where} | {seed} | {dice.mean():.4f} | {dice.min():.4f} | {seconds:.0f} |", flush=True)

    for seed in options.seeds:
        for name, cars in [("real", real), ("drawn", drawn)]:
            known, unseen = data.split_by_car(cars, (5 / 6, 1 / 6), seed=0)
            model, seconds = train(known, options.epochs, seed)
            where = f"{len(unseen.ids)} other {name} cars"
            line(f"{len(known.ids)} {name} cars", where, seed, model, unseen, seconds)
        model, seconds = train(drawn, options.epochs, seed)
        line(f"{len(drawn.ids)} drawn cars", f"all {len(real.ids)} real cars", seed, model, real, seconds)


if __name__ == "__main__":
    main()
