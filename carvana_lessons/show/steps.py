"""Trace a network: which stages run, in which order, with which shapes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carvana_lessons.models import ConvBlock, Unpool
from carvana_lessons.models.inspection import preserve_state


@dataclass
class Step:
    """One call of a module.

    Attributes:
        name: of the module.
        kind: its class.
        taken: shape in, (C, H, W).
        given: shape out, (C, H, W).
        role: "stage", "pool", "up" (transposed convolution), "unpool" or "head".
        convolutions: how many are in it.
        rate: dilation of the first of them.
        recorded: the step, counted from 0, whose indices it takes; None for all but an unpooling.
    """

    name: str
    kind: str
    taken: tuple[int, int, int]
    given: tuple[int, int, int]
    role: str = "stage"
    convolutions: int = 0
    rate: int = 1
    recorded: int | None = None


def trace(model: nn.Module, size: tuple[int, int]) -> list[Step]:
    """The stages of a network in the order in which they run.

    Args:
        model: (1, 3, H, W) → anything; its state is preserved. Its children are the stages, and of a ModuleList, or of
            a Sequential of `ConvBlock`, the members are.
        size: (height, width) of the image to send through.

    Returns:
        one `Step` per call of a stage.
    """
    steps: list[Step] = []
    recorded: list[tuple[Tensor, int]] = []

    def note(name: str):
        def hook(module, taken, given):
            step = Step(name, type(module).__name__, tuple(taken[0].shape[1:]), (0, 0, 0), _role(module))
            if isinstance(given, tuple):
                given, indices = given
                recorded.append((indices, len(steps)))
            step.given = tuple(given.shape[1:])
            convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
            step.convolutions, step.rate = len(convolutions), convolutions[0].dilation[0] if convolutions else 1
            if step.role == "unpool":  # the very tensor that a pool gave, so nothing is guessed
                step.recorded = next((k for indices, k in recorded if indices is taken[1]), None)
            steps.append(step)

        return hook

    hooks = []
    for name, child in model.named_children():
        row = type(child) is nn.Sequential and all(isinstance(member, ConvBlock) for member in child)
        members = child.named_children() if row or isinstance(child, nn.ModuleList) else [("", child)]
        hooks += [member.register_forward_hook(note(f"{name}{key}")) for key, member in members]
    try:
        parameter = next(model.parameters())
        with preserve_state(model):
            model(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return steps


def _role(module: nn.Module) -> str:
    """What a stage is for, by its class and what is in it."""
    if isinstance(module, nn.MaxPool2d):
        return "pool"
    if isinstance(module, Unpool):
        return "unpool"
    if isinstance(module, nn.ConvTranspose2d):
        return "up"
    return "stage" if any(isinstance(part, ConvBlock) for part in module.modules()) else "head"


def added(steps: list[Step]) -> dict[int, tuple[int | None, int]]:
    """What a step takes beside the map that the step before it gave, known by its channels.

    Args:
        steps: as `trace` gives them.

    Returns:
        step → (the earlier step that gave the rest, or None if none did; how many channels), counted from 0.
    """
    found = {}
    for k, step in enumerate(steps):
        before = steps[k - 1].given[0] if k else 3
        missing = step.taken[0] - before
        if missing > 0:
            source = next((j for j in range(k - 2, -1, -1) if steps[j].given == (missing, *step.taken[1:])), None)
            found[k] = (source, missing)
    return found
