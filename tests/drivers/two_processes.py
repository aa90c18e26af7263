"""Train the toy in two CPU processes at once and in one with the doubled batch. Argument: an empty folder."""

import json
import sys
from pathlib import Path

import torch
import toy
import world

from carvana_lessons.training import losses

EPOCHS, COUNT = 4, 48


class Recording(torch.utils.data.Dataset):
    """The toy's photos; remembers which were asked for."""

    def __init__(self):
        self.inner, self.asked = toy.photos(COUNT), []

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        self.asked.append(i)
        return self.inner[i]


def train(folder: Path, batch_size: int) -> dict:
    data = Recording()
    generator = torch.Generator().manual_seed(0)
    train = torch.utils.data.DataLoader(data, batch_size, shuffle=True, generator=generator)
    # 45 photos cannot be shared evenly: none may be counted twice
    valid = torch.utils.data.DataLoader(toy.photos(45), batch_size)
    history = toy.trainer(folder, loss=losses.bce, lr=1e-3).fit(train, valid, epochs=EPOCHS)
    return {"frame": history.frame.to_dict("list"), "asked": data.asked[: len(data.asked) // EPOCHS]}


def main() -> None:
    out = Path(sys.argv[1])
    world.run_both(out, lambda rank: train(out / "two", batch_size=4))
    (out / "one.json").write_text(json.dumps(train(out / "one", batch_size=8)), encoding="utf-8")


main()
