"""A checkpoint of a training: weights, optimiser, random state and history in one file that holds no code.

The file is a safetensors file with a few lines of JSON in its header: any safetensors reader can take the weights out,
and nothing in it is ever executed.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save_file
from torch import Tensor, nn

from carvana_lessons import models
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing

FORMAT = 2  # raised when an older package could not read the file
RESUMABLE = 2  # the oldest format that a run can be continued from; weights are read from any


@dataclass
class Checkpoint:
    """The content of a checkpoint file.

    Attributes:
        weights: the network's state dict.
        about: plain values: the network's recipe and `Provenance`, the epoch, the history.
        state: further tensors by name, needed to resume (optimiser, random generators); empty in a file for inference.
    """

    weights: dict[str, Tensor]
    about: dict
    state: dict[str, Tensor] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically: a killed process leaves the file that was there before.

    Args:
        path: the file to write.
        checkpoint: what it is to hold.
    """
    tensors = {f"weights/{k}": v for k, v in checkpoint.weights.items()}
    tensors |= {f"state/{k}": v for k, v in checkpoint.state.items()}
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    header = {"carvana_lessons": json.dumps({"format": FORMAT, **checkpoint.about})}
    with replacing(Path(path)) as temporary:
        save_file(tensors, temporary, metadata=header)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: a ``.safetensors`` file that `save` wrote.

    Returns:
        what the file holds; its tensors are on the CPU.

    Raises:
        CarvanaError: for a file that is missing, cut off, no checkpoint of this course, or from a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise CarvanaError(f"There is no checkpoint {path}; train first, or name another file.")
    try:
        content = path.read_bytes()  # not mapped: Windows would refuse to replace a file that is
        tensors = load_bytes(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header.get("__metadata__", {}).get("carvana_lessons", "null"))
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise CarvanaError(
            f"{path} is cut off or no safetensors file ({error}); use another checkpoint, other formats are not read."
        ) from error
    known = all(name.startswith(("weights/", "state/")) for name in tensors)
    if not (known and isinstance(about, dict) and isinstance(about.get("format"), int)):
        raise CarvanaError(f"{path} is no checkpoint of this course: its header names no network.")
    if about["format"] > FORMAT:
        raise CarvanaError(f"{path} was written by a newer version of carvana-lessons; update it to read this file.")
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "state": {}}
    for name, tensor in tensors.items():
        part, _, key = name.partition("/")
        parts[part][key] = tensor
    return Checkpoint(parts["weights"], about, parts["state"])


def fill(model: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Load a checkpoint's weights into a network.

    Args:
        model: the network, changed in place.
        checkpoint: where the weights come from.
        path: of the checkpoint, for the error.

    Raises:
        CarvanaError: if they belong to another network, or to one of another width.
    """
    _compare(model, checkpoint, path)
    model.load_state_dict(checkpoint.weights)
    model.provenance = models.Provenance.read(checkpoint.about, str(path))


def _compare(model: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    own = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    theirs = {k: tuple(v.shape) for k, v in checkpoint.weights.items()}
    if own != theirs:
        wrong = next(k for k in {**own, **theirs} if own.get(k) != theirs.get(k))
        raise CarvanaError(
            f"{path} holds the weights of another network ({_recipe_text(checkpoint)}): {wrong} is "
            f"{theirs.get(wrong, 'missing there')}, here {own.get(wrong, 'not wanted')}; create the same network."
        )


def load_model(path: Path) -> nn.Module:
    """Build the network of a checkpoint and load its weights.

    Args:
        path: a ``.safetensors`` file that `save` wrote.

    Returns:
        the network, in evaluation mode, with what is known of its training as ``provenance``.

    Raises:
        CarvanaError: as `load`; and for a network that `models.create` does not know.
    """
    checkpoint = load(path)
    recipe = checkpoint.about.get("network")
    if not recipe:
        raise CarvanaError(f"{path} does not say which network it is of; create that one and use `fill`.")
    try:
        with torch.device("meta"):  # shapes without memory: a damaged header may ask for more than there is
            shapes = models.create(**recipe)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CarvanaError(f"{path} is of a network that this version does not know: {error}") from error
    _compare(shapes, checkpoint, path)
    model = models.create(**recipe)
    model.load_state_dict(checkpoint.weights)
    model.provenance = models.Provenance.read(checkpoint.about, str(path))
    return model.eval()


def _recipe_text(checkpoint: Checkpoint) -> str:
    recipe = checkpoint.about.get("network") or {}
    return ", ".join(f"{k} {v}" for k, v in recipe.items() if v is not None) or "unnamed"
