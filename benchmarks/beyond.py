"""What the winners' steps give on real photos, one at a time, for a network that trains in two minutes.

    python -m benchmarks beyond ../photos OUT

``unet-small``, the same cars for training and for the score as in `compare`, every training as long as the others.
OUT keeps every run and continues where it stopped; ``runs.csv`` and ``cars.csv`` hold what is done, in the form that
`carvana_lessons.comparison.summarise` takes.
"""

import argparse
import copy
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from carvana_lessons import data, models, studio
from carvana_lessons.comparison.protocol import Protocol, claim, environment
from carvana_lessons.evaluation import evaluate
from carvana_lessons.prediction import pseudo_label
from carvana_lessons.training import Trainer, losses
from carvana_lessons.utils.files import replacing

NETWORK, FEW, FOLDS, LARGE = "unet-small", 16, 5, 192


def bce_and_dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return losses.bce(logits, target) + losses.soft_dice(logits, target)


@dataclass
class Bench:
    """Cars, settings and a place; every network is trained once."""

    out: Path
    cars: data.CarFolder
    protocol: Protocol

    def __post_init__(self) -> None:
        self.known, self.unseen = self.protocol.split(self.cars)
        order = self.known.ids
        self.few = self.known.select(cars=order[:FEW])
        self.rest = self.known.select(cars=order[FEW:])
        self.images = self.protocol.epochs * len(self.known)

    def train(
        self,
        name: str,
        seed: int,
        photos: data.CarFolder | None = None,
        loss: Callable = losses.bce,
        flip: float = 0.0,
        size: int | None = None,
        begin: nn.Module | None = None,
        times: int = 1,
    ) -> nn.Module:
        """The network of that name and seed, `times` as long: trained, continued, or taken from its folder."""
        photos, p = photos or self.known, self.protocol
        torch.manual_seed(seed)
        model = copy.deepcopy(begin) if begin else models.create(NETWORK)
        transform = data.Augment(rotate=0, flip=flip) if flip else None
        batches = data.loader(photos, size or p.size, p.batch_size, shuffle=True, transform=transform, seed=seed)
        folder = self.out / "runs" / f"{name}-seed{seed}"
        trainer = Trainer(model, lr=p.lr, loss=loss, schedule="one-cycle", folder=folder, seed=seed)
        history = trainer.fit(batches, epochs=max(1, round(times * self.images / len(photos))), resume=True)
        with replacing(folder / "history.csv") as file:
            history.frame.to_csv(file, index=False)
        return model

    def base(self, seed: int) -> nn.Module:
        return self.train("base", seed)

    def drawn(self, seed: int) -> nn.Module:
        return self.train("drawn", seed, data.CarFolder(studio.ensure()))

    def few_cars(self, seed: int) -> nn.Module:
        return self.train("few", seed, self.few)

    def pseudo(self, seed: int) -> nn.Module:
        folder = self.out / "pseudo" / f"seed{seed}"
        if not folder.exists():
            pseudo_label(self.few_cars(seed), self.few, self.rest, folder, self.protocol.size)
        return self.train("pseudo", seed, data.CarFolder(folder))

    def four(self, seed: int) -> list[nn.Module]:
        return [
            self.base(seed),
            self.train("dice", seed, loss=bce_and_dice),
            self.train("outline", seed, loss=losses.boundary_bce),
            self.train("mirrored", seed, flip=0.5),
        ]

    def folds(self, seed: int) -> list[nn.Module]:
        parts = data.k_folds_by_car(self.known, FOLDS, seed=0)
        return [self.train(f"fold{k}", seed, train) for k, (train, _) in enumerate(parts)]


@dataclass(frozen=True)
class Step:
    """A row of the table: what to train, at which size, whether test photos are mirrored, and for which seeds.

    ``trainings`` is the number of networks trained for it, ``networks`` of those that answer for a test photo.
    """

    name: str
    make: Callable[[Bench, int], nn.Module | list[nn.Module]]
    size: int | None = None
    flip: bool = False
    once: bool = False
    trainings: int = 1
    networks: int = 1

    @property
    def passes(self) -> int:
        """Forward passes for a test photo."""
        return self.networks * (1 + self.flip)


STEPS = [
    Step("as it is", Bench.base),
    Step("soft Dice beside the cross-entropy", lambda b, s: b.four(s)[1]),
    Step("boundary counts five times", lambda b, s: b.four(s)[2]),
    Step("training photos mirrored", lambda b, s: b.four(s)[3]),
    Step("test photos mirrored", Bench.base, flip=True),
    Step("both mirrored", lambda b, s: b.four(s)[3], flip=True),
    Step("the first four averaged", Bench.four, trainings=4, networks=4),
    Step("the first four averaged, test photos mirrored", Bench.four, flip=True, trainings=4, networks=4),
    Step("begun from drawn cars", lambda b, s: b.train("begun", s, begin=b.drawn(s)), trainings=2),
    Step(f"{FEW} labelled cars", Bench.few_cars),
    Step(
        f"{FEW} labelled cars, begun from drawn cars",
        lambda b, s: b.train("few-begun", s, b.few, begin=b.drawn(s)),
        trainings=2,
    ),
    Step(f"{FEW} labelled cars, the others pseudo-labelled", Bench.pseudo, trainings=2),
    Step(f"{LARGE}×{LARGE} pixels", lambda b, s: b.train("large", s, size=LARGE), size=LARGE),
    Step(f"{FOLDS} folds averaged", Bench.folds, once=True, trainings=FOLDS, networks=FOLDS),
    # what a beginning from drawn cars costs, spent on the same cars instead
    Step("trained twice as long", lambda b, s: b.train("long", s, times=2), trainings=2),
    Step(
        f"{FEW} labelled cars, trained twice as long", lambda b, s: b.train("few-long", s, b.few, times=2), trainings=2
    ),
]


def run(bench: Bench, seeds: list[int], names: list[str] | None = None) -> None:
    """Every step, or those of these names, for every seed, scored once; tables after each."""
    for seed in seeds:
        for k, step in enumerate(STEPS):
            file = bench.out / "scores" / f"{k:02}-seed{seed}.csv"
            if names is not None and step.name not in names:
                continue
            if file.exists() or (step.once and seed != seeds[0]):
                continue
            model = step.make(bench, seed)
            scores = evaluate(model, bench.unseen, step.size or bench.protocol.size, flip=step.flip)
            with replacing(file) as temporary:
                scores.assign(network=step.name, seed=seed).to_csv(temporary, index=False)
            write(bench.out)


def write(out: Path) -> None:
    scores = pd.concat([pd.read_csv(file) for file in sorted((out / "scores").glob("*.csv"))])
    keys = ["network", "seed"]
    runs = scores.groupby(keys, sort=False)["dice"].agg(dice="mean", worst="min").reset_index()
    runs["parameters"] = models.count_parameters(models.create(NETWORK))
    steps = {step.name: step for step in STEPS}
    for cost in ("trainings", "passes"):
        runs[cost] = [getattr(steps[name], cost) for name in runs["network"]]
    tables = {"runs": runs}
    tables["cars"] = scores.groupby([*keys, "car"], sort=False)["dice"].mean().reset_index()
    for name, table in tables.items():
        with replacing(out / f"{name}.csv") as file:
            table.round(6).to_csv(file, index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="real photos in Kaggle's layout")
    parser.add_argument("out", type=Path, help="a folder for runs and tables")
    parser.add_argument("--epochs", type=int, default=8, help="of the training on all cars; the others see as many")
    parser.add_argument("--size", type=int, default=128, help="side of the input")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", nargs="+", help="only these rows of the table, by name")
    o = parser.parse_args()
    cars = data.CarFolder(o.folder)
    protocol = Protocol(size=o.size, epochs=o.epochs, batch_size=8, lr=4e-3)
    claim(o.out, protocol, cars)
    if not (about := o.out / "runs" / "run.json").exists():
        with replacing(about) as file:
            file.write_text(json.dumps(environment(), indent=1) + "\n", encoding="utf-8", newline="\n")
    print(json.dumps(asdict(protocol)))
    run(Bench(o.out, cars, protocol), o.seeds, o.steps)
    print(pd.read_csv(o.out / "runs.csv").to_string())


if __name__ == "__main__":
    main()
