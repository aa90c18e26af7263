"""Any folder of photos and masks: found by name, told apart, never divided within a group, read as Kaggle's is."""

import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from samples import Brightness, draw_pair, save_mask

from carvana_lessons import data, show
from carvana_lessons.comparison import Protocol, compare
from carvana_lessons.data import find_pairs, open_folder
from carvana_lessons.evaluation import evaluate, evaluate_folder, held_out, tables
from carvana_lessons.prediction.trained import load_trained
from carvana_lessons.training import train_folder
from carvana_lessons.utils.errors import ArgumentError, CarvanaError, DataError

pytestmark = pytest.mark.filterwarnings("ignore:No group is named")
RNG = np.random.default_rng(0)
IMAGE, MASK = draw_pair((24, 16), RNG)
PHOTO_ENDINGS, MASK_ENDINGS = [".jpg", ".JPG", ".jpeg", ".webp"], [".png", ".PNG", ".tif", ".bmp", ".gif"]


def photo(path: Path, size: tuple[int, int] = (24, 16), seed: int = 0, turn: int = 1) -> np.ndarray:
    """A photo's file; its mask comes back. ``turn``: EXIF's orientation, size is that of the stored pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image, mask = draw_pair(size, np.random.default_rng(seed))
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(image).save(path, **({"exif": exif} if turn > 1 else {}))
    return mask


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask * np.uint8(255)).save(path)


def plant(root: Path, tree: list[str]) -> Path:
    """Files of these names: photos, but masks where a name says so or is a .png; what is no picture holds a word."""
    for name in tree:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".jpg", ".jpeg", ".webp"):
            Image.fromarray(IMAGE).save(path)
        elif path.suffix.lower() in (".png", ".tif", ".bmp", ".gif"):
            Image.fromarray(MASK * np.uint8(255)).save(path)
        else:
            path.write_text("words", encoding="utf-8")
    return root


def pairs_of(root: Path, masks: Path | None = None) -> dict[str, tuple[str, str]]:
    """What was found: by name, paths within the folder."""
    found = find_pairs(root, masks)
    return {p.name: (p.image.relative_to(root).as_posix(), p.mask.relative_to(masks or root).as_posix())
            for p in found.pairs}  # fmt: skip


LAYOUTS = {
    "one folder, another ending": {
        "IMG_001": ("IMG_001.JPG", "IMG_001.png"),
        "IMG_002": ("IMG_002.jpg", "IMG_002.PNG"),
    },
    "one folder, words at both ends": {
        "IMG_001": ("IMG_001.jpg", "IMG_001_mask.png"),
        "IMG_002": ("IMG_002.jpg", "mask_IMG_002.png"),
        "IMG_003": ("IMG_003.jpg", "IMG_003-label.png"),
        "IMG_004": ("IMG_004.jpg", "IMG_004.jpg.png"),
        "IMG_005": ("IMG_005.jpg", "IMG_005.JPG_mask.png"),
        "my car": ("my car.webp", "my car segmentation.tif"),
    },
    "masks below the photos": {"a": ("a.jpg", "masks/a.tif"), "b": ("b.jpg", "masks/b_mask.png")},
    "two folders": {"1": ("images/1.jpg", "masks/1.png"), "2": ("images/2.jpg", "masks/2.png")},
    "two folders with sub-folders": {
        "a/1": ("images/a/1.jpg", "masks/a/1.png"),
        "b/1": ("images/b/1.jpg", "masks/b/1.png"),
        "b/c/1": ("images/b/c/1.jpg", "masks/b/c/1.gif"),
    },
    "folders of each scene": {
        "bear/rgb/0": ("bear/rgb/0.jpg", "bear/gt/0.png"),
        "swan/rgb/0": ("swan/rgb/0.jpg", "swan/gt/0.png"),
    },
    "parts of a data set": {
        "train/x": ("train/x.jpg", "train_masks/x_mask.png"),
        "val/x": ("val/x.jpg", "val_masks/x_mask.png"),
    },
    "photos in folders, masks in one": {
        "a/1": ("photos/a/1.jpg", "masks/1.png"),
        "b/2": ("photos/b/2.jpg", "masks/2.png"),
    },
    "other words for both": {
        "image_1": ("images/image_1.jpg", "labels/label_1.png"),
        "image_2": ("images/image_2.jpg", "labels/label_2.png"),
    },
    "a word that nobody knows": {"x1": ("x1.jpg", "x1_voiture.png"), "x2": ("x2.jpg", "x2_voiture.png")},
    "a word that nobody knows, two folders": {
        "x1": ("photos/x1.jpg", "masks/voiture-x1.png"),
        "x2": ("photos/x2.jpg", "masks/voiture-x2.png"),
    },
    "capitals": {"Auto": ("photos/Auto.jpg", "masks/AUTO.png"), "b": ("photos/b.jpg", "masks/B_Mask.png")},
    "names that differ in capitals alone": {"a": ("photos/a.jpg", "masks/a.png"), "A": ("photos/A.jpg", "masks/A.png")},
    "a photo that is called a mask": {
        "mask_of_zorro": ("mask_of_zorro.jpg", "mask_of_zorro_mask.png"),
        "x_mask": ("x_mask.jpg", "x_mask_mask.png"),
    },
    "numbers that begin alike": {
        "1": ("photos/1.jpg", "masks/1.png"),
        "11": ("photos/11.jpg", "masks/11.png"),
        "1_1": ("photos/1_1.jpg", "masks/1_1.png"),
    },
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_photos_find_their_masks(layout, tmp_path):
    wanted = LAYOUTS[layout]
    plant(tmp_path, [name for pair in wanted.values() for name in pair])
    assert pairs_of(tmp_path) == wanted
    found = find_pairs(tmp_path)
    assert not (found.without_mask or found.without_photo or found.ambiguous or found.skipped or found.grouped)
    assert [p.group for p in found.pairs] == [p.name for p in found.pairs] == sorted(wanted)
    cars = open_folder(tmp_path)
    assert [p.name for p in cars] == sorted(wanted) and cars.unit == "photo"
    np.testing.assert_array_equal(data.read_mask(cars[0]), MASK)


word = st.text("abcxyzäß019", min_size=1, max_size=4)


@given(
    names=st.sets(st.tuples(st.lists(word, max_size=2).map(tuple), word), min_size=1, max_size=6),
    before=st.sampled_from(["", "mask_", "label-", "gt."]),
    after=st.sampled_from(["", "_mask", "-seg", " labels", ".jpg"]),
    ending=st.sampled_from(MASK_ENDINGS),
    apart=st.booleans(),
    given_apart=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_names_every_mask_is_its_own_photos(tmp_path, names, before, after, ending, apart, given_apart):
    """By a rule that writes names, which the code that reads them does not know."""
    root = tmp_path / "any"
    shutil.rmtree(root, ignore_errors=True)
    wanted = {}
    for folders, name in names:
        inner = "/".join([*folders, ""])
        image = f"{'photos/' if apart else ''}{inner}{name}.jpg"
        mask = f"{'masks/' if apart else ''}{inner}{before}{name}{after}{ending}"
        wanted[inner + name] = (image, mask)
        for path in (root / image, root / mask):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")  # no file is opened
    found = find_pairs(root / "photos", root / "masks") if apart and given_apart else find_pairs(root)
    assert {
        p.name: (p.image.relative_to(root).as_posix(), p.mask.relative_to(root).as_posix()) for p in found.pairs
    } == wanted
    assert not (found.without_mask or found.without_photo or found.ambiguous)


def test_what_is_not_paired_is_counted_by_what_it_is(tmp_path):
    root = plant(
        tmp_path,
        [
            *("images/a.jpg", "masks/a.png", "images/b.jpg", "masks/c.png", "images/d.jpg", "masks/d.png"),
            *("masks/d_mask.png", "images/._a.jpg", "images/.DS_Store", "Thumbs.db", "__MACOSX/images/a.jpg"),
            *("images/notes.txt", "images/e.CR2", ".git/x.jpg", "images/.thumb.jpg"),
        ],
    )
    found = find_pairs(root)
    assert [p.name for p in found.pairs] == ["a"]
    assert [p.name for p in found.without_mask] == ["b.jpg"] and [p.name for p in found.without_photo] == ["c.png"]
    assert [(p.name, [m.name for m in masks]) for p, masks in found.ambiguous] == [("d.jpg", ["d.png", "d_mask.png"])]
    assert {reason: sorted(p.name for p in paths) for reason, paths in found.skipped.items()} == {
        "hidden": [".git", ".thumb.jpg"],
        "left by a system": [".DS_Store", "._a.jpg", "Thumbs.db", "__MACOSX"],
        "no picture": ["notes.txt"],
        "a format that is not read": ["e.CR2"],
    }
    with pytest.raises(
        DataError, match=r"d\.jpg has several masks, .*d\.png, .*d_mask\.png: name the folder .*--masks"
    ):
        open_folder(root)
    (root / "masks" / "d_mask.png").unlink()
    with pytest.warns(UserWarning) as notes:
        cars = open_folder(root)
    told = "\n".join(str(note.message) for note in notes)
    assert [p.name for p in cars] == ["a", "d"]
    assert "Photos without a mask are left out: b.jpg (1 of 3)." in told
    assert "Masks without a photo are left out: c.png (1 of 3)." in told
    assert "Left out: 1 file of a format that is not read, e.CR2 (save them as JPEG or PNG)." in told
    assert r"No group is named" in told and r"--group '(.+)_\d+'" in told


def test_a_number_is_no_word_beside_a_name(tmp_path):
    """Mask 1_2 is not that of photo 1, whose own is missing."""
    found = find_pairs(plant(tmp_path, ["photos/1.jpg", "masks/1_2.png", "photos/3.jpg", "masks/3.png"]))
    assert [p.name for p in found.pairs] == ["3"]
    assert [p.name for p in found.without_mask] == ["1.jpg"] and [p.name for p in found.without_photo] == ["1_2.png"]


def test_one_mask_is_not_shared_by_two_photos_that_only_seem_alike(tmp_path):
    tree = ["a/img_1.jpg", "a/photo_1.jpg", "a/mask_1.png", "b/A.jpg", "b/a.jpg", "b/a_mask.png"]
    found = find_pairs(plant(tmp_path, tree))
    assert [(p.name, p.mask.name) for p in found.pairs] == [("b/a", "a_mask.png")]
    assert [p.name for p in found.without_mask] == ["img_1.jpg", "photo_1.jpg", "A.jpg"]


def test_one_picture_in_two_formats_is_one_group(tmp_path):
    found = find_pairs(plant(tmp_path, ["photos/1.jpg", "photos/1.webp", "masks/1.png", "photos/2.jpg", "masks/2.png"]))
    assert [(p.name, p.group) for p in found.pairs] == [("1.jpg", "1"), ("1.webp", "1"), ("2", "2")]


def test_a_folder_of_kaggles_that_is_not_in_order_is_told_as_such(make_folder):
    root = make_folder()
    with pytest.raises(DataError, match=r"it seems to be such a folder itself; give its parent"):
        open_folder(root / "train")
    (root / "train").rename(root / "Train")
    (root / "train_masks").rename(root / "other")
    with pytest.raises(DataError, match=r"rename Train to train"):
        open_folder(root)


def test_a_word_that_few_names_share_is_no_rule(tmp_path):
    found = find_pairs(plant(tmp_path, [*(f"photos/{n}.jpg" for n in "abc"), "masks/a_red.png"]))
    assert not found.pairs and len(found.without_mask) == 3


def test_where_both_could_be_the_photo_the_files_say_which_is(tmp_path):
    for k in range(3):
        Image.fromarray(draw_pair((24, 16), np.random.default_rng(k))[0]).save(tmp_path / f"{k}.png")
        save(tmp_path / f"{k}.bmp", MASK)
    assert pairs_of(tmp_path) == {str(k): (f"{k}.png", f"{k}.bmp") for k in range(3)}


def test_the_folder_of_the_masks_may_lie_anywhere(tmp_path):
    plant(tmp_path / "in", ["a/1.jpg", "a/labels/1.png", "a/old masks/1.png"])
    plant(tmp_path / "out", ["a/1_mask.png"])
    assert pairs_of(tmp_path / "in" / "a", tmp_path / "out" / "a") == {"1": ("1.jpg", "1_mask.png")}
    found = find_pairs(tmp_path / "in" / "a", tmp_path / "out" / "a")
    assert [p.parent.name for p in found.skipped["a mask beside those that are named"]] == ["labels", "old masks"]
    cars = open_folder(tmp_path / "in" / "a", masks=tmp_path / "out" / "a")
    assert [p.mask for p in cars] == [tmp_path / "out" / "a" / "1_mask.png"]
    inside = open_folder(tmp_path / "in" / "a", masks="labels")
    assert [p.mask.parent.name for p in inside] == ["labels"]
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        open_folder(tmp_path / "in", masks="nowhere")


def test_a_link_in_a_circle_ends_and_links_to_folders_are_followed(tmp_path):
    plant(tmp_path / "disk", ["1.jpg", "1_mask.png"])
    root = plant(tmp_path / "photos", ["2.jpg", "2_mask.png"])
    (root / "more").symlink_to(tmp_path / "disk")
    (root / "circle").symlink_to(root)
    assert set(pairs_of(root)) == {"2", "more/1"}


@pytest.mark.parametrize("name", ["empty", "photos alone", "masks alone", "words"])
def test_a_folder_without_pairs_is_one_sentence_with_the_cure(name, tmp_path):
    tree = {"photos alone": ["a.jpg", "b.jpg"], "masks alone": ["masks/a.png"], "words": ["a.txt"]}.get(name, [])
    (tmp_path / name).mkdir()
    plant(tmp_path / name, tree)
    with pytest.raises(
        DataError, match=r"no mask that belongs to a photo: a mask has its photo's name, as in"
    ) as error:
        open_folder(tmp_path / name)
    assert len(str(error.value).splitlines()) == 1


def contents(root: Path) -> dict[str, tuple]:
    return {p.relative_to(root).as_posix(): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else None)
            for p in root.rglob("*")}  # fmt: skip


def mixed(root: Path, groups: int = 6, each: int = 2) -> Path:
    """Photos of every size, portrait and landscape, in sub-folders: images/car2/3.jpg with masks/car2/3.png."""
    for car in range(groups):
        for k in range(each):
            size = [(48, 32), (32, 48), (40, 40), (61, 37)][(car + k) % 4]
            mask = photo(root / "images" / f"car{car}" / f"{k}.jpg", size, seed=10 * car + k)
            save(root / "masks" / f"car{car}" / f"{k}.png", mask)
    return root


def test_train_evaluate_and_compare_take_a_folder_of_pairs(tmp_path, own_cache):
    """Mixed sizes, sub-folders, groups: from the folder to the tables, and nothing is written into it."""
    root = mixed(tmp_path / "own photos")
    before = contents(root)
    cars = open_folder(root, group=r"^(car\d+)/")
    assert len(cars) == 12 and cars.ids == [f"car{k}" for k in range(6)] and cars.unit == "group"
    assert repr(cars) == "CarFolder(own photos: 12 photos of 6 groups, photos)"
    history, unseen = train_folder(cars, tmp_path / "run", "unet-tiny", width=4, size=32, batch_size=4, epochs=2)
    assert len(history) == 2 and len(unseen.ids) == 1 and len(unseen) == 2
    network = load_trained(tmp_path / "run" / "last.safetensors")
    scores, photos = evaluate_folder(network, cars, batch_size=2, out=tmp_path / "scores.csv")
    assert photos.ids == unseen.ids, "what the network was trained on is not scored"
    written = pd.read_csv(tmp_path / "scores.csv")
    assert list(written["name"]) == [p.name for p in unseen] and "/" in written["name"][0]
    for row, one in zip(scores.itertuples(), unseen, strict=True):
        assert row.tp + row.fn == data.read_mask(one).sum(), "at the photo's own size"
    assert set(tables.best(scores)["name"]) == set(tables.worst(scores)["name"]) == {p.name for p in unseen}
    assert list(tables.by(scores, tables.car_colors(unseen))["photos"]) == [2]
    assert show.captions(unseen) == [p.name for p in unseen]
    protocol = Protocol(size=32, width=4, epochs=1, batch_size=4, valid=1 / 3)
    table = compare(cars, tmp_path / "compared", ["unet-tiny"], (0, 1), protocol, speed=False)
    assert list(table["network"]) == ["unet-tiny"]
    by_car = pd.read_csv(tmp_path / "compared" / "cars.csv", dtype=str)
    assert set(by_car["car"]) == set(data.split_by_car(cars, (2 / 3, 1 / 3))[1].ids)
    with pytest.raises(CarvanaError, match=r"holds a comparison with .*digest"):
        compare(open_folder(root), tmp_path / "compared", ["unet-tiny"], (0,), protocol, speed=False)
    assert contents(root) == before


def renamed(root: Path, out: Path) -> Path:
    """The pictures of a folder in Kaggle's layout under other names: photos/ab0 number 01.jpg, the same bytes."""
    for one in data.CarFolder(root):
        name = f"{one.car[-3:]} number {one.view:02}"
        for file, path in ((one.image, out / f"photos/{name}.jpg"), (one.mask, out / f"labels/{name}.mask.gif")):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, path)
    return out


def test_renamed_a_folder_of_kaggles_layout_gives_the_same_tensors_splits_and_scores(make_folder, tmp_path, own_cache):
    root = make_folder(cars=4, views=4)
    kaggle = data.CarFolder(root)
    own = open_folder(renamed(root, tmp_path / "own"), group=r"^(\w+) number")
    assert [p.size for p in own] == [p.size for p in kaggle] and [p.view for p in own] == [p.view for p in kaggle]
    for seed in range(3):
        for a, b in zip(data.split_by_car(kaggle, seed=seed), data.split_by_car(own, seed=seed), strict=True):
            assert [p.index for p in a] == [p.index for p in b]
    for count in (1, 3, 7):
        assert [p.index for p in data.sample_evenly(own, count)] == [p.index for p in data.sample_evenly(kaggle, count)]
    for workers in (0, 2):
        batches = [
            list(data.loader(c, size=(16, 24), batch_size=4, shuffle=True, workers=workers)) for c in (kaggle, own)
        ]
        for (x, y), (u, v) in zip(*batches, strict=True):
            assert torch.equal(x, u) and torch.equal(y, v)
    one, other = (evaluate(Brightness(), c, size=32) for c in (kaggle, own))
    numbers = ["view", "dice", "iou", "tp", "fp", "fn"]
    pd.testing.assert_frame_equal(one[numbers], other[numbers])
    runs = []
    for name, cars in (("kaggle", kaggle), ("own", own)):
        history, _ = train_folder(cars, tmp_path / name, "unet-tiny", width=4, size=32, batch_size=4, epochs=1)
        runs.append(history.frame.drop(columns=["seconds", "images_per_second"]))
    pd.testing.assert_frame_equal(*runs)


def test_kaggles_layout_is_opened_as_such_and_its_names_are_groups_elsewhere(make_folder, tmp_path):
    root = make_folder(cars=2, views=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cars = open_folder(root)
        assert cars.unit == "car" and cars.fingerprint == data.CarFolder(root).fingerprint
        assert len(cars.metadata) == 2
        for file in [*(root / "train").iterdir(), *(root / "train_masks").iterdir()]:
            (tmp_path / "flat").mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / "flat")
        flat = open_folder(tmp_path / "flat")
    assert flat.unit == "group" and flat.ids == cars.ids and len(flat) == 6
    next((root / "train_masks").iterdir()).unlink()
    with pytest.raises(DataError, match="No mask in"):
        open_folder(root)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("(", "is no regular expression"),
        (r"car\d", "has 0 brackets and needs one"),
        (r"(car)(\d)", "has 2 brackets and needs one"),
        (r"^(lorry\d)", r"does not fit car0/0, car0/1, car1/0 and 1 more \(4 of 4 names\)"),
    ],
)
def test_a_pattern_that_is_no_group_is_one_sentence(group, words, tmp_path):
    root = mixed(tmp_path, groups=2)
    with pytest.raises((ArgumentError, DataError), match=words) as error:
        open_folder(root, group=group)
    assert len(str(error.value).splitlines()) == 1


def test_what_a_part_is_made_of_is_said_in_its_own_words(tmp_path):
    grouped, single = open_folder(mixed(tmp_path, groups=2), group="(.+)/"), open_folder(tmp_path)
    with pytest.raises(DataError, match=r"^2 groups cannot fill 3 parts"):
        data.split_by_car(grouped, (0.4, 0.3, 0.3))
    with pytest.raises(DataError, match=r"^4 photos cannot fill 5 parts"):
        data.split_by_car(single, (0.2,) * 5)
    with pytest.raises(DataError, match="No photos here of the groups lorry;"):
        grouped.select(cars="lorry")
    with pytest.raises(DataError, match="A group has the views 1 to 2, not 3"):
        grouped.select(views=3)
    assert [p.name for p in grouped.select(cars="car1", views=2)] == ["car1/1"]
    assert list(grouped.frame()["view"]) == [1, 2, 1, 2] and list(single.frame()["car"]) == [p.name for p in single]
    again = pickle.loads(pickle.dumps(grouped))
    assert [p.image for p in again] == [p.image for p in grouped] and again.fingerprint == grouped.fingerprint


@pytest.mark.parametrize("views", [16, 20, 33, 100])
def test_a_sample_of_a_long_film_is_spread_over_it(views, tmp_path):
    for k in range(views):
        plant(tmp_path, [f"film/{k:03}.jpg", f"film/{k:03}_mask.png"])
    film = open_folder(tmp_path, group="(.+)/")
    chosen = sorted(p.view for p in data.sample_evenly(film, 8))
    assert len(set(chosen)) == 8
    gaps = np.diff([*chosen, chosen[0] + views])
    assert gaps.max() <= views / 3, chosen


def test_other_cars_of_the_same_name_were_not_learned_from_and_copies_were(tmp_path, own_cache):
    """Two folders both have a car0; a folder that was copied and renamed holds what the network has seen."""
    ours, theirs = mixed(tmp_path / "ours", groups=3), tmp_path / "theirs"
    for k, one in enumerate(open_folder(ours)):
        save(theirs / "masks" / f"{one.name}.png", photo(theirs / "images" / f"{one.name}.jpg", seed=99 + k))
    train_folder(open_folder(ours, group="(.+)/"), tmp_path / "run", "unet-tiny", width=4, size=32, epochs=1)
    network = load_trained(tmp_path / "run" / "last.safetensors")
    chosen, note = held_out(open_folder(theirs, group="(.+)/"), [network])
    assert len(chosen) == 6 and note is None
    shutil.copytree(ours, tmp_path / "copy")
    (tmp_path / "copy" / "images" / "car1").rename(tmp_path / "copy" / "images" / "other")
    (tmp_path / "copy" / "masks" / "car1").rename(tmp_path / "copy" / "masks" / "other")
    unseen = data.split_by_car(open_folder(ours, group="(.+)/"), (5 / 6, 1 / 6))[1].ids
    chosen, note = held_out(open_folder(tmp_path / "copy", group="(.+)/"), [network])
    assert chosen.ids == [{"car1": "other"}.get(car, car) for car in unseen] and note is None
    with pytest.raises(DataError, match="holds only groups that the network was trained on"):
        held_out(chosen.whole.select(cars=[c for c in chosen.whole.ids if c not in chosen.ids]), [network])


def test_groups_called_007_and_na_are_not_numbers_and_not_missing(tmp_path, own_cache):
    for k, name in enumerate(["007", "7", "NA", "nan"]):
        save(tmp_path / "own" / f"{name}_1_mask.png", photo(tmp_path / "own" / f"{name}_1.jpg", seed=k))
    cars = open_folder(tmp_path / "own", group="(.+)_1")
    assert cars.ids == ["007", "7", "NA", "nan"]
    compare(cars, tmp_path / "out", ["unet-tiny"], (0,), Protocol(32, 4, 1, 4, valid=0.75), speed=False)
    held = data.split_by_car(cars, (0.25, 0.75))[1].ids
    by_car = pd.read_csv(tmp_path / "out" / "cars.csv", dtype=str, keep_default_na=False)
    assert sorted(by_car["car"]) == held


TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_a_mask_of_the_upright_size_was_drawn_on_the_upright_photo(turn, ending, tmp_path):
    """And one of the stored size on the stored pixels."""
    stored = photo(tmp_path / f"stored{ending}", (24, 16), turn=turn)
    save(tmp_path / "stored_mask.bmp", stored)
    photo(tmp_path / f"upright{ending}", (24, 16), turn=turn)
    upright = np.asarray(Image.fromarray(stored).transpose(getattr(Image.Transpose, TURNS[turn])))
    save(tmp_path / "upright_mask.bmp", upright)
    cars = open_folder(tmp_path)
    assert [p.name for p in cars] == ["stored", "upright"]
    assert [p.upright for p in cars] == [False, True] and [p.size for p in cars] == [(24, 16), (16, 24)]
    for one in cars:
        with Image.open(one.image) as image:
            wanted = np.asarray((ImageOps.exif_transpose(image) if one.upright else image).convert("RGB"))
        np.testing.assert_array_equal(one.read(), wanted)
        assert data.read_mask(one).shape == wanted.shape[:2]
        bright = wanted.sum(axis=2).astype(float)
        inside = data.read_mask(one) > 0
        assert bright[inside].mean() > bright[~inside].mean() + 100, "the mask lies where the car is"
    for one, item in zip(cars, data.CarDataset(cars, size=(12, 12), cached=False), strict=True):
        wanted = data.read_resized(one.image, (12, 12), upright=one.upright)
        np.testing.assert_array_equal((item[0].numpy() * 255).round().transpose(1, 2, 0), wanted)
    scores = evaluate(Brightness(), cars, size=(16, 16), cached=False)
    assert scores.dice[0] == pytest.approx(scores.dice[1], abs=0.1)


@pytest.mark.parametrize("others", ["none", "upright", "stored", "both"])
@pytest.mark.parametrize(("turn", "size"), [(3, (24, 16)), (2, (24, 16)), (6, (16, 16))])
def test_where_a_turn_leaves_the_size_it_is_said_what_was_assumed(others, turn, size, tmp_path):
    """As the other photos of the folder, where all of these agree; else as stored."""
    save(tmp_path / "x_mask.png", photo(tmp_path / "x.jpg", size, turn=turn))
    for k, kind in enumerate({"none": (), "both": ("stored", "upright")}.get(others, (others,))):
        mask = photo(tmp_path / f"{k}.jpg", (24, 16), turn=6)
        save(tmp_path / f"{k}_mask.png", mask if kind == "stored" else np.ascontiguousarray(mask.T))
    words = "turned, as the other turned photos here are" if others == "upright" else "as they are stored"
    with pytest.warns(UserWarning, match=rf"EXIF turns photos .*: x \(1 of \d\)\. They are read {words};"):
        cars = open_folder(tmp_path)
    assert cars[-1].upright is (others == "upright")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((16, 24), r"turn this one by 90 degrees, as it is turned against its photo"),
        ((25, 16), r"crop or pad this one: it differs by a single row or column"),
        ((12, 8), r"resize this one, of the same shape: mask\.resize\(photo\.size, Image\.Resampling\.NEAREST\)"),
        ((48, 32), r"resize this one"),
        ((20, 20), r"mask back\.$"),
    ],
)
def test_a_mask_of_another_size_is_told_with_its_cure(size, words, tmp_path):
    photo(tmp_path / "x.jpg", (24, 16))
    save(tmp_path / "x_mask.png", np.zeros(size[::-1], np.uint8))
    given = rf"another size than its photo: x_mask\.png \({size[0]}×{size[1]}, its photo 24×16\)\. Put .*{words}"
    with pytest.raises(DataError, match=given):
        open_folder(tmp_path)


def test_a_file_that_is_cut_off_is_named(tmp_path):
    plant(tmp_path, ["a.jpg", "a_mask.png", "b.jpg", "b_mask.png"])
    for name in ("a.jpg", "b_mask.png"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"Cut off or not an image: .*a\.jpg, .*b_mask\.png\. Copy"):
        open_folder(tmp_path)


def test_the_fingerprint_follows_files_rule_and_turns_and_not_the_groups(tmp_path):
    root = mixed(tmp_path / "a", groups=2)
    first = open_folder(root).fingerprint
    assert open_folder(root).fingerprint == open_folder(root, group="(.+)/").fingerprint == first
    assert open_folder(root, car=255).fingerprint != first
    save(root / "masks" / "car0" / "0.png", 1 - data.read_mask(root / "masks" / "car0" / "0.png"))
    assert open_folder(root).fingerprint != first


def test_pairs_are_no_folder_to_write_pseudo_labels_of(cars, tmp_path):
    from carvana_lessons.prediction import pseudo_label

    own = open_folder(mixed(tmp_path / "own", groups=2))
    for labelled, unlabelled in ((own, cars), (cars, own)):
        with pytest.raises(DataError, match=r"Kaggle's layout, and .*own is not in it"):
            pseudo_label(Brightness(), labelled, unlabelled, tmp_path / "out", size=16)
    assert not (tmp_path / "out").exists()


def test_real_names_of_a_real_folder(real_photos, tmp_path):
    """The first cars of the challenge in one folder, as somebody may have copied them."""
    for one in real_photos[:32]:
        shutil.copy(one.image, tmp_path / one.image.name)
        save_mask(tmp_path / one.mask.name, data.read_mask(one))
    own = open_folder(tmp_path)
    assert own.ids == real_photos[:32].ids and len(own) == 32


def typed(*words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "carvana_lessons", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")


def test_the_commands_take_the_options_of_a_folder(tmp_path, own_cache):
    root = mixed(tmp_path / "own", groups=4)
    (root / "masks").rename(tmp_path / "drawn")
    for path in (tmp_path / "drawn").rglob("*.png"):  # 0 to 3, of which 2 and 3 are the car
        mask = data.read_mask(path)
        Image.fromarray(2 * mask + np.eye(*mask.shape, dtype=np.uint8)).save(path)
    options = ["--masks", tmp_path / "drawn", "--group", r"(car\d)/", "--car", "2,3"]
    small = ["--size", 32, "--batch-size", 4, "--epochs", 1, "--width", 4]
    run = tmp_path / "run"
    answer = typed("train", root, run, "--network", "unet-tiny", *small, *options)
    assert answer.returncode == 0, answer.stderr
    assert "on 1 held-out group, at 32×32" in answer.stdout and "note:" not in answer.stderr
    answer = typed("evaluate", root, "--weights", run, "--by", "car", "--out", tmp_path / "s.csv", *options)
    assert answer.returncode == 0, answer.stderr
    assert " on 2 photos of 1 group." in answer.stdout
    unclear = typed("evaluate", root, "--weights", run, *options[:4], "--out", tmp_path / "t.csv")
    told = unclear.stderr.splitlines()[-1]
    assert unclear.returncode == 1 and told.startswith("carvana-lessons: ") and "Traceback" not in unclear.stderr
    assert "has the values 0 (" in told and "--car 3 or --car 1,3 for example" in told
    assert not (tmp_path / "t.csv").exists()
    both = typed("compare", root, tmp_path / "c", "--network", "unet-tiny", *small, "--soft", *options)
    assert both.returncode == 1 and "take one of the two" in both.stderr
    alone = typed("evaluate", root, "--weights", run, "--valid", "1", "--masks", tmp_path / "drawn", "--car", "2,3")
    assert "carvana-lessons: note: No group is named" in alone.stderr and "the network was trained on 6" in alone.stderr


def test_chapters_take_it_by_the_environment(tmp_path, own_cache, monkeypatch, capsys):
    from carvana_lessons import course

    root = mixed(tmp_path / "own", groups=3)
    (root / "masks").rename(root / "drawn by hand")
    monkeypatch.setenv("CARVANA_DATA", str(root))
    for name, value in {"MASKS": "drawn by hand", "GROUP": "(.+)/", "CAR": "255"}.items():
        monkeypatch.setenv(f"CARVANA_{name}", value)
    lesson = course.start("01-the-task")
    assert "data: real photos, 3 groups, 6 photos" in capsys.readouterr().out
    assert lesson.data == root and lesson.photos.ids == ["car0", "car1", "car2"]
    assert data.read_mask(lesson.photos[0]).any()
    monkeypatch.delenv("CARVANA_CAR")
    monkeypatch.setenv("CARVANA_SOFT", "yes")
    with pytest.raises(CarvanaError, match="CARVANA_SOFT is 'yes'; set it to 1"):
        course.start("01-the-task")
    monkeypatch.setenv("CARVANA_SOFT", "1")
    monkeypatch.delenv("CARVANA_GROUP")
    with pytest.warns(UserWarning, match="No group is named"):
        course.start("01-the-task")
