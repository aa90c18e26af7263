"""Exercises of chapter 4: the mirrored row, photo and mask moved together, symmetric corners, a power for light.

Lesson:
    04.
"""

from math import log

import numpy as np
import torch

from carvana_lessons import data
from carvana_lessons.exercises.base import Exercise, Function, attempted
from carvana_lessons.exercises.compare import difference, shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz


def _mirrored(k, n):
    """Works for a number and for an array of them."""
    k = k % (2 * n)
    return np.minimum(k, 2 * n - 1 - k)


def _edge_once(k, n):
    """NumPy's mode="reflect": the pixel at the edge does not come twice."""
    k = k % max(2 * n - 2, 1)
    return np.minimum(k, 2 * n - 2 - k)


def _one_image(k, n):
    return -k - 1 if k < 0 else 2 * n - 1 - k if k >= n else k


mirrored_row = Exercise(
    title="The mirrored row",
    minutes=5,
    task="A row of `n` pixels is continued symmetrically to both sides, as far as you like. Which of the pixels "
    "0 … n − 1 stands at position `k`? Position 0 is pixel 0; `k` may be negative or large.",
    stub="def my_index(k, n):\n    return ...",
    hints=(
        "Write down the row for n = 3 from position −6 to 8, as in the chapter's picture of padding: the pixel at the "
        "edge comes twice.",
        "After 2n pixels the pattern repeats. Take `k % (2 * n)` first; in Python it is never negative.",
        "What remains is 0 … 2n − 1. The first n positions are the row itself, the other n are the row backwards.",
    ),
    answer="""
def my_index(k, n):
    k = k % (2 * n)
    return k if k < n else 2 * n - 1 - k
""",
    explanation="One period is the row and its mirror image, 2n pixels. In Python the remainder has the sign of the "
    "divisor, so negative positions need no case of their own; in C or Java they would. `min(k, 2 * n - 1 - k)` says "
    "the same without an `if`, and works for whole arrays as `np.minimum`.",
    judge=Function(
        _mirrored,
        [(k, 3) for k in (0, -1, 2, 3, 4, -2, -3, -4, 5, 6, -6, -7)] + [(k, 1) for k in (-4, 0, 1, 3)] + [(38, 5)],
        {
            "the row was repeated, not mirrored": lambda k, n: k % n,
            "beyond the edge the row goes backwards, and you repeated its last pixel": lambda k, n: min(
                max(k, 0), n - 1
            ),
            "the pixel at the edge comes twice, once inside and once outside": _edge_once,
            "the row was mirrored once; further out the mirror image is mirrored again": _one_image,
            "the mirrored half is off by one": lambda k, n: k % (2 * n) if k % (2 * n) < n else 2 * n - k % (2 * n),
        },
    ),
)

_FARTHEST, _CALLS = 10, 400  # 400 calls: that one of 21 equally likely shifts never comes has odds of 1 to 10 million


def _key(picture) -> tuple:
    """Shape and values as something that a dictionary finds quickly; the dtype does not matter."""
    array = np.asarray(picture, dtype=np.float64)
    return array.shape, array.tobytes()


def _moves(picture: torch.Tensor) -> dict[tuple, tuple[str, int]]:
    """All ways to roll a picture (C, h, w) that an answer may have taken, by what comes out."""
    height, width = picture.shape[-2:]
    ways = {"flat": (None, range(-width, width)), "down": (-2, range(height)), "right": (-1, range(-20, 20))}
    # The sideways ones come last: where two ways agree, the answer is given the benefit of the doubt.
    return {_key(picture.roll(s, dims)): (way, s) for way, (dims, steps) in ways.items() for s in steps}


def _moved(name: str, picture, before: torch.Tensor, moves: dict) -> tuple[int, str | None]:
    """By how many pixels a photo or mask went to the right, and what is wrong if it went elsewhere."""
    way, steps = moves.get(_key(picture), ("", 0))
    if way == "right":
        return steps, None
    if way == "down":
        return 0, f"the {name} moved up or down; sideways is along the last dimension."
    if way == "flat":
        return 0, f"the {name} was rolled as one long row: what left one line came in on the next; say `dims=-1`."
    if np.shape(picture) != tuple(before.shape):
        return 0, f"the {name} came back as {tuple(np.shape(picture))}, and it went in as {tuple(before.shape)}."
    return 0, f"a part of the {name} was lost or changed; what leaves on one side comes in on the other."


def _judge_shift(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    x = torch.rand(3, 8, 40, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(1, 8, 40)
    y[:, 2:6, 15:25] = 1
    y[:, 2:4, 15:17] = 0  # so that no other place looks the same
    moves_x, moves_y, found = _moves(x), _moves(y), []
    again = range(5)
    for seed in [*range(_CALLS), *again]:
        torch.manual_seed(seed)
        given = attempted(answer(x.clone(), y.clone()))
        if not (isinstance(given, tuple | list) and len(given) == 2):
            return f"photo and mask should come back, `return x, y`, not {shown(given)}."
        (a, wrong_a), (b, wrong_b) = _moved("photo", given[0], x, moves_x), _moved("mask", given[1], y, moves_y)
        if wrong_a or wrong_b:
            return wrong_a or wrong_b
        found.append((a, b))
    apart = next(((a, b) for a, b in found if a != b), None)
    if apart:
        if not any(b for _, b in found):
            return "the photo moved, and its mask stayed where it was."
        if not any(a for a, _ in found):
            return "the mask moved, and its photo stayed where it was."
        return f"the photo moved by {apart[0]} and its mask by {apart[1]}; draw once, and use it twice."
    steps = [a for a, _ in found]
    if len(set(steps)) == 1:
        return f"all of {_CALLS} calls moved by {steps[0]}; draw a new number in every call."
    if any(steps[seed] != steps[_CALLS + seed] for seed in again):
        return "the same seed of torch gave another shift; draw with `torch.randint`."
    return _range_of(set(steps))


def _range_of(steps: set[int]) -> str | None:
    low, high = min(steps), max(steps)
    if (low, high) == (-_FARTHEST, _FARTHEST - 1):
        return "the shifts go from −10 to 9: the upper end that `torch.randint` is given is never drawn."
    if (low, high) != (-_FARTHEST, _FARTHEST):
        return f"the shifts go from {low} to {high}, and −10 to 10 were asked for."
    left_out = sorted(set(range(-_FARTHEST, _FARTHEST + 1)) - steps)
    return f"in {_CALLS} calls no shift was {left_out[0]}." if left_out else None


_SHIFT = "import numpy as np\nimport torch\n\n\ndef my_shift(x, y):\n"
_SHIFT += "    steps = int(torch.randint({}, (1,)))\n    return {}\n"
_BOTH = "x.roll(steps, dims=-1), y.roll(steps, dims=-1)"

shifted_together = Exercise(
    title="Shifted together",
    minutes=10,
    task="Write a transform: photo (3, h, w) and mask (1, h, w), both moved sideways by the same random number of "
    "whole pixels, up to 10 to either side, each of the 21 shifts as probable as the others. Draw it with "
    "`torch.randint`. What leaves on one side comes in on the other. Return both.",
    stub="def my_shift(x, y):\n    return ...",
    hints=(
        "Draw first, then move. How often do you draw for one pair?",
        "`torch.roll(x, steps, dims=-1)` moves along the last dimension, which is the width.",
        "`torch.randint(low, high, (1,))` draws low … high − 1.",
    ),
    answer=_SHIFT.replace("import numpy as np\n", "").format("-10, 11", _BOTH),
    explanation="One draw, used twice: photo and mask cannot come apart. The draw comes from torch's generator, so "
    "that one seed repeats the whole training. A half-open range is where most such transforms lose their last value; "
    "nothing crashes, and one shift never comes.",
    judge=_judge_shift,
    faults={
        _SHIFT.format("-10, 10", _BOTH): "never drawn",
        _SHIFT.format("0, 11", _BOTH): "from 0 to 10",
        _SHIFT.format("-5, 6", "x.roll(2 * steps, dims=-1), y.roll(2 * steps, dims=-1)"): "no shift was -9",
        _SHIFT.format("-10, 11", "x.roll(steps, dims=-1), y"): "mask stayed",
        _SHIFT.format("-10, 11", "x, y.roll(steps, dims=-1)"): "photo stayed",
        _SHIFT.format("-10, 11", "x.roll(steps, dims=-1), y.roll(-steps, dims=-1)"): "draw once",
        _SHIFT.format("-10, 11", "x.roll(steps, dims=-2), y.roll(steps, dims=-2)"): "up or down",
        _SHIFT.format("-10, 11", "x.roll(steps), y.roll(steps)"): "one long row",
        _SHIFT.format("-10, 11", "x.roll(steps, dims=-1)"): "should come back",
        _SHIFT.format("-10, 11", "x[..., 10 - steps : -10], y[..., 10 - steps : -10]"): "came back as",
        _SHIFT.format("-10, 11", _BOTH).replace("return", "x[..., :10] = 0\n    return"): "lost or changed",
        _SHIFT.format("-10, 11", _BOTH).replace("return", "steps = 3\n    return"): "draw a new",
        _SHIFT.replace("torch.randint({}, (1,))", "np.random.randint({})").format("-10, 11", _BOTH): "same seed",
        "my_shift = 3": "function was asked for",
    },
)


def _look_up(picture, degrees, fill=_mirrored, middle=True):
    """A picture (h, w) turned to the nearest pixel; `fill` says what stands at a place outside."""
    height, width = picture.shape
    down_0, right_0 = ((height - 1) / 2, (width - 1) / 2) if middle else (0, 0)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = np.mgrid[:height, :width]
    down, right = i - down_0, j - right_0
    k = np.round(c * down + s * right + down_0).astype(int)
    m = np.round(c * right - s * down + right_0).astype(int)
    return np.pad(picture, (0, 1))[fill(k, height), fill(m, width)]  # row and column n are zeros, for `_black`


def _black(k, n):
    return np.where((k >= 0) & (k < n), k, n)


def _turned(**settings):
    """Photo and mask turned alike."""
    return lambda x, y, degrees: (_look_up(x, degrees, **settings), _look_up(y, degrees, **settings))


def _bilinear(x, y, degrees):
    a, b = data.rotate(torch.from_numpy(x)[None], torch.from_numpy(y)[None], degrees)
    return a[0], b[0]


def _photo_and_mask(height: int, width: int) -> tuple:
    """A grey photo of different numbers and a mask that no turn leaves as it is."""
    y = np.zeros((height, width))
    y[: height // 2 + 1, : width // 3 + 1] = 1
    return 1.0 + np.arange(height * width).reshape(height, width), y


symmetric_turn = Exercise(
    title="Corners without black",
    minutes=15,
    task="The loop `turn` of this chapter leaves black corners. Write a turn that fills them symmetrically, for a grey "
    "photo `x` (h, w) and its mask `y` (h, w): both counter-clockwise about the middle, both to the nearest pixel, "
    "both with symmetric corners. Return both, each (h, w). Use no `data.rotate`.",
    stub="def my_turn(x, y, degrees):\n    return ...",
    hints=(
        "The places to look up, `k` and `m`, are those of `turn`. Only what happens to a place outside is new.",
        "Exercise 1 says which pixel stands at a place outside: `my_index(k, height)` and `my_index(m, width)`.",
        "For all pixels at once: `i, j = np.mgrid[:height, :width]`, then `k` and `m` are arrays, and `x[k, m]` looks "
        "all of them up.",
    ),
    answer="""
import numpy as np


def my_turn(x, y, degrees):
    height, width = y.shape
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = np.mgrid[:height, :width]
    down, right = i - (height - 1) / 2, j - (width - 1) / 2
    k = np.round(c * down + s * right + (height - 1) / 2).astype(int) % (2 * height)
    m = np.round(c * right - s * down + (width - 1) / 2).astype(int) % (2 * width)
    k, m = np.minimum(k, 2 * height - 1 - k), np.minimum(m, 2 * width - 1 - m)
    return x[k, m], y[k, m]
""",
    explanation="All that depends on the angle is in two arrays of places, and photo and mask are looked up with the "
    "same two. So they agree in the corners as well: where the photo's corner shows a mirrored piece of car, the mask "
    "says car.",
    judge=Function(
        _turned(),
        [
            (*_photo_and_mask(2, 4), 90),
            (*_photo_and_mask(2, 6), 90),
            (*_photo_and_mask(5, 7), 0),
            (*_photo_and_mask(5, 7), 20),
            (*_photo_and_mask(6, 9), -25),
            (*_photo_and_mask(9, 8), 41),
        ],
        {
            "the photo was turned clockwise": lambda x, y, degrees: _turned()(x, y, -degrees),
            "the mask stayed upright while the photo was turned": lambda x, y, d: (_look_up(x, d), y),
            "the corners are still black": _turned(fill=_black),
            "the photo's corners were filled and the mask's left empty": lambda x, y, d: (
                _look_up(x, d),
                _look_up(y, d, _black),
            ),
            "places outside took the last pixel of their row or column, and symmetric means mirrored": _turned(
                fill=lambda k, n: np.clip(k, 0, n - 1)
            ),
            "places outside came in on the other side, and symmetric means mirrored": _turned(fill=lambda k, n: k % n),
            "the pixel at the edge comes twice, once inside and once outside": _turned(fill=_edge_once),
            "the photo was turned about its upper left corner, not about its middle": _turned(middle=False),
            "the photo was turned bilinearly; here both go to the nearest pixel": _bilinear,
        },
    ),
)

_LIMIT, _DRAWS = 3.0, 300
_GREYS = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0, 0.5]).view(1, 2, 3).repeat(3, 1, 1)  # a photo (3, 2, 3)


def _power(given) -> tuple[float, str | None]:
    """The power that a photo of `_GREYS` was taken to, and what is wrong if there is none."""
    if np.shape(given) != tuple(_GREYS.shape):
        return 0, f"the photo came back as {tuple(np.shape(given))}, and it went in as {tuple(_GREYS.shape)}."
    values = torch.as_tensor(given).detach().cpu().double()
    half = values[0, 0, 2].item()  # what became of 0.5
    if not 0 < half < 1:
        return 0, f"a pixel of 0.5 became {half:.3g}, and no power of it is that."
    power = log(half) / log(0.5)
    if difference(values, _GREYS.double() ** power, 1e-3):
        return 0, "the photo's values were not all taken to one and the same power."
    return power, None


def _judge_gamma(answer) -> str | None:
    if not isinstance(answer, type):
        return f"a class was asked for, not {shown(answer)}."
    transform, y, powers = answer(limit=_LIMIT), torch.tensor([[[0.0, 1, 1], [0, 1, 0]]]), []
    for seed in [*range(_DRAWS), 0, 1, 2]:
        torch.manual_seed(seed)
        given = attempted(transform(_GREYS.clone(), y.clone()))
        if not (isinstance(given, tuple | list) and len(given) == 2):
            return f"photo and mask should come back, `return x ** g, y`, not {shown(given)}."
        power, wrong = _power(given[0])
        if wrong:
            return wrong
        if difference(given[1], y):
            return "the mask changed; light does not move a car."
        powers.append(power)
    if max(powers) - min(powers) < 1e-3:
        return f"all of {_DRAWS} calls took the power {powers[0]:.2f}; draw a new number in every call."
    if not np.allclose(powers[:3], powers[_DRAWS:]):
        return "the same seed of torch gave another power; draw with torch's generator."
    return _spread(np.log(powers) / log(_LIMIT)) or (
        None if str(_LIMIT) in repr(transform) else "its repr does not tell the limit; is it still a dataclass?"
    )


def _spread(logs: np.ndarray) -> str | None:
    """What is wrong with draws that should be even between −1 and 1."""
    low, high = _LIMIT ** logs.min(), _LIMIT ** logs.max()
    if not -1.001 < logs.min() < -0.9 < 0.9 < logs.max() < 1.001:
        return f"for limit 3 the powers go from {low:.2f} to {high:.2f}, and 0.33 to 3 were asked for."
    if abs(logs.mean()) > 0.15:  # of 300 even draws the mean strays by 0.03
        return f"{(logs > 0).mean():.0%} of the powers are above 1; draw log g evenly, not g, and it will be a half."
    if abs(np.abs(logs).mean() - 0.5) > 0.1:
        return "the powers keep to one part of their range; all log g within the limit should be as probable."
    return None


_GAMMA = """
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class MyGamma:
    limit: float = 2.0

    def __call__(self, x, y):
        even = 2 * torch.rand(1).item() - 1  # between -1 and 1
        g = {}
        return {}
"""
_RIGHT_G, _PHOTO_ONLY = "self.limit ** even", "x ** g, y"

gamma = Exercise(
    title="A transform of your own",
    minutes=20,
    task="The four lights of this chapter had a power that `recolor` lacks. Write a transform for "
    "`loader(transform=…)`: the photo (3, h, w) to the power *g*, the mask as it is. In every call draw log *g* evenly "
    "between −log `limit` and +log `limit`, from torch's generator, so that 1/2 is as probable as 2. Return both.\n\n"
    "`train_once` tells one training from another by the settings and the code of a transform: edit yours, and the "
    "next run trains again. When it is right, "
    'train a network with it as the cells above do, and see what it does for "dusk" and "bright".',
    stub="@dataclass(frozen=True)\nclass MyGamma:\n    limit: float = 2.0\n\n"
    "    def __call__(self, x, y):\n        return ...",
    hints=(
        "`2 * torch.rand(1).item() - 1` is even between −1 and 1.",
        "If *u* is even between −1 and 1, then *u* · log `limit` is even between the two ends. What is *g*?",
        "exp(*u* · log `limit`) is `self.limit ** u`.",
    ),
    answer=_GAMMA.replace("import numpy as np\n", "").format(_RIGHT_G, _PHOTO_ONLY),
    explanation="Powers multiply: a photo to the power 2 and then 1/2 is the photo again. What multiplies is drawn "
    "evenly in its logarithm, otherwise most photos would become darker. Values 0 and 1 stay, whatever the power, so "
    "the photo keeps its range without a clamp.",
    judge=_judge_gamma,
    faults={
        _GAMMA.format("self.limit ** abs(even)", _PHOTO_ONLY): "0.33 to 3 were asked for",
        _GAMMA.format("2 ** even", _PHOTO_ONLY): "0.33 to 3 were asked for",
        _GAMMA.format("1 + even * (1 - 1 / self.limit)", _PHOTO_ONLY): "0.33 to 3 were asked for",
        _GAMMA.format("1 / self.limit + (even + 1) / 2 * (self.limit - 1 / self.limit)", _PHOTO_ONLY): "evenly, not g",
        _GAMMA.format("self.limit if even > 0 else 1 / self.limit", _PHOTO_ONLY): "one part of their range",
        _GAMMA.format("self.limit", _PHOTO_ONLY): "draw a new",
        _GAMMA.format("self.limit ** np.random.uniform(-1, 1)", _PHOTO_ONLY): "same seed",
        _GAMMA.format(_RIGHT_G, "x ** g, y ** g + g"): "mask changed",
        _GAMMA.format(_RIGHT_G, "x * g, y"): "power",
        _GAMMA.format("self.limit ** (2 * torch.rand(3, 1, 1) - 1)", _PHOTO_ONLY): "one and the same power",
        _GAMMA.format(_RIGHT_G, "x ** g"): "should come back",
        _GAMMA.format(_RIGHT_G, _PHOTO_ONLY).replace("(frozen=True)", "(repr=False)"): "does not tell the limit",
        "def MyGamma(x, y):\n    return x, y\n": "a class was asked for",
    },
)

quiz = Quiz(
    (
        Question(
            "Why does each pixel of a turned photo ask where it was, instead of each pixel of the photo being sent to "
            "its new place?",
            (
                Choice(
                    "Because the way back hits whole pixels.",
                    "It hits places between pixels as well; one takes the nearest, or a weighted mean.",
                ),
                Choice(
                    "Because then every pixel of the result gets exactly one value.",
                    "Sent pixels land two in one place and none in the next; asked ones cannot.",
                    right=True,
                ),
                Choice(
                    "Because otherwise the corners would be black.",
                    "They are black either way, until somebody fills them.",
                ),
            ),
        ),
        Question(
            "Photos are turned by one random call, and their masks by a second one that draws again. What happens?",
            (
                Choice(
                    "Training goes on, and the loss punishes right answers.",
                    "Shapes and values are in order; only the mask belongs to another angle.",
                    right=True,
                ),
                Choice("Training stops with an error.", "Nothing that could be checked is wrong; the shapes agree."),
                Choice(
                    "Over many photos the angles cancel, and nothing is lost.",
                    "Each pair is wrong by its own difference of two angles; there is no pair in which that cancels.",
                ),
            ),
        ),
        Question(
            "An augmented network scores lower than the plain one, on the cars of its own training too. What is this?",
            (
                Choice(
                    "It has learned its training cars by heart.",
                    "Then it would score higher on them, and lower on others.",
                ),
                Choice("It must be worse on turned photos as well.", "Turned photos are what it was trained for."),
                Choice(
                    "It underfits: it does not fit even its training cars as well.",
                    "One reason may be that turned and mirrored cars took a share of the same steps and weights.",
                    right=True,
                ),
            ),
        ),
        Question(
            "In which of these tasks is it a mistake to mirror photo and mask together?",
            (
                Choice(
                    "Cut out cars with writing on their doors.",
                    "The writing comes out wrong, but the mask is still the car's.",
                ),
                Choice(
                    "Mark the car's left headlamp.",
                    "In the mirror the marked lamp is the right one: the mask is not what one would draw there.",
                    right=True,
                ),
                Choice(
                    "Cut out cars that drive to the left or to the right.",
                    "A mirrored one is another photo of that kind, and its mask fits.",
                ),
            ),
        ),
    )
)
