"""A trained network as one ONNX file, which other programs run without torch and without this package.

torch has two exporters. The newer one (``dynamo=True``) fails in torch 2.5, the oldest that this package takes, at all
networks of two classes, and in torch 2.14 it takes a minute where the older one takes a second. So the older one is
asked for; torch 2.9 and newer call it deprecated, and still have it.

Lesson:
    export.
"""

import io
import json
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carvana_lessons import __version__
from carvana_lessons.models import Unpool, fuse_batch_norm, provenance, read_card, shipped
from carvana_lessons.models.blocks import check_divisible
from carvana_lessons.models.logits import car_logit
from carvana_lessons.models.provenance import PREPARATION
from carvana_lessons.prediction.inference import Size, input_size
from carvana_lessons.prediction.trained import load_trained
from carvana_lessons.utils.errors import ArgumentError, CarvanaError
from carvana_lessons.utils.files import new_file, replacing
from carvana_lessons.utils.paths import expand

OPSET = 17  # of 2022: old enough for the runtimes in use, new enough for int8 weights with a scale per channel
INPUT, OUTPUT = "photo", "car_logit"
FREE = {0: "batch", 2: "height", 3: "width"}
PILLOW = (  # what `read_resized` does
    "with Pillow: image.draft(None, (width, height)), which decodes a JPEG at a fraction of its size, then "
    'image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)'
)
LICENSE = "the package carvana-lessons: MIT; the weights"  # and what their card says of them
Places = list[Tensor]


class PoolPlaces(nn.Module):
    """A 2×2 max-pool that says with four masks, instead of indices, which pixel of each window was the largest.

    Pooling with indices is an operator that TensorRT and others lack, and unpooling is one that torch does not export.
    Slices and comparisons are everywhere. Of equal pixels the first counts, as for torch: behind a ReLU all four are
    often 0.

    Args:
        x: (B, C, H, W), H and W even.

    Returns:
        values, (B, C, H/2, W/2), and four bool masks of that shape: upper left, upper right, lower left, lower right.
        Exactly one of the four is true.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Places]:
        corners = [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
        values = torch.maximum(torch.maximum(*corners[:2]), torch.maximum(*corners[2:]))
        places = [corners[0] == values]
        taken = places[0]
        for corner in corners[1:]:
            places.append((corner == values) & ~taken)
            taken = taken | places[-1]
        return values, places


class UnpoolPlaces(nn.Module):
    """`Unpool` with the four masks of `PoolPlaces`: each gives one pixel of every window of 2×2, interleaved.

    Args:
        x: (B, C, h, w) values.
        places: four masks, (B, C, h, w).
        output_size: (2h, 2w); not needed here, and taken as `Unpool` takes it.

    Returns:
        (B, C, 2h, 2w).
    """

    def forward(self, x: Tensor, places: Places, output_size: tuple[int, int]) -> Tensor:
        corners = torch.stack([x * place.to(x.dtype) for place in places], dim=2)  # (B, C, 4, h, w)
        return F.pixel_shuffle(corners.flatten(1, 2), 2)  # (B, C, 2h, 2w)


class CarLogit(nn.Module):
    """A network as it is exported: one output, the car's logit, whatever the number of its classes.

    Args:
        network: (B, 3, H, W) → logits (B, K, H, W).

    Shapes:
        (B, 3, H, W) in [0, 1] → (B, 1, H, W).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor) -> Tensor:
        return car_logit(self.network(photo))


def exportable(model: nn.Module) -> nn.Module:
    """A copy of a network that computes the same car logit in operators that every runtime has.

    Batch norms are folded into the convolutions (`fuse_batch_norm`), and unpooling is written with masks.

    Args:
        model: (B, 3, H, W) → logits (B, K, H, W).

    Returns:
        (B, 3, H, W) → car logit (B, 1, H, W); a copy on the CPU, in evaluation mode.

    Raises:
        ArgumentError: for a pooling with indices of another kind than 2×2.

    Lesson:
        export.
    """
    copied = fuse_batch_norm(model).cpu().to(memory_format=torch.contiguous_format)
    for part in list(copied.modules()):
        for name, child in part.named_children():
            if isinstance(child, Unpool):
                setattr(part, name, UnpoolPlaces())
            elif isinstance(child, nn.MaxPool2d) and child.return_indices:
                _check_pool(child)
                setattr(part, name, PoolPlaces())
    return CarLogit(copied).eval().requires_grad_(False)


def _check_pool(pool: nn.MaxPool2d) -> None:
    settings = {pool.kernel_size, pool.stride}
    if settings - {2, (2, 2)} or pool.padding not in (0, (0, 0)) or pool.dilation not in (1, (1, 1)) or pool.ceil_mode:
        raise ArgumentError(f"Only a pooling of 2×2 with indices can be exported, not {pool}; take nn.MaxPool2d(2).")


def export_onnx(
    model: nn.Module, path: str | Path, size: Size = None, free: bool = False, overwrite: bool = False
) -> Path:
    """Write a trained network to an ONNX file: float32, opset 17, any batch size.

    Its input ``photo`` is (batch, 3, height, width) float32, red, green, blue in [0, 1]. Its output ``car_logit`` is
    (batch, 1, height, width) float32, above 0 where a pixel is car; a network of two classes gives car minus
    background. How a photo becomes the input, and the output a mask, stands in the file's metadata, with what is known
    of the training.

    Args:
        model: a network on any device; it stays as it is.
        path: the file to write.
        size: side, or (height, width), of the input; None: the size that it was trained for.
        free: leave height and width open: any multiples of the network's ``size_divisor``. A runtime for phones or GPUs
            may want them fixed.
        overwrite: replace a file that is there.

    Returns:
        the path.

    Raises:
        CarvanaError: if onnx is not installed, a file is there, nothing says the size, or the size cannot be halved as
            often as the network does; if the disk is full or may not be written to.

    Lesson:
        export.
    """
    onnx = _onnx()
    path = new_file(expand(path), overwrite)
    divisor = getattr(model, "size_divisor", 1)
    if free and size is not None:
        raise ArgumentError("A free size and a fixed one exclude each other: leave out one of the two.")
    height, width = (4 * divisor, 6 * divisor) if free else input_size(model, size)
    example = torch.rand(1, 3, height, width)
    check_divisible(example, divisor)
    made = onnx.load_from_string(_traced(exportable(model), example, FREE if free else {0: FREE[0]}))
    onnx.helper.set_model_props(made, _metadata(model, None if free else (height, width)))
    onnx.checker.check_model(made, full_check=True)
    with replacing(path) as temporary:
        temporary.write_bytes(made.SerializeToString())
    return path


def _onnx():
    try:
        import onnx
    except ImportError as error:
        raise CarvanaError(
            "The export needs the package onnx, which is not installed: run `pip install onnx` (and, to run the file, "
            "`pip install onnxruntime`)."
        ) from error
    return onnx


def _traced(network: nn.Module, example: Tensor, axes: dict[int, str]) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Of the deprecation, see above, and of Python's conditions on a size, which are not part of the file: for sizes
        # that do not fit, its own operators fail.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            content,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: axes},
        )
    return content.getvalue()


def _metadata(model: nn.Module, size: tuple[int, int] | None) -> dict[str, str]:
    """What a reader of the file must know, as texts; ONNX has no other kind."""
    recipe = getattr(model, "recipe", None) or {"name": type(model).__name__}
    known = provenance(model)
    divisor = getattr(model, "size_divisor", 1)
    sides = f"multiples of {divisor}" if size is None else f"{size[0]} and {size[1]}"
    trained = "an unknown size" if known.size is None else f"{known.size[0]}×{known.size[1]}"
    told = {
        "network": json.dumps(recipe),
        "input": f"{INPUT}: (batch, 3, height, width) float32 in [0, 1], channels red, green, blue; height and width "
        f"are {sides}, the training had {trained}",
        "size": json.dumps(size or known.size),
        "preparation": f"{PREPARATION}; {PILLOW}",
        "output": f"{OUTPUT}: (batch, 1, height, width) float32, the car's logit: above 0 is car, sigmoid gives the "
        "probability",
        "mask": "resize the output bilinearly to the photo's size, then take what is above 0",
        "made_with": f"carvana-lessons {__version__}, torch {torch.__version__}, "
        "batch norms folded into the convolutions",
    }
    return told | _card(model)


def _card(model: nn.Module) -> dict[str, str]:
    """The card of the weights where they are those that come with the package; its lists of cars stay there."""
    network, own = (getattr(model, "recipe", None) or {}).get("name"), model.state_dict()
    for name in shipped():
        card = {key: value for key, value in read_card(name).items() if key != "cars"}
        if card["network"] == network and _equal(own, load_trained(name).state_dict()):
            return {"card": json.dumps(card, ensure_ascii=False), "license": f"{LICENSE} {card['terms']}"}
    return {}


def _equal(own: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return own.keys() == theirs.keys() and all(
        own[key].shape == theirs[key].shape and torch.equal(own[key].cpu(), theirs[key]) for key in own
    )
