"""More photos from few: turned, mirrored, recoloured; the mask is turned and mirrored with its photo."""

from dataclasses import dataclass
from math import ceil, cos, radians, sin

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

CORNERS = ("black", "symmetric")


@dataclass(frozen=True)
class Augment:
    """A random change of photo and mask, drawn anew at every call; for ``loader(transform=…)``.

    All draws come from torch's generator: the same seed, the same changes.

    Args:
        rotate: largest angle, in degrees, to either side.  corners: as `rotate` takes them.
        flip: probability of mirroring left and right.
        color: largest relative change of brightness, contrast and saturation; 0.2 for 80 % to 120 %.
    Raises: ValueError for a setting out of its range, when the object is made.
    Source: slides [A]: rotation below 25°, horizontal flip, symmetric padding against black corners.  Lesson: 04.
    """

    rotate: float = 25.0
    flip: float = 0.5
    color: float = 0.0
    corners: str = "symmetric"

    def __post_init__(self) -> None:
        if not (0 <= self.rotate <= 90 and 0 <= self.flip <= 1 and 0 <= self.color < 1):
            raise ValueError(f"{self} is out of range: rotate 0 to 90 degrees, flip 0 to 1, color 0 to below 1.")
        _check_corners(self.corners)

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """x (3, h, w) in [0, 1] and y (1, h, w) in {0, 1}, both changed alike; shapes and ranges stay."""
        angle, mirrored, *factors = torch.rand(5).tolist()
        if mirrored < self.flip:
            x, y = mirror(x, y)
        if self.rotate:
            x, y = rotate(x, y, (2 * angle - 1) * self.rotate, self.corners)
        if self.color:
            change = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)
            for adjust, factor in zip(change, factors, strict=True):
                x = adjust(x, 1 + (2 * factor - 1) * self.color)
        return x, y


def mirror(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Photo (…, h, w) and mask (…, h, w), left and right exchanged.  Lesson: 04."""
    return x.flip(-1), y.flip(-1)


def rotate(x: Tensor, y: Tensor, degrees: float, corners: str = "symmetric") -> tuple[Tensor, Tensor]:
    """Turn photo and mask about the middle, counter-clockwise; their size stays.

    Args:
        x: (…, 3, h, w), turned bilinearly.  y: (…, 1, h, w), turned to the nearest pixel: its values stay.
        degrees: the angle, −90 to 90.
        corners: what fills them: "black", or "symmetric", the photo itself mirrored at its edge.
    Returns: both turned, same shapes and dtypes.
    Raises: ValueError for another filling.
    Source: slides [A], "symmetric padding".  Lesson: 04.
    """
    _check_corners(corners)
    height, width = x.shape[-2:]
    pad = [0, 0]
    if corners == "symmetric":
        # The turned frame reaches this far beyond the frame, left and right, above and below; 1 for the bilinear edge.
        s, c = abs(sin(radians(degrees))), abs(cos(radians(degrees)))
        reach = (width * c + height * s - width) / 2, (width * s + height * c - height) / 2
        pad = [min(max(ceil(r), 0) + 1, side) for r, side in zip(reach, (width, height), strict=True)]
    turned = []
    for picture, how in ((x, InterpolationMode.BILINEAR), (y, InterpolationMode.NEAREST)):
        padded = F.pad(picture, pad, padding_mode="symmetric") if any(pad) else picture
        turned.append(F.center_crop(F.rotate(padded, degrees, interpolation=how), [height, width]))
    return turned[0], turned[1]


def _check_corners(corners: str) -> None:
    if corners not in CORNERS:
        raise ValueError(f"Corners are filled {' or '.join(CORNERS)}, not {corners!r}.")
