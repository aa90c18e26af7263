"""Run-length code against a loop that reads like the definition."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from carvana_lessons import data
from carvana_lessons.utils.errors import DataError

masks = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 1))


def naive(mask: np.ndarray) -> str:
    """Walk over the pixels in reading order; open a run at a 1, close it at a 0."""
    runs, length = [], 0
    pixels = [value for row in mask.tolist() for value in row]
    for number, value in enumerate([*pixels, 0], start=1):
        if value:
            length += 1
        elif length:
            runs += [number - length, length]
            length = 0
    return " ".join(map(str, runs))


@given(masks)
@settings(max_examples=300, deadline=None)
@example(np.zeros((1, 1), np.uint8))
@example(np.ones((1, 1), np.uint8))
@example(np.ones((5, 3), np.uint8))
@example(np.eye(4, dtype=np.uint8))  # first and last pixel
def test_encode_is_the_loop_and_decode_undoes_it(mask):
    code = data.rle_encode(mask)
    assert code == naive(mask)
    back = data.rle_decode(code, mask.shape)
    assert back.dtype == np.uint8 and back.shape == mask.shape
    np.testing.assert_array_equal(back, mask)


def test_corner_case_of_the_snippet_that_is_copied_everywhere():
    mask = np.zeros((3, 4), np.uint8)
    mask[0, :2] = mask[2, 3] = 1
    assert data.rle_encode(mask) == "1 2 12 1"
    assert data.rle_encode(mask.astype(bool)) == "1 2 12 1"
    assert data.rle_encode(mask.astype(np.float32)) == "1 2 12 1"
    assert data.rle_encode(mask.T) == "1 1 4 1 12 1", "row by row, whatever the memory order"


def test_touching_runs_are_one_region():
    assert data.rle_decode("1 2 3 4", (2, 4)).tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 2 7", r"run 2 \(7\): it has a start but no length"),
        ("1 2 x 1", r"run 2 \(x 1\): start 'x' is not a positive"),
        ("1 2 5 1.0", r"run 2 \(5 1.0\): length '1.0'"),
        ("0 2", r"run 1 \(0 2\): start '0'"),
        ("3 0", r"run 1 \(3 0\): length '0'"),
        ("3 -1", r"run 1 \(3 -1\): length '-1'"),
        ("1_0 1", r"run 1 \(1_0 1\): start '1_0'"),
        ("1 3 3 1", r"run 2 \(3 1\): it begins before run 1 has ended, at pixel 3"),
        ("5 1 1 1", r"run 2 \(1 1\): it begins before run 1"),
        ("1 1 12 2", r"run 2 \(12 2\): it ends after the last pixel, 12"),
        ("13 1", r"run 1 \(13 1\): it ends after"),
        ("1 99999999999999999999", r"run 1 .*ends after the last pixel, 12"),
        ("11 5 3 1", r"run 1 \(11 5\): it ends after"),  # two faults: the first one is named
    ],
)
def test_malformed_codes_are_refused_with_the_place(code, message):
    with pytest.raises(DataError, match=message):
        data.rle_decode(code, (3, 4))


def test_masks_that_are_none_are_refused_with_the_cure():
    with pytest.raises(DataError, match=r"from 0 to 255: pass `mask > 0`"):
        data.rle_encode(np.array([[0, 255]], np.uint8))
    with pytest.raises(DataError, match=r"0 to 0\.5"):
        data.rle_encode(np.array([[0, 0.5]]))
    with pytest.raises(DataError, match=r"-1"):
        data.rle_encode(np.array([[0, -1]]))
    with pytest.raises(DataError, match="also holds nan"):
        data.rle_encode(np.array([[1, np.nan]]))
    with pytest.raises(DataError, match=r"shape \(1, 2, 2\)"):
        data.rle_encode(np.zeros((1, 2, 2)))


@pytest.mark.parametrize("code", [float("nan"), None, 0, 12, 1.5, b"1 2", ["1", "2"], np.array([1, 2]), pd.NA])
def test_a_code_that_is_no_text_is_refused(code):
    with pytest.raises(DataError, match=r"run-length code is text, not .*keep_default_na=False\.$"):
        data.rle_decode(code, (3, 4))


def test_an_empty_field_as_pandas_reads_it(tmp_path):
    (tmp_path / "a.csv").write_text("img,rle_mask\na.jpg,\n", encoding="utf-8")
    with pytest.raises(DataError, match="text, not nan: an empty field"):
        data.rle_decode(pd.read_csv(tmp_path / "a.csv").rle_mask[0], (3, 4))
    cured = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    assert not data.rle_decode(cured.rle_mask[0], (3, 4)).any()


def test_submission_line():
    mask = np.array([[0, 1], [1, 0]])
    assert data.submission_line("00087a6bd4dc_05", mask) == "00087a6bd4dc_05.jpg,2 2"
    assert data.submission_line("00087a6bd4dc_05.jpg", mask) == "00087a6bd4dc_05.jpg,2 2"
    assert data.submission_line("00087a6bd4dc_05", 0 * mask) == "00087a6bd4dc_05.jpg,1 1", "as sample_submission.csv"
    with pytest.raises(DataError, match="comma"):
        data.submission_line("a,b", mask)
    with pytest.raises(DataError, match="is text, not nan"):
        data.submission_line(float("nan"), mask)


def test_the_published_row_of_a_real_photo(real_photos):
    code = data.rle_encode(data.read_mask(real_photos[0].mask))
    assert code.startswith("879386 40 881253 141 883140 205 885009 17")


def painted(code: str, height: int, width: int) -> np.ndarray | None:
    """The mask by definition, pixel by pixel; None for a code that has none."""
    numbers = [int(word[:30]) if word.isascii() and word.isdigit() else 0 for word in code.split()]
    if len(numbers) % 2 or 0 in numbers:
        return None
    pixels, end = [0] * (height * width), 0
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        if start <= end or start + length - 1 > height * width:
            return None
        end = start + length - 1
        pixels[start - 1 : end] = [1] * length
    return np.array(pixels, np.uint8).reshape(height, width)


numbers = st.lists(st.integers(0, 14), max_size=8).map(lambda n: " ".join(map(str, n)))


@given(st.one_of(numbers, st.text("0123 -.e_²٣\n\0\u00a0x", max_size=30)))
@settings(max_examples=120, deadline=None)
@example("1 " + "9" * 5000)
@example("1 1 3 2")
def test_any_text_is_the_mask_that_it_describes_or_one_sentence(code):
    wanted = painted(code, 3, 4)
    if wanted is not None:
        np.testing.assert_array_equal(data.rle_decode(code, (3, 4)), wanted)
    else:
        with pytest.raises(DataError, match=r"^The run-length code is wrong at run \d+ "):
            data.rle_decode(code, (3, 4))
