"""What the tests are fed with: a network whose mask is known beforehand, a car with its mask, files that are odd.

No part of conftest.py: tests/book has one too, and Python finds only one of the two by that name.
"""

import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from carvana_lessons import models


def random_network(name: str, width: int, seed: int = 0) -> nn.Module:
    """A network of random weights, whose batch norms have statistics and scales far from 0 and 1, as after training."""
    torch.manual_seed(seed)
    model = models.create(name, width=width).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, 0, 0.3)
            nn.init.uniform_(layer.running_var, 0.3, 3)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
    return model


class Brightness(nn.Module):
    """Says "car" where the photo is brighter than a threshold; two output channels, as the defense's networks."""

    def __init__(self, threshold: float = 0.4):
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))

    def forward(self, x):
        bright = x.mean(1, keepdim=True)
        return torch.cat([self.threshold.expand_as(bright), bright], dim=1)


def draw_pair(size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipse on a dark ramp and its mask: (h, w, 3) uint8 and (h, w) uint8 in {0, 1}; size is (w, h)."""
    w, h = size
    y, x = np.mgrid[:h, :w]
    cy, cx = h * rng.uniform(0.4, 0.6), w * rng.uniform(0.4, 0.6)
    mask = ((y - cy) / (0.3 * h)) ** 2 + ((x - cx) / (0.35 * w)) ** 2 < 1
    image = np.stack([x * 90 / w, y * 90 / h, np.full((h, w), rng.uniform(0, 90))], axis=-1)
    image[mask] += rng.uniform(80, 160, size=3)
    return image.astype(np.uint8), mask.astype(np.uint8)


def save_mask(path: Path, mask: np.ndarray) -> None:
    """As Kaggle's are: a palette GIF with the values 0 (black) and 1 (white)."""
    image = Image.new("P", mask.shape[::-1])
    image.putdata(mask.ravel().tolist())
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.save(path)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by name."""
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def bomb(side: int = 20_000) -> bytes:
    """A PNG of a hundred bytes that claims ``side`` × ``side`` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def sixteen_bits(size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A ramp from black to white in 16 bits of grey; size is (w, h)."""
    return Image.fromarray(np.tile(np.linspace(0, 65535, size[0]).astype(np.uint16), (size[1], 1)))


@contextmanager
def other_process(path: Path) -> Iterator[subprocess.Popen]:
    """Another process that owns a path, as `locking.owned` does, until the block ends."""
    child = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "drivers" / "hold_lock.py", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        assert child.stdout.readline() == "owned\n"
        yield child
    finally:
        child.kill()
        child.communicate()
