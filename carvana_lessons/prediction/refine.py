"""A better edge: the network looks again, in more pixels and closer, and its answers are averaged along the edge.

A network that was trained at 320 pixels answers at 320 pixels: one pixel of its answer is six of a photo, and roof
rails, aerials and rims are thinner. It is convolutional and takes larger inputs too, but there it meets cars that are
larger than any that it has learned from; far from the edge it makes holes. So further looks count only in a narrow
band around the edge of the first one, and there no more than the first. Every look is at the mirrored photo too.

Two steps that were tried are no default. A guided filter draws the edge towards those of the photo. In the studio it
helps, most where the network's own edge is soft; but it follows any edge, and on a pale car before dark letters it
leaves burrs. Tiles of the photo, each as large as the input, are as good as a look at the whole photo in as many
pixels, and cost more. `python -m benchmarks cutout` measures all but the tiles.

On 64 photos of the 16 cars that the shipped `unet` was not trained on, boundary IoU at 5 pixels rose from 0.529 to
0.571 (by 0.042; 95 % interval, cars resampled: 0.034 to 0.050), and Dice by 0.0008 (0.0006 to 0.0010); that of
`unet-backgrounds` from 0.322 to 0.377 (0.377 to 0.412 by the guided filter), and of `unet-small` from 0.300 to 0.323.
The table is on the page Speed. The default was chosen by 32 photos of these cars, and their true masks are rough
themselves by a pixel or two.

Lesson:
    cut-out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from carvana_lessons.prediction.crop import car_box
from carvana_lessons.prediction.cutout import photo_logits, remove_small_regions
from carvana_lessons.prediction.guided_filter import guided_filter
from carvana_lessons.prediction.inference import Ensemble, Size

#: Size of the second look at the whole photo, as a multiple of the network's own input.
SCALE = 1.25
#: Around the car in the third look, which is at the car alone: a margin in per cent of its longer side.
MARGIN = 5.0
#: Width of the band on either side of the edge, in pixels of the network's input.
WIDTH = 4 / 3
#: Radius of the guided filter, in the same pixels, and the contrast (as a variance) below which it sees no edge.
RADIUS, EPS = 0.7, 1e-3


def refined_logits(
    model: nn.Module | Sequence[nn.Module],
    photo: np.ndarray,
    size: Size = None,
    precision: str | None = None,
    *,
    mirrored: bool = True,
    larger: bool = True,
    closer: bool = True,
    guided: bool = False,
) -> Tensor:
    """Logits at the photo's own size, refined along the edge.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits, or several whose logits are averaged.
        photo: (H, W, 3) uint8.
        size: side, or (height, width), of the network's input; None: the one that it was trained for.
        precision: as `car_logits`.
        mirrored: average every look with one at the mirrored photo.
        larger: look at the whole photo in more pixels.
        closer: look at the car alone, which then fills the input.
        guided: draw the edge towards those of the photo, by a guided filter.

    Returns:
        (1, 1, H, W) float32 on the CPU; beyond the band those of the first look, bit by bit.

    Raises:
        CarvanaError: if neither ``size`` nor the network says the input size.

    Lesson:
        cut-out.
    """
    first = photo_logits(model, photo, size, mirrored, precision)
    pixel = _coarseness(model, photo, size)
    share = band(first[0, 0].numpy() > 0, max(1, round(WIDTH * pixel)))
    if not share.any():  # no edge to refine
        return first
    looks = [first]
    if larger:
        looks.append(photo_logits(model, photo, size, mirrored, precision, SCALE))
    if closer:
        box = zoom_box(remove_small_regions(first) > 0)
        looks.append(first.clone())
        looks[-1][0, 0][box] = photo_logits(model, np.ascontiguousarray(photo[box]), size, mirrored, precision)[0, 0]
    mixed = blend(looks, torch.from_numpy(share))
    return follow_edges(photo, mixed, share, max(1, round(RADIUS * pixel))) if guided else mixed


def band(mask: np.ndarray, width: int) -> np.ndarray:
    """How much the further looks count: 1 along the edge of a mask, less and less from half of ``width`` on, then 0.

    It fades, because where two answers met they would leave a step in the edge.

    Args:
        mask: (H, W) bool.
        width: in pixels. Distances are in steps to one of eight neighbours.

    Returns:
        (H, W) float32 in [0, 1]; 0 from ``width`` pixels beside the edge on, and everywhere for a mask without one.

    Lesson:
        cut-out.
    """
    across, along = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    edge = np.zeros_like(mask)
    edge[1:] |= across
    edge[:-1] |= across
    edge[:, 1:] |= along
    edge[:, :-1] |= along
    share = np.zeros(mask.shape, np.float32)
    if edge.any():
        box = _around(edge, width)
        away = ndimage.distance_transform_cdt(~edge[box], "chessboard")
        share[box] = np.clip(2 * (1 - away / width), 0, 1)
    return share


def blend(looks: Sequence[Tensor], share: Tensor) -> Tensor:
    """The first of several answers, and in the band its mean with the mean of the others.

    Args:
        looks: logits (1, 1, H, W), the first one first.
        share: (H, W) in [0, 1], as `band` makes it.

    Returns:
        (1, 1, H, W); where ``share`` is 0 the first one, bit by bit.

    Lesson:
        cut-out.
    """
    first, *others = looks
    if not others:
        return first
    return torch.where(share > 0, torch.lerp(first, sum(others) / len(others), share / 2), first)


def zoom_box(mask: np.ndarray, margin: float = MARGIN) -> tuple[slice, slice]:
    """The part of a photo that holds the car and a margin, in the photo's own proportions.

    Its proportions are kept, because networks here have learned from photos that are squeezed into a square.

    Args:
        mask: (H, W) bool.
        margin: as `carvana_lessons.prediction.crop.car_box`.

    Returns:
        rows and columns; the whole photo for a car that fills it, or none.

    Lesson:
        cut-out.
    """
    tight = car_box(mask, margin)
    zoom = max((at.stop - at.start) / length for at, length in zip(tight, mask.shape, strict=True))
    rows, columns = (_slide(at, round(zoom * length), length) for at, length in zip(tight, mask.shape, strict=True))
    return rows, columns


def follow_edges(photo: np.ndarray, logits: Tensor, share: np.ndarray, radius: int, eps: float = EPS) -> Tensor:
    """Logits whose 0 follows the edges of the photo inside the band, by the guided filter.

    Args:
        photo: (H, W, 3) uint8.
        logits: (1, 1, H, W).
        share: (H, W), above 0 in the band, see `band`.
        radius: of the filter, in pixels.
        eps: as `carvana_lessons.prediction.guided_filter.guided_filter`.

    Returns:
        (1, 1, H, W); in the band what the filter makes of the mask, less ½, and elsewhere ``logits``, bit by bit.

    Lesson:
        cut-out.
    """
    inside = share > 0
    if not inside.any():
        return logits
    box = _around(inside, 2 * radius)
    guide = photo[box].mean(axis=2, dtype=np.float32) / 255
    values = guided_filter(guide, (logits[0, 0].numpy()[box] > 0).astype(np.float32), radius, eps) - 0.5
    followed = logits.clone()
    part = followed[0, 0][box]
    part[torch.from_numpy(inside[box])] = torch.from_numpy(values[inside[box]])
    return followed


def _coarseness(model: nn.Module | Sequence[nn.Module], photo: np.ndarray, size: Size) -> float:
    """How many pixels of the photo, along its longer one, are one pixel of the input; of several networks the most."""
    return max(max(photo.shape[0] / h, photo.shape[1] / w, 1.0) for h, w in Ensemble(model, size).sizes)


def _around(mask: np.ndarray, more: int) -> tuple[slice, ...]:
    """Rows and columns that hold all of a mask, and so many pixels more where the photo has them."""
    sides = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return tuple(slice(max(0, int(at[0]) - more), int(at[-1]) + 1 + more) for at in sides)


def _slide(at: slice, wanted: int, length: int) -> slice:
    """A part of the wanted length around the middle of another one, moved until it lies in the photo."""
    wanted = min(length, max(wanted, at.stop - at.start))
    start = min(max(0, (at.start + at.stop - wanted) // 2), length - wanted)
    return slice(start, start + wanted)
