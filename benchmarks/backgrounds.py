"""Dice of cars that a network never saw, before backgrounds that it never saw: made ones and real photographs.

    python -m benchmarks backgrounds ../photos OUT --weights unet OTHER/last.safetensors

The folder holds real photos in Kaggle's layout. The cars are those that `compare` and ``benchmarks weights`` keep for
the score. Every photo is resized to the network's input, cut out by its mask and pasted where it stood ("as it
stands"), or placed, lit and shadowed as in training, but before other backgrounds ("placed"); Dice is that of the
input size. All networks of one input size get the same pictures. The intervals are of 95 %, over the cars.

OUT gets ``photos.csv`` with a row per picture, ``families.csv`` with the table and ``provenance.json`` with where it
comes from. Photographs come with scikit-learn, scikit-image and matplotlib; those of a package that is missing are left
out.
"""

import argparse
import hashlib
import sys
import zlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks._paired import commit, introduce, new_folder, table
from benchmarks._photographs import FILES, crop, missing, photographs
from carvana_lessons import data, models
from carvana_lessons.comparison import Protocol
from carvana_lessons.comparison.protocol import describe_photos, environment
from carvana_lessons.comparison.table import interval
from carvana_lessons.data.backgrounds import FAMILIES, HELD_OUT, Draws, Place, make_background, paste, put_before
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.models import read_card
from carvana_lessons.prediction import car_logits
from carvana_lessons.prediction.inference import input_size
from carvana_lessons.prediction.trained import load_trained
from carvana_lessons.utils.catalog import find_weights
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing, write_json

BATCH = 16
WAYS = ("as it stands", "placed")
Pair = tuple[Tensor, Tensor]


def unseen_cars(folder: Path, networks: dict[str, nn.Module]) -> data.CarFolder:
    """The cars of the score; refused if a network says that it learned from one of them."""
    cars = Protocol().split(data.CarFolder(folder))[1]
    for name, model in networks.items():
        learned = sorted(set(cars.ids) & (models.provenance(model).train or set()))
        if learned:
            raise CarvanaError(f"{name} was trained on {learned[0]}, which is one of the cars of the score.")
    return cars


def families(trained: bool) -> dict[str, str]:
    """Family → kind, in the order of the table."""
    drawn = {name: "unseen" for name in HELD_OUT} | ({name: "trained" for name in FAMILIES} if trained else {})
    return {"studio": "studio", **drawn, **{name: "photograph" for name in photographs()}}


def background(family: str, kind: str, height: int, width: int, seed: int) -> Place:
    """A picture of a family, out of the same number for every network."""
    if kind == "photograph":
        return Place(crop(photographs()[family], height, width, seed), None)
    return make_background(family, height, width, seed)


def before(pairs: list[Pair], names: list[str], family: str, kind: str, way: str, seed: int) -> Iterator[Pair]:
    """Photos (3, h, w) and masks before a family; in the studio, as they are."""
    for (x, y), name in zip(pairs, names, strict=True):
        if kind == "studio":
            yield x, y
            continue
        number = zlib.crc32(f"{seed} {family} {name}".encode())
        place = background(family, kind, *x.shape[1:], number)
        if way == "placed":
            yield put_before(Draws(number, *x.shape[1:]), x, y, place)
        else:
            yield paste(x, y, place.picture), y


def score(model: nn.Module, pairs: list[Pair]) -> list[float]:
    """Dice of every picture at its own size."""
    found = []
    for k in range(0, len(pairs), BATCH):
        x, y = (torch.stack(parts) for parts in zip(*pairs[k : k + BATCH], strict=True))
        found += dice(car_logits(model, x).cpu() > 0, y > 0).flatten().tolist()
    return found


def measure(
    networks: dict[str, nn.Module], cars: data.CarFolder, ways: list[str], trained: bool, seed: int, size: int | None
) -> pd.DataFrame:
    """One row per network, way, family and photo."""
    rows, names = [], [photo.name for photo in cars]
    sizes = {name: input_size(model, size) for name, model in networks.items()}
    for shape in dict.fromkeys(sizes.values()):
        batches = data.loader(cars, shape, BATCH, cached=False)
        pairs = [pair for x, y in batches for pair in zip(x, y, strict=True)]
        for way in ways:
            for family, kind in families(trained).items():
                if kind == "studio" and way != WAYS[0]:
                    continue
                pictures = list(before(pairs, names, family, kind, way, seed))
                for name, model in networks.items():
                    if sizes[name] != shape:
                        continue
                    for photo, value in zip(cars, score(model, pictures), strict=True):
                        row = {"network": name, "way": way, "kind": kind, "family": family}
                        rows.append(row | {"car": photo.car, "photo": photo.name, "dice": value})
                print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return pd.DataFrame(rows)


def summarise(photos: pd.DataFrame) -> pd.DataFrame:
    """One row per network, way and family, and one for all families of a kind: mean over the cars with its interval."""
    everything = photos.assign(family="all of them")
    several = photos.groupby(["network", "way", "kind"])["family"].transform("nunique") > 1
    rows = []
    keys = ["network", "way", "kind", "family"]
    for key, part in pd.concat([photos, everything[several]]).groupby(keys, sort=False):
        by_car = part.groupby("car")["dice"].mean()
        mean, low, high = interval(by_car.to_numpy())
        values = {"dice": mean, "low": low, "high": high, "worst_car": by_car.min(), "worst_photo": part["dice"].min()}
        rows.append(dict(zip(keys, key, strict=True)) | values | {"cars": len(by_car), "photos": len(part)})
    return pd.DataFrame(rows)


def describe_weights(place: str, model: nn.Module) -> dict:
    """What tells these weights from others."""
    found = find_weights(place)
    sha = read_card(found)["sha256"] if isinstance(found, str) else hashlib.sha256(found.read_bytes()).hexdigest()
    return {"network": model.recipe, "sha256": sha, "size": models.provenance(model).size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="real photos in Kaggle's layout")
    parser.add_argument("out", type=Path, help="a folder for the tables, new")
    parser.add_argument("--weights", nargs="+", default=["unet"], help="names of shipped weights, or checkpoints")
    parser.add_argument("--photos", type=int, default=64, help="spread evenly over cars and views")
    parser.add_argument("--ways", nargs="+", default=[WAYS[0]], choices=WAYS)
    parser.add_argument("--trained", action="store_true", help="the families of the training, too")
    parser.add_argument("--size", type=int, help="of the input; unset, the one that each network was trained for")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    new_folder(o.out)
    networks = {place: load_trained(place) for place in o.weights}
    cars = data.sample_evenly(unseen_cars(o.folder, networks), o.photos)
    introduce(
        f"Dice before other backgrounds: {len(cars)} photos of {len(cars.ids)} cars that were kept for the score, "
        "at the input's size.",
        medians=False,
    )
    for name, package in missing().items():
        print(f"The photograph {name} is left out: {package} is not installed.")
    made_of = commit()  # now: the sources may change while it measures
    photos = measure(networks, cars, o.ways, o.trained, o.seed, o.size)
    found = summarise(photos)
    packages = sorted({package for name, (_, package, _) in FILES.items() if name in photographs()})
    about = {
        "command": "python -m benchmarks backgrounds",
        "commit": made_of,
        "weights": {place: describe_weights(place, model) for place, model in networks.items()},
        "photos": describe_photos(cars),
        "settings": {"ways": o.ways, "seed": o.seed, "size": o.size},
        "packages": {name: version(name) for name in packages},
        **environment(),
    }
    o.out.mkdir(parents=True, exist_ok=True)
    for name, part in {"photos": photos, "families": found}.items():
        with replacing(o.out / f"{name}.csv") as file:
            part.round(5).to_csv(file, index=False, lineterminator="\n")
    write_json(o.out / "provenance.json", about)
    for (network, way), part in found.groupby(["network", "way"], sort=False):
        print(f"**{network}**, {way}\n")
        rows = [
            [r.kind, r.family, f"{r.dice:.4f}", f"{r.low:.4f}…{r.high:.4f}", f"{r.worst_car:.3f}"]
            for r in part.itertuples()
        ]
        table(["kind", "family", "Dice", "95 %", "worst car"], rows, texts=2)


if __name__ == "__main__":
    main()
