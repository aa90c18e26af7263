"""Outlines and probabilities of the shipped networks, on real cars that they never saw.

    python -m benchmarks calibration ../photos OUT

The cars are those that `compare` and ``benchmarks weights`` keep for the score. Logits are enlarged to the photo's own
size. The cars are dealt into two halves: what is fitted, a temperature and a threshold, is fitted on one half and
scored on the other, and then the other way round.

OUT gets ``runs.csv`` and ``cars.csv`` for `comparison.load_results`, ``reliability.csv`` with what the networks said of
their pixels and what was found, ``thresholds.csv`` with Dice at other thresholds than one half, and ``about.json``.
"""

import argparse
import time
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmarks._paired import commit, introduce, keep, new_folder, table
from benchmarks.backgrounds import unseen_cars
from carvana_lessons import data, models
from carvana_lessons.comparison.protocol import describe_photos, environment
from carvana_lessons.data.images import Photo
from carvana_lessons.evaluation import boundary_scores
from carvana_lessons.evaluation.calibration import calibration_error, fit_temperature, reliability
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.prediction import car_logits
from carvana_lessons.prediction.inference import input_size
from carvana_lessons.prediction.trained import load_trained
from carvana_lessons.prediction.uncertainty import expected_dice

THRESHOLDS = [round(0.05 * k, 2) for k in range(1, 20)]
SPARSE = 97  # a temperature is fitted on every so-manyth pixel; a prime, so that no column is picked out
UNDECIDED = slice(1, -1)  # bins of 0.1 to 0.9, where a network has not decided


def logits_and_mask(model: nn.Module, photo: Photo) -> tuple[Tensor, Tensor]:
    """Logits (1, 1, h, w) at the input size, and the mask (H, W) at the photo's own."""
    picture, _ = data.read_pair(photo, input_size(model, None))
    x = torch.from_numpy(picture).permute(2, 0, 1).float()[None] / 255
    return car_logits(model, x), torch.from_numpy(data.read_mask(photo)) > 0


def enlarged(z: Tensor, y: Tensor) -> Tensor:
    """Logits (H, W) at the size of the mask."""
    return interpolate(z, y.shape, mode="bilinear")[0, 0]


def pooled(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """One table of reliability for all photos."""
    sums = [part.fillna(0).assign(said=part.pixels * part.said, found=part.pixels * part.found) for part in parts]
    whole = pd.concat(sums).groupby(["low", "high"], as_index=False)[["pixels", "said", "found"]].sum()
    return whole.assign(said=whole.said / whole.pixels, found=whole.found / whole.pixels)


def measure(model: nn.Module, cars: data.CarFolder) -> tuple[dict, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """One network: its numbers, its photos, its table of reliability and Dice by threshold."""
    half = {car: k % 2 for k, car in enumerate(cars.ids)}
    thin: list[list[Tensor]] = [[], []]
    answers = [logits_and_mask(model, photo) for photo in cars]  # kept small: each is enlarged twice
    for photo, (z, y) in zip(cars, answers, strict=True):  # first all pixels that a temperature is fitted on
        thin[half[photo.car]].append(torch.stack([enlarged(z, y), y.float()]).flatten(1)[:, ::SPARSE])
    temperature = [fit_temperature(*torch.cat(thin[1 - side], dim=1)) for side in (0, 1)]
    photos, before, after = [], [], []
    for photo, (small, y) in zip(cars, answers, strict=True):
        z = enlarged(small, y)
        mended = z / temperature[half[photo.car]]
        p = z.sigmoid()
        row = {"car": photo.car, "half": half[photo.car], "dice": dice(z > 0, y).item()}
        row |= boundary_scores((z > 0).numpy(), y.numpy())
        row |= {"expected_dice": expected_dice(z), "expected_dice_mended": expected_dice(mended)}
        photos.append(row | {f"{t:.2f}": dice(p > t, y).item() for t in THRESHOLDS})
        before.append(reliability(z, y))
        after.append(reliability(mended, y))
    frame, tables = pd.DataFrame(photos), [pooled(before), pooled(after)]
    at = [f"{t:.2f}" for t in THRESHOLDS]
    best = [frame.loc[frame.half != side, at].mean().idxmax() for side in (0, 1)]
    frame["dice_best_threshold"] = [row[best[row["half"]]] for row in photos]
    undecided = [t[UNDECIDED] for t in tables]
    numbers = {
        "temperature": sum(temperature) / 2,
        "ece": calibration_error(tables[0]),
        "ece_mended": calibration_error(tables[1]),
        "undecided": undecided[0].pixels.sum() / tables[0].pixels.sum(),
        "ece_undecided": calibration_error(undecided[0]),
        "ece_undecided_mended": calibration_error(undecided[1]),
        "thresholds": " and ".join(best),
    }
    curve = pd.concat([tables[0].assign(mended=0), tables[1].assign(mended=1)])
    return numbers, frame, curve, frame[at].mean().rename_axis("threshold").reset_index(name="dice")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="real photos in Kaggle's layout")
    parser.add_argument("out", type=Path, help="a folder for the results, new")
    parser.add_argument("--weights", nargs="+", default=["unet-small", "unet", "unet-backgrounds"])
    parser.add_argument("--views", type=int, default=16, help="photos of each car")
    o = parser.parse_args()
    out = new_folder(o.out)
    networks = {name: load_trained(name) for name in o.weights}
    every = unseen_cars(o.folder, networks)
    cars = data.sample_evenly(every, o.views * len(every.ids))
    introduce(f"Outlines and probabilities: {len(cars)} photos of {len(cars.ids)} cars at their own size.")
    began = time.monotonic()
    about = {
        "command": f"python -m benchmarks calibration PHOTOS OUT --weights {' '.join(o.weights)} --views {o.views}",
        "commit": commit(),
        "protocol": {"fitted": "on one half of the cars, scored on the other, both ways"},
        "photos": describe_photos(cars),
        **environment(),
    }
    kept: dict[str, list[pd.DataFrame]] = {"runs": [], "cars": [], "reliability": [], "thresholds": []}
    for name, model in networks.items():
        numbers, photos, curve, thresholds = measure(model, cars)
        means = photos.drop(columns=["half", *(f"{t:.2f}" for t in THRESHOLDS)])
        by_car = means.groupby("car", sort=False, as_index=False).mean().assign(seed=0)
        run = means.drop(columns="car").mean().to_dict() | numbers | {"worst": photos["dice"].min(), "seed": 0}
        run["parameters"] = models.count_parameters(model)
        parts = {"runs": pd.DataFrame([run]), "cars": by_car, "reliability": curve, "thresholds": thresholds}
        for part, frame in parts.items():
            kept[part].append(frame.assign(network=name))
    frames = {part: pd.concat(frames).set_index("network").reset_index() for part, frames in kept.items()}
    keep(out, frames, about | {"hours": round((time.monotonic() - began) / 3600, 2)})
    told = ["dice", "boundary_iou", "hd95", "surface_dice", "temperature", "ece_undecided", "ece_undecided_mended"]
    told += ["expected_dice", "expected_dice_mended", "thresholds", "dice_best_threshold"]
    table(
        ["network", *told],
        [
            [r["network"], *(r[t] if t == "thresholds" else f"{r[t]:.4f}" for t in told)]
            for r in frames["runs"].to_dict("records")
        ],
    )


if __name__ == "__main__":
    main()
