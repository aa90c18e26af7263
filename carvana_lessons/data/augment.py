"""More photos from few: turned, mirrored, recoloured; the mask is turned and mirrored with its photo."""

from dataclasses import dataclass
from math import cos, radians, sin

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample
from torchvision.transforms.v2.functional import adjust_brightness, adjust_contrast, adjust_saturation

CORNERS = {"black": "zeros", "symmetric": "reflection"}  # our words, and those of torch's grid_sample


@dataclass(frozen=True)
class Augment:
    """A random change of photo and mask, drawn anew at every call; for ``loader(transform=…)``.

    All draws come from torch's generator, equally many whatever the settings: the same seed, the same changes, and
    two settings that differ in one change agree in the others.

    Args:
        rotate: largest angle, in degrees, to either side.  corners: as `rotate` takes them.
        flip: probability of mirroring left and right.
        color: largest relative change of each of `recolor`'s four factors; 0.2 for 80 % to 120 %.
    Raises: ValueError for a setting out of its range, when the object is made.
    Source: slides [A]: rotation below 25°, horizontal flip, symmetric padding against black corners.  Lesson: 04.
    """

    rotate: float = 25.0
    flip: float = 0.5
    color: float = 0.0
    corners: str = "symmetric"

    def __post_init__(self) -> None:
        if not (0 <= self.rotate <= 180 and 0 <= self.flip <= 1 and 0 <= self.color < 1):
            raise ValueError(f"{self} is out of range: rotate 0 to 180 degrees, flip 0 to 1, color 0 to below 1.")
        _padding(self.corners)

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """x (3, h, w) in [0, 1] and y (1, h, w) in {0, 1}, both changed alike; shapes and ranges stay."""
        angle, mirrored, *factors = torch.rand(6).tolist()
        if self.color:  # before the turn, so that black corners stay black
            x = recolor(x, *(1 + (2 * factor - 1) * self.color for factor in factors))
        if mirrored < self.flip:
            x, y = mirror(x, y)
        if self.rotate:
            x, y = rotate(x, y, (2 * angle - 1) * self.rotate, self.corners)
        return x, y


def mirror(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Photo (…, h, w) and mask (…, h, w), left and right exchanged.  Lesson: 04."""
    return x.flip(-1), y.flip(-1)


def rotate(x: Tensor, y: Tensor, degrees: float, corners: str = "symmetric") -> tuple[Tensor, Tensor]:
    """Turn photo and mask about the middle, counter-clockwise; their size stays.

    Args:
        x: (…, 3, h, w), turned bilinearly.  y: (…, 1, h, w), turned to the nearest pixel: its values stay.
        degrees: the angle.
        corners: what fills them: "black", or "symmetric", the photo itself mirrored at its edge, at any width.
    Returns: both turned, same shapes and dtypes.
    Raises: ValueError for another filling.
    Source: slides [A], "symmetric padding".  Lesson: 04.
    """
    padding = _padding(corners)
    return _turn(x, degrees, "bilinear", padding), _turn(y, degrees, "nearest", padding)


def recolor(
    x: Tensor, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, warmth: float = 1.0
) -> Tensor:
    """Change a photo's light; its mask stays as it is.

    Args:
        x: (…, 3, h, w) in [0, 1].
        brightness, contrast, saturation: as torchvision takes them: 0 is black, the photo's mean grey, grey; 1 no
            change.
        warmth: > 0; red times this, blue divided by it.
    Returns: the same shape, in [0, 1].
    Lesson: 04.
    """
    if warmth != 1:
        x = (x * x.new_tensor([warmth, 1, 1 / warmth]).view(3, 1, 1)).clamp(max=1)
    return adjust_saturation(adjust_contrast(adjust_brightness(x, brightness), contrast), saturation)


def _turn(picture: Tensor, degrees: float, mode: str, padding: str) -> Tensor:
    """A picture (…, C, h, w) turned: each pixel of the result is looked up where it came from."""
    if degrees % 360 == 0:
        return picture
    height, width = picture.shape[-2:]
    c, s = cos(radians(degrees)), sin(radians(degrees))
    # The way back, in half widths and half heights from the middle, as grid_sample wants it; y points down.
    back = torch.tensor([[c, -s * height / width, 0], [s * width / height, c, 0]], device=picture.device)
    stack = picture.reshape(-1, *picture.shape[-3:])
    where = affine_grid(back[None], [1, 1, height, width], align_corners=False).expand(len(stack), -1, -1, -1)
    turned = grid_sample(stack.float(), where, mode=mode, padding_mode=padding, align_corners=False)
    if not picture.is_floating_point():
        turned = turned.round()
    return turned.reshape(picture.shape).to(picture.dtype)


def _padding(corners: str) -> str:
    if corners not in CORNERS:
        raise ValueError(f"Corners are filled {' or '.join(CORNERS)}, not {corners!r}.")
    return CORNERS[corners]
