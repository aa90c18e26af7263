"""Masks in every way to store two values: the pixels that were drawn as car come back, or one sentence."""

import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from samples import draw_pair

from carvana_lessons import data
from carvana_lessons.utils.errors import DataError

PAIRS = [(0, 1), (0, 255), (1, 2), (128, 255), (0, 2), (3, 200), (254, 255)]
DRAWN = draw_pair((12, 9), np.random.default_rng(0))[1].astype(bool)
Values = tuple[int, int]


def stacked(*bands) -> np.ndarray:
    return np.stack([np.broadcast_to(band, DRAWN.shape) for band in bands], axis=-1).astype(np.uint8)


def palette(indices: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8), "L")
    image.putpalette([value for colour in colours for value in colour])
    return image


def photo(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)


WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (128, 0, 0)


def grey(mask: np.ndarray, values: Values) -> np.ndarray:
    return np.where(mask, values[1], values[0]).astype(np.uint8)


def bands(*parts: Callable | int) -> Callable[[np.ndarray, Values], Image.Image]:
    """An image of several bands: each is one number, or what `grey` makes of the mask."""

    def draw(mask: np.ndarray, values: Values) -> Image.Image:
        made = [np.broadcast_to(np.uint8(p) if isinstance(p, int) else p(mask, values), mask.shape) for p in parts]
        return Image.fromarray(np.stack(made, axis=-1))

    return draw


# How to draw a mask: (mask, (what is no car, what is car)) -> image; the format; what else it is saved with.
TWO_VALUES = {
    "grey": (lambda m, v: Image.fromarray(grey(m, v)), "PNG", {}),
    "grey gif": (lambda m, v: Image.fromarray(grey(m, v)), "GIF", {}),
    "16 bits": (lambda m, v: Image.fromarray(grey(m, v).astype(np.uint16)), "PNG", {}),
    "16 bits, large": (lambda m, v: Image.fromarray(grey(m, v) * np.uint16(257)), "PNG", {}),
    "32 bits": (lambda m, v: Image.fromarray(grey(m, v).astype(np.int32)), "TIFF", {}),
    "floats": (lambda m, v: Image.fromarray(grey(m, v).astype(np.float32) / 255), "TIFF", {}),
    "rgb": (bands(grey, grey, grey), "PNG", {}),
    "green": (bands(40, grey, 90), "PNG", {}),
    "rgba, opaque": (bands(grey, grey, grey, 255), "PNG", {}),
    "rgba, all transparent": (bands(grey, grey, grey, 0), "PNG", {}),
    "grey and opaque": (lambda m, v: Image.fromarray(np.dstack([grey(m, v), 0 * grey(m, v) + 255]), "LA"), "PNG", {}),
    "cmyk": (lambda m, v: Image.fromarray(np.dstack([*[0 * grey(m, v)] * 3, 255 - grey(m, v)]), "CMYK"), "TIFF", {}),
    "alpha on white": (bands(255, 255, 255, grey), "PNG", {}),
    "alpha on black": (bands(0, 0, 0, grey), "PNG", {}),
    "alpha of a photo": (lambda m, v: Image.fromarray(np.dstack([photo(m.shape), grey(m, v)])), "PNG", {}),
    "alpha and colour": (bands(grey, grey, grey, grey), "PNG", {}),
    "alpha of grey": (lambda m, v: Image.fromarray(np.dstack([0 * grey(m, v), grey(m, v)]), "LA"), "PNG", {}),
    "alpha in webp": (bands(255, 255, 255, grey), "WEBP", {"lossless": True}),
}
ONE_PAIR = {
    "kaggle": (lambda m: palette(m, BLACK, WHITE), "GIF", {}),
    "index 0 is white": (lambda m: palette(~m, WHITE, BLACK), "GIF", {}),
    "index 0 is white, png": (lambda m: palette(~m, WHITE, BLACK), "PNG", {}),
    "dark red": (lambda m: palette(m, BLACK, RED), "PNG", {}),
    "red and white": (lambda m: palette(m, (255, 0, 0), WHITE), "PNG", {}),
    "far indices": (lambda m: palette(m * 5, *[BLACK] * 5, WHITE), "PNG", {}),
    "many indices": (lambda m: palette(m * 2 + np.indices(m.shape)[0] % 2, *[BLACK] * 2, *[WHITE] * 2), "PNG", {}),
    "black is transparent": (lambda m: palette(m, BLACK, WHITE), "GIF", {"transparency": 0}),
    "black is transparent, png": (lambda m: palette(m, BLACK, WHITE), "PNG", {"transparency": 0}),
    "an unused index is transparent": (lambda m: palette(m, BLACK, WHITE), "GIF", {"transparency": 2}),
    "transparency alone": (lambda m: palette(m, BLACK, BLACK), "PNG", {"transparency": bytes([0, 255])}),
    "grey, 0 is transparent": (lambda m: Image.fromarray(grey(m, (0, 255))), "PNG", {"transparency": 0}),
    "grey, a value that is not there": (lambda m: Image.fromarray(grey(m, (0, 255))), "PNG", {"transparency": 7}),
    "rgb, black is transparent": (lambda m: bands(grey, grey, grey)(m, (0, 255)), "PNG", {"transparency": BLACK}),
    "bits": (lambda m: Image.fromarray(m), "PNG", {}),
    "bits, 0 is transparent": (lambda m: Image.fromarray(m), "PNG", {"transparency": 0}),
    "bits in tiff": (lambda m: Image.fromarray(m), "TIFF", {}),
}  # fmt: skip


def read(image: Image.Image, kind: str, options: dict) -> np.ndarray:
    """What is read of an image that was saved as a mask; a warning of Pillow's is a fault."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder) / "a_mask.png"
        image.save(path, format=kind, **options)
        mask = data.read_mask(path)
        assert mask.dtype == np.uint8 and mask.flags.writeable
        return mask


both_values = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9)).filter(
    lambda mask: mask.any() and not mask.all()
)


@pytest.mark.parametrize("form", list(TWO_VALUES))
@pytest.mark.parametrize("values", PAIRS)
def test_the_brighter_or_more_opaque_value_is_car(form, values):
    draw, kind, options = TWO_VALUES[form]
    np.testing.assert_array_equal(read(draw(DRAWN, values), kind, options), DRAWN)


@pytest.mark.parametrize("form", list(ONE_PAIR))
def test_a_mask_in_colours_or_bits(form):
    draw, kind, options = ONE_PAIR[form]
    np.testing.assert_array_equal(read(draw(DRAWN), kind, options), DRAWN)


@given(both_values, st.sampled_from(list(TWO_VALUES)), st.tuples(st.integers(0, 254), st.integers(1, 255)))
@settings(max_examples=150, deadline=None)
def test_any_two_values_are_the_mask_that_was_drawn(mask, form, values):
    low, high = sorted(values)
    draw, kind, options = TWO_VALUES[form]
    high += low == high
    np.testing.assert_array_equal(read(draw(mask, (low, high)), kind, options), mask)


@given(both_values, st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=2, unique=True), st.booleans())
@settings(max_examples=100, deadline=None)
@example(DRAWN, [(26, 0, 0), (0, 8, 27)], False)  # equally bright
@example(DRAWN, [(26, 0, 0), (0, 8, 26)], True)  # and nearly
def test_any_two_colours_are_the_mask_or_one_sentence(mask, colours, as_palette):
    """The brighter one by the weights of the eye; Pillow's own grey rounds, and may make one of two."""
    light = [299 * r + 587 * g + 114 * b for r, g, b in colours]
    image = palette(mask, *colours) if as_palette else Image.fromarray(np.array(colours, np.uint8)[mask.astype(int)])
    if light[0] == light[1]:
        with pytest.raises(DataError, match="two colours that are equally bright"):
            read(image, "PNG", {})
    else:
        np.testing.assert_array_equal(read(image, "PNG", {}), mask if light[0] < light[1] else ~mask)


@pytest.mark.parametrize("value", [0, 1, 255])
@pytest.mark.parametrize("form", ["grey", "grey gif", "16 bits", "rgb", "rgba, opaque", "grey and opaque"])
def test_a_mask_that_is_empty_or_full(form, value):
    draw, kind, options = TWO_VALUES[form]
    image = draw(DRAWN, (value, value))
    np.testing.assert_array_equal(read(image, kind, options), np.full(DRAWN.shape, value > 0))


@pytest.mark.parametrize("form", ["alpha on white", "alpha on black", "alpha of a photo", "alpha of grey"])
def test_a_mask_that_cannot_be_seen_is_empty(form):
    draw, kind, options = TWO_VALUES[form]
    assert not read(draw(DRAWN, (0, 0)), kind, options).any()


@pytest.mark.parametrize("value", [2, 5, 128, 254])
@pytest.mark.parametrize("form", ["grey", "16 bits", "32 bits", "rgb", "rgba, opaque"])
def test_one_value_that_may_mean_either_is_refused(form, value):
    draw, kind, options = TWO_VALUES[form]
    with pytest.raises(DataError, match=r"a_mask\.png has one value everywhere, .* save it again with 0 .* 1 for car"):
        read(draw(DRAWN, (value, value)), kind, options)


@pytest.mark.parametrize(
    ("image", "kind", "options", "words"),
    [
        (bands(*[lambda m, v: ~grey(m, v)] * 3, grey)(DRAWN, (0, 255)), "PNG", {}, "its colours draw one"),
        (palette(DRAWN, BLACK, WHITE), "GIF", {"transparency": 1}, "its colours draw one and its transparency another"),
        (palette(DRAWN, BLACK, BLACK), "PNG", {}, "shows them in one colour"),
        (palette(DRAWN, WHITE), "PNG", {}, "values that its palette gives no colour"),
        (palette(DRAWN, BLACK, WHITE), "GIF", {"save_all": True, "append_images": [palette(~DRAWN, BLACK, WHITE)]},
         "holds several pictures where a mask is one"),
        (Image.fromarray(grey(DRAWN, (0, 255))), "PNG", {"save_all": True, "append_images": [Image.fromarray(~DRAWN)]},
         "holds several pictures where a mask is one"),
        (Image.fromarray(np.where(DRAWN, np.nan, 0).astype(np.float32)), "TIFF", {}, "values that are no numbers"),
    ],
)  # fmt: skip
def test_what_is_no_clear_mask_is_named_with_the_cure(image, kind, options, words):
    with pytest.raises(DataError, match=rf"a_mask\.png .*{words}.*; ?save") as error:
        read(image, kind, options)
    assert "\n" not in str(error.value)


RAMP = np.arange(12) / 11 * DRAWN


def of_ramp(most: int) -> np.ndarray:
    return (most * RAMP).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "kind", "values"),
    [
        (Image.fromarray(of_ramp(255)), "PNG", of_ramp(255)),
        (Image.fromarray(of_ramp(9)), "PNG", of_ramp(9)),
        (Image.fromarray(of_ramp(255) * np.uint16(257)), "PNG", of_ramp(255)),
        (Image.fromarray(of_ramp(55) + np.uint8(200)), "GIF", of_ramp(55)),
        (Image.fromarray(RAMP.astype(np.float32)), "TIFF", RAMP),
        (Image.fromarray(np.dstack([of_ramp(90)] * 3)), "PNG", of_ramp(90)),
        (Image.fromarray(np.dstack([of_ramp(0) + np.uint8(9)] * 3 + [of_ramp(90)])), "PNG", of_ramp(90)),
    ],
)
def test_soft_edges_are_refused_and_the_cure_parts_the_values(image, kind, values, tmp_path):
    """What the sentence says is done to the file, and what comes of it is a mask of both values."""
    path = tmp_path / "a_mask.png"
    image.save(path, format=kind)
    with pytest.raises(DataError, match=r"has \d+ .* where a mask has two") as error:
        data.read_mask(path)
    words = str(error.value)
    assert f"has {len(np.unique(values))} " in words
    how = words.partition("where mask is ")[2].rstrip(".")
    with Image.open(path) as image:
        mask = eval(how, {"np": np, "image": image})
    hard = eval(words.partition("`")[2].partition("`")[0], {"mask": mask})
    Image.fromarray(hard).save(tmp_path / "b_mask.png")
    np.testing.assert_array_equal(data.read_mask(tmp_path / "b_mask.png"), hard)
    assert hard.any() and not hard.all() and not hard[~DRAWN].any()


@pytest.mark.parametrize("values", [(0, 1, 255), (1, 2, 3), (0, 38, 75, 220)])
def test_a_mask_of_a_few_classes_is_refused_by_their_values_and_no_threshold_is_guessed(values, tmp_path):
    """With a border of 255 that counts as neither, or one number a class: the brightest need not be the car."""
    codes = np.zeros(DRAWN.shape, np.uint8) + np.uint8(values[0])
    for k, value in enumerate(values[1:]):
        codes[k :: len(values)] = value
    Image.fromarray(codes).save(tmp_path / "a_mask.png")
    with pytest.raises(DataError, match=r"has the values .* where a mask has two") as error:
        data.read_mask(tmp_path / "a_mask.png")
    words = str(error.value)
    for value in values:
        assert f" {value} ({100 * (codes == value).mean():.1f} %)" in words
    assert f"--car {values[-1]} or --car {values[1]},{values[-1]} " in words and ">" not in words


def png(values: np.ndarray, bits: int, kind: int, clear: tuple[int, ...] = ()) -> bytes:
    """A PNG of (H, W, bands) numbers; kinds are 0 grey, 2 RGB, 4 grey and transparency, 6 RGBA.

    Pillow writes no colours of 16 bits.
    """

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = values.shape[:2]
    rows = []
    for row in values.reshape(height, -1):
        single = (row[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)
        rows.append(b"\0" + np.packbits(single).tobytes())
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
        + (chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b"")
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )


def tiff(values: np.ndarray, packed: bool, order: str = "<", photometric: int = 2) -> bytes:
    """A TIFF of (H, W, bands) numbers of 16 bits: 2 is RGB, 5 is CMYK; with more than three RGB bands, transparency."""
    content = values.astype(order + "u2").tobytes()
    content = zlib.compress(content) if packed else content
    height, width, bands = values.shape
    bits_at = 8 + len(content) + len(content) % 2
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, bands, bits_at), (259, 3, 1, 8 if packed else 1),
            (262, 3, 1, photometric), (273, 4, 1, 8), (277, 3, 1, bands), (278, 4, 1, height),
            (279, 4, 1, len(content))]  # fmt: skip
    if bands == 4 and photometric == 2:
        tags.append((338, 3, 1, 2))
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", bits_at + 2 * bands)
    out += content + b"\0" * (len(content) % 2) + struct.pack(f"{order}{bands}H", *[16] * bands)
    out += struct.pack(order + "H", len(tags))
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        out += struct.pack(order + ("HHIHH" if short else "HHII"), tag, kind, count, *[value, 0] if short else [value])
    return out + b"\0" * 4


def colours(mask: np.ndarray, values: Values, bands: int) -> np.ndarray:
    return np.repeat(np.where(mask, values[1], values[0]).astype(np.uint16)[..., None], bands, axis=2)


def opaque(drawn: np.ndarray, alpha: int = 65535) -> np.ndarray:
    return np.concatenate([drawn, np.full((*drawn.shape[:2], 1), alpha, np.uint16)], axis=2)


WIDE = {
    "rgb": lambda m, v: png(colours(m, v, 3), 16, 2),
    "rgba": lambda m, v: png(opaque(colours(m, v, 3)), 16, 6),
    "rgba, all transparent": lambda m, v: png(opaque(colours(m, v, 3), 0), 16, 6),
    "grey and transparency": lambda m, v: png(opaque(colours(m, v, 1)), 16, 4),
    "alpha alone": lambda m, v: png(np.dstack([0 * colours(m, v, 3), colours(m, v, 1)]), 16, 6),
    "alpha of grey": lambda m, v: png(np.dstack([0 * colours(m, v, 1), colours(m, v, 1)]), 16, 4),
    "alpha of a photo": lambda m, v: png(np.dstack([photo(m.shape) * np.uint16(257), colours(m, v, 1)]), 16, 6),
    "rgb, one colour is transparent": lambda m, v: png(colours(m, v, 3), 16, 2, clear=(v[0],) * 3),
    "rgb in tiff": lambda m, v: tiff(colours(m, v, 3), packed=False),
    "rgb in tiff, large numbers first": lambda m, v: tiff(colours(m, v, 3), packed=False, order=">"),
    "rgb in tiff, packed": lambda m, v: tiff(colours(m, v, 3), packed=True),
    "rgb in tiff, large numbers first, packed": lambda m, v: tiff(colours(m, v, 3), packed=True, order=">"),
    "rgba in tiff": lambda m, v: tiff(opaque(colours(m, v, 3)), packed=False),
}
WIDE_PAIRS = [*PAIRS, (0, 65535), (256, 257), (1000, 65535), (0, 256), (65534, 65535)]


def read_bytes(content: bytes, tmp_path: Path) -> np.ndarray:
    (tmp_path / "a_mask.png").write_bytes(content)
    return data.read_mask(tmp_path / "a_mask.png")


@pytest.mark.parametrize("form", list(WIDE))
@pytest.mark.parametrize("values", WIDE_PAIRS)
def test_colours_of_16_bits_are_read_whole(form, values, tmp_path):
    np.testing.assert_array_equal(read_bytes(WIDE[form](DRAWN, values), tmp_path), DRAWN)


@pytest.mark.parametrize("form", ["rgb", "rgba", "grey and transparency", "rgb in tiff"])
def test_one_value_of_16_bits_is_taken_as_in_grey(form, tmp_path):
    for value in (0, 1, 255, 65535):
        mask = read_bytes(WIDE[form](DRAWN, (value, value)), tmp_path)
        np.testing.assert_array_equal(mask, np.full(DRAWN.shape, value > 0))
    for value in (2, 256, 257, 511, 65280):
        with pytest.raises(DataError, match="one value everywhere, neither black nor white"):
            read_bytes(WIDE[form](DRAWN, (value, value)), tmp_path)


HELD = "holds 16 bits per colour, of which only 8 are read; save it again as 8-bit grey"


def several_colours(step: int) -> np.ndarray:
    return np.repeat((np.arange(12)[None] * step * DRAWN).astype(np.uint16)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(png(several_colours(5000), 16, 2), r"has \d+ grey values where a mask has two", id="soft"),
        pytest.param(png(several_colours(20), 16, 2), HELD, id="soft in the low byte"),
        pytest.param(png(np.where(DRAWN[..., None], [2600, 0, 0], [0, 800, 2700]), 16, 2),
                     "has two colours that are equally bright", id="equally bright"),
        pytest.param(tiff(colours(DRAWN, (0, 1), 4), packed=False, photometric=5), HELD, id="cmyk"),
        pytest.param(b"P6 12 9 65535\n" + colours(DRAWN, (0, 1), 3).astype(">u2").tobytes(), HELD, id="ppm"),
    ],
)  # fmt: skip
def test_colours_of_16_bits_that_are_no_mask_or_cannot_be_read_are_refused(content, words, tmp_path):
    with pytest.raises(DataError, match=rf"a_mask\.png {words}"):
        read_bytes(content, tmp_path)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_grey_of_few_bits_is_the_one_in_the_pixels(bits, tmp_path):
    most = 2**bits - 1
    drawn = np.where(DRAWN, most, 0)[..., None]
    np.testing.assert_array_equal(read_bytes(png(drawn, bits, 0, clear=(0,)), tmp_path), DRAWN)
    with pytest.raises(DataError, match="its colours draw one and its transparency another"):
        read_bytes(png(drawn, bits, 0, clear=(most,)), tmp_path)
    seen = data.read_photo(tmp_path / "a_mask.png")  # on white paper, what is transparent is white
    np.testing.assert_array_equal(seen, np.repeat(np.where(DRAWN, 255, 0).astype(np.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize(("bits", "kind", "clear"), [(2, 0, (1,)), (4, 0, (1,)), (16, 2, (9 << 8, 9 << 8, 9 << 8))])
def test_what_is_transparent_in_a_photo_of_other_bits_is_white(bits, kind, clear, tmp_path):
    bands = 3 if kind == 2 else 1
    drawn = np.where(DRAWN[..., None], clear[0], 0) + np.zeros((1, 1, bands), int)
    (tmp_path / "a.png").write_bytes(png(drawn, bits, kind, clear=clear))
    np.testing.assert_array_equal(data.read_photo(tmp_path / "a.png"), np.where(DRAWN[..., None], 255, [0, 0, 0]))


def test_a_photo_of_16_bits_a_colour_is_read_by_its_high_bytes(tmp_path):
    pixels = photo(DRAWN.shape)
    for content in (png(pixels * np.uint16(257), 16, 2), tiff(pixels * np.uint16(257), packed=False)):
        (tmp_path / "a.png").write_bytes(content)
        np.testing.assert_array_equal(data.read_photo(tmp_path / "a.png"), pixels)


few = st.sampled_from([0, 1, 2, 128, 254, 255])
anything = st.sampled_from([("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("CMYK", 4), ("P", 1)]).flatmap(
    lambda form: st.tuples(st.just(form[0]), arrays.arrays(np.uint8, (3, 4, form[1]), elements=few, fill=few))
)


@given(anything, st.none() | st.integers(0, 255) | st.binary(min_size=1, max_size=4), st.sampled_from(["PNG", "GIF"]))
@example(("CMYK", np.array([[[k % 3, 255, 255, 255] for k in range(4)]] * 3, np.uint8)), None, "PNG")
@settings(max_examples=250, deadline=None)
def test_any_pixels_are_a_mask_or_one_sentence(drawn, transparency, kind):
    mode, pixels = drawn
    if mode == "P":
        image = palette(pixels[..., 0] % 4, BLACK, WHITE, BLACK, RED)
    else:
        image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)
    if mode in ("LA", "RGBA", "CMYK"):
        kind = "TIFF"
    options = {"transparency": transparency} if transparency is not None and mode == "P" else {}
    if kind == "GIF" and isinstance(transparency, bytes):
        options = {}
    try:
        mask = read(image, kind, options)
    except DataError as error:
        assert "a_mask.png " in str(error) and str(error).isprintable() and str(error).endswith(".")
    else:
        assert mask.shape == (3, 4) and set(np.unique(mask)) <= {0, 1}


def test_a_photo_without_a_mask_has_none_to_be_read(make_folder):
    bare = data.CarFolder(make_folder(), masks=None)
    with pytest.raises(DataError, match=r'has no mask: open its folder with masks="train_masks"'):
        data.read_mask(bare[0].mask)
