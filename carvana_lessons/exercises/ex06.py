"""Exercises of chapter 6: the maps, maps for a crop and its mirror image, their cost, a third map, one map alone.

Lesson:
    06.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from carvana_lessons.exercises.base import Each, Exercise, Function, Value, attempted
from carvana_lessons.exercises.compare import shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz


def _maps(height, width, across=None, down=None):
    """X and Y, or others that are made of a row of `across` and a column of `down`."""
    across = np.arange(width) / width - 0.5 if across is None else across
    down = np.arange(height) / height - 0.5 if down is None else down
    return np.stack([np.tile(across, (height, 1)), np.tile(np.reshape(down, (-1, 1)), (1, width))])


the_maps = Exercise(
    title="The maps",
    minutes=5,
    task="Write both maps without the package, (2, height, width): X first, then Y, as this chapter defines them.",
    stub="def my_maps(height, width):\n    return ...",
    hints=(
        "In every row of the X-map stand the same numbers. Which are they for a width of 4?",
        "`torch.arange(width) / width - 0.5` is one row of X. `expand` or `np.tile` repeats it.",
        "The Y-map is one column, repeated: `[:, None]` makes a column of a row.",
    ),
    answer="""
import torch


def my_maps(height, width):
    x = torch.arange(width) / width - 0.5
    y = torch.arange(height) / height - 0.5
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
""",
    explanation="x counts columns, and the width is the last number of a shape. On a square image an exchange of the "
    "two goes unnoticed, so try such code on an oblong one. The maps begin at −0.5 and end one step before 0.5; so "
    "every 16th value of them is the map of the image that is 16 times smaller.",
    judge=Function(
        _maps,
        [(2, 4), (3, 1), (5, 3), (4, 4), (16, 24)],
        {
            "the X-map comes first, and yours is the Y-map": lambda h, w: _maps(h, w)[::-1],
            "width and height are exchanged: x counts columns, and of them there are `width`": lambda h, w: _maps(
                h, w, np.arange(w) / h - 0.5, np.arange(h) / w - 0.5
            ),
            "each map should be (height, width), and yours are (width, height)": lambda h, w: _maps(h, w).transpose(
                0, 2, 1
            ),
            "0.5 has to be subtracted, so that 0 is in the middle": lambda h, w: _maps(h, w) + 0.5,
            "x is divided by the width itself, not by one less, so X ends before 0.5": lambda h, w: _maps(
                h, w, np.linspace(-0.5, 0.5, w), np.linspace(-0.5, 0.5, h)
            ),
            "x counts columns from 0, not from 1": lambda h, w: _maps(h, w) + np.reshape([1 / w, 1 / h], (2, 1, 1)),
            "x is the column's number, and you took its middle, half a pixel further": lambda h, w: (
                _maps(h, w) + np.reshape([0.5 / w, 0.5 / h], (2, 1, 1))
            ),
        },
    ),
)


_FIRST_UP = Value(
    9 * 2 * 512,
    {
        "there are two maps, and each has its own weights": 9 * 512,
        "a 3×3 kernel has nine weights for each pair of channels": 2 * 512,
        "you multiplied by the 1024 channels that come in; count those that go out": 9 * 2 * 1024,
        "the biases are there with and without maps; only weights are added": 9 * 2 * 512 + 512,
        "this is the answer for all ten; the way up comes first": 9 * 2 * 2688,
        "what comes in beside the maps was paid for before; count what the maps add": 9 * (1024 + 2) * 512,
    },
)
_ALL_TEN = Value(
    9 * 2 * 2688,
    {
        "a stage has two or three convolutions, and you counted one of each": 9 * 2 * (64 + 128 + 256 + 512),
        "the third and fourth stage have three convolutions each": 9 * 2 * 2 * (64 + 128 + 256 + 512),
        "there are two maps, and each has its own weights": 9 * 2688,
        "a 3×3 kernel has nine weights for each pair of channels": 2 * 2688,
        "the biases are there with and without maps; only weights are added": 9 * 2 * 2688 + 2688,
        "a convolution pays for the channels that it gives, not for those that it takes": (
            9 * 2 * (3 + 64 + 64 + 128 + 128 + 256 + 256 + 256 + 512 + 512)
        ),
        "the question is about all ten, and this is the cost at the first alone": 9 * 2 * 64,
    },
)

_COST = "my_first_up, my_all_ten = {}\n"

the_cost = Exercise(
    title="What maps cost",
    minutes=5,
    task="How many parameters more would Architecture #1 have if both maps entered at the first convolution *on the "
    "way up*? It takes the unpooled map and the encoder's map, 512 channels each, and gives 512. And how many more if "
    "they entered at all ten convolutions of the encoder instead? Those give 64, 64, 128, 128, 256, 256, 256, 512, 512 "
    "and 512 channels. Every kernel is 3×3.",
    stub="my_first_up, my_all_ten = ..., ...",
    hints=(
        "A 3×3 convolution has nine weights for each pair of a channel that comes in and one that goes out. Which "
        "pairs are new?",
        "At the input of the network it was 3·3 · 2 maps · 64 channels.",
        "For all ten, add up the channels that they give: 2·64 + 2·128 + 3·256 + 3·512.",
    ),
    answer=_COST.format("9 * 2 * 512, 9 * 2 * (2 * 64 + 2 * 128 + 3 * 256 + 3 * 512)"),
    explanation="What else comes in does not matter, only what goes out: beside 1024 channels two maps cost as much as "
    "beside 512. All ten together are 48,384 parameters, still under two thousandths of the network's 32.8 million. "
    "The price of maps is no reason against them.",
    judge=Each({"on the way up": _FIRST_UP, "at all ten": _ALL_TEN}),
    faults={
        _COST.format("9 * 512, 9 * 2688"): "on the way up: there are two maps",
        _COST.format("2 * 512, 2 * 2688"): "nine weights",
        _COST.format("9 * 2 * 1024, 9 * 2 * 2688"): "come in",
        _COST.format("9 * 2 * 512 + 512, 9 * 2 * 2688"): "biases",
        _COST.format("9 * 1026 * 512, 0"): "paid for before",
        _COST.format("9 * 2 * 2688, 9 * 2 * 512"): "the way up comes first",
        _COST.format("9 * 2 * 512, 9 * 2 * 960"): "one of each",
        _COST.format("9 * 2 * 512, 9 * 2 * 1920"): "three convolutions each",
        _COST.format("9 * 2 * 512, 9 * 2688"): "at all ten: there are two maps",
        _COST.format("9 * 2 * 512, 9 * 2 * 2179"): "not for those that it takes",
        _COST.format("9 * 2 * 512, 1152"): "the first alone",
        _COST.format("9 * 2 * 512, 48_000"): "at all ten: 48000 is not it",
    },
)


def _crop_maps(height, width, top, left, side, mirrored):
    if mirrored:
        left = width - left - side
    return _places(height, width, top, left, side)


def _places(height, width, top, left, side):
    """Maps of the piece at a place of a photo, also where it reaches over its edge."""
    steps = np.arange(side)
    return _maps(side, side, (left + steps) / width - 0.5, (top + steps) / height - 0.5)


crop_maps = Exercise(
    title="Maps for a crop",
    minutes=10,
    task="A square piece is cut from a photo of `height` × `width`: `side` pixels, the upper left one in row `top` and "
    "column `left`. If `mirrored` is true, the piece is then mirrored, left and right. Return the two maps that it "
    "takes, (2, side, side). `models.coordinate_maps` may help.\n\n"
    "Think of a mirrored piece as a piece of the mirrored photo. Where does it lie there?",
    stub="def my_crop_maps(height, width, top, left, side, mirrored):\n    return ...",
    hints=(
        "Begin without the mirror: make the maps of the whole photo, then cut out what was cut out of the photo.",
        "The mirrored photo is a new photo and takes fresh maps. They are the same as before, for they depend on the "
        "size alone. Only the place of the piece is another.",
        "What was `left` columns from the left edge is `left` columns from the right edge of the mirrored photo. Its "
        "first column there is `width - left - side`.",
    ),
    answer="""
from carvana_lessons import models


def my_crop_maps(height, width, top, left, side, mirrored):
    if mirrored:
        left = width - left - side
    return models.coordinate_maps(height, width)[:, top : top + side, left : left + side]
""",
    explanation="A crop takes the crop of the maps, a mirrored photo takes fresh ones: here both rules meet. Mirroring "
    "the crop's maps along with it would give an X that falls from left to right, which no photo has. A piece from the "
    "middle columns has the same maps either way, so a test with such a piece would find nothing.",
    judge=Function(
        _crop_maps,
        [(4, 8, 1, 2, 2, False), (4, 8, 1, 2, 2, True), (6, 4, 0, 1, 3, True), (5, 5, 2, 0, 3, False)],
        {
            "the maps were computed for the piece, as if it were a photo": lambda h, w, top, left, s, m: _maps(s, s),
            "top and left are exchanged": lambda h, w, top, left, s, m: _crop_maps(h, w, left, top, s, m),
            "a mirrored piece lies elsewhere: on the other side of the mirrored photo": lambda h, w, top, left, s, m: (
                _places(h, w, top, left, s)
            ),
            "the maps were mirrored with the piece, and a mirrored photo is a new one": lambda h, w, top, left, s, m: (
                _places(h, w, top, left, s)[:, :, :: -1 if m else 1]
            ),
            "of the mirrored piece you took the wrong end: its last column becomes its first": (
                lambda h, w, top, left, s, m: _places(h, w, top, w - left if m else left, s)
            ),
            "the mirrored piece is one column off": lambda h, w, top, left, s, m: _places(
                h, w, top, w - left - s - 1 if m else left, s
            ),
            "mirrored means left and right; the rows stay": lambda h, w, top, left, s, m: _places(
                h, w, h - top - s if m else top, left, s
            ),
        },
    ),
)


def _behind(x, radius=None, order=(0, 1, 2), before=False):
    """A batch (B, C, h, w) with X, Y and R, or faulty ones of them."""
    x = np.asarray(x, dtype=float)
    maps = _maps(*x.shape[-2:])
    radius = np.sqrt(maps[0] ** 2 + maps[1] ** 2) if radius is None else radius(maps[0], maps[1])
    three = np.broadcast_to(np.stack([*maps, radius])[list(order)], (len(x), 3, *x.shape[-2:]))
    return np.concatenate([three, x] if before else [x, three], axis=1)


def _batch(*shape: int) -> tuple[torch.Tensor]:
    return (torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape) + 5,)


third_map = Exercise(
    title="A third map",
    minutes=10,
    task="Liu et al. also tried the distance from the middle, $R = \\sqrt{X^2 + Y^2}$. Write a function that puts X, Y "
    "and R behind the channels of a batch: (B, C, h, w) in, (B, C + 3, h, w) out. Use `my_maps` of exercise 1 or "
    "`models.coordinate_maps`.\n\n"
    "Before you go on: could R alone, without X and Y, have solved the toys of this chapter?",
    stub="def my_append(x):\n    return ...",
    hints=(
        "Height and width are the last two numbers of `x.shape`.",
        "`(maps**2).sum(dim=0).sqrt()` is R, (h, w), of maps (2, h, w).",
        "Every photo of the batch gets the same three maps: `expand(len(x), -1, -1, -1)`, then `torch.cat` along "
        "dimension 1.",
    ),
    answer="""
import torch

from carvana_lessons import models


def my_append(x):
    maps = models.coordinate_maps(*x.shape[-2:])
    three = torch.cat([maps, (maps**2).sum(dim=0, keepdim=True).sqrt()])
    return torch.cat([x, three.expand(len(x), -1, -1, -1)], dim=1)
""",
    explanation="R is a function of X and Y, so it tells nothing new; it saves the network the work of computing it. "
    "Alone it would not help where left and right have to be told apart, which was the question of every toy here: at "
    "two mirrored places R is (almost) the same.",
    judge=Function(
        _behind,
        [_batch(1, 1, 2, 4), _batch(2, 3, 4, 3), _batch(3, 2, 5, 5)],
        {
            "the maps belong behind the photo's channels, not before them": lambda x: _behind(x, before=True),
            "X comes before Y": lambda x: _behind(x, order=(1, 0, 2)),
            "R is missing": lambda x: _behind(x)[:, :-1],
            "X and Y are missing": lambda x: np.delete(_behind(x), [-3, -2], axis=1),
            "R² = X² + Y², and the root is missing": lambda x: _behind(x, lambda a, b: a**2 + b**2),
            "R is the distance, not |X| + |Y|": lambda x: _behind(x, lambda a, b: abs(a) + abs(b)),
            "X and Y have to be squared before they are added": lambda x: _behind(x, lambda a, b: abs(a + b)),
            "R comes last, behind X and Y": lambda x: _behind(x, order=(2, 0, 1)),
        },
    ),
)


def _three(name: str, answer) -> tuple[list[float], str | None]:
    """The three accuracies of a list, and what is wrong with it."""
    if not isinstance(answer, Sequence | np.ndarray | torch.Tensor) or len(answer) != 3 or isinstance(answer, str):
        return [], f"`{name}` should hold three accuracies, one per seed, not {shown(answer)}."
    values = [float(attempted(value)) for value in answer]
    if not all(0 <= value <= 1 for value in values):
        return [], f"an accuracy is a share, between 0 and 1, and `{name}` holds {shown(values)}."
    return values, None


def _judge_one_map(with_x, with_y) -> str | None:
    (x, wrong_x), (y, wrong_y) = _three("my_with_x", with_x), _three("my_with_y", with_y)
    if wrong_x or wrong_y:
        return wrong_x or wrong_y
    x_knows, y_knows = min(x) >= 0.8, min(y) >= 0.8  # as good as with both maps
    x_guesses, y_guesses = (max(abs(value - 0.5) for value in values) <= 0.1 for values in (x, y))
    if x_guesses and y_knows:
        return "X tells left from right, and Y does not; are the two lists, or `whole[:1]` and `whole[1:]`, exchanged?"
    if x_knows and y_knows:
        return "Y is the same on the left and on the right, so it cannot help; did those networks get X as well?"
    if x_guesses:
        return "X alone tells left from right; was it X of the whole image, given in training and in the test?"
    if not x_knows:
        return (
            f"with X every seed should reach 80 %, and the lowest of yours is {min(x):.0%}; train as the chapter does."
        )
    if not y_guesses:
        farthest = max(y, key=lambda value: abs(value - 0.5))
        return f"with Y alone a coin is all that is left, and {farthest:.0%} is no coin; did they get Y, and only Y?"
    return None


# In place of the chapter's toy: "trained" networks that are right where their one map tells left from right.
_TOY = """
import torch

whole = torch.stack([torch.arange(48.0).expand(28, 48), torch.arange(28.0)[:, None].expand(28, 48)])


def stack(inputs):
    assert inputs == 2


def learn(model, prepare, seed):
    return model


def accuracy(model, prepare):
    added = prepare(torch.zeros(1, 1, 28, 48))[0, 1]
    return 1.0 if added[0, 0] != added[0, -1] else 0.5
"""
_LISTS = "my_with_x, my_with_y = {}\n"

one_map = Exercise(
    title="One map alone",
    minutes=20,
    task="Which of the two maps does the toy need? Guess first. Then train it with one map alone, first X, then Y, "
    "seeds 0, 1 and 2 each, and collect the accuracies in two lists of three. Use `learn`, `accuracy` and `stack(2)` "
    "of this chapter with a function like `mapped`; remember `torch.manual_seed(seed)`. The check looks at the lists "
    "alone.",
    stub="my_with_x, my_with_y = ..., ...  # two lists of three accuracies",
    hints=(
        "`models.append_maps` takes two maps, so put one in by hand: `whole[:1]` is X, `whole[1:]` is Y.",
        "`torch.cat([x, whole[:1].expand(len(x), -1, -1, -1)], dim=1)` puts X behind the image. The same function goes "
        "into `learn` and into `accuracy`.",
        "For one seed: `torch.manual_seed(seed)`, then `accuracy(learn(stack(2), with_x, seed), with_x)`.",
    ),
    answer="""
import torch


def trained_with(k, seed):
    \"\"\"Accuracy of a toy that gets one map: 0 is X, 1 is Y.\"\"\"

    def one_map(x):
        return torch.cat([x, whole[k : k + 1].expand(len(x), -1, -1, -1)], dim=1)

    torch.manual_seed(seed)
    return accuracy(learn(stack(2), one_map, seed), one_map)


my_with_x, my_with_y = ([trained_with(k, seed) for seed in range(3)] for k in (0, 1))
""",
    explanation="A map helps where the question depends on it, and only there. The row of a patch was drawn without "
    "regard to its side, so Y carries nothing about the answer, and three networks with Y are three coins. On cars "
    "both count: the floor is below, and the cars stand in the middle.",
    judge=_judge_one_map,
    faults={
        _LISTS.format("[0.5, 0.49, 0.51], [0.97, 0.99, 0.96]"): "exchanged",
        _LISTS.format("[0.97, 0.99, 0.96], [0.98, 0.95, 0.99]"): "did those networks get X as well",
        _LISTS.format("[0.5, 0.49, 0.51], [0.5, 0.5, 0.5]"): "X of the whole image",
        _LISTS.format("[0.97, 0.71, 0.96], [0.5, 0.5, 0.5]"): "lowest of yours is 71%",
        _LISTS.format("[0.97, 0.99, 0.96], [0.5, 0.5, 0.72]"): "72% is no coin",
        _LISTS.format("[97, 99, 96], [50, 50, 50]"): "between 0 and 1",
        _LISTS.format("[0.97, 0.99], [0.5, 0.5]"): "three accuracies",
        _LISTS.format("0.97, 0.5"): "three accuracies",
    },
    given=_TOY,
)

quiz = Quiz(
    (
        Question(
            "Without maps the toy was solved when its patches lay at the edge, and only then. What told left from "
            "right?",
            (
                Choice(
                    "The zeros around the image, which lie on another side of each patch.",
                    "They are a landmark in the window; closed to a ring the image had none, and a coin was left.",
                    right=True,
                ),
                Choice(
                    "The fifth convolution, which makes the window larger.",
                    "The networks on a ring had it too, and stayed at a coin's level.",
                ),
                Choice("The patches, which look different there.", "It is the same patch at both edges."),
            ),
        ),
        Question(
            "Somebody gives the first toy the distance from the middle, R, and neither X nor Y. What comes of it?",
            (
                Choice(
                    "It is solved, for R changes along every row.",
                    "It changes, but to both sides alike; from R one cannot tell which side it is.",
                ),
                Choice(
                    "It stays near a coin's level.",
                    "At two mirrored places R is (almost) the same, and left or right is the question.",
                    right=True,
                ),
                Choice(
                    "It is solved, but takes longer to train.",
                    "What is not in the input cannot be learned from it, however long one trains.",
                ),
            ),
        ),
        Question(
            "A network with maps scores 0.0020 ± 0.0005 above the one without, from one training each. With zeros in "
            "place of its maps it scores the same as before. What follows?",
            (
                Choice(
                    "The maps help: the gain is four standard errors.",
                    "This error is over the cars. Another training may move the difference by more.",
                ),
                Choice(
                    "The maps do harm.",
                    "The network took no notice of them at the test; there is no sign of harm.",
                ),
                Choice(
                    "This gain is not the maps' doing at the test.",
                    "A network that does as well without them does not use them.",
                    right=True,
                ),
            ),
        ),
    )
)
