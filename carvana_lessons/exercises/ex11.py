"""Exercises of chapter 11: groups that stay together, what more masks bring, how many masks to look at.

Lesson:
    11.
"""

import math

import numpy as np

from carvana_lessons.exercises.base import Each, Exercise, Function, Value
from carvana_lessons.exercises.quiz import Choice, Question, Quiz


def _split(names, count, key=lambda name: name.rsplit("_", 1)[0], last=False):
    groups = sorted({key(name) for name in names})
    kept = set(groups[len(groups) - count :] if last else groups[:count])
    return [n for n in names if key(n) not in kept], [n for n in names if key(n) in kept]


def _by_photo(names, count):
    ordered = sorted(names)
    kept = set(ordered[:count])
    return [n for n in names if n not in kept], [n for n in names if n in kept]


def _by_prefix(names, count):
    groups = sorted({name.rsplit("_", 1)[0] for name in names})[:count]
    valid = [n for n in names if any(n.startswith(group) for group in groups)]
    return [n for n in names if n not in valid], valid


_NAMES = ["oak2_1", "ash1_1", "oak2_2", "elm1_1", "ash1_2", "elm12_1", "elm1_2"]

kept_together = Exercise(
    title="Kept together",
    minutes=6,
    task="Photos are called `plant_number`, as in `oak2_1`: of each plant there are several. Write `my_split(names, "
    "count)`. Take the plants in alphabetical order; all photos of the first `count` of them are for validation. "
    "Return two lists, training and validation, each in the order of `names`.",
    stub="def my_split(names, count):\n    return ...",
    hints=(
        'The plant of a name is what stands before the last underscore: `name.rsplit("_", 1)[0]`.',
        "`sorted(set(…))` gives the plants in order, each of them once. The first `count` of a list are `[:count]`.",
        "Compare whole names of plants: `elm12_1` begins with `elm1` and is of another plant.",
    ),
    answer="""
def my_split(names, count):
    plants = [name.rsplit("_", 1)[0] for name in names]
    kept = sorted(set(plants))[:count]
    train = [n for n, p in zip(names, plants) if p not in kept]
    valid = [n for n, p in zip(names, plants) if p in kept]
    return train, valid
""",
    explanation="A split by photo would put `oak2_1` on one side and `oak2_2` on the other. Then the network meets "
    "a leaf in validation that it has learned by heart, and the score is too good. `data.open_folder(…, group=…)` "
    "takes a pattern for what belongs together, and every split of the package keeps it whole.",
    judge=Function(
        _split,
        [(_NAMES[:4], 1), (_NAMES, 1), (_NAMES, 2), (["a1_1", "b1_1", "a10_1", "a1_2", "a10_2"], 2)],
        {
            "a plant stands on both sides, because photos were counted and not plants": _by_photo,
            "`elm12` begins with `elm1`, but it is another plant; compare whole names": _by_prefix,
            "those are the last plants of the alphabet, and the first were asked for": lambda names, count: _split(
                names, count, last=True
            ),
            "training and validation are exchanged": lambda names, count: _split(names, count)[::-1],
            "what stands before the number is the kind (oak, elm); a plant is kind and number": lambda names, count: (
                _split(names, count, key=lambda name: name.rstrip("0123456789_"))
            ),
        },
    ),
    faults={
        "def my_split(names, count):\n    valid = sorted(names)[:count]\n"
        "    return [n for n in names if n not in valid], [n for n in names if n in valid]\n": "stands on both sides",
        "def my_split(names, count):\n"
        "    kept = sorted({n.split('_')[0] for n in names})[:count]\n"
        "    valid = [n for n in names if n.startswith(tuple(kept))]\n"
        "    return [n for n in names if n not in valid], valid\n": "another plant",
        "def my_split(names, count):\n"
        "    kept = sorted({n.split('_')[0] for n in names})[:count]\n"
        "    valid = [n for n in names if n.split('_')[0] in kept]\n"
        "    return valid, [n for n in names if n not in valid]\n": "exchanged",
    },
)

_RATIO = 0.028 / 0.040
_AT_80 = 0.028 * _RATIO**2
_FOR_1 = 20 * 2 ** (math.log(0.01 / 0.028) / math.log(_RATIO))
_GUESS = "my_error, my_masks = {}, {}\n"

more_masks = Exercise(
    title="What do more masks bring?",
    minutes=6,
    task="With 10 masks the error 1 − Dice was 0.040, with 20 it was 0.028. Suppose that every doubling helps by "
    "the same *factor*: a straight line on axes that are both logarithmic. What is the error with 80 masks? And "
    "how many masks does an error of 0.010 need? Round as you like.",
    stub="my_error, my_masks = ..., ...",
    hints=(
        "One doubling multiplies the error by 0.028 / 0.040.",
        "From 20 to 80 masks are two doublings.",
        "If d doublings are needed, 0.028 · 0.7ᵈ = 0.010. A logarithm gives d; the masks are 20 · 2ᵈ.",
    ),
    answer="""
from math import log

factor = 0.028 / 0.040
my_error = 0.028 * factor**2
doublings = log(0.010 / 0.028) / log(factor)
my_masks = 20 * 2**doublings
""",
    explanation="0.0137, and some 150 masks. Learning curves are often close to such a line for a while, and then "
    "they flatten: some pixels of a mask are a matter of taste, and two people differ there, too. So measure the "
    "curve on a part of what you have before you draw 130 more masks.",
    judge=Each(
        {
            "of `my_error`": Value(
                _AT_80,
                {
                    "that is a straight line on ordinary axes, which would pass zero": 0.028 - 0.012 * 6,
                    "that is one doubling, with 40 masks": 0.028 * _RATIO,
                    "from 20 to 80 masks are two doublings, and you took three": 0.028 * _RATIO**3,
                    "four times the masks do not give a quarter of the error here": 0.028 / 4,
                    "two doublings begin at 20 masks, not at 10": 0.040 * _RATIO**2,
                },
                close=0.02,
            ),
            "of `my_masks`": Value(
                _FOR_1,
                {
                    "that is a straight line on ordinary axes": 20 + 10 * 0.018 / 0.012,
                    "those are the doublings; each of them doubles 20 masks": math.log(0.01 / 0.028) / math.log(_RATIO),
                    "the doublings begin at 20 masks, not at 10": _FOR_1 / 2,
                    "2.8 times less error needs more than 2.8 times the masks here": 20 * 2.8,
                    "that many come on top of the 20 masks that you have": _FOR_1 - 20,
                },
                close=0.04,
            ),
        }
    ),
    faults={
        _GUESS.format(-0.044, 148): "pass zero",
        _GUESS.format(0.0196, 148): "one doubling",
        _GUESS.format(0.0096, 148): "you took three",
        _GUESS.format(0.007, 148): "a quarter",
        _GUESS.format(0.0137, 35): "ordinary axes",
        _GUESS.format(0.0137, 2.89): "those are the doublings",
        _GUESS.format(0.0137, 74): "not at 10",
        _GUESS.format(0.0137, 56): "2.8 times",
    },
)


def _risk(error, doubt, kept):
    return float(np.mean(np.asarray(error)[np.argsort(doubt)][:kept]))


risk = Exercise(
    title="What is left when some were looked at",
    minutes=6,
    task="A person looks at the most doubtful masks and mends them; the `kept` masks with the *least* doubt go on "
    "as they are. Write `my_risk(error, doubt, kept)`: the mean error of those. `error` and `doubt` are arrays "
    "with one number a mask, and no two doubts are equal.",
    stub="def my_risk(error, doubt, kept):\n    return ...",
    hints=(
        "`np.argsort(doubt)` gives the places of the masks, the one with the least doubt first.",
        "`error[order]` puts the errors into that order; the first `kept` of them count.",
    ),
    answer="""
import numpy as np


def my_risk(error, doubt, kept):
    order = np.argsort(doubt)
    return error[order][:kept].mean()
""",
    explanation="Computed for every `kept` from 1 to all, this is the risk–coverage curve of the chapter. Where it "
    "falls fast on its way to the left, a little looking mends much.",
    judge=Function(
        _risk,
        [
            (np.array([0.1, 0.5, 0.2]), np.array([0.2, 0.9, 0.3]), 2),
            (np.array([0.4, 0.1, 0.3, 0.0]), np.array([0.1, 0.6, 0.2, 0.9]), 3),
            (np.array([0.3, 0.2, 0.6, 0.05, 0.1]), np.array([0.5, 0.1, 0.3, 0.8, 0.2]), 1),
        ],
        {
            "those are the most doubtful masks, which a person mends": lambda error, doubt, kept: float(
                np.mean(np.asarray(error)[np.argsort(doubt)][-kept:])
            ),
            "the masks were put in the order of their errors, which nobody knows; doubt gives the order": (
                lambda error, doubt, kept: float(np.mean(np.sort(error)[:kept]))
            ),
            "the errors stayed in their own order; doubt gives the order": lambda error, doubt, kept: float(
                np.mean(np.asarray(error)[:kept])
            ),
            "that is the sum of their errors, and the mean was asked for": lambda error, doubt, kept: float(
                np.sum(np.asarray(error)[np.argsort(doubt)][:kept])
            ),
            "the sum was divided by the number of all masks; divide by `kept`": lambda error, doubt, kept: float(
                np.sum(np.asarray(error)[np.argsort(doubt)][:kept]) / len(error)
            ),
            "that is the mean doubt": lambda error, doubt, kept: float(np.mean(np.sort(doubt)[:kept])),
        },
    ),
    faults={
        "import numpy as np\n\n\ndef my_risk(error, doubt, kept):\n    return np.sort(error)[:kept].mean()\n": (
            "which nobody knows"
        ),
        "def my_risk(error, doubt, kept):\n    return error[doubt.argsort()[::-1]][:kept].mean()\n": "a person mends",
        "def my_risk(error, doubt, kept):\n    return error[doubt.argsort()][:kept].sum() / len(error)\n": (
            "divide by `kept`"
        ),
    },
)

quiz = Quiz(
    (
        Question(
            "You have four photos of each of ten plants. Where does a split by photo, not by plant, do harm?",
            (
                Choice(
                    "In training: the network sees too few plants.", "It sees all ten of them; that is the trouble."
                ),
                Choice(
                    "In the score: the network is asked about leaves that it has learned.",
                    "On plants that nobody photographed it does worse than the score says.",
                    right=True,
                ),
                Choice("Nowhere, because no photo is on both sides.", "But nearly the same photo is."),
            ),
        ),
        Question(
            "Twenty photos with masks, all on one desk. The next photos will be taken in gardens that you have not "
            "seen. What helps most?",
            (
                Choice("Twenty more from the same desk.", "They teach the desk even better."),
                Choice(
                    "Training with backgrounds that are made up, a new one for each photo.",
                    "Nothing but the leaf is the same in all of them, so nothing else can be learned. Masks from "
                    "gardens would help, too.",
                    right=True,
                ),
                Choice("A wider network.", "It has learned from the same desk."),
            ),
        ),
        Question(
            "A network's doubt is low for every photo of a new camera. Are the masks good?",
            (
                Choice(
                    "Nobody knows before some of them were looked at.",
                    "A network can be wrong and sure. Doubt puts masks in an order; it does not measure their error.",
                    right=True,
                ),
                Choice("Yes, low doubt means few errors.", "Only on photos like those that the order was tried on."),
                Choice("No, low doubt means that it has learned by heart.", "That cannot be seen from the doubt."),
            ),
        ),
    )
)
