"""Questions on chapters 9 to 11: what a score proves, what more of everything costs, and photos of one's own."""

from __future__ import annotations

import random

from carvana_lessons.exercises.exam.question import ExamQuestion, about_code, shown

CAR = 518_000  # pixels of a car of average size, as chapter 1 measured them


def errors_not_scores(rng: random.Random) -> ExamQuestion:
    """Wrong pixels and error reduction of two scores.

    Args:
        rng: draws the scores, in ten-thousandths.

    Returns:
        the question.
    """
    low = rng.randrange(9_920, 9_955)
    high = low + rng.randrange(5, 20)
    first, second = low / 10_000, high / 10_000
    wrong = tuple(round((1 - dice) * 2 * CAR) for dice in (first, second))
    less = 100 * (high - low) / (10_000 - low)
    return ExamQuestion(
        "Read the error",
        4,
        f"Two networks have a Dice of {first:.4f} and {second:.4f}. A car has {shown(CAR)} pixels. About how many "
        "pixels of a photo does each get wrong? By how many per cent is the second one's error smaller? Why is the "
        "error the better number to look at?",
        f"(1 − Dice) · 2 · {shown(CAR)}: {shown(wrong[0])} and {shown(wrong[1])} pixels (2 points). Smaller by "
        f"{shown(less)} % (1 point). Near 1 all scores look alike; the error says what is still to be done (1 point).",
        {"scores": (first, second)},
        {"first": wrong[0], "second": wrong[1], "less": less},
    )


def signs_and_holm(rng: random.Random) -> ExamQuestion:
    """A p-value by changing signs, and Holm's correction.

    Args:
        rng: draws cars and comparisons.

    Returns:
        the question.
    """
    cars, tests = rng.randrange(6, 11), rng.choice((6, 10, 15))
    p = 2 / 2**cars
    holm = min(1.0, p * tests)
    verdict = "shown" if holm < 0.05 else "not shown"
    return ExamQuestion(
        "All signs alike",
        4,
        f"Network A is better than B on each of {cars} test cars. If the two were equal, the sign of every car's "
        "difference could as well be the other one. How large is the two-sided p of a mean as extreme as this one? "
        f"It was the smallest p of {tests} comparisons: what does Holm's correction make of it, and what do you say "
        "at 5 %?",
        f"2 of 2^{cars} = {shown(2**cars)} patterns of signs are as extreme (1 point): p = {shown(p)} (1 point). "
        f"Holm: the smallest p times {tests}, {shown(holm)} (1 point). At 5 % a difference is {verdict} (1 point).",
        {"cars": cars, "tests": tests},
        {"patterns": 2**cars, "p": p, "holm": holm},
    )


def an_error_too_small(rng: random.Random) -> ExamQuestion:
    """A standard error that is divided by n.

    Args:
        rng: draws the number of cars.

    Returns:
        the question.
    """
    wrong = f"""
gain = np.linspace(-0.002, 0.004, {rng.choice((9, 16, 25))})  # one difference for each test car
mean, error = gain.mean(), gain.std(ddof=1) / len(gain)
low, high = mean - 2 * error, mean + 2 * error
"""
    return about_code(
        "An interval that is too sure",
        3,
        "This code computes a mean gain with its interval.",
        wrong,
        wrong.replace("/ len(gain)", "/ len(gain) ** 0.5"),
        "The standard error is the standard deviation over the square root of the number of cars (1 point). Divided "
        "by the number itself, it is too small by that root (1 point), and differences are called sure that are not "
        "(1 point).",
        "round(high - low, 9)",
    )


def cars_or_seeds(rng: random.Random) -> ExamQuestion:
    """Why more test cars do not replace more trainings.

    Args:
        rng: draws the number of cars.

    Returns:
        the question.
    """
    cars = rng.choice((40, 64, 100))
    return ExamQuestion(
        "More cars",
        4,
        f"Each of two networks was trained once. On {cars} test cars the interval of their difference does not hold "
        "0. What is shown, and what is not? A colleague wants to test on ten times as many cars: does that help?",
        "Shown: these two trained networks differ on cars like these (1 point). Not shown: that the one kind of "
        "network is better than the other, for another seed could turn the sign (1 point). No: more cars make the "
        "interval of these two trainings narrower (1 point); what is missing are trainings with other seeds (1 "
        "point).",
    )


def hours_of_folds(rng: random.Random) -> ExamQuestion:
    """The hours of a training with folds.

    Args:
        rng: draws folds, photos, epochs and milliseconds.

    Returns:
        the question.
    """
    folds, epochs = rng.choice((4, 5, 8)), rng.choice((20, 50, 100))
    photos, ms = rng.choice((1_600, 3_200, 4_800)), rng.choice((25, 40, 80))
    seen = photos * (folds - 1) // folds
    hours = folds * epochs * seen * ms / 3.6e6
    return ExamQuestion(
        "The bill for the folds",
        3,
        f"{shown(photos)} labelled photos are divided into {folds} folds by car, all equally large. A training step "
        f"costs {ms} ms a photo, and each network trains for {epochs} epochs. How many photos does each network learn "
        "from? How many hours do all networks take? By what factor does the time grow with photos of twice the side?",
        f"{shown(seen)} photos (1 point); folds · epochs · photos · ms = {shown(hours)} hours (1 point). About four: "
        "time grows with the area (1 point).",
        {"folds": folds, "epochs": epochs, "photos": photos, "ms": ms},
        {"seen": seen, "hours": hours},
    )


def padded_and_cut(rng: random.Random) -> ExamQuestion:
    """The size to which a photo is padded.

    Args:
        rng: draws size and pools.

    Returns:
        the question.
    """
    pools = rng.choice((4, 5, 6))
    step = 2**pools
    width, height = rng.randrange(1_000, 2_000) | 1, rng.randrange(600, 1_200) | 1
    wide, high = width + -width % step, height + -height % step
    more = 100 * (wide * high / (width * height) - 1)
    return ExamQuestion(
        "A size that fits",
        4,
        f"A network has {pools} max-pools. A photo of {width}×{height} pixels (width × height) is to be answered "
        "whole. By what must both sides be divisible? To which size is it padded? By how many per cent does its area "
        "grow? What is done with the answer?",
        f"By 2^{pools} = {step} (1 point). To {wide}×{high} (1 point), {shown(more)} % more (1 point). The answer is "
        "cut back to the photo's size (1 point).",
        {"pools": pools, "width": width, "height": height},
        {"step": step, "size": f"{wide}×{high}", "more": more},
    )


def an_answer_not_turned_back(rng: random.Random) -> ExamQuestion:
    """Test-time mirroring without mirroring the answer.

    Args:
        rng: draws the width.

    Returns:
        the question.
    """
    wrong = f"""
def net(x):
    return 4 * x[:, :1] - 2  # stands for a network: bright is car


x = torch.zeros(1, 3, 2, {rng.choice((4, 6, 8))})
x[..., 0] = 1  # the car stands on the left
logits = (net(x) + net(x.flip(-1))) / 2
car = (logits > 0).sum().item()
"""
    return about_code(
        "Two cars from one",
        3,
        "A network is asked about a photo and its mirror image, and both answers are averaged.",
        wrong,
        wrong.replace("net(x.flip(-1))", "net(x.flip(-1)).flip(-1)"),
        "The second answer is that of the mirrored photo: its car stands on the right (1 point). The mean mixes "
        "pixels that do not belong together, and here no pixel is left above 0 (1 point). Mirror the answer back "
        "before averaging (1 point).",
        "car",
    )


def bits_for_what(rng: random.Random) -> ExamQuestion:
    """Which parts of a training may have 16 bits.

    Args:
        rng: draws the number of pixels.

    Returns:
        the question.
    """
    pixels = rng.choice((5_000, 10_000, 100_000))
    return ExamQuestion(
        "Sixteen bits",
        3,
        f"In `float16` the whole numbers are exact up to 2,048. Somebody counts {shown(pixels)} right pixels one by "
        "one in `float16`, and computes the Dice from it. What goes wrong? Which parts of a training may run with 16 "
        "bits, and which should not?",
        "From 2,048 on, adding 1 is rounded away, and the count stops there (1 point). The layers of the network may "
        "have 16 bits (1 point). The loss, sums over many pixels and the score need 32 (1 point).",
        {"pixels": pixels},
    )


def risk_by_hand(rng: random.Random) -> ExamQuestion:
    """The mean error of the least doubtful masks.

    Args:
        rng: draws errors and doubts.

    Returns:
        the question.
    """
    errors = tuple(rng.sample(range(1, 60), 6))
    doubts = tuple(rng.sample(range(1, 30), 6))
    kept = rng.choice((3, 4))
    order = sorted(range(6), key=lambda k: doubts[k])
    risk = sum(errors[k] for k in order[:kept]) / kept
    every, best = sum(errors) / 6, sum(sorted(errors)[:kept]) / kept
    return ExamQuestion(
        "Who is looked at?",
        4,
        f"Six masks have the errors {shown(errors)} (in thousandths of Dice) and the doubts {shown(doubts)}, in the "
        f"same order. Somebody mends the most doubtful ones, and {kept} go on unseen. What is their mean error? What "
        "would it be for masks drawn at random, on average, and for the best possible order? Was the doubt worth "
        "something?",
        f"The {kept} with the least doubt have {shown(risk)} on average (1 point). At random: the mean of all, "
        f"{shown(every)} (1 point). The best order: {shown(best)} (1 point). It was worth something if the first "
        "number lies below the second: here it "
        + ("does" if risk < every else "does not")
        + "; six masks are too few to promise it for others (1 point).",
        {"errors": errors, "doubts": doubts, "kept": kept},
        {"risk": risk, "every": every, "best": best},
    )


def masks_for_a_target(rng: random.Random) -> ExamQuestion:
    """How many masks a straight learning curve asks for.

    Args:
        rng: draws the errors.

    Returns:
        the question.
    """
    few = rng.choice((8, 10, 20))
    factor = rng.choice((0.6, 0.7, 0.75, 0.8))
    error = rng.choice((0.03, 0.04, 0.05))
    steps = rng.choice((3, 4))
    target = error * factor**steps
    return ExamQuestion(
        "How many masks?",
        3,
        f"With {few} masks the error 1 − Dice is {shown(error)}, with {2 * few} it is {shown(error * factor)}. If "
        f"each doubling goes on to help by the same factor: how many masks lead to an error of {shown(target)}? What "
        "could make the prediction wrong?",
        f"Each doubling multiplies the error by {shown(factor)} (1 point). {shown(target)} is {steps} doublings from "
        f"{shown(error)}: {shown(few * 2**steps)} masks (1 point). One training for each number is luck, and a curve "
        "bends where more of the same photos teach nothing new (1 point).",
        {"few": few, "factor": factor, "error": error, "steps": steps},
        {"masks": few * 2**steps},
    )


def plants_on_both_sides(rng: random.Random) -> ExamQuestion:
    """A split by photo where there are several of each thing.

    Args:
        rng: draws the seed of the split.

    Returns:
        the question.
    """
    wrong = f"""
photos = [f"oak{{tree}}_{{k}}" for tree in range(8) for k in range(4)]
random.Random({rng.randrange(100)}).shuffle(photos)
test, train = photos[:8], photos[8:]
known = {{name.split("_")[0] for name in test}} & {{name.split("_")[0] for name in train}}
"""
    right = """
trees = list(range(8))
random.shuffle(trees)
test, train = ([f"oak{tree}_{k}" for tree in part for k in range(4)] for part in (trees[:2], trees[2:]))
known = {name.split("_")[0] for name in test} & {name.split("_")[0] for name in train}
"""
    return about_code(
        "A split of trees",
        3,
        "There are four photos of each of eight trees. A quarter of the photos is kept for the test.",
        wrong,
        right,
        "Photos of one tree come into both parts (1 point), so the network is tested on trees that it has learned, "
        "and the score is too good for new ones (1 point). The trees have to be divided, and all photos of one go "
        "together (1 point).",
        "len(known)",
    )


def a_fair_start(rng: random.Random) -> ExamQuestion:
    """What has to be equal when a start is compared.

    Args:
        rng: draws the number of photos.

    Returns:
        the question.
    """
    photos = rng.choice((20, 40, 60))
    return ExamQuestion(
        "A fair comparison",
        4,
        f"A network that was trained on cars is fine-tuned on {photos} photos of plants. To say what its start is "
        "worth, with what do you compare it? Name three things that have to be equal. What else do you have to know "
        "about its weights?",
        "With the same network from random weights (1 point). Equal: the training photos, the length of the "
        "training, the test photos, and whatever is tuned; three of them (2 points). What the weights have seen: if "
        "test photos or other photos of their plants were among it, the score is worth nothing (1 point).",
    )


QUESTIONS = {
    "09-results": (errors_not_scores, signs_and_holm, an_error_too_small, cars_or_seeds),
    "10-beyond": (hours_of_folds, padded_and_cut, an_answer_not_turned_back, bits_for_what),
    "11-your-own-photos": (risk_by_hand, masks_for_a_target, plants_on_both_sides, a_fair_start),
}
