"""SegNet, three intermediate architectures, and MaskingNet: one network, five designs.

Source:
    slides [B]; Badrinarayanan et al. 2017 (SegNet), Roy et al. 2018 (indices and maps together), Liu et al. 2018
    (coordinate maps), Yu & Koltun 2016 (dilation). The published parameter counts hold for these layers; they do not
    prove that the defense's layers were the same.

Lesson:
    05.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from carvana_lessons.models.blocks import ConvBlock, check_divisible, initialise, is_channels_last
from carvana_lessons.models.coordinates import append_maps, coordinate_maps


@dataclass(frozen=True)
class Design:
    """What distinguishes one network from the next.

    Attributes:
        encoder: convolutions of each stage on the way down, as in VGG-16; a 2×2 pool follows each stage.
        decoder: convolutions of each stage on the way up, the lowest first.
        skip: concatenate the encoder's map after unpooling.
        coordinates: where the X-map and Y-map enter: "input", "middle" or nowhere.
        dilation: rates of the convolutions between encoder and decoder; 1 is a plain convolution.
    """

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    skip: bool
    coordinates: str | None
    dilation: tuple[int, ...]


DEEP, SHALLOW, PLAIN, CASCADE = (2, 2, 3, 3, 3), (2, 2, 3, 3), (1,) * 6, (1, 2, 4, 8, 4, 2)
#: The five designs by name, from SegNet to MaskingNet; what `create` and `MaskingNet` build from.
DESIGNS = {
    #                    encoder  decoder          skip   coordinates  dilation
    "segnet":     Design(DEEP,    (3, 3, 3, 2, 1), False, None,        ()),
    "arc1":       Design(SHALLOW, (3, 3, 3, 3),    True,  None,        PLAIN),
    "arc2":       Design(SHALLOW, (3, 3, 3, 3),    True,  "input",     PLAIN),
    "arc3":       Design(SHALLOW, (3, 3, 3, 3),    True,  "middle",    PLAIN),
    "maskingnet": Design(SHALLOW, (3, 3, 3, 3),    True,  "middle",    CASCADE),
}  # fmt: skip


class Unpool(nn.Module):
    """Max-unpooling: put every pooled value back where its maximum was, zeros elsewhere.

    Args:
        x: (B, C, h, w) values.
        indices: (B, C, h, w) int64, as max_pool2d(return_indices=True) gives.
        output_size: (H, W) of the map that was pooled.

    Returns:
        (B, C, H, W), same dtype and memory format.

    Raises:
        ValueError: if indices and x differ in shape.

    Source:
        Badrinarayanan et al. 2017 (SegNet), section III.

    Lesson:
        05.
    """

    def forward(self, x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
        if x.shape != indices.shape:
            raise ValueError(f"Values {tuple(x.shape)} and indices {tuple(indices.shape)} must have the same shape.")
        batch, channels, pixels = *x.shape[:2], output_size[0] * output_size[1]
        if is_channels_last(x):  # keep this memory format, (B, pixels, C): another one needs slow copies
            values, places = (part.movedim(1, 3).flatten(1, 2) for part in (x, indices))
            flat = x.new_zeros(batch, pixels, channels).scatter_(1, places, values)
            return flat.unflatten(1, output_size).movedim(3, 1)
        flat = x.new_zeros(batch, channels, pixels).scatter_(2, indices.flatten(2), x.flatten(2))
        return flat.unflatten(2, output_size)


class MaskingNet(nn.Module):
    """An encoder that records the indices of its max-pools, a middle, a decoder that unpools with them.

    Args:
        design: one of `DESIGNS`.
        width: channels of the first stage; they double from stage to stage, up to 8·width.
        num_classes: 2 (background and car logits) or 1 (a car logit).

    Shapes:
        (B, 3, H, W) → logits (B, num_classes, H, W).

    Attributes:
        size_divisor: what H and W must be multiples of, 2 ** (number of encoder stages).
        takes_maps: whether the network uses coordinate maps, so that ``maps`` may be passed.

    Raises:
        ValueError: if H or W is no multiple of ``size_divisor``.

    Lesson:
        05 (SegNet, Architecture #1), 06 (coordinate maps), 07 (dilation).
    """

    def __init__(self, design: Design, width: int = 64, num_classes: int = 2) -> None:
        super().__init__()
        self.design = design
        self.size_divisor = 2 ** len(design.encoder)
        self.takes_maps = design.coordinates is not None
        channels = [width * min(2**k, 8) for k in range(len(design.encoder))]  # 64, 128, 256, 512, 512
        self.down = nn.ModuleList()
        inputs = 3 + 2 * (design.coordinates == "input")
        for count, c in zip(design.encoder, channels, strict=True):
            self.down.append(_convolutions([inputs, *[c] * count]))
            inputs = c
        self.pool = nn.MaxPool2d(2, return_indices=True)

        bottom = channels[-1]
        self.middle = nn.Sequential()
        for k, rate in enumerate(design.dilation):
            extra = 2 * (k == 0 and design.coordinates == "middle")
            self.middle.append(ConvBlock(bottom + extra, bottom, batch_norm=True, dilation=rate))

        self.unpool = Unpool()
        self.up = nn.ModuleList()
        above = [*channels[-2::-1], channels[0]]  # what the next stage up works with
        for count, c, out in zip(design.decoder, channels[::-1], above, strict=True):
            self.up.append(_convolutions([c * (1 + design.skip), *[c] * (count - 1), out]))
        self.head = nn.Conv2d(channels[0], num_classes, kernel_size=3, padding=1)
        for part in (self.down, self.middle, self.up):
            part.apply(initialise)

    def forward(self, x: Tensor, maps: Tensor | None = None) -> Tensor:
        """Logits of a batch.

        ``maps``, (2, H, W), are needed only for a crop: the same crop of the whole image's coordinate maps.

        Args:
            x: (B, 3, H, W) in [0, 1].
            maps: (2, H, W), needed for a crop alone: the same crop of the whole image's coordinate maps; None for those
                of ``x``.

        Returns:
            logits, (B, num_classes, H, W).
        """
        check_divisible(x, self.size_divisor)
        if self.takes_maps and maps is None:
            maps = coordinate_maps(*x.shape[-2:], device=x.device, dtype=x.dtype)
        if self.design.coordinates == "input":
            x = append_maps(x, maps)  # (B, 5, H, W)
        seen = []
        for stage in self.down:
            x = stage(x)  # (B, c, H/2ᵏ, W/2ᵏ)
            full = x
            x, indices = self.pool(x)  # (B, c, H/2ᵏ⁺¹, W/2ᵏ⁺¹)
            seen.append((full, indices))
        if self.design.coordinates == "middle":
            step = self.size_divisor
            x = append_maps(x, maps[..., ::step, ::step])  # one value for every 16 pixels
        x = self.middle(x)  # (B, 8·width, H/16, W/16)
        for stage in self.up:
            full, indices = seen.pop()
            x = self.unpool(x, indices, full.shape[-2:])  # (B, c, 2h, 2w)
            if self.design.skip:
                x = torch.cat([full, x], dim=1)  # (B, 2c, 2h, 2w)
            x = stage(x)  # (B, c/2, 2h, 2w)
        return self.head(x)  # (B, num_classes, H, W)


def _convolutions(channels: list[int]) -> nn.Sequential:
    """3×3 convolutions with batch norm from each number of channels to the next."""
    return nn.Sequential(*(ConvBlock(a, b, batch_norm=True) for a, b in pairwise(channels)))
