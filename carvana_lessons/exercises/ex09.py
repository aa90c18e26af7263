"""Exercises of chapter 9: a lead in pixels, pairs in the same order, wrong pixels at full size, cars drawn.

Lesson:
    09.
"""

from itertools import combinations, pairwise

import numpy as np
import torch
from torch.nn import functional as F

from carvana_lessons.evaluation import CAR_PIXELS
from carvana_lessons.exercises.base import Each, Exercise, Function, Value
from carvana_lessons.exercises.quiz import Choice, Question, Quiz

_FIRST, _TWELFTH, _CAR = 0.997332, 0.997085, CAR_PIXELS
_LEAD, _ERROR, _BOTH_MASKS = _FIRST - _TWELFTH, 1 - _TWELFTH, 2 * _CAR
_PERCENT = 100 * _LEAD / _ERROR
# Rounded answers are right, too: nobody reads a fourth digit from such a table.
_percent = Value(
    _PERCENT,
    {
        "the lead is to be compared with the 12th place's error, not with the 1st place's": 100 * _LEAD / (1 - _FIRST),
        "that is a share; times 100 it is a percentage": _PERCENT / 100,
        "that is the difference of the two Dice; divide it by the 12th place's error": _LEAD,
        "that is the difference of the two Dice in percentage points; divide it by the 12th place's error": 100 * _LEAD,
        "that is the part of the error that is left, and you are asked for the part that is gone": 100 - _PERCENT,
        "the sign is exchanged: the 1st place has less error": -_PERCENT,
    },
    close=0.02,
)
_pixels = Value(
    _LEAD * _BOTH_MASKS,
    {
        "Dice divides by both masks together, |X| + |Y|, and each of them has 518,000 pixels": _LEAD * _CAR,
        "the size of the photo does not enter into Dice; only |X| + |Y| does": _LEAD * 1918 * 1280,
        "that many pixels are wrong in the 12th place's mask; the difference was asked for": _ERROR * _BOTH_MASKS,
        "that many pixels are wrong in the 1st place's mask; the difference was asked for": (1 - _FIRST) * _BOTH_MASKS,
        "that is the percentage of 518,000; the pixels follow from the difference of the two Dice": _PERCENT
        * _CAR
        / 100,
    },
    close=0.02,
)

_NUMBERS = "my_percent, my_pixels = {}, {}\n"

lead = Exercise(
    title="First and twelfth",
    minutes=2,
    task="The challenge was won with a Dice of 0.997332; the defense's author came twelfth with 0.997085 (*reported*, "
    "[B]). By how many per cent is the winner's *error* smaller than that of the twelfth? And how many wrong pixels "
    "fewer is that, on a car of 518,000 pixels (the mean car, chapter 1) that is predicted about as large? Round as "
    "you like.",
    stub="my_percent, my_pixels = ..., ...",
    hints=(
        "The error is 1 − Dice. The percentage is of the twelfth's error.",
        "1 − Dice = wrong / (|X| + |Y|), so a difference of Dice times |X| + |Y| is a difference of wrong pixels.",
    ),
    answer="""
first, twelfth = 0.997332, 0.997085
my_percent = 100 * (first - twelfth) / (1 - twelfth)
my_pixels = (first - twelfth) * 2 * 518_000
""",
    explanation="8.5 % of the error is 256 pixels of a photo that has 2.5 million. A car's boundary in such a photo is "
    "thousands of pixels long, so the whole lead is a line that lies better by a small part of a pixel. How much "
    "of it is luck with the photos a leaderboard does not say: it gives no interval.",
    judge=Each({"of `my_percent`": _percent, "of `my_pixels`": _pixels}),
    faults={
        _NUMBERS.format(0.0847, 256): "times 100",
        _NUMBERS.format(9.26, 256): "not with the 1st place's",
        _NUMBERS.format(0.000247, 256): "difference of the two Dice; divide",
        _NUMBERS.format(0.0247, 256): "in percentage points",
        _NUMBERS.format(91.5, 256): "the part of the error that is left",
        _NUMBERS.format(-8.47, 256): "the sign",
        _NUMBERS.format(8.47, 128): "both masks together",
        _NUMBERS.format(8.47, 606): "size of the photo",
        _NUMBERS.format(8.47, 3020): "12th place's mask",
        _NUMBERS.format(8.47, 2764): "1st place's mask",
        _NUMBERS.format(8.47, 43_893): "percentage of 518,000",
        _NUMBERS.format(8.47, -256): "-256 is not it",
    },
)


def _alike(first, second, pairs=None) -> list[bool]:
    """For each pair of networks, whether both tables say the same of it."""
    pairs = combinations(range(len(first)), 2) if pairs is None else pairs
    return [bool((first[i] > first[j]) == (second[i] > second[j])) for i, j in pairs]


def _agreement(first, second):
    return np.mean(_alike(first, second))


def _same_rank(first, second):
    return np.mean(np.argsort(np.argsort(first)) == np.argsort(np.argsort(second)))


def _all_pairs(first, second):
    pairs = np.ndindex(len(first), len(first))
    return np.mean([(first[i] - first[j]) * (second[i] - second[j]) > 0 for i, j in pairs])


_TABLES = [
    ([0.97, 0.98, 0.99], [0.96, 0.95, 0.98]),
    ([0.99, 0.98], [0.97, 0.98]),
    ([0.995604, 0.996092, 0.996932, 0.996870, 0.996937], [0.9797, 0.9666, 0.9793, 0.9806, 0.9785]),
    ([0.4, 0.1, 0.3, 0.2], [0.8, 0.5, 0.7, 0.6]),
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.3, 0.4, 0.1, 0.6, 0.5, 0.2]),
]

same_order = Exercise(
    title="The same order?",
    minutes=5,
    task="Two tables score the same networks. How far do they agree on which network is better? Write "
    "`my_agreement(first, second)`, two arrays (N,), one score per network: of all pairs of two different networks, "
    "the share that both tables put in the same order. Within a table no two scores are equal. When it is right, ask "
    "it of the reported table and of ours:\n\n"
    "```python\n"
    'theirs = reported["dice"]\n'
    'here = found.table.set_index("network")["dice"][theirs.index]\n'
    "my_agreement(theirs.to_numpy(), here.to_numpy())\n"
    "```",
    stub="def my_agreement(first, second):\n    return ...",
    hints=(
        "`itertools.combinations(range(n), 2)` gives every pair (i, j) once, and never a network with itself.",
        "Both tables agree on a pair when `first[i] > first[j]` and `second[i] > second[j]` are both true or both "
        "false.",
        "The share is the number of pairs in agreement, divided by n (n − 1) / 2.",
    ),
    answer="""
from itertools import combinations


def my_agreement(first, second):
    pairs = list(combinations(range(len(first)), 2))
    alike = [(first[i] > first[j]) == (second[i] > second[j]) for i, j in pairs]
    return sum(alike) / len(pairs)
""",
    explanation="Two tables that have nothing to do with each other agree on half of the pairs, on average, so "
    "compare the number with 0.5, not with 0. Six networks make 15 pairs, few enough for luck. Kendall's tau is the "
    "same count on a scale from −1 to 1: twice the share, minus 1.",
    judge=Function(
        _agreement,
        [(np.array(first), np.array(second)) for first, second in _TABLES],
        {
            "that is the share of networks with the same place in both tables; pairs of networks were asked for": (
                _same_rank
            ),
            "that is the share of pairs in the *other* order": lambda first, second: 1 - _agreement(first, second),
            "that is the number of pairs; divide it by n (n − 1) / 2 for the share": lambda first, second: sum(
                _alike(first, second)
            ),
            "that is Kendall's tau, which takes off the pairs in the other order; the share alone was asked for": (
                lambda first, second: 2 * _agreement(first, second) - 1
            ),
            "you compared only networks that are neighbours in the list; every pair counts": lambda first, second: (
                np.mean(_alike(first, second, pairwise(range(len(first)))))
            ),
            "you compared only with the first network; every pair counts": lambda first, second: np.mean(
                _alike(first, second, ((0, j) for j in range(1, len(first))))
            ),
            "each network was paired with itself, and those pairs agree in any two tables": lambda first, second: (
                np.mean(_alike(first, second, np.ndindex(len(first), len(first))))
            ),
            "you divided by n², and a network is no pair with itself": _all_pairs,
            "you divided by n (n − 1), and each pair was counted once": lambda first, second: (
                _agreement(first, second) / 2
            ),
            "that is the correlation of the scores; only their order was asked for": lambda first, second: np.corrcoef(
                first, second
            )[0, 1],
            "that is the correlation of the places; the share of pairs was asked for": lambda first, second: (
                np.corrcoef(np.argsort(np.argsort(first)), np.argsort(np.argsort(second)))[0, 1]
            ),
        },
    ),
)


def _large(values, mask, mode="bilinear", **options):
    if mode == "bilinear":
        options = {"align_corners": False} | options
    return F.interpolate(values[None, None].float(), size=tuple(mask.shape), mode=mode, **options)[0, 0]


def _count(guess, mask):
    return (guess != mask.bool()).sum().item()


def _wrong(logits, mask):
    return _count(_large(logits, mask) > 0, mask)


def _missed(logits, mask):
    return (~(_large(logits, mask) > 0) & mask.bool()).sum().item()


def _false_car(logits, mask):
    return _wrong(logits, mask) - _missed(logits, mask)


def _cut_first(logits, mask):
    return _count(_large((logits > 0).float(), mask) > 0.5, mask)


def _by_centres(logits, mask):
    return _count(_large(logits, mask, align_corners=True) > 0, mask)


def _dice(logits, mask):
    return 1 - _wrong(logits, mask) / ((_large(logits, mask) > 0).sum() + mask.sum()).item()


def _blob(height: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of some sizes, sure here and unsure there, and a mask larger by half or by two that roughly fits them."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(height, width, generator=generator)
    logits = logits * (1 + 5 * torch.rand(height, width, generator=generator))
    mask = torch.zeros(height + (height + 1) // 2, 2 * width)
    truth = _large(logits, mask) + torch.randn(mask.shape, generator=generator) > 0
    return logits, truth.to(torch.uint8)


# The boundary lies between the two pixels, nearer to the one that is less sure.
_SMALL = [
    (torch.tensor([[-1.0, 4.0]]), torch.tensor([[0, 1, 1, 1], [0, 1, 1, 0]], dtype=torch.uint8)),
    (torch.tensor([[-3.0, 7.0]]), torch.tensor([[1, 0, 1, 1], [0, 0, 1, 1]], dtype=torch.uint8)),
]

full_size = Exercise(
    title="Wrong at full size",
    minutes=10,
    task="A network answers for a small photo, and the challenge counts in the large one. Write "
    "`my_wrong(logits, mask)`: `logits` is a tensor (h, w), `mask` the truth at the photo's own size, (H, W), of zeros "
    "and ones. Enlarge the logits bilinearly, cut them at 0, and return how many of the H · W pixels are wrong. The "
    "corners of the two sizes coincide, not the centres of the corner pixels: `align_corners=False`. When "
    "it is right, cut first and enlarge then, and count again.",
    stub="def my_wrong(logits, mask):\n    return ...",
    hints=(
        "`F.interpolate` wants a batch and a channel in front: `logits[None, None]`. The size to reach is "
        "`mask.shape`.",
        "`large > 0` is the predicted mask. A logit of 0 is a probability of one half, so no sigmoid is needed.",
        "`(large > 0) != mask.bool()` is true where a pixel is wrong; count it with `sum`.",
    ),
    answer="""
from torch.nn import functional as F


def my_wrong(logits, mask):
    large = F.interpolate(logits[None, None], size=mask.shape, mode="bilinear", align_corners=False)[0, 0]
    return ((large > 0) != mask.bool()).sum().item()
""",
    explanation="Between two pixels the logits say how far the boundary lies from each: nearer to the one that is less "
    "sure. A mask that was cut before has forgotten it, and its boundary can only run midway. From the count Dice "
    "follows: 1 − wrong / (|X| + |Y|).",
    judge=Function(
        _wrong,
        [*_SMALL, _blob(5, 7, 0), _blob(6, 4, 1)],
        {
            "you cut first and enlarged then, pixel by pixel; enlarge the logits, then cut": lambda logits, mask: (
                _count(_large((logits > 0).float(), mask, "nearest") > 0, mask)
            ),
            "you cut first and enlarged then; even bilinearly the sure and the unsure are alike by then": _cut_first,
            "a mask that was enlarged bilinearly and cut at 0 grows by every pixel that car touches; enlarge the "
            "logits": lambda logits, mask: _count(_large((logits > 0).float(), mask) > 0, mask),
            "with `align_corners=True` the centres of the corner pixels were made to coincide": _by_centres,
            "you enlarged probabilities; near 0 and 1 these hardly tell how sure the network is": lambda logits, mask: (
                _count(_large(logits.sigmoid(), mask) > 0.5, mask)
            ),
            "logits are cut at 0; 0.5 is the cut for probabilities": lambda logits, mask: _count(
                _large(logits, mask) > 0.5, mask
            ),
            "a probability is always above 0; cut probabilities at 0.5, or logits at 0": lambda logits, mask: _count(
                _large(logits, mask) > -torch.inf, mask
            ),
            "you shrank the mask and counted at the network's size": lambda logits, mask: _count(
                logits > 0, F.interpolate(mask[None, None].float(), size=tuple(logits.shape))[0, 0]
            ),
            "those are the pixels that are right": lambda logits, mask: mask.numel() - _wrong(logits, mask),
            "car that was missed is half of it; background that was called car is wrong, too": _missed,
            "car that was missed is wrong, too, and you counted only background that was called car": _false_car,
            "that is the share of wrong pixels; their number was asked for": lambda logits, mask: (
                _wrong(logits, mask) / mask.numel()
            ),
            "that is Dice; the number of wrong pixels was asked for": _dice,
        },
    ),
)


def _by_car(differences, car):
    return np.bincount(car, weights=differences) / np.bincount(car)


def _means(differences, car, drawn):
    return _by_car(differences, car)[drawn].mean(axis=1)


def _pooled(differences, car, drawn):
    """Photos weigh equally: a car with more photos counts more."""
    sums, counts = np.bincount(car, weights=differences), np.bincount(car)
    return sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)


def _once(differences, car, drawn):
    return np.array([_by_car(differences, car)[np.unique(row)].mean() for row in drawn])


def _one_photo(differences, car, drawn):
    first = np.array([np.flatnonzero(car == k)[0] for k in range(drawn.shape[1])])
    return differences[first][drawn].mean(axis=1)


def _drawn(cars: int, photos: int, resamples: int, seed: int) -> tuple:
    """Differences of Dice, photos of cars in no order and of unequal numbers, and cars drawn."""
    rng = np.random.default_rng(seed)
    car = rng.permutation([*range(cars), *rng.integers(cars, size=photos - cars)])
    differences = (rng.normal(size=cars)[car] + rng.normal(size=photos)).round(2) / 100
    return differences, car, rng.integers(cars, size=(resamples, cars))


_THREE_PHOTOS = (np.array([0.01, 0.03, 0.05]), np.array([0, 0, 1]), np.array([[0, 1], [1, 1], [0, 0]]))

draw_cars = Exercise(
    title="Draw cars",
    minutes=15,
    task="How sure is the mean difference of two networks? Draw the cars again, with repetition, and look how the mean "
    "moves. `differences` (N,) holds one difference of Dice per photo, `car` (N,) the number of its car, 0 … C − 1, in "
    "no order; cars may have unequal numbers of photos, at least one. `drawn` (R, C) holds R draws of C car numbers "
    "each. Write `my_means`: of every draw the mean over its cars, (R,). All cars of a draw weigh the same, and a car "
    "that is drawn twice counts twice. When it is right, the 95 % interval is two quantiles away:\n\n"
    "```python\n"
    "drawn = np.random.default_rng(0).integers(C, size=(10_000, C))\n"
    "np.quantile(my_means(differences, car, drawn), [0.025, 0.975])\n"
    "```\n\n"
    "Then let every photo be a car of its own, `car = np.arange(N)`. Which interval is wider?",
    stub="def my_means(differences, car, drawn):\n    return ...",
    hints=(
        "First one number per car: the mean of its photos' differences, (C,).",
        "`np.bincount(car, weights=differences)` is the sum of each car, `np.bincount(car)` its number of photos.",
        "With an array of indices, `by_car[drawn]` is (R, C): the numbers of all cars of all draws.",
    ),
    answer="""
import numpy as np


def my_means(differences, car, drawn):
    by_car = np.bincount(car, weights=differences) / np.bincount(car)
    return by_car[drawn].mean(axis=1)
""",
    explanation="If all 16 views of a car had the same difference, drawing photos would make the interval four times "
    "too narrow, the root of 16: it would take one answer for sixteen. The differences are paired, both networks on "
    "the same photo, so that what is hard about a car cancels before anything is drawn.",
    judge=Function(
        _means,
        [_THREE_PHOTOS, _drawn(3, 7, 4, 0), _drawn(5, 12, 6, 1)],
        {
            "every photo weighs the same there, and a car with more photos counts more; first take the mean of each "
            "car": _pooled,
            "`drawn` holds numbers of cars, and you took them for numbers of photos": lambda differences, car, drawn: (
                differences[drawn].mean(axis=1)
            ),
            "the mean is over the cars of a draw, and you took it over the draws": lambda differences, car, drawn: (
                _by_car(differences, car)[drawn].mean(axis=0)
            ),
            "one number came back, the mean of all draws; one a draw was asked for": lambda differences, car, drawn: (
                _means(differences, car, drawn).mean()
            ),
            "a car that is drawn twice counts twice": _once,
            "of each car you took one photo; take the mean of all its photos": _one_photo,
            "that is the sum over the cars of a draw; divide it by their number": lambda differences, car, drawn: (
                _by_car(differences, car)[drawn].sum(axis=1)
            ),
            "of each car you took the sum of its photos, not their mean": lambda differences, car, drawn: np.bincount(
                car, weights=differences
            )[drawn].mean(axis=1),
            "of each draw the mean was asked for, not the median": lambda differences, car, drawn: np.median(
                _by_car(differences, car)[drawn], axis=1
            ),
            "the numbers of the cars came back in place of each draw's mean": lambda differences, car, drawn: _by_car(
                differences, car
            )[drawn],
        },
    ),
)

quiz = Quiz(
    (
        Question(
            "The 95 % interval of the difference of two networks is −0.02 to +0.06 points of Dice, drawn over the test "
            "cars. What may you say?",
            (
                Choice("The two are equally good.", "That is not shown either: 0.06 points may well be there."),
                Choice(
                    "These cars do not tell which is better.",
                    "0 lies within. More cars, and more seeds, could tell.",
                    right=True,
                ),
                Choice("The first is better, for the mean is above 0.", "With other cars it could lie below."),
            ),
        ),
        Question(
            "Somebody draws photos in place of cars for that interval. What comes out?",
            (
                Choice(
                    "An interval that is too narrow.",
                    "The views of a car go wrong together, and count as independent answers.",
                    right=True,
                ),
                Choice("An interval that is too wide.", "More photos than cars make it look surer."),
                Choice("The same interval; every photo has a car.", "Only if a car's views had nothing in common."),
            ),
        ),
        Question(
            "Three trainings of network A, with three seeds, score 0.978, 0.981 and 0.984; one training of network B "
            "scores 0.983. Which is better?",
            (
                Choice("B, since 0.983 is above A's mean.", "A's own seeds differ by as much."),
                Choice("A, since its best is above B.", "The best of three against one is no fair comparison."),
                Choice(
                    "That cannot be said; B needs more seeds.",
                    "One training of B is one draw from a spread that nobody has seen.",
                    right=True,
                ),
            ),
        ),
        Question(
            "Two networks have about the same Dice at the network's own 128×128 pixels, and one loses more than the "
            "other at the photos' own size. Where do you look first?",
            (
                Choice("Whether it has enough parameters.", "That would show at 128×128, too."),
                Choice(
                    "Whether its logits were enlarged, or its finished mask.",
                    "A mask that was cut before it is enlarged has a ragged boundary.",
                    right=True,
                ),
                Choice("Whether its photos are larger.", "Both are scored on the same photos."),
            ),
        ),
    )
)
