"""Questions on chapter 12: trainings that run without an error and are wrong."""

from __future__ import annotations

import math
import random

from carvana_lessons.exercises.exam.question import ExamQuestion, about_code, shown


def floor_of_a_loss(rng: random.Random) -> ExamQuestion:
    """The loss of a perfect answer behind two sigmoids.

    Args:
        rng: draws the share of car.

    Returns:
        the question.
    """
    share = rng.randrange(10, 40) / 100
    car, wall = math.log(1 + math.exp(-1)), math.log(2)
    floor = share * car + (1 - share) * wall
    return ExamQuestion(
        "A floor",
        4,
        f"Of the pixels of some masks {shown(share)} are car. A network's probabilities are put into a loss that "
        "expects logits, the binary cross-entropy. Suppose that the network is perfect and sure: p = 1 on each car, "
        "p = 0 elsewhere. What does the loss say? What would it say if the logits had been put in? How would you "
        "find this fault before the first step?",
        f"A car's pixel costs softplus(−1) = {shown(car)}, another one softplus(0) = ln 2 = {shown(wall)} (1 point): "
        f"together {shown(floor)} (1 point). With logits: almost 0 (1 point). Compute the loss of a perfect answer "
        "(1 point).",
        {"share": share},
        {"floor": floor},
    )


def two_means(rng: random.Random) -> ExamQuestion:
    """A mean of batch means, and the mean over photos.

    Args:
        rng: draws the scores.

    Returns:
        the question.
    """
    full, last = rng.choice((16, 32, 64)), rng.choice((1, 2, 3))
    scores = rng.randrange(930, 980) / 1000, rng.randrange(700, 900) / 1000
    batches, photos = sum(scores) / 2, (full * scores[0] + last * scores[1]) / (full + last)
    return ExamQuestion(
        "Two means",
        3,
        f"A test set gives two batches. The {full} photos of the first have a mean Dice of {shown(scores[0])}, those "
        f"of the second ({last} in number) one of {shown(scores[1])}. What is the mean of the two numbers? What is the "
        "mean Dice over photos? How does one see, without reading the code, that a score is a mean of batch means?",
        f"{shown(batches)} (1 point). Over photos: {shown(photos)} (1 point). Score again with another batch size: the "
        "mean over photos stays (1 point).",
        {"full": full, "last": last, "scores": scores},
        {"batches": batches, "photos": photos},
    )


def gradients_that_stay(rng: random.Random) -> ExamQuestion:
    """A gradient descent whose gradients are never cleared.

    Args:
        rng: draws where it begins.

    Returns:
        the question.
    """
    begin = float(rng.randrange(3, 9))
    wrong = f"""
w = torch.tensor({begin}, requires_grad=True)
for _ in range(60):
    (w**2).backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
end = abs(w.item())
"""
    return about_code(
        "Downhill",
        3,
        "The smallest value of w² is looked for, with 60 steps.",
        wrong,
        wrong.replace("    (w**2)", "    w.grad = None\n    (w**2)"),
        "`backward` adds to `w.grad` (1 point). Each step goes along the sum of all gradients so far, so w swings "
        "from one side to the other and does not come to rest (1 point). Clear the gradient in each step (1 point).",
        "end < 0.01",
    )


def worse_after_validation(rng: random.Random) -> ExamQuestion:
    """A validation that leaves the network in evaluation mode.

    Args:
        rng: draws the epoch.

    Returns:
        the question.
    """
    epoch = rng.randrange(2, 9)
    return ExamQuestion(
        "After the first validation",
        4,
        f"A network with batch norm is validated after epoch {epoch} for the first time. From the next epoch on the "
        "training behaves differently, although no setting was changed. Name the fault, what batch norm does because "
        "of it, one test that decides, and the line that mends it.",
        "`model.eval()` was called for the validation and `model.train()` was not called afterwards (1 point). Batch "
        "norm normalises with its running means, which no longer move, and not with those of the batch (1 point). "
        "`model.training` at the start of an epoch (1 point). `model.train()` before each epoch, or after the "
        "validation (1 point).",
        {"epoch": epoch},
    )


QUESTIONS = {"12-the-clinic": (floor_of_a_loss, two_means, gradients_that_stay, worse_after_validation)}
