"""The U-Net, in the three sizes of the course.

Source:
    Ronneberger et al. 2015; the two small ones are those of the slides "Implementing a U-net" (2019), the large one
    that of the defense "MaskingNet for Car Image Masking".
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from carvana_lessons.models.blocks import DoubleConv, check_divisible, initialise


class UNet(nn.Module):
    """Encoder, bottleneck and decoder with skip connections from each encoder stage to the decoder stage of that size.

    Args:
        stages: channels of each stage, from the image's size to the bottleneck: (8, 16, 32, 64).
        in_channels: 3 for RGB.
        num_classes: 1 (a car logit) or 2 (background and car logits).
        batch_norm: batch norm after every 3×3 convolution.
        wide_head: end in a 3×3 convolution to 2 channels, then 1×1, as the slides' networks do; else 1×1 alone.

    Shapes:
        (B, in_channels, H, W) → logits (B, num_classes, H, W).

    Attributes:
        size_divisor: what H and W must be multiples of, 2 ** (len(stages) − 1).

    Raises:
        ValueError: if H or W is no multiple of it.

    Lesson:
        02.
    """

    def __init__(
        self,
        stages: Sequence[int] = (8, 16, 32, 64),
        in_channels: int = 3,
        num_classes: int = 1,
        batch_norm: bool = False,
        wide_head: bool = True,
    ) -> None:
        super().__init__()
        inputs = (in_channels, *stages[:-1])
        self.down = nn.ModuleList(DoubleConv(i, o, batch_norm) for i, o in zip(inputs, stages, strict=True))
        self.pool = nn.MaxPool2d(2)
        self.size_divisor = 2 ** (len(stages) - 1)
        steps = list(zip(stages[:0:-1], stages[-2::-1], strict=True))  # (64, 32), (32, 16), (16, 8)
        self.up = nn.ModuleList(nn.ConvTranspose2d(i, o, kernel_size=2, stride=2) for i, o in steps)
        self.merge = nn.ModuleList(DoubleConv(2 * o, o, batch_norm) for _, o in steps)
        if wide_head:
            self.head = nn.Sequential(nn.Conv2d(stages[0], 2, kernel_size=3, padding=1), nn.Conv2d(2, num_classes, 1))
        else:
            self.head = nn.Conv2d(stages[0], num_classes, kernel_size=1)
        for part in (self.down, self.up, self.merge):
            part.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        check_divisible(x, self.size_divisor)
        seen = []
        for stage in self.down[:-1]:
            x = stage(x)  # (B, c, H/2ᵏ, W/2ᵏ)
            seen.append(x)
            x = self.pool(x)  # (B, c, H/2ᵏ⁺¹, W/2ᵏ⁺¹)
        x = self.down[-1](x)  # the bottleneck
        for up, merge in zip(self.up, self.merge, strict=True):
            x = up(x)  # (B, c/2, 2h, 2w)
            x = torch.cat([seen.pop(), x], dim=1)  # (B, c, 2h, 2w)
            x = merge(x)  # (B, c/2, 2h, 2w)
        return self.head(x)  # (B, num_classes, H, W)
