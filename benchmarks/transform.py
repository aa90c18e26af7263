"""Augmentation of a batch: the package's beside torchvision's and torch's own functions, photo by photo.

    python -m benchmarks transform --sizes 512 128 --threads 1 2

Both turn by up to 25° with symmetric corners, mirror every second photo, and change the light where it says so. Photo
by photo is how the package did it before it took whole batches.
"""

from math import cos, radians, sin

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample
from torchvision.transforms.v2.functional import adjust_brightness, adjust_contrast, adjust_saturation

from benchmarks._paired import alternate, faster, introduce, parser, spread, table
from carvana_lessons import data
from carvana_lessons.utils.memory import disable_malloc_trim

BATCH = 8
BASE, OURS, ALONE = "torch and torchvision, photo by photo", "carvana_lessons, the batch", "carvana_lessons, one by one"


def turn(picture: Tensor, degrees: float, mode: str) -> Tensor:
    c, s = cos(radians(degrees)), sin(radians(degrees))
    height, width = picture.shape[-2:]
    back = torch.tensor([[[c, -s * height / width, 0], [s * width / height, c, 0]]])
    where = affine_grid(back, [1, 1, height, width], align_corners=False)
    return grid_sample(picture[None], where, mode=mode, padding_mode="reflection", align_corners=False)[0]


def by_torchvision(x: Tensor, y: Tensor, color: float) -> tuple[Tensor, Tensor]:
    """One photo (3, h, w) and its mask (1, h, w)."""
    angle, mirrored, *factors = torch.rand(6).tolist()
    if color:
        brightness, contrast, saturation, warmth = (1 + (2 * factor - 1) * color for factor in factors)
        x = (x * torch.tensor([warmth, 1, 1 / warmth]).view(3, 1, 1)).clamp(max=1)
        x = adjust_saturation(adjust_contrast(adjust_brightness(x, brightness), contrast), saturation)
    if mirrored < 0.5:
        x, y = x.flip(-1), y.flip(-1)
    degrees = (2 * angle - 1) * 25
    return turn(x, degrees, "bilinear"), turn(y, degrees, "nearest")


def stacked(change, x: Tensor, y: Tensor) -> list[Tensor]:
    return [torch.stack(parts) for parts in zip(*map(change, x, y), strict=True)]


def compare(size: int, threads: int, color: float, repeats: int) -> list[list[str]]:
    torch.set_num_threads(threads)
    x = torch.rand(BATCH, 3, size, size)
    y = (torch.rand(BATCH, 1, size, size) > 0.5).float()
    augment = data.Augment(rotate=25, flip=0.5, color=color)
    passes = max(1, (512 // size) ** 2)
    ways = {
        BASE: lambda: [stacked(lambda x, y: by_torchvision(x, y, color), x, y) for _ in range(passes)],
        ALONE: lambda: [stacked(augment, x, y) for _ in range(passes)],
        OURS: lambda: [augment(x, y) for _ in range(passes)],
    }
    seconds = alternate(ways, repeats)
    return [
        [name, size, threads, color, spread(1000 * s / passes / BATCH for s in took), faster(seconds, name, BASE)]
        for name, took in seconds.items()
    ]


def main() -> None:
    made = parser(__doc__, repeats=15)
    made.add_argument("--sizes", type=int, nargs="+", default=[512, 128])
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    made.add_argument("--colors", type=float, nargs="+", default=[0.0, 0.1, 0.2])
    options = made.parse_args()
    disable_malloc_trim()  # as the trainer does
    introduce(f"Augmentation of a batch of {BATCH} photos.", "torchvision")
    head = ["way", "side", "threads", "color", "ms per photo", "times as fast"]
    for size in options.sizes:
        for threads in options.threads:
            table(head, [row for color in options.colors for row in compare(size, threads, color, options.repeats)])


if __name__ == "__main__":
    main()
