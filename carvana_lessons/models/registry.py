"""The networks of the course, by name.

Lesson:
    02.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from carvana_lessons.models.maskingnet import DESIGNS, Design, MaskingNet
from carvana_lessons.models.model_cards import load_shipped, read_card, weights_name
from carvana_lessons.models.provenance import Provenance
from carvana_lessons.models.unet import UNet
from carvana_lessons.utils.errors import ArgumentError


@dataclass(frozen=True)
class _Entry:
    """How a network is built, and the width and number of classes at which its published parameter count holds."""

    build: Callable[[int, int], nn.Module]
    width: int = 64
    num_classes: int = 2


def _stages(width: int, count: int) -> tuple[int, ...]:
    return tuple(width * 2**k for k in range(count))


_NETWORKS: dict[str, _Entry] = {
    "unet-tiny": _Entry(lambda width, classes: UNet(_stages(width, 4), num_classes=classes), 8, 1),
    "unet-small": _Entry(lambda width, classes: UNet(_stages(width, 5), num_classes=classes), 8, 1),
    "unet": _Entry(
        lambda width, classes: UNet(_stages(width, 5), num_classes=classes, batch_norm=True, wide_head=False)
    ),
    **{name: _Entry(partial(MaskingNet, design)) for name, design in DESIGNS.items()},
}


def names() -> list[str]:
    """The names that `create` knows, in the order of the course.

    Returns:
        names for `create`.

    Lesson:
        02.
    """
    return list(_NETWORKS)


def create(
    name: str,
    width: int | None = None,
    num_classes: int | None = None,
    dilation: Sequence[int] | None = None,
    weights: str | None = None,
) -> nn.Module:
    """Create a network by name, with random weights or with those that are shipped with the package.

    Args:
        name: one of `names()`.
        width: channels of the first stage; unset, the published one. A smaller width is the same architecture with
            fewer channels, for a laptop.
        num_classes: channels of the output; unset, the published one (1 for the two small nets, else 2).
        dilation: rates of the convolutions in the middle, for a network that has six there; unset, its own.
        weights: some that come with the package; the width is then that of their card. "carvana": trained on the
            challenge's photos as they are. "backgrounds": trained before many made backgrounds, too. "drawn": trained
            on drawn cars alone before such backgrounds, and free of the challenge's rules.

    Returns:
        a module, (B, 3, H, W) in [0, 1] → logits (B, num_classes, H, W).

    Raises:
        ValueError: for an unknown name, a width below 1, a number of classes other than 1 and 2, rates that are not as
            many as the middle has convolutions, or below 1, and for unknown weights.

    Lesson:
        02.
    """
    if name not in _NETWORKS:
        raise ArgumentError(f"There is no network called {name!r}; the course has {', '.join(_NETWORKS)}.")
    if weights is not None:
        return _with_weights(name, width, num_classes, dilation, weights)
    entry = _NETWORKS[name]
    width = entry.width if width is None else width
    num_classes = entry.num_classes if num_classes is None else num_classes
    if width < 1:
        raise ArgumentError(
            f"A width of {width} leaves no channels; take 1 or more ({entry.width} is the published one)."
        )
    if num_classes not in (1, 2):
        raise ArgumentError(f"A mask has 1 logit (car) or 2 (background, car) per pixel, not {num_classes}.")
    if dilation is None:
        model = entry.build(width, num_classes)
    else:
        model = MaskingNet(_dilated(name, tuple(dilation)), width, num_classes)
    # A checkpoint stores it, so that the same network can be created again from the file alone.
    model.recipe = {"name": name, "width": width, "num_classes": num_classes, "dilation": dilation and list(dilation)}
    return model


def _with_weights(name: str, width: int | None, num_classes: int | None, dilation, weights: str) -> nn.Module:
    found = weights_name(name, weights)
    card = read_card(found)
    if width not in (None, card["width"]) or num_classes is not None or dilation is not None:
        raise ArgumentError(
            f"The weights of {found} are of width {card['width']}; leave the other settings as they are."
        )
    model = create(name, width=card["width"])
    load_shipped(model, found)
    model.provenance = Provenance.read(card, f"The card of {found}")
    return model.eval()


def _dilated(name: str, rates: tuple[int, ...]) -> Design:
    """The design of that name with other rates in its middle."""
    middle = DESIGNS[name].dilation if name in DESIGNS else ()
    if not middle:
        able = ", ".join(n for n, d in DESIGNS.items() if d.dilation)
        raise ArgumentError(f"{name} has no middle to dilate; {able} have.")
    if len(rates) != len(middle) or min(rates) < 1:
        raise ArgumentError(f"The middle of {name} takes {len(middle)} rates of 1 or more, not {rates}.")
    return replace(DESIGNS[name], dilation=rates)


def count_parameters(model: nn.Module) -> int:
    """The number of trainable parameters of ``model``.

    Args:
        model: any.

    Returns:
        their number; those that are shared count once.

    Lesson:
        02.
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
