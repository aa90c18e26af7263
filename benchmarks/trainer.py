"""What the trainer costs over the ten-line loop of chapter 2: same network, same batches, same steps.

python -m benchmarks trainer
"""

import argparse
import statistics
import time

import torch
from torch.utils.data import DataLoader, TensorDataset

from carvana_lessons import losses, models
from carvana_lessons.device import layout_for
from carvana_lessons.trainer import Trainer


def ten_lines(model: torch.nn.Module, batches: DataLoader, lr: float) -> None:
    """Chapter 2's loop, in the memory layout that the trainer uses."""
    layout = layout_for(model, torch.device("cpu"))
    model.to(memory_format=layout).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for x, y in batches:
        loss = losses.bce(model(x.contiguous(memory_format=layout)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="unet-tiny")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7, help="pairs of runs, in alternating order")
    options = parser.parse_args()
    x = torch.rand(20 * options.batch_size, 3, options.size, options.size)
    batches = DataLoader(TensorDataset(x, (x[:, :1] > 0.5).float()), options.batch_size, shuffle=True)
    ways = {
        "ten lines": lambda model: ten_lines(model, batches, 1e-3),
        "Trainer": lambda model: Trainer(model, lr=1e-3).fit(batches, epochs=1),
    }
    seconds = {name: [] for name in ways}
    for repeat in range(-1, options.repeats):  # the first pair warms up
        for name in sorted(ways, reverse=bool(repeat % 2)):
            model = models.create(options.network)
            began = time.perf_counter()
            ways[name](model)
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - began)
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"`{options.network}`, {options.size}×{options.size}, 20 batches of {options.batch_size},")
    print(f"{torch.get_num_threads()} threads, median of {options.repeats} pairs.\n")
    print("| loop | ms an image | ratio, median (smallest to largest) |\n| --- | ---: | ---: |")
    for name, values in seconds.items():
        ratio = (
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})" if name == "Trainer" else "1"
        )
        print(f"| {name} | {1000 * statistics.median(values) / len(x):.2f} | {ratio} |")


if __name__ == "__main__":
    main()
