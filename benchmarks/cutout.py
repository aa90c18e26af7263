"""How well cut-outs follow the edge of a car, before and after each step of refinement, and what they cost.

    python -m benchmarks cutout ../photos --out book/results/cut-out

Scored are photos of cars that the network was not trained on, at their own size. Intervals are of the difference to the
first look, with cars resampled. The true masks of the challenge are rough themselves by one or two pixels: no answer
reaches 1, and differences count more than scores. Times are those of the processor, all threads together, so that other
work of the machine does not count.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks._paired import PHOTO, alternate, commit, described, introduce, parser, spread, table
from carvana_lessons import data, models, studio
from carvana_lessons.comparison.protocol import describe_photos, environment
from carvana_lessons.comparison.table import interval
from carvana_lessons.evaluation import held_out
from carvana_lessons.evaluation.boundary import WIDTH, boundary_iou, relative_width
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.prediction import load_trained, predict_folder
from carvana_lessons.prediction.cutout import photo_logits
from carvana_lessons.prediction.cutout_files import cut_out_files
from carvana_lessons.prediction.refine import SCALE, refined_logits
from carvana_lessons.utils.files import replacing, write_json
from carvana_lessons.utils.progress import bar

FIRST = "first look"
Look = Callable[[nn.Module, np.ndarray], torch.Tensor]


def steps(*names: str) -> Look:
    """The refinement with these of its steps and no other."""
    chosen = {name: name in names for name in ("mirrored", "larger", "closer", "guided")}
    return lambda model, photo: refined_logits(model, photo, **chosen)


LOOKS: dict[str, Look] = {
    FIRST: photo_logits,
    "twice the size, everywhere": lambda model, photo: photo_logits(model, photo, scale=2),
    "guided filter": steps("guided"),
    "mirrored too": steps("mirrored"),
    f"mirrored, {SCALE} times the size at the edge": steps("mirrored", "larger"),
    "mirrored, the car alone at the edge": steps("mirrored", "closer"),
    "all three (the default)": steps("mirrored", "larger", "closer"),
    "all three, guided filter": steps("mirrored", "larger", "closer", "guided"),
}


class Remembering(nn.Module):
    """A network that computes every input once: the looks have most of theirs in common."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.answers = network, {}
        self.provenance, self.size_divisor = models.provenance(network), getattr(network, "size_divisor", 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        key = hashlib.sha256(x.numpy().tobytes()).digest()
        if key not in self.answers:
            self.answers[key] = self.network(x)
        return self.answers[key]


def score(model: nn.Module, few: data.CarFolder) -> pd.DataFrame:
    """One row per photo and look: Dice, and boundary IoU at two widths."""
    rows = []
    for photo in bar(few, total=len(few), desc="looking", unit="photo"):
        pixels, truth = photo.read(), data.read_mask(photo.mask).view(bool)
        network = Remembering(model)
        for name, look in LOOKS.items():
            mask = look(network, pixels)[0, 0].numpy() > 0
            rows.append(
                {
                    "name": photo.name,
                    "car": photo.car,
                    "way": name,
                    "dice": dice(torch.from_numpy(mask), torch.from_numpy(truth)).item(),
                    "boundary_iou": boundary_iou(mask, truth),
                    "boundary_iou_wide": boundary_iou(mask, truth, relative_width(truth.shape)),
                }
            )
    return pd.DataFrame(rows)


def times(model: nn.Module, few: data.CarFolder, repeats: int) -> dict[str, str]:
    """Milliseconds per photo of every look, the photo being in memory."""
    photos = [photo.read() for photo in few]
    ways = {name: lambda look=look: [look(model, photo) for photo in photos] for name, look in LOOKS.items()}
    seconds = alternate(ways, repeats, time.process_time)
    return {name: f"{1000 * statistics.median(took) / len(photos):,.0f}" for name, took in seconds.items()}


def quality(scores: pd.DataFrame, ms: dict[str, str]) -> list[list[str]]:
    """Rows of the table: means over photos, and differences to the first look with cars resampled."""
    by_car = scores.groupby(["way", "car"])[["dice", "boundary_iou", "boundary_iou_wide"]].mean()
    rows = []
    for way, own in scores.groupby("way", sort=False):
        row = [way]
        for column, digits in (("boundary_iou", 3), ("boundary_iou_wide", 3), ("dice", 4)):
            row.append(f"{own[column].mean():.{digits}f}")
            gain, low, high = interval(by_car.loc[way, column] - by_car.loc[FIRST, column])
            sign = f"+.{digits}f"
            row.append("" if way == FIRST else f"{gain:{sign}} [{low:{sign}}, {high:{sign}}]")
        rows.append([*row, ms.get(way, "")])
    return sorted(rows, key=lambda row: list(LOOKS).index(row[0]))


def speed(model: nn.Module, few: data.CarFolder, repeats: int) -> None:
    """Photos per second from files to files."""
    files = [photo.image for photo in few]
    with tempfile.TemporaryDirectory() as place:
        number = iter(range(10_000))

        def new() -> Path:
            return Path(place, str(next(number)))

        ways = {
            "predict": lambda: predict_folder(model, files, new()),
            "predict --cut-outs": lambda: predict_folder(model, files, new(), cut_outs=True),
            "cut-out --one-look": lambda: cut_out_files(model, files, new(), refined=False),
            "cut-out": lambda: cut_out_files(model, files, new()),
            "cut-out --background white --format jpeg": lambda: cut_out_files(
                model, files, new(), background="white", picture="jpeg"
            ),
        }
        seconds = alternate(ways, repeats, time.process_time)
    rows = [
        [way, f"{len(few) / statistics.median(took):.2f}", spread((1000 * s / len(few) for s in took), 0)]
        for way, took in seconds.items()
    ]
    print(f"{described(few)}, from files to files\n")
    table(["command", "photos/s of one core", "ms per photo"], rows)


def keep(out: Path, scores: pd.DataFrame, few: data.CarFolder, options: argparse.Namespace) -> None:
    """Write the means of every car, and where they come from."""
    command = f"python -m benchmarks cutout PHOTOS --networks {' '.join(options.networks)} --images {options.images}"
    about = {"command": command, "commit": options.commit, "photos": describe_photos(few)} | environment()
    means = scores.groupby(["network", "way", "car"], sort=False).mean(numeric_only=True).round(6)
    with replacing(out / "cars.csv") as file:
        means.reset_index().to_csv(file, index=False, lineterminator="\n")
    write_json(out / "provenance.json", about)


def main() -> None:
    made = parser(__doc__, repeats=3)
    made.add_argument("folder", type=Path, nargs="?", help="photos in Kaggle's layout; unset, the studio draws some")
    made.add_argument("--networks", nargs="+", default=["unet"], choices=models.shipped())
    made.add_argument("--images", type=int, default=64, help="scored, spread evenly over the held-out cars")
    made.add_argument("--timed", type=int, default=16, help="of these, for what they cost; 0 leaves that out")
    made.add_argument("--out", type=Path, help="folder for cars.csv, the means of every car, and provenance.json")
    options = made.parse_args()
    options.commit = commit()  # now: the sources may change while it measures
    introduce("Cut-outs along the edge, by the weights that come with the package. Times are those of the processor.")
    cars, tables = data.CarFolder(options.folder or studio.ensure(cars=4, size=PHOTO)), []
    for name in options.networks:
        network = models.fuse_batch_norm(load_trained(name))
        chosen, _ = held_out(cars, [network])
        few = data.sample_evenly(chosen, options.images)
        scores = score(network, few)
        tables.append(scores.assign(network=name))
        timed = data.sample_evenly(few, options.timed) if options.timed else None
        ms = times(network, timed, options.repeats) if timed else {}
        wide = relative_width(few[0].size[::-1])
        print(f"**`{name}`**, {described(few)}, of {len(few.ids)} cars that it was not trained on\n")
        heads = [f"boundary IoU, {WIDTH} px", f"{wide} px", "Dice"]
        gains = [text for head in heads for text in (head, "gain [95 %]")]
        table(["look", *gains, "ms per photo"], quality(scores, ms))
        if options.out:  # after every network: what is measured is kept
            keep(options.out, pd.concat(tables), few, options)
        if timed:
            speed(network, timed, options.repeats)


if __name__ == "__main__":
    main()
