"""From JPEG and GIF to batches of tensors: the package's loader beside what else one would write.

    python -m benchmarks loader ../photos --sizes 512 128 --workers 1 2

Every way is a pass of torch's DataLoader over the same photos, with the same number of worker processes. "Cold" means
that a photo is decoded at every access, though the system may have the file in memory; "cached" reads the decoded
copy. Without workers the package decodes with as many threads as torch may use; every other way, and a worker, has
one. Memory is that of the loop's process, without the files that are mapped into it.
"""

import io
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks._paired import (
    add_photos,
    alternate,
    described,
    faster,
    in_own_process,
    installed,
    introduce,
    own_bytes,
    parser,
    photos,
    spread,
    table,
)
from carvana_lessons import data

BATCH = 8
Read = Callable[[Path, Path, int], tuple[torch.Tensor, torch.Tensor]]


def as_tensors(image: np.ndarray, mask: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32, order="C")) / 255
    return x, torch.from_numpy((mask[None] > 0).astype(np.float32))


def mask_by_pillow(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as mask:
        return np.asarray(mask.convert("L").resize((size, size), Image.Resampling.NEAREST))


def full_decode(image: Path, mask: Path, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    with Image.open(image) as opened:
        small = np.asarray(opened.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    return as_tensors(small, mask_by_pillow(mask, size))


def by_torchvision(image: Path, mask: Path, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms.v2.functional import InterpolationMode, resize

    x = resize(decode_image(str(image), ImageReadMode.RGB), [size, size], antialias=True)
    y = resize(decode_image(str(mask), ImageReadMode.RGB)[:1], [size, size], InterpolationMode.NEAREST)
    return x.float() / 255, (y > 0).float()


def by_simplejpeg(image: Path, mask: Path, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    import simplejpeg

    decoded = simplejpeg.decode_jpeg(image.read_bytes(), min_height=size, min_width=size, min_factor=1)
    small = np.asarray(Image.fromarray(decoded).resize((size, size), Image.Resampling.BILINEAR))
    return as_tensors(small, mask_by_pillow(mask, size))


def decode_alone(image: Path, mask: Path, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The least that there is to do: the JPEG at the smallest fraction that suffices, the GIF; nothing is resized."""
    with Image.open(image) as opened:
        opened.draft(None, (size, size))
        opened.load()
    with Image.open(io.BytesIO(mask.read_bytes())) as opened:
        opened.load()
    return torch.zeros(1), torch.zeros(1)


class Photos(Dataset):
    """A way to read, as a data set."""

    def __init__(self, cars: data.CarFolder, size: int, read: Read) -> None:
        self.files, self.size, self.read = [(p.image, p.mask) for p in cars], size, read

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.read(*self.files[i], self.size)


BASE, CACHED = "PIL, full decode and resize", "carvana_lessons, cached"
PASSES = 10  # of the cached way in a round: one is over too soon to be timed


def loaders(cars: data.CarFolder, size: int, workers: int) -> dict[str, DataLoader]:
    reads: dict[str, Read] = {BASE: full_decode, "torchvision, decode and resize": by_torchvision}
    if installed("simplejpeg", "simplejpeg"):
        reads["simplejpeg, fraction and resize"] = by_simplejpeg
    reads["decode alone, fraction"] = decode_alone
    made = {
        name: DataLoader(Photos(cars, size, read), BATCH, num_workers=workers, persistent_workers=workers > 0)
        for name, read in reads.items()
    }
    for name, cached in {"carvana_lessons, cold": False, CACHED: True}.items():
        made[name] = data.loader(cars, size, BATCH, workers=workers, cached=cached)
    return made


def walk(batches: DataLoader, passes: int) -> None:
    for _ in range(passes):
        for _ in batches:
            pass


def compare(cars: data.CarFolder, size: int, workers: int, repeats: int) -> None:
    made = loaders(cars, size, workers)
    passes = {name: PASSES if name == CACHED else 1 for name in made}
    ways = {name: (lambda name=name: walk(made[name], passes[name])) for name in made}
    seconds = {name: [s / passes[name] for s in took] for name, took in alternate(ways, repeats).items()}
    limit = next(name for name in seconds if name.startswith("decode alone"))
    rows = [
        [
            name,
            f"{len(cars) / statistics.median(took):,.0f}",
            spread(1000 * s / len(cars) for s in took),
            faster(seconds, name, BASE),
            faster(seconds, name, limit),
        ]
        for name, took in seconds.items()
    ]
    print(f"**{size}×{size}, {workers} worker{'s' * (workers != 1)}**, {described(cars)}\n")
    table(["way", "images/s", "ms per image", "times as fast as PIL", "as decode alone"], rows)


def memory(folder: str, count: int, size: int, cached: bool) -> dict[str, int]:
    """Most bytes that one pass over the first photos adds to this process."""
    cars = data.CarFolder(folder)
    batches = data.loader(cars[:count], size, BATCH, cached=cached)
    batches.dataset[0]  # what the first access loads is no matter of the number
    start = own_bytes()
    return {"bytes": max(own_bytes() for _ in batches) - start}


def compare_memory(cars: data.CarFolder, size: int) -> None:
    counts = sorted({max(BATCH, len(cars) // share) for share in (4, 2, 1)})
    rows = []
    for cached in (False, True):
        tasks = [{"folder": str(cars.root), "count": n, "size": size, "cached": cached} for n in counts]
        grown = [in_own_process("loader", task)["bytes"] / 1e6 for task in tasks]
        rows.append(["cached" if cached else "cold", *(f"{g:,.0f}" for g in grown)])
    print(f"**Memory**, MB that one pass adds, {size}×{size}, batches of {BATCH}\n")
    table(["loader", *(f"{n} photos" for n in counts)], rows)


def main() -> None:
    made = parser(__doc__, repeats=5)
    add_photos(made, cars=4)
    made.add_argument("--sizes", type=int, nargs="+", default=[512, 128])
    made.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    options = made.parse_args()
    if options.one:
        print(json.dumps(memory(**json.loads(options.one))))
        return
    introduce("Photos and masks from files to batches.", "torchvision")
    with photos(options) as cars:
        for size in options.sizes:
            for workers in options.workers:
                compare(cars, size, workers, options.repeats)
        compare_memory(cars, options.sizes[0])


if __name__ == "__main__":
    main()
