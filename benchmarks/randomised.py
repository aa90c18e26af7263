"""Train a network that knows other backgrounds than the studio's, for as long as there is time.

    nohup python -m benchmarks randomised ../photos OUT --minutes 120 > OUT.log 2>&1 &

Real cars that are not kept for the score, and drawn ones, are put before backgrounds that are made anew for every
photo (`data.BackgroundReplacement`); ``--drawn-only`` takes drawn cars alone, for weights without any real photo. The
loss is cross-entropy plus soft Dice. The learning rate follows the clock, one cycle in ``--minutes``: a slow machine
takes fewer steps, and every run ends at its end. With ``--steps`` the rate follows them instead, so that several
networks learn from as many photos. The weights that are kept are a moving average (EMA).

OUT holds ``last.safetensors``, which any command takes for weights, from the first minutes on; ``history.csv``; and at
the end ``weights/`` with half-precision weights and their card, as the package ships them. With ``--resume`` the same
command goes on where it stopped. ``--profile`` measures where the time goes and trains nothing.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks._paired import alternate, introduce, spread, table
from carvana_lessons import data, models, studio
from carvana_lessons.comparison import Protocol
from carvana_lessons.data.backgrounds import FAMILIES, make_background
from carvana_lessons.data.batches import BatchTransform, CarLoader
from carvana_lessons.evaluation import evaluate
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.models import Provenance, checkpoint
from carvana_lessons.models.checkpoint import Checkpoint
from carvana_lessons.models.model_cards import OWN_TERMS, TERMS, round_to_half
from carvana_lessons.prediction import car_logits
from carvana_lessons.training import losses
from carvana_lessons.training.order import seed_epoch
from carvana_lessons.training.schedule import schedule
from carvana_lessons.training.state import optimizer_tensors, restore_optimizer
from carvana_lessons.utils.errors import CarvanaError, ExistsError
from carvana_lessons.utils.files import replacing
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.memory import disable_malloc_trim
from carvana_lessons.utils.prefetch import prefetch

LOSSES = {
    "bce-dice": lambda logits, y: losses.bce(logits, y) + losses.soft_dice(logits, y),
    "boundary-dice": lambda logits, y: losses.boundary_bce(logits, y) + losses.soft_dice(logits, y),
}
SETTINGS = ("network", "width", "size", "minutes", "steps", "batch_size", "lr", "loss", "drawn_only", "drawn_cars",
            "drawn", "keep", "studio", "empty", "ema", "seed", "begin")  # fmt: skip  # what decides the result
WATCHED = 32  # photos that are looked at while it trains
FINE = 10_000  # steps of the schedule; where it stands is the share of the time


@dataclass(frozen=True)
class Both:
    """A mirroring and a change of light, then another background."""

    batched: ClassVar[Literal[True]] = True

    first: data.Augment
    then: data.BackgroundReplacement

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        return self.then(*self.first(x, y, generator), generator)


@dataclass
class Run:
    """All that a training is made of."""

    options: argparse.Namespace
    model: nn.Module
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    seconds: float = 0.0  # of training so far, over all sessions
    step: int = 0
    history: tuple[dict, ...] = ()

    @classmethod
    def begin(cls, o: argparse.Namespace) -> "Run":
        torch.manual_seed(o.seed)
        begun = {"weights": o.begin} if o.begin else {"width": o.width}
        model = models.create(o.network, **begun).to(memory_format=torch.channels_last)
        o.width = model.recipe["width"]
        average = AveragedModel(model, multi_avg_fn=warmed_up(o.ema), use_buffers=True)
        return cls(o, model, average, torch.optim.Adam(model.parameters(), lr=o.lr))

    @property
    def settings(self) -> dict:
        return {name: getattr(self.options, name) for name in SETTINGS}

    @property
    def share(self) -> float:
        """Of the training that is over, by the clock or, where it is told, by steps."""
        if self.options.steps:
            return self.step / self.options.steps
        return self.seconds / (60 * self.options.minutes)

    def learn(self, x: Tensor, y: Tensor, rate: float) -> float:
        """One step; the loss."""
        loss = LOSSES[self.options.loss](self.model(x), y)
        if not math.isfinite(value := loss.item()):
            raise CarvanaError(f"The loss became {value} in step {self.step}; begin again with a lower --lr.")
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.step += 1
        return value

    def save(self, path: Path, provenance: Provenance) -> None:
        """The averaged weights as a checkpoint, with what is needed to go on."""
        about = {"network": self.model.recipe, "settings": self.settings, "seconds": self.seconds, "step": self.step}
        about |= {"history": list(self.history), **provenance.describe()}
        state = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        state |= {"averaged": self.average.n_averaged, **optimizer_tensors(self.optimizer)}
        checkpoint.save(path, Checkpoint(self.average.module.state_dict(), about, state))

    def restore(self, path: Path) -> None:
        """The reverse of `save`."""
        saved = checkpoint.load(path)
        changed = [name for name, value in self.settings.items() if saved.about["settings"].get(name) != value]
        if changed:
            raise CarvanaError(f"{path} is of a run with other settings ({', '.join(changed)}); repeat those settings.")
        self.average.module.load_state_dict(saved.weights)
        raw = {name: value for name, value in saved.state.items() if name.startswith("model/")}
        self.model.load_state_dict({name.removeprefix("model/"): value for name, value in raw.items()})
        self.average.n_averaged.copy_(saved.state["averaged"])
        restore_optimizer(self.optimizer, saved.state)
        self.seconds, self.step = saved.about["seconds"], saved.about["step"]
        self.history = tuple(saved.about["history"])


def warmed_up(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """An exponential moving average that soon forgets the first weights: after n steps (1 + n) / (10 + n) stays."""

    def update(averages: list[Tensor], values: list[Tensor], n: Tensor) -> None:
        get_ema_multi_avg_fn(min(decay, (1 + n.item()) / (10 + n.item())))(averages, values, n)

    return update


def transform(o: argparse.Namespace) -> BatchTransform:
    return Both(data.Augment(rotate=0, flip=0.5, color=0.15), data.BackgroundReplacement(o.keep, o.studio, o.empty))


def sources(o: argparse.Namespace) -> list[tuple[data.CarFolder, int]]:
    """Photos to train on, and how many of each batch come from there."""
    if not o.drawn_cars:
        return [(Protocol().split(data.CarFolder(o.folder))[0], o.batch_size)]
    drawn = data.CarFolder(studio.ensure(cars=o.drawn_cars))
    if o.drawn_only:
        return [(drawn, o.batch_size)]
    count = round(o.drawn * o.batch_size)
    real = Protocol().split(data.CarFolder(o.folder))[0]
    return [(photos, n) for photos, n in ((real, o.batch_size - count), (drawn, count)) if n]


def loaders(o: argparse.Namespace, change: BatchTransform | None) -> list[CarLoader]:
    return [
        data.loader(photos, o.size, count, shuffle=True, transform=change, seed=o.seed + k, drop_last=True)
        for k, (photos, count) in enumerate(sources(o))
    ]


def endless(batches: CarLoader, seed: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch; `first` is a number that no session before began with."""
    epoch = first
    while True:
        seed_epoch(batches, seed, epoch)
        yield from batches
        epoch += 1


def together(parts: list[Iterator[tuple[Tensor, Tensor]]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches made of one from each source, in the order that convolutions on a CPU are fastest with."""
    torch.set_num_threads(1)  # of the thread that makes them: the others are for the network
    for found in zip(*parts, strict=True):
        x, y = (torch.cat(several) for several in zip(*found, strict=True))
        yield x.contiguous(memory_format=torch.channels_last), y


def watch(model: nn.Module, pairs: dict[str, tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Dice of cars that are not learned from, in the studio and before families of the training."""
    model.eval()
    return {name: dice(car_logits(model, x) > 0, y > 0).mean().item() for name, (x, y) in pairs.items()}


def watched(o: argparse.Namespace) -> dict[str, tuple[Tensor, Tensor]]:
    cars = Protocol().split(data.CarFolder(o.folder))[1]
    x, y = next(iter(data.loader(data.sample_evenly(cars, WATCHED), o.size, WATCHED)))
    replaced = data.BackgroundReplacement(keep=0, studio=0, empty=0)(x, y, torch.Generator().manual_seed(0))
    return {"studio": (x, y), "elsewhere": replaced}


def train(run: Run, provenance: Provenance) -> None:
    """Until its share is whole; a checkpoint every few minutes."""
    o, last = run.options, run.options.out / "last.safetensors"
    rate = schedule("one-cycle", FINE, 1)
    looked = watched(o)
    streams = [endless(batches, o.seed + k, run.step) for k, batches in enumerate(loaders(o, transform(o)))]
    saved, total, count = time.monotonic(), 0.0, 0
    clock = time.monotonic()
    run.model.train()
    for x, y in prefetch(together(streams)):
        total, count = total + run.learn(x, y, o.lr * rate(round(min(run.share, 1) * (FINE - 1)))), count + 1
        now = time.monotonic()
        run.seconds, clock = run.seconds + now - clock, now
        over = run.share >= 1
        if over or now - saved > 60 * o.every:
            row = {"minutes": run.seconds / 60, "step": run.step, "photos": run.step * o.batch_size}
            row |= {"loss": total / count, "ms_a_photo": 1000 * (now - saved) / count / o.batch_size}
            row |= watch(run.average.module, looked)
            run.history = (*run.history, row)
            run.save(last, provenance)
            with replacing(o.out / "history.csv") as file:
                pd.DataFrame(run.history).round(5).to_csv(file, index=False, lineterminator="\n")
            print(", ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
            total, count, clock = 0.0, 0, time.monotonic()  # what was looked at and written is no training
            saved = clock
        if over:
            break


def ship(run: Run, provenance: Provenance) -> Path:
    """Weights in half precision with their card, scored in the studio."""
    o = run.options
    unseen = Protocol().split(data.CarFolder(o.folder))[1]
    model = run.average.module.eval()
    model.recipe, model.provenance = run.model.recipe, provenance
    scores = evaluate(round_to_half(model), unseen, o.size, o.batch_size)
    own = [f"{len(photos.ids)} cars, {len(photos)} photos" for photos, _ in sources(o)]
    told = "drawn: " + own[0] if o.drawn_only else "Carvana Image Masking Challenge, " + own[0]
    card = {
        "size": o.size,
        "data": told + (f"; drawn: {own[1]}" if len(own) > 1 else ""),
        "protocol": f"{o.size}×{o.size} px, width {o.width}, {run.step} batches of {o.batch_size}, one-cycle Adam with "
        f"peak {o.lr:g}, {o.loss}, EMA {o.ema:g}, {transform(o)}, seed {o.seed}"
        + (f", begun with the shipped weights {o.begin}" if o.begin else ""),
        "scored_on": f"{len(unseen.ids)} other cars, {len(unseen)} photos, at their own size, in the studio",
        "dice": round(scores.dice.mean(), 5),
        "worst": round(scores.dice.min(), 5),
        "minutes": round(run.seconds / 60, 1),
        "threads": torch.get_num_threads(),
        "date": str(date.today()),
    }
    card["terms"] = OWN_TERMS if o.drawn_only else TERMS
    (o.out / "weights").mkdir(exist_ok=True)
    return models.ship(model, card, o.out / "weights", "drawn" if o.drawn_only else "backgrounds")


def profile(run: Run) -> None:
    """Milliseconds a photo of every part, one thread each."""
    o = run.options
    torch.set_num_threads(1)
    introduce(f"`{o.network}`, width {o.width}, {o.size}×{o.size}, batch {o.batch_size}; ms a photo.")
    [plain, *_] = loaders(o, None)
    x, y = next(iter(plain))
    laid, rows, reads = x.contiguous(memory_format=torch.channels_last), [], iter(endless(plain, 0, 0))
    change, seeds = transform(o), iter(range(10**9))

    def forward() -> Tensor:
        return LOSSES[o.loss](run.model(laid), y)

    ways = {
        "photos from the decoded copy": lambda: next(reads),
        "all that is made new: mirroring, backgrounds, light": lambda: change(x, y),
        "forward": forward,
        "a whole step: forward, backward, Adam, EMA": lambda: run.learn(laid, y, o.lr),
    }
    for family in FAMILIES:
        ways[f"background {family}"] = lambda name=family: [
            make_background(name, o.size, o.size, next(seeds)) for _ in range(o.batch_size)
        ]
    run.model.train()
    for name, took in alternate(ways, 5).items():
        rows.append([name, spread(1000 * s / o.batch_size for s in took)])
    table(["part", "ms a photo"], rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", type=Path, help="real photos in Kaggle's layout; those kept for the score are watched"
    )
    parser.add_argument("out", type=Path, help="a folder for the run")
    parser.add_argument("--network", default="unet", choices=models.names())
    parser.add_argument("--width", type=int, default=11, help="11 is the widest unet whose weights are below 2 MB")
    parser.add_argument("--begin", help="kind of shipped weights to begin with, carvana for one; their width counts")
    parser.add_argument("--size", type=int, default=256, help="side of the input; multiples of 32")
    parser.add_argument("--minutes", type=float, default=120, help="of training; it ends then, wherever it is")
    parser.add_argument("--steps", type=int, help="of training, whatever the clock says: to compare networks")
    parser.add_argument("--every", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--lr", type=float, default=4e-3, help="highest rate of one-cycle")
    parser.add_argument("--loss", default="bce-dice", choices=LOSSES, help="boundary: pixels near it count five times")
    parser.add_argument("--drawn-only", action="store_true", help="learn from drawn cars alone")
    parser.add_argument("--drawn-cars", type=int, default=96, help="cars that the studio draws; 0 for none")
    parser.add_argument("--drawn", type=float, default=0.25, help="share of drawn cars in a batch")
    parser.add_argument("--keep", type=float, default=0.25, help="share of photos left in their studio")
    parser.add_argument("--studio", type=float, default=0.1, help="share whose studio is coloured anew")
    parser.add_argument("--empty", type=float, default=0.02, help="share of backgrounds without a car")
    parser.add_argument("--ema", type=float, default=0.998, help="how much of the average stays in a step, at most")
    parser.add_argument("--threads", type=int, help="of torch; unset, all cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on in OUT")
    parser.add_argument("--profile", action="store_true", help="only measure where the time goes")
    o = parser.parse_args()
    if o.drawn_only and not o.drawn_cars:
        parser.error("--drawn-only needs drawn cars")
    return o


def main() -> None:
    o = parse()
    disable_malloc_trim()
    torch.set_flush_denormal(True)
    if o.threads:
        torch.set_num_threads(o.threads)
    run = Run.begin(o)
    if o.profile:
        profile(run)
        return
    last = o.out / "last.safetensors"
    if last.exists() and not o.resume:
        raise ExistsError(f"{o.out} holds a run: go on with --resume, or name another folder.")
    o.out.mkdir(parents=True, exist_ok=True)
    with owned(last):
        if last.exists():
            run.restore(last)
        learned = frozenset(car for photos, _ in sources(o) for car in photos.ids)
        learned |= (models.provenance(run.model).train or set()) if o.begin else set()
        provenance = Provenance((o.size, o.size), "no", learned)
        print(json.dumps(run.settings), flush=True)
        if run.share < 1:
            train(run, provenance)
        print(ship(run, provenance).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
