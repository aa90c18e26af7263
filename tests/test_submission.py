"""Submissions: what is written decodes to what was predicted, in the sample's order, once."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from samples import Brightness, bomb, sixteen_bits

from carvana_lessons import data, models
from carvana_lessons.errors import CarvanaError, DataError
from carvana_lessons.evaluate import predict
from carvana_lessons.submission import merge, predict_folder, submit

# EXIF's numbers, and how an upright photo is stored under each.
UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture
def model():
    torch.manual_seed(1)
    return models.create("unet-tiny", width=2).eval()


@pytest.fixture
def photos(make_folder):
    return data.CarFolder(make_folder(cars=3, views=4), masks=None)


def decoded(path):
    table = pd.read_csv(path)
    return {row.img: data.rle_decode(row.rle_mask, (32, 48)) for row in table.itertuples()}


def expected(model, photos):
    return {f"{p.name}.jpg": m for p, m in zip(photos, predict(model, photos, 32, cached=False), strict=True)}


def test_the_file_decodes_to_the_predicted_masks(model, photos, tmp_path):
    out = submit(model, photos, tmp_path / "submission.csv", size=32, batch_size=5)
    written, wanted = decoded(out), expected(model, photos)
    assert list(written) == list(wanted)
    for name, mask in wanted.items():
        if mask.any():  # an empty mask is written as one pixel
            assert np.array_equal(written[name], mask)
    assert out.read_text(encoding="utf-8").startswith("img,rle_mask\n")
    assert [p.name for p in tmp_path.iterdir() if "submission" in p.name] == ["submission.csv"]


def test_the_order_is_the_samples_and_the_file_may_be_compressed(model, photos, tmp_path):
    names = [f"{p.name}.jpg" for p in photos][::-1]
    pd.DataFrame({"img": names, "rle_mask": "1 1"}).to_csv(tmp_path / "sample.csv", index=False)
    out = submit(model, photos, tmp_path / "s.csv.gz", size=32, sample=tmp_path / "sample.csv")
    assert pd.read_csv(out)["img"].tolist() == names


def test_a_sample_with_other_photos_is_refused(model, photos, tmp_path):
    (tmp_path / "sample.csv").write_text("img,rle_mask\nffffffffffff_01.jpg,1 1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"asks for 1 photos that are not in .*ffffffffffff_01\.jpg"):
        submit(model, photos, tmp_path / "s.csv", size=32, sample=tmp_path / "sample.csv")
    with pytest.raises(CarvanaError, match="let it end in"):
        submit(model, photos, tmp_path / "s.txt", size=32)


def test_a_killed_run_goes_on_after_its_last_whole_line(model, photos, tmp_path):
    whole = submit(model, photos, tmp_path / "whole.csv", size=32, batch_size=4).read_bytes()
    lines = whole.splitlines(keepends=True)
    part = tmp_path / "again.csv.1-of-1.part"
    part.write_bytes(b"".join(lines[1:6]) + lines[6][:-3])  # killed in the middle of a line

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.photos = model, 0

        def forward(self, x):
            self.photos += len(x)
            return self.inner(x)

    counting = Counting()
    assert submit(counting, photos, tmp_path / "again.csv", size=32, batch_size=4).read_bytes() == whole
    assert counting.photos == 8  # the 7 that were missing, in two batches of 4
    part.write_bytes(lines[2])
    with pytest.raises(CarvanaError, match="begun for other photos"):
        submit(model, photos, tmp_path / "again.csv", size=32)


def test_shards_together_are_the_whole(model, photos, tmp_path):
    whole = submit(model, photos, tmp_path / "whole.csv", size=32).read_bytes()
    for k in (2, 0):
        submit(model, photos, tmp_path / "parts.csv", size=32, shard=(k, 3))
    with pytest.raises(CarvanaError, match="2-of-3"):
        merge(tmp_path / "parts.csv", 3)
    submit(model, photos, tmp_path / "parts.csv", size=32, shard=(1, 3))
    assert merge(tmp_path / "parts.csv", 3).read_bytes() == whole


def test_any_folder_of_photos_gets_masks_and_cut_outs(model, tmp_path):
    photos, out = tmp_path / "my photos", tmp_path / "out"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for name in ("Käfer.JPG", "a b.png"):
        Image.fromarray(rng.integers(0, 255, (37, 53, 3), dtype=np.uint8)).save(photos / name)
    assert predict_folder(model, photos, out, size=(32, 48), cut_outs=True) == 2
    assert sorted(p.name for p in out.iterdir()) == [
        "Käfer_cut_out.png",
        "Käfer_mask.png",
        "a b_cut_out.png",
        "a b_mask.png",
    ]
    mask, cut = np.asarray(Image.open(out / "a b_mask.png")), np.asarray(Image.open(out / "a b_cut_out.png"))
    assert mask.shape == (37, 53) and set(np.unique(mask)) <= {0, 255}
    assert np.array_equal(cut[..., :3], np.asarray(Image.open(photos / "a b.png")))
    assert np.array_equal(cut[..., 3] > 127, mask > 0)
    with pytest.raises(DataError, match="name the folder that holds the photos"):
        predict_folder(model, out / "nowhere", out, size=32)


class Moody(torch.nn.Module):
    """Car everywhere in batches of one size, nowhere in others: what rounding does to a logit that is almost 0."""

    def __init__(self, size):
        super().__init__()
        self.size, self.weight = size, torch.nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return torch.full_like(x[:, :1], 1.0 if len(x) == self.size else -1.0)


def test_every_photo_goes_through_in_a_batch_of_the_same_size(photos, tmp_path):
    names = {f"{p.name}.jpg" for p in photos}  # 12: two batches of 5 and a rest; shards of 4
    predict_folder(Moody(5), photos[0].image.parent, tmp_path / "masks", size=32, batch_size=5)
    assert all(np.asarray(Image.open(f)).min() == 255 for f in (tmp_path / "masks").iterdir())
    for shard in range(3):
        submit(Moody(5), photos, tmp_path / "s.csv", size=32, batch_size=5, shard=(shard, 3))
    masks = decoded(merge(tmp_path / "s.csv", 3))
    assert set(masks) == names and all(m.all() for m in masks.values())


def test_odd_photos_are_predicted_as_their_plain_twins(tmp_path):
    """A network that says car where a photo is bright: the right half, whatever the file is."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    ramp = Image.fromarray(np.asarray(sixteen_bits()).astype(np.uint32).__rshift__(8).astype(np.uint8))
    sixteen_bits().save(photos / "deep.png")
    ramp.save(photos / "grey.jpg", quality=95)
    ramp.convert("RGB").save(photos / "plain.png")
    ramp.convert("RGB").convert("CMYK").save(photos / "print.jpg", quality=95)
    (photos / "._plain.png").write_bytes(b"what a Mac leaves behind")
    assert predict_folder(Brightness(), photos, out, size=(40, 60)) == 4
    plain = np.asarray(Image.open(out / "plain_mask.png"))
    assert 0 < plain.mean() < 255
    for name in ("deep", "grey", "print"):
        assert (np.asarray(Image.open(out / f"{name}_mask.png")) != plain).mean() < 0.04, name


@pytest.mark.parametrize("value", range(2, 9))
def test_a_photo_that_exif_wants_turned_is_answered_as_it_is_seen(model, tmp_path, value):
    """The same photo, stored turned with a note in EXIF and stored upright without one: the same mask and cut-out."""
    upright = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    stored = upright.transpose(UNDO[value])
    exif = Image.Exif()
    exif[0x0112] = value
    (tmp_path / "photos").mkdir()
    stored.save(tmp_path / "photos" / "phone.png", exif=exif)
    upright.save(tmp_path / "photos" / "camera.png")
    predict_folder(model, tmp_path / "photos", tmp_path / "out", size=32, cut_outs=True)
    for kind in ("mask", "cut_out"):
        one, other = (np.asarray(Image.open(tmp_path / "out" / f"{name}_{kind}.png")) for name in ("phone", "camera"))
        assert one.shape[:2] == (40, 60)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "cannot be decoded"), (b"a note", "cannot be decoded"), (bomb(), r"pixels.*save it smaller")],
)
def test_a_photo_that_is_none_is_named(model, tmp_path, content, words):
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"odd\.png .*{words}"):
        predict_folder(model, tmp_path, tmp_path / "out", size=32)


def test_two_photos_do_not_share_a_mask_and_numbers_make_sense(model, tmp_path):
    for name in ("car.jpg", "car.png"):
        Image.new("RGB", (60, 40)).save(tmp_path / name)
    with pytest.raises(DataError, match=r"car\.jpg and car\.png would share one mask; rename"):
        predict_folder(model, tmp_path, tmp_path / "out", size=32)
    (tmp_path / "car.png").unlink()
    for settings in ({"size": 0}, {"size": 32, "batch_size": 0}, {"size": 32, "batch_size": -2}):
        with pytest.raises(CarvanaError, match=r"at least 1|1 photo or more"):
            predict_folder(model, tmp_path, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
