"""Building blocks that several networks share."""

from torch import Tensor, nn

from carvana_lessons.utils.errors import ArgumentError


class ConvBlock(nn.Sequential):
    """A 3×3 convolution that keeps height and width, batch norm where wanted, ReLU.

    Args:
        in_channels: channels before.
        out_channels: channels after.
        batch_norm: normalise between convolution and ReLU. The convolution keeps its bias either way: the published
            parameter counts include it.
        dilation: distance between the kernel's taps, in pixels; 1 is a plain convolution (lesson 07).

    Shapes:
        (B, in_channels, H, W) → (B, out_channels, H, W).

    Lesson:
        02.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = False, dilation: int = 1) -> None:
        layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)]
        if batch_norm:
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class DoubleConv(nn.Sequential):
    """Two `ConvBlock` in sequence: one stage of a U-Net.

    Args:
        in_channels: channels before.
        out_channels: channels after.
        batch_norm: as for `ConvBlock`.

    Shapes:
        (B, in_channels, H, W) → (B, out_channels, H, W).

    Lesson:
        02.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = False) -> None:
        super().__init__(
            ConvBlock(in_channels, out_channels, batch_norm),
            ConvBlock(out_channels, out_channels, batch_norm),
        )


def is_channels_last(x: Tensor) -> bool:
    """Whether a tensor has the memory format `torch.channels_last`.

    The strides decide, because ``x.is_contiguous`` is true for both formats if there is a single pixel. A single
    channel is the same in both, and counts as contiguous.

    Args:
        x: (B, C, H, W).

    Returns:
        True for channels last.
    """
    return x.stride(1) < x.stride(3)


def check_divisible(x: Tensor, divisor: int) -> None:
    """Raise if 2×2 pools cannot halve the image evenly.

    Args:
        x: (B, C, H, W).
        divisor: what height and width must be multiples of: 2 ** (number of pools).

    Raises:
        ValueError: if they are not; it names the nearest sizes that work.
    """
    height, width = x.shape[-2:]
    if height % divisor or width % divisor:
        smaller = tuple(max(side // divisor, 1) * divisor for side in (height, width))
        larger = tuple(-(-side // divisor) * divisor for side in (height, width))
        raise ArgumentError(
            f"An image of {height}×{width} (height × width) cannot be halved {divisor.bit_length() - 1} times; both "
            f"sides must be multiples of {divisor}: take "
            f"{' or '.join(f'{h}×{w}' for h, w in dict.fromkeys([smaller, larger]))}."
        )


def initialise(module: nn.Module) -> None:
    """He initialisation for layers that feed a ReLU: the variance of the signal is kept from layer to layer.

    Without batch norm, PyTorch's default lets the signal shrink by a factor of about √6 per layer, and a deep plain
    U-Net then starts with an almost constant output.

    Args:
        module: any; only convolutions are changed. For ``network.apply(initialise)``.

    Source:
        He et al. 2015, "Delving deep into rectifiers".

    Lesson:
        02.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
