"""Questions on chapters 5 to 8 and the appendix on upsampling: what layers compute, cost, see and hold."""

from __future__ import annotations

import random

from carvana_lessons.exercises.exam.question import ExamQuestion, about_code, shown, table


def pooled_with_indices(rng: random.Random) -> ExamQuestion:
    """A max-pool with the indices of its maxima.

    Args:
        rng: draws the map.

    Returns:
        the question.
    """
    flat = rng.sample(range(10, 60), 16)
    rows = [flat[4 * i : 4 * i + 4] for i in range(4)]
    windows = [[(i + a) * 4 + j + b for a in (0, 1) for b in (0, 1)] for i in (0, 2) for j in (0, 2)]
    places = tuple(max(window, key=lambda k: flat[k]) for window in windows)
    values = tuple(flat[k] for k in places)
    return ExamQuestion(
        "Pool and remember",
        4,
        f"Pool this map 2×2, and give the index of each maximum, counted along the rows from 0:\n\n{table(rows)}\n\n"
        "Then write down the map that max-unpooling makes of both. How many of its 16 numbers are zero?",
        f"Maxima, row by row: {shown(values)} (1 point). Indices: {shown(places)} (2 points). Unpooled, each maximum "
        "stands at its index and 0 elsewhere: 12 zeros (1 point).",
        {"map": tuple(flat)},
        {"values": values, "indices": places},
    )


def a_stage_with_norm(rng: random.Random) -> ExamQuestion:
    """Parameters of convolutions with batch norm.

    Args:
        rng: draws the channels.

    Returns:
        the question.
    """
    a, b, count = rng.choice((16, 32, 64)), rng.choice((24, 48, 96)), rng.choice((2, 3))
    first, others = 9 * a * b + b + 2 * b, 9 * b * b + b + 2 * b
    total = first + (count - 1) * others
    return ExamQuestion(
        "A stage of SegNet",
        3,
        f"A stage has {count} convolutions 3×3 with bias, each followed by a batch norm. The first goes from {a} to "
        f"{b} channels, every other one from {b} to {b}. How many parameters has it? How many do its max-pool and its "
        "indices add?",
        f"First: 9ab + b + 2b = {shown(first)} (1 point). Every other one: 9b² + b + 2b = {shown(others)}; together "
        f"{shown(total)} (1 point). The pool and its indices add none: nothing in them is learned (1 point).",
        {"a": a, "b": b, "count": count},
        {"first": first, "others": others, "total": total},
    )


def indices_of_an_odd_map(rng: random.Random) -> ExamQuestion:
    """Unpooling a map of odd width without saying its size.

    Args:
        rng: draws the value.

    Returns:
        the question.
    """
    wrong = f"""
x = torch.zeros(1, 1, 5, 5)
x[0, 0, 2, 2] = {rng.randrange(2, 10)}.0
pooled, indices = F.max_pool2d(x, 2, return_indices=True)
again = F.max_unpool2d(pooled, indices, 2)
row, column = divmod(int(again.argmax()), again.shape[-1])
"""
    return about_code(
        "At another place",
        3,
        "A map is pooled and unpooled. Its maximum stood in row 2 and column 2.",
        wrong,
        wrong.replace("indices, 2)", "indices, 2, output_size=x.shape[-2:])"),
        "The map is 5 wide, and the unpooled one becomes 4 wide (1 point). Index 12 means row 2, column 2 in a width "
        "of 5, and row 3, column 0 in a width of 4: an index means nothing without its width (1 point). Say the size "
        "of the map that was pooled (1 point).",
        "(row, column)",
    )


def which_network_needs_them(rng: random.Random) -> ExamQuestion:
    """Wrong indices in a SegNet and in Architecture #1.

    Args:
        rng: draws nothing.

    Returns:
        the question.
    """
    return ExamQuestion(
        "With a neighbour's indices",
        3,
        "Two trained networks get the indices of another photo. SegNet's Dice falls far, that of Architecture #1 "
        "little. Explain both. Does it follow that Architecture #1 would be as good without indices from the start?",
        "SegNet has nothing else that says where the maxima stood (1 point). Architecture #1 also gets the encoder's "
        "own maps by skip connections, and these say where, too (1 point). It does not follow: this network was "
        "trained with indices; the question needs a twin that is trained without them (1 point).",
    )


def a_place_in_two_maps(rng: random.Random) -> ExamQuestion:
    """Values of the coordinate maps, and of a crop.

    Args:
        rng: draws the sizes.

    Returns:
        the question.
    """
    height, width = rng.choice((40, 80, 160)), rng.choice((64, 128, 320))
    row, column = rng.randrange(4, height // 2), rng.randrange(4, width // 2)
    x, y = column / width - 0.5, row / height - 0.5
    return ExamQuestion(
        "Where is this pixel?",
        4,
        f"A photo has {height} rows and {width} columns. What do X-map and Y-map hold at row {row}, column {column}, "
        "counted from 0? A crop begins exactly there: what do its maps hold in the upper left corner? What if its "
        "maps were made anew?",
        f"X = column / width − 0.5 = {shown(x)} (1 point), Y = row / height − 0.5 = {shown(y)} (1 point). The crop "
        "takes the crop of the maps, so its corner holds the same two numbers (1 point). New maps would hold −0.5 "
        "and −0.5 there, and say that it is the corner of the photo (1 point).",
        {"height": height, "width": width, "row": row, "column": column},
        {"x": x, "y": y},
    )


def price_of_the_maps(rng: random.Random) -> ExamQuestion:
    """Parameters that two more input channels cost.

    Args:
        rng: draws channels and pools.

    Returns:
        the question.
    """
    a, b, pools = rng.choice((3, 64, 256)), rng.choice((32, 64, 512)), rng.choice((2, 3, 4))
    more = 2 * 9 * b
    return ExamQuestion(
        "The price of two maps",
        3,
        f"A 3×3 convolution from {a} to {b} channels shall take X-map and Y-map as well. How many parameters more has "
        f"it? It stands behind {pools} max-pools: every how many pixels of the photo does its map need a value?",
        f"2 · 9 · {b} = {shown(more)} (1 point): two more input channels; {a} does not matter, nor does the bias (1 "
        f"point). Every {shown(2**pools)} pixels (1 point).",
        {"a": a, "b": b, "pools": pools},
        {"more": more, "step": 2**pools},
    )


def maps_that_are_mirrored(rng: random.Random) -> ExamQuestion:
    """Photo and maps mirrored together.

    Args:
        rng: draws the width.

    Returns:
        the question.
    """
    wrong = f"""
photo = torch.rand(3, 4, {rng.choice((6, 8, 10))})
maps = models.coordinate_maps(*photo.shape[-2:])
x = torch.cat([photo, maps])  # what the network gets
mirrored = x.flip(-1)
left_edge = mirrored[3, 0, 0].item()
"""
    return about_code(
        "Mirrored, maps and all",
        3,
        "For the mean of two answers, the network is asked about the mirrored photo too.",
        wrong,
        wrong.replace("x.flip(-1)", "torch.cat([photo.flip(-1), maps])"),
        "The maps are mirrored with the photo (1 point). At its left edge the X-map then holds the value of the "
        "right edge (1 point). A mirrored photo is a new photo: mirror its colours alone and give it fresh maps (1 "
        "point).",
        "left_edge",
    )


def score_or_use(rng: random.Random) -> ExamQuestion:
    """Two ways to take the maps from a trained network.

    Args:
        rng: draws nothing.

    Returns:
        the question.
    """
    return ExamQuestion(
        "Does it use its maps?",
        4,
        "You want to know whether a trained network uses its coordinate maps. Name two kinds of wrong maps that you "
        "would give it, and what each of them tells. Why is this another question than whether networks with maps "
        "score higher?",
        "Zeros or a constant: no place at all (1 point). Shuffled maps, or those of another place: values that it "
        "knows, at wrong pixels (1 point). If Dice stays, this network does not need them at the test (1 point). "
        "Whether maps help is a matter of two trainings, with and without, over several seeds (1 point).",
    )


def window_of_a_stack(rng: random.Random) -> ExamQuestion:
    """The receptive field of dilated layers.

    Args:
        rng: draws the rates.

    Returns:
        the question.
    """
    rates = tuple(rng.sample((1, 2, 3, 4, 5, 8), 4))
    side, plain = 1 + 2 * sum(rates), 1 + 2 * len(rates)
    return ExamQuestion(
        "How far it sees",
        3,
        f"Four 3×3 convolutions of stride 1 have the rates {shown(rates)}, one after the other. How wide is the "
        "window of the last one? How wide would it be with rate 1 everywhere? What do the rates cost in parameters?",
        f"1 + Σ (k − 1)·r = 1 + 2 · {sum(rates)} = {shown(side)} (1 point); with rate 1: {shown(plain)} (1 point). "
        "Nothing: the kernels have as many weights (1 point).",
        {"rates": rates},
        {"side": side, "plain": plain},
    )


def window_behind_pools(rng: random.Random) -> ExamQuestion:
    """The receptive field in pixels of the photo.

    Args:
        rng: draws pools and rate.

    Returns:
        the question.
    """
    pools, rate = rng.choice((2, 3, 4)), rng.choice((1, 2, 4))
    side, step, lines = 1, 1, []
    for _ in range(pools):
        side += 2 * step  # a 3×3 convolution
        side += step  # a 2×2 pool
        step *= 2
        lines.append(shown(side))
    last = side + 2 * rate * step
    return ExamQuestion(
        "In pixels of the photo",
        4,
        f"A network does this {pools} times: one 3×3 convolution, then a 2×2 max-pool. Then comes a 3×3 convolution "
        f"of rate {rate}. How wide is its window in pixels of the photo?",
        "A layer adds (k − 1)·r steps, a pool one step, and doubles the step afterwards (1 point). After each pool "
        f"the window is {', '.join(lines)} (2 points); the last layer adds 2 · {rate} · {step}: {shown(last)} (1 "
        "point).",
        {"pools": pools, "rate": rate},
        {"side": last},
    )


def a_padding_for_rate_one(rng: random.Random) -> ExamQuestion:
    """A dilated convolution whose padding was not changed.

    Args:
        rng: draws the rate.

    Returns:
        the question.
    """
    rate = rng.choice((2, 3, 4))
    wrong = f"""
before = nn.Conv2d(8, 8, kernel_size=3, padding=1)
after = nn.Conv2d(8, 8, kernel_size=3, padding=1, dilation={rate})
x = torch.rand(1, 8, 32, 32)
sides = before(x).shape[-1], after(x).shape[-1]
"""
    return about_code(
        "A map that shrinks",
        3,
        f"A convolution gets the rate {rate}, and the skip connection behind it no longer fits.",
        wrong,
        wrong.replace(f"padding=1, dilation={rate}", f"padding={rate}, dilation={rate}"),
        f"The kernel now reaches {rate} pixels to each side (1 point), and a padding of 1 is {rate - 1} too small: "
        f"the map loses {2 * (rate - 1)} pixels (1 point). For 3×3 the padding has to be the rate (1 point).",
        "sides",
    )


def pixels_of_equal_rates(rng: random.Random) -> ExamQuestion:
    """How many pixels of its window a stack of equal rates depends on.

    Args:
        rng: draws the rate.

    Returns:
        the question.
    """
    rate = rng.choice((2, 3, 4))
    side, axis = 1 + 6 * rate, 7
    share = axis**2 / side**2
    return ExamQuestion(
        "A grid",
        4,
        f"Three 3×3 convolutions all have the rate {rate}. How wide is the window? How many of its pixels can change "
        "the answer, and which share is that? Which rates would you choose for three layers, and why?",
        f"The window is {shown(side)} wide (1 point). Along each axis one pixel of {rate} counts, {axis} · "
        f"{axis} = {shown(axis**2)} (1 point), a share of {shown(share)} (1 point). Rates without a common factor, 1, "
        "2, 4 for example: then no pixel between is left out (1 point).",
        {"rate": rate},
        {"side": side, "pixels": axis**2, "share": share},
    )


def values_after_unpooling(rng: random.Random) -> ExamQuestion:
    """How many numbers of an unpooled map can differ from zero.

    Args:
        rng: draws channels and side.

    Returns:
        the question.
    """
    channels, side = rng.choice((8, 16, 32)), rng.choice((32, 64, 128))
    values = channels * side * side
    return ExamQuestion(
        "Mostly zero",
        3,
        f"A map of {channels} channels, {side}×{side}, is max-pooled 2×2 and unpooled again. How many numbers has the "
        "unpooled map, and how many of them at most are not zero? Where do these stand?",
        f"{shown(values)} numbers (1 point), at most a quarter of them, {shown(values // 4)}, not zero (1 point). Each "
        "stands where the encoder's map had the maximum of its window (1 point).",
        {"channels": channels, "side": side},
        {"values": values, "filled": values // 4},
    )


def lost_together(rng: random.Random) -> ExamQuestion:
    """What ablating two channels says together.

    Args:
        rng: draws four scores, in thousandths.

    Returns:
        the question.
    """
    whole = rng.randrange(960, 985)
    one, other, both = rng.randrange(1, 4), rng.randrange(1, 4), rng.randrange(60, 200)
    scores = (whole, whole - one, whole - other, whole - both)
    return ExamQuestion(
        "Two channels",
        3,
        f"A network's Dice, in thousandths: {scores[0]} as it is, {scores[1]} without channel A, {scores[2]} without "
        f"channel B, {scores[3]} without both. What does it lose each time? What do the three losses say about A and "
        "B together?",
        f"It loses {shown((one, other, both))} thousandths (1 point). Alone each can be spared (1 point); together "
        "they cannot: they hold copies of something that is needed (1 point).",
        {"scores": scores},
        {"lost": (one, other, both)},
    )


def hooks_that_stay(rng: random.Random) -> ExamQuestion:
    """A hook that is registered on every call and never removed.

    Args:
        rng: draws how many photos are looked at.

    Returns:
        the question.
    """
    wrong = f"""
layer, caught = nn.Conv2d(1, 2, 3), []


def look(x):
    handle = layer.register_forward_hook(lambda m, i, out: caught.append(out.clone()))
    layer(x)


for _ in range({rng.choice((3, 4, 5))}):
    look(torch.rand(1, 1, 8, 8))
"""
    return about_code(
        "More and more maps",
        3,
        "A function keeps the maps of a layer for each photo. It becomes slower with every photo.",
        wrong,
        wrong.replace("    layer(x)\n", "    layer(x)\n    handle.remove()\n"),
        "Every call adds a hook, and the old ones stay (1 point): the second photo is kept twice, the third one "
        "three times (1 point). The hook has to be removed after use, also when an error comes between (1 point).",
        "len(caught)",
    )


def a_channel_for_wheels(rng: random.Random) -> ExamQuestion:
    """What an ablation does not show.

    Args:
        rng: draws the loss, in hundredths.

    Returns:
        the question.
    """
    loss = rng.randrange(2, 7)
    return ExamQuestion(
        "The wheel channel",
        3,
        f"Without channel 12 a network loses 0.0{loss} Dice. Somebody writes: “Channel 12 detects wheels.” Name two "
        "things that this number does not show, and a measurement for one of them.",
        "It does not show what the channel responds to (1 point), nor whether other channels of the same stage cost "
        "as much or more (1 point). Measurements: where the strongest patches lie, compared with the untrained "
        "network; the losses of all other channels, for comparison; whether the errors appear at wheels (1 point for "
        "one).",
    )


def size_after_a_transpose(rng: random.Random) -> ExamQuestion:
    """The size that a transposed convolution gives.

    Args:
        rng: draws its numbers.

    Returns:
        the question.
    """
    h, k, s, p = rng.randrange(8, 30), rng.choice((4, 5, 6)), rng.choice((2, 3)), rng.choice((0, 1))
    size = (h - 1) * s + k - 2 * p
    return ExamQuestion(
        "How large?",
        3,
        f"A map of {h}×{h} goes through a transposed convolution with kernel {k}, stride {s} and padding {p}. How "
        f"wide is the answer? How wide would it be with padding {p + 1}, and why does padding make it smaller here?",
        f"(h − 1)·s + k − 2p = {shown(size)} (1 point), and {shown(size - 2)} (1 point). The padding is that of the "
        "convolution of which this is the transpose; here it cuts the edge off (1 point).",
        {"h": h, "k": k, "s": s, "p": p},
        {"size": size, "more": size - 2},
    )


def stamps_by_hand(rng: random.Random) -> ExamQuestion:
    """A transposed convolution along one axis.

    Args:
        rng: draws signal and kernel.

    Returns:
        the question.
    """
    x, kernel = tuple(rng.randrange(1, 6) for _ in range(3)), tuple(rng.randrange(1, 4) for _ in range(3))
    total = [0] * 7
    for i, value in enumerate(x):
        for j, weight in enumerate(kernel):
            total[2 * i + j] += value * weight
    return ExamQuestion(
        "Stamps along a line",
        4,
        f"The numbers {shown(x)} go through a transposed convolution along one axis, with the kernel {shown(kernel)} "
        "and stride 2, without padding. Write down the answer. In which cells do two stamps add up?",
        f"{shown(tuple(total))} (3 points: length 7, the stamps' places, the sums). In cells 2 and 4, counted from 0 "
        "(1 point).",
        {"x": x, "kernel": kernel},
        {"total": tuple(total)},
    )


def uneven_stamps(rng: random.Random) -> ExamQuestion:
    """A kernel that the stride does not divide.

    Args:
        rng: draws the kernel.

    Returns:
        the question.
    """
    k = rng.choice((3, 5))
    wrong = f"""
k = {k}
wall, kernel = torch.ones(1, 1, 12, 12), torch.ones(1, 1, k, k)
up = F.conv_transpose2d(wall, kernel, stride=2)
brightness = up[0, 0, 6:-6, 6:-6].unique().tolist()  # away from the edge
"""
    return about_code(
        "A pattern on a plain wall",
        3,
        "A plain wall is made twice as large. The answer should be plain, too.",
        wrong,
        wrong.replace(f"k = {k}", f"k = {k + 1}", 1),
        f"The stride 2 does not divide the kernel {k} (1 point), so cells get different numbers of stamps, and a "
        "checkerboard appears (1 point). An even kernel gives every cell as many; or resize first and convolve then "
        "(1 point).",
        "len(brightness)",
    )


def not_the_inverse(rng: random.Random) -> ExamQuestion:
    """Transpose and inverse.

    Args:
        rng: draws the side of the image.

    Returns:
        the question.
    """
    side = rng.choice((4, 5, 6))
    small = (side - 2) ** 2
    return ExamQuestion(
        "There and not back",
        4,
        f"A 3×3 convolution without padding takes images of {side}×{side} to smaller ones. How many rows and columns "
        "has its matrix? Can any layer get every image back from its answer? What does the transposed convolution "
        "give back?",
        f"{shown(small)} rows and {shown(side * side)} columns (2 points). No: {shown(side * side)} numbers became "
        f"{shown(small)}, so different images have the same answer (1 point). It gives an image of the old size, the "
        "gradient's way back, and in general not the old image (1 point).",
        {"side": side},
        {"rows": small, "columns": side * side},
    )


QUESTIONS = {
    "05-segnet-unpooling": (
        pooled_with_indices,
        a_stage_with_norm,
        indices_of_an_odd_map,
        which_network_needs_them,
    ),
    "06-coordinate-maps": (a_place_in_two_maps, price_of_the_maps, maps_that_are_mirrored, score_or_use),
    "07-dilated-convolution": (
        window_of_a_stack,
        window_behind_pools,
        a_padding_for_rate_one,
        pixels_of_equal_rates,
    ),
    "08-feature-maps": (values_after_unpooling, lost_together, hooks_that_stay, a_channel_for_wheels),
    "appendix-upsampling": (size_after_a_transpose, stamps_by_hand, uneven_stamps, not_the_inverse),
}
