"""Exercises of chapter 10: the bill, a full-size photo, several networks and the mirror, weights, folds.

Lesson:
    10.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from carvana_lessons.exercises.base import Each, Exercise, Function, Value, attempted
from carvana_lessons.exercises.compare import difference, shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz
from carvana_lessons.training import losses
from carvana_lessons.utils.wording import counted

_HOURS = 100_064 * 0.0428 * 5 * 2 / 3600
# Rounded answers are right, too.
_hours = Value(
    _HOURS,
    {
        "each photo is answered twice, once as it is and once mirrored": _HOURS / 2,
        "each photo is answered by five networks": _HOURS / 5,
        "that is one answer per photo; there are five networks, and each is asked twice": _HOURS / 10,
        "the mirrored photo goes through all five networks, not through a sixth one": _HOURS * 6 / 10,
        "five networks and two ways to hold the photo are 5 · 2 answers, not 5 + 2": _HOURS * 7 / 10,
        "a second has 1,000 milliseconds": _HOURS * 1000,
        "those are minutes": _HOURS * 60,
        "those are seconds": _HOURS * 3600,
        "those are days": _HOURS / 24,
        "16 views per car are in the 100,064 already": _HOURS * 16,
    },
    close=0.02,
)
_euros = Value(
    _HOURS * 0.40,
    {
        "an hour costs 0.40 euros, so that is to be multiplied": _HOURS / 0.40,
        "that is the bill in cents": _HOURS * 40,
        "that is what one network costs, asked twice": _HOURS * 0.40 / 5,
        "that is what five networks cost without the mirrored photos": _HOURS * 0.40 / 2,
    },
    close=0.02,
)

_BILL = "my_hours, my_euros = {}, {}\n"

bill = Exercise(
    title="The bill",
    minutes=2,
    task="Architecture #1 answers in 42.8 ms per photo at 512×512 (*reported*, [B]). You want to submit the mean of "
    "five such networks, one per fold, each asked for the photo and for its mirror image, for all 100,064 photos. How "
    "many hours does the graphics card compute, and what does that cost at 0.40 euros an hour? Round as you like.",
    stub="my_hours, my_euros = ..., ...",
    hints=(
        "Every photo is answered 5 · 2 times.",
        "Milliseconds divided by 1,000 are seconds, and these divided by 3,600 are hours.",
    ),
    answer="""
my_hours = 100_064 * 42.8 / 1000 * 5 * 2 / 3600
my_euros = my_hours * 0.40
""",
    explanation="Half a day, and less than the price of a lunch. It is training that costs: some 90 days of a graphics "
    "card for the first place (*reported* by its authors). Reading and shrinking a photo comes on top, but once, "
    "however many networks share it. For a challenge that is fine; a service that has to answer at once pays those ten "
    "passes with every photo.",
    judge=Each({"of `my_hours`": _hours, "of `my_euros`": _euros}),
    faults={
        _BILL.format(5.95, 4.76): "once mirrored",
        _BILL.format(2.38, 4.76): "by five networks",
        _BILL.format(1.19, 4.76): "one answer per photo",
        _BILL.format(7.14, 4.76): "a sixth one",
        _BILL.format(8.33, 4.76): "not 5 + 2",
        _BILL.format(11_896, 4758): "1,000 milliseconds",
        _BILL.format(714, 4.76): "those are minutes",
        _BILL.format(42_827, 4.76): "those are seconds",
        _BILL.format(0.496, 4.76): "those are days",
        _BILL.format(11.9, 29.7): "to be multiplied",
        _BILL.format(11.9, 476): "in cents",
        _BILL.format(11.9, 3): "3 is not it",
    },
)


class _Strict:
    """A network as the course's are: its logits depend on a pixel's surroundings, and its pools want multiples of 32.

    It keeps what it was given.
    """

    def __init__(self) -> None:
        self.taken: list[Tensor] = []

    def __call__(self, x) -> Tensor:
        x = torch.as_tensor(x, dtype=torch.float32)
        self.taken.append(x.clone())
        if x.ndim != 4 or any(side % 32 or not side for side in x.shape[-2:]):
            raise ValueError(f"the network takes (B, C, H, W) with sides that 32 divides, not {tuple(x.shape)}")
        return F.avg_pool2d(x.mean(dim=1, keepdim=True) - 0.5, 5, stride=1, padding=2)


def _padding_fault(taken: Tensor, x: Tensor) -> str | None:
    """What is wrong with a photo that was handed to the network, or None."""
    height, width = x.shape[-2:]
    down, right = -height % 32, -width % 32
    size = f"{height}×{width}"
    if taken.shape[:2] != x.shape[:2]:
        return f"batch and channels changed: {tuple(x.shape)} became {tuple(taken.shape)}."
    given, wanted = tuple(taken.shape[-2:]), (height + down, width + right)
    if given == (height, width) and (down or right):
        return f"the photo of {size} went to the network as it was."
    if given == tuple(side + (32 - side % 32) for side in (height, width)) != wanted:
        return f"of {size}, a side that 32 divides already was made longer by 32; `-side % 32` is 0 for it."
    if given == (height + height % 32, width + width % 32) != wanted:
        return f"of {size}, you added the remainder; what is missing up to the next multiple of 32 was asked for."
    if given == (height + right, width + down) != wanted:
        return f"of {size}, what height and width lack is exchanged; `F.pad` begins with the last dimension, the width."
    if any(a < b for a, b in zip(given, (height, width), strict=True)):
        return f"of {size}, a part was cut off: the network got {given[0]}×{given[1]}."
    if given != wanted:
        return f"{size} should become {wanted[0]}×{wanted[1]}, and the network got {given[0]}×{given[1]}."
    if torch.allclose(taken, F.pad(x, (0, right, 0, down), mode="replicate"), atol=1e-5):
        return None
    if torch.allclose(taken, F.pad(x, (0, right, 0, down)), atol=1e-5):
        return "the photo was continued in black, and a black bar is a boundary that no car has; repeat the border."
    if torch.allclose(taken[..., -height:, -width:], x, atol=1e-5):
        return "the photo was continued at the left and at the top; right and bottom were asked for."
    if torch.allclose(taken[..., down // 2 :, right // 2 :][..., :height, :width], x, atol=1e-5) and (down or right):
        return "the photo was continued on all sides; right and bottom alone were asked for."
    if not torch.allclose(taken[..., :height, :width], x, atol=1e-5):
        return "the photo's own pixels changed; was it resized? Padding leaves them as they are."
    return 'what was added is not the last row and column, repeated; in `F.pad` that is `mode="replicate"`.'


def _judge_padded(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    generator = torch.Generator().manual_seed(0)
    for shape in ((1, 3, 32, 62), (2, 3, 33, 20), (1, 3, 61, 64), (1, 3, 32, 64)):
        net, x = _Strict(), torch.rand(shape, generator=generator)
        height, width = x.shape[-2:]
        error = None
        try:
            given = attempted(answer(net, x.clone()))
        except Exception as caught:
            error = caught
        if net.taken and (wrong := _padding_fault(net.taken[-1], x)):
            return wrong
        if error is not None:
            raise error
        if not net.taken:
            return difference(None, 0) if given is None else "`predict` was never called."
        full = net(F.pad(x, (0, -width % 32, 0, -height % 32), mode="replicate"))
        if wrong := difference(given, full[..., :height, :width]):
            return (
                _cut_fault(given, full, height, width)
                or f"of a photo of {height}×{width}, the logits are wrong: {wrong}"
            )
    return None


def _cut_fault(given, full: Tensor, height: int, width: int) -> str | None:
    """What is wrong with the way in which the answer was cut back, as far as it is known."""
    size, whole = f"{height}×{width}", f"{full.shape[-2]}×{full.shape[-1]}"
    faults = {
        f"the photo has {size} pixels, and your answer {whole}; cut it back.": full,
        "the answer was cut at the left and at the top; what was added lies at the right and at the bottom.": full[
            ..., -height:, -width:
        ],
        f"the answer was resized from {whole} to {size}; cut off what was added.": F.interpolate(
            full, size=(height, width), mode="bilinear", align_corners=False
        ),
        "logits were asked for, and a mask came back.": full[..., :height, :width] > 0,
        "logits were asked for, and probabilities came back.": full[..., :height, :width].sigmoid(),
    }
    return next((text for text, value in faults.items() if difference(given, value) is None), None)


_PADDED = """
from torch.nn import functional as F


def my_full_size(predict, x):
    height, width = x.shape[-2:]
    x = F.pad(x, {sides}, mode="replicate")
    return predict(x){cut}
"""
_SIDES, _CUT = "(0, -width % 32, 0, -height % 32)", "[..., :height, :width]"

full_photo = Exercise(
    title="A full-size photo",
    minutes=8,
    task="A network with five pools takes sizes that 32 divides: 1280, but not 1918. Write `my_full_size(predict, x)` "
    "for any size. `x` is a batch (B, 3, H, W). Continue it at the right and at the bottom by repeating the last "
    "column and the last row, by no more than it takes. `predict` gives logits (B, 1, h, w) for it. Return these as "
    "(B, 1, H, W), without what was added.",
    stub="def my_full_size(predict, x):\n    return ...",
    hints=(
        "How much is missing to the next multiple of 32? For 1918 it is 2, for 1280 it is 0: `-side % 32`.",
        '`F.pad(x, (left, right, top, bottom), mode="replicate")` repeats the border. The width comes first.',
        "`logits[..., :height, :width]` cuts the answer back.",
    ),
    answer=_PADDED.format(sides=_SIDES, cut=_CUT),
    explanation="Resizing 1918 to 1920 would blur every pixel of the photo and of the answer, for two columns' sake; "
    "padding leaves them as they are. In Python `-side % 32` is never negative, and 0 where nothing is missing. "
    "One of the first place's networks worked on whole photos so, 1918 columns padded to 1920 (*reported*).",
    judge=_judge_padded,
    faults={
        _PADDED.format(sides="(0, 0, 0, 0)", cut=_CUT): "went to the network as it was",
        _PADDED.format(sides="(0, 32 - width % 32, 0, 32 - height % 32)", cut=_CUT): "longer by 32",
        _PADDED.format(sides="(0, width % 32, 0, height % 32)", cut=_CUT): "the remainder",
        _PADDED.format(sides="(0, -height % 32, 0, -width % 32)", cut=_CUT): "exchanged",
        _PADDED.format(sides="(0, -(width % 32), 0, -(height % 32))", cut=_CUT).replace(', mode="replicate"', ""): (
            "cut off: the network got 32×32"
        ),
        _PADDED.format(sides=_SIDES, cut=_CUT).replace(', mode="replicate"', ""): "in black",
        _PADDED.format(sides=_SIDES, cut=_CUT).replace("replicate", "circular"): "repeated; in `F.pad`",
        _PADDED.format(
            sides="(-width % 32, 0, -height % 32, 0)", cut="[..., -height:, -width:]"
        ): "left and at the top",
        _PADDED.format(
            sides="(-width % 32 // 2, -(width // -32) * 32 - width - -width % 32 // 2, 0, -height % 32)", cut=_CUT
        ): "on all sides",
        "from torch.nn import functional as F\n\n\ndef my_full_size(predict, x):\n"
        "    small = [-(-side // 32) * 32 for side in x.shape[-2:]]\n"
        "    return F.interpolate(predict(F.interpolate(x, size=small)), size=x.shape[-2:])\n": "resized? Padding",
        _PADDED.format(sides=_SIDES, cut=""): "cut it back",
        _PADDED.format(sides=_SIDES, cut="[..., -height:, -width:]"): "cut at the left",
        _PADDED.format(sides=_SIDES, cut=_CUT + " > 0"): "a mask came back",
        _PADDED.format(sides=_SIDES, cut=_CUT + ".sigmoid()"): "probabilities came back",
        "def my_full_size(predict, x):\n    return x\n": "never called",
    },
)


class _Known:
    """A network so simple that its logits can be followed by hand: a pixel's value, and something for its place."""

    def __init__(self, value: float, column: float, row: float = 0.0) -> None:
        self.value, self.column, self.row = value, column, row

    def __call__(self, x):
        # Only what NumPy and torch both have, so that either may be handed in.
        light = x[:, :1]
        columns, rows = (np.arange(side, dtype=np.float32) for side in (light.shape[3], light.shape[2]))
        if isinstance(x, Tensor):
            columns, rows = torch.from_numpy(columns), torch.from_numpy(rows)
        return self.value * light + self.column * columns + self.row * rows[:, None]

    def __repr__(self) -> str:
        terms = ((self.value, "pixel"), (self.column, "column"), (self.row, "row"))
        return " + ".join(f"{factor:g}·{what}" for factor, what in terms if factor)


def _answers(networks, x, mirror=(-1,), back=(-1,)):
    """Of every network the answer, and that for the mirrored photo; one after the other, (2·networks, B, 1, H, W)."""
    both = [(net(x), net(x.flip(mirror)).flip(back)) for net in networks]
    return torch.stack([answer for pair in both for answer in pair])


def _mean(networks, x):
    return _answers(networks, x).mean(0)


def _photo(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(shape[-1])).mul(8).round()


_MIRRORED = [
    ([_Known(1, 2)], torch.tensor([[[[1.0, 4.0, 6.0]]]])),
    ([_Known(1, 2), _Known(-1, 0.5, 1)], _photo(1, 3, 2, 3)),
    ([_Known(0.5, -2, 1), _Known(1, 0, -1), _Known(-0.25, 1, 3)], _photo(2, 3, 3, 5)),
]

one_answer = Exercise(
    title="One answer of many",
    minutes=8,
    task="`networks` is a list of one or more functions: each takes a batch `x` (B, C, H, W) and returns logits "
    "(B, 1, H, W). Ask each of them twice, for `x` and for `x` mirrored left to right. Return one answer, "
    "(B, 1, H, W): the mean of all these logits, each at the pixel of `x` to which it belongs.",
    stub="def my_logits(networks, x):\n    return ...",
    hints=(
        "`x.flip(-1)` mirrors left to right.",
        "The answer for the mirrored photo is mirrored, too: flip it back before you add it.",
        "For N networks there are 2N answers.",
    ),
    answer="""
def my_logits(networks, x):
    total = sum(net(x) + net(x.flip(-1)).flip(-1) for net in networks)
    return total / (2 * len(networks))
""",
    explanation="The networks of the check know in which column a pixel lies, so their answer for the mirrored photo "
    "is another one, as with coordinate maps, which are computed again and never flipped. An answer that is not "
    "flipped back costs nothing where a car stands in the middle and looks the same from both sides, which is why the "
    "mistake can live long.",
    judge=Function(
        _mean,
        _MIRRORED,
        {
            "the answer for the mirrored photo has to be mirrored back": lambda networks, x: _answers(
                networks, x, back=()
            ).mean(0),
            "the photo itself was not mirrored, only the answer": lambda networks, x: _answers(
                networks, x, mirror=()
            ).mean(0),
            "the photo was mirrored upside down; left to right is along the last dimension": lambda networks, x: (
                _answers(networks, x, (-2,), (-2,)).mean(0)
            ),
            "the photo was turned by half a circle; mirror it along the last dimension alone": lambda networks, x: (
                _answers(networks, x, (-2, -1), (-2, -1)).mean(0)
            ),
            "the answers for the photo as it is are missing": lambda networks, x: _answers(networks, x)[1::2].mean(0),
            "the answers for the mirrored photo are missing": lambda networks, x: _answers(networks, x)[::2].mean(0),
            "that is the sum; divide it by the number of all answers": lambda networks, x: _answers(networks, x).sum(0),
            "each network gave two answers, and you divided by the number of networks": lambda networks, x: (
                _mean(networks, x) * 2
            ),
            "you divided by 2, and there are two answers of every network": lambda networks, x: (
                _mean(networks, x) * len(networks)
            ),
            "only the last network was asked": lambda networks, x: _mean(networks[-1:], x),
            "only the first network was asked": lambda networks, x: _mean(networks[:1], x),
            "you averaged probabilities; take the mean of the logits": lambda networks, x: (
                _answers(networks, x).sigmoid().mean(0)
            ),
            "the mean of the logits was asked for, not its probability": lambda networks, x: _mean(
                networks, x
            ).sigmoid(),
            "you let the networks vote with masks; take the mean of the logits": lambda networks, x: (
                (_answers(networks, x) > 0).float().mean(0)
            ),
            "logits were asked for, and a mask came back": lambda networks, x: _mean(networks, x) > 0,
        },
    ),
)


def _weights(mask, reach, weight):
    return losses.boundary_weights(mask[None, None], reach, weight)[0, 0]


def _near(mask, reach):
    """Within the square around each pixel: is there car, is there background? Beyond the border lies neither."""
    y, side = mask[None, None].float(), 2 * reach + 1
    return [F.max_pool2d(z, side, stride=1, padding=reach)[0, 0] > 0 for z in (y, 1 - y)]


def _near_weights(condition, high=lambda weight: weight, low=1.0):
    """A wrong weighting that differs in the condition, or in the two weights."""

    def fault(mask, reach, weight):
        chosen = condition(mask.bool(), *_near(mask, reach))
        return torch.where(chosen, torch.tensor(float(high(weight))), torch.tensor(float(low)))

    return fault


def _black_border(mask, reach, weight):
    framed = F.pad(mask, [reach] * 4)
    return _weights(framed, reach, weight)[reach:-reach, reach:-reach]


def _around(mask, reach, weight):
    """Continued at the other side, as np.roll does."""
    wrapped = F.pad(mask[None, None].float(), [reach] * 4, mode="circular")[0, 0]
    return _weights(wrapped, reach, weight)[reach:-reach, reach:-reach]


def _cross(mask, reach, weight):
    """A cross of row and column in place of the square."""
    y = mask[None, None].float()
    long = 2 * reach + 1

    def pooled(z):
        across = F.max_pool2d(z, (1, long), stride=1, padding=(0, reach))
        return torch.maximum(across, F.max_pool2d(z, (long, 1), stride=1, padding=(reach, 0)))

    return torch.where((pooled(y) > 0) & (pooled(1 - y) > 0), float(weight), 1.0)[0, 0]


def _disc(height: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (((rows - height / 2) ** 2 + (columns - width / 3) ** 2) < (height / 3) ** 2).int()


_OUTLINES = [
    (torch.tensor([[0, 0, 0, 1, 1]]), 1, 5.0),
    (torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]), 1, 2.5),
    (_disc(12, 15), 2, 4.0),
    (_disc(13, 10), 3, 10.0),
    (torch.ones(3, 4, dtype=torch.int), 1, 5.0),
    (torch.zeros(4, 3, dtype=torch.int), 1, 5.0),
]

boundary_weights = Exercise(
    title="Weights at the boundary",
    minutes=10,
    task="Most pixels are easy; the score is decided at the boundary. Write `my_weights(mask, reach, weight)`: `mask` "
    "is (H, W), a tensor of zeros and ones. A pixel lies near the boundary when the square of side 2·reach + 1 "
    "around it holds both car and background. Only pixels of the photo count: at the border the square is smaller. "
    "Return (H, W): `weight` near the boundary, 1 elsewhere. Do it without `losses.boundary_weights`.",
    stub="def my_weights(mask, reach, weight):\n    return ...",
    hints=(
        "Is there car in the square? That is the maximum of the mask within it. Is there background? The maximum of "
        "1 − mask.",
        "`F.max_pool2d(y, 2 * reach + 1, stride=1, padding=reach)` is the maximum in each square, and what it adds at "
        "the border never wins. It wants floats, (1, 1, H, W).",
        "`torch.where(near, weight, 1.0)` chooses.",
    ),
    answer="""
import torch
from torch.nn import functional as F


def my_weights(mask, reach, weight):
    def within(y):
        return F.max_pool2d(y[None, None].float(), 2 * reach + 1, stride=1, padding=reach)[0, 0] > 0

    return torch.where(within(mask) & within(1 - mask), weight, 1.0)
""",
    explanation="The band has two sides: car near background, and background near car. The photo's border is no "
    "boundary: a car that leaves the photo ends there for the camera's sake. What a max-pool adds at the border counts "
    "as minus infinity, not as 0, so that it can be used for both sides.",
    judge=Function(
        _weights,
        _OUTLINES,
        {
            "you weigh only the car's side of the boundary; background near car belongs to it, too": _near_weights(
                lambda car, near_car, near_background: car & near_background
            ),
            "you weigh only the background's side of the boundary; car near background belongs to it, too": (
                _near_weights(lambda car, near_car, near_background: ~car & near_car)
            ),
            "you weigh all pixels that have car near them; background has to be near as well": _near_weights(
                lambda car, near_car, near_background: near_car
            ),
            "you weigh the car; only the pixels near its boundary should get the weight": _near_weights(
                lambda car, near_car, near_background: car
            ),
            "the two weights are swapped: near the boundary it is `weight`, elsewhere 1": lambda mask, reach, weight: (
                1 + weight - _weights(mask, reach, weight)
            ),
            "elsewhere the weight is 1, not 0; with 0 nothing is learned there": _near_weights(
                lambda car, near_car, near_background: near_car & near_background, low=0.0
            ),
            "near the boundary it is `weight`, not 1 + `weight`": _near_weights(
                lambda car, near_car, near_background: near_car & near_background, high=lambda weight: 1 + weight
            ),
            "the border of the photo is no boundary, and for you there is background beyond it": _black_border,
            "the photo goes on at its other side for you; at the border the square is smaller": _around,
            "your squares have side 2·reach + 3": lambda mask, reach, weight: _weights(mask, reach + 1, weight),
            "your squares have side 2·reach − 1": lambda mask, reach, weight: _weights(mask, reach - 1, weight),
            "you look along the row and along the column; the square has corners, too": _cross,
        },
    ),
)


def _car(name: str) -> str:
    return name.split("_")[0]


class _Trained:
    """What the check's `train` returns."""

    def __init__(self, number: int, names: list[str]) -> None:
        self.number, self.names = number, names


class _NotNames(Exception):
    """Its text is the end of a sentence."""


class _Bench:
    """Stands in for training and prediction: an answer tells which network gave it, and for which photo.

    Attributes:
        trained: the networks, in the order in which they were asked for.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.trained: list[_Trained] = []

    def train(self, names) -> _Trained:
        self.trained.append(_Trained(len(self.trained), self._names("train", names)))
        return self.trained[-1]

    def predict(self, network, names) -> np.ndarray:
        if not isinstance(network, _Trained):
            raise _NotNames(f"`predict` takes a network first, as `train` returned it, not {shown(network)}.")
        asked = [self.names.index(name) for name in self._names("predict", names)]
        return np.array([1000.0 * (network.number + 1) + index for index in asked])

    def _names(self, who: str, names) -> list[str]:
        names = [str(name) for name in names] if not isinstance(names, str) else [names]
        if unknown := [name for name in names if name not in self.names]:
            raise _NotNames(f"`{who}` takes a list of photos' names, and {unknown[0]!r} is none.")
        return names


def _shuffled(cars: int, views: int, seed: int) -> list[str]:
    """Photos of some cars in no order, one photo missing."""
    ids = [f"{(37 * k + 11) % 251:012x}" for k in range(cars)]
    names = [f"{car}_{view + 1:02d}" for car in ids for view in range(views)][:-1]
    return np.random.default_rng(seed).permutation(names).tolist()


def _judge_folds(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    for cars, views, k in ((4, 2, 2), (7, 3, 3), (11, 4, 5), (5, 2, 5)):
        names = _shuffled(cars, views, seed=k)
        bench = _Bench(names)
        try:
            given = attempted(answer(list(names), k, bench.train, bench.predict))
        except _NotNames as error:
            return str(error)
        if wrong := _order_fault(given, bench) or _fold_fault(given, bench, k):
            return f"with {counted(len(names), 'photo')} of {counted(cars, 'car')} and k = {k}, {wrong}"
    return None


def _order_fault(given, bench: _Bench) -> str | None:
    """Whether an answer for every photo came back, and from one network, in the photos' order."""
    if given is None:
        return "nothing (None) came back; is a `return` missing?"
    count = len(bench.names)
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        return f"{count} numbers were asked for, not {shown(given)}."
    if values.shape != (count,):
        return f"one number per photo was asked for, shape ({count},), and you have shape {values.shape}."
    if not np.isfinite(values).all() or (values < 1000).any():
        place = int(np.argmax(~(values >= 1000)))
        return f"photo {bench.names[place]} got no answer of a network."
    photos = [int(value) % 1000 if value == int(value) else None for value in values]
    if photos == list(range(count)):
        return None
    if None not in photos and sorted(photos) == list(range(count)):
        return "the answers came back in another order than `names`, perhaps fold after fold."
    return "the answers are mixed: each should be that of the one network that did not see the photo's car, not a mean."


def _fold_fault(given, bench: _Bench, k: int) -> str | None:
    """Whether each answer comes from the right network."""
    asked = [int(value) // 1000 - 1 for value in np.asarray(given, dtype=float)]
    if len(bench.trained) != k:
        return f"{k} networks were to be trained, and you trained {len(bench.trained)}."
    cars = {_car(name) for name in bench.names}
    folds = {n: [name for name, number in zip(bench.names, asked, strict=True) if number == n] for n in range(k)}
    for network in bench.trained:
        fold, seen = set(folds[network.number]), set(network.names)
        which = f"network {network.number + 1}"
        if fold & seen:
            return f"{which} answers for {min(fold & seen)}, on which it was trained."
        if both := {_car(name) for name in fold} & {_car(name) for name in seen}:
            return f"{which} answers for a photo of car {min(both)} and was trained on others; a car stays together."
    for network in bench.trained:
        which, missing = f"network {network.number + 1}", set(bench.names) - set(network.names)
        if len(network.names) != len(set(network.names)):
            return f"{which} was trained on some photo twice."
        if unused := missing - set(folds[network.number]):
            there = len({_car(name) for name in network.names})
            return (
                f"{which} was trained without {min(unused)}, on {there} of {len(cars)} cars; it does not answer for "
                "that photo, and it should learn from it."
            )
    sizes = sorted(len({_car(name) for name in fold}) for fold in folds.values())
    if sizes[-1] - sizes[0] > 1:
        return (
            f"the folds have {' and '.join(map(str, sizes))} of {len(cars)} cars; no two should differ by more than 1."
        )
    return None


_FOLDS = """
import numpy as np


def my_out_of_fold(names, k, train, predict):
    cars = sorted({{name.split("_")[0] for name in names}})
    fold = {{car: {fold} for place, car in enumerate(cars)}}
    numbers = np.array([{number} for name in names])
    answers = np.zeros(len(names))
    for n in range(k):
        network = train([name for name, number in zip(names, numbers) if {seen}])
        held_out = [name for name, number in zip(names, numbers) if {asked}]
        answers[{place}] = predict(network, held_out)
    return answers
"""


def _folds_code(
    fold: str = "place % k",
    number: str = 'fold[name.split("_")[0]]',
    seen: str = "number != n",
    asked: str = "number == n",
    place: str = "numbers == n",
) -> str:
    return _FOLDS.format(fold=fold, number=number, seen=seen, asked=asked, place=place)


out_of_fold = Exercise(
    title="Out of fold",
    minutes=20,
    task="What do five networks score together, when each has seen four fifths of the cars? An honest answer for every "
    "photo comes from the one network that did not see its car. `names` is a list of photos like "
    '"00087a6bd4dc_04", car and view, in no order, and a view may be missing. Deal the cars into `k` folds, as equal '
    "as possible: no two differ by more than one car. For each fold, train a network on all photos of the other folds, "
    "`network = train(names)`, and let it answer for the fold's own photos: `predict(network, names)` returns one "
    "number per name, in their order. Return one number per photo, in the order of `names`.",
    stub="def my_out_of_fold(names, k, train, predict):\n    return ...",
    hints=(
        'The car of a photo is `name.split("_")[0]`. Number the cars, and let car number c go into fold c % k.',
        "For fold n: the photos whose car is in fold n are held out, all others are for training.",
        "The answers come fold by fold and belong at the places of their photos: with an array `numbers` of each "
        "photo's fold, `answers[numbers == n] = predict(…)` puts them there.",
    ),
    answer=_folds_code(),
    explanation="So all labelled cars are test cars, each once, and the k networks are those whose mean is submitted. "
    "The price is k trainings. What cannot be scored this way is the mean itself: for every labelled car all networks "
    "but one know it. Here the cars are dealt in the order of their ids, which mean nothing; shuffle where they might.",
    judge=_judge_folds,
    faults={
        _folds_code(seen="True"): "on which it was trained",
        _folds_code(seen="number == n", asked="number != n", place="numbers != n"): "and it should learn",
        _folds_code(number="names.index(name) % k"): "a car stays together",
        _folds_code(fold="min(place // -(-len(cars) // k), k - 1)"): "differ by more than 1",
        _folds_code(seen="number == (n + 1) % k"): "on 2 of 7 cars",
        _folds_code(seen="number != n and number != 0"): "network 2 was trained without",
        _folds_code().replace(
            "    answers = np.zeros(len(names))\n", "    answers = np.zeros(len(names))\n    train(names)\n"
        ): "networks were to be trained",
        _folds_code().replace("answers[numbers == n] = ", "answers[numbers == n] = 0 * "): "got no answer",
        _folds_code(asked="True", place=":"): "on which",
        _folds_code(asked="True", place=":").replace("] = predict", "] += 1 / k * predict"): "not a mean",
        _folds_code().replace("return answers", "return answers[np.argsort(numbers, kind='stable')]"): "another order",
        _folds_code().replace("train([name for", "train([number for"): "is none",
        _folds_code().replace("return answers", "return answers[None]"): "one number per photo",
    },
)

quiz = Quiz(
    (
        Question(
            "Five networks of five folds are averaged, and the mean is scored on the labelled cars that the folds were "
            "made of. What is that number worth?",
            (
                Choice("It is honest, because one network of five did not see the car.", "The other four did."),
                Choice(
                    "It flatters: four of the five networks were trained on each car.",
                    "Score each photo with the one network that did not see its car, or keep cars that none saw.",
                    right=True,
                ),
                Choice("It is too low, because five networks contradict each other.", "A mean does not suffer so."),
            ),
        ),
        Question(
            "Two networks give a pixel the logits −1 and 5. What do the mean of the logits and the vote of the masks "
            "say?",
            (
                Choice(
                    "The mean says car; the vote is a draw.",
                    "A mask has forgotten that one network was sure and the other was not.",
                    right=True,
                ),
                Choice("Both say car.", "As masks they are 0 and 1: one against one."),
                Choice("Both are undecided.", "The mean is 2, a probability of 0.88."),
            ),
        ),
        Question(
            "A network labels new photos, and a second one is trained on these masks as well. What can the second one "
            "not learn from them?",
            (
                Choice("How other cars look.", "It sees them, and most of each mask is right."),
                Choice("Where the first one is right already.", "Repeating what is right does no harm."),
                Choice(
                    "That the first one is wrong where it is sure.",
                    "Such a mistake is a label now, and nothing in the new photos speaks against it.",
                    right=True,
                ),
            ),
        ),
        Question(
            "The loss weighs pixels near the boundary five times. What may become worse?",
            (
                Choice("The boundary.", "That is where the loss looks now."),
                Choice(
                    "Holes in a door far from the boundary.",
                    "In a weighted mean the other pixels count less than before.",
                    right=True,
                ),
                Choice("The time that a prediction takes.", "Weights are used in training alone."),
            ),
        ),
    )
)
