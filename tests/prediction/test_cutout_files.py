"""Files of cut-outs: any photos in, the right pixels out, nothing mixed, and one bad photo stops no other."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import Brightness, contents, draw_pair

from carvana_lessons.data import read_photo
from carvana_lessons.prediction import cut_out
from carvana_lessons.prediction.backdrop import cover
from carvana_lessons.prediction.cutout_files import cut_out_files
from carvana_lessons.prediction.image_files import read_note, save
from carvana_lessons.prediction.submission import predict_folder
from carvana_lessons.utils.errors import ArgumentError, CarvanaError, DataError, ExistsError

SIZE = 24


@pytest.fixture(autouse=True)
def quiet():
    """Warnings are looked at where they are meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def folder(tmp_path):
    """Three photos of bright cars; one has several dots in its name."""
    return fill(tmp_path / "photos", ["a.jpg", "b.png", "my car.v2.final.jpg"])


def fill(folder: Path, names, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in names:
        Image.fromarray(draw_pair((60, 40), rng)[0]).save(folder / name)
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_photo_gets_the_cut_out_of_the_function(folder, tmp_path):
    before = contents(folder)
    assert cut_out_files(Brightness(), folder, tmp_path / "out", SIZE) == (3, 0)
    assert contents(folder) == before
    names = {"a_cut_out.png", "b_cut_out.png", "my car.v2.final_cut_out.png"}
    assert set(contents(tmp_path / "out")) == names
    for photo in folder.iterdir():
        made = pixels(tmp_path / "out" / f"{photo.stem}_cut_out.png")
        assert np.array_equal(made, cut_out(Brightness(), read_photo(photo, upright=True), SIZE))
        assert 0.1 < (made[..., 3] == 255).mean() < 0.9


@pytest.mark.parametrize(("picture", "ending"), [("png", "png"), ("webp", "webp"), ("jpeg", "jpg")])
def test_every_format_comes_back_as_it_was_written(folder, tmp_path, picture, ending):
    white = {"background": "white"} if picture == "jpeg" else {}
    cut_out_files(Brightness(), folder, tmp_path / "out", SIZE, picture=picture, **white)
    wanted = cut_out(Brightness(), read_photo(folder / "b.png"), SIZE, background=(255, 255, 255) if white else None)
    with Image.open(tmp_path / "out" / f"b_cut_out.{ending}") as image:
        assert image.format.lower() == picture and image.size == (60, 40)
        made = np.asarray(image)
    assert made.shape == wanted.shape
    if picture == "jpeg":
        off = np.abs(made.astype(int) - wanted)
    else:
        assert np.array_equal(made[..., 3], wanted[..., 3]), "the edge stays as it is"
        off = np.abs(made.astype(int) - wanted)[wanted[..., 3] == 255]
    assert off.max() == 0 if picture == "png" else off.mean() < 4
    assert cut_out_files(Brightness(), folder, tmp_path / "out", SIZE, picture=picture, **white) == (0, 3)


def test_a_jpeg_says_aloud_that_it_is_white(folder, tmp_path):
    with pytest.warns(UserWarning, match="A JPEG has no transparency, so the background is white"):
        cut_out_files(Brightness(), folder, tmp_path / "out", SIZE, picture="jpeg")
    assert (pixels(tmp_path / "out" / "a_cut_out.jpg")[0, 0] > 250).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cut_out_files(Brightness(), folder, tmp_path / "out", SIZE, picture="jpeg", background="white") == (0, 3)


def test_a_second_call_does_what_is_missing_alone(folder, tmp_path):
    out = tmp_path / "out"
    cut_out_files(Brightness(), folder, out, SIZE)
    whole = contents(out)
    (out / "b_cut_out.png").unlink()
    fill(folder, ["new.jpg"], seed=7)
    assert cut_out_files(Brightness(), folder, out, SIZE) == (2, 2)
    assert contents(out) == whole | {"new_cut_out.png": (out / "new_cut_out.png").read_bytes()}


@pytest.mark.parametrize(
    ("told", "settings"),
    [
        ("other networks", {"model": Brightness(0.3)}),
        ("size 24×24 then, 20×20 now", {"size": 20}),
        ("edge refined, 2 px then, not refined, 2 px now", {"refined": False}),
        ("edge refined, 2 px then, refined, 4 px now", {"radius": 4}),
        ("specks removed then, kept now", {"tidied": False}),
        ("background transparent then, #ff0000 now", {"background": "red"}),
        ("background transparent then, blur now", {"background": "blur"}),
        ("shadow off then, on now", {"shadow": True}),
        ("crop none then, 5 % now", {"margin": 5}),
    ],
)
def test_cut_outs_of_two_kinds_do_not_mix(folder, tmp_path, told, settings):
    out, settings = tmp_path / "out", {"model": Brightness(), "size": SIZE} | settings
    cut_out_files(Brightness(), folder, out, SIZE)
    cut_out_files(photos=folder, out=tmp_path / "wanted", **settings)
    before = contents(out)
    with pytest.raises(ExistsError, match=r"a_cut_out\.png is there and was made otherwise") as said:
        cut_out_files(photos=folder, out=out, **settings)
    assert f"({told})" in str(said.value) and "--overwrite" in str(said.value) and contents(out) == before
    assert cut_out_files(photos=folder, out=out, overwrite=True, **settings) == (3, 0)
    assert contents(out) == contents(tmp_path / "wanted") != before


def test_another_picture_behind_the_car_is_another_cut_out(folder, tmp_path):
    rng, out = np.random.default_rng(0), tmp_path / "out"
    hall = tmp_path / "hall.png"
    Image.fromarray(rng.integers(0, 256, (30, 90, 3), dtype=np.uint8)).save(hall)
    cut_out_files(Brightness(), folder, out, SIZE, background=str(hall))
    made = pixels(out / "b_cut_out.png")
    alpha = cut_out(Brightness(), read_photo(folder / "b.png"), SIZE)[..., 3]
    assert np.array_equal(made[alpha == 0], cover(pixels(hall), (40, 60))[alpha == 0])
    assert cut_out_files(Brightness(), folder, out, SIZE, background=pixels(hall)) == (0, 3)
    Image.fromarray(rng.integers(0, 256, (30, 90, 3), dtype=np.uint8)).save(hall)
    with pytest.raises(ExistsError, match=r"background picture \w+ then, picture \w+ now"):
        cut_out_files(Brightness(), folder, out, SIZE, background=str(hall))


def test_bad_photos_stop_no_other_and_are_named_at_the_end(folder, tmp_path):
    (folder / "broken.jpg").write_text("no photo", encoding="utf-8")
    Image.new("RGB", (60, 40)).save(folder / "night.png")
    words = (
        r"broken\.jpg cannot be decoded .* Nor can night\.png be used\. So 2 of 5 photos got no cut-out; the others "
        r"have theirs in .*out\."
    )
    for _ in range(2):
        with pytest.raises(DataError, match=words):
            cut_out_files(Brightness(), folder, tmp_path / "out", SIZE)
        assert len(contents(tmp_path / "out")) == 3
    with pytest.raises(DataError, match=r"night\.png shows no car, as far as the network can see"):
        cut_out_files(Brightness(), folder / "night.png", tmp_path / "none", SIZE)


def test_what_is_transparent_is_white_and_exif_turns_a_photo(tmp_path):
    photo = np.zeros((40, 60, 4), np.uint8)
    photo[..., 3] = 255
    photo[10:30, 15:45] = 0  # transparent black: white to whoever looks at it
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "hole.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photo[..., :3] | (255 - photo[..., 3:]))).save(
        tmp_path / "photos" / "turned.png", exif=exif
    )
    cut_out_files(Brightness(), tmp_path / "photos", tmp_path / "out", SIZE)
    one, other = (pixels(tmp_path / "out" / f"{name}_cut_out.png") for name in ("hole", "turned"))
    assert np.array_equal(one, other) and one.shape == (40, 60, 4)
    assert (one[15:25, 20:40] == 255).all() and (one[:5] == 0).all()


def test_cut_outs_among_the_photos_are_no_photos(folder):
    for picture in ("png", "webp", "jpeg"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cut_out_files(Brightness(), folder, folder, SIZE, picture=picture, background="white")
    whole = contents(folder)
    with pytest.warns(UserWarning, match=r"a_cut_out\.\w+, .* that `predict` or `cut-out` wrote"):
        assert cut_out_files(Brightness(), folder, folder, SIZE, background="white") == (0, 3)
    assert contents(folder) == whole and len(whole) == 12


def test_a_photo_and_the_files_of_others_are_not_replaced(folder, tmp_path):
    fill(folder, ["a_cut_out.png"])
    before = contents(folder)
    with pytest.raises(ExistsError, match=r"a_cut_out\.png is one of the photos"):
        cut_out_files(Brightness(), folder, folder, SIZE, overwrite=True)
    fill(tmp_path / "out", ["b_cut_out.png"])
    with pytest.raises(ExistsError, match="by something else"):
        cut_out_files(Brightness(), folder / "b.png", tmp_path / "out", SIZE)
    fill(folder, ["A.png"])
    with pytest.raises(DataError, match="would share one cut-out; rename one"):
        cut_out_files(Brightness(), folder, tmp_path / "new", SIZE)
    (folder / "A.png").unlink()
    assert contents(folder) == before and not (tmp_path / "new").exists()


def test_cut_outs_of_predict_are_its_masks_and_not_taken_for_these(folder, tmp_path):
    out = tmp_path / "out"
    predict_folder(Brightness(), folder, out, SIZE, cut_outs=True)
    for photo in folder.iterdir():
        made = pixels(out / f"{photo.stem}_cut_out.png")
        assert np.array_equal(made[..., 3] > 127, pixels(out / f"{photo.stem}_mask.png") > 0)
        assert (made[made[..., 3] == 0] == 0).all(), "the background is not in the file"
    with pytest.raises(ExistsError, match="edge not said then, refined, 2 px now"):
        cut_out_files(Brightness(), folder, out, SIZE)


def test_what_cannot_be_is_said_before_anything_is_written(folder, tmp_path):
    out = tmp_path / "out"
    for wrong, words in (
        ({"picture": "gif"}, "'gif'; take png, webp, jpeg"),
        ({"background": "whit"}, "'whit' is no background"),
        ({"margin": -1}, "take 0 or more"),
        ({"size": None}, "give the size"),
    ):
        with pytest.raises(CarvanaError, match=words):
            cut_out_files(**{"model": Brightness(), "photos": folder, "out": out, "size": SIZE} | wrong)
    assert not out.exists() or not list(out.iterdir())
    with pytest.raises(DataError, match="does not exist"):
        cut_out_files(Brightness(), folder / "nowhere.jpg", out, SIZE)
    with pytest.raises(ArgumentError, match="An ensemble needs a network"):
        cut_out_files([], folder, out, SIZE)


def test_a_picture_that_is_too_large_for_webp_is_said(tmp_path):
    with pytest.raises(DataError, match=r"a\.webp would have more pixels than WEBP can hold; take PNG"):
        save(tmp_path / "a.webp", np.zeros((1, 16_384, 4), np.uint8), {"format": 1})
    save(tmp_path / "a.webp", np.zeros((1, 16_383, 4), np.uint8), {"format": 1})
    assert read_note(tmp_path / "a.webp") == {"format": 1}
