"""Initialise an encoder with VGG-16, pretrained on ImageNet.

Source:
    slides [B], "First 10 layers" (pre-trained VGG-16); Simonyan & Zisserman 2015 for the network.
"""

from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import torch
from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights

from carvana_lessons.models.blocks import ConvBlock
from carvana_lessons.models.maskingnet import MaskingNet
from carvana_lessons.utils.connection import explain_connection
from carvana_lessons.utils.errors import ArgumentError, CarvanaError
from carvana_lessons.utils.os_errors import explain_system

# The normalisation of ImageNet's photos that VGG was trained with: (x − MEAN) / STD, per channel.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_pretrained(model: nn.Module, file: str | Path | None = None) -> nn.Module:
    """Copy VGG-16's convolutions and batch norms into the encoder of a network, in place.

    The encoder gets photos in [0, 1], VGG was trained on photos normalised with ImageNet's mean and standard deviation.
    That normalisation is folded into the first convolution, so that the features are VGG's own (except for the
    outermost pixel, where the zeros of the padding mean black here and grey there). Further input channels,
    Architecture #2's coordinate maps, start at weight zero.

    Args:
        model: one of the five networks with VGG's encoder, at width 64: its first 10 convolutions are used, 13 for
            SegNet.
        file: a state dict of torchvision's ``vgg16_bn``, as .pth or .safetensors; unset, torchvision's ImageNet
            weights, downloaded once (528 MB).

    Returns:
        the same model.

    Raises:
        CarvanaError: without a network, or for a file that is no such state dict.
        ValueError: for another network or another width.

    Lesson:
        10.
    """
    if not isinstance(model, MaskingNet) or model.head.in_channels != 64:
        raise ArgumentError("Only segnet, arc1, arc2, arc3 and maskingnet at width 64 have an encoder like VGG-16's.")
    weights = _read(Path(file)) if file is not None else _download()
    blocks = [block for stage in model.down for block in stage]
    for block, (convolution, norm) in zip(blocks, _layers(), strict=False):
        _copy(weights, convolution, block[0], inputs=3 if block is blocks[0] else None)
        _copy(weights, norm, block[1])
    _fold_normalisation(blocks[0])
    return model


def _layers() -> list[tuple[str, str]]:
    """Names of the 13 pairs (convolution, batch norm) in torchvision's state dict; pools have none."""
    names, k = [], 0
    for count in (2, 2, 3, 3, 3):
        for _ in range(count):
            names.append((f"features.{k}", f"features.{k + 1}"))
            k += 3  # convolution, batch norm, ReLU
        k += 1  # pool
    return names


@torch.no_grad()
def _copy(weights: dict[str, Tensor], source: str, layer: nn.Module, inputs: int | None = None) -> None:
    for name, target in layer.state_dict().items():
        if name == "num_batches_tracked":
            continue
        key = f"{source}.{name}"
        value = weights.get(key)
        wanted = target[:, :inputs] if name == "weight" and inputs else target
        if value is None or value.shape != wanted.shape:
            found = "is missing" if value is None else f"is {tuple(value.shape)}, not {tuple(wanted.shape)}"
            raise CarvanaError(f"These are not the weights of torchvision's vgg16_bn: {key} {found}.")
        target.zero_()
        wanted.copy_(value)


@torch.no_grad()
def _fold_normalisation(block: ConvBlock) -> None:
    """w · (x − mean) / std = (w / std) · x − Σ w · mean / std."""
    convolution = block[0]
    mean, std = (torch.tensor(v, device=convolution.weight.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    rgb = convolution.weight[:, :3]
    rgb /= std
    convolution.bias -= (rgb * mean).sum(dim=(1, 2, 3))


def _read(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise CarvanaError(f"There is no file {file}; give the path of vgg16_bn's weights, .pth or .safetensors.")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load

            return load(file.read_bytes())  # a mapped file could not be replaced on Windows while an error is shown
        return torch.load(file, map_location="cpu", weights_only=True)  # tensors alone: no code in it is ever run
    except Exception as error:  # each format raises its own exceptions for a wrong file
        raise CarvanaError(
            f"{file} cannot be read as a state dict ({type(error).__name__}); download it again."
        ) from error


def _download() -> dict[str, Tensor]:
    entry = VGG16_BN_Weights.IMAGENET1K_V1
    try:
        return entry.get_state_dict(progress=False, check_hash=True)
    except (OSError, HTTPException, RuntimeError) as error:
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
        raise CarvanaError(
            f"The weights of VGG-16 could not be fetched from {entry.url}. {_why(error)}; or put that file at "
            f"{cached}, name it with `file=`, or train without pretrained weights."
        ) from error


def _why(error: Exception) -> str:
    """What failed and what to do, of the connection, the disk, or the file that came."""
    if found := explain_connection(error, "PyTorch's server", "the weights", "SSL_CERT_FILE"):
        return found
    if isinstance(error, HTTPError):
        return f"The server, or a proxy before it, refuses the file ({error.code}): try another network"
    if isinstance(error, OSError) and (found := explain_system(error)):
        return f"{found} (TORCH_HOME names the folder that keeps weights)"
    if "hash" in str(error):
        return "Another file arrived: run it again, or use another network, where no proxy changes files"
    return f"The reason: {error}"
