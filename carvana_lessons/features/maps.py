"""The maps between a network's stages: hooks that copy them, and hooks that set channels to zero."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from carvana_lessons.models.inspection import preserve_state
from carvana_lessons.utils.errors import ArgumentError


def stages(model: nn.Module) -> list[str]:
    """Names of a network's stages: its children that have weights, and the members of its ModuleLists.

    Args:
        model: any.

    Returns:
        names as `named_modules` has them, in the order in which they were defined.

    Lesson:
        08.
    """
    names = []
    for name, child in model.named_children():
        members = [f".{key}" for key, _ in child.named_children()] if isinstance(child, nn.ModuleList) else [""]
        names += [name + member for member in members if any(True for _ in child.parameters())]
    return names


def feature_maps(model: nn.Module, x: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Run a batch through a network and copy the outputs of its layers.

    Each output is copied at once: a ReLU with ``inplace=True`` overwrites the output of the layer before it. The hooks
    are removed afterwards, even if the network raised an error.

    Args:
        model: run in evaluation mode, and afterwards what it was before.
        x: (B, 3, H, W), moved to the model's device.
        layers: names as `named_modules` has them; unset, all `stages`.

    Returns:
        name → (B, C, h, w), in the order in which the layers ran. A layer that ran several times has one entry per run,
        ``pool:1``, ``pool:2``, …; one that returns a tuple has one per tensor, ``pool[0]``, ``pool[1]``.

    Raises:
        ValueError: for a name that the model does not have.
        Exception: whatever the model raises.

    Lesson:
        08.
    """
    runs: list[tuple[str, str, Tensor]] = []

    def copier(name: str):
        def hook(module, taken, given):
            for part, value in {"": given}.items() if isinstance(given, Tensor) else enumerate(given):
                if isinstance(value, Tensor):
                    runs.append((name, f"[{part}]" if part != "" else "", value.clone()))

        return hook

    names = stages(model) if layers is None else layers
    found = [(name, _find(model, name)) for name in names]  # before the first hook: a wrong name leaves none behind
    hooks = [module.register_forward_hook(copier(name)) for name, module in found]
    try:
        with preserve_state(model):
            model(x.to(next(model.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    several, seen, maps = Counter((name, part) for name, part, _ in runs), Counter(), {}
    for name, part, value in runs:
        seen[name, part] += 1
        run = f":{seen[name, part]}" if several[name, part] > 1 else ""
        maps[name + run + part] = value
    return maps


@contextmanager
def ablate(model: nn.Module, layer: str, channels: Iterable[int], layer_input: bool = False) -> Iterator[None]:
    """Set the chosen channels of one layer's output to zero inside the ``with`` block.

    Args:
        model: any.
        layer: a name as `named_modules` has it; its input and its output are one tensor each (B, C, h, w).
        channels: their indices.
        layer_input: ablate channels of the layer's input instead of its output.

    Raises:
        ValueError: for a name that the model does not have.

    Source:
        Meyes et al. 2019, "Ablation studies in artificial neural networks".

    Lesson:
        08.
    """
    chosen = list(channels)

    def without(value: Tensor) -> Tensor:
        value = value.clone()  # the network may hold the original elsewhere, to hand it across
        value[:, chosen] = 0
        return value

    module = _find(model, layer)
    if layer_input:
        hook = module.register_forward_pre_hook(lambda module, values: (without(values[0]), *values[1:]))
    else:
        hook = module.register_forward_hook(lambda module, values, given: without(given))
    try:
        yield
    finally:
        hook.remove()


def _find(model: nn.Module, name: str) -> nn.Module:
    modules = dict(model.named_modules())
    if name not in modules:
        raise ArgumentError(f"There is no layer {name!r}; the stages are {', '.join(stages(model))}.")
    return modules[name]
