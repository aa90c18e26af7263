"""Which masks should a person look at? Signals of doubt, from the logits of one photo or of it and its mirror image.

A network says of every pixel how sure it is. What follows from that for the whole mask is told by the expected Dice;
`benchmarks/uncertainty.py` measures how well it, and each other signal here, finds the masks that are wrong.

Lesson:
    11.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from carvana_lessons.utils.errors import CarvanaError

BAND = 0.02  # of the longer side: how far from the predicted boundary a pixel still belongs to the edge
LARGE = 0.05  # of the largest piece's area: a piece beside it that is smaller is a speck
# Beyond these a mask is doubtful. They suit `unet-backgrounds`, the network of `predict`: 12 of 512 masks of untouched
# photos of cars that it never saw are named, and all 304 that are wrong. The studio's networks are surer: 1 of 1,024 of
# untouched photos is named, and of those that are wrong 498 of 516 (`unet`) and 426 of 522 (`unet-small`). By kind of
# photo it is in book/results/uncertainty/alarms.csv. A network that was trained for minutes is unsure along every edge.
UNSURE = 0.2  # bits, along the edge
DIFFERS = 0.04  # 1 - Dice of the mask and that of the mirrored photo
NUMBERS = {2: "two", 3: "three", 4: "four"}
SUREST = 700.0  # a logit beyond it is the same as this one, and exp of this one is finite


@dataclass(frozen=True)
class Uncertainty:
    """The signals of one photo.

    Attributes:
        expected_dice: see `expected_dice`; low is doubtful.
        entropy_edge: mean of the predictive entropy near the predicted boundary, in bits; nan without a boundary.
        entropy_elsewhere: mean of it in all other pixels, in bits.
        flip_disagreement: see `flip_disagreement`; nan where the mirrored photo was not predicted.
        pieces: how many large pieces the mask has, see `large_pieces`.
        largest_piece: Dice of the mask and its largest piece: 1 for one piece, 2/3 for two that are equal.
        borders: how many of the four borders of the photo the mask touches.
        share: of the photo that is car, from 0 (empty) to 1 (full).

    Lesson:
        11.
    """

    expected_dice: float
    entropy_edge: float
    entropy_elsewhere: float
    flip_disagreement: float
    pieces: int
    largest_piece: float
    borders: int
    share: float

    @property
    def doubt(self) -> float:
        """The one number that orders masks, from 0 (no doubt) to 1 (look at it first).

        1 − (1 − entropy along the edge) · expected Dice · Dice of the largest piece · Dice of the mirrored mask. Each
        factor is 1 where nothing is doubtful; the last one counts where the mirrored photo was predicted. A mask
        without an edge, empty or full, is worth 1. The number orders: it is no probability, and no estimate of Dice.
        """
        if math.isnan(self.entropy_edge):
            return 1.0
        agreed = 1.0 if math.isnan(self.flip_disagreement) else 1 - self.flip_disagreement
        return 1 - (1 - self.entropy_edge) * self.expected_dice * self.largest_piece * agreed

    @property
    def reasons(self) -> list[str]:
        """In words, what makes a mask doubtful enough to be looked at; empty for a mask that is not."""
        told = {
            "no car found": self.share == 0,
            "all of the photo is car": self.share == 1,
            f"{NUMBERS.get(self.pieces, self.pieces)} large pieces": self.pieces > 1,
            "unsure along the edge": self.entropy_edge > UNSURE,
            "mask differs from that of the mirrored photo": self.flip_disagreement > DIFFERS,
        }
        return [words for words, true in told.items() if true]


def uncertainty(logits: Tensor, mirrored: Tensor | None = None) -> Uncertainty:
    """Measure all signals of one photo.

    Args:
        logits: (H, W), car above 0, at any size; the network's own is enough.
        mirrored: (H, W), the logits of the mirrored photo, mirrored back. The mask is then that of the mean of both.

    Returns:
        the signals.

    Raises:
        ValueError: for other shapes, or shapes that differ.
        CarvanaError: for a logit that is not a number.

    Lesson:
        11.
    """
    mean = _plane(logits)
    if mirrored is not None:
        disagreement, mean = flip_disagreement(logits, mirrored), (mean + _plane(mirrored)) / 2
    mask, entropy = mean > 0, predictive_entropy(mean)
    band = edge_band(mask)
    areas = large_pieces(mask)
    return Uncertainty(
        expected_dice=expected_dice(mean),
        entropy_edge=_mean(entropy[band]),
        entropy_elsewhere=_mean(entropy[~band]),
        flip_disagreement=math.nan if mirrored is None else disagreement,
        pieces=len(areas),
        largest_piece=_dice(areas[0], areas[0], int(mask.sum())) if areas else 1.0,
        borders=touched_borders(mask),
        share=mask.double().mean().item(),
    )


def predictive_entropy(logits: Tensor) -> Tensor:
    """How unsure the network is of each pixel: the entropy of its answer, −p·log₂ p − (1 − p)·log₂(1 − p).

    Args:
        logits: of any shape.

    Returns:
        the same shape, in bits: 1 where p = ½, near 0 where the network is sure.

    Source:
        Shannon 1948.

    Lesson:
        11.
    """
    # log(1 + eᶻ) − z·p in nats, for the side on which z is below 0: nothing overflows, nothing is 0 · ∞.
    z = -logits.double().abs()
    return ((F.softplus(z) - z * z.sigmoid()) / math.log(2)).to(logits.dtype)


def expected_dice(logits: Tensor) -> float:
    """The Dice that the network's own probabilities lead one to expect for its mask.

    If every pixel is car with its probability p, whatever the others are, then for a mask M the mean of Dice over all
    true masks is nearly ``2·Σ_M p / (n + Σ p)``, with n pixels in M: the mean of the numerator over that of the
    denominator. Every photo is taken to show a car, so an empty mask is worth 0. The number is right if the
    probabilities are: it knows nothing of what the network is wrongly sure of.

    Args:
        logits: (H, W), car above 0.

    Returns:
        in [0, 1].

    Raises:
        ValueError: for another shape.
        CarvanaError: for a logit that is not a number.

    Source:
        Borges, Machado Pacheco & Silva 2024, "Soft Dice Confidence" (arXiv 2402.10665).

    Lesson:
        11.
    """
    z = _plane(logits).double()
    mask, p = z > 0, z.sigmoid()
    return (2 * p[mask].sum() / (mask.sum() + p.sum())).item()


def flip_disagreement(logits: Tensor, mirrored: Tensor) -> float:
    """How much the mask changes when the photo is mirrored: 1 − Dice of both masks (test-time augmentation).

    Args:
        logits: (H, W) of the photo.
        mirrored: (H, W) of the mirrored photo, mirrored back.

    Returns:
        0 for equal masks, two empty ones among them; 1 for masks that do not overlap.

    Raises:
        ValueError: for other shapes, or shapes that differ.
        CarvanaError: for a logit that is not a number.

    Source:
        Wang et al. 2019, "Aleatoric uncertainty estimation with test-time augmentation for medical image segmentation".

    Lesson:
        11.
    """
    one, other = _plane(logits) > 0, _plane(mirrored) > 0
    if one.shape != other.shape:
        raise ValueError(
            f"The logits of the photo are {tuple(one.shape)} and those of its mirror image {tuple(other.shape)}; both "
            "must have one shape."
        )
    return 1 - _dice(*(int(mask.sum()) for mask in (one & other, one, other)))


def edge_band(mask: Tensor, width: float = BAND) -> Tensor:
    """The pixels near the boundary of a mask.

    Args:
        mask: (H, W) bool.
        width: how far the band reaches to either side, as a share of the longer side; one pixel at least.

    Returns:
        (H, W) bool; empty where the mask is empty or full.

    Lesson:
        11.
    """
    reach = max(1, round(width * max(mask.shape)))
    both = torch.stack([mask, ~mask]).float()[:, None]
    for k in (0, 1):  # down and across one after the other: a square of that side costs its side times more
        side, padding = [1, 1], [0, 0]
        side[k], padding[k] = 2 * reach + 1, reach
        both = F.max_pool2d(both, side, stride=1, padding=padding)
    near_car, near_ground = both[:, 0].bool()
    return near_car & near_ground


def large_pieces(mask: Tensor | np.ndarray, share: float = LARGE) -> list[int]:
    """The areas of the large pieces of a mask; pixels that share a side belong together.

    Args:
        mask: (H, W) bool.
        share: of the largest piece's area; smaller pieces are left out.

    Returns:
        their areas in pixels, largest first; empty for an empty mask.

    Lesson:
        11.
    """
    numbers, _ = ndimage.label(np.asarray(mask))
    areas = np.sort(np.bincount(numbers.ravel())[1:])[::-1]
    return [int(area) for area in areas if area >= share * areas[0]]


def touched_borders(mask: Tensor) -> int:
    """How many of the four borders a mask touches: of a photo that holds the whole car, none.

    Args:
        mask: (H, W) bool.

    Returns:
        0 to 4.

    Lesson:
        11.
    """
    return sum(bool(line.any()) for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _plane(logits: Tensor) -> Tensor:
    """Logits of one photo as float32 on the CPU; what is infinite becomes a number, as sure as any.

    Raises:
        ValueError: for another shape.
        CarvanaError: for a value that is not a number: it would count as background in silence.
    """
    if logits.ndim != 2:
        raise ValueError(f"Logits of one photo are (height, width), and these are {tuple(logits.shape)}.")
    if logits.isnan().any():
        raise CarvanaError("The network's answer is not a number: its training has diverged, train it again.")
    return logits.float().cpu().clamp(-SUREST, SUREST)


def _mean(values: Tensor) -> float:
    return values.double().mean().item() if len(values) else math.nan


def _dice(both: int, one: int, other: int) -> float:
    """Dice from the pixels that two masks share, and those of each."""
    return 2 * both / (one + other) if one + other else 1.0
