"""Exercises of chapter 2: a parameter count, a pixel's pull, a loss that stays finite, the step up.

Lesson:
    02.
"""

import numpy as np
import torch
from torch import nn

from carvana_lessons import models
from carvana_lessons.exercises.base import Exercise, Function, Value, attempted
from carvana_lessons.exercises.compare import difference, shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz


def _conv(k: int, a: int, b: int) -> int:
    return k * k * a * b + b


def _taken_away(stage: bool = True, up: bool = True, merge: bool = True) -> int:
    """What unet-tiny has left without the named parts of its lowest stage, from 32 to 64 channels."""
    count = 120_965
    count -= stage * (_conv(3, 32, 64) + _conv(3, 64, 64))
    count -= up * _conv(2, 64, 32)
    return count - merge * (_conv(3, 64, 32) + _conv(3, 32, 32))


def _right_count() -> int:
    with torch.device("meta"):  # sizes without numbers
        return models.count_parameters(models.UNet(stages=(8, 16, 32)))


# One bias for each channel that comes out: stages, doublings, merges, head.
_BIASES = 2 * (8 + 16 + 32) + (16 + 8) + 2 * (16 + 8) + (2 + 1)

count = Exercise(
    title="Count",
    minutes=3,
    task="How many parameters would `unet-tiny` have with one stage less, that is, with the stages 8-16-32? Find the "
    "number with pencil and paper, or with the chapter's `conv(k, a, b)`, before you ask a network.",
    stub="my_count = ...",
    hints=(
        "A stage less is also a step up less. What stays is 120,965 minus what goes.",
        "Three parts go: the stage from 32 to 64 channels, the doubling from 64 to 32, and the merge after it.",
        "The stage is `conv(3, 32, 64) + conv(3, 64, 64)`, the merge `conv(3, 64, 32) + conv(3, 32, 32)`.",
    ),
    answer="""
def conv(k, a, b):
    return k * k * a * b + b


stage = conv(3, 32, 64) + conv(3, 64, 64)
up = conv(2, 64, 32)
merge = conv(3, 64, 32) + conv(3, 32, 32)
my_count = 120_965 - stage - up - merge
""",
    explanation="The lowest stage and the step up from it hold three quarters of all parameters, though they work on "
    "the smallest maps. Weights grow with the product of channels in and channels out, and have nothing to do with "
    "height and width. So one stage more makes about four times as many of them.",
    judge=Value(
        _right_count,
        {
            "a stage less is also a step up less, and you took away the stage alone": _taken_away(
                up=False, merge=False
            ),
            "after the doubling there is a merge of two convolutions, and it goes too": _taken_away(merge=False),
            "the 2×2 doubling from 64 to 32 channels goes too": _taken_away(up=False),
            "the step up went, and the lowest stage is still there": _taken_away(stage=False),
            "the biases are missing, one for each channel that comes out": _taken_away() - _BIASES,
            "that is what goes; what stays was asked for": 120_965 - _taken_away(),
        },
        close=0,  # a count is right or wrong
    ),
)


def _probability(z):
    """The sigmoid, also of numbers far from 0."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def _gradient(logit, y):
    return _probability(logit) - y


def _pixels(*pairs: tuple[float, float]) -> tuple:
    """Logits and truths of some pixels."""
    logit, y = np.array(pairs, dtype=np.float32).T
    return logit.copy(), y.copy()


pull = Exercise(
    title="A pixel's pull",
    minutes=5,
    task="Write the derivative of a pixel's cross-entropy with respect to its logit. `logit` and `y` are arrays (n,), "
    "one number per pixel, `y` zeros and ones; the answer is (n,). Work with formulas, without `backward`. What comes "
    "out is surprisingly short.",
    stub="def my_gradient(logit, y):\n    return ...",
    hints=(
        "Write the loss in two steps: p = 1 / (1 + exp(−logit)), and then −(y log p + (1 − y) log (1 − p)).",
        "The chain rule: the derivative with respect to p is (p − y) / (p (1 − p)).",
        "The sigmoid's own derivative is p (1 − p). Multiply the two.",
    ),
    answer="""
import numpy as np


def my_gradient(logit, y):
    return 1 / (1 + np.exp(-logit)) - y
""",
    explanation="The pull is how far the probability is from the truth, no more. The sigmoid is flat where a logit is "
    "far from 0, and would let a pixel that is surely wrong learn next to nothing; the logarithm cancels that factor. "
    "With a squared error it would stay, which is one reason why networks like this are not trained with it.",
    judge=Function(
        _gradient,
        [_pixels((0, 1)), _pixels((-3, 0), (0, 1), (2, 0), (2, 1)), _pixels((8, 0), (-8, 1), (-8, 0), (0.5, 1))],
        {
            "the sign is turned: for a background pixel the loss grows with the logit": lambda z, y: -_gradient(z, y),
            "that is the derivative with respect to p; the sigmoid's own, p (1 − p), is still to come": lambda z, y: (
                _gradient(z, y) / (_probability(z) * (1 - _probability(z)))
            ),
            "that is the sigmoid's own derivative; the loss is missing": lambda z, y: (
                _probability(z) * (1 - _probability(z))
            ),
            "that is right for background pixels alone; the truth is missing": lambda z, y: _probability(z),
            "the truth is compared with the logit; it should be with the probability": lambda z, y: z - y,
            "you divided by the number of pixels; it is each pixel's own derivative that was asked for": lambda z, y: (
                _gradient(z, y) / len(z)
            ),
            "that is the loss, not its derivative": lambda z, y: np.logaddexp(0, z) - y * z,
            "that is the derivative of half the squared error, which flattens out where the logit is far from 0": (
                lambda z, y: _gradient(z, y) * _probability(z) * (1 - _probability(z))
            ),
            "that is the derivative of the squared error, which flattens out where the logit is far from 0": (
                lambda z, y: 2 * _gradient(z, y) * _probability(z) * (1 - _probability(z))
            ),
        },
    ),
)


def _bce(logit, y):
    return np.logaddexp(0, logit.astype(float)) - y * logit


class _Finite(Function):
    """Also names what goes wrong far from 0 alone; there the numbers depend on the dtype in which it was computed."""

    def __call__(self, answer) -> str | None:
        why = super().__call__(answer)
        if why is None or not callable(answer):
            return why
        near, far = _pixels((2, 1), (2, 0), (-3, 1)), _pixels((200, 0), (-200, 1))
        for convert in (np.array, torch.tensor):
            try:
                given = [np.array(answer(*map(convert, case)), dtype=float) for case in (near, far)]
            except Exception:  # `why` says it already
                continue
            if difference(given[0], _bce(*near)) or given[1].shape != (2,):
                continue
            if not np.isfinite(given[1]).all():
                return "for logits of 200 and −200 the loss is infinite: " + _TOO_FAR
            if (given[1] < 100).all():
                return "for logits of 200 and −200 the loss is far below 200: " + _CLIPPED
        return why


_TOO_FAR = "somewhere stands a logarithm of 0, or an exponential too large for the computer."
_CLIPPED = "where a probability is clipped, the loss stops growing just where a pixel is most wrong."
_BCE = "import numpy as np\n\n\ndef my_bce(logit, y):\n    {}\n    return {}\n"
_WITH_P = "-(y * np.log(p) + (1 - y) * np.log(1 - p))"

finite = Exercise(
    title="A loss that stays finite",
    minutes=10,
    task="Write the binary cross-entropy of each pixel from its logit, without its probability. `logit` and `y` are "
    "arrays (n,) as before, and the answer is (n,). For a logit of 1000 on a background pixel it must give 1000, not "
    "infinity. Write it yourself, not with a ready-made loss.",
    stub="def my_bce(logit, y):\n    return ...",
    hints=(
        "Put p = 1 / (1 + exp(−z)) into the formula. For a background pixel log (1 + exp(z)) remains, for a car pixel "
        "log (1 + exp(−z)).",
        "Both in one: log (1 + exp(z)) − y z.",
        "exp(1000) is too large for a computer, exp(−1000) is harmless: log (1 + exp(z)) = max(z, 0) + "
        "log (1 + exp(−|z|)).",
    ),
    answer="""
import numpy as np


def my_bce(logit, y):
    return np.maximum(logit, 0) - y * logit + np.log1p(np.exp(-np.abs(logit)))
""",
    explanation="Of exp(z) and exp(−z) one is always at most 1, and the formula is turned so that only that one is "
    "computed. PyTorch's `binary_cross_entropy_with_logits` does the same, and NumPy has the step as "
    "`np.logaddexp(0, z)`. Clipping the probability looks like a cure, and takes away the pull of exactly those pixels "
    "that are most wrong.",
    judge=_Finite(
        _bce,
        [
            _pixels((0, 1)),
            _pixels((2, 1), (2, 0), (-3, 1)),
            _pixels((200, 0), (-200, 1)),
            _pixels((1000, 0), (-1000, 1)),
        ],
        {
            "car and background are exchanged": lambda z, y: _bce(-z, y),
            "the sign is turned: the loss is minus the logarithm": lambda z, y: -_bce(z, y),
            "background pixels have a loss too, log (1 + exp(z))": lambda z, y: y * _bce(z, y),
            "a car pixel's loss is log (1 + exp(−z)), and all pixels got that of background": lambda z, y: _bce(z, 0),
            "each pixel's own loss was asked for, not their mean": lambda z, y: _bce(z, y).mean(),
            "the straight line alone is not enough: near 0, log (1 + exp(−|z|)) counts": lambda z, y: (
                np.maximum(z, 0) - y * z
            ),
        },
    ),
    faults={
        _BCE.format("p = 1 / (1 + np.exp(-logit))", _WITH_P): "a logarithm of 0",
        _BCE.format("p = 1 / (1 + np.exp(-logit.astype(float)))", _WITH_P): "the loss is infinite",
        _BCE.format("pass", "np.log(1 + np.exp(logit)) - y * logit"): "too large for the computer",
        _BCE.format("p = np.clip(1 / (1 + np.exp(-logit)), 1e-7, 1 - 1e-7)", _WITH_P): "clipped",
        _BCE.format("import torch; p = torch.sigmoid(logit)", _WITH_P.replace("np", "torch")): "is infinite",
    },
)


class _Refused(Exception):
    """Its text is the end of a sentence."""


class _Asks(nn.Module):
    """A module that says in plain words when it is given something of a wrong shape."""

    def __init__(self, name: str, module: nn.Module, wanted: tuple[int, ...], letters: str) -> None:
        super().__init__()
        self.name, self.module, self.wanted, self.letters = name, module, wanted, letters

    def forward(self, x):
        if tuple(x.shape) != self.wanted:
            raise _Refused(
                f"`{self.name}` takes {self.letters}, here {self.wanted}, and it was given {tuple(x.shape)}."
            )
        return self.module(x)


def _judge_step_up(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    torch.manual_seed(0)
    up, merge = nn.ConvTranspose2d(8, 4, kernel_size=2, stride=2), models.blocks.DoubleConv(8, 4)
    x, across = torch.randn(2, 8, 3, 5), torch.randn(2, 4, 6, 10)
    with torch.no_grad():
        asking = _Asks("up", up, (2, 8, 3, 5), "(B, 2c, h, w)"), _Asks("merge", merge, (2, 8, 6, 10), "(B, 2c, 2h, 2w)")
        try:
            given = attempted(answer(x.clone(), across.clone(), *asking))
        except _Refused as error:
            return str(error)
        larger = up(x)
        joined = torch.cat([across, larger], dim=1)
        wrong = difference(given, merge(joined), 1e-5)
        faults = {
            "the network was trained with `across` first and the doubled map second.": merge(
                torch.cat([larger, across], dim=1)
            ),
            "the two maps are joined, but `merge` was not applied.": joined,
            "only the size was doubled; `across` and `merge` are still to come.": larger,
            "the doubled map came in twice, and `across` not at all.": merge(torch.cat([larger, larger], dim=1)),
            "`across` came in twice, and the doubled map not at all.": merge(torch.cat([across, across], dim=1)),
            "there is no ReLU between `up` and `merge` in this network.": merge(
                torch.cat([across, larger.relu()], dim=1)
            ),
        }
    return wrong and next((text for text, value in faults.items() if difference(given, value, 1e-5) is None), wrong)


_STEP_UP = "import torch\n\n\ndef my_step_up(x, across, up, merge):\n    return {}\n"

step_up = Exercise(
    title="The step up",
    minutes=15,
    task="Write a step up of the U-Net. `x` is the lower map (B, 2c, h, w) and `across` the map of the skip "
    "connection, (B, c, 2h, 2w), both tensors. `up` doubles the size and halves the channels; `merge` makes c "
    "channels of 2c. The answer is (B, c, 2h, 2w). In which order do the two maps go into `merge`? The chapter "
    "printed the code.",
    stub="def my_step_up(x, across, up, merge):\n    return ...",
    hints=(
        "First double `x`. What are its channels then, and what those of `across`?",
        "`merge` wants 2c channels: lay the two maps of c channels on each other, with `torch.cat`.",
        "Channels lie along dimension 1, and `across` comes first.",
    ),
    answer=_STEP_UP.format("merge(torch.cat([across, up(x)], dim=1))"),
    explanation="The maps are laid on each other, not added, so `merge` can learn what to take from which: the place "
    "of an edge from the one, what belongs to a car from the other. The order means nothing in itself, and everything "
    "to trained weights: with the two exchanged, each kernel reads a channel that it was not made for, and no error "
    "says so.",
    judge=_judge_step_up,
    faults={
        _STEP_UP.format("merge(torch.cat([up(x), across], dim=1))"): "`across` first",
        _STEP_UP.format("torch.cat([across, up(x)], dim=1)"): "was not applied",
        _STEP_UP.format("merge(across + up(x))"): "was given (2, 4, 6, 10)",
        _STEP_UP.format("merge(torch.cat([across, up(x)]))"): "was given (4, 4, 6, 10)",
        _STEP_UP.format("up(across)"): "`up` takes (B, 2c, h, w)",
        _STEP_UP.format("up(x)"): "still to come",
        _STEP_UP.format("merge(torch.cat([up(x), up(x)], dim=1))"): "came in twice",
        _STEP_UP.format("merge(torch.cat([across, up(x).relu()], dim=1))"): "no ReLU",
    },
)

quiz = Quiz(
    (
        Question(
            "Why is the network not trained with the Dice of its finished mask?",
            (
                Choice("Dice is too slow to compute.", "It is a few sums, no slower than the cross-entropy."),
                Choice(
                    "A small change of a weight moves no pixel across the threshold, so there is no gradient.",
                    "Dice stays the same for it, and tells no weight which way to go.",
                    right=True,
                ),
                Choice("Dice is only defined for two full masks.", "It is defined for all masks, even empty ones."),
            ),
        ),
        Question(
            "A U-Net without its skip connections: what does it lose?",
            (
                Choice(
                    "The exact places of edges.",
                    "They fade in the pools; the maps of the skip connections still have them.",
                    right=True,
                ),
                Choice("The view of the whole car.", "That comes from going down, and it still goes down."),
                Choice("The size of its output.", "The steps up still double it, as often as it was halved."),
            ),
        ),
        Question(
            "Twice the height and width of the photos: how many parameters does the same U-Net have then?",
            (
                Choice("Twice as many.", "Parameters belong to kernels, and these stay the same."),
                Choice("Four times as many.", "That is how the maps and the work grow, not the kernels."),
                Choice(
                    "As many as before.", "k²ab + b knows channels and kernels, but no height or width.", right=True
                ),
            ),
        ),
        Question(
            "Over 20 test cars a larger network gains +0.0010 ± 0.0015 Dice (mean, standard error). What do you say?",
            (
                Choice("It is better by 0.0010.", "The mean is positive, but it could well be so by chance."),
                Choice(
                    "No difference has been shown.",
                    "The gain is less than two standard errors; more cars or more seeds could show one.",
                    right=True,
                ),
                Choice("Both are equally good.", "A gain of up to 0.004 would agree with these numbers too."),
            ),
        ),
    )
)
