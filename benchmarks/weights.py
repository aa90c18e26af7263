"""Train a network on real photos and write its weights, with a card, to where the package ships them.

    python -m benchmarks weights ../photos --network unet-small

The folder holds real photos in Kaggle's layout. One car of six is kept for the score, the same that `compare` keeps.
"""

import argparse
from datetime import date
from pathlib import Path

import torch

from carvana_lessons import data, models
from carvana_lessons.comparison import Protocol
from carvana_lessons.evaluation import evaluate
from carvana_lessons.models.model_cards import TERMS, round_to_half
from carvana_lessons.training import Trainer, losses
from carvana_lessons.utils.paths import cache_folder

LOSSES = {"bce": losses.bce, "boundary": losses.boundary_bce}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="real photos in Kaggle's layout")
    parser.add_argument("--network", default="unet-small", choices=models.names())
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="side of the input; multiples of 32")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--lr", type=float, default=4e-3, help="highest rate of one-cycle")
    parser.add_argument("--epochs", type=int, default=31)
    parser.add_argument("--flip", type=float, default=0.0, help="probability of mirroring a training photo")
    parser.add_argument("--loss", default="bce", choices=LOSSES, help="boundary: pixels near it count five times")
    o = parser.parse_args()
    p = Protocol(o.size, o.width, o.epochs, o.batch_size, o.lr, flip=o.flip)
    known, unseen = p.split(data.CarFolder(o.folder))
    torch.manual_seed(0)
    model = models.create(o.network, width=o.width)
    batches = data.loader(known, o.size, o.batch_size, shuffle=True, transform=p.transform, seed=0)
    settings = (o.network, o.width, o.size, o.batch_size, o.lr, o.epochs, o.flip, o.loss)
    kept = cache_folder() / "weights" / "-".join(map(str, settings))
    trainer = Trainer(model, lr=o.lr, loss=LOSSES[o.loss], schedule="one-cycle", folder=kept)
    history = trainer.fit(batches, epochs=o.epochs, resume=True)
    scores = evaluate(round_to_half(model), unseen, o.size, o.batch_size)
    card = {
        "size": o.size,
        "data": f"Carvana Image Masking Challenge, {len(known.ids)} cars, {len(known)} photos",
        "protocol": f"{p}, {'boundary-weighted ' * (o.loss == 'boundary')}binary cross-entropy, seed 0",
        "scored_on": f"{len(unseen.ids)} other cars, {len(unseen)} photos, at their own size; split by car, seed 0",
        "dice": round(scores.dice.mean(), 5),
        "worst": round(scores.dice.min(), 5),
        "minutes": round(history.seconds / 60, 1),
        "threads": torch.get_num_threads(),
        "date": str(date.today()),
        "terms": TERMS,
    }
    print(models.ship(model, card).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
