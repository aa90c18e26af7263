"""Exercises of the appendix: sizes, stamps and weights of transposed convolutions.

Lesson:
    appendix-upsampling.
"""

import numpy as np
import torch
from torch.nn import functional as F

from carvana_lessons.exercises.base import Exercise, Function, Value
from carvana_lessons.exercises.compare import difference, shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz

a_size = Exercise(
    title="A size",
    minutes=2,
    task="A map of 20×20 goes through a transposed convolution with kernel 5, stride 3, padding 1. How many pixels has "
    "a side of the answer?",
    stub="my_side = ...",
    hints=(
        "Where does the first stamp begin, and where does the last one end? After that, padding cuts.",
        "`H = (h − 1) · s + k − 2p`, with h = 20.",
    ),
    answer="my_side = (20 - 1) * 3 + 5 - 2 * 1",
    explanation="Nineteen steps of 3 and one whole kernel of 5 make 62; padding cuts one cell on each side. The answer "
    "is exactly three times as large, because k − 2p equals the stride. The last exercise finds weights with which "
    "this layer enlarges bilinearly.",
    judge=Value(
        60,
        {
            "padding is cut off, one cell on each side": 62,
            "padding is cut on both sides, not on one": 61,
            "here padding makes the answer smaller, not larger": 64,
            "from the first of 20 numbers to the last there are 19 steps": 63,
            "the last stamp ends five cells after it begins; 19 steps alone stop at its first cell": 55,
            "that is the size of an ordinary convolution, which goes down": 6,
            "the number of pixels along one side was asked for, not of the whole answer": 3600,
        },
    ),
)


def _stamps(k, s):
    return -(-k // s), k // s


stamps = Exercise(
    title="Stamps",
    minutes=10,
    task="Write `my_stamps(k, s)` for kernel `k` and stride `s`: the largest and the smallest number of stamps on a "
    "cell inside, *along one axis*, as a pair. (In the plane they are the squares of these.) Inside means: so far from "
    "the border that the stamps go on in both directions. A stride larger than the kernel is tried too. No map is "
    "needed; `k` and `s` say it all.",
    stub="def my_stamps(k, s):\n    return ...",
    hints=(
        "Draw stamps of 3 cells, each 2 further on. How many lie on each cell?",
        "Number the cells of a stamp from 0 to k − 1. A cell of the answer gets every s-th of these numbers. How many "
        "can that be?",
        "It is the kernel over the stride, once rounded up and once rounded down; `k // s` rounds down.",
    ),
    answer="""
def my_stamps(k, s):
    return -(-k // s), k // s
""",
    explanation="Rounding down what is negative rounds up: `-(-k // s)`; `math.ceil(k / s)` does the same. The two "
    "numbers are equal exactly when the stride divides the kernel, which is the chapter's rule. With a stride larger "
    "than the kernel some cells get no stamp at all and stay empty.",
    judge=Function(
        _stamps,
        [(1, 1), (3, 2), (4, 2), (2, 3), (2, 2), (5, 3), (7, 2), (5, 1), (3, 3), (8, 3), (1, 4)],
        {
            "the largest comes first, then the smallest": lambda k, s: _stamps(k, s)[::-1],
            "along one axis was asked for; you have the numbers in the plane": lambda k, s: tuple(
                n**2 for n in _stamps(k, s)
            ),
            "the largest number is rounded up, not down": lambda k, s: (k // s, k // s),
            "the smallest number is rounded down, not up": lambda k, s: (_stamps(k, s)[0],) * 2,
            "where the stride divides the kernel, all cells inside get the same": lambda k, s: (k // s + 1, k // s),
            "where the stride is larger than the kernel, some cells get no stamp": lambda k, s: (
                -(-k // s),
                max(1, k // s),
            ),
            "stamps are counted in whole numbers": lambda k, s: (k / s, k / s),
            "the cells inside were asked for; at the very border there is always a cell with one stamp": lambda k, s: (
                -(-k // s),
                min(1, k // s),
            ),
        },
    ),
)


def _transposed(x, kernel, stride):
    return F.conv_transpose2d(x[None, None], kernel[None, None], stride=stride)[0, 0]


def _put_down(x, kernel, stride, add=True):
    """By hand: stamps that are added where they overlap, or that cover what lay there before."""
    (h, w), k = x.shape, len(kernel)
    out = torch.zeros((h - 1) * stride + k, (w - 1) * stride + k)
    for i in range(h):
        for j in range(w):
            place = slice(i * stride, i * stride + k), slice(j * stride, j * stride + k)
            out[place] = x[i, j] * kernel + (out[place] if add else 0)
    return out


def _multiple(x, kernel, stride):
    """Cut or filled up to h times the stride."""
    out, (h, w) = _put_down(x, kernel, stride), x.shape
    return F.pad(out, (0, w * stride - out.shape[1], 0, h * stride - out.shape[0]))


def _room_for_all(x, kernel, stride):
    """As large as if the first number moved the stamp on, too."""
    return F.pad(_put_down(x, kernel, stride), (0, stride, 0, stride))


def _corners(x, kernel, stride):
    """Each number spread out, and not yet multiplied by the kernel."""
    point = torch.zeros_like(kernel)
    point[0, 0] = 1
    return _put_down(x, point, stride)


def _numbers(height: int, width: int) -> torch.Tensor:
    """Small whole numbers, no two of them equal."""
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(height + 7 * width))
    return (order + 1.0).view(height, width)


by_hand = Exercise(
    title="By hand",
    minutes=15,
    task="Write the transposed convolution of one map, without torch's own: `x` is (h, w), `kernel` is (k, k), no "
    "padding. The answer is ((h − 1) · stride + k, (w − 1) · stride + k). Maps that are not square are tried, strides "
    "smaller than the kernel, and one that is larger.",
    stub="def my_transposed(x, kernel, stride):\n    return ...",
    hints=(
        "Begin with zeros of the size that the task gives. Two loops run over the rows and columns of `x`.",
        "`x[i, j] * kernel` is one stamp. Its upper left cell comes to row `i * stride`, column `j * stride`.",
        "Where stamps overlap, they add: `out[a : a + k, b : b + k] += ...`.",
    ),
    answer="""
import torch


def my_transposed(x, kernel, stride):
    (h, w), k = x.shape, len(kernel)
    out = torch.zeros((h - 1) * stride + k, (w - 1) * stride + k)
    for i in range(h):
        for j in range(w):
            a, b = i * stride, j * stride
            out[a : a + k, b : b + k] += x[i, j] * kernel
    return out
""",
    explanation="One line does the work. With `=` in place of `+=` the result is right as long as stamps do not "
    "overlap, in U-Net's doubling for example; so a test with kernel 2 and stride 2 alone would not find the mistake.",
    judge=Function(
        _transposed,
        [
            (torch.tensor([[1.0, 2]]), torch.tensor([[1.0, 3], [0, 2]]), 1),
            (_numbers(2, 2), _numbers(2, 2), 2),
            (_numbers(3, 4), _numbers(3, 3), 2),
            (_numbers(4, 3), _numbers(4, 4), 3),
            (_numbers(2, 3), _numbers(2, 2), 3),
        ],
        {
            "where stamps overlap they add, and yours cover what lay there before": lambda x, kernel, stride: _put_down(
                x, kernel, stride, add=False
            ),
            "a stamp is the kernel as it is, not turned by 180°": lambda x, kernel, stride: _put_down(
                x, kernel.flip(0, 1), stride
            ),
            "the kernel's rows and columns are exchanged": lambda x, kernel, stride: _put_down(x, kernel.T, stride),
            "rows and columns of the map are exchanged": lambda x, kernel, stride: _put_down(x.T, kernel, stride),
            "from one number to the next the stamp moves on by the stride, and yours moves by 1": (
                lambda x, kernel, stride: _put_down(x, kernel, 1)
            ),
            "from one number to the next the stamp moves on by the stride, and yours moves by a whole kernel": (
                lambda x, kernel, stride: _put_down(x, kernel, len(kernel))
            ),
            "a side is not h times the stride: it is h − 1 steps of the stride and one whole kernel": _multiple,
            "the first stamp needs no step: a side is h − 1 steps of the stride and one kernel": _room_for_all,
            "you spread the numbers, but each is still to be multiplied by the whole kernel": _corners,
        },
    ),
)

_TENT = np.array([1, 2, 3, 2, 1]) / 3


def _tripled(weights, signal):
    """A row of numbers enlarged by three with these weights."""
    signal, weights = torch.as_tensor(signal).double(), torch.as_tensor(weights).double()
    return F.conv_transpose1d(signal[None, None], weights[None, None], stride=3, padding=1)[0, 0]


def _judge_weights(answer) -> str | None:
    if difference(answer, _TENT) is None:
        return None
    try:
        weights = torch.as_tensor(answer).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        return f"five numbers were asked for, not {shown(answer)}."
    if weights.shape == (5, 5):
        return "you have a whole kernel, and its five weights along one axis were asked for."
    if weights.shape != (5,):
        return f"five numbers were asked for, not {shown(answer)}."
    if torch.allclose(weights, 3 * torch.from_numpy(_TENT)):
        return "the tent is right, and three times too high: the three kinds of cells get 3, and each must get 1."
    if abs(weights.sum() - 1) < 1e-4:
        return "all five sum to 1, but each of the three kinds of cells must get weights that sum to 1: 3 in all."
    if torch.allclose(weights, torch.from_numpy(_TENT), atol=0.02):
        return "you are close, but rounded; let Python divide, as in 1 / 3."
    kinds = torch.stack([weights[[0, 3]].sum(), weights[[1, 4]].sum(), weights[2]])
    if (kinds - 1).abs().max() > 1e-4:
        return (
            f"the three kinds of cells get weights that sum to {shown(kinds)}; where it is not 1, a wall gets stripes."
        )
    if torch.equal(weights, torch.tensor([0, 1, 1, 1, 0]).double()):
        return "that is nearest: it repeats each number three times, and bilinear goes on evenly in between."
    slope = _tripled(weights, [0, 3, 6, 9])[4:8]
    return f"a constant stays constant, but a slope is no slope: between 3 and 6 come {shown(slope)}, not 3, 4, 5, 6."


three_times = Exercise(
    title="Three times as large",
    minutes=20,
    task="Find the five weights along one axis with which a transposed convolution of stride 3 and padding 1 enlarges "
    "bilinearly by *three*. (In the plane the kernel is their outer product, as with the tent for two.) A list, an "
    "array or a tensor of five numbers.",
    stub="my_weights = ...",
    hints=(
        "With stride 3 there are three kinds of cells. Which of the five weights arrive at each? With weights a b c d "
        "e: a and d at one kind, b and e at the next, c alone at the third. Each kind must get 1 in all.",
        "A cell between two numbers, one third of the way from the first, takes two thirds of the first and one third "
        "of the second.",
        "It is a tent: 1 in the middle, and down to 0 in three steps.",
    ),
    answer="my_weights = [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]",
    explanation="With an odd factor one kind of cell lies exactly on an input number and takes it as it is: weight 1. "
    "With two no cell does, which is why that tent has no top: ¼ ¾ ¾ ¼. The tent for an odd factor s has 2s − 1 "
    "weights, for an even one 2s.",
    judge=_judge_weights,
    faults={
        "my_weights = [1, 2, 3, 2, 1]": "three times too high",
        "my_weights = [1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9]": "3 in all",
        "my_weights = [0, 1, 1, 1, 0]": "nearest",
        "my_weights = [1 / 4, 3 / 4, 3 / 4, 1 / 4]": "five numbers were asked for, not [0.25",
        "my_weights = [1 / 4, 3 / 4, 1, 3 / 4, 1 / 4]": "come [3.0, 3.75",
        "my_weights = [1 / 4, 2 / 4, 1, 2 / 4, 1 / 4]": "weights that sum to [0.75, 0.75, 1.0]",
        "my_weights = [1 / 2, 1 / 2, 1, 1 / 2, 1 / 2]": "come [3.0, 4.5",
        "my_weights = [2 / 3, 1 / 3, 1, 1 / 3, 2 / 3]": "come [3.0, 5.0",
        "my_weights = [0.33, 0.67, 1, 0.67, 0.33]": "rounded",
        "import numpy as np\n\nmy_weights = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]) / 9": "a whole kernel",
        'my_weights = "a tent"': "not 'a tent'",
    },
)

quiz = Quiz(
    (
        Question(
            "A convolution takes an image down, the transposed one with the same kernel takes the answer up again. "
            "What comes back?",
            (
                Choice("The image.", "The two are no inverses: 4 numbers cannot hold what 16 held."),
                Choice("The image, turned by 180°.", "Only the kernel is turned, and only in one way to compute it."),
                Choice(
                    "An image of the same size, in general another one.",
                    "Size and connections are those of the way down; the values lost there stay lost.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A constant wall goes through a transposed convolution with kernel 4, stride 2 and random weights. What is "
            "to be seen inside?",
            (
                Choice("A constant, since the stamps fall evenly.", "Equal counts, but each kind has its own weights."),
                Choice(
                    "A pattern that repeats every two cells.",
                    "Four kinds of cells, each with the sum of its own four weights.",
                    right=True,
                ),
                Choice(
                    "Noise without a pattern.", "Cells of the same kind get the same weights, hence the same value."
                ),
            ),
        ),
        Question(
            "Which enlargement by two can U-Net's learned doubling, kernel 2 and stride 2, become?",
            (
                Choice(
                    "Nearest, but not bilinear.",
                    "Four ones are nearest; a bilinear cell mixes several numbers, and here only one arrives.",
                    right=True,
                ),
                Choice("Bilinear, but not nearest.", "For bilinear, stamps must overlap; these lie side by side."),
                Choice("Both, after enough training.", "Training finds weights, but the kernel has no more than 2×2."),
            ),
        ),
    )
)
