"""What a training needs to go on, as named tensors: the optimiser's memory and the random generators."""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carvana_lessons.models import checkpoint
from carvana_lessons.models.checkpoint import Checkpoint
from carvana_lessons.training.history import History


def restore(
    saved: Checkpoint,
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    device: torch.device,
    precision: str,
    process: int = 0,
) -> None:
    """Put everything back that a training had when a checkpoint was written.

    Args:
        saved: the checkpoint.
        path: where it was read, for the errors.
        model: gets the weights, and what they learned from.
        optimizer: gets its memory.
        scaler: gets its scale; a session on another GPU may compute in another precision, and a sentence says so.
        device: where the network is.
        precision: "no", "bf16" or "fp16".
        process: of several that train together, this one.

    Raises:
        CarvanaError: if the weights are of another network.
    """
    checkpoint.fill(model, saved, path)
    restore_optimizer(optimizer, saved.state)
    restore_random(saved.state, device, process)
    before = saved.about["precision"]
    if before == precision:
        scaler.load_state_dict(saved.about["scaler"])
    elif process == 0:
        print(f"The run was begun in precision {before} and continues in {precision}.")


def make_checkpoint(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    history: History,
    draws: Sequence[dict[str, Tensor]],
    **about: Any,
) -> Checkpoint:
    """Everything needed to go on, as a file holds it; the reverse of `restore`.

    Args:
        model: with what it has learned from as ``provenance``.
        optimizer: of the model.
        scaler: of its gradients.
        history: of all epochs so far.
        draws: `random_tensors` of every process.
        about: plain values: the run's name and settings, the epoch, the step.

    Returns:
        The checkpoint.
    """
    about = {
        "network": getattr(model, "recipe", None),
        **about,
        **model.provenance.describe(),
        "scaler": scaler.state_dict(),
        "history": history.frame.to_dict("records"),
    }
    tensors = optimizer_tensors(optimizer)
    for process in draws:
        tensors |= process
    return Checkpoint(model.state_dict(), about, tensors)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's memory as named tensors: "optimizer/3/exp_avg" for parameter 3.

    Args:
        optimizer: after one step at least, or its memory is empty.

    Returns:
        name → tensor.
    """
    state = optimizer.state_dict()["state"]
    return {f"optimizer/{k}/{name}": torch.as_tensor(v) for k, slot in state.items() for name, v in slot.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """The reverse of `optimizer_tensors`.

    What belongs to a parameter gets the parameter's device, type and order in memory: fused Adam on a GPU refuses
    anything else, and a file keeps no order.

    Args:
        optimizer: changed in place.
        state: as `optimizer_tensors` gives it.
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

    Returns:
        name → tensor.
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
    """The reverse of `random_tensors`; a GPU's generator stays as it is where the state is of another device.

    Args:
        state: as `random_tensors` gives it.
        device: where the network is.
        process: of several that train together.
    """
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
