"""Dice of ``unet-tiny`` with and without its skip connections, on cars it never saw (lesson 02).

    python -m benchmarks skips ../photos

The folder holds photos in Kaggle's layout; unset, the studio draws the course's cars. Without skips, each step up gets
its own map twice: every layer and every parameter stays.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from benchmarks._paired import introduce, table
from carvana_lessons import data, models, studio
from carvana_lessons.evaluation import evaluate
from carvana_lessons.training import Trainer

SIZE, BATCH, LR = 128, 8, 2e-3


class NoSkips(models.UNet):
    """The chapter's network without skips."""

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.down[:-1]:
            x = self.pool(stage(x))
        x = self.down[-1](x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = up(x)
            x = merge(torch.cat([x, x], dim=1))
        return self.head(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="photos; unset, the studio's")
    parser.add_argument("--images", type=int, default=8_000, help="photos that a training sees, rounded to epochs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    cars = data.CarFolder(options.folder or studio.ensure())
    train, test = data.split_by_car(cars, (5 / 6, 1 / 6), seed=0)
    epochs = max(1, round(options.images / len(train)))
    introduce(
        f"`unet-tiny`, {SIZE}×{SIZE}, {epochs} epochs of {len(train.ids)} cars, batch {BATCH}, one-cycle Adam, peak "
        f"{LR:g}; Dice of {len(test.ids)} other cars at the photos' own size.",
        medians=False,
    )
    gains, rows = [], []
    for seed in options.seeds:
        found = {}
        for network in (models.UNet, NoSkips):
            torch.manual_seed(seed)
            model = network()
            batches = data.loader(train, size=SIZE, batch_size=BATCH, shuffle=True, seed=seed)
            Trainer(model, lr=LR, schedule="one-cycle", seed=seed).fit(batches, epochs=epochs)
            found[network] = evaluate(model, test, size=SIZE)
        means = [scores.groupby("car").dice.mean() for scores in found.values()]
        gains.append(means[0] - means[1])
        worst = [f"{scores.dice.min():.3f}" for scores in found.values()]
        rows.append([seed, *(f"{mean.mean():.4f}" for mean in means), f"{gains[-1].mean():+.4f}", *worst])
        print(rows[-1], flush=True)
    table(["seed", "skips", "no skips", "gain", "worst photo, skips", "no skips"], rows)
    gain = pd.concat(gains, axis=1).mean(axis=1)
    print(f"gain of the skips {gain.mean():+.4f}, standard error over {len(gain)} cars {gain.sem():.4f}")


if __name__ == "__main__":
    main()
