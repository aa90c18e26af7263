"""Exercises of chapter 8: runs of a layer, a hook that copies, edges with a sign, channels that are needed together.

Lesson:
    08.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import combinations, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carvana_lessons import models
from carvana_lessons.exercises.base import Exercise, Function, attempted
from carvana_lessons.exercises.compare import difference, shown
from carvana_lessons.exercises.quiz import Choice, Question, Quiz


def _hooks(net: nn.Module) -> list:
    """The hooks that hang on a network's modules just now."""
    return [
        hook
        for module in net.modules()
        for held in (module._forward_hooks, module._forward_pre_hooks)
        for hook in held.values()
    ]


class _Looped(nn.Module):
    """One pool that runs three times, two stages that run once each, and a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)])
        self.pool = nn.MaxPool2d(2)
        self.spare = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.down:
            x = self.pool(stage(x))
        return self.pool(x)


def _judge_runs(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    right, given = {"pool": 3, "down.0": 1, "spare": 0}, {}
    for layer in right:
        net = _Looped().eval()
        theirs = net.pool.register_forward_hook(lambda module, taken, output: None)  # somebody else looks, too
        before = _hooks(net)
        given[layer] = attempted(answer(net, layer, torch.rand(1, 1, 8, 8)))
        left = len(_hooks(net)) - len(before)
        if theirs.id not in net.pool._forward_hooks:
            return "a hook is gone that was there before yours; call `remove` on what `register_forward_hook` gave you."
        if left:
            return _left_behind(left)
    if _same_counts(given, right):
        return None
    faults = {
        "one module can run several times in a pass; `pool` is one module and runs 3 times here.": (1, 1, 1),
        "you count every run twice; does the network run once, with one hook?": (6, 2, 0),
        "the hook was never called; run the network after you register it, and before you remove it.": (0, 0, 0),
        "you count the runs of all layers of the same kind, not of the one with that name.": (3, 2, 2),
        "you count the runs of all layers, not of the one with that name.": (5, 5, 5),
    }
    for text, counts in faults.items():
        if _same_counts(given, dict(zip(right, counts, strict=True))):
            return text
    layer = next(name for name in right if difference(given[name], right[name]))
    if given[layer] is None:
        return difference(None, right[layer])
    often = {0: "never runs", 1: "runs once"}.get(right[layer], f"runs {right[layer]} times")
    return f"in our small network `{layer}` {often}, and you have {shown(given[layer])}."


def _left_behind(count: int) -> str:
    return f"you left {count} {'hook' if count == 1 else 'hooks'} behind; call `remove` after the network has run."


def _same_counts(given: Mapping, counts: Mapping) -> bool:
    return all(difference(given[layer], count) is None for layer, count in counts.items())


_RUNS = """
import torch


def my_runs(model, layer, x):
    runs = []
    module = dict(model.named_modules())[layer]
    hook = module.register_forward_hook(lambda module, taken, given: runs.append(1))
    with torch.no_grad():
        model(x)
    hook.remove()
    return len(runs)
"""
_REGISTER = "hook = module.register_forward_hook(lambda module, taken, given: runs.append(1))"

how_often = Exercise(
    title="How often?",
    minutes=5,
    task="Write `my_runs(model, layer, x)`: how many times does the layer of that name run when `x` goes through the "
    "model once? It may be any number, 0 too. The layer can lie inside others; its name is then one like `down.2`. "
    'Leave no hook behind. When it is right, ask for `"pool"`, `"down.2"` and `"unpool"` of the chapter\'s network, '
    "with `x[None].to(lesson.device)`.",
    stub="def my_runs(model, layer, x):\n    return ...",
    hints=(
        "A hook is called once for each run. It can append something to a list.",
        "`dict(model.named_modules())[layer]` is the module.",
        "Register the hook, run the model, call `hook.remove()`, and return the length of the list.",
    ),
    answer=_RUNS,
    explanation="A module is a thing, a run is an event; a list of modules does not tell how often each is used. "
    "MaskingNet owns one pool and one unpooling and uses both at four levels. A dictionary of maps by name "
    "holds the last of the four alone, and no error says so.",
    judge=_judge_runs,
    faults={
        _RUNS.replace("    hook.remove()\n", ""): "you left 1 hook behind",
        _RUNS.replace("hook.remove()", "module._forward_hooks.clear()"): "gone that was there before yours",
        "def my_runs(model, layer, x):\n    return [name for name, _ in model.named_modules()].count(layer)\n": (
            "`pool` is one module"
        ),
        _RUNS.replace("        model(x)\n", "        model(x)\n        model(x)\n"): "every run twice",
        _RUNS.replace("        model(x)\n", "        pass\n"): "never called",
        _RUNS.replace(
            _REGISTER,
            "kind = type(module)\n"
            "    count = lambda module, taken, given: runs.append(1)\n"
            "    hooks = [m.register_forward_hook(count) for m in model.modules() if type(m) is kind]",
        ).replace("hook.remove()", "[hook.remove() for hook in hooks]"): "of the same kind",
        _RUNS.replace(
            _REGISTER,
            "count = lambda module, taken, given: runs.append(1)\n"
            "    hooks = [m.register_forward_hook(count) for m in model.modules() if not list(m.children())]",
        ).replace("hook.remove()", "[hook.remove() for hook in hooks]"): "runs of all layers, not",
        _RUNS.replace("len(runs)", "len(runs) - 1"): "and you have 2",
    },
)


def _staged(head: int) -> nn.Sequential:
    """A stage that gives two channels, and a head that takes so many."""
    stage = models.ConvBlock(1, 2, batch_norm=True)
    return nn.Sequential(OrderedDict(stage=stage, head=nn.Conv2d(head, 1, 1))).eval()


def _judge_maps(answer) -> str | None:
    if not callable(answer):
        return f"a function was asked for, not {shown(answer)}."
    torch.manual_seed(0)
    net, x = _staged(2), torch.randn(2, 1, 3, 4)
    conv, norm, _ = net.stage
    with torch.no_grad():
        right = {"stage.0": conv(x), "stage.1": norm(conv(x)), "stage": norm(conv(x)).clamp(min=0)}
        right["head"] = net.head(right["stage"])
    taken = {"stage.0": x, "stage.1": right["stage.0"], "stage": x, "head": right["stage"]}
    for layer in right:
        given = attempted(answer(net, layer, x.clone()))
        wrong = difference(given, right[layer])
        if _hooks(net):
            return _left_behind(len(_hooks(net)))
        if wrong is None:
            continue
        if layer == "stage.1" and difference(given, right["stage"]) is None:
            return (
                "of a batch norm's map all negative numbers are gone: the ReLU after it wrote over the tensor that you "
                "stored. Store a copy that is yours alone, with `clone`, and let the hook return nothing."
            )
        if difference(given, taken[layer]) is None:
            return f"that is what {layer} took, not what it gave."
        if difference(given, right["head"]) is None:
            return f"that is what the whole network gave, not {layer}."
        return f"the map of {layer} is another: {wrong}"
    broken = _staged(3)
    with contextlib.suppress(Exception):  # whether the error goes on or not is left to the answer
        answer(broken, "stage.0", x)
    if _hooks(broken):
        return "when the network raises an error, your hook is left behind; the `remove` belongs into a `finally`."
    return None


_MAPS = """
import torch


def my_maps(model, layer, x):
    stored = []

    def note(module, taken, given):
        stored.append(given.clone())

    hook = dict(model.named_modules())[layer].register_forward_hook(note)
    try:
        with torch.no_grad():
            model(x)
    finally:
        hook.remove()
    return stored[0]
"""

look_inside = Exercise(
    title="Look inside",
    minutes=10,
    task="Write `my_maps(model, layer, x)`: what does the layer of that name give when `x` goes through the model? The "
    "layer runs once and gives one tensor, (B, C, h, w); the same comes back, whatever happens to it further on in "
    "the network. The model comes in evaluation mode. Leave no hook behind, not even when the model raises an error. "
    'When it is right, compare `my_maps(model, "down.0", x[None].to(lesson.device))` with '
    '`feature_maps(model, x[None])["down.0"]`.',
    stub="def my_maps(model, layer, x):\n    return ...",
    hints=(
        "The hook is told module, input and output; it can append the output to a list. What must it append, so that a "
        "ReLU with `inplace=True` cannot spoil it?",
        "`given.clone()` is a copy of its own.",
        "`try:` run the model, `finally:` remove the hook. What stands in a `finally` runs after an error, too.",
    ),
    answer=_MAPS,
    explanation="Three lines of ten only clean up, and they are the ones that are forgotten. A `lambda` needs care as "
    "well: what a hook *returns* replaces the module's output. One that returns its own copy hands just this copy to "
    "the ReLU, which writes over it.",
    judge=_judge_maps,
    faults={
        _MAPS.replace(".clone()", ""): "all negative numbers are gone",
        _MAPS.replace(
            "        stored.append(given.clone())", "        stored.append(given.clone())\n        return stored[-1]"
        ): ("let the hook return nothing"),
        _MAPS.replace("given.clone()", "taken[0].clone()"): "what stage.0 took",
        _MAPS.replace("            model(x)", "            out = model(x)").replace(
            "stored[0]", "out"
        ): "whole network",
        _MAPS.replace("stored[0]", "stored[0][0]"): "expected shape",
        _MAPS.replace("hook.remove()", "pass"): "you left 1 hook behind",
        _MAPS.replace("    try:", "    if True:").replace("    finally:\n        hook", "    hook"): "`finally`",
    },
)


def _signed_edge(x):
    light = x.mean(dim=1, keepdim=True)
    return F.pad((light[..., 2:] - light[..., :-2]) / 2, (1, 1, 0, 0))


def _down_edge(x):
    light = x.mean(dim=1, keepdim=True)
    return F.pad((light[..., 2:, :] - light[..., :-2, :]) / 2, (0, 0, 1, 1))


def _round_the_border(x):
    light = x.mean(dim=1, keepdim=True)
    return (light.roll(-1, dims=-1) - light.roll(1, dims=-1)) / 2


def _next_pixel(x):
    light = x.mean(dim=1, keepdim=True)
    return F.pad(light[..., 1:] - light[..., :-1], (0, 1, 0, 0))


def _each_channel(x):
    return F.pad((x[..., 2:] - x[..., :-2]) / 2, (1, 1, 0, 0))


# One row, in which a rising edge comes before a falling one, and two images that are not square.
_ROW = torch.tensor([[0.0, 1, 6, 0], [0, 0, 3, 0], [3, 2, 0, 0]]).view(1, 3, 1, 4)
_IMAGES = torch.rand(2, 3, 4, 7, generator=torch.Generator().manual_seed(0))

signed_edge = Exercise(
    title="Edges with a sign",
    minutes=10,
    task="The first stage told the *size* of an edge less well than brightness. But a convolution is linear: it can "
    "subtract left from right. Write `my_signed_edge(x)`: the brightness (mean of the channels) one pixel to the right "
    "minus that one pixel to the left, halved; in the first and in the last column 0. `x` is (B, 3, H, W), W at least "
    "3, and the answer is (B, 1, H, W). When it is right, ask how well a weighted sum of each stage tells it, on 16 "
    "photos:\n\n"
    "```python\n"
    'names = ["down.0", "down.1", "down.2", "down.3"]\n'
    "wanted = my_signed_edge(x16)\n"
    "for name, maps in feature_maps(model, x16, names).items():\n"
    "    readout = Readout()\n"
    "    small = F.adaptive_avg_pool2d(wanted, maps.shape[2:])\n"
    "    readout.add(maps.cpu(), small)\n"
    "    print(name, readout.agreement(readout.probe()).item())\n"
    "```",
    stub="def my_signed_edge(x):\n    return ...",
    hints=(
        "The columns lie along the last dimension. First the brightness: the mean along dimension 1, with "
        "`keepdim=True`.",
        "All right neighbours are `light[..., 2:]`, all left ones `light[..., :-2]`.",
        "`F.pad(value, (1, 1, 0, 0))` adds a column of zeros on the left and on the right.",
    ),
    answer="""
from torch.nn import functional as F


def my_signed_edge(x):
    light = x.mean(dim=1, keepdim=True)
    return F.pad((light[..., 2:] - light[..., :-2]) / 2, (1, 1, 0, 0))
""",
    explanation="Away from the border this is a single 3×3 convolution: −1/6 on the left and 1/6 on the right, in each "
    "of the three channels. The size of an edge is not linear. A stage needs at least two channels for it, one that a "
    "ReLU leaves where the photo becomes brighter and one where it becomes darker, and it needs their sum.",
    judge=Function(
        _signed_edge,
        [(_ROW,), (_IMAGES,)],
        {
            "you subtract right from left, and left from right was asked for": lambda x: -_signed_edge(x),
            "the difference is to be halved": lambda x: 2 * _signed_edge(x),
            "you compare the pixels above and below; right and left lie along the last dimension": _down_edge,
            "the sign is gone: a falling edge must give a negative number": lambda x: _signed_edge(x).abs(),
            "brightness is the mean of the three channels, and yours is their sum": lambda x: 3 * _signed_edge(x),
            "you work on each channel; brightness, their mean, is one channel": _each_channel,
            "you subtract the pixel itself from its right neighbour; the left neighbour was asked for": _next_pixel,
            "your image goes on at the other side: the first column has no left neighbour, the last no right one, and "
            "both get 0": _round_the_border,
            "in the first and in the last column 0 was asked for, not a difference to one side": lambda x: (
                torch.gradient(x.mean(dim=1, keepdim=True), dim=3)[0]
            ),
            "first and last column are missing; fill them with 0": lambda x: _signed_edge(x)[..., 1:-1],
            "the dimension of the channel is missing; `keepdim=True` keeps it": lambda x: _signed_edge(x)[:, 0],
        },
    ),
)


class _Lost:
    """Losses as measured: those of single channels, and what some pairs lose beyond the sum of their two."""

    def __init__(self, single: Mapping[int, float], beyond: Mapping[tuple[int, int], float]) -> None:
        self.single, self.beyond = single, beyond

    def __call__(self, channels: Iterable[int]) -> float:
        chosen = {int(channel) for channel in channels}
        extra = sum(more for pair, more in self.beyond.items() if chosen >= set(pair))
        return sum(self.single[channel] for channel in chosen) + extra

    def __repr__(self) -> str:
        pairs = {pair: self(pair) for pair in combinations(self.single, 2)}
        return repr({key: round(value, 2) for key, value in (self.single | pairs).items()})


def _by(score):
    """The pair for which a score is highest."""
    return lambda lost, channels: max(combinations(channels, 2), key=lambda pair: score(lost, *pair))


def _excess(lost, i, j):
    return lost([i, j]) - lost([i]) - lost([j])


_pair = _by(_excess)


def _neighbours(lost, channels):
    return max(pairwise(channels), key=lambda pair: _excess(lost, *pair))


def _positions(lost, channels):
    return tuple(list(channels).index(channel) for channel in _pair(lost, channels))


_LOST = [
    # 0 alone is worth most, 0 and 1 together too; the copies are 1 and 2.
    (_Lost({0: 0.5, 1: 0.1, 2: 0.0}, {(1, 2): 0.3, (0, 1): -0.1}), [0, 1, 2]),
    # The copies are not neighbours; 3 and 5 show much the same and are both used: less is lost than the sum.
    (_Lost({3: 0.4, 5: 0.4, 8: 0.0, 9: 0.02}, {(3, 5): -0.35, (5, 9): 0.3, (3, 8): 0.05}), [3, 5, 8, 9]),
    # Nothing is lost beyond the sum by any pair, and least is missing from it for 0 and 2.
    (_Lost({0: 0.1, 1: 0.3, 2: 0.2}, {(0, 1): -0.1, (0, 2): -0.01, (1, 2): -0.05}), [0, 1, 2]),
]

needed_together = Exercise(
    title="Needed together",
    minutes=15,
    task="Ablating one channel at a time misses copies. Write `my_pair(lost, channels)`. `lost` is a function that "
    "takes a list of channels: `lost([1])` is the Dice lost without channel 1, `lost([1, 2])` that without both. "
    "`channels` are the numbers to try, in ascending order; they need not begin at 0. Return the pair (i, j), i < j, "
    "whose joint loss exceeds the *sum* of its two single losses the most. When it is right, try it on the discs:\n\n"
    "```python\n"
    "def toy_loss(channels):\n"
    "    lost = whole_toy - toy_dice(channels, toy_x, toy_y)\n"
    "    return lost.mean().item()\n"
    "\n\n"
    "net = known_network()  # `net` means another network by now\n"
    "whole_toy = toy_dice([], toy_x, toy_y)\n"
    "my_pair(toy_loss, range(5))\n"
    "```",
    stub="def my_pair(lost, channels):\n    return ...",
    hints=(
        "What a pair hides is `lost([i, j]) - lost([i]) - lost([j])`.",
        "`itertools.combinations(channels, 2)` gives all pairs, the smaller number first.",
        "`max` takes a `key`: a function that gives the number by which to compare.",
    ),
    answer="""
from itertools import combinations


def my_pair(lost, channels):
    def hidden(pair):
        i, j = pair
        return lost([i, j]) - lost([i]) - lost([j])

    return max(combinations(channels, 2), key=hidden)
""",
    explanation="On the discs it finds 1 and 2, *dark* and *dark again*. Pairs find a copy, but not a thing that lies "
    "in three channels: there any two can be spared. And 64 channels already have 2016 pairs, so it takes long to be "
    "sure of a real network.",
    judge=Function(
        _pair,
        _LOST,
        {
            "that is the pair that loses most; take off what each of the two loses alone": _by(
                lambda lost, i, j: lost([i, j])
            ),
            "those are the two channels that lose most alone; copies lose little alone and much together": _by(
                lambda lost, i, j: lost([i]) + lost([j])
            ),
            "both single losses are to be taken off, not only the larger one": _by(
                lambda lost, i, j: lost([i, j]) - max(lost([i]), lost([j]))
            ),
            "that is the pair that exceeds the sum least; the sign is exchanged": _by(
                lambda lost, i, j: -_excess(lost, i, j)
            ),
            "a pair that loses much less than the sum counts for you as well; only more than the sum counts": _by(
                lambda lost, i, j: abs(_excess(lost, i, j))
            ),
            "the smaller number comes first": lambda lost, channels: _pair(lost, channels)[::-1],
            "the two need not be neighbours; try all pairs": _neighbours,
            "those are places in the list, and the channels' own numbers were asked for": _positions,
            "the pair was asked for, not how much it loses beyond the sum": lambda lost, channels: _excess(
                lost, *_pair(lost, channels)
            ),
        },
    ),
)

quiz = Quiz(
    (
        Question(
            "A hook stores what a batch norm gave, without `clone`. The next layer is a ReLU with `inplace=True`. What "
            "do you see when you draw what was stored?",
            (
                Choice("The batch norm's map: the hook ran before the ReLU.", "It did, but it stored no copy."),
                Choice("Nothing: PyTorch raises an error.", "Writing in place is allowed; nobody is warned."),
                Choice(
                    "The map as it is after the ReLU.",
                    "The hook stored the same tensor that the ReLU wrote over.",
                    right=True,
                ),
            ),
        ),
        Question(
            "With channel 7 ablated, the Dice stays as it was. What follows?",
            (
                Choice(
                    "The network can spare channel 7 as long as the others are there.",
                    "A copy may do its work; ablate both, and the Dice may fall.",
                    right=True,
                ),
                Choice(
                    "What channel 7 shows is of no use to the network.",
                    "`dark` could be spared too, because `dark again` showed the same.",
                ),
                Choice("Channel 7 does not look like the car.", "`bright, unused` looked just like the disc."),
            ),
        ),
        Question(
            "A probe reads brightness well from the first stage of a trained network. What must be measured before one "
            "says that training put it there?",
            (
                Choice("The same probe on more photos.", "That makes the number surer, not its cause."),
                Choice(
                    "A probe of the same network before its training.",
                    "Random filters hold brightness as well; only the difference is training's.",
                    right=True,
                ),
                Choice("The Dice with the first stage ablated.", "That tells whether the stage is used."),
            ),
        ),
        Question(
            "All eight patches that activate a channel most show a wheel. Which finding says most about what was "
            "learned?",
            (
                Choice("That the patches look alike.", "An untrained filter has such patches, too."),
                Choice("That the channel's values are high there.", "They were chosen for that."),
                Choice(
                    "That they lie on the car much more often than without training.",
                    "It compares with the untrained network, so it is about training.",
                    right=True,
                ),
            ),
        ),
    )
)
