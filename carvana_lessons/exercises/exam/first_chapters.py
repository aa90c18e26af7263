"""Questions on chapters 1 to 4: masks and scores, the U-Net, loading, augmentation."""

from __future__ import annotations

import math
import random
import statistics

from carvana_lessons.exercises.exam.question import ExamQuestion, about_code, shown, table

T_OF_THREE = 4.303  # the 97.5 % point of Student's t with 2 degrees of freedom


def dice_of_counts(rng: random.Random) -> ExamQuestion:
    """Dice, IoU and the share of right pixels from the four counts.

    Args:
        rng: draws the counts.

    Returns:
        the question.
    """
    tp, fp, fn = rng.randrange(4_000, 9_000, 100), rng.randrange(200, 900, 20), rng.randrange(200, 900, 20)
    total = 40_000
    dice, iou = 2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)
    right = (total - fp - fn) / total
    return ExamQuestion(
        "Three scores",
        4,
        f"A mask of a photo with {shown(total)} pixels has {shown(tp)} true positives, {shown(fp)} false positives "
        f"and {shown(fn)} false negatives. Compute its Dice, its IoU and the share of right pixels, with four digits. "
        "Which of the three would change if the photo showed twice as much wall?",
        f"Dice = 2 TP / (2 TP + FP + FN) = {shown(dice)} (1 point). IoU = TP / (TP + FP + FN) = {shown(iou)} (1 "
        f"point). Right pixels: {shown(right)} (1 point). Only the last one would change: it counts the background (1 "
        "point).",
        {"tp": tp, "fp": fp, "fn": fn, "total": total},
        {"dice": dice, "iou": iou, "right": right},
    )


def a_line(rng: random.Random) -> ExamQuestion:
    """The run-length code of a small mask.

    Args:
        rng: draws the mask.

    Returns:
        the question.
    """
    rows = [[rng.randrange(2) for _ in range(6)] for _ in range(3)]
    rows[0][5] = rows[1][0] = 1  # a run that goes on in the next row
    flat, runs, start = [value for row in rows for value in row], [], None
    for k, value in enumerate([*flat, 0], start=1):
        if value and start is None:
            start = k
        elif not value and start is not None:
            runs, start = [*runs, start, k - start], None
    code = " ".join(map(str, runs))
    return ExamQuestion(
        "A mask as a line",
        4,
        f"Write the run-length code of this mask, as the challenge wants it:\n\n{table(rows)}",
        f"`{code}`. Pixels are numbered from 1 (1 point), row by row (1 point); each run is its start and its length "
        "(1 point). A run that reaches the end of a row goes on in the next one (1 point).",
        {"rows": tuple(map(tuple, rows))},
        {"code": code},
    )


def a_score_of_two(rng: random.Random) -> ExamQuestion:
    """Code that multiplies a mask of 0 and 255 by one of 0 and 1.

    Args:
        rng: draws nothing.

    Returns:
        the question.
    """
    wrong = """
stored = np.array([[0, 255, 255], [0, 255, 0]])  # as a file gave it
answer = np.array([[0, 1, 1], [0, 1, 0]])  # of a network
dice = 2 * (answer * stored).sum() / (answer.sum() + stored.sum())
"""
    right = wrong.replace("[0, 255, 0]])  # as a file gave it", "[0, 255, 0]]) > 0")
    return about_code(
        "A score that is too good",
        4,
        "This code computes the Dice of a network's answer.",
        wrong,
        right,
        "The file holds 0 and 255 and the answer 0 and 1 (1 point). The product counts each shared pixel 255 times, "
        "the sum below mixes both units, and a perfect answer scores almost 2 (2 points). Compare with zero first: "
        "above zero is car (1 point).",
        "float(dice)",
    )


def what_a_baseline_is_for(rng: random.Random) -> ExamQuestion:
    """Why the mean mask of the view is the score to beat.

    Args:
        rng: draws nothing.

    Returns:
        the question.
    """
    return ExamQuestion(
        "A model that never looks",
        3,
        "The mean mask of the view scores well and never looks at the photo. How is that possible? What does it say "
        "about a network whose Dice is only a little higher?",
        "All photos of a view show a car of about the same size at about the same place, and the file's name tells the "
        "view (1 point). Where all cars agree, the mean is right without looking (1 point). The network has hardly "
        "learned more than place and view; what it adds is the difference to this baseline, not its Dice (1 point).",
    )


def parameters_of_a_stage(rng: random.Random) -> ExamQuestion:
    """Parameters of two convolutions.

    Args:
        rng: draws kernel and channels.

    Returns:
        the question.
    """
    k, a, b = rng.choice((3, 5)), rng.choice((8, 12, 24, 32)), rng.choice((16, 48, 64))
    first, second = k * k * a * b + b, k * k * b * b + b
    return ExamQuestion(
        "Count the parameters",
        3,
        f"A stage has two {k}×{k} convolutions with bias: the first from {a} to {b} channels, the second from {b} to "
        f"{b}. How many parameters has each, and how many has the stage? How many has it for photos twice as wide?",
        f"k²·a·b + b: {shown(first)} for the first, {shown(second)} for the second (1 point), together "
        f"{shown(first + second)} (1 point). As many: the same weights are used at every place (1 point).",
        {"k": k, "a": a, "b": b},
        {"first": first, "second": second, "stage": first + second},
    )


def loss_of_a_pixel(rng: random.Random) -> ExamQuestion:
    """Probability and cross-entropy of a logit.

    Args:
        rng: draws the logit.

    Returns:
        the question.
    """
    z = rng.choice((-3.0, -2.0, -1.5, 1.5, 2.0, 3.0))
    p = 1 / (1 + math.exp(-z))
    car, wall = -math.log(p), -math.log(1 - p)
    return ExamQuestion(
        "One pixel's loss",
        4,
        f"A network gives a pixel the logit {shown(z)}. What is the probability of car? What is the pixel's binary "
        "cross-entropy if it shows car, and what if it shows background? Which of the two gradients is larger?",
        f"p = 1 / (1 + exp(−z)) = {shown(p)} (1 point). Car: −log p = {shown(car)} (1 point). Background: −log(1 − p) "
        f"= {shown(wall)} (1 point). The gradient is p − y: its size is {shown(1 - p)} for car and {shown(p)} for "
        "background, so it is larger where the answer is wrong (1 point).",
        {"z": z},
        {"p": p, "car": car, "wall": wall},
    )


def gradients_that_add_up(rng: random.Random) -> ExamQuestion:
    """A training loop that forgets to clear the gradients.

    Args:
        rng: draws the learning rate.

    Returns:
        the question.
    """
    wrong = f"""
w = torch.nn.Parameter(torch.zeros(1))
optimizer = torch.optim.SGD([w], lr={rng.choice((0.05, 0.1, 0.2))})
for target in (1.0, 1.0, 1.0):
    loss = (w - target).square().sum()
    loss.backward()
    optimizer.step()
"""
    return about_code(
        "Steps that are too long",
        3,
        "A training loop, cut down to one weight. From the second one on its steps are too long.",
        wrong,
        wrong.replace("    loss.backward()", "    optimizer.zero_grad()\n    loss.backward()"),
        "`backward` adds to the gradients that are there already (1 point). From the second step on, the step is made "
        "with the sum of all gradients so far (1 point). They have to be set to zero in every step (1 point).",
        "w.item()",
    )


def what_skips_carry(rng: random.Random) -> ExamQuestion:
    """What passes through the lowest stage and what does not.

    Args:
        rng: draws the number of pools.

    Returns:
        the question.
    """
    pools = rng.choice((3, 4, 5))
    side = 2**pools
    return ExamQuestion(
        "The way around",
        4,
        f"A U-Net has {pools} max-pools. How many pixels of the photo, along one axis, lie behind one value of its "
        "lowest map? What does the decoder get from that map, and what from the skip connections?",
        f"Every pool doubles the step: {shown(side)} pixels (1 point). From below it gets what the place shows, seen "
        "with a large window (1 point), from the skip connections the maps of the same size before the pool, with "
        "edges at their exact pixels (1 point). It needs both: the first says which edge is the car's, the second "
        "where that edge runs (1 point).",
        {"pools": pools},
        {"side": side},
    )


def memory_of_photos(rng: random.Random) -> ExamQuestion:
    """Bytes of photos as whole numbers and as floating point.

    Args:
        rng: draws how many photos there are, and their side.

    Returns:
        the question.
    """
    photos, side = rng.randrange(1_000, 9_000, 500), rng.choice((128, 256, 384, 512))
    small = photos * side * side * 3 / 2**30
    return ExamQuestion(
        "Does it fit?",
        3,
        f"{shown(photos)} colour photos of {side}×{side} pixels are to be held in memory. How many GiB is that as "
        "`uint8`, and how many as `float32`? Which of the two would you store, and where would you convert?",
        f"photos · side² · 3 bytes / 2³⁰: {shown(small)} GiB (1 point), and four times as much, {shown(4 * small)} "
        "GiB, as `float32` (1 point). Store `uint8`, and convert each batch when it is used (1 point).",
        {"photos": photos, "side": side},
        {"uint8": small, "float32": 4 * small},
    )


def batches_of_an_epoch(rng: random.Random) -> ExamQuestion:
    """How many batches an epoch has, and how large the last one is.

    Args:
        rng: draws photos and batch size.

    Returns:
        the question.
    """
    batch, full = rng.choice((8, 12, 16, 24)), rng.randrange(20, 60)
    last = rng.randrange(1, batch)
    photos, epochs = batch * full + last, rng.choice((10, 20, 40))
    return ExamQuestion(
        "Steps of an epoch",
        3,
        f"A loader hands out {shown(photos)} photos in batches of {batch}; the last batch may be smaller. How many "
        f"steps has an epoch, how large is the last batch, and how many steps have {epochs} epochs?",
        f"{shown(full + 1)} steps, rounded up (1 point); the last batch has {shown(last)} (1 point); {epochs} epochs "
        f"have {shown(epochs * (full + 1))} steps (1 point).",
        {"photos": photos, "batch": batch, "epochs": epochs},
        {"steps": full + 1, "last": last, "all": epochs * (full + 1)},
    )


def channels_first(rng: random.Random) -> ExamQuestion:
    """A reshape where the axes have to be exchanged.

    Args:
        rng: draws the size.

    Returns:
        the question.
    """
    height = rng.choice((2, 3))
    wrong = f"""
image = np.arange({height} * 4 * 3).reshape({height}, 4, 3)  # a photo: height, width, colour
x = torch.from_numpy(image).reshape(3, {height}, 4)
red_of_first_pixel, green_of_first_pixel = x[0, 0, 0], x[1, 0, 0]
"""
    return about_code(
        "Strange colours",
        3,
        "A dataset makes a tensor (colour, height, width) of a photo. It has the right shape, and a network learns "
        "little from it.",
        wrong,
        wrong.replace(f".reshape(3, {height}, 4)", ".permute(2, 0, 1)"),
        "`reshape` keeps the order of the numbers in memory and cuts it at other places (1 point): each channel gets a "
        "third of the rows, with all three colours side by side (1 point). The axes have to be exchanged instead "
        "(1 point).",
        "int(green_of_first_pixel)",
    )


def order_of_one_epoch(rng: random.Random) -> ExamQuestion:
    """Why one seed at the start does not repeat a later epoch alone.

    Args:
        rng: draws the epoch.

    Returns:
        the question.
    """
    epoch = rng.randrange(3, 9)
    return ExamQuestion(
        "The same order again",
        3,
        f"A notebook calls `torch.manual_seed(0)` in its first cell and then trains. You want epoch {epoch} alone, "
        "with the photos in the same order as then. Why does the seed not give it to you? How should the loader draw "
        "its order?",
        "The order depends on how many numbers were drawn before: weights, augmentation, earlier epochs (1 point). "
        "Without them the same seed gives another order (1 point). The loader needs a generator of its own, seeded "
        "from the seed and the number of the epoch (1 point).",
    )


def gain_over_seeds(rng: random.Random) -> ExamQuestion:
    """Mean, standard error and interval of three gains.

    Args:
        rng: draws the gains, in ten-thousandths of Dice.

    Returns:
        the question.
    """
    gains = tuple(rng.randrange(-20, 80) for _ in range(3))
    if len(set(gains)) == 1:
        gains = (gains[0], gains[0] + 3, gains[0] + 6)
    mean, error = statistics.mean(gains), statistics.stdev(gains) / math.sqrt(3)
    low, high = mean - T_OF_THREE * error, mean + T_OF_THREE * error
    verdict = "0 lies inside: it is undecided" if low <= 0 <= high else "0 lies outside: the sign is shown"
    return ExamQuestion(
        "Three seeds",
        4,
        f"A change of the training was tried with three seeds. The gains of Dice are {shown(gains)}, in "
        f"ten-thousandths. Compute their mean, its standard error and the 95 % interval (t = {T_OF_THREE} for three "
        "values). What do you say about the change?",
        f"Mean {shown(float(mean))} (1 point). Standard error: the standard deviation (divided by n − 1) over √3, "
        f"{shown(error)} (1 point). Interval {shown(low)} to {shown(high)} (1 point). {verdict} (1 point).",
        {"gains": gains},
        {"mean": float(mean), "error": error, "low": low, "high": high},
    )


def a_batch_normed(rng: random.Random) -> ExamQuestion:
    """Batch norm of four values by hand.

    Args:
        rng: draws the values.

    Returns:
        the question.
    """
    middle, step = rng.randrange(2, 9), rng.choice((1, 2, 3))
    values = (middle - step, middle - step, middle + step, middle + step)
    scale, shift = rng.choice((2, 3, 5)), rng.choice((-1, 1, 4))
    normed = tuple(scale * (value - middle) // step + shift for value in values)
    return ExamQuestion(
        "Batch norm by hand",
        4,
        f"In training, a channel of a batch holds the values {shown(values)}. Batch norm has learned the scale "
        f"{scale} and the shift {shift}. What does it give, with ε = 0? What does it use in place of the batch's mean "
        "and variance when the network is in use?",
        f"Mean {middle}, standard deviation {step} (over all n values, 1 point). Normed: −1, −1, 1, 1 (1 point). "
        f"Scaled and shifted: {shown(normed)} (1 point). In use: running averages, stored during the training (1 "
        "point).",
        {"values": values, "scale": scale, "shift": shift},
        {"normed": normed},
    )


def a_mask_that_grows(rng: random.Random) -> ExamQuestion:
    """A mask that is enlarged bilinearly and cut at zero.

    Args:
        rng: draws the factor.

    Returns:
        the question.
    """
    wrong = f"""
mask = torch.zeros(1, 1, 8, 8)
mask[..., 2:6, 2:6] = 1
larger = F.interpolate(mask, scale_factor={rng.choice((2, 3, 4))}, mode="bilinear")
car = larger > 0
"""
    return about_code(
        "The mask becomes fat",
        3,
        "A mask is enlarged together with its photo.",
        wrong,
        wrong.replace("larger > 0", "larger >= 0.5"),
        "Bilinear values between 0 and 1 stand on both sides of the boundary (1 point). With `> 0` all of them become "
        "car, and the car grows (1 point). Cut at one half, or enlarge by the nearest pixel (1 point).",
        "int(car.sum())",
    )


def alone_or_in_a_batch(rng: random.Random) -> ExamQuestion:
    """A network in training mode at the test.

    Args:
        rng: draws nothing.

    Returns:
        the question.
    """
    return ExamQuestion(
        "Alone or in company",
        3,
        "A network with batch norm answers differently for the same photo when the photo comes alone and when it comes "
        "in a batch with others. What was forgotten? Where does the difference come from? Is it a reason to distrust "
        "the test score?",
        "`model.eval()` (1 point). In training mode the mean and variance are those of the batch, so the answer "
        "depends on the other photos (1 point). Yes: the score depends on how the test photos were put into batches, "
        "and running averages changed meanwhile (1 point).",
    )


QUESTIONS = {
    "01-the-task": (dice_of_counts, a_line, a_score_of_two, what_a_baseline_is_for),
    "02-u-net": (parameters_of_a_stage, loss_of_a_pixel, gradients_that_add_up, what_skips_carry),
    "03-data-generators": (memory_of_photos, batches_of_an_epoch, channels_first, order_of_one_epoch),
    "04-augmentation": (gain_over_seeds, a_batch_normed, a_mask_that_grows, alone_or_in_a_batch),
}
