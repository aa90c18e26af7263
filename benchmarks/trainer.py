"""What the trainer costs over the ten-line loop of chapter 2: same network, batches, precision and memory format.

    python -m benchmarks trainer --networks unet maskingnet --size 512 --batch-size 8

On a GPU at the published widths, which are the default; on a CPU take ``--width 8`` and a smaller size. Batches are
noise that travels as photos do, as bytes and from pinned memory where there is a GPU. Each run is of a fresh network;
its first epoch warms up, the second counts. `Trainer` also clips gradients and looks at every loss.
"""

import time

import torch
from torch.utils.data import DataLoader

from benchmarks._paired import introduce, parser, spread, table
from carvana_lessons import models
from carvana_lessons.comparison.speed import noise
from carvana_lessons.data.batches import CarLoader, collate, floats
from carvana_lessons.training import Trainer, losses
from carvana_lessons.utils.device import autocast, find_device, find_precision, layout_for
from carvana_lessons.utils.memory import disable_malloc_trim

LR = 1e-3


def ten_lines(model: torch.nn.Module, batches: CarLoader) -> float:
    """Chapter 2's loop as the trainer sets it up; seconds of the second epoch."""
    device = torch.device(find_device())
    layout = layout_for(model, device)
    model.to(device, memory_format=layout).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=device.type == "cuda")
    scaler = torch.amp.GradScaler(device.type, enabled=find_precision(device) == "fp16")
    as_bytes = DataLoader(
        batches.dataset, batches.batch_size, collate_fn=collate, pin_memory=batches.pin_memory
    )  # what Accelerate makes of a `CarLoader`
    for _ in range(2):
        began, total = time.perf_counter(), 0.0
        for batch in as_bytes:
            x, y = floats([part.to(device, non_blocking=device.type == "cuda") for part in batch], layout)
            with autocast(device):
                loss = losses.bce(model(x), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            total += loss.detach()
        float(total)  # waits for the GPU
    return time.perf_counter() - began


def trainer(model: torch.nn.Module, batches: CarLoader) -> float:
    return Trainer(model, lr=LR).fit(batches, epochs=2).frame["seconds"].iloc[-1]


WAYS = {"ten lines": ten_lines, "Trainer": trainer}


def compare(name: str, width: int | None, batches: CarLoader, repeats: int) -> list[list[str]]:
    """Two rows of the table, from runs in alternating order."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for repeat in range(repeats):
        for way in reversed(WAYS) if repeat % 2 else WAYS:
            torch.manual_seed(repeat)
            seconds[way].append(WAYS[way](models.create(name, width=width), batches))
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    photos = len(batches.dataset)
    return [
        [name, way, spread(1000 * s / photos for s in seconds[way]), spread(ratios, 3) if way == "Trainer" else "1"]
        for way in WAYS
    ]


def main() -> None:
    made = parser(__doc__, repeats=5)
    made.add_argument("--networks", nargs="+", default=["unet", "maskingnet"], choices=models.names())
    made.add_argument("--width", type=int, help="channels of the first stage; unset, the published ones")
    made.add_argument("--size", type=int, default=512)
    made.add_argument("--batch-size", type=int, default=8)
    made.add_argument("--batches", type=int, default=20, help="steps per epoch")
    options = made.parse_args()
    disable_malloc_trim()  # for both, as `Trainer` does
    device = find_device()
    introduce(f"The trainer beside the ten-line loop, on {device}, precision {find_precision(device)}.", "accelerate")
    width = "published widths" if options.width is None else f"width {options.width}"
    print(f"{width}, {options.size}×{options.size}, {options.batches} batches of {options.batch_size}.\n")
    batches = noise(options.batches, options.size, options.batch_size)
    rows = [row for name in options.networks for row in compare(name, options.width, batches, options.repeats)]
    table(["network", "loop", "ms per image", "ratio"], rows)


if __name__ == "__main__":
    main()
