"""From a network's logits to a car on another background: a soft edge, clean colours, a transparent picture.

Lesson:
    cut-out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from carvana_lessons.prediction.inference import Ensemble, Size
from carvana_lessons.utils.errors import ArgumentError

RADIUS = 2.0  # pixels of a photo: enough to hide the stairs, too little to look blurred
WHITE = (255, 255, 255)


def photo_logits(
    model: nn.Module | Sequence[nn.Module],
    photo: np.ndarray,
    size: Size = None,
    flip: bool = False,
    precision: str | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Logits at the photo's own size.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits, or several whose logits are averaged.
        photo: (H, W, 3) uint8.
        size: side, or (height, width), of the network's input; None: the one that it was trained for.
        flip: average with the answer for the mirrored photo.
        precision: as `car_logits`.
        scale: of the input, as a multiple of that size.

    Returns:
        (1, 1, H, W) float32 on the CPU.

    Lesson:
        cut-out.
    """
    networks, image = Ensemble(model, size), Image.fromarray(photo)
    xs = []
    for height, width in networks.sizes:
        wanted = (max(1, round(scale * width)), max(1, round(scale * height)))
        small = np.array(image.resize(wanted, Image.Resampling.BILINEAR))
        xs.append(torch.from_numpy(small).permute(2, 0, 1)[None] / 255)
    return networks.at_size(networks.logits(xs, flip, precision), 0, photo.shape[:2]).cpu()


def feather(mask: Tensor | np.ndarray, radius: float = RADIUS) -> np.ndarray:
    """How much of every pixel is car: 0 outside, 1 inside, rising evenly over ``radius`` pixels on either side.

    The boundary runs where the logit is 0, between the pixels, and alpha is ½ there. The width is measured in pixels:
    unlike that of ``sigmoid`` it does not depend on how sure the network is. Alpha is above ½ exactly where the
    hard mask has car, so nothing thin is lost, as it would be by blurring the mask.

    Args:
        mask: logits (H, W) or (1, 1, H, W), car above 0; or a mask of bool or integers, car above 0.
        radius: in pixels; 0 gives the hard mask.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ValueError: for another shape, or a radius below 0.

    Lesson:
        cut-out.
    """
    z = _signed(mask)
    if not radius >= 0:
        raise ArgumentError(f"An edge cannot be feathered over {radius} pixels; take 0 or more.")
    car = z > 0
    if radius == 0:
        return car.astype(np.float32)
    reach = int(np.ceil(radius))
    away = np.minimum(_to_boundary(z, reach), _to_boundary(z.T, reach).T)
    away = np.maximum(away, 1e-3)  # a pixel on the boundary still says on which side it is, rounded to a byte too
    return np.clip(0.5 + np.where(car, away, -away) / (2 * radius), 0, 1).astype(np.float32)


def remove_small_regions(mask: Tensor | np.ndarray, share: float = 0.01) -> np.ndarray:
    """Remove small regions beside the car and fill small holes in it.

    Args:
        mask: as `feather` takes it.
        share: pieces and holes smaller than this share of the largest piece go; 1 leaves that piece alone.

    Returns:
        (H, W) float32 logits, those of specks and holes with the other sign; `feather` takes them.

    Lesson:
        cut-out.
    """
    z = _signed(mask)
    car = z > 0
    numbers, _ = ndimage.label(car)
    sizes = np.bincount(numbers.ravel())[1:]
    if not len(sizes):
        return z
    least = share * sizes.max()
    speck = np.isin(numbers, 1 + np.flatnonzero(sizes < least))
    numbers, _ = ndimage.label(~car)
    border = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    small = 1 + np.flatnonzero(np.bincount(numbers.ravel())[1:] < least)
    hole = np.isin(numbers, np.setdiff1d(small, border))
    return np.where(speck, -z, np.where(hole, np.maximum(-z, 1e-6), z)).astype(np.float32)


def estimate_foreground(photo: np.ndarray, alpha: np.ndarray, steps: int = 64) -> np.ndarray:
    """Estimate the colour of the car in pixels that are partly car, from the car beside them.

    Args:
        photo: (H, W, 3) uint8.
        alpha: (H, W), as `feather` makes it.
        steps: how many pixels away from opaque car a colour is propagated; beyond that, pixels keep their own.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if the sizes differ.

    Lesson:
        cut-out.
    """
    _same_size(photo, alpha)
    colour = np.pad(photo, ((1, 1), (1, 1), (0, 0))).astype(np.float32)
    known = np.pad(alpha >= 1, 1)
    y, x = np.nonzero(np.pad((alpha > 0) & (alpha < 1), 1))
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    for _ in range(steps):
        has = np.stack([known[y + i, x + j] for i, j in around])
        reached = has.any(axis=0)
        if not reached.any():
            break
        near = np.stack([colour[y + i, x + j] for i, j in around]) * has[..., None]
        row, column = y[reached], x[reached]
        colour[row, column] = (near.sum(axis=0)[reached].T / has.sum(axis=0)[reached]).T
        known[row, column] = True
        y, x = y[~reached], x[~reached]
    return (colour[1:-1, 1:-1] + 0.5).astype(np.uint8)


def composite(
    photo: np.ndarray,
    alpha: np.ndarray,
    background: np.ndarray | tuple[int, int, int] = WHITE,
    linear: bool = False,
) -> np.ndarray:
    """Put the car on another background: alpha · photo + (1 − alpha) · background, rounded.

    Args:
        photo: (H, W, 3) uint8.
        alpha: (H, W) in [0, 1].
        background: an RGB colour, or a picture (H, W, 3) uint8 of the photo's size.
        linear: mix light, as a camera does, in place of the sRGB values, as browsers and most editors do.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if the sizes differ.

    Source:
        Porter & Duff 1984, "over"; IEC 61966-2-1 for sRGB.

    Lesson:
        cut-out.
    """
    _same_size(photo, alpha)
    behind = np.asarray(background)
    if behind.shape not in ((3,), photo.shape):
        raise ValueError(
            f"The background is {behind.shape} and the photo {photo.shape}; give a colour (red, green, blue), or a "
            "picture resized to the photo's size."
        )
    share = alpha[..., None].astype(np.float32)
    if linear:
        light = share * _srgb_to_linear(photo) + (1 - share) * _srgb_to_linear(behind)
        return (_linear_to_srgb(light) + 0.5).astype(np.uint8)
    return (share * photo + (1 - share) * behind + 0.5).astype(np.uint8)


def to_rgba(photo: np.ndarray, alpha: np.ndarray, blank: bool = False) -> np.ndarray:
    """The cut-out as RGBA with a transparent background, to save as PNG.

    Args:
        photo: (H, W, 3) uint8.
        alpha: (H, W) in [0, 1].
        blank: set invisible pixels to black. Otherwise the file still holds the whole photo, and an editor can restore
            the background.

    Returns:
        (H, W, 4) uint8, colours not multiplied by alpha.

    Raises:
        ValueError: if the sizes differ.

    Lesson:
        cut-out.
    """
    _same_size(photo, alpha)
    opacity = (alpha * 255 + 0.5).astype(np.uint8)
    return np.dstack([np.where(opacity[..., None] > 0, photo, 0) if blank else photo, opacity])


def gradient(size: tuple[int, int], top: tuple[int, int, int], bottom: tuple[int, int, int]) -> np.ndarray:
    """A background that goes evenly from one colour to another: (H, W, 3) uint8 for a size of (H, W).

    Args:
        size: (H, W), in pixels.
        top: RGB of the first row, 0 to 255 each.
        bottom: RGB of the last row.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = size
    share = np.linspace(0, 1, height)[:, None]
    column = (1 - share) * np.asarray(top) + share * np.asarray(bottom)
    return np.repeat((column + 0.5).astype(np.uint8)[:, None], width, axis=1)


def chessboard(size: tuple[int, int], side: int = 24) -> np.ndarray:
    """The pale squares by which editors show transparency: (H, W, 3) uint8 for a size of (H, W).

    Args:
        size: (H, W), in pixels.
        side: of a square, in pixels.

    Returns:
        (H, W, 3) uint8.
    """
    row, column = np.ogrid[: size[0], : size[1]]
    dark = (row // side + column // side) % 2
    return np.where(dark[..., None], np.uint8(215), np.uint8(245)).repeat(3, axis=2)


def _signed(mask: Tensor | np.ndarray) -> np.ndarray:
    """Logits or a mask as (H, W) float32, car above 0."""
    values = mask.detach().cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
    values = values[0, 0] if values.ndim == 4 and values.shape[:2] == (1, 1) else values
    if values.ndim != 2:
        raise ValueError(f"Logits or a mask are (H, W), or (1, 1, H, W), not {values.shape}: take one photo at a time.")
    return values.astype(np.float32) if values.dtype.kind == "f" else (values > 0) - np.float32(0.5)


def _to_boundary(z: np.ndarray, reach: int) -> np.ndarray:
    """Distance to the nearest place where the boundary crosses a column of pixel centres; inf beyond ``reach``."""
    ahead, behind = np.full_like(z, np.inf), np.full_like(z, np.inf)
    here, there = z[:-1], z[1:]
    cross = (here > 0) != (there > 0)
    share = here[cross] / (here[cross] - there[cross])  # of the way to the next pixel, where the logit is 0
    ahead[:-1][cross], behind[1:][cross] = share, 1 - share
    for _ in range(reach):
        ahead[:-1] = np.minimum(ahead[:-1], ahead[1:] + 1)
        behind[1:] = np.minimum(behind[1:], behind[:-1] + 1)
    along = np.minimum(ahead, behind) ** 2
    squared = along.copy()
    for step in range(1, reach + 1):
        squared[:, step:] = np.minimum(squared[:, step:], along[:, :-step] + step**2)
        squared[:, :-step] = np.minimum(squared[:, :-step], along[:, step:] + step**2)
    return np.sqrt(squared)


def _srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """sRGB values, 0 to 255, as light, 0 to 1: float64."""
    v = values / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def _linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Light, 0 to 1, as sRGB values, 0 to 255: float64, not rounded."""
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _same_size(photo: np.ndarray, alpha: np.ndarray) -> None:
    if photo.shape[:2] != alpha.shape or photo.ndim != 3:
        raise ValueError(f"The photo is {photo.shape} and alpha {alpha.shape}; both must have one height and width.")
