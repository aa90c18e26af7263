"""Dice of ``unet-small`` on cars it never saw: real on real, studio on studio, studio on real.

    python -m benchmarks transfer ../photos

The folder holds real photos in Kaggle's layout. Every training sees the same number of photos; the cars differ. The
lines that end in real cars are the measure of the studio: a network that saw nothing but drawn cars is scored on every
real photo of the folder.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import torch

from carvana_lessons import data, models, studio
from carvana_lessons.evaluation import evaluate
from carvana_lessons.training import Trainer

SIZE, BATCH, LR, MANY = 128, 8, 4e-3, 384


def train(photos: data.CarFolder, images: int, seed: int) -> tuple[torch.nn.Module, float]:
    """A fresh ``unet-small``, trained; and the seconds that took."""
    torch.manual_seed(seed)
    model = models.create("unet-small")
    batches = data.loader(photos, size=SIZE, batch_size=BATCH, shuffle=True, seed=seed)
    began = time.perf_counter()
    Trainer(model, lr=LR, schedule="one-cycle", seed=seed).fit(batches, epochs=max(1, round(images / len(photos))))
    return model, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path, help="folder of real photos")
    parser.add_argument("--drawn", type=Path, help=f"folder of drawn photos; unset, a studio of {MANY} cars is made")
    parser.add_argument("--images", type=int, default=40_000, help="photos that a training sees, rounded to epochs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    real = data.CarFolder(options.real)
    drawn = data.CarFolder(options.drawn or studio.ensure(cars=MANY))
    print(f"`unet-small`, {SIZE}×{SIZE}, batch {BATCH}, one-cycle Adam with peak {LR:g}, some {options.images:,}")
    print(f"photos seen, {torch.get_num_threads()} threads, {date.today()}; Dice at the photos' own size.\n")
    print("| trained on | scored on | seed | Dice | worst photo | training, s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    parts = {name: data.split_by_car(cars, (5 / 6, 1 / 6), seed=0) for name, cars in [("real", real), ("drawn", drawn)]}
    trainings = [
        ("real", parts["real"][0], {"other real": parts["real"][1]}),
        ("drawn", parts["drawn"][0], {"other drawn": parts["drawn"][1], "real": real}),
    ]
    for seed in options.seeds:
        for name, known, scored in trainings:
            model, seconds = train(known, options.images, seed)
            for what, photos in scored.items():
                dice = evaluate(model, photos, size=SIZE).dice
                score = f"{dice.mean():.4f} | {dice.min():.4f} | {seconds:.0f}"
                print(
                    f"| {len(known.ids)} {name} cars | {len(photos.ids)} {what} cars | {seed} | {score} |", flush=True
                )


if __name__ == "__main__":
    main()
