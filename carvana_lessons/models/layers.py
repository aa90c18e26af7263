"""A network as a list of layers: what another program needs to compute it, besides its weights.

The published pages run the networks of the course in plain JavaScript, see the appendix `network-in-the-page`. They
read this list; a test compares the logits that they compute from it with those of torch, for all eight networks.

Lesson:
    network-in-the-page.
"""

from collections.abc import Iterator, Sequence
from functools import singledispatch

from torch import nn

from carvana_lessons.models.maskingnet import MaskingNet
from carvana_lessons.models.unet import UNet
from carvana_lessons.utils.errors import ArgumentError

Layer = dict[str, str | int | float | list[str]]
INPUT = "photo"


def layers(model: nn.Module) -> list[Layer]:
    """The layers of a network in the order in which they are computed.

    Each has a name, ``to``, and the names of the layers whose maps it takes, ``from``; the first takes "photo". The
    logits are what the last one gives. Where a stage ends, ``stage`` names it. The kinds, ``op``:

    - ``conv``: a convolution that keeps height and width, with ``weight`` (the name of its parameters), ``kernel`` (its
      side, 3 or 1), ``dilation``, ``norm`` and ``epsilon`` (of a batch norm behind it), and ``relu`` (1 where one
      follows, else 0).
    - ``pool``: the largest of 2×2; which of the four it was is remembered under its name.
    - ``unpool``: each value back to its place in 2×2, zeros elsewhere; ``places`` names the pool.
    - ``transpose``: a transposed convolution of 2×2 and stride 2, with ``weight``.
    - ``concat``: the channels of several.
    - ``maps``: the two coordinate maps appended, at that layer's height and width.

    Args:
        model: one of the eight networks of the course.

    Returns:
        one dictionary per layer, of strings, numbers and lists of strings, as JSON has them.

    Raises:
        ValueError: for another network.

    Lesson:
        network-in-the-page.
    """
    return list(_layers(model))


@singledispatch
def _layers(model: nn.Module) -> Iterator[Layer]:
    raise ArgumentError(f"{type(model).__name__} is not one of the course's networks, and its layers are unknown.")


@_layers.register
def _(model: UNet) -> Iterator[Layer]:
    last, seen = INPUT, []
    for k, stage in enumerate(model.down, 1):
        bottom = k == len(model.down)
        name = "bottleneck" if bottom else f"down {k}"
        yield from _convolutions(f"down.{k - 1}", stage, last, name)
        last = name
        if not bottom:
            seen.append(name)
            yield {"op": "pool", "from": last, "to": f"pool {k}"}
            last = f"pool {k}"
    for k, stage in enumerate(model.merge):
        skip, name = seen.pop(), f"up {len(model.merge) - k}"
        yield {"op": "transpose", "from": last, "to": f"{name} upsampled", "weight": f"up.{k}"}
        yield {"op": "concat", "from": [skip, f"{name} upsampled"], "to": f"{name} merged"}
        yield from _convolutions(f"merge.{k}", stage, f"{name} merged", name)
        last = name
    yield from _head("head", model.head, last)


@_layers.register
def _(model: MaskingNet) -> Iterator[Layer]:
    last, design = INPUT, model.design
    if design.coordinates == "input":
        yield {"op": "maps", "from": last, "to": "photo and maps"}
        last = "photo and maps"
    for k, stage in enumerate(model.down, 1):
        yield from _convolutions(f"down.{k - 1}", stage, last, f"down {k}")
        yield {"op": "pool", "from": f"down {k}", "to": f"pool {k}"}
        last = f"pool {k}"
    if design.coordinates == "middle":
        yield {"op": "maps", "from": last, "to": "middle and maps"}
        last = "middle and maps"
    for k, block in enumerate(model.middle):
        yield from _convolutions(f"middle.{k}", [block], last, f"middle {k + 1}", inner="")
        last = f"middle {k + 1}"
    for k, stage in enumerate(model.up):
        level = len(model.up) - k
        name = f"up {level}"
        yield {"op": "unpool", "from": last, "to": f"{name} unpooled", "places": f"pool {level}"}
        last = f"{name} unpooled"
        if design.skip:
            yield {"op": "concat", "from": [f"down {level}", last], "to": f"{name} merged"}
            last = f"{name} merged"
        yield from _convolutions(f"up.{k}", stage, last, name)
        last = name
    yield from _head("head", model.head, last)


def _convolutions(
    path: str, blocks: Sequence[nn.Sequential] | nn.Sequential, source: str, stage: str, inner: str = ".{k}"
) -> Iterator[Layer]:
    """The `ConvBlock`s of a stage; the last one has the stage's name."""
    for k, block in enumerate(blocks):
        own, end = path + inner.format(k=k), k == len(blocks) - 1
        convolution, *others = block
        layer = {"op": "conv", "from": source, "to": stage if end else f"{stage}, {k + 1}", "weight": f"{own}.0"}
        layer |= {"kernel": convolution.kernel_size[0], "dilation": convolution.dilation[0]}
        if isinstance(others[0], nn.BatchNorm2d):
            layer |= {"norm": f"{own}.1", "epsilon": others[0].eps}
        layer["relu"] = 1
        if end:
            layer["stage"] = stage
        yield layer
        source = layer["to"]


def _head(path: str, head: nn.Module, source: str) -> Iterator[Layer]:
    """Convolutions without batch norm and ReLU, up to the logits."""
    parts = [(path, head)] if isinstance(head, nn.Conv2d) else [(f"{path}.{k}", part) for k, part in enumerate(head)]
    for k, (name, convolution) in enumerate(parts, 1):
        end = k == len(parts)
        layer = {"op": "conv", "from": source, "to": "logits" if end else f"head {k}", "weight": name}
        layer |= {"kernel": convolution.kernel_size[0], "dilation": convolution.dilation[0], "relu": 0}
        yield layer | ({"stage": "logits"} if end else {})
        source = layer["to"]
