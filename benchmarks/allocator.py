"""What it is worth to keep the memory of a training step: the processor's time, with and without.

python -m benchmarks allocator
"""

import argparse
import json
import os
import subprocess
import sys

import torch
from torch.utils.data import DataLoader, TensorDataset

from carvana_lessons import models
from carvana_lessons.training import Trainer, trainer

BATCHES, EPOCHS = 6, 3


def measure(name: str, size: int, batch_size: int, keep: bool) -> dict[str, float]:
    """Milliseconds of processor time per image, in this process."""
    if not keep:
        trainer.disable_malloc_trim = lambda: False
    x = torch.rand(BATCHES * batch_size, 3, size, size)
    batches = DataLoader(TensorDataset(x, (x[:, :1] > 0.5).float()), batch_size)
    run = Trainer(models.create(name, width=8))
    run.fit(batches, epochs=1)
    before = os.times()
    seconds = run.fit(batches, epochs=EPOCHS).frame["seconds"][1:].sum()
    after = os.times()
    images = EPOCHS * len(x) / 1000
    return {
        "user": (after[0] - before[0]) / images,
        "system": (after[1] - before[1]) / images,
        "wall": seconds / images,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*json.loads(options.one))))
        return
    print(f"{torch.get_num_threads()} threads; ms per image of training, width 8.\n")
    print(
        "| network | size | batch | memory | wall | user | system |\n| --- | ---: | ---: | --- | ---: | ---: | ---: |"
    )
    for name, size, batch_size in [("unet-tiny", 128, 16), ("maskingnet", 128, 16), ("maskingnet", 256, 8)]:
        for keep in (False, True):
            command = [sys.executable, "-m", "benchmarks", "allocator", "--one"]
            task = json.dumps([name, size, batch_size, keep])
            done = subprocess.run([*command, task], capture_output=True, text=True, check=True, encoding="utf-8")
            t = json.loads(done.stdout.splitlines()[-1])
            how = "kept" if keep else "given back"
            row = f"| {name} | {size} | {batch_size} | {how} | {t['wall']:.1f} | {t['user']:.1f} | {t['system']:.1f} |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
