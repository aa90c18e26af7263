"""Compare two answers of any type and describe their difference in a few words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from carvana_lessons.utils.wording import counted

CLOSE = 1e-4
LONGEST = 160  # characters of a value in a message


def difference(got: Any, expected: Any, close: float = CLOSE) -> str | None:
    """How an answer differs from the right one.

    Numbers, lists, NumPy arrays and torch tensors of any dtype count as the same when their shapes and values agree.

    Args:
        got: the answer.
        expected: the right one.
        close: allowed difference of numbers, relative to each of them and to the largest; whole numbers must agree.

    Returns:
        None if they agree, else the end of a sentence.
    """
    if got is None or expected is None:
        return None if got is expected else _absent(got)
    if isinstance(expected, str):
        return None if isinstance(got, str) and got == expected else _expected(expected, got)
    if isinstance(expected, Mapping):
        return _mapping(got, expected, close)
    if isinstance(expected, set | frozenset):
        return None if _members(got) == expected else _expected(expected, got)
    if isinstance(got, Iterator):
        got = list(got)
    if _several(expected):
        return _sequence(got, expected, close)
    return _numbers(got, expected, close)


def shown(value: Any) -> str:
    """A value as a short text on one line.

    Args:
        value: any.

    Returns:
        the text, shortened.
    """
    try:
        text = " ".join(repr(_plain(value)).split())
    except Exception:  # a reader's object may refuse to be looked at
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def other_kind(got: Any, expected: Any) -> str | None:
    """What an answer is instead of the number that was asked for, where it looks like one.

    Args:
        got: the answer.
        expected: the right one.

    Returns:
        the end of a sentence for a text, or a list or array of one number; else None.
    """
    right = None if isinstance(expected, str) else _array(expected)
    if right is None or right.ndim:
        return None
    if isinstance(got, str):
        return f"{shown(got)} is a text (str); a number was asked for, and it stands without quotation marks."
    mine = _array(got)
    if mine is not None and mine.ndim and mine.size == 1:
        return f"{shown(got)} holds one number (it is of type {type(got).__name__}); the number itself was asked for."
    return None


def _plain(value: Any) -> Any:
    """Tensors and arrays as lists, numbers with six digits."""
    value = _lists(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return type(value)(_plain(v) for v in value) if type(value) in (list, tuple) else value


def _lists(value: Any) -> Any:
    """Every tensor in a value as an array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.double() if value.dtype.is_floating_point else value).numpy()
    return type(value)(_lists(v) for v in value) if type(value) in (list, tuple) else value


def _expected(expected: Any, got: Any) -> str:
    return f"expected {shown(expected)}, got {shown(got)}."


def _absent(got: Any) -> str:
    return "nothing (None) came back; is a `return` missing?" if got is None else f"expected None, got {shown(got)}."


def _members(got: Any) -> set | None:
    """What is in a set, a list or an array of single values."""
    try:
        return set(_plain(got))
    except TypeError:
        return None


def _several(value: Any) -> bool:
    """A tuple or list that holds more than numbers: arrays, texts or further lists of unequal lengths."""
    if not isinstance(value, tuple | list):
        return False
    try:
        return np.asarray(value).dtype.kind not in "biuf"
    except (ValueError, TypeError, RuntimeError):
        return True


def _mapping(got: Any, expected: Mapping, close: float) -> str | None:
    if not isinstance(got, Mapping):
        return f"expected a dictionary, got {shown(got)}."
    if set(got) != set(expected):
        return f"expected the keys {shown(list(expected))}, got {shown(list(got))}."
    wrong = ((key, difference(got[key], value, close)) for key, value in expected.items())
    return next((f"at {key!r}: {text}" for key, text in wrong if text), None)


def _sequence(got: Any, expected: Sequence, close: float) -> str | None:
    try:
        parts = list(got)
    except TypeError:
        return f"expected {counted(len(expected), 'value')}, got {shown(got)}."
    if len(parts) != len(expected):
        return f"expected {counted(len(expected), 'value')}, got {len(parts)}."
    wrong = ((k, difference(a, b, close)) for k, (a, b) in enumerate(zip(parts, expected, strict=True)))
    return next((f"value {k + 1} of {len(expected)}: {text}" for k, text in wrong if text), None)


def _numbers(got: Any, expected: Any, close: float) -> str | None:
    right, mine = _array(expected), _array(got)
    if told := other_kind(got, expected):
        return told
    if mine is None:
        return f"expected {_kind(right)}, got {shown(got)}."
    if mine.shape != right.shape:
        return f"expected {_kind(right)}, got {_kind(mine)}."
    if right.dtype.kind in "biu":
        fits = np.isclose(mine, right, rtol=0, atol=1e-6)  # whole numbers may come as floats
    else:
        largest = np.abs(right[np.isfinite(right)]).max(initial=0)
        fits = np.isclose(mine, right, rtol=close, atol=max(close * largest, 1e-12), equal_nan=True)
    if fits.all():
        return None
    if right.dtype.kind in "biu" and np.array_equal(mine, np.round(mine.astype(float))):
        right, mine = right.astype(int), mine.astype(int)
    if right.size == 1:
        return _expected(right.reshape(-1)[0], mine.reshape(-1)[0])
    if right.size <= 16:
        return _expected(right, mine)
    place = tuple(int(k) for k in np.argwhere(~fits)[0])
    return f"at {place} {_expected(right[place], mine[place])}"


def _array(value: Any) -> np.ndarray | None:
    """Numbers, however they are held, as an array; None for anything else."""
    try:
        array = np.asarray(_lists(value))
    except Exception:  # lists of unequal lengths, tensors without data, whatever a reader makes
        return None
    return array if array.dtype.kind in "biuf" else None


def _kind(array: np.ndarray) -> str:
    return "a number" if array.ndim == 0 else f"shape {array.shape}"
