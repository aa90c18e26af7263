"""The clinic of chapter 12: eleven pieces of code that run without an error and are wrong.

Lesson:
    12.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carvana_lessons import models
from carvana_lessons.evaluation import metrics
from carvana_lessons.exercises.base import Function
from carvana_lessons.exercises.case import Case, Effect
from carvana_lessons.exercises.quiz import Choice, Question, Quiz

GIVEN = """import random

import torch
from torch import nn
from torch.nn import functional as F

from carvana_lessons.evaluation import metrics
"""


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _squares(count: int, side: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy pictures (count, 3, side, side) with one bright square each, and its mask."""
    g = torch.Generator().manual_seed(seed)
    x, y = 0.2 * torch.rand(count, 3, side, side, generator=g), torch.zeros(count, 1, side, side)
    for k in range(count):
        top, left = torch.randint(side // 2, (2,), generator=g).tolist()
        y[k, :, top : top + side // 3, left : left + side // 3] = 1
    return x + 0.6 * y, y


def _small_net(batch_norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    norm = [nn.BatchNorm2d(6)] if batch_norm else []
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *norm, nn.ReLU(), nn.Conv2d(6, 1, 1))


def _numbers(model: nn.Module) -> Tensor:
    """All parameters in one line."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# 1 · Targets

_MASKS = (255 * (_random(2, 1, 4, 5, seed=1) > 0)).to(torch.uint8)
_SURE = 3 * _random(2, 1, 4, 5, seed=2)


_bce = F.binary_cross_entropy_with_logits


targets = Case(
    title="The loss falls and falls",
    minutes=3,
    complaint="*“The loss is negative and still falling after 60 steps. That must be good? But the mask is all car.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.targets.faulty()
curve, net, _ = practise(
    lambda z, y: ill.my_loss(z, (255 * y).to(torch.uint8))
)
examine(curve, net)
""",
    question=Question(
        "Which fault makes a loss fall below zero?",
        (
            Choice(
                "The learning rate is too high.",
                "A rate too high makes the loss leap or stay; binary cross-entropy of targets from 0 to 1 is never "
                "below 0, whatever the network answers.",
            ),
            Choice(
                "The targets are not 0 and 1.",
                "Yes. With a target t the loss of a pixel is softplus(z) − t·z. For t above 1 it falls without end "
                "as the logit z grows, and it pulls hundreds of times as hard as a background pixel pulls down. So "
                "the network makes all logits large.",
                right=True,
            ),
            Choice(
                "The gradients are never cleared.",
                "Then the steps are wrong, but each loss that is printed is still one of a target from 0 to 1, and "
                "so not below 0.",
            ),
            Choice(
                "The masks belong to other photos.",
                "A mask of another photo still holds 0 and 1. The loss would stay high, not fall below 0.",
            ),
        ),
    ),
    task="Mend `my_loss(logits, masks)`. `logits` is (B, 1, H, W); `masks` has the same shape and holds what is in the "
    "mask files: 0 and 255, as whole numbers. A batch may hold no car at all.",
    stub="""def my_loss(logits, masks):
    target = masks.float()
    return F.binary_cross_entropy_with_logits(logits, target)
""",
    hints=("Print `masks.unique()`.", "Car is to be 1: `masks > 0` says where it is."),
    answer="""def my_loss(logits, masks):
    target = (masks > 0).float()
    return F.binary_cross_entropy_with_logits(logits, target)
""",
    explanation="One line, and the cheapest test of all finds it: look at one batch, its smallest and its largest "
    "value. `data.loader` gives masks of 0 and 1, and the losses of this package refuse other targets.",
    judge=Function(
        lambda logits, masks: _bce(logits, (masks > 0).float()),
        [(_SURE, _MASKS), (_SURE, 0 * _MASKS), (_SURE[:1], _MASKS[:1])],
        {
            "the targets are still 0 and 255": lambda logits, masks: _bce(logits, masks.float()),
            "the sign of the loss was taken away, and the targets are as they were": lambda logits, masks: (
                F.binary_cross_entropy_with_logits(logits, masks.float(), reduction="none").abs().mean()
            ),
            "255 is the largest value, not 256: car became 0.996": lambda logits, masks: _bce(logits, masks / 256),
            "the masks are divided by their largest value; where there is no car, that is 0": lambda logits, masks: (
                _bce(logits, masks.float() / masks.float().max())
            ),
            "every pixel became car": lambda logits, masks: _bce(logits, torch.ones_like(logits)),
            "a sigmoid of the mask makes background 0.5": lambda logits, masks: _bce(logits, masks.float().sigmoid()),
        },
    ),
    given=GIVEN,
)


# 2 · Pairs


def _by_name(photos: list[str], masks: list[str]) -> list[tuple[str, str]]:
    of = {mask.removesuffix("_mask.png"): mask for mask in masks}
    return [(p, of[stem]) for p in sorted(photos) if (stem := p.removesuffix(".jpg")) in of]


def _files(*numbers: int) -> tuple[list[str], list[str]]:
    return [f"car_{k}.jpg" for k in numbers], [f"car_{k}_mask.png" for k in numbers]


pairs = Case(
    title="It learns an average",
    minutes=4,
    complaint="*“The loss stops falling too early. Every answer looks the same: one pale patch in the middle. The "
    "files are all there, I counted them.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.pairs.faulty()
photos = [f"car_{k}.jpg" for k in range(len(X))]
masks = [f"car_{k}_mask.png" for k in range(len(X))]
paired = ill.my_pairs(photos, masks)
first = [photos.index(photo) for photo, _ in paired]
second = [masks.index(mask) for _, mask in paired]
curve, net, _ = practise(x=X[first], y=Y[second])
examine(curve, net)
""",
    question=Question(
        "Which fault lets a network learn nothing but an average mask?",
        (
            Choice(
                "The network is too small.",
                "A small network still cuts along edges that it sees. And the same network did well above.",
            ),
            Choice(
                "Photos and masks do not belong together.",
                "Yes. If the mask is another photo's, nothing in the photo tells where it runs, and the best answer "
                "is the mean of all masks.",
                right=True,
            ),
            Choice(
                "The targets are 0 and 255.",
                "Then the loss would fall below zero, and every pixel would become car.",
            ),
            Choice(
                "The network is in training mode when it predicts.",
                "That spoils the masks of a network that has learned; here already the training loss stays high.",
            ),
        ),
    ),
    task="Mend `my_pairs(photos, masks)`. Both are lists of file names in any order: `car_7_mask.png` is the mask of "
    "`car_7.jpg`. Return a list of pairs (photo, mask), the photos in alphabetical order. A photo without a mask and a "
    "mask without a photo are left out.",
    stub="""def my_pairs(photos, masks):
    return list(zip(sorted(photos), sorted(masks), strict=True))
""",
    hints=(
        "Sort `['car_1.jpg', 'car_10.jpg']`, then `['car_1_mask.png', 'car_10_mask.png']`.",
        "`.` comes before `0` in the alphabet of computers, and `_` after it. So do not rely on two orders: make a "
        "dictionary from a name without its ending to its mask.",
        "`name.removesuffix('_mask.png')` cuts the ending off.",
    ),
    answer="""def my_pairs(photos, masks):
    mask_of = {mask.removesuffix("_mask.png"): mask for mask in masks}
    pairs = []
    for photo in sorted(photos):
        stem = photo.removesuffix(".jpg")
        if stem in mask_of:
            pairs.append((photo, mask_of[stem]))
    return pairs
""",
    explanation="`car_10.jpg` is sorted behind `car_1.jpg`, but `car_10_mask.png` before `car_1_mask.png`. And with "
    "one file missing, all later pairs of two sorted lists are wrong. A look at three photos under their masks finds "
    "it; `carvana-lessons check --sheet` draws them.",
    judge=Function(
        _by_name,
        [
            _files(1, 10),
            _files(3, 20, 1, 10, 2),
            (["car_2.jpg", "car_1.jpg", "car_4.jpg"], ["car_1_mask.png", "car_3_mask.png", "car_4_mask.png"]),
        ],
        {
            "two sorted lists are still laid side by side, and `car_10` moves in one": lambda photos, masks: list(
                zip(sorted(photos), sorted(masks), strict=False)
            ),
            "one missing file shifts all pairs behind it; find each mask by its name": lambda photos, masks: list(
                zip(sorted(photos), sorted(masks, key=lambda m: m.replace("_mask.png", ".jpg")), strict=False)
            ),
            "`car_10_mask.png` begins with `car_1` too; compare whole names": lambda photos, masks: [
                (p, m) for p in sorted(photos) for m in sorted(masks) if m.startswith(p.removesuffix(".jpg"))
            ],
            "a photo got the name of a mask that is not there": lambda photos, masks: [
                (p, p.replace(".jpg", "_mask.png")) for p in sorted(photos)
            ],
            "the photos are not in alphabetical order": lambda photos, masks: [
                (p, m) for p in photos if (m := p.replace(".jpg", "_mask.png")) in masks
            ],
        },
    ),
    given=GIVEN,
)


# 3 · Gradients


def _one_epoch(clear: str = "before", step: str = "each") -> Callable:
    """An epoch with the gradients cleared and the step made at some place."""

    def epoch(model: nn.Module, batches: Sequence, optimizer: torch.optim.Optimizer) -> None:
        if clear == "once":
            optimizer.zero_grad()
        for x, y in batches:
            if clear == "before":
                optimizer.zero_grad()
            _bce(model(x), y).backward()
            if clear == "between":
                optimizer.zero_grad()
            if step == "each":
                optimizer.step()
        if step == "once":
            optimizer.step()

    return epoch


def _after_epochs(function: Callable, epochs: int) -> Tensor:
    """The parameters after some epochs of three batches."""
    model, (x, y) = _small_net(), _squares(12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(epochs):
        function(model, list(zip(x.split(4), y.split(4), strict=True)), optimizer)
    return _numbers(model)


gradients = Case(
    title="Fast at first, then it rocks",
    minutes=4,
    complaint="*“It begins very well, faster than my colleague's. Then the loss jumps up and down and will not settle, "
    "while his goes on falling. We have the same optimizer, plain SGD, and the same rate.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.gradients.faulty()
sgd = partial(torch.optim.SGD, lr=0.5)


def plain_sgd(model):
    return sgd(model.parameters())


good, _, _ = practise(optimizer=plain_sgd, epochs=12)
curve, net, _ = practise(
    optimizer=plain_sgd, epochs=12, epoch=ill.my_epoch
)
for whose, losses in {"colleague": good, "mine": curve}.items():
    print(f"{whose:9}", *(f"{loss:.2f}" for loss in losses))
examine(curve, net)
""",
    question=Question(
        "Which fault makes a fast start, and then steps that overshoot?",
        (
            Choice(
                "The batches are too small.",
                "Small batches make the curve rough, not worse and worse. The healthy training had the same batches.",
            ),
            Choice(
                "The gradients are never cleared.",
                "Yes. `backward` *adds* to what is in `.grad`. Each step goes along the sum of all gradients so far: "
                "downhill that is a long step, and at the bottom the old gradients carry the network past it.",
                right=True,
            ),
            Choice(
                "There is a sigmoid before a loss that expects logits.",
                "That makes training slow and the loss high, but calm.",
            ),
            Choice(
                "A checkpoint was loaded without its optimizer.",
                "That shows once, at the place where the training went on.",
            ),
        ),
    ),
    task="Mend `my_epoch(model, batches, optimizer)`: one step for each batch `(x, y)`, along the gradient of that "
    "batch alone. It returns nothing.",
    stub="""def my_epoch(model, batches, optimizer):
    for x, y in batches:
        loss = F.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimizer.step()
""",
    hints=("Print the norm of one layer's gradient, batch by batch.", "`optimizer.zero_grad()` – but where?"),
    answer="""def my_epoch(model, batches, optimizer):
    for x, y in batches:
        loss = F.binary_cross_entropy_with_logits(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
""",
    explanation="Between `zero_grad` and `step` stands one `backward`. Why is Dice so bad beside a loss of 0.2? The "
    "loss is computed in training mode, the masks in evaluation mode, probably with running means of batch norm that "
    "cannot follow such leaps. That gradients add up is useful where a large batch does not fit into memory: then "
    "several small ones are added on purpose before one step.",
    judge=Effect(
        _after_epochs,
        _one_epoch(),
        [(1,), (2,)],
        {
            "the gradients of all batches are still added up": _one_epoch(clear="never"),
            "the gradients are cleared before the step uses them, so no number of the network changes": _one_epoch(
                clear="between"
            ),
            "cleared once an epoch, they add up again from its second batch on": _one_epoch(clear="once"),
            "there is one step an epoch, and not one for each batch": _one_epoch(clear="once", step="once"),
            "there is one step an epoch, along the gradient of its last batch alone": _one_epoch(step="once"),
        },
    ),
    given=GIVEN,
)


# 4 · A sigmoid too many

_LARGE = torch.tensor([-200.0, -3.0, 0.0, 2.0, 200.0, 200.0]).view(1, 1, 2, 3)
_CAR = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 3)

sigmoid = Case(
    title="It stops on a floor",
    minutes=4,
    complaint="*“The loss stops far above zero, although the masks are not bad. More epochs do not help.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.sigmoid.faulty()
curve, net, _ = practise(ill.my_bce)
examine(curve, net)
best = F.binary_cross_entropy_with_logits(Y, Y).item()
print(f"a perfect answer, p = mask, would get a loss of {best:.2f}")
""",
    question=Question(
        "Which fault gives even a perfect answer a high loss?",
        (
            Choice(
                "The learning rate is too low.",
                "A low rate makes the way down long; it puts no floor under the loss.",
            ),
            Choice(
                "There is a sigmoid before a loss that expects logits.",
                "Yes. The loss applies its own sigmoid to a probability from 0 to 1 and sees values from 0.5 to 0.73: "
                "background costs at least ln 2 = 0.69 a pixel, car at least 0.31.",
                right=True,
            ),
            Choice(
                "Photos and masks do not belong together.",
                "Then the masks would be bad, too: all alike.",
            ),
            Choice(
                "The photos are 0–255 and not 0–1.",
                "Batch norm mends that within a step, and it puts no floor under the loss.",
            ),
        ),
    ),
    task="Mend `my_bce(logits, y)`: the mean binary cross-entropy of `logits` (B, 1, H, W) and masks `y` of 0 and 1. "
    "It must be right for large logits too: one of 200 where there is no car costs 200.",
    stub="""def my_bce(logits, y):
    p = torch.sigmoid(logits)
    return F.binary_cross_entropy_with_logits(p, y)
""",
    hints=(
        "What does the loss give for a perfect answer, `p = y`?",
        "*With logits* in the name means: the sigmoid is inside.",
    ),
    answer="""def my_bce(logits, y):
    return F.binary_cross_entropy_with_logits(logits, y)
""",
    explanation="Of the two ways to remove one sigmoid, this is the better: from a logit the loss is computed as "
    "softplus, exactly, for any size. From a probability, 1 − p is 0 for large logits, and torch cuts the logarithm "
    "off at −100.",
    judge=Function(
        lambda logits, y: _bce(logits, y),
        [(_SURE[:, :, :2], (_MASKS[:, :, :2] > 0).float()), (_LARGE, _CAR)],
        {
            "there are still two sigmoids": lambda logits, y: _bce(logits.sigmoid(), y),
            "for large logits the probability is exactly 1 and its logarithm is cut off": lambda logits, y: (
                F.binary_cross_entropy(logits.sigmoid(), y)
            ),
            "the logits were cut at 0 first, which has no gradient; the loss wants logits": lambda logits, y: _bce(
                (logits > 0).float(), y
            ),
            "a softmax over one channel is 1 everywhere": lambda logits, y: _bce(logits.softmax(dim=1), y),
            "it is the sum of all pixels, and the mean was asked for": lambda logits, y: _bce(logits, y) * y.numel(),
        },
    ),
    given=GIVEN,
)


# 5 · The learning rate

_STEPS = 60


def _judge_rate(answer: Callable) -> str | None:
    """What is wrong with an optimizer, by what 60 steps with it bring."""
    torch.manual_seed(0)
    model, (x, y) = models.create("unet-tiny", width=4), _squares(8, 32)
    optimizer = answer(model)
    if not isinstance(optimizer, torch.optim.Optimizer):
        return f"an optimizer was asked for, and a {type(optimizer).__name__} came back; is a `return` missing?"
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = [id(p) for p in model.parameters()]
    if set(own) != held:
        return f"the optimizer holds {len(held & set(own))} of the network's {len(own)} weights and biases."
    losses = []
    for _ in range(_STEPS):
        loss = _bce(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    end, worst = _bce(model(x), y).item(), max(losses[1:])
    told = f"on a small network the loss went from {losses[0]:.2f} to {end:.2f} in {_STEPS} steps"
    if not end < 0.6 * losses[0] and worst > 1.5 * losses[0]:
        return f"{told}, and was {worst:.2f} on the way: the learning rate is still too high."
    if not end < 0.6 * losses[0]:
        return f"{told}: it hardly moves, the learning rate is too low now."
    if worst > 1.5 * losses[0]:
        return f"{told}, but was {worst:.2f} on the way: the learning rate is still too high."
    return None


rate = Case(
    title="One leap, then nothing",
    minutes=4,
    complaint="*“The loss leaps up in the first steps and then stays where a constant answer would be. I have tried "
    "three architectures.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.rate.faulty()
curve, net, _ = practise(optimizer=ill.my_optimizer, network=plain)
examine(curve, net)
""",
    question=Question(
        "Which fault makes the loss leap in the very first steps?",
        (
            Choice(
                "The learning rate is much too high.",
                "Yes. Adam moves every weight by about the learning rate in each step, whatever the gradient. After a "
                "few such steps most ReLUs answer 0 to everything, and their weights get no gradient any more.",
                right=True,
            ),
            Choice(
                "The split is by photo.",
                "A split changes which score one believes; it does not touch the training loss.",
            ),
            Choice(
                "There is a sigmoid before a loss that expects logits.",
                "That makes training slow and calm. It cannot leap: the loss of a pixel stays between 0.31 and 1.31.",
            ),
            Choice(
                "The masks belong to other photos.",
                "Then the loss falls to that of an average mask; it does not leap first.",
            ),
        ),
    ),
    task="Mend `my_optimizer(model)`: an optimizer for all weights of `model`, with which a small network learns in 60 "
    "steps.",
    stub="""def my_optimizer(model):
    return torch.optim.Adam(model.parameters(), lr=1.0)
""",
    hints=(
        "Try rates that differ by a factor of ten, each for some steps, and draw the losses.",
        "A hundred times less is a usual rate for Adam and small networks.",
    ),
    answer="""def my_optimizer(model):
    return torch.optim.Adam(model.parameters(), lr=0.01)
""",
    explanation="0.01 is not special: 0.003 and 0.001 do as well here, a little more slowly. Too high is told by a "
    "leap in the first steps, too low by a straight line. Try three rates, a factor of ten apart, before you change "
    "the network.",
    judge=_judge_rate,
    faults={
        GIVEN + "def my_optimizer(model):\n    return torch.optim.Adam(model.parameters(), lr=0.5)\n": "still too high",
        GIVEN + "def my_optimizer(model):\n    return torch.optim.Adam(model.parameters(), lr=1e-5)\n": "too low now",
        GIVEN + "def my_optimizer(model):\n"
        "    last = list(model.parameters())[-2:]\n    return torch.optim.Adam(last, lr=0.01)\n": "holds 2 of",
        GIVEN + "def my_optimizer(model):\n    return torch.optim.SGD(model.parameters(), lr=1e-3)\n": "too low now",
        GIVEN + "def my_optimizer(model):\n    torch.optim.Adam(model.parameters(), lr=0.01)\n": "`return`",
    },
    given=GIVEN,
)


# 6 · The mode


def _masks_by(mode: str = "evaluation", together: bool = True, after: str = "as it was") -> Callable:
    """Masks made in some mode, of one photo after the other or of all at once."""

    @torch.no_grad()
    def masks(model: nn.Module, photos: Sequence[Tensor]) -> list[Tensor]:
        was = model.training
        model.train(mode == "training")
        batches = [torch.stack(list(photos))] if together else [photo[None] for photo in photos]
        found = [mask for batch in batches for mask in model(batch) > 0]
        model.train(was if after == "as it was" else after == "training")
        return found

    return masks


def _look(function: Callable, training: bool) -> list:
    """The masks, and in what state a network is left."""
    model, (x, _) = _small_net(batch_norm=True), _squares(6)
    model.train()
    for _ in range(5):
        model(x)  # batch norm gets to know the photos
    with torch.no_grad():
        model[-1].bias -= model.eval()(x).median()  # so that some of its pixels are car
    model.train(training)
    photos = [x[0], x[1] * 0.5, x[2] + 0.3]
    found = torch.stack([torch.as_tensor(m) for m in function(model, photos)]).float()
    return [found, model[1].running_mean.clone(), torch.tensor(float(model.training))]


mode = Case(
    title="Another neighbour, another mask",
    minutes=4,
    complaint="*“One and the same photo gets another mask when other photos are predicted with it. And since I "
    "predicted a few photos taken at dusk, validation has become worse, too. I have trained nothing since.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.mode.faulty()
curve, net, _ = practise()
examine(curve, net)
beside = {"15 like it": VX[:15], "dusk": 0.25 * X[:15]}
net.train()
for name, others in beside.items():
    found = [ill.my_masks(net, [x, *others])[0] for x in VX]
    dice = metrics.dice(torch.stack(found), VY).mean()
    print(f"each photo beside {name}: Dice {dice:.3f}")
after = metrics.dice(masks_of(net.eval(), VX), VY).mean()
print(f"validation once more: Dice {after:.3f}")
""",
    question=Question(
        "Which fault makes a mask depend on the photos beside it?",
        (
            Choice(
                "The photos are shuffled.",
                "Each mask is compared with that of its own photo; the order changes nothing.",
            ),
            Choice(
                "The network is still in training mode.",
                "Yes. Batch norm then takes mean and variance of the batch at hand. And each call moves the running "
                "means that evaluation mode relies on: the photos taken at dusk are in them now.",
                right=True,
            ),
            Choice(
                "`torch.no_grad` is missing.",
                "It is there; and without it the masks would be the same, at a higher cost in memory.",
            ),
            Choice(
                "The split is by photo.",
                "That makes a score too good. It does not make a mask depend on its neighbours.",
            ),
        ),
    ),
    task="Mend `my_masks(model, photos)`: a list of masks (1, H, W), one for each photo (3, H, W), whatever the others "
    "are. "
    "Leave the network as you found it: its numbers, and its mode.",
    stub="""@torch.no_grad()
def my_masks(model, photos):
    return list(model(torch.stack(photos)) > 0)
""",
    hints=(
        "`model.training` says in which mode it is.",
        "`model.eval()` before, and afterwards `model.train(was)` with what `model.training` was.",
    ),
    answer="""@torch.no_grad()
def my_masks(model, photos):
    was = model.training
    model.eval()
    masks = list(model(torch.stack(photos)) > 0)
    model.train(was)
    return masks
""",
    explanation="One photo at a time does not mend it: in training mode batch norm then takes the mean of that one "
    "photo. The brother of this fault is a validation that leaves the network in evaluation mode: from the second "
    "epoch on batch norm trains with means that no longer move. `evaluate` and `car_logits` of this package switch "
    "and switch back.",
    judge=Effect(
        _look,
        _masks_by(),
        [(True,), (False,)],
        {
            "the network still predicts in training mode": _masks_by("training"),
            "one photo at a time is still training mode, with the mean of that one photo": _masks_by(
                "training", together=False
            ),
            "`eval` comes after the masks are made": _masks_by("training", after="evaluation"),
            "left in evaluation mode, the network would train on with means that stand still": _masks_by(
                after="evaluation"
            ),
            "the network is always left in training mode, and here it came in evaluation mode": _masks_by(
                after="training"
            ),
        },
    ),
    given=GIVEN,
)


# 7 · Colours and values

_PHOTO = (torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(4)) * 255).to(torch.uint8).numpy()


def _as_input(photo, scale: float = 255, colours: bool = True, turn: str = "") -> Tensor:
    x = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / scale
    x = x.flip(0) if colours else x
    x = x.flip({"down": 1, "across": 2}[turn]) if turn else x
    return x[None]


channels = Case(
    title="Good in training, bad on the street",
    minutes=4,
    complaint="*“Validation Dice is fine. With the same weights in our little program, where OpenCV reads the photos, "
    "the masks are bad.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.channels.faulty()
curve, net, _ = practise()
examine(curve, net)
read = (255 * VX).round().to(torch.uint8).permute(0, 2, 3, 1)
with torch.no_grad():
    z = [net(ill.my_input(photo.flip(-1).numpy())) for photo in read]
found = torch.cat(z) > 0
print(f"in the program: Dice {metrics.dice(found, VY).mean():.3f}")
""",
    question=Question(
        "Which fault spoils the masks although the weights are the same?",
        (
            Choice(
                "The photos come in other colours and other values than in training.",
                "Yes. OpenCV gives blue, green, red and 0 to 255; the network has learned from red, green, blue and "
                "0 to 1. Nothing in the numbers says so, and no error is raised.",
                right=True,
            ),
            Choice(
                "The weights were not loaded.",
                "Look into the cell: it calls the same `net` both times, and the first time the masks are good.",
            ),
            Choice(
                "The network has overfitted.",
                "Then validation would be bad, too. It was fine, on the same photos.",
            ),
            Choice(
                "The mask is enlarged after the threshold.",
                "That makes edges rough; it does not lose the car.",
            ),
        ),
    ),
    task="Mend `my_input(photo)`. `photo` is an array (H, W, 3) of whole numbers from 0 to 255, in the order blue, "
    "green, red. Return the batch of one that the network was trained on: a tensor (1, 3, H, W), red, green, blue, "
    "from 0 to 1.",
    stub="""def my_input(photo):
    x = torch.from_numpy(photo)
    return x.permute(2, 0, 1).float()[None]
""",
    hints=(
        "Two things are wrong: the order of the channels, and their range.",
        "`x.flip(0)` turns the first of three dimensions round. Which one holds the colours at that moment?",
    ),
    answer="""def my_input(photo):
    x = torch.from_numpy(photo)
    x = x.permute(2, 0, 1).float() / 255
    return x.flip(0)[None]
""",
    explanation="How a photo becomes numbers belongs to the weights. This package writes it into the card that lies "
    "beside them (`preparation`), and prepares photos in one function for training and for use.",
    judge=Effect(
        lambda function, photo: [x := torch.as_tensor(function(photo)), str(x.dtype).removeprefix("torch.")],
        lambda photo: _as_input(photo),
        [(_PHOTO,), (_PHOTO[:2, :1],)],
        {
            "the order is still blue, green, red, and the values go to 255": lambda photo: _as_input(photo, 1, False),
            "the order is still blue, green, red": lambda photo: _as_input(photo, colours=False),
            "the values still go to 255": lambda photo: _as_input(photo, 1),
            "the photo is upside down: rows were turned round, and not colours": lambda photo: _as_input(
                photo, colours=False, turn="down"
            ),
            "the photo is mirrored: columns were turned round, and not colours": lambda photo: _as_input(
                photo, colours=False, turn="across"
            ),
            "255 is the largest value, not 256": lambda photo: _as_input(photo, 256),
        },
    ),
    given=GIVEN,
)


# 8 · The split


def _views(cars: int, *, uneven: bool = False) -> list[str]:
    return [f"{k:02x}df5b5d0ce1_{v:02d}" for k in range(cars) for v in range(1, 5 + (k % 3 if uneven else 0))]


def _judge_split(answer: Callable) -> str | None:
    """What is wrong with a split, by its properties."""
    drawn = []
    for cars, uneven, seed in [(10, False, 0), (10, False, 1), (10, False, 2), (15, True, 3)]:
        names = _views(cars, uneven=uneven)
        train, valid = (list(part) for part in answer(list(names), seed))
        where = f"with {len(names)} photos of {cars} cars"
        if sorted(train + valid) != sorted(names):
            return f"{where} the two lists hold {len(train)} and {len(valid)} photos, not each photo once."
        sides = [{name.split("_")[0] for name in part} for part in (train, valid)]
        if both := sorted(sides[0] & sides[1]):
            return f"{where} {len(both)} cars are on both sides, {both[0]} for one."
        if len(sides[1]) != cars // 5:
            views = {name.split("_")[1] for name in valid}
            told = "; the photos were grouped by view" if len(views) == 1 else ""
            return f"{where} {len(sides[1])} cars are for validation, and a fifth of {cars} is {cars // 5}{told}."
        if [list(part) for part in answer(list(names), seed)] != [train, valid]:
            return f"{where} the same seed gave two different splits."
        drawn.append(frozenset(sides[1]) if cars == 10 else None)
    if len(set(drawn)) == 2:
        return "every seed gives the same cars; shuffle the cars with the seed."
    many = [f"{k:03x}_{v:02d}" for k in range(200) for v in (1, 2)]
    if set(answer(many[:], 0)[1]) != set(answer(many[::-1], 0)[1]):
        return (
            "the same photos in another order gave another split with the same seed. The order of a set changes from "
            "one start of Python to the next: sort the cars before you shuffle them."
        )
    return None


split = Case(
    title="Too good",
    minutes=5,
    complaint="*“Validation Dice is excellent. On the cars that the customer sent it is much lower. Their photos look "
    "just like ours.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.split.faulty()
few = train.select(cars=train.ids[:5])
names = [photo.name for photo in few]
known, held = ill.my_split(names, seed=0)
px, py = tensors(few)
k, h = ([names.index(n) for n in part] for part in (known, held))
curve, net, _ = practise(x=px[k], y=py[k], epochs=30)
examine(curve, net, px[h], py[h])
customer = metrics.dice(masks_of(net, VX), VY).mean()
print(f"on the customer's cars: Dice {customer:.3f}")
""",
    question=Question(
        "Which fault makes validation too good?",
        (
            Choice(
                "The network is in training mode.",
                "Then a score would depend on which photos share a batch, for old and for new cars alike.",
            ),
            Choice(
                "The customer's photos are in another colour order.",
                "That would be a reason. But here they went through the same functions, and only the cars are new.",
            ),
            Choice(
                "Photos of one car are on both sides of the split.",
                "Yes. The photos were shuffled, and each car has many. The network has seen almost every validation "
                "car from the next angle: the score says how well it knows *these* cars.",
                right=True,
            ),
            Choice(
                "There are too few epochs.",
                "More epochs bring no new cars.",
            ),
        ),
    ),
    task="Mend `my_split(photos, seed)`. Names are `car_view`, as in `0cdf5b5d0ce1_01`. Return two lists of photos, "
    "training and validation. Validation holds all photos of a fifth of the cars, drawn with the seed: "
    "`random.Random(seed)`. The same seed gives the same split.",
    stub="""def my_split(photos, seed):
    photos = sorted(photos)
    random.Random(seed).shuffle(photos)
    k = len(photos) // 5
    return photos[k:], photos[:k]
""",
    hints=(
        "What is to be dealt out is not the photos.",
        'Shuffle the sorted set of cars, `name.split("_")[0]`, then give each photo to its car\'s side.',
    ),
    answer="""def my_split(photos, seed):
    cars = sorted({name.split("_")[0] for name in photos})
    random.Random(seed).shuffle(cars)
    held = set(cars[: len(cars) // 5])
    train = [n for n in photos if n.split("_")[0] not in held]
    return train, [n for n in photos if n.split("_")[0] in held]
""",
    explanation="Split by what will be new when the network is used: cars here, patients, streets or days elsewhere. "
    "`data.split_by_car` does it, and `carvana-lessons check` finds pictures that stand on both sides under two names.",
    judge=_judge_split,
    faults={
        GIVEN + "def my_split(photos, seed):\n    photos = sorted(photos)\n    k = len(photos) // 5\n"
        "    return photos[k:-1], photos[:k]\n": "not each photo once",
        GIVEN + "def my_split(photos, seed):\n    photos = sorted(photos)\n"
        "    random.Random(seed + 1).shuffle(photos)\n    k = len(photos) // 5\n"
        "    return photos[k:], photos[:k]\n": "on both sides",
        GIVEN + "def my_split(photos, seed):\n    cars = sorted({n.split('_')[0] for n in photos})\n"
        "    held = set(cars[: len(cars) // 5])\n"
        "    return ([n for n in photos if n.split('_')[0] not in held],\n"
        "            [n for n in photos if n.split('_')[0] in held])\n": "every seed",
        GIVEN + "def my_split(photos, seed):\n    views = sorted({n.split('_')[1] for n in photos})\n"
        "    random.Random(seed).shuffle(views)\n"
        "    return ([n for n in photos if n.split('_')[1] != views[0]],\n"
        "            [n for n in photos if n.split('_')[1] == views[0]])\n": "on both sides",
        GIVEN + "def my_split(photos, seed):\n    cars = sorted({n.split('_')[0] for n in photos})\n"
        "    random.shuffle(cars)\n    held = set(cars[: len(cars) // 5])\n"
        "    return ([n for n in photos if n.split('_')[0] not in held],\n"
        "            [n for n in photos if n.split('_')[0] in held])\n": "two different splits",
        GIVEN + "def my_split(photos, seed):\n    cars = sorted({n.split('_')[0] for n in photos})\n"
        "    random.Random(seed).shuffle(cars)\n    held = set(cars[:-(len(cars) // 5)])\n"
        "    return ([n for n in photos if n.split('_')[0] not in held],\n"
        "            [n for n in photos if n.split('_')[0] in held])\n": "a fifth of 10 is 2",
    },
    given=GIVEN,
)


# 9 · The augmentation

_TRIES, _FAR = 60, 8


def _moved(part: Tensor, whole: Tensor, dim: int) -> int | None:
    """By how many pixels a picture was rolled along a dimension; None if by none that was asked for."""
    shifts = (by for by in range(-_FAR, _FAR + 1) if torch.equal(part, whole.roll(by, dim)))
    return next(shifts, None)


def _judge_augment(answer: Callable) -> str | None:
    """What is wrong with an augmentation, by many calls of it."""
    x, y = (part[0] for part in _squares(1, 24, seed=7))
    seen, g = [], torch.Generator().manual_seed(0)
    began = g.get_state()
    for _ in range(_TRIES):
        a, b = (torch.as_tensor(part) for part in answer(x.clone(), y.clone(), g))
        across = _moved(a, x, -1), _moved(b, y, -1)
        if across[0] is None:
            down = _moved(a, x, -2)
            told = "moved up or down" if down is not None else f"not moved sideways by at most {_FAR} pixels"
            return f"in one of {_TRIES} calls the photo came back {told}."
        if across[1] is None:
            down = _moved(b, y, -2)
            told = f"{abs(down)} up or down" if down is not None else "changed in another way"
            return f"in one of {_TRIES} calls the photo was moved by {across[0]} pixels, and its mask {told}."
        if across[0] != across[1]:
            return f"in one of {_TRIES} calls the photo was moved by {across[0]} pixels and its mask by {across[1]}."
        seen.append(across[0])
    if len(set(seen)) == 1:
        return f"all {_TRIES} calls moved by {seen[0]} pixels; a number was to be drawn each time."
    if torch.equal(began, g.get_state()):
        return "the numbers were not drawn with `generator`, so that no training could be repeated."
    if min(seen) > 2 - _FAR or max(seen) < _FAR - 2:
        return f"{_TRIES} calls moved by {min(seen)} to {max(seen)} pixels, and −{_FAR} to {_FAR} was asked for."
    return None


augment = Case(
    title="Smeared cars",
    minutes=5,
    complaint="*“Since I move the training photos sideways at random, the masks are smeared and Dice is lower. "
    "Everybody says augmentation helps!”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.augment.faulty()
g = torch.Generator().manual_seed(0)


def altered(x, y):
    made = [ill.my_augment(*pair, g) for pair in zip(x, y, strict=True)]
    return [torch.stack(part) for part in zip(*made, strict=True)]


curve, net, _ = practise(change=altered)
examine(curve, net)
""",
    question=Question(
        "Which fault smears the masks?",
        (
            Choice(
                "Photos that are moved do not exist.",
                "A car that stands a little further left is a car; the pair of a moved photo and its moved mask is "
                "as good as any other.",
            ),
            Choice(
                "The photo is moved and its mask is not.",
                "Yes. The mask lies a little to the left or to the right of the car, differently in each epoch. The "
                "best answer is then a car that is smeared over all these places.",
                right=True,
            ),
            Choice(
                "The photos are moved too far.",
                "If each mask went with its photo, they could be moved further.",
            ),
            Choice(
                "The gradients are never cleared.",
                "Then the loss would rock. This one is calm.",
            ),
        ),
    ),
    task="Mend `my_augment(x, y, generator)`: `x` is (3, H, W), `y` its mask, (1, H, W). Each call draws with "
    "`generator` how far both are moved sideways, −8 to 8 pixels. What leaves at one side comes in at the other: "
    "`roll`.",
    stub="""def my_augment(x, y, generator):
    by = torch.randint(-8, 9, (), generator=generator).item()
    x = x.roll(by, dims=-1)
    return x, y
""",
    hints=("Draw `x` and `y` of five calls beside each other.", "One number, drawn once, moves both."),
    answer="""def my_augment(x, y, generator):
    by = torch.randint(-8, 9, (), generator=generator).item()
    return x.roll(by, dims=-1), y.roll(by, dims=-1)
""",
    explanation="Whatever moves pixels moves the mask the same way: mirroring, rotating, cropping. What changes "
    "colours leaves the mask alone. `data.Augment` draws once and applies it to both; "
    "[chapter 4](04-augmentation.ipynb) is about it.",
    judge=_judge_augment,
    faults={
        GIVEN + "def my_augment(x, y, generator):\n    by = torch.randint(-8, 9, (2,), generator=generator).tolist()\n"
        "    return x.roll(by[0], dims=-1), y.roll(by[1], dims=-1)\n": "pixels and its mask by",
        GIVEN + "def my_augment(x, y, generator):\n    by = torch.randint(-8, 9, (), generator=generator).item()\n"
        "    return x.roll(by, dims=-1), y.roll(-by, dims=-1)\n": "pixels and its mask by",
        GIVEN + "def my_augment(x, y, generator):\n    by = torch.randint(-8, 9, (), generator=generator).item()\n"
        "    return x.roll(by, dims=-1), y.roll(by, dims=-2)\n": "up or down",
        GIVEN + "def my_augment(x, y, generator):\n    by = torch.randint(-8, 9, (), generator=generator).item()\n"
        "    return x.roll(by, dims=1), y.roll(by, dims=1)\n": "the photo came back moved up or down",
        GIVEN + "def my_augment(x, y, generator):\n    return x, y\n": "all 60 calls moved by 0",
        GIVEN + "def my_augment(x, y, generator):\n    by = torch.randint(0, 9, (), generator=generator).item()\n"
        "    return x.roll(by, dims=-1), y.roll(by, dims=-1)\n": "−8 to 8 was asked for",
    },
    given=GIVEN,
)


# 10 · The checkpoint


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    x, y = _squares(8, seed=epoch)
    for _ in range(6):
        optimizer.zero_grad()
        _bce(model(x), y).backward()
        optimizer.step()


def _fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = _small_net(batch_norm=True)
    return model, torch.optim.Adam(model.parameters(), lr=0.02)


def _judge_resume(save: Callable, load: Callable) -> str | None:
    """Whether a training that was stopped goes on as if it had not been."""
    if not (callable(save) and callable(load)):
        return "two functions were asked for, `my_save` and `my_load`."
    whole, optimizer = _fresh()
    for epoch in (1, 2, 3):
        _train(whole, optimizer, epoch)
    model, optimizer = _fresh()
    for epoch in (1, 2):
        _train(model, optimizer, epoch)
    saved = _numbers(model).clone()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "last.pt")
        save(path, model, optimizer, 2)
        if not path.exists():
            return "`my_save` wrote no file at `path`."
        later, optimizer = _fresh()
        epoch = load(path, later, optimizer)
    if not torch.allclose(_numbers(later), saved):
        return "after `my_load` the weights are not those that were saved."
    norms = [m[1].running_mean for m in (model, later)]
    if not torch.allclose(*norms):
        return "after `my_load` the running means of batch norm are not those that were saved."
    if epoch != 3:
        return f"epoch 2 was saved, so training goes on with 3, and `my_load` returned {epoch!r}."
    _train(later, optimizer, 3)
    if not torch.allclose(_numbers(later), _numbers(whole), atol=1e-6):
        off = (_numbers(later) - _numbers(whole)).abs().max().item()
        if all(int(s["step"]) == 6 for s in optimizer.state.values()):
            return (
                f"Adam began anew: its means of the gradients were not taken along. After one more epoch a weight is "
                f"off by {off:.2g}."
            )
        return f"after one more epoch a weight is off by {off:.2g}; is all of the optimizer's state taken along?"
    return None


resume = Case(
    title="The bump after the weekend",
    minutes=5,
    complaint="*“Each time a long training is stopped and goes on, the loss is worse for a while. The weights are the "
    "same to the last digit, I compared them.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.resume.faulty()
few = {"x": X[:32], "y": Y[:32]}
before, *parts = practise(**few, epochs=30)
parts = restarted(*parts, adam, ill.my_save, ill.my_load)
after, net, _ = practise(**few, epochs=8, begin=parts)
examine(before + after, net)
""",
    question=Question(
        "Which fault leaves a bump where a training goes on?",
        (
            Choice(
                "The weights were saved in half precision.",
                "They were compared and are the same to the last digit.",
            ),
            Choice(
                "The optimizer's state was not saved.",
                "Yes. Adam keeps two running means for each weight and a count of its steps. Without them it begins "
                "as on the first day: each weight moves by the full learning rate, whatever the size of its gradient.",
                right=True,
            ),
            Choice(
                "The network is in evaluation mode.",
                "Batch norm would train with means that stand still, and not only for a while.",
            ),
            Choice(
                "The photos come in another order.",
                "They do, in every epoch; a healthy training does not mind.",
            ),
        ),
    ),
    task="Mend `my_save` and `my_load`, so that a training that was stopped goes on as if it had not been. `my_load` "
    "changes `model` and `optimizer` in place and returns the epoch to go on with.",
    stub="""def my_save(path, model, optimizer, epoch):
    torch.save({"model": model.state_dict(), "epoch": epoch}, path)


def my_load(path, model, optimizer):
    saved = torch.load(path)
    model.load_state_dict(saved["model"])
    return saved["epoch"] + 1
""",
    hints=(
        "Optimizers have a `state_dict`, too.",
        "Both functions change: what is saved must also be loaded.",
    ),
    answer="""def my_save(path, model, optimizer, epoch):
    parts = {"model": model, "optimizer": optimizer}
    saved = {name: part.state_dict() for name, part in parts.items()}
    torch.save(saved | {"epoch": epoch}, path)


def my_load(path, model, optimizer):
    saved = torch.load(path)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["epoch"] + 1
""",
    explanation="What else belongs to a training that goes on: where the schedule of the learning rate stands, the "
    "loss scale of 16 bits, and the state of the random numbers. `Trainer` saves all of them, and writes the file so "
    "that half of one is never taken for whole.",
    judge=_judge_resume,
    faults={
        GIVEN + "def my_save(path, model, optimizer, epoch):\n"
        "    torch.save({'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': epoch}, path)\n"
        "def my_load(path, model, optimizer):\n    saved = torch.load(path)\n"
        "    model.load_state_dict(saved['model'])\n    return saved['epoch'] + 1\n": "Adam began anew",
        GIVEN + "def my_save(path, model, optimizer, epoch):\n"
        "    torch.save({'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': epoch}, path)\n"
        "def my_load(path, model, optimizer):\n    saved = torch.load(path)\n"
        "    model.load_state_dict(saved['model'])\n    optimizer.load_state_dict(saved['optimizer'])\n"
        "    return saved['epoch']\n": "goes on with 3",
        GIVEN + "def my_save(path, model, optimizer, epoch):\n"
        "    both = {'model': list(model.parameters()), 'optimizer': optimizer.state_dict()}\n"
        "    torch.save(both | {'epoch': epoch}, path)\n"
        "def my_load(path, model, optimizer):\n    saved = torch.load(path)\n"
        "    for p, q in zip(model.parameters(), saved['model']):\n        p.data.copy_(q.data)\n"
        "    optimizer.load_state_dict(saved['optimizer'])\n    return saved['epoch'] + 1\n": "running means",
        GIVEN + "def my_save(path, model, optimizer, epoch):\n"
        "    torch.save({'optimizer': optimizer.state_dict(), 'epoch': epoch}, path)\n"
        "def my_load(path, model, optimizer):\n    saved = torch.load(path)\n"
        "    optimizer.load_state_dict(saved['optimizer'])\n    return saved['epoch'] + 1\n": "weights are not those",
    },
    given=GIVEN,
)


# 11 · The score


def _score(*, first: str = "logits", mean: str = "photos") -> Callable:
    """Dice of batches, enlarged and averaged in some way."""

    def score(batches: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        parts = []
        for z, y in batches:
            size = {"size": y.shape[2:]}
            if first == "logits":
                found = F.interpolate(z, **size, mode="bilinear") > 0
            elif first == "corners":
                found = F.interpolate(z, **size, mode="bilinear", align_corners=True) > 0
            elif first == "probabilities":
                found = F.interpolate(z.sigmoid(), **size, mode="bilinear") > 0.5
            elif first == "mask":
                found = F.interpolate((z > 0).float(), **size) > 0.5
            elif first == "soft mask":
                found = F.interpolate((z > 0).float(), **size, mode="bilinear") > 0.5
            else:
                found, y = z > 0, F.interpolate(y, z.shape[2:])
            parts.append((found, y))
        if mean == "pixels":
            found, y = (torch.cat([part[k].flatten() for part in parts]).bool() for k in (0, 1))
            return 2 * (found & y).sum() / (found.sum() + y.sum())
        each = [metrics.dice(found, y).flatten() for found, y in parts]
        return torch.stack([part.mean() for part in each]).mean() if mean == "batches" else torch.cat(each).mean()

    return score


def _guesses(counts: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Batches of so many photos each: rough logits 12×16, and masks 48×64 of discs."""
    batches, rows, columns = [], torch.arange(48)[:, None], torch.arange(64)
    for k, count in enumerate(counts):
        g = torch.Generator().manual_seed(k)
        middle = torch.tensor([24, 32]) + torch.randint(-8, 9, (count, 2), generator=g)
        radius = torch.randint(6, 20, (count,), generator=g)
        far = ((rows - middle[:, 0, None, None]) ** 2 + (columns - middle[:, 1, None, None]) ** 2).sqrt()
        y = (far < radius[:, None, None]).float()[:, None]
        z = F.interpolate((radius[:, None, None] - far)[:, None], (12, 16), mode="bilinear", antialias=True)
        batches.append((z + (k + 1) * 0.7 * torch.randn(z.shape, generator=g), y))
    return batches


score = Case(
    title="Three scores for one network",
    minutes=6,
    complaint="*“I score the same network on the same photos in batches of 7, 11 and 44 and get three "
    "numbers. Kaggle gives me a fourth.”*",
    symptoms="""
# @title See what was seen
ill = exercises.ex12.score.faulty()
some, (_, net, _) = data.sample_evenly(test, 45), practise()
both = zip(*data.loader(some, 2 * SIDE, batch_size=45), strict=True)
large_x, masks = [torch.cat(part) for part in both]
with torch.no_grad():
    z = net(F.avg_pool2d(large_x, 2))
for size in (7, 11, 44):
    batches = zip(z.split(size), masks.split(size), strict=True)
    print(f"batches of {size}: Dice {ill.my_score(list(batches)):.4f}")
""",
    question=Question(
        "Two faults are in this score. Which two?",
        (
            Choice(
                "The mean of batch means, and a mask that is enlarged after the threshold.",
                "Yes. The last batch may hold one photo, which then counts as much as 32. And a small mask of 0 and 1 "
                "has lost where between two pixels the boundary runs; the logits still know.",
                right=True,
            ),
            Choice(
                "Training mode, and photos of one car on both sides.",
                "The network answers the same each time, and a split does not make a score depend on the batch.",
            ),
            Choice(
                "Targets of 255, and a sigmoid too many.",
                "Both would be faults of the loss. A score has neither.",
            ),
            Choice(
                "Dice should be pooled over all pixels.",
                "That is another score, in which large cars count more. The challenge takes the mean over photos.",
            ),
        ),
    ),
    task="Mend `my_score(batches)`: pairs of logits (B, 1, h, w) and masks (B, 1, H, W) at the photos' own, larger "
    "size. Return the mean Dice over all **photos**, as the challenge does: enlarge logits bilinearly "
    "(`align_corners=False`, as is usual), then cut at 0. `metrics.dice(found, masks)` gives one number for each "
    "photo.",
    stub="""def my_score(batches):
    means = []
    for logits, masks in batches:
        small = (logits > 0).float()
        found = F.interpolate(small, masks.shape[2:]) > 0
        means.append(metrics.dice(found, masks).mean())
    return torch.stack(means).mean()
""",
    hints=(
        "With batches of 32 and 1, how much does each photo count?",
        "Collect the scores of photos and take one mean at the end: `torch.cat`.",
        '`F.interpolate(logits, masks.shape[2:], mode="bilinear") > 0`.',
    ),
    answer="""def my_score(batches):
    scores = []
    for logits, masks in batches:
        size = masks.shape[2:]
        found = F.interpolate(logits, size, mode="bilinear") > 0
        scores.append(metrics.dice(found, masks).flatten())
    return torch.cat(scores).mean()
""",
    explanation="Scores of the small size are higher, because the small mask has lost the details that the network "
    "cannot draw, too: [chapter 9](09-results.ipynb) has both. `evaluate` scores each photo at its own size, one row "
    "per photo.",
    judge=Function(
        _score(),
        [(_guesses([4, 1]),), (_guesses([3, 3, 1]),)],
        {
            "the masks are still enlarged after the threshold, and batches are averaged, not photos": _score(
                first="mask", mean="batches"
            ),
            "batches are still averaged, and a photo alone in the last batch counts as much as a full one": _score(
                mean="batches"
            ),
            "the masks are still enlarged by repeating pixels, after the threshold or before it": _score(first="mask"),
            "the threshold still comes before the enlargement, which is bilinear now": _score(first="soft mask"),
            "the corners of both sizes were laid on each other (`align_corners=True`)": _score(first="corners"),
            "probabilities were enlarged, and logits were asked for": _score(first="probabilities"),
            "it is scored at the small size; the challenge scores at the photos' own": _score(first="small"),
            "all pixels are in one Dice, so that large cars count more; the mean over photos was asked for": _score(
                mean="pixels"
            ),
        },
    ),
    given=GIVEN,
)

quiz = Quiz(
    (
        Question(
            "Before anything is changed: which look costs least and still finds several of these faults?",
            (
                Choice(
                    "Draw one batch as the network gets it: photos, masks, smallest and largest value.",
                    "It finds wrong targets, wrong pairs, wrong colours and a mask that was not moved: four of eleven, "
                    "before the first step.",
                    right=True,
                ),
                Choice("Train ten times as long.", "Each of these faults would still be there."),
                Choice("Try a larger network.", "None of these faults is in the network."),
            ),
        ),
        Question(
            "A network cannot learn even one batch by heart. What follows?",
            (
                Choice("It needs more photos.", "More photos make it harder, not easier, to learn all of them."),
                Choice(
                    "Something is wrong in loss, targets, steps or learning rate.",
                    "A healthy training gets a handful of photos almost right within a minute. What it cannot do with "
                    "four photos it cannot do with four thousand.",
                    right=True,
                ),
                Choice("It needs augmentation.", "That, too, makes the batch harder to learn."),
            ),
        ),
        Question(
            "Which fault does one batch learned by heart *not* show?",
            (
                Choice("Targets of 0 and 255", "The loss falls below zero at once."),
                Choice("A learning rate that is much too high", "The batch is not learned."),
                Choice(
                    "A split by photo",
                    "Training is in order. The fault is in what is believed afterwards: only cars that are new show "
                    "it.",
                    right=True,
                ),
            ),
        ),
    )
)
