"""A training on disk: weights, optimiser, random state and history in one file that holds no code.

The file is a safetensors file with a few lines of JSON in its header: any safetensors reader can take the weights out,
and nothing in it is ever executed.
"""

import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save_file
from torch import Tensor, nn

from carvana_lessons import models
from carvana_lessons.errors import CarvanaError
from carvana_lessons.files import replacing

FORMAT = 2  # raised when an older package could not read the file
RESUMABLE = 2  # the oldest format that a run can be continued from; weights are read from any


@dataclass
class Checkpoint:
    """What a file holds.

    Attributes:
        weights: the network's state dict.
        about: plain values: the network's recipe and ``Provenance``, the epoch, the history.
        state: further tensors by name, needed to go on (optimiser, random generators); empty in a file for use only.
    """

    weights: dict[str, Tensor]
    about: dict
    state: dict[str, Tensor] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all: a killed process leaves the file that was there before."""
    tensors = {f"weights/{k}": v for k, v in checkpoint.weights.items()}
    tensors |= {f"state/{k}": v for k, v in checkpoint.state.items()}
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    header = {"carvana_lessons": json.dumps({"format": FORMAT, **checkpoint.about})}
    with replacing(Path(path)) as temporary:
        save_file(tensors, temporary, metadata=header)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises: CarvanaError for a file that is missing, cut off, no checkpoint of this course, or from a newer version.
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
        raise CarvanaError(f"{path} is no checkpoint of this course: its header says nothing of a network.")
    if about["format"] > FORMAT:
        raise CarvanaError(f"{path} was written by a newer version of carvana-lessons; update it to read this file.")
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "state": {}}
    for name, tensor in tensors.items():
        part, _, key = name.partition("/")
        parts[part][key] = tensor
    return Checkpoint(parts["weights"], about, parts["state"])


def fill(model: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Put a checkpoint's weights into a network.

    Raises: CarvanaError if they belong to another network, or to one of another width.
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
    """Make the network that a checkpoint tells of, with its weights.

    Returns: it, in evaluation mode, with what is known of its training as ``provenance``.
    Raises: CarvanaError as `load`; and for a network that `models.create` does not know.
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


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's memory as named tensors: "optimizer/3/exp_avg" for parameter 3."""
    state = optimizer.state_dict()["state"]
    return {f"optimizer/{k}/{name}": torch.as_tensor(v) for k, slot in state.items() for name, v in slot.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """The reverse of `optimizer_tensors`.

    What belongs to a parameter gets the parameter's device, type and order in memory: fused Adam on a GPU refuses
    anything else, and a file keeps no order.
    """
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        kind, _, rest = name.partition("/")
        if kind == "optimizer":
            key, _, what = rest.partition("/")
            slots.setdefault(int(key), {})[what] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, slot in optimizer.state.items():
        for name, value in slot.items():
            if value.shape == parameter.shape and value.dim():
                slot[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def random_tensors(device: torch.device, process: int = 0) -> dict[str, Tensor]:
    """The state of every random generator that a training draws from.

    Args:
        device: where the network is.
        process: of several that train together; each draws for itself.
    """
    _, python, gauss = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002  transforms may draw from the global generator
    state = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(numpy_state[1].astype(np.int64)),
        "numpy_position": torch.tensor([numpy_state[2], numpy_state[3]]),
        "numpy_gauss": torch.tensor(numpy_state[4], dtype=torch.float64),
        "python": torch.tensor(python),
        # `random.gauss` draws two numbers at a time and keeps the second; NaN where it keeps none.
        "python_gauss": torch.tensor(math.nan if gauss is None else gauss, dtype=torch.float64),
    }
    if device.type != "cpu":
        state[device.type] = _generator_of(device).get_rng_state()
    return {f"random/{process}/{name}": value for name, value in state.items()}


def restore_random(state: dict[str, Tensor], device: torch.device, process: int = 0) -> None:
    """The reverse of `random_tensors`; a GPU's generator stays as it is where the state is of another device."""
    own = f"random/{process}/"
    saved = {name.removeprefix(own): value for name, value in state.items() if name.startswith(own)}
    torch.set_rng_state(saved["torch"])
    position, has_gauss = saved["numpy_position"].tolist()
    keys = saved["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, position, has_gauss, saved["numpy_gauss"].item()))  # noqa: NPY002
    gauss = saved["python_gauss"].item() if "python_gauss" in saved else math.nan  # older files have none
    random.setstate((3, tuple(saved["python"].tolist()), None if math.isnan(gauss) else gauss))
    if device.type in saved:
        _generator_of(device).set_rng_state(saved[device.type])


def _generator_of(device: torch.device) -> ModuleType:
    """The module of torch that has the device's default generator: `torch.cuda` or `torch.mps`."""
    return getattr(torch, device.type)
