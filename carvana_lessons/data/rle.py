"""Run-length encoding in the format of the challenge: row by row, counted from 1."""

from __future__ import annotations

import numpy as np

from carvana_lessons.utils.errors import DataError


def rle_encode(mask: np.ndarray) -> str:
    """Encode a mask as pairs "start length".

    Pixels are numbered from 1, left to right, then down (row-major; many other contests go column by column).

    Args:
        mask: (H, W), bool or any number type, values 0 and 1 only.

    Returns:
        for example ``"1 2 12 1"``; the empty string for a mask without car.

    Raises:
        DataError: if the mask is not two-dimensional, or holds values other than 0 and 1.

    Source:
        the challenge's evaluation page.

    Lesson:
        01.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise DataError(f"A mask has two dimensions (height, width), this array has the shape {mask.shape}.")
    if mask.dtype.kind == "f" and np.isnan(mask).any():
        raise DataError("A mask holds 0 and 1, this one also holds nan: find out where that comes from.")
    car = mask > 0 if mask.dtype != bool else mask
    if mask.dtype != bool and not np.array_equal(car, mask):
        raise DataError(f"A mask holds 0 and 1, this one goes from {mask.min()} to {mask.max()}: pass `mask > 0`.")
    # A zero at both ends, so that a run that touches the first or the last pixel has a beginning and an end too.
    padded = np.zeros(mask.size + 2, dtype=bool)
    padded[1:-1] = car.ravel()
    edges = np.flatnonzero(padded[1:] != padded[:-1]) + 1  # 1-based: a run's first pixel, the first one after it, …
    edges[1::2] -= edges[::2]
    return " ".join(map(str, edges.tolist()))


def rle_decode(rle: str, shape: tuple[int, int]) -> np.ndarray:
    """Decode a run-length code into a mask.

    Args:
        rle: pairs "start length" with ascending starts, as `rle_encode` writes them; empty for an empty mask.
        shape: (height, width).

    Returns:
        (height, width) uint8 in {0, 1}.

    Raises:
        DataError: if the code is no text (pandas reads an empty field as nan), or a number is missing or is no positive
            integer, a run begins before the one before it has ended, or one ends after the last pixel; it names the
            first faulty run.

    Lesson:
        01.
    """
    if not isinstance(rle, str):
        raise DataError(
            f"A run-length code is text, not {rle}: an empty field of a CSV file is a missing number to pandas, read "
            "it with keep_default_na=False."
        )
    height, width = shape
    words = rle.split()
    for i, word in enumerate(words):
        if not (word.isascii() and word.isdigit()) or not word.strip("0"):
            raise _fault(words, i // 2, f"{'start' if i % 2 == 0 else 'length'} {word!r} is not a positive integer")
        if len(word.lstrip("0")) > 18:  # more than an int64 holds, and than any photo has pixels
            raise _fault(words, i // 2, f"it ends after the last pixel, {height * width}")
    if len(words) % 2:
        raise _fault(words, len(words) // 2, "it has a start but no length")
    starts, lengths = np.array(words, dtype=np.int64).reshape(-1, 2).T
    ends = starts + lengths - 1
    early = np.flatnonzero(starts[1:] <= ends[:-1]) + 1
    late = np.flatnonzero(ends > height * width)
    if len(early) and (not len(late) or early[0] <= late[0]):
        run = int(early[0])
        raise _fault(words, run, f"it begins before run {run} has ended, at pixel {ends[run - 1]}")
    if len(late):
        raise _fault(words, int(late[0]), f"it ends after the last pixel, {height * width}")
    steps = np.zeros(height * width + 1, dtype=np.int8)
    steps[starts - 1] += 1
    steps[ends] -= 1  # separate lines: where a run touches the next one, the two steps cancel
    return np.cumsum(steps[:-1], dtype=np.int8).astype(np.uint8).reshape(height, width)


def submission_line(name: str, mask: np.ndarray) -> str:
    """One line of a submission, ``<name>.jpg,<code>``, without the line break.

    An empty mask is written ``1 1``, one pixel in the corner, as in the challenge's own sample_submission.csv: an
    empty field is read back as a *missing* prediction by everything that reads CSV. No photo of the challenge is
    without a car, so the pixel costs nothing. `rle_encode` itself stays exact and gives the empty string.

    Args:
        name: the photo's name, with or without ``.jpg``.
        mask: (H, W) at the photo's own size, values 0 and 1.

    Returns:
        the line, ASCII text.

    Raises:
        DataError: as `rle_encode` does, or if the name would break the line.

    Lesson:
        01.
    """
    if not isinstance(name, str):
        raise DataError(f"The name of a photo is text, not {name}.")
    if any(sign in name for sign in ',"\r\n'):
        raise DataError(f"{name!r} cannot be a name in a submission: it holds a comma, a quote or a line break.")
    return f"{name.removesuffix('.jpg')}.jpg,{rle_encode(mask) or '1 1'}"


def _fault(words: list[str], run: int, what: str) -> DataError:
    pair = " ".join(words[2 * run : 2 * run + 2])
    return DataError(f"The run-length code is wrong at run {run + 1} ({pair}): {what}.")
