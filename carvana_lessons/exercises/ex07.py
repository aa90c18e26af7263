"""Exercises of chapter 7: a convolution by hand, zeros in a kernel, windows, and rates that leave no pixel unseen.

Lesson:
    07.
"""

from math import gcd

import numpy as np

from carvana_lessons.exercises.base import Each, Exercise, Function, Value, attempted
from carvana_lessons.exercises.compare import shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz

_MIDDLE = Value(
    4,
    {
        "you computed the regular convolution, and at rate 4 the taps lie 4 apart": 17,
        "you computed rate 2, and at rate 4 the taps lie 4 apart": 14,
        "the pixel under the middle is multiplied by the kernel's middle, which is not 1": 2,
        "the middle of the kernel always lies on the image": 0,
        "this is the corner's answer, and the middle comes first": 10,
    },
)
_CORNER = Value(
    10,
    {
        "you computed rate 2, and at rate 4 the taps lie 4 apart": 13,
        "four taps lie on the image, the kernel's middle and three that reach the other corners; add four products": 6,
        "you laid the kernel on upside down: its lower right quarter lies on the image": 8,
    },
)

_BY_HAND = "my_middle, my_corner = {}\n"

by_hand = Exercise(
    title="By hand",
    minutes=5,
    task="With the kernel and the image of this chapter, compute the answer of the convolution of rate **4** in the "
    "middle of the image (row 2, column 2), and in its top left corner (row 0, column 0). Zeros lie outside.\n\n"
    "```text\n"
    "kernel     image\n"
    "0 1 2      3 3 2 1 0\n"
    "2 2 0      0 0 1 3 1\n"
    "0 1 2      3 1 2 2 3\n"
    "           2 0 0 2 2\n"
    "           2 0 0 0 1\n"
    "```",
    stub="my_middle, my_corner = ..., ...",
    hints=(
        "At rate 4 the nine taps lie at 4 rows up, 0 and 4 rows down, and as many columns. Which of them are on the "
        "image?",
        "In the middle only one tap is on the image. In the corner it is four: the kernel's middle and those to the "
        "right of it and below.",
        "The corner, tap by tap: kernel 2 on pixel 3, kernel 0 on pixel 0, kernel 1 on pixel 2, kernel 2 on pixel 1.",
    ),
    answer=_BY_HAND.format("2 * 2, 2 * 3 + 0 * 0 + 1 * 2 + 2 * 1"),
    explanation="In the middle of a 5×5 image, rate 4 is a 1×1 convolution: eight of the nine weights fall on zeros. "
    "In a corner more of them have work to do than in the middle, which no regular convolution does. On small maps a "
    "large rate buys nothing.",
    judge=Each({"in the middle": _MIDDLE, "in the corner": _CORNER}),
    faults={
        _BY_HAND.format("17, 6"): "in the middle: you computed the regular",
        _BY_HAND.format("14, 13"): "in the middle: you computed rate 2",
        _BY_HAND.format("2, 10"): "which is not 1",
        _BY_HAND.format("0, 10"): "always lies on the image",
        _BY_HAND.format("4, 13"): "in the corner: you computed rate 2",
        _BY_HAND.format("4, 6"): "four taps",
        _BY_HAND.format("4, 8"): "upside down",
        _BY_HAND.format("10, 4"): "the middle comes first",
    },
)


def _inflate(kernel, rate):
    kernel = np.asarray(kernel)
    big = np.zeros([1 + (side - 1) * rate for side in kernel.shape])
    big[::rate, ::rate] = kernel
    return big


def _cells(kernel, rate, fill=False):
    """Each number in a square of rate × rate: in its upper left corner, or everywhere."""
    cell = np.ones((rate, rate)) if fill else np.zeros((rate, rate))
    cell[0, 0] = 1
    return np.kron(kernel, cell)


def _kernel(side: int) -> np.ndarray:
    return np.arange(1.0, side * side + 1).reshape(side, side)


def _first_columns(kernel, rate):
    big = np.zeros_like(_inflate(kernel, rate))
    big[:, : kernel.shape[1]][::rate] = kernel
    return big


inflate = Exercise(
    title="Zeros in the kernel",
    minutes=10,
    task="A dilated convolution is a regular one with a larger kernel that is mostly zeros. Write the function that "
    "makes it: from a kernel (k, k) and a rate *r*, a kernel whose side is 1 + (k − 1)·r.",
    stub="def my_inflate(kernel, rate):\n    return ...",
    hints=(
        "Draw the kernel of three taps at rate 2: tap, zero, tap, zero, tap. Between two taps lie rate − 1 zeros, and "
        "after the last one none.",
        "Begin with zeros of the right side. Which of their rows and columns hold taps?",
        "`big[::rate, ::rate]` is every rate-th row and column.",
    ),
    answer="""
import torch


def my_inflate(kernel, rate):
    kernel = torch.as_tensor(kernel)
    side = 1 + (len(kernel) - 1) * rate
    big = torch.zeros(side, side, dtype=kernel.dtype)
    big[::rate, ::rate] = kernel
    return big
""",
    explanation="A regular convolution with the larger kernel gives the same answer, but it multiplies with all the "
    "zeros, and in training it would put other numbers in their place. The zeros that a dilated convolution leaves out "
    "are its whole saving: at rate 8 nine weights instead of 289.",
    judge=Function(
        _inflate,
        [(_kernel(2), 2), (_kernel(1), 4), (_kernel(3), 1), (_kernel(2), 3), (_kernel(3), 3), (_kernel(5), 2)],
        {
            "after the last tap no zeros follow": _cells,
            "between two taps lie rate − 1 zeros, and you put in rate": lambda kernel, rate: _inflate(kernel, rate + 1),
            "the taps were made wider, but they should stay single and zeros lie between": lambda kernel, rate: _cells(
                kernel, rate, fill=True
            ),
            "rows and columns of the kernel are exchanged": lambda kernel, rate: _inflate(kernel.T, rate),
            "the kernel was turned upside down; its taps keep their order": lambda kernel, rate: _inflate(
                kernel[::-1, ::-1], rate
            ),
            "the taps lie apart in rows, but not in columns": _first_columns,
            "zeros lie around the kernel, and they should lie between its taps": lambda kernel, rate: np.pad(
                kernel, (len(kernel) - 1) * (rate - 1) // 2
            ),
        },
    ),
)


def _window(layers, first=1, reach=lambda kernel, rate: (kernel - 1) * rate, early=False, grow=lambda a, b: a * b):
    side, step = first, 1
    for kernel, rate, stride in layers:
        before = step
        step = grow(step, stride)
        side += reach(kernel, rate) * (step if early else before)
    return side


_POOL = (2, 1, 2)
_ARC3 = [conv for count in (2, 2, 3, 3) for conv in [(3, 1, 1)] * count + [_POOL]]

window = Exercise(
    title="How far does it see?",
    minutes=10,
    task="Write a function that computes the side of the window that the last of several layers sees of the input. "
    "The layers come in a list, the first one first; each is a tuple (kernel, rate, stride). A 3×3 convolution of rate "
    "2 is (3, 2, 1). A 2×2 pool is (2, 1, 2): it sees two pixels across as well, and behind it a step is twice as "
    "long.",
    stub="def my_window(layers):\n    return ...",
    hints=(
        "Keep two numbers, `side` and `step`. Without any layer a pixel sees itself: both are 1.",
        "A layer adds (kernel − 1)·rate steps to the side.",
        "A layer's own reach is counted in the steps *before* it; its stride makes the step longer for those behind.",
    ),
    answer="""
def my_window(layers):
    side, step = 1, 1
    for kernel, rate, stride in layers:
        side += (kernel - 1) * rate * step
        step *= stride
    return side
""",
    explanation="Rates add, strides multiply. That is why four pools in front make each layer of the middle sixteen "
    "times as far-sighted, at the price of answers that stand 16 pixels apart. The last two cases of the check are the "
    "middles of Architecture #3 and of MaskingNet: 292 and 772.",
    judge=Function(
        _window,
        [
            ([(3, 1, 1)],),
            ([(3, 2, 1)],),
            ([(5, 3, 1)],),
            ([],),
            ([(3, 1, 1), _POOL, (3, 1, 1)],),
            ([_POOL, _POOL, _POOL, (3, 4, 1), (1, 1, 1)],),
            (_ARC3 + [(3, 1, 1)] * 6,),
            (_ARC3 + [(3, rate, 1) for rate in (1, 2, 4, 8, 4, 2)],),
        ],
        {
            "a layer adds (kernel − 1)·rate, and you added kernel·rate": lambda layers: _window(
                layers, reach=lambda kernel, rate: kernel * rate
            ),
            "without any layer the side is 1, and you began with 0": lambda layers: _window(layers, first=0),
            "the rate is missing": lambda layers: _window(layers, reach=lambda kernel, rate: kernel - 1),
            "the step is missing: behind a pool a pixel is two pixels of the input": lambda layers: _window(
                layers, grow=lambda step, stride: 1
            ),
            "a pool makes the step longer for the layers behind it, not for itself": lambda layers: _window(
                layers, early=True
            ),
            "strides multiply: behind two pools a step is four pixels": lambda layers: _window(
                layers, grow=lambda step, stride: step + stride - 1
            ),
            "a pool sees two pixels across, so it adds to the side like a convolution": lambda layers: _window(
                layers, reach=lambda kernel, rate: (kernel - 1) * rate * (kernel != 2)
            ),
            "the rate stretches the gaps between the taps, not the taps": lambda layers: _window(
                layers, reach=lambda kernel, rate: kernel * rate - 1
            ),
        },
    ),
)


def _rates(answer, count: int) -> tuple[list[int], str | None]:
    """The rates of an answer, and what is wrong with them as rates."""
    try:
        values = [float(attempted(rate)) for rate in answer]
    except (TypeError, ValueError):
        return [], f"{count} rates were asked for, such as `({', '.join('1' * count)})`, not {shown(answer)}."
    if len(values) != count:
        return [], f"{count} rates were asked for, not {len(values)}."
    wrong = next((value for value in values if value < 1 or value % 1), None)
    if wrong is not None:
        return [], f"a rate is a whole number of 1 or more, not {wrong:g}."
    return [int(value) for value in values], None


def _unseen(rates: list[int]) -> str | None:
    """Which pixel of its window a stack of 3×3 convolutions does not see, and why, as far as that is easily said.

    Rows and columns do not depend on each other, so one axis decides: a pixel is seen if its distance is a sum of
    −r, 0 or r for each rate.
    """
    sums = {0}
    for rate in rates:
        sums = {place + tap for place in sums for tap in (-rate, 0, rate)}
    gap, common = next((k for k in range(1, sum(rates)) if k not in sums), None), gcd(*rates)
    if gap is None:
        return None
    if common > 1:
        return f"{common} divides all rates, so what lies {gap} beside the middle is unseen, and so on: a grid."
    return f"the window reaches {sum(rates)} to each side, but what lies {gap} beside the middle is unseen."


def _judge_three(answer) -> str | None:
    rates, wrong = _rates(answer, 3)
    wrong = wrong or _unseen(rates)
    if wrong:
        return wrong
    # 27 ways to come from an output to an input, along one axis; so 27 is the most that can be seen.
    side = 1 + 2 * sum(rates)
    return None if side == 27 else f"no pixel is unseen, but a larger window than {side} is possible."


largest = Exercise(
    title="As far as three layers can",
    minutes=10,
    task="Three 3×3 convolutions, one after the other, all of stride 1. Which three rates give the *largest* window "
    "without a pixel unseen? Write them as a tuple or list, in any order.",
    stub="my_rates = ...",
    hints=(
        "Along one axis each layer goes −r, 0 or +r. How many ways are there for three layers?",
        "There are 3·3·3 = 27 ways. The window is largest if no two of them end at the same pixel.",
        "With the first rate 1 you reach −1, 0, 1, three pixels in a row. How far apart must three copies of that row "
        "be laid so that they neither overlap nor leave a gap?",
    ),
    answer="my_rates = (1, 3, 9)\n",
    explanation="27 pixels, each by exactly one way: it is how numbers are written with the digits −1, 0 and 1 to the "
    "base 3. There is a price: each pixel is seen by a single way. The cascade 1, 2, 4, 8, 4, 2 sees less than six "
    "layers can, but most of it by many ways.",
    judge=_judge_three,
    faults={
        "my_rates = (1, 2, 4)": "larger window than 15",
        "my_rates = [1, 3, 8]": "larger window than 25",
        "my_rates = (2, 6, 18)": "2 divides all rates",
        "my_rates = (1, 3, 10)": "reaches 14 to each side, but what lies 5 beside",
        "my_rates = (1, 4, 9)": "what lies 2 beside",
        "my_rates = (1, 2, 4, 8)": "not 4",
        "my_rates = (0, 3, 9)": "whole number of 1 or more",
        "my_rates = 27": "3 rates were asked for",
    },
)

_LARGEST_RATE, _PIXELS = 16, 1024


def _judge_six(answer) -> str | None:
    rates, wrong = _rates(answer, 6)
    if wrong:
        return wrong
    if max(rates) > _LARGEST_RATE:
        return f"a rate of {max(rates)} is above {_LARGEST_RATE}."
    side = _window(_ARC3 + [(3, rate, 1) for rate in rates])
    if side < _PIXELS:
        return f"the window is {side} pixels of the photo; the rates must add up to more than {sum(rates)}."
    return _unseen(rates)


six_rates = Exercise(
    title="Wider photos",
    minutes=15,
    task="Someone trains at 1024×1024. Choose six rates for the middle of MaskingNet: its window should be at least "
    "1024 pixels of the photo, no pixel of the middle's map may be unseen, and no rate may be above 16, so that most "
    "taps still lie on the map of 64×64. "
    '`features.receptive_fields(models.create("maskingnet", width=2, dilation=my_six))[-1].size` gives the window.',
    stub="my_six = ...",
    hints=(
        "The rates 1, 2, 4, 8, 4, 2 add up to 21 and see 772 pixels. How many pixels does one more in this sum bring?",
        "A step in the middle is 16 pixels, and a layer reaches to both sides: 32 pixels for each 1 in the sum. So "
        "what must the sum be?",
        "In order of size, begin with 1, and let no rate be above twice the sum of those before it, plus one; then no "
        "gap can open.",
    ),
    answer="my_six = (1, 2, 4, 8, 16, 2)\n",
    explanation="The encoder with its pools sees 100 pixels, and each 1 in the sum of the rates adds 32: the sum has "
    "to be 29 or more. Rates with the sum S and no gap see 2S + 1 places in a row; one more rate lays two copies of "
    "that row beside it, and up to 2S + 1 they join it without a gap. A window of 1024 pixels holds the whole photo "
    "only for a place in its middle.",
    judge=_judge_six,
    faults={
        "my_six = (1, 2, 4, 8, 4, 2)": "window is 772 pixels",
        "my_six = (1, 2, 4, 8, 8, 5)": "window is 996 pixels",
        "my_six = (8, 8, 8, 8, 8, 8)": "8 divides all rates",
        "my_six = [1, 16, 16, 16, 16, 16]": "what lies 2 beside the middle is unseen",
        "my_six = (1, 3, 9, 27, 81, 243)": "above 16",
        "my_six = (1, 2, 4, 8, 16)": "6 rates were asked for, not 5",
        "my_six = (1, 2, 4, 8, 16, 0.5)": "whole number",
    },
)

quiz = Quiz(
    (
        Question(
            "What does a 3×3 convolution of rate 8 cost more than one of rate 1, between the same channels?",
            (
                Choice(
                    "The weights of a 17×17 kernel.", "It spans 17 pixels, but has nine taps; the rest is no weight."
                ),
                Choice("Sharpness, since its answer is smaller.", "With padding 8 the map keeps its size."),
                Choice(
                    "No weight and no multiplication.",
                    "Nine taps, laid further apart. What it may cost is what lies between them.",
                    right=True,
                ),
            ),
        ),
        Question(
            "Six regular convolutions see 13 pixels, and leave a hole in a disc of radius 15. What can close it?",
            (
                Choice(
                    "The rates 1, 2, 4, 8, 4, 2 with as many weights.",
                    "Their window of 43 pixels shows the middle of the disc its boundary.",
                    right=True,
                ),
                Choice("Ten times as many training steps.", "An empty window inside and one outside still look alike."),
                Choice(
                    "Twice as many channels.",
                    "More is computed from the same 13 pixels, and those are empty.",
                ),
            ),
        ),
        Question(
            "Three layers of the rates 2, 4 and 8 see a window of 29 pixels. What can change the answer in column 10?",
            (
                Choice("Every column from −4 to 24.", "That is how far the window reaches, not what is seen in it."),
                Choice(
                    "The even columns from −4 to 24.",
                    "All steps are even, so from an even column one gets to even ones alone: gridding.",
                    right=True,
                ),
                Choice("Columns 8, 10 and 12.", "Those are the taps of rate 2 alone; the other layers reach further."),
            ),
        ),
        Question(
            "Why is it no use to compare Architecture #3 and MaskingNet on photos of 96×96 for the sake of the window?",
            (
                Choice(
                    "Because the cars are too small for holes.",
                    "Holes come from windows that are small beside the car, and here neither window is.",
                ),
                Choice(
                    "Because 292 pixels hold the whole photo already.",
                    "And on the middle's map of 6×6 most taps of the large rates fall on zeros.",
                    right=True,
                ),
                Choice(
                    "Because they have different numbers of weights.",
                    "They have the same; only the rates differ.",
                ),
            ),
        ),
    )
)
