"""Masks of several classes and with soft edges: what is asked for is car, and what is not clear is told with a cure."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, features
from samples import draw_pair

from carvana_lessons import data
from carvana_lessons.data.mask_rule import MaskRule, mask_rule
from carvana_lessons.utils.errors import ArgumentError, DataError

CLASSES = np.arange(6 * 8).reshape(6, 8) % 4  # 0 to 3, each in a quarter of the pixels
COLORS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 128]], np.uint8)
RAMP = np.linspace(0, 1, 6 * 8).reshape(6, 8)
PHOTO = draw_pair((8, 6), np.random.default_rng(0))[0]


def palette(classes: np.ndarray) -> Image.Image:
    image = Image.fromarray(classes.astype(np.uint8))
    image.putpalette(COLORS.ravel().tolist())
    return image


#: Images of the four classes, and the names that their values have.
KINDS = {
    "grey.png": (Image.fromarray(CLASSES.astype(np.uint8)), ["0", "1", "2", "3"]),
    "grey.bmp": (Image.fromarray(CLASSES.astype(np.uint8)), ["0", "1", "2", "3"]),
    "16 bits.png": (Image.fromarray((CLASSES * 300).astype(np.uint16)), ["0", "300", "600", "900"]),
    "float.tif": (Image.fromarray(CLASSES.astype(np.float32)), ["0", "1", "2", "3"]),
    "opaque.png": (Image.fromarray(np.dstack([CLASSES] * 3 + [0 * CLASSES + 255]).astype(np.uint8)), list("0123")),
    "palette.png": (palette(CLASSES), ["0", "1", "2", "3"]),
    "palette.gif": (palette(CLASSES), ["0", "1", "2", "3"]),
    "rgb.png": (Image.fromarray(COLORS[CLASSES]), ["#000000", "#ff0000", "#00ff00", "#000080"]),
    "rgb.webp": (Image.fromarray(COLORS[CLASSES]), ["#000000", "#ff0000", "#00ff00", "#000080"]),
}


def save(folder: Path, name: str, image: Image.Image) -> Path:
    image.save(folder / name, **({"lossless": True} if name.endswith("webp") else {}))
    return folder / name


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("chosen", [(0,), (1,), (3,), (1, 2), (0, 1, 3)])
def test_exactly_the_values_that_are_named_are_car(kind, chosen, tmp_path):
    image, names = KINDS[kind]
    path = save(tmp_path, kind, image)
    wanted = np.isin(CLASSES, chosen)
    mask = data.read_mask(path, mask_rule(",".join(names[k] for k in chosen)))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, wanted)


def test_a_colour_is_found_in_a_palette_and_grey_as_a_colour(tmp_path):
    red = data.read_mask(save(tmp_path, "a.png", KINDS["palette.png"][0]), mask_rule("#FF0000"))
    np.testing.assert_array_equal(red, CLASSES == 1)
    grey = data.read_mask(save(tmp_path, "b.png", KINDS["grey.png"][0]), mask_rule([(2, 2, 2), "#010101"]))
    np.testing.assert_array_equal(grey, np.isin(CLASSES, (1, 2)))
    # A number is no colour by chance: 255 of 16 bits is not white, and red is in no grey image.
    assert not data.read_mask(save(tmp_path, "c.png", KINDS["grey.png"][0]), mask_rule("#020000")).any()


@pytest.mark.parametrize("kind", list(KINDS))
def test_more_than_two_values_are_listed_with_their_shares_and_the_cure_works(kind, tmp_path):
    image, names = KINDS[kind]
    path = save(tmp_path, kind, image)
    with pytest.raises(DataError, match="where a mask has two: name those that are car") as error:
        data.read_mask(path)
    words = str(error.value)
    assert len(words.splitlines()) == 1 and words.startswith(str(path))
    for name in names:
        assert f" {name} (25.0 %)" in words
    typed = words.partition("--car ")[2].split(" ")[0].strip("'")  # the first example, as it is told
    assert data.read_mask(path, mask_rule(typed)).mean() == 0.25


def test_a_rare_value_is_not_told_as_none(tmp_path):
    values = np.zeros((100, 100), np.uint8)
    values[50:] = 255
    values[0, 0] = 7
    with pytest.raises(DataError, match=r"0 \(50\.0 %\), 7 \(under 0\.1 %\), 255 \(50\.0 %\) where"):
        data.read_mask(save(tmp_path, "a.png", Image.fromarray(values)))


SOFT = {
    "grey.png": (RAMP * 255).astype(np.uint8),
    "dark.png": (RAMP * 200).astype(np.uint8),
    "16 bits.png": (RAMP * 65535).astype(np.uint16),
    "float.tif": RAMP.astype(np.float32),
    "float of bytes.tif": (RAMP * 255).astype(np.float32),
    "rgb.png": np.dstack([(RAMP * 255).astype(np.uint8)] * 3),
    "alpha.png": np.dstack([PHOTO, (RAMP * 255).astype(np.uint8)]),
    "alpha.webp": np.dstack([PHOTO, (RAMP * 255).astype(np.uint8)]),
}
HALF = {"16 bits.png": 32767.5, "float.tif": 0.5}


@pytest.mark.parametrize("kind", list(SOFT))
def test_soft_edges_are_refused_and_cut_at_one_half_on_request(kind, tmp_path):
    """One half of what is white, not of what this mask holds: a dark one is not stretched."""
    values = SOFT[kind]
    path = save(tmp_path, kind, Image.fromarray(values))
    with pytest.raises(DataError, match=r"has \d+ .* where a mask has two, .* cut at one half with --soft \(soft=True"):
        data.read_mask(path)
    last = values if values.ndim == 2 else values[..., -1]
    mask = data.read_mask(path, MaskRule(soft=True))
    np.testing.assert_array_equal(mask, last > HALF.get(kind, 127.5))
    assert mask.any() and not mask.all()


hard = arrays.arrays(bool, (5, 7)).filter(lambda mask: mask.any() and not mask.all())


@given(hard, st.sampled_from([(0, 1), (0, 255)]), st.sampled_from(["L", "RGB", "alpha", "gif"]))
@settings(max_examples=40, deadline=None)
def test_asked_to_cut_a_mask_of_two_values_is_as_it_was(mask, values, form):
    codes = np.where(mask, values[1], values[0]).astype(np.uint8)
    image = {
        "L": Image.fromarray(codes),
        "gif": Image.fromarray(codes),
        "RGB": Image.fromarray(np.dstack([codes] * 3)),
        "alpha": Image.fromarray(np.dstack([np.full((5, 7, 3), 9, np.uint8), codes])),
    }[form]
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder), "a.gif" if form == "gif" else "a.png", image)
        np.testing.assert_array_equal(data.read_mask(path, MaskRule(soft=True)), mask)


def test_a_mask_saved_as_jpeg_is_cut_back_to_what_it_was(tmp_path):
    drawn = draw_pair((64, 48), np.random.default_rng(1))[1]
    for kind in ["JPEG", *(["AVIF"] if features.check("avif") else [])]:
        Image.fromarray(drawn * np.uint8(255)).convert("RGB").save(tmp_path / "a", kind, quality=90)
        np.testing.assert_array_equal(data.read_mask(tmp_path / "a", MaskRule(soft=True)), drawn)
    empty = np.random.default_rng(0).integers(0, 4, (48, 64)).astype(np.uint8)  # what JPEG may make of black
    assert not data.read_mask(save(tmp_path, "b.png", Image.fromarray(empty)), MaskRule(soft=True)).any()


def test_soft_edges_in_colour_are_not_guessed(tmp_path):
    red = np.dstack([(RAMP * 255).astype(np.uint8), np.zeros((6, 8, 2), np.uint8)])
    with pytest.raises(DataError, match="soft edges in colour"):
        data.read_mask(save(tmp_path, "a.png", Image.fromarray(red)), MaskRule(soft=True))


@pytest.mark.parametrize(
    ("typed", "car"),
    [
        (None, None),
        (1, (1,)),
        (np.uint8(3), (3,)),
        ("3, 1", (1, 3)),
        ("1,#FF0000", (1, (255, 0, 0))),
        ([(0, 0, 128)], ((0, 0, 128),)),
        ((255, 0, 0), (0, 255)),
    ],
)
def test_how_values_are_named(typed, car):
    assert mask_rule(typed) == (None if car is None else MaskRule(car))


@pytest.mark.parametrize(
    "typed", ["", ",", "red", "#ff00", "-1", -1, "1.5", 1.5, True, [], 65536, [(1, 2)], [(0, 0, 256)]]
)
def test_what_names_no_value_is_one_sentence(typed):
    with pytest.raises(ArgumentError, match=r"write values, 1 or 1,3, or colours, '#ff0000' for red") as error:
        mask_rule(typed)
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(ArgumentError, match="take one of the two"):
        mask_rule(1, soft=True)


def test_three_numbers_are_no_colour_and_a_mask_in_colours_says_so(tmp_path):
    """`car=(255, 0, 0)` for red would make all of a grey mask car."""
    path = save(tmp_path, "a.png", KINDS["rgb.png"][0])
    with pytest.raises(DataError, match=r"holds the colours .*#ff0000 \(25\.0 %\).* and no numbers; .*--car '#ff0000'"):
        data.read_mask(path, mask_rule((255, 0, 0)))


def folder_of(root: Path, masks: list[np.ndarray]) -> Path:
    (root / "photos").mkdir(parents=True)
    (root / "masks").mkdir()
    for k, mask in enumerate(masks):
        Image.fromarray(PHOTO).save(root / "photos" / f"{k}.png")
        Image.fromarray(mask).save(root / "masks" / f"{k}.png")
    return root


@pytest.mark.filterwarnings("ignore:No group is named")
def test_a_rule_by_which_no_mask_has_any_car_is_refused(tmp_path):
    """A typing error would train on empty masks."""
    root = folder_of(tmp_path / "a", [np.where(k < CLASSES, 255, 0).astype(np.uint8) for k in range(3)])
    with pytest.raises(
        DataError, match=r"No mask of .*a has any car, where car is 1: 0\.png holds 255 \(75\.0 %\), 0 \("
    ):
        data.open_folder(root, car=1)
    cars = data.open_folder(root, car=255)
    assert [data.read_mask(photo).mean() for photo in cars] == [0.75, 0.5, 0.25]
    seldom = folder_of(tmp_path / "b", [np.zeros((6, 8), np.uint8)] * 5 + [CLASSES.astype(np.uint8)])
    assert data.read_mask(data.open_folder(seldom, car="2")[5]).mean() == 0.25  # a photo without car is no error


@pytest.mark.filterwarnings("ignore:No group is named")
def test_masks_that_each_hold_another_class_are_noted(tmp_path):
    """Each has two values, and the brighter one is not always the car."""
    masks = [np.where(CLASSES == 1, value, 0).astype(np.uint8) for value in (15, 7, 15)]
    with pytest.warns(UserWarning, match=r"not always the same one: 15 in 0\.png, 7 in 1\.png\. If they are classes"):
        data.open_folder(folder_of(tmp_path / "classes", masks))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "No group is named")
        data.open_folder(tmp_path / "classes", car=7)
        data.open_folder(
            folder_of(tmp_path / "plain", [np.where(CLASSES == 1, v, 0).astype(np.uint8) for v in (1, 255)])
        )


@pytest.mark.filterwarnings("ignore:No group is named")
def test_the_rule_goes_with_the_photo_and_copies_under_two_rules_stand_side_by_side(tmp_path, own_cache):
    root = folder_of(tmp_path / "a", [np.roll(CLASSES, k).astype(np.uint8) for k in range(4)])
    seen = {}
    for car in ("1", "2,3"):
        cars = data.open_folder(root, car=car)
        for part in (cars, cars[1:], cars.subset([3, 0])):
            for k, photo in enumerate(part):
                mask = data.read_mask(photo)
                np.testing.assert_array_equal(
                    mask, np.isin(np.roll(CLASSES, photo.index), [int(v) for v in car.split(",")])
                )
                _, y = data.CarDataset(part, size=(6, 8))[k]
                np.testing.assert_array_equal(y[0].numpy(), mask)
                np.testing.assert_array_equal(data.read_pair(photo, (6, 8))[1], mask)
        seen[car] = (cars.fingerprint, data.cache(cars, (6, 8)))
    assert len(set(seen.values())) == 2 and all(folder.is_dir() for _, folder in seen.values())
    before = {p: p.stat().st_mtime_ns for p in own_cache.rglob("*.npy")}
    data.cache(data.open_folder(root, car=1), (6, 8))
    assert {p: p.stat().st_mtime_ns for p in own_cache.rglob("*.npy")} == before, "nothing is decoded again"


def test_the_rule_holds_in_kaggles_layout_too(make_folder):
    root = make_folder()
    for gif in list((root / "train_masks").iterdir()):
        mask = data.read_mask(gif)
        gif.unlink()
        mask[:4, :4] = 2
        Image.fromarray(mask).save(gif.with_suffix(".png"))
    with pytest.raises(DataError, match=r"has the values 0 .*, 1 .*, 2 "):
        data.CarDataset(data.open_folder(root), size=(32, 48), cached=False)[0]
    cars = data.open_folder(root, car=1)
    assert cars.unit == "car" and len(cars.ids) == 2
    assert set(np.unique(data.read_mask(cars[0]))) == {0, 1} and not data.read_mask(cars[0])[:4, :4].any()
