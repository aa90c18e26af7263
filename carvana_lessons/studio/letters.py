"""The dark letters on the studio's wall: the course's own words, drawn with strokes."""

from itertools import pairwise

import numpy as np

# Strokes on a cell one unit high; x from 0. A stroke is a list of points.
_BOW = [(x, z) for x, z in zip(
    np.round(0.42 - 0.42 * np.cos(np.linspace(0.85, 5.43, 25)), 4) * -1 + 0.84,
    np.round(0.5 + 0.5 * np.sin(np.linspace(0.85, 5.43, 25)), 4), strict=True)]  # fmt: skip
_RING = [(float(x), float(z)) for x, z in zip(
    np.round(0.45 + 0.45 * np.cos(np.linspace(0, 2 * np.pi, 33)), 4),
    np.round(0.5 + 0.5 * np.sin(np.linspace(0, 2 * np.pi, 33)), 4), strict=True)]  # fmt: skip
_TOP, _FOOT = np.linspace(-1.15, 2.9, 12), np.linspace(0.2, 4.25, 12)
_SNAKE = [(float(x), float(z)) for x, z in zip(
    np.round(0.35 + np.concatenate([-0.30 * np.sin(_TOP), 0.33 * np.sin(_FOOT)]), 4),
    np.round(np.concatenate([0.765 + 0.235 * np.cos(_TOP), 0.265 + 0.265 * np.cos(_FOOT)]), 4),
    strict=True)]  # fmt: skip


def _arc(x: float, z: float, high: float, wide: float | None = None) -> list[tuple[float, float]]:
    """The right half of an ellipse around (x, z), from its top to its foot."""
    turn = np.linspace(0, np.pi, 15)
    across = np.round(x + (wide or high) * np.sin(turn), 4)
    return [(float(a), float(b)) for a, b in zip(across, np.round(z + high * np.cos(turn), 4), strict=True)]


SHAPES = {
    "C": (0.80, [_BOW]),
    "A": (0.90, [[(0, 0), (.45, 1), (.9, 0)], [(.17, .30), (.73, .30)]]),
    "R": (0.68, [[(0, 0), (0, 1), *_arc(0.38, 0.74, 0.26), (0, 0.48)], [(0.34, 0.48), (0.68, 0)]]),
    "M": (0.98, [[(0, 0), (.06, 1), (.49, .22), (.92, 1), (.98, 0)]]),
    "S": (0.70, [_SNAKE]),
    "K": (0.70, [[(0, 0), (0, 1)], [(.66, 1), (.03, .46)], [(.24, .60), (.70, 0)]]),
    "L": (0.56, [[(0, 1), (0, 0), (.56, 0)]]),
    "E": (0.60, [[(.60, 1), (0, 1), (0, 0), (.60, 0)], [(0, .52), (.54, .52)]]),
    "O": (0.90, [_RING]),
    "D": (0.76, [[(0, 0), (0, 1), *_arc(0.32, 0.5, 0.5, 0.44), (0, 0)]]),
    "N": (0.78, [[(0, 0), (0, 1), (.78, 0), (.78, 1)]]),
    " ": (0.30, []),
}  # fmt: skip
TALL = 160  # texels of a letter's height
MARGIN = 24


def sign(text: str, weights: list[float], spacing: float) -> np.ndarray:
    """Draw a line of text.

    Args:
        text: letters of ``SHAPES``.
        weights: stroke width of every letter, as share of its height.
        spacing: between letters, as share of the height.

    Returns:
        (rows, columns) float32 of ink in 0 … 1, top row first, with a margin of ``MARGIN`` texels.
    """
    widths = [SHAPES[letter][0] for letter in text]
    length = sum(widths) + spacing * (len(text) - 1)
    out = np.zeros((TALL + 2 * MARGIN, int(length * TALL) + 2 * MARGIN + 1), np.float32)
    x = 0.0
    for letter, width, weight in zip(text, widths, weights, strict=True):
        first = int(x * TALL)
        cell = slice(first, first + int(width * TALL) + 2 * MARGIN)
        rows, columns = np.mgrid[0 : out.shape[0], cell.start : min(cell.stop, out.shape[1])]
        across = (columns + 0.5 - MARGIN) / TALL - x
        up = 1 - (rows + 0.5 - MARGIN) / TALL
        ink = np.zeros(across.shape)
        # strokes are pulled in by half their weight, so that thin and bold letters are equally high
        for stroke in SHAPES[letter][1]:
            for (x0, z0), (x1, z1) in pairwise(stroke):
                z0, z1 = (weight / 2 + z * (1 - weight) for z in (z0, z1))
                dx, dz = x1 - x0, z1 - z0
                t = np.clip(((across - x0) * dx + (up - z0) * dz) / max(dx * dx + dz * dz, 1e-9), 0, 1)
                gap_x, gap_z = across - x0 - t * dx, up - z0 - t * dz
                away = np.sqrt(gap_x * gap_x + gap_z * gap_z)
                ink = np.maximum(ink, np.clip((weight / 2 - away) * TALL * 0.7 + 0.5, 0, 1))
        ink = ink * (up > 0) * (up < 1)
        here = out[:, cell.start : cell.stop]
        here[:] = np.maximum(here, ink.astype(np.float32))
        x += width + spacing
    return out
