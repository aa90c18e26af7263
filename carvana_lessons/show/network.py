"""A network drawn from its own modules: what runs, in which order, and what comes out."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import nn

from carvana_lessons.figures import Picture, figure


@dataclass
class Step:
    """One module's run: its name, kind, shape in and shape out, (C, H, W) each."""

    name: str
    kind: str
    taken: tuple[int, int, int]
    given: tuple[int, int, int]


def trace(model: nn.Module, size: tuple[int, int]) -> list[Step]:
    """The stages of a network in the order in which they run.

    Args:
        model: (1, 3, H, W) → anything; its children, and the members of its ModuleLists, are the stages.
        size: (height, width) of the image to send through.
    Returns: one `Step` a run of a stage.
    """
    steps: list[Step] = []

    def note(name: str):
        def hook(module, taken, given):
            steps.append(Step(name, type(module).__name__, tuple(taken[0].shape[1:]), tuple(given.shape[1:])))

        return hook

    hooks = []
    for name, child in model.named_children():
        members = child.named_children() if isinstance(child, nn.ModuleList) else [("", child)]
        hooks += [member.register_forward_hook(note(f"{name}{key}")) for key, member in members]
    try:
        with torch.no_grad():
            parameter = next(model.parameters())
            model(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return steps


def architecture(model: nn.Module, size: tuple[int, int] = (128, 128), title: str = "") -> Picture:
    """Draw a network by running it once: a box a stage, lower where the image is smaller, wider for more channels.

    Args:
        model: its stages are found as `trace` finds them; no layout is told beforehand.
        size: (height, width) of the image.  title: above the drawing.
    Returns: a picture. A dashed line leads from a stage to a later one that takes its map beside the last one's:
        the skip connections, recognised by the channels that a stage takes and nobody just gave.
    Lesson: 02.
    """
    steps = trace(model, size)
    top = size[0]
    boxes = [s for s in steps if s.kind != "MaxPool2d"]  # a pool is an arrow, not a box
    fig, axis = plt.subplots(figsize=(8, 3.6))
    x, drawn = 0.0, []
    for step in boxes:
        channels, height, _ = step.given
        width = 0.12 + 0.012 * channels**0.85
        level = -((top // height).bit_length() - 1)
        tall = 0.72
        color = {"ConvTranspose2d": "#E69F00", "DoubleConv": "#56B4E9"}.get(step.kind, "#009E73")
        axis.add_patch(Rectangle((x, level - tall / 2), width, tall, facecolor=color, edgecolor="black", lw=0.8))
        axis.text(x + width / 2, level - tall / 2 - 0.04, f"{channels}", ha="center", va="top", fontsize=8)
        drawn.append((step, x, x + width, level))
        x += width + 0.42
    for (_, _, right, level), (_, left, _, next_level) in pairwise(drawn):
        _arrow(axis, (right, level), (left, next_level))
    for earlier, later in _skips(boxes):
        start, end = drawn[earlier], drawn[later]
        y = start[3] + 0.26
        _arrow(axis, (start[2], y), (end[1], y), style="--", color="#D55E00")
    levels = sorted({level for *_, level in drawn})
    for level in levels:
        side = top // 2**-level
        axis.text(-0.25, level, f"{side} px", ha="right", va="center", fontsize=8, color="#555555")
    axis.set_xlim(-1.0, x)
    axis.set_ylim(min(levels) - 0.7, 0.65)
    axis.axis("off")
    axis.set_title(title or type(model).__name__)
    channels = " → ".join(str(s.given[0]) for s in boxes)
    alt = (
        f"The network as boxes: channels {channels}; {len(levels)} image sizes from {top} px down to "
        f"{top // 2 ** -min(levels)} px and back; {len(_skips(boxes))} dashed lines carry maps across."
    )
    return figure(fig, alt)


def _skips(steps: list[Step]) -> list[tuple[int, int]]:
    """Pairs (from, to) where ``to`` takes more channels than the step before it gave, and ``from`` gave the rest."""
    found = []
    for k in range(1, len(steps)):
        missing = steps[k].taken[0] - steps[k - 1].given[0]
        if missing <= 0:
            continue
        for j in range(k - 2, -1, -1):
            if steps[j].given == (missing, *steps[k].taken[1:]):
                found.append((j, k))
                break
    return found


def _arrow(axis, start, end, style="-", color="#333333") -> None:
    axis.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, lw=0.9, linestyle=style, color=color)
    )
