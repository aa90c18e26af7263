"""Exercises of chapter 1: Dice, a run-length code, a split by car, the threshold of the mean mask.

Lesson:
    01.
"""

from collections import Counter

import numpy as np
import torch

from carvana_lessons import data
from carvana_lessons.evaluation import metrics
from carvana_lessons.exercises.base import Exercise, Function, NotAttempted, attempted
from carvana_lessons.exercises.compare import shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz
from carvana_lessons.exercises.sandbox import describe
from carvana_lessons.utils.wording import counted


def _ratio(above, below, empty=1.0) -> float:
    return float(above) / float(below) if below else empty


def _dice(x, y):
    return _ratio(2 * (x * y).sum(), x.sum() + y.sum())


def _masks() -> list[tuple]:
    """Pairs of masks: two of a single row, which are easy to read, then larger ones, then empty ones."""
    rng = np.random.default_rng(0)
    car, none = [[1, 0, 0], [1, 1, 0]], [[0, 0, 0], [0, 0, 0]]
    pairs = [([[1, 1, 0, 0]], [[0, 1, 0, 0]]), ([[1, 0]], [[0, 1]]), *rng.integers(0, 2, (3, 2, 6, 8))]
    pairs += [(car, car), (none, car), (car, none), (none, none)]
    return [(np.array(x), np.array(y)) for x, y in pairs]


dice = Exercise(
    title="Dice",
    minutes=5,
    task="Write Dice for two masks of zeros and ones: `x` and `y` are arrays (h, w), the answer is one number. Do it "
    "with sums alone, without `metrics`. Mind the empty masks.",
    stub="def my_dice(x, y):\n    return ...",
    hints=(
        "A pixel that both call car is 1 in `x * y`.",
        "|X| is the number of car pixels, `x.sum()`. Dice divides by |X| + |Y|.",
        "What is the denominator when both masks are empty? Answer before you divide.",
    ),
    answer="""
def my_dice(x, y):
    total = x.sum() + y.sum()
    return 2 * (x * y).sum() / total if total else 1.0
""",
    explanation="Without the line for empty masks NumPy divides 0 by 0 and goes on with *not a number*, and a mean "
    "over 5,000 photos with a single one of these is not a number either. Only two empty masks are a special case: if "
    "one of them is empty, nothing is shared, and the fraction is 0 by itself.",
    judge=Function(
        _dice,
        _masks(),
        {
            "that is IoU; Dice divides by |X| + |Y|, in which shared pixels count twice": lambda x, y: _ratio(
                (x * y).sum(), ((x + y) > 0).sum()
            ),
            "that is the share of right pixels, and Dice ignores the background that both share": lambda x, y: (
                x == y
            ).mean(),
            "the 2 is missing: a perfect mask has to score 1": lambda x, y: _ratio((x * y).sum(), x.sum() + y.sum()),
            "you divided by one mask alone; Dice divides by both together": lambda x, y: _ratio((x * y).sum(), x.sum()),
            "two empty masks score 1: nothing to find, and nothing was found": lambda x, y: _ratio(
                2 * (x * y).sum(), x.sum() + y.sum(), empty=0.0
            ),
            "0 / 0 is not a number; two empty masks score 1": lambda x, y: _ratio(
                2 * (x * y).sum(), x.sum() + y.sum(), empty=float("nan")
            ),
            "only two empty masks score 1; where one is empty, nothing is shared, and it is 0": lambda x, y: (
                _dice(x, y) if x.any() and y.any() else 1.0
            ),
            "the 1 that you added above and below changes every score; treat empty masks apart": lambda x, y: (
                (2 * (x * y).sum() + 1) / (x.sum() + y.sum() + 1)
            ),
        },
    ),
)


def _decode(code, height, width):
    return data.rle_decode(code, (height, width))


def _painted(code: str, height: int, width: int, first: int = -1, last: int = -1, by_length: bool = True):
    """A mask in which each run goes from ``start + first`` up to before its end plus ``last``."""
    flat = np.zeros(height * width, dtype=np.uint8)
    numbers = [int(word) for word in code.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        flat[start + first : (start + length if by_length else length + 1) + last] = 1
    return flat.reshape(height, width)


_CODES = [("1 2 12 1", 3, 4), ("6 1", 2, 3), ("2 3", 2, 3), ("1 6", 3, 2), ("", 2, 3)]
_CODES += [(data.rle_encode(np.random.default_rng(1).integers(0, 2, (9, 5))), 9, 5)]

decode = Exercise(
    title="Read a line",
    minutes=10,
    task='Turn a run-length code back into a mask: `code` is a text like "1 2 12 1", the answer is (height, width), of '
    "zeros and ones. An empty text is an empty mask. Do it without `data.rle_decode`.",
    stub="def my_decode(code, height, width):\n    return ...",
    hints=(
        "`code.split()` gives the words. Every other one, from the first, is a start: `words[::2]`. The rest are "
        "lengths: `words[1::2]`.",
        "Paint a flat array of height · width zeros and give it its shape at the end. Pixel 1 has the index 0 in it.",
        "The run goes from index `start - 1` up to, but not including, `start - 1 + length`.",
    ),
    answer="""
import numpy as np


def my_decode(code, height, width):
    flat = np.zeros(height * width, dtype=np.uint8)
    numbers = [int(word) for word in code.split()]
    for start, length in zip(numbers[::2], numbers[1::2]):
        flat[start - 1 : start - 1 + length] = 1
    return flat.reshape(height, width)
""",
    explanation="The flat array does the work at the end of a row: a run that goes on in the next row needs no case of "
    "its own, for in the flat array the rows follow each other. A slice that goes too far is cut off without a word, "
    "which is why a start that is one too late can go unnoticed until a run ends at the last pixel.",
    judge=Function(
        _decode,
        _CODES,
        {
            "you number down the columns, and the challenge numbers along the rows": lambda code, height, width: (
                _decode(code, width, height).T
            ),
            "pixels are numbered from 1, and an array's places from 0": lambda code, height, width: _painted(
                code, height, width, first=0, last=0
            ),
            "a run's second number is its length, not the pixel at which it ends": lambda code, height, width: _painted(
                code, height, width, by_length=False
            ),
            "each run came out one pixel too long": lambda code, height, width: _painted(code, height, width, last=0),
            "each run came out one pixel too short": lambda code, height, width: _painted(code, height, width, last=-2),
            "the mask holds 0 and 255, and zeros and ones were asked for": lambda code, height, width: (
                255.0 * _decode(code, height, width)
            ),
            "the runs are the car, and you made them the background": lambda code, height, width: (
                1.0 - _decode(code, height, width)
            ),
            "the shape is (height, width), and you made it (width, height)": lambda code, height, width: _decode(
                code, width, height
            ),
            "the answer is still flat; give it the shape (height, width)": lambda code, height, width: _decode(
                code, height, width
            ).ravel(),
        },
    ),
)


def _names(cars: int, views: int = 16) -> list[str]:
    """Names of photos as the challenge has them; ids in no order, the last car without its last view."""
    ids = [f"{(37 * k + 11) % 251:012x}" for k in range(cars)]
    return [f"{car}_{view + 1:02d}" for car in ids for view in range(views)][:-1]


def _car(name: str) -> str:
    return name.split("_")[0]


class _NotASplit(Exception):
    """Its text is the end of a sentence."""


def _halves(answer, names: list[str], held_out: int, seed: int) -> tuple[list[str], list[str]]:
    """What a split answers, as two sorted lists.

    Raises:
        _NotASplit: if it is not a split of these names by car.
    """
    given = attempted(answer(list(names), held_out, seed))
    if given is None:
        raise _NotASplit("nothing (None) came back; is a `return` missing?")
    try:
        train, test = ([str(name) for name in part] for part in given)
    except (TypeError, ValueError):
        raise _NotASplit(f"two lists were asked for, train and test, not {shown(given)}.") from None
    cars = {_car(name) for name in names}
    tried = f"of {counted(len(names), 'photo')} of {counted(len(cars), 'car')}"
    if unknown := sorted(set(train + test) - set(names)):
        what = "a car, and the parts hold photos" if unknown[0] in cars else "none of the names"
        raise _NotASplit(f"{unknown[0]!r} is {what}.")
    if both := {_car(name) for name in train} & {_car(name) for name in test}:
        raise _NotASplit(f"{tried}, car {min(both)} has photos in both parts; a car stays together.")
    if lost := sorted(set(names) - set(train + test)):
        raise _NotASplit(f"{tried}, {len(lost)} came into no part, {lost[0]} for example.")
    if twice := [name for name, count in Counter(train + test).items() if count > 1]:
        raise _NotASplit(f"{tried}, {twice[0]} came back more than once.")
    count = len({_car(name) for name in test})
    if count == len(cars) - held_out != held_out:
        raise _NotASplit(
            f"the parts are exchanged: the first is for training, and it has {held_out} of {len(cars)} cars."
        )
    if count != held_out:
        raise _NotASplit(f"the test part should have {held_out} of {len(cars)} cars, and it has {count}.")
    return sorted(train), sorted(test)


def _judge_split(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    few, many = _names(cars=4, views=2), _names(cars=18, views=5)
    rng = np.random.default_rng(0)
    # Many orders and seeds, since a set of texts may have the same order by chance, or draw the same cars from another.
    orders = [rng.permutation(many).tolist() for _ in range(30)]
    try:
        draws = [_halves(answer, few, 1, seed) for seed in range(60)]
        listed, again = ([_halves(answer, many, 5, seed) for seed in range(30)] for _ in range(2))
        others = [_halves(answer, order, 5, seed) for seed, order in enumerate(orders)]
    except _NotASplit as error:
        return str(error)
    if again != listed:
        return "the same seed gave two different splits."
    held = {_car(test[0]) for _, test in draws}
    if len(held) == 1:
        return "whatever the seed, the same car is held out; the seed should decide."
    if len(held) < 4:
        return f"with 60 seeds, only {len(held)} of 4 cars were ever held out; each should have its chance."
    if others != listed:
        return (
            "with the names listed in another order, the same seed held out other cars. Sort the cars before you draw; "
            "a set has no order to rely on."
        )
    return None


_SPLIT = """
import numpy as np


def my_split(names, held_out, seed):
    cars = {cars}
    test_cars = {chosen}
    train = [name for name in names if name.split("_")[0] not in test_cars]
    test = [name for name in names if name.split("_")[0] in test_cars]
    return {parts}
"""


def _split_code(
    cars: str = 'sorted({name.split("_")[0] for name in names})',
    chosen: str = "np.random.default_rng(seed).permutation(cars)[:held_out]",
    parts: str = "train, test",
) -> str:
    return _SPLIT.format(cars=cars, chosen=chosen, parts=parts)


_BY_IMAGE = """
import numpy as np


def my_split(names, held_out, seed):
    order = np.random.default_rng(seed).permutation(sorted(names)).tolist()
    return order[2 * held_out :], order[: 2 * held_out]
"""

split = Exercise(
    title="Split by car",
    minutes=15,
    task='Write the split that does not leak. `names` is a list of photos like "00087a6bd4dc_04", car and view. Return '
    "two lists of names, `train` and `test`: `held_out` cars, drawn at random, are the test, with all their photos; "
    "all other photos are for training. The same seed gives the same split, in whatever order the names are listed. A "
    "photo may be missing, so do not count on 16 views.",
    stub="def my_split(names, held_out, seed):\n    return ...",
    hints=(
        'Draw cars, not photos. `name.split("_")[0]` is a photo\'s car.',
        "`sorted(set(…))` gives each car once, in an order that does not depend on the list.",
        "`np.random.default_rng(seed).permutation(cars)[:held_out]` draws the test cars. Then go through the names "
        "once for each part.",
    ),
    answer=_split_code(),
    explanation="Sorting is not for beauty. A set of texts has another order in every Python process, so without it "
    "the same seed would hold out other cars tomorrow, and a network trained today would be tested on cars that it has "
    "seen. `data.split_by_car` does the same for a whole folder.",
    judge=_judge_split,
    faults={
        _BY_IMAGE: "has photos in both parts",
        _split_code(parts="test, train"): "the parts are exchanged",
        _split_code(chosen="cars[:held_out]"): "the seed should decide",
        _split_code(chosen="np.random.permutation(cars)[:held_out]"): "two different splits",
        _split_code(cars='list({name.split("_")[0] for name in names})'): "Sort the cars",
        _split_code(chosen="np.random.default_rng(seed).choice(cars[:-1], held_out, replace=False)"): "its chance",
        _split_code(
            chosen="np.random.default_rng(seed).permutation(cars)[: held_out + 1]"
        ): "the test part should have 1 of 4",
        _split_code(parts="sorted(set(cars) - set(test_cars)), list(test_cars)"): "the parts hold photos",
        _split_code(parts="train[:-1], test"): "came into no part",
    },
)


def _cars_of_widths(seed: int, spread: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks (N, 1, h, w) of boxes that begin at the same place and differ in size, and their mean."""
    rng = np.random.default_rng(seed)
    masks = torch.zeros(20, 1, 12, 30)
    for mask in masks[:, 0]:
        height, width = rng.integers(4, 10), rng.integers(28 - spread, 29)
        mask[2 : 2 + height, 1 : 1 + width] = 1
    return masks.mean(dim=0), masks


def _mean_dice(share, masks, threshold: float) -> float:
    return metrics.dice((share > threshold).expand(len(masks), -1, -1, -1), masks.bool()).mean().item()


def _right_pixels(share, masks, threshold: float) -> float:
    return ((share > threshold) == masks.bool()).double().mean().item()


def _dice_of_all(share, masks, threshold: float) -> float:
    """All masks as one long picture."""
    guess = (share > threshold).expand(len(masks), -1, -1, -1)
    return metrics.dice(guess.reshape(1, -1), masks.bool().reshape(1, -1)).item()


def _threshold_fault(answer, share, masks, convert) -> str | None:
    """What is wrong about a threshold for these masks."""
    given = attempted(answer(convert(share.clone()), convert(masks.clone())))
    if given is None:
        return "nothing (None) came back; is a `return` missing?"
    try:
        threshold = float(given)
    except (TypeError, ValueError):
        return f"one number was asked for, not {shown(given)}."
    if not 0 <= threshold < 1:
        return f"a threshold lies between 0 and 1, not at {threshold:g}; is that the best one's place in a list?"
    # A share is one of 0, 1/N, …, 1, so one threshold between each two of them is enough.
    tries = (np.arange(len(masks)) + 0.5) / len(masks)
    scores = [_mean_dice(share, masks, t) for t in tries]
    short = max(scores) - _mean_dice(share, masks, threshold)
    if short < 1e-3:
        return None
    if abs(threshold - max(scores)) < 1e-3:
        return "that is the best Dice, not the threshold that reaches it."
    if abs(_mean_dice(share, masks, threshold) - min(scores)) < 1e-6:
        return "that is where Dice is lowest."
    right = [_right_pixels(share, masks, t) for t in tries]
    if _right_pixels(share, masks, threshold) > max(right) - 1e-6:
        return "that makes as many pixels right as possible, and Dice is not the share of right pixels."
    together = [_dice_of_all(share, masks, t) for t in tries]
    if abs(_dice_of_all(share, masks, threshold) - max(together)) < 1e-6:
        return "all photos were counted as one; the score is each photo's Dice, and the mean of these."
    return f"on {len(masks)} training masks another threshold than {threshold:.2f} has {short:.4f} more Dice."


def _judge_threshold(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    samples = [_cars_of_widths(seed=0, spread=14), _cars_of_widths(seed=1, spread=27)]

    def fault(convert) -> str | None:
        try:
            return next(filter(None, (_threshold_fault(answer, *sample, convert) for sample in samples)), None)
        except NotAttempted:
            raise
        except Exception as error:
            return describe(error)

    with_torch = fault(lambda value: value)
    return None if with_torch is None or fault(torch.Tensor.numpy) is None else with_torch


_THRESHOLD = """
import numpy as np

from carvana_lessons.evaluation import metrics


def my_threshold(share, masks):
    def score(t):
        guess = (share > t).expand(len(masks), -1, -1, -1)
        return {score}

    tries = np.arange(0.02, 0.98, 0.02)
    return {best}
"""


def _threshold_code(
    score: str = "metrics.dice(guess, masks.bool()).mean().item()", best: str = "max(tries, key=score)"
) -> str:
    return _THRESHOLD.format(score=score, best=best)


better_cut = Exercise(
    title="A better cut",
    minutes=20,
    task="We cut the mean mask at one half: car where more than half of the training photos have car. That makes as "
    "many pixels right as possible, and Dice is not the share of right pixels. Given `share` (1, h, w), the mean mask, "
    "and the training masks (N, 1, h, w), both as tensors, find the threshold with the highest mean Dice on these "
    "masks. Then say why it lies on *that* side of one half.",
    stub="def my_threshold(share, masks):\n    return ...",
    hints=(
        "Try a few dozen thresholds between 0 and 1, and keep the best.",
        "A prediction for all N photos at once: `(share > t).expand(len(masks), -1, -1, -1)`.",
        "`metrics.dice(…, masks.bool()).mean()` is the score of one threshold, and `max(tries, key=score)` the best of "
        "some tries.",
    ),
    answer=_threshold_code(),
    explanation="Take a pixel that is car in a share s of the photos. Calling it car adds, on average, 2s above the "
    "fraction line of Dice and 1 below it. That raises a fraction of value D as long as 2s is more than D. So the cut "
    "belongs near D/2, and D is less than 1: on the side below one half. The less is safe, the more it pays to "
    "include doubtful pixels.",
    judge=_judge_threshold,
    faults={
        "def my_threshold(share, masks):\n    return 0.5": "as many pixels right as possible",
        "def my_threshold(share, masks):\n    return 0.05": "more Dice",
        _threshold_code(score="(guess == masks.bool()).float().mean().item()"): "as many pixels right as possible",
        _threshold_code(score="metrics.dice(guess.reshape(1, -1), masks.bool().reshape(1, -1)).item()"): "as one",
        _threshold_code(best="int(np.argmax([score(t) for t in tries]))"): "place in a list",
        _threshold_code(best="max(score(t) for t in tries)"): "the best Dice",
        _threshold_code(best="min(tries, key=score)"): "lowest",
    },
)

quiz = Quiz(
    (
        Question(
            "A photo is one fifth car. What is the Dice of a mask that says background everywhere?",
            (
                Choice("0.8, because four pixels in five are right.", "That is the share of right pixels."),
                Choice("1, because it is empty.", "Only if the true mask is empty, too."),
                Choice("0, because no car pixel is shared.", "2 · 0 / (0 + |Y|): nothing was found.", right=True),
            ),
        ),
        Question(
            "A car has 518,000 pixels, a predicted mask about as many, and Dice is 0.99. How many pixels are wrong?",
            (
                Choice("About 5,200.", "That is 1 % of one mask; Dice divides by both together."),
                Choice("About 10,400.", "1 − Dice is 0.01, times |X| + |Y| = 1,036,000.", right=True),
                Choice("About 25,000.", "That is 1 % of the whole photo; its size does not enter into Dice."),
            ),
        ),
        Question(
            "After training, a network answers background for every pixel, and its loss is close to 0. What do you "
            "look at first?",
            (
                Choice(
                    "The target's values: is there a 1 among them?",
                    "Masks stored as 0 and 1 and divided by 255 are 0 nearly everywhere, and it learned just that.",
                    right=True,
                ),
                Choice("The number of photos; there are too few.", "Too few photos would not make the loss so small."),
                Choice("The split; it leaks.", "A leak flatters a test. It makes no mask empty."),
            ),
        ),
        Question(
            "The same model scores 0.93 on a split by image and 0.90 on a split by car. Which number do you promise "
            "for a new car?",
            (
                Choice("0.93, the better of the two.", "That test had other views of its cars in the training."),
                Choice("0.90, because a new car has no photo in the training.", "As in a split by car.", right=True),
                Choice("The mean of both.", "One of them answers another question; a mean does not fix that."),
            ),
        ),
    )
)
