"""Exercises of chapter 3: photos that fit, bytes to tensors, a draw that no worker can spoil, a shuffled stream.

Lesson:
    03.
"""

import math
from collections import Counter

import numpy as np

from carvana_lessons.exercises.base import Exercise, Function, attempted
from carvana_lessons.exercises.compare import shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz


def _fitting(size, gib, bytes_each=16, unit=2**30):
    return gib * unit / (size**2 * bytes_each)


how_many_fit = Exercise(
    title="How many fit?",
    minutes=3,
    task="How many square photos of side `size`, in pixels, each with its mask, fit into `gib` GiB as `float32`? Only "
    "whole photos count.",
    stub="def my_count(size, gib):\n    return ...",
    hints=(
        "A photo has three channels and its mask has one; all four are `float32`.",
        "A `float32` has four bytes, a GiB 2**30. `//` divides and rounds down.",
    ),
    answer="""
def my_count(size, gib):
    return int(gib * 2**30 // (size * size * (3 + 1) * 4))
""",
    explanation="At 128×128 a photo and its mask make 256 KiB, so 4,096 of them are a GiB. Twice the side, a quarter "
    "of the photos. As `uint8` four times as many fit, which is why the cache keeps bytes, and the loader makes "
    "floats of one batch at a time.",
    judge=Function(
        lambda size, gib: math.floor(_fitting(size, gib)),
        [(128, 1), (512, 8), (257, 1), (300, 0.5), (20_000, 1)],
        {
            "the masks need room too, one channel each": lambda size, gib: _fitting(size, gib, 12) // 1,
            "a float32 has four bytes, not one": lambda size, gib: _fitting(size, gib, 4) // 1,
            "a float32 has 32 bits, and these are four bytes; a GiB is counted in bytes": lambda size, gib: (
                _fitting(size, gib, 128) // 1
            ),
            "a GiB has 2**30 bytes; a billion bytes are a GB": lambda size, gib: _fitting(size, gib, unit=1e9) // 1,
            "the last photo does not fit as a whole; round down": lambda size, gib: math.ceil(_fitting(size, gib)),
            "only whole photos count; round down": _fitting,
            "a photo that fits by more than half does not fit; round down": lambda size, gib: round(
                _fitting(size, gib)
            ),
            "a photo has size × size pixels": lambda size, gib: gib * 2**30 // (size * 16),
        },
        close=0,  # a count is right or wrong
    ),
)


def _planes(image, mask):
    return np.moveaxis(image, 2, 0) / 255, (mask[None] > 0).astype(float)


def _read(height: int, width: int, car: int) -> tuple:
    """A photo and a mask as they come from files; the mask's car has that value."""
    rng = np.random.default_rng(height)
    image = rng.integers(1, 255, (height, width, 3), dtype=np.uint8)
    image[0, 0] = 0, 255, 51
    return image, (rng.integers(0, 2, (height, width)) * car).astype(np.uint8)


def _tiny() -> tuple:
    return np.array([[[0, 51, 255], [102, 51, 0]]], dtype=np.uint8), np.array([[255, 0]], dtype=np.uint8)


to_tensors = Exercise(
    title="From bytes to tensors",
    minutes=5,
    task="Write what a `Dataset` does with a pair that it has read. `image` is (h, w, 3), 0 to 255; `mask` is (h, w) "
    "and holds 0 and 1, or 0 and 255, depending on how its file was opened (chapter 1). Both are NumPy arrays, "
    "`uint8`. Return two: the photo (3, h, w) in [0, 1] and the mask (1, h, w) in {0, 1}.",
    stub="def my_pair(image, mask):\n    return ...",
    hints=(
        "The photo's channels move from the last place to the first, and nothing else moves: `permute` in PyTorch, "
        "`transpose` with three numbers in NumPy.",
        "For the mask: above zero is car. `mask[None]` has one dimension more.",
    ),
    answer="""
import torch


def my_pair(image, mask):
    x = torch.from_numpy(image).permute(2, 0, 1).float() / 255
    y = torch.from_numpy(mask > 0)[None].float()
    return x, y
""",
    explanation="`permute` moves the axes and every pixel keeps its place; `reshape` only counts the same numbers off "
    "into another shape and makes a picture of scattered colours, without an error. Exchanging height and width is as "
    "silent where the photo is square. Looking at one batch tells all of these.",
    judge=Function(
        _planes,
        [
            _tiny(),
            _read(2, 3, 1),
            _read(3, 3, 255),
            _read(5, 4, 255),
            (np.full((2, 2, 3), 255, np.uint8), np.zeros((2, 2))),
        ],
        {
            "`reshape` keeps the order in memory and scatters the pixels; the axes have to be moved": lambda i, m: (
                i.reshape(3, *m.shape) / 255,
                _planes(i, m)[1],
            ),
            "height and width of the photo are exchanged": lambda i, m: (i.T / 255, _planes(i, m)[1]),
            "the photo goes from 0 to 255, and 0 to 1 was asked for": lambda i, m: (
                np.moveaxis(i, 2, 0),
                _planes(i, m)[1],
            ),
            "the channels of the photo come first, (3, h, w)": lambda i, m: (i / 255, _planes(i, m)[1]),
            "red and blue are exchanged": lambda i, m: (_planes(i, m)[0][::-1], _planes(i, m)[1]),
            "a mask of 0 and 1 became nearly 0 everywhere; do not divide it, above zero is car": lambda i, m: (
                _planes(i, m)[0],
                m[None] / 255,
            ),
            "a mask of 0 and 255 is left as it is; above zero is car": lambda i, m: (_planes(i, m)[0], m[None]),
            "a mask of 0 and 1 came out empty; above zero is car, not above one half of 255": lambda i, m: (
                _planes(i, m)[0],
                m[None] > 127,
            ),
            "the mask lacks its channel, (1, h, w)": lambda i, m: (_planes(i, m)[0], m > 0),
            "the photo comes first, then the mask": lambda i, m: _planes(i, m)[::-1],
        },
    ),
)


class _Told(Exception):
    """Its text is the end of a sentence."""


def _judge_draw(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."

    def draw(key: tuple[int, int, int]) -> float:
        given = attempted(answer(*key))
        if given is None:
            raise _Told("nothing (None) came back; is a `return` missing?")
        try:
            number = float(given)
        except (TypeError, ValueError):
            raise _Told(f"one number was asked for, not {shown(given)}.") from None
        if not 0 <= number < 1:
            raise _Told(
                f"with i = {key[0]}, epoch = {key[1]}, seed = {key[2]} it gives {shown(number)}, not in [0, 1)."
            )
        return number

    # Items up to the number of test photos: i + 1000 * epoch, say, is one number for two pairs of them.
    items = [*range(10), 20, 64, 100, 128, 256, 1000, 1024, 5088, 10_000, 100_000]
    others = [*range(4), 10, 100]
    keys = [(i, epoch, seed) for seed in others for epoch in others for i in items]
    try:
        numbers = [draw(key) for key in keys]
        backwards = [draw(key) for key in reversed(keys)][::-1]
    except _Told as error:
        return str(error)
    if numbers != backwards:
        return "the same arguments gave another number the second time, in another order."
    by_key = dict(zip(keys, numbers, strict=True))
    if len(set(numbers)) == 1:
        return f"all arguments gave the same number, {shown(numbers[0])}."
    for place, name in enumerate(("i", "epoch", "seed")):
        if all(by_key[_with(key, place, 1)] == by_key[_with(key, place, 2)] for key in keys):
            return f"`{name}` makes no difference."
    if len(set(numbers)) < len(keys) - 3:  # float32 has so few numbers that two may be equal by chance
        first = {}
        one, other = next((first[n], key) for key, n in by_key.items() if first.setdefault(n, key) != key)
        return f"(i, epoch, seed) = {one} and {other} gave the same number; do they add up to the same seed?"
    tenths = np.histogram(numbers, bins=10, range=(0, 1))[0] / len(numbers)
    if tenths.min() < 0.03:
        low = int(tenths.argmin()) / 10
        return f"the numbers should fill [0, 1) evenly, and from {low:.1f} to {low + 0.1:.1f} there are too few."
    return None


def _with(key: tuple, place: int, value: int) -> tuple:
    return (*key[:place], value, *key[place + 1 :])


_DRAW = "import numpy as np\n\n\ndef my_draw(i, epoch, seed):\n    return {}\n"

draw = Exercise(
    title="A draw that no worker can spoil",
    minutes=10,
    task="Write a random draw for augmentation: a number in [0, 1) for item `i` in that `epoch`, with that `seed`. All "
    "three are integers from 0. It must follow from the three arguments alone, so that neither the number of workers "
    "nor the order of the items matters; other arguments, another number.",
    stub="def my_draw(i, epoch, seed):\n    return ...",
    hints=(
        "Make a new generator in every call, with a seed made of all three arguments.",
        "The sum will not do: 1 + 2 is 2 + 1.",
        "`np.random.default_rng` also takes a list of integers as its seed.",
    ),
    answer=_DRAW.format("np.random.default_rng([seed, epoch, i]).random()"),
    explanation="A generator that lives longer than a call has a state, and with workers there are as many states as "
    "processes. A draw from a key has none: item 7 of epoch 3 gets its number in whichever worker, and again when you "
    "look at that one item alone. It costs a new generator a call, some microseconds, little beside decoding a photo.",
    judge=_judge_draw,
    faults={
        _DRAW.format("np.random.default_rng(seed + epoch + i).random()"): "gave the same number",
        _DRAW.format("np.random.default_rng(i + 1000 * epoch + 10**6 * seed).random()"): "gave the same number",
        _DRAW.format("np.random.default_rng([seed, i]).random()"): "`epoch` makes no difference",
        _DRAW.format("np.random.default_rng(seed).random()"): "`i` makes no difference",
        _DRAW.format("np.random.rand()"): "in another order",
        _DRAW.format("np.random.default_rng([seed, epoch, i]).normal()"): "not in [0, 1)",
        _DRAW.format("np.random.default_rng([seed, epoch, i]).random(3)"): "one number",
        _DRAW.format("np.random.default_rng([seed, epoch, i]).uniform(0, 0.5)"): "too few",
    },
)


class _Stream:
    """Items 0, 1, … once; knows how many were taken, and how many of them are held back."""

    def __init__(self, count: int) -> None:
        self.count, self.taken, self.given, self.held = count, 0, [], 0

    def __iter__(self):
        while self.taken < self.count:
            self.taken += 1
            self.held = max(self.held, self.taken - len(self.given))
            yield self.taken - 1


def _stream_out(answer, count: int, room: int, seed: int) -> list[int]:
    """What comes out of a stream of so many items.

    Raises:
        _Told: if items are missing, come twice, or if too many are held.
    """
    stream = _Stream(count)
    out = attempted(answer(iter(stream), room, seed))
    tried = f"of a stream of {count} items, with room = {room},"
    if out is None:
        raise _Told("nothing (None) came back; is a `yield` missing?")
    if not hasattr(out, "__iter__"):
        raise _Told(f"a generator was asked for, not {shown(out)}.")
    for item in out:
        stream.given.append(attempted(item))
        if len(stream.given) > count:
            break
    foreign = [item for item in stream.given if item not in range(count)]
    if foreign:
        raise _Told(f"{tried} came {shown(foreign[0])}, which is not one of the items.")
    if twice := [item for item, times in Counter(stream.given).items() if times > 1]:
        raise _Told(f"{tried} item {shown(twice[0])} came out more than once.")
    if len(stream.given) < count:
        raise _Told(f"{tried} {len(stream.given)} came out; when the stream ends, what is left must come out too.")
    if stream.held > room:
        raise _Told(f"{tried} {stream.held} were held at once; yield one before you fetch the next.")
    return stream.given


def _judge_shuffled(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    try:
        for count, room in ((3, 2), (0, 4), (1, 1), (4, 1), (3, 5), (5, 5)):
            _stream_out(answer, count, room, 0)
        long = [_stream_out(answer, 200, 20, seed) for seed in (0, 0, 1)]
        if long[0] == sorted(long[0]):
            return "the order is the stream's own."
        if long[0] != long[1]:
            return "the same seed gave two different orders."
        if long[0] == long[2]:
            return "another seed gave the same order."
        first = {_stream_out(answer, 6, 3, seed)[0] for seed in range(120)}
    except _Told as error:
        return str(error)
    if first != {0, 1, 2}:
        never = min({0, 1, 2} - first)
        return f"with room = 3, each of the first three items may come first; with 120 seeds, item {never} never did."
    return None


_SHUFFLED = """
import numpy as np


def my_shuffled(stream, room, seed):
    rng = np.random.default_rng({seed})
    held = []
    for item in stream:
        held.append(item)
        if len(held) {full}:
            yield held.pop({chosen})
    {rest}
"""


def _shuffled_code(
    seed: str = "seed",
    full: str = "== room",
    chosen: str = "int(rng.integers(len(held)))",
    rest: str = "rng.shuffle(held)\n    yield from held",
) -> str:
    return _SHUFFLED.format(seed=seed, full=full, chosen=chosen, rest=rest)


shuffle_a_stream = Exercise(
    title="Shuffle a stream",
    minutes=20,
    task="Some data come as a stream that is too long to be listed. Write a generator that takes items from the "
    "iterator `stream` and yields each of them once, in a random order fixed by `seed`. It never holds more than "
    "`room` items (1 or more), counting those that it took and has not yielded yet. The stream may be shorter than "
    "that, or empty.",
    stub="def my_shuffled(stream, room, seed):\n    return ...",
    hints=(
        "Keep a list. Append each item that comes. What do you do when the list is full?",
        "When it holds `room` items, take one out at random and yield it, before you fetch the next: "
        "`held.pop(int(rng.integers(len(held))))`.",
        "When the stream ends, the list still holds items. Shuffle them and `yield from` the list.",
    ),
    answer=_shuffled_code(),
    explanation="This is how a dataset of many large files is shuffled without being listed. It is not a perfect "
    "shuffle: an item can come out very late, but never more than `room` − 1 places early. If the views of one "
    "car follow each other in the stream, `room` should be many times 16, or a batch will hold few cars.",
    judge=_judge_shuffled,
    faults={
        "def my_shuffled(stream, room, seed):\n    yield from stream": "the stream's own",
        _shuffled_code(rest=""): "must come out too",
        _shuffled_code(full="> room"): "were held at once",
        _shuffled_code(seed=""): "two different orders",
        _shuffled_code(seed="0"): "another seed gave the same order",
        _shuffled_code(chosen="int(rng.integers(max(1, len(held) - 1)))"): "item 2 never did",
        _shuffled_code().replace("held.pop(int(rng.integers(len(held))))", "held[rng.integers(len(held))]"): (
            "more than once"
        ),
        "import random\n\n\ndef my_shuffled(stream, room, seed):\n    held = list(stream)\n"
        "    random.Random(seed).shuffle(held)\n    yield from held\n": "were held at once",
    },
)

quiz = Quiz(
    (
        Question(
            "A network is trained for ten epochs on batches from one plain generator, made before the first epoch. "
            "What happens?",
            (
                Choice(
                    "An error at the start of the second epoch.", "An exhausted generator raises nothing in a loop."
                ),
                Choice("Ten epochs, each in the same order.", "A generator can be walked once only."),
                Choice("One epoch of training, and nine empty ones.", "It is used up, and says nothing.", right=True),
            ),
        ),
        Question(
            "Batches come from the cache, and two workers make the epoch slower. Why?",
            (
                Choice(
                    "There is little work to hand over, and each batch has to travel between processes.",
                    "Copying bytes is quickly done; sending the batch can cost more.",
                    right=True,
                ),
                Choice("Both workers fetch all batches.", "The loader shares them out, each batch to one worker."),
                Choice("The workers disturb the order.", "Batches are handed out in the order they were asked for."),
            ),
        ),
        Question(
            "A dataset makes a generator in `__init__` and draws an angle from it in `__getitem__`. With four workers, "
            "what do you see?",
            (
                Choice("Each worker draws angles of its own.", "Each has a copy of the same generator, state and all."),
                Choice("All workers draw the same angles.", "Four copies, one state, and no warning.", right=True),
                Choice("The workers fail, since a generator cannot be copied.", "It can, and that is the trouble."),
            ),
        ),
        Question(
            "A cache of 40 GiB is opened with `mmap_mode='r'` on a machine with 16 GiB of memory. Does that work?",
            (
                Choice("No, the array does not fit.", "Opening maps the file; nothing is read yet."),
                Choice(
                    "Yes, at the speed of the disk where pages had to be dropped.",
                    "Pages come when they are touched, and go when room is needed.",
                    right=True,
                ),
                Choice(
                    "Yes, but only the first 16 GiB can be read.", "All of it can, though not all at the same time."
                ),
            ),
        ),
    )
)
