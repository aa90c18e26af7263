"""A training of a moment, for tests that kill it or run it twice at once."""

import random

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from carvana_lessons.models.unet import UNet
from carvana_lessons.training import Trainer, losses


def noisy(logits, y):
    """A loss that draws random numbers: a resumed run must draw the same ones."""
    return losses.bce(logits + 0.1 * torch.randn_like(logits), y)


def photos(count, stop=None, error=KeyboardInterrupt):
    x = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return Photos(stop, error, x, (x.mean(1, keepdim=True) > 0.5).float())


class Photos(TensorDataset):
    """Tensors, of which one raises an error: the one that is asked for as number ``stop``, counted from 1."""

    def __init__(self, stop, error, *tensors):
        super().__init__(*tensors)
        self.stop, self.error, self.asked = stop, error, 0

    def __getitem__(self, i):
        self.asked += 1
        if self.asked == self.stop:
            raise self.error
        return super().__getitem__(i)


def shake(x, y):
    """A transform of single photos that draws from all three global generators."""
    return (x + 0.1 * (torch.rand(()) + np.random.rand() + random.random())).float(), y  # noqa: NPY002


def loader(batch_size, count=48, stop=None, error=KeyboardInterrupt):
    data = photos(count, stop, error)
    return DataLoader(data, batch_size, shuffle=True, generator=torch.Generator().manual_seed(0))


def trainer(folder, loss=noisy, lr=1e-2, **settings):
    torch.manual_seed(0)
    model = UNet(stages=(4, 8))
    settings = {"schedule": "one-cycle", "clip": 1.0, **settings}
    return Trainer(model, lr=lr, loss=loss, folder=folder, **settings)
