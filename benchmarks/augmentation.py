"""What turning and mirroring the training photos does to the small U-Net, with and without batch norm.

    python -m benchmarks augmentation ../photos

The experiment of chapter 4, much longer and on all views: Dice at the network's size, mean over the seeds and
half its 95 % interval; at the end the differences of pairs with the same seed.
"""

import argparse
from datetime import date
from pathlib import Path

import pandas as pd
import torch

from carvana_lessons import data, models
from carvana_lessons.evaluation import metrics
from carvana_lessons.training import Trainer

SIZE, BATCH, LR = (48, 72), 4, 2e-3
T95 = {3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57}
NETWORKS = {
    "plain": (False, None),
    "augmented": (False, data.Augment(rotate=25, flip=0.5)),
    "norm": (True, None),
    "norm, augmented": (True, data.Augment(rotate=25, flip=0.5)),
}
Asked = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def questions(train: data.CarFolder, test: data.CarFolder) -> dict[str, list[Asked]]:
    """Photos, masks, and the pixels that count: the corners of a turned photo do not."""
    x, y = next(iter(data.loader(test, SIZE, len(test))))
    known_x, known_y = next(iter(data.loader(train[: len(test)], SIZE, len(test))))
    everywhere = torch.ones_like(y)
    turned = []
    for degrees in (-25.0, 25.0):
        inside = data.rotate(everywhere, everywhere, degrees, "constant")[1]
        turned.append((*data.rotate(x, y, degrees), inside))
    return {
        "training cars": [(known_x, known_y, torch.ones_like(known_y))],
        "test cars": [(x, y, everywhere)],
        "mirrored": [(*data.mirror(x, y), everywhere)],
        "turned by 25°": turned,
    }


@torch.inference_mode()
def dice(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, inside: torch.Tensor) -> float:
    model.eval()
    car = torch.cat([model(part) for part in x.split(16)]) > 0
    return metrics.dice(car & (inside > 0), (y > 0) & (inside > 0)).mean().item()


def train(network: str, photos: data.CarFolder, epochs: int, seed: int) -> torch.nn.Module:
    norm, transform = NETWORKS[network]
    torch.manual_seed(seed)
    model = models.UNet(stages=(8, 16, 32, 64), batch_norm=norm)
    torch.manual_seed(seed)
    batches = data.loader(photos, SIZE, BATCH, shuffle=True, transform=transform, seed=seed)
    Trainer(model, lr=LR, schedule="one-cycle", seed=seed).fit(batches, epochs=epochs)
    return model


def lines(scores: pd.DataFrame) -> str:
    """Rows of a Markdown table: a mean over the seeds and half its interval in every cell."""
    text = []
    for name, part in scores.groupby("network", sort=False):
        half = T95[len(part)] * part.std() / len(part) ** 0.5
        cells = [f"{mean:+.4f} ± {h:.4f}" if " − " in name else f"{mean:.4f} ± {h:.4f}"
                 for mean, h in zip(part.mean(), half, strict=True)]  # fmt: skip
        text.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photos in Kaggle's layout")
    parser.add_argument("--images", type=int, default=13_500, help="training photos seen, rounded to whole epochs")
    parser.add_argument("--seeds", type=int, default=3, choices=list(T95))
    options = parser.parse_args()
    cars = data.CarFolder(options.folder)
    known, _, unseen = data.split_by_car(cars, (0.6, 0.2, 0.2), seed=0)
    asked = questions(known, unseen.select(views=range(1, 17, 2)))
    epochs = max(1, round(options.images / len(known)))
    rows = {}
    for seed in range(options.seeds):
        for network in NETWORKS:
            model = train(network, known, epochs, seed)
            means = {q: sum(dice(model, *one) for one in each) / len(each) for q, each in asked.items()}
            rows[network, seed] = means
    scores = pd.DataFrame(rows).T.rename_axis(["network", "seed"])
    pairs = [("augmented", "plain"), ("norm, augmented", "norm"), ("norm", "plain"), ("norm, augmented", "augmented")]
    gains = pd.concat({f"{a} − {b}": scores.loc[a] - scores.loc[b] for a, b in pairs}, names=["network"])
    print(f"{len(known.ids)} cars to train on, {epochs} epochs, {epochs * len(known):,} photos seen; {len(unseen.ids)}")
    print(f"test cars; {SIZE[0]}×{SIZE[1]}, batch {BATCH}, one-cycle Adam with peak {LR:g}, {options.seeds} seeds,")
    print(f"{torch.get_num_threads()} threads, {date.today()}.\n")
    print("| | " + " | ".join(asked) + " |")
    print("| --- |" + " ---: |" * len(asked))
    print(lines(scores))
    print(lines(gains))


if __name__ == "__main__":
    main()
