"""A diagram of a network, drawn from its modules: one box per stage, arrows for data flow and skip connections."""

from itertools import pairwise

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import nn

from carvana_lessons.show.figures import Picture, figure
from carvana_lessons.show.steps import Step, added, trace

# Colour, and what the legend calls it.
ROLES = {
    "stage": ("#56B4E9", "3×3 convolutions, one per slice"),
    "pool": ("#FFFFFF", "max-pool"),
    "up": ("#E69F00", "transposed convolution"),
    "unpool": ("#CC79A7", "max-unpooling"),
    "head": ("#009E73", "logits"),
}
MAPS, INDICES = ("#D55E00", "--"), ("#0072B2", ":")  # colour and style of the skip connections
TALL, GAP = 0.72, 0.42


def architecture(model: nn.Module, size: tuple[int, int] = (128, 128), title: str = "") -> Picture:
    """Draw a network by running it once: one box per stage, lower for smaller maps, wider for more channels.

    Args:
        model: its stages are found by `trace`; no layout is given.
        size: (height, width) of the image.
        title: above the drawing.

    Returns:
        a picture. Dashed lines are skip connections, from a stage to a later one that concatenates its map; they are
        recognised by the channels that a stage takes beyond those of the stage before it. Channels from no stage are
        written as "+2" above the box. A dotted line leads to an unpooling from the stage whose pool recorded the
        indices. Where single convolutions are stages, their dilation rates stand in them.

    Lesson:
        02 (U-Net), 05 (indices), 06 (coordinate maps), 07 (rates).
    """
    steps = trace(model, size)
    # A pool is an arrow, not a box, unless its map is all that there is of an image size.
    last = len(steps) - 1
    boxes = [k for k, s in enumerate(steps) if s.role != "pool" or k == last or steps[k + 1].role == "unpool"]
    levels = {k: -((size[0] // steps[k].given[1]).bit_length() - 1) for k in boxes}
    fig, axis = plt.subplots(figsize=(8, 1.0 + 0.6 * len(set(levels.values()))))
    place = _draw_boxes(axis, steps, boxes, levels)
    for a, b in pairwise(boxes):
        _arrow(axis, (place[a][1], levels[a]), (place[b][0], levels[b]))

    beside = added(steps)
    for b, (a, channels) in beside.items():
        left, right = place[b]
        if a is None:
            top, middle = levels[b] + TALL / 2, (left + right) / 2
            _arrow(axis, (middle, top + 0.33), (middle, top), *MAPS)
            axis.text(middle + 0.1, top + 0.33, f"+{channels}", fontsize=8, va="top", color=MAPS[0])
        else:
            _arrow(axis, (place[a][1], levels[b] + 0.24), (left, levels[b] + 0.24), *MAPS)
    unpools = [k for k in boxes if steps[k].recorded is not None]
    for k in unpools:
        source, y = steps[k].recorded - 1, levels[k] - 0.24  # the stage before that pool
        _arrow(axis, (place[source][1], y), (place[k][0], y), *INDICES)

    _finish(axis, [steps[k] for k in boxes], beside, bool(unpools), sorted(set(levels.values())), size[0])
    axis.set_title(title or type(model).__name__)
    return figure(fig, _describe([steps[k] for k in boxes], steps, beside, size[0]))


def _draw_boxes(
    axis: Axes, steps: list[Step], boxes: list[int], levels: dict[int, int]
) -> dict[int, tuple[float, float]]:
    """Left and right of each box."""
    most = max(steps[k].given[0] for k in boxes)
    x, place = 0.0, {}
    for k in boxes:
        step, level = steps[k], levels[k]
        channels, slices = step.given[0], max(1, step.convolutions)
        width = slices * (0.13 + 0.35 * (channels / most) ** 0.7)
        color = ROLES[step.role][0]
        axis.add_patch(Rectangle((x, level - TALL / 2), width, TALL, facecolor=color, edgecolor="black", lw=0.8))
        for j in range(1, slices):
            axis.plot([x + width * j / slices] * 2, [level - TALL / 2, level + TALL / 2], color="black", lw=0.4)
        axis.text(x + width / 2, level - TALL / 2 - 0.04, f"{channels}", ha="center", va="top", fontsize=8)
        if step.kind == "ConvBlock":
            axis.text(x + width / 2, level, f"{step.rate}", ha="center", va="center", fontsize=9, weight="bold")
        place[k] = (x, x + width)
        x += width + GAP
    return place


def _finish(axis: Axes, drawn: list[Step], beside: dict, indices: bool, levels: list[int], top: int) -> None:
    """Sizes at the left, a legend below, room for all."""
    for level in levels:
        axis.text(-0.25, level, f"{top // 2**-level} px", ha="right", va="center", fontsize=8, color="#555555")
    roles = {step.role for step in drawn}
    entries = [Rectangle((0, 0), 1, 1, fc=c, ec="black", lw=0.8, label=n) for r, (c, n) in ROLES.items() if r in roles]
    if any(step.kind == "ConvBlock" for step in drawn):
        entries.append(Line2D([], [], color="black", marker="$2$", linestyle="", label="dilation rate, in the box"))
    lines = [(beside, MAPS, "map concatenated"), (indices, INDICES, "indices of the pool")]
    entries += [Line2D([], [], color=c, linestyle=s, lw=1.2, label=label) for there, (c, s), label in lines if there]
    axis.legend(handles=entries, loc="upper center", bbox_to_anchor=(0.5, 0.02), fontsize=8, handlelength=1.6,
                ncols=len(entries) if len(entries) < 5 else 3, columnspacing=1.4)  # fmt: skip
    axis.autoscale_view()
    axis.set_xlim(-1.2, axis.dataLim.x1 + 0.3)
    axis.set_ylim(levels[0] - 0.65, 0.75 if 0 in beside else 0.45)
    axis.axis("off")


def _describe(drawn: list[Step], steps: list[Step], beside: dict[int, tuple[int | None, int]], top: int) -> str:
    channels = " → ".join(str(step.given[0]) for step in drawn)
    sizes = {step.given[1] for step in drawn}
    text = f"The network as boxes: channels {channels}; {len(sizes)} image sizes from {top} px down to {min(sizes)} px"
    text += " and back"
    if skips := sum(source is not None for source, _ in beside.values()):
        text += f"; {skips} dashed lines carry maps across"
    if unpools := sum(step.recorded is not None for step in drawn):
        text += f"; {unpools} dotted lines carry indices across to the unpoolings"
    if rates := [str(step.rate) for step in drawn if step.kind == "ConvBlock"]:
        text += f"; convolutions in the middle with dilation rates {', '.join(rates)}"
    for k, (source, count) in beside.items():
        text += f"; {count} maps from outside enter before {steps[k].name}" if source is None else ""
    return text + "."


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], color="#333333", style="-") -> None:
    """A line of that style with a head that is never broken up by it."""
    options = {"color": color, "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    if style != "-":
        axis.plot(*zip(start, end, strict=True), color=color, lw=1.1, linestyle=style)
        near = 0.2 / max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        start = tuple(e - near * (e - s) for s, e in zip(start, end, strict=True))
    axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, **options))
