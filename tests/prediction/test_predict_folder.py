"""Folders of masks: bad photos do not end them, what is done is not done again, nothing is mixed or mistaken."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import Brightness, bomb, contents

from carvana_lessons.prediction import predict_folder
from carvana_lessons.utils.errors import CarvanaError, DataError


@pytest.fixture(autouse=True)
def quiet():
    """Warnings are looked at where they are meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def folder(tmp_path):
    """21 photos of noise."""
    return fill(tmp_path / "photos", [f"car {k:02}.jpg" for k in range(21)])


def fill(folder: Path, names, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in names:
        Image.fromarray(rng.integers(0, 256, (24, 36, 3), dtype=np.uint8)).save(folder / name)
    return folder


class Counting:
    """How many photos a network was shown."""

    def __init__(self, model):
        self.photos = 0
        model.register_forward_pre_hook(self.count)

    def count(self, _, given):
        self.photos += len(given[0])


def test_photos_that_are_none_are_listed_when_all_others_have_their_mask(folder, tmp_path):
    out = tmp_path / "out"
    predict_folder(Brightness(0.5), folder, tmp_path / "whole", 16, batch_size=4)
    (folder / "car 16.jpg").write_text("a note", encoding="utf-8")
    (folder / "car 03.jpg").write_bytes(b"")
    (folder / "bomb.png").write_bytes(bomb())
    words = r"bomb\.png has more than .* Nor can car 03\.jpg, car 16\.jpg be used\. So 3 of 22 photos got no mask; the"
    with pytest.raises(DataError, match=words) as said:
        predict_folder(Brightness(0.5), folder, out, 16, batch_size=4)
    assert len(str(said.value).splitlines()) == 1
    whole = contents(tmp_path / "whole")
    assert contents(out) == {n: c for n, c in whole.items() if n not in ("car 03_mask.png", "car 16_mask.png")}
    for name in ("bomb.png", "car 03.jpg"):
        (folder / name).unlink()
    with pytest.raises(DataError, match=r"car 16\.jpg cannot be decoded .*So 1 of 20 photos got no mask"):
        predict_folder(Brightness(0.5), folder, out, 16, batch_size=4)


def test_a_photo_that_vanishes_meanwhile_is_one_of_them(folder, tmp_path):
    model = Brightness(0.5)
    model.register_forward_pre_hook(lambda *_: (folder / "car 20.jpg").unlink(missing_ok=True))
    with pytest.raises(DataError, match=r"car 20\.jpg is gone .*1 of 21 photos"):
        predict_folder(model, folder, tmp_path / "out", 16, batch_size=4)
    assert len(contents(tmp_path / "out")) == 20


def test_a_second_call_does_what_is_missing_alone(folder, tmp_path):
    out = tmp_path / "out"
    assert predict_folder(Brightness(0.5), folder, out, 16, batch_size=4) == 21
    whole, times = contents(out), {p: p.stat().st_mtime_ns for p in out.iterdir()}
    model = Brightness(0.5)
    seen = Counting(model)
    assert predict_folder(model, folder, out, 16, batch_size=4) == 0 and seen.photos == 0
    (out / "car 05_mask.png").unlink()
    fill(folder, ["new.jpg"], seed=7)
    assert predict_folder(model, folder, out, 16, batch_size=4) == 2 and seen.photos == 4
    assert contents(out) == whole | {"new_mask.png": (out / "new_mask.png").read_bytes()}
    assert {p: p.stat().st_mtime_ns for p in times if p.name != "car 05_mask.png"}.items() <= times.items()
    assert predict_folder(model, folder, out, 16, cut_outs=True) == 22 and len(contents(out)) == 44
    assert predict_folder(model, folder, out, 16, cut_outs=True) == 0


@pytest.mark.parametrize(
    ("told", "models", "settings"),
    [
        ("other networks", Brightness(0.3), {}),
        ("other networks", [Brightness(0.5), Brightness(0.3)], {}),
        ("size 16×16 then, 20×24 now", Brightness(0.5), {"size": (20, 24)}),
        ("flip off then, on now", Brightness(0.5), {"flip": True}),
    ],
)
def test_masks_of_two_kinds_do_not_mix(folder, tmp_path, told, models, settings):
    out, settings = tmp_path / "out", {"size": 16} | settings
    predict_folder(models, folder, tmp_path / "wanted", **settings)
    predict_folder(Brightness(0.5), folder, out, 16)
    for k in range(9):
        (out / f"car {k:02}_mask.png").unlink()  # as after a kill
    before = contents(out)
    with pytest.raises(
        FileExistsError, match=rf"car 09_mask\.png is there and was made otherwise \({told}\).*--overwrite"
    ):
        predict_folder(models, folder, out, **settings)
    assert contents(out) == before
    assert predict_folder(models, folder, out, **settings, overwrite=True) == 21
    assert contents(out) == contents(tmp_path / "wanted")
    assert predict_folder(models, folder, out, **settings, overwrite=True) == 0, "what is done is not done again"


def test_the_mask_of_another_photo_of_that_name_is_none_of_this_one(folder, tmp_path):
    predict_folder(Brightness(0.5), folder, tmp_path / "out", 16)
    fill(folder, ["car 07.jpg"], seed=9)
    with pytest.raises(CarvanaError, match=r"car 07_mask\.png is there and was made otherwise \(other photo\)"):
        predict_folder(Brightness(0.5), folder, tmp_path / "out", 16)
    assert predict_folder(Brightness(0.5), folder, tmp_path / "out", 16, overwrite=True) == 1


def test_what_somebody_else_made_is_not_replaced_unasked(folder, tmp_path):
    out = fill(tmp_path / "out", ["car 07_mask.png"])
    before = contents(out)
    with pytest.raises(
        FileExistsError, match=r"car 07_mask\.png is there and was made otherwise \(by something else\)"
    ):
        predict_folder(Brightness(0.5), folder, out, 16)
    assert contents(out) == before


def test_masks_among_the_photos_are_told_by_what_wrote_them(tmp_path):
    """A photo may be called anything."""
    folder = fill(tmp_path / "photos", ["a.jpg", "car_mask.jpg", "b_cut_out.png", "old_mask.png"])
    photos = contents(folder)
    assert predict_folder(Brightness(0.5), folder, folder, 16, cut_outs=True) == 4
    whole = contents(folder)
    assert len(whole) == 12 and "car_mask_mask.png" in whole and "old_mask_mask.png" in whole
    with pytest.warns(UserWarning, match=r"8 files, a_cut_out\.png, .* and 5 more, that `predict` or `cut-out` wrote"):
        assert predict_folder(Brightness(0.5), folder, folder, 16, cut_outs=True) == 0
    assert contents(folder) == whole and whole.items() >= photos.items()
    with pytest.raises(
        DataError, match=r"no photo to predict .*1 file, a_mask\.png, that `predict` or `cut-out` wrote"
    ):
        predict_folder(Brightness(0.5), folder / "a_mask.png", tmp_path / "out", 16)


def test_a_photo_is_never_replaced_by_a_mask(tmp_path):
    folder = fill(tmp_path / "photos", ["car.jpg", "car_mask.png"])
    (tmp_path / "link").symlink_to("photos")
    before = contents(folder)
    for out in (folder, tmp_path / "link"):
        with pytest.raises(CarvanaError, match=r"car_mask\.png is one of the photos.*choose another folder"):
            predict_folder(Brightness(0.5), folder, out, 16, overwrite=True)
    assert contents(folder) == before


def test_formats_that_are_not_read_are_named_with_the_cure(tmp_path):
    folder = fill(tmp_path / "photos", ["a.jpg"])
    others = ["b.jxl", "c.JP2", "d.psd", "g.CR2", "h.dng"]
    for name in others:
        (folder / name).touch()
    (folder / "notes.txt").touch()
    words = r"^Left out: 5 files, b\.jxl, .* and 2 more, of a format that is not read \(save them as JPEG or PNG\)$"
    with pytest.warns(UserWarning, match=words.replace("$", r"\.?$")):
        assert predict_folder(Brightness(0.5), folder, tmp_path / "out", 16) == 1
    (folder / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"There is no photo to predict .*b\.jxl.*save them as JPEG or PNG"):
        predict_folder(Brightness(0.5), folder, tmp_path / "new", 16)
    assert not (tmp_path / "new").exists()


def test_photos_may_be_named_one_by_one(folder, tmp_path):
    predict_folder(Brightness(0.5), folder, tmp_path / "whole", 16, batch_size=1)
    whole = contents(tmp_path / "whole")
    assert predict_folder(Brightness(0.5), folder / "car 04.jpg", tmp_path / "one", 16) == 1
    assert contents(tmp_path / "one") == {"car 04_mask.png": whole["car 04_mask.png"]}
    several = [
        folder / "car 04.jpg",
        folder / "car 04.jpg",
        str(folder / "car 11.jpg"),
        fill(tmp_path / "more", ["x.png"]),
    ]
    assert predict_folder(Brightness(0.5), several, tmp_path / "some", 16, batch_size=1) == 3
    assert set(contents(tmp_path / "some")) == {"car 04_mask.png", "car 11_mask.png", "x_mask.png"}
    fill(tmp_path / "more", ["car 04.jpg"])
    with pytest.raises(DataError, match=r"photos.car 04\.jpg and .*more.car 04\.jpg would share one mask"):
        predict_folder(Brightness(0.5), [folder, tmp_path / "more"], tmp_path / "new", 16)


def test_where_there_is_no_photo_the_cure_is_said(folder, tmp_path):
    (tmp_path / "above" / "train").mkdir(parents=True)
    fill(tmp_path / "above" / "train", ["a.jpg"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "shots.jpg").mkdir()
    for source, words in {
        "nowhere": r"nowhere does not exist; name photos, or the folder that holds them",
        "nowhere.jpg": r"nowhere\.jpg does not exist",
        "above": r"in .*above itself, and sub-folders are not searched: name .*train",
        "empty": r"There is no photo in .*empty; name the folder that holds the photos",
        "shots.jpg": r"There is no photo in",
        "notes.txt": r"notes\.txt is no photo by its ending; name photos, or the folder",
    }.items():
        with pytest.raises(DataError, match=words):
            predict_folder(Brightness(0.5), tmp_path / source, tmp_path / "out", 16)
    assert not (tmp_path / "out").exists()


def test_the_masks_may_lie_below_the_photos_or_behind_a_link(folder, tmp_path):
    predict_folder(Brightness(0.5), folder, folder / "masks", 16)
    assert predict_folder(Brightness(0.5), folder, folder / "masks", 16) == 0
    (tmp_path / "link").symlink_to("elsewhere")
    predict_folder(Brightness(0.5), folder, tmp_path / "link", 16)
    assert contents(tmp_path / "elsewhere") == contents(folder / "masks") and (tmp_path / "link").is_symlink()
