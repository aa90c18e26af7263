"""Exercises of chapter 5: indices, unpooling, parameter counts.

Lesson:
    05.
"""

import torch
from torch.nn.functional import interpolate, max_pool2d

from carvana_lessons import models
from carvana_lessons.exercises.base import Exercise, Function, Value, attempted
from carvana_lessons.exercises.compare import difference
from carvana_lessons.exercises.quiz import Choice, Question, Quiz

read_an_index = Exercise(
    title="Read an index",
    minutes=2,
    task="A map 6 wide was pooled 2×2. One of its indices is 23. In which row and which column did that maximum "
    "stand, counted from 0?",
    stub="my_row, my_column = ..., ...",
    hints=(
        "The cells are counted row after row: row 0 has the numbers 0 to 5.",
        "How many whole rows of 6 come before number 23? What is left is the column.",
    ),
    answer="my_row, my_column = divmod(23, 6)",
    explanation="Three whole rows of 6 are 18 cells; number 23 is the sixth cell of row 3, which is column 5. The same "
    "index in a map of another width is another place: an index means something only together with the width.",
    judge=Value(
        (3, 5),
        {
            "row and column are exchanged": (5, 3),
            "rows and columns are counted from 0, not from 1": (4, 6),
            "after three whole rows of 6 there are 23 − 18 cells left": (3, 4),
        },
    ),
)


def _unpool(values, indices, height, width):
    out = torch.zeros(height, width, dtype=torch.as_tensor(values).dtype)
    for value, index in zip(torch.as_tensor(values).flatten(), torch.as_tensor(indices).flatten(), strict=True):
        out[int(index) // width, int(index) % width] = value
    return out


def _by_height(values, indices, height, width):
    out = torch.zeros(height, width)
    for value, index in zip(values.flatten(), indices.flatten(), strict=True):
        row, column = divmod(int(index), height)
        out[row % height, column % width] = value
    return out


def _upper_left(values, indices, height, width):
    out = torch.zeros(height, width)
    out[: 2 * len(values) : 2, : 2 * values.shape[1] : 2] = values
    return out


def _pooled(height: int, width: int) -> tuple:
    """Values and indices of a pooled map of that size, and the size."""
    x = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(height)) + 0.1
    values, indices = max_pool2d(x, 2, return_indices=True)
    return values[0, 0], indices[0, 0], height, width


unpool = Exercise(
    title="Unpool",
    minutes=10,
    task="Write max-unpooling for one map: `values` and `indices` are (h, w), the answer is (height, width). A map "
    "with odd sides is tried too: of it the pool leaves out the last row or column.",
    stub="def my_unpool(values, indices, height, width):\n    return ...",
    hints=(
        "Begin with zeros, (height, width). Each value goes to one cell.",
        "`divmod(index, width)` gives row and column.",
    ),
    answer="""
import torch


def my_unpool(values, indices, height, width):
    out = torch.zeros(height * width, dtype=values.dtype)
    out[indices.flatten()] = values.flatten()
    return out.view(height, width)
""",
    explanation="Without a loop: write the map in one row, and the indices are the places in it. A loop with "
    "`divmod(index, width)` does the same.",
    judge=Function(
        _unpool,
        [_pooled(2, 4), _pooled(4, 6), _pooled(5, 7)],
        {
            "each value was copied to its whole window, but it stood in one cell": lambda v, i, h, w: interpolate(
                v[None, None], size=(h, w)
            )[0, 0],
            "each value was put into the upper left cell of its window, not where its index says": _upper_left,
            "row and column follow from the width, and you divided by the height": _by_height,
            "the answer must be as large as the map that was pooled": lambda v, i, h, w: v,
        },
    ),
)


def _judge_neighbour(answer) -> str | None:
    if not (isinstance(answer, type) and issubclass(answer, models.Unpool)):
        return "a class was asked for that extends models.Unpool."
    x = torch.rand(3, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    values, indices = max_pool2d(x, 2, return_indices=True)
    given = attempted(answer()(values.clone(), indices.clone(), x.shape[-2:]))
    unpool = models.Unpool()
    if difference(given, unpool(values, indices.roll(1, dims=0), x.shape[-2:])) is None:
        return None
    faults = {
        "the indices are still each photo's own.": (values, indices),
        "the values moved to another photo, but the indices should.": (values.roll(1, dims=0), indices),
        "the indices moved from channel to channel, not from photo to photo.": (values, indices.roll(1, dims=1)),
        "the indices moved the other way: photo k takes those of photo k − 1.": (values, indices.roll(-1, dims=0)),
    }
    for text, (v, i) in faults.items():
        if difference(given, unpool(v, i, x.shape[-2:])) is None:
            return text
    return "the values stay with their photo, and the indices come from the photo before it."


_NEIGHBOUR = "from carvana_lessons import models\n\n\nclass MyUnpool(models.Unpool):\n"
_NEIGHBOUR += "    def forward(self, x, indices, output_size):\n        return {}\n"

neighbour = Exercise(
    title="The neighbour's indices",
    minutes=15,
    task="What if every photo were unpooled with the indices of *another* photo of the batch? Guess SegNet's Dice "
    "first. Then write the module: photo k takes the indices of photo k − 1, the first photo those of the last. When "
    'it is right, set `networks["segnet"].unpool = MyUnpool()`, and score it.',
    stub="class MyUnpool(models.Unpool):\n    def forward(self, x, indices, output_size):\n        return ...",
    hints=(
        "`super().forward(x, indices, output_size)` unpools as before.",
        "`torch.roll` moves a tensor's entries along one dimension; photos lie along dimension 0.",
    ),
    answer=_NEIGHBOUR.format("super().forward(x, indices.roll(1, dims=0), output_size)"),
    explanation="The values are right and stand in the wrong places of their windows, at most one pixel off at each of "
    "five sizes. What that costs says how much of SegNet's boundaries the indices carry.",
    judge=_judge_neighbour,
    faults={
        _NEIGHBOUR.format("super().forward(x, indices, output_size)"): "still each photo's own",
        _NEIGHBOUR.format("super().forward(x.roll(1, dims=0), indices, output_size)"): "values moved",
        _NEIGHBOUR.format("super().forward(x, indices.roll(1, dims=1), output_size)"): "channel to channel",
        _NEIGHBOUR.format("super().forward(x, indices.roll(-1, dims=0), output_size)"): "the other way",
    },
)


def _judge_design(answer) -> str | None:
    if not isinstance(answer, models.Design):
        return "a models.Design was asked for."
    theirs = models.DESIGNS["arc1"]
    if (answer.encoder, answer.decoder) == (theirs.encoder, theirs.decoder):
        return "its stages are Architecture #1's own."
    with torch.device("meta"):  # sizes without numbers
        off = models.count_parameters(models.MaskingNet(answer)) - 32_799_554
    return f"it has {abs(off):,} parameters too {'many' if off > 0 else 'few'}." if off else None


_DESIGN = "from dataclasses import replace\n\nfrom carvana_lessons import models\n\n"
_DESIGN += 'my_design = replace(models.DESIGNS["arc1"], {})\n'

same_count = Exercise(
    title="The same count",
    minutes=20,
    task="Find another network with exactly 32,799,554 parameters: a `models.Design` that differs from "
    '`models.DESIGNS["arc1"]` in `encoder` or `decoder`. `dataclasses.replace` makes a changed copy.',
    stub="my_design = ...",
    hints=(
        "The four stages of the encoder have 64, 128, 256 and 512 channels, those of the decoder 512, 256, 128 and 64.",
        "A convolution may be taken out in one place if one of the same size is put in elsewhere.",
        "The encoder's third stage and the decoder's second both work with 256 channels.",
    ),
    answer=_DESIGN.format("encoder=(2, 2, 2, 3), decoder=(3, 4, 3, 3)"),
    explanation="A 3×3 convolution from 256 to 256 channels has the same number of weights on the way down as on the "
    "way up. So the published count does not prove the layer list.",
    judge=_judge_design,
    faults={
        _DESIGN.format("skip=True"): "Architecture #1's own",
        _DESIGN.format("encoder=(2, 2, 3, 4)"): "too many",
        _DESIGN.format("encoder=(2, 2, 3, 2)"): "too few",
        "my_design = (2, 2, 3, 3)": "models.Design was asked for",
    },
)

quiz = Quiz(
    (
        Question(
            "Two photos differ by one pixel of an edge, and pool to the same map. What can a way up from that map "
            "alone do?",
            (
                Choice("Learn to tell them apart, with enough training.", "It gets the same numbers for both."),
                Choice("Give the same answer for both.", "The same input, the same answer: one is wrong.", right=True),
                Choice("Find the edge with a larger kernel.", "A larger kernel sees more of a map that is the same."),
            ),
        ),
        Question(
            "What comes back through an unpooling?",
            (
                Choice("The map that was pooled.", "Three of the four values of each window are gone."),
                Choice(
                    "Values from below, at the places of the encoder's maxima.",
                    "Places are restored, values are not; all other cells are zero.",
                    right=True,
                ),
                Choice("The encoder's values.", "Those stay behind; what is put down comes from below."),
            ),
        ),
        Question(
            "Architecture #1 of ours has the published 32,799,554 parameters. What follows?",
            (
                Choice("Our layers are the defense's layers.", "Exercise 4 finds other layers with the same count."),
                Choice("It will reach the published Dice.", "A count says nothing about a training."),
                Choice(
                    "Our layers may be the defense's; others are possible too.",
                    "Equal counts are necessary, not sufficient.",
                    right=True,
                ),
            ),
        ),
    )
)
