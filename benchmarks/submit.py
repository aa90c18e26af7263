"""What writing a submission costs beside the network, and whether its memory grows with the number of photos.

    python -m benchmarks submit ../photos --images 2000

The network is trained for a moment first: the masks of an untrained one are noise, and noise makes lines that no real
submission has. Photos repeat until there are as many as asked for.
"""

import json
import statistics
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks._paired import (
    add_photos,
    alternate,
    described,
    in_own_process,
    introduce,
    own_bytes,
    parser,
    photos,
    spread,
    table,
)
from carvana_lessons import data, models
from carvana_lessons.data import submission_line
from carvana_lessons.prediction import car_logits, predict, submit, upsample
from carvana_lessons.training import Trainer
from carvana_lessons.utils.measure import Memory

ALONE = "network alone"
WIDTH = 8


def write(names: list[str], masks: list, out: Path) -> None:
    with out.open("w", encoding="ascii", newline="\n") as file:
        for name, mask in zip(names, masks, strict=True):
            file.write(submission_line(name, mask) + "\n")


def compare(network: torch.nn.Module, cars: data.CarFolder, size: int, batch_size: int, repeats: int) -> None:
    names, shape = [p.name for p in cars], cars[0].size[::-1]
    batches = [x for x, _ in data.loader(cars, size, batch_size)]
    logits = [car_logits(network, x) for x in batches]
    masks = list(predict(network, cars, size, batch_size))
    with tempfile.TemporaryDirectory() as place:
        ways = {
            ALONE: lambda: [car_logits(network, x) for x in batches],
            "decoding": lambda: [len(x) for x, _ in data.loader(cars, size, batch_size, cached=False)],
            "enlarging": lambda: [upsample(z[None], shape).gt(0).numpy().size for part in logits for z in part],
            "RLE and writing": lambda: write(names, masks, Path(place, "rows.csv")),
            "submit, all of it": lambda: submit(
                network, cars, Path(place, "all.csv"), size, batch_size=batch_size, overwrite=True
            ),
        }
        seconds = alternate(ways, repeats)
    rows = [
        [
            way,
            f"{len(cars) / statistics.median(took):,.0f}",
            spread(1000 * s / len(cars) for s in took),
            spread((100 * a / b for a, b in zip(took, seconds[ALONE], strict=True)), 1),
        ]
        for way, took in seconds.items()
    ]
    runs = statistics.median(submission_line("", mask).count(" ") // 2 + 1 for mask in masks)
    print(f"{described(cars)}, {runs:,.0f} runs in the median mask\n")
    table(["part", "rows/s", "ms per row", "of the network's time, %"], rows)


def memory(folder: str, weights: str, images: int, name: str, size: int, batch_size: int) -> dict[str, int]:
    """Growth of this process while it writes a submission, after a short one that warms up."""
    cars, network = data.CarFolder(folder), models.create(name, width=WIDTH)
    network.load_state_dict(load_file(weights))
    many = cars.subset(k % len(cars) for k in range(images))
    with tempfile.TemporaryDirectory() as place:
        submit(network, many[: 2 * batch_size], Path(place, "first.csv"), size, batch_size=batch_size)
        before = own_bytes()
        with Memory() as grown:
            submit(network, many, Path(place, "all.csv"), size, batch_size=batch_size)
    return {"peak": grown.growth, "kept": own_bytes() - before}


def main() -> None:
    made = parser(__doc__, repeats=5)
    add_photos(made, cars=2)
    made.add_argument("--network", default="unet-tiny", choices=models.names())
    made.add_argument("--size", type=int, default=512)
    made.add_argument("--batch-size", type=int, default=8)
    made.add_argument("--epochs", type=int, default=20, help="of the moment's training, at 128 px")
    made.add_argument("--images", type=int, default=2000, help="for memory; 0 leaves it out")
    options = made.parse_args()
    if options.one:
        print(json.dumps(memory(**json.loads(options.one))))
        return
    introduce(f"A submission by `{options.network}`, width {WIDTH}, input {options.size}×{options.size}.")
    with photos(options) as cars:
        torch.manual_seed(0)
        network = models.create(options.network, width=WIDTH)
        Trainer(network, lr=4e-3, schedule="one-cycle").fit(
            data.loader(cars, 128, 8, shuffle=True), epochs=options.epochs
        )
        compare(network, cars, options.size, options.batch_size, options.repeats)
        counts = [n for n in (options.images // 10, options.images) if n]
        weights = cars.root.parent / "weights.safetensors"
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, weights)
        task = {"folder": str(cars.root), "weights": str(weights), "name": options.network, "size": options.size}
        rows = []
        for images in counts:
            grown = in_own_process("submit", {**task, "images": images, "batch_size": options.batch_size})
            rows.append([f"{images:,}", f"{grown['peak'] / 1e6:,.0f}", f"{grown['kept'] / 1e6:,.0f}"])
        table(["photos", "growth at the peak, MB", "growth at the end, MB"], rows)


if __name__ == "__main__":
    main()
