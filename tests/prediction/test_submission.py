"""Submissions: what is written decodes to what was predicted, in the sample's order, once."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from samples import Brightness, bomb, other_process, sixteen_bits

from carvana_lessons import data, models
from carvana_lessons.prediction import merge, predict, predict_folder, submit
from carvana_lessons.utils.errors import CarvanaError, DataError

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
    with pytest.raises(DataError, match=r"asks for 1 photo not in .*ffffffffffff_01\.jpg"):
        submit(model, photos, tmp_path / "s.csv", size=32, sample=tmp_path / "sample.csv")
    with pytest.raises(CarvanaError, match="must end in"):
        submit(model, photos, tmp_path / "s.txt", size=32)


def interrupted(model, photos, out, after, **settings):
    """A submission that a failing network ends after some photos; its part stays."""
    calls = iter([None] * after)
    hook = model.register_forward_pre_hook(lambda *_: next(calls))
    try:
        with pytest.raises(RuntimeError):
            submit(model, photos, out, **{"size": 32, "batch_size": 2} | settings)
    finally:
        hook.remove()
    [part] = out.parent.glob(f"{out.name}.*.part")
    return part


def test_a_killed_run_goes_on_after_its_last_whole_line_wherever_it_was_cut(model, photos, tmp_path):
    whole = submit(model, photos, tmp_path / "whole.csv", size=32, batch_size=4).read_bytes()
    lines = whole.splitlines(keepends=True)[1:]
    out = tmp_path / "again.csv"
    part = interrupted(model, photos, out, 1, batch_size=4)
    note = part.read_bytes().splitlines(keepends=True)[0]
    seen = []
    hook = model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    body = b"".join(lines[:7])
    for cut in (0, 1, 30, len(lines[0]), len(lines[0]) + 5, len(body) - 1, len(body)):
        part.write_bytes(note + body[:cut])
        seen.clear()
        assert submit(model, photos, out, size=32, batch_size=4).read_bytes() == whole, cut
        missing = len(photos) - body[:cut].count(b"\n")
        assert seen == [4] * -(-missing // 4), "what was done is not done again"
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["again.csv", "whole.csv"]
        out.unlink()
    hook.remove()


def other(threshold=0.2):
    network = Brightness()
    torch.nn.init.constant_(network.threshold, threshold)
    return network


OTHERWISE = {
    "other networks": lambda m: ([other()], {}),
    "other networks ": lambda m: ([m, other()], {}),
    "size 32×32 then, 48×48 now": lambda m: (m, {"size": 48}),
    "flip off then, on now": lambda m: (m, {"flip": True}),
    "batch size 2 then, 3 now": lambda m: (m, {"batch_size": 3}),
}


@pytest.mark.parametrize("told", OTHERWISE)
def test_what_was_begun_otherwise_is_not_gone_on_with(model, photos, tmp_path, told):
    networks, settings = OTHERWISE[told](model)
    settings = {"size": 32, "batch_size": 2} | settings
    wanted = submit(networks, photos, tmp_path / "wanted.csv", **settings).read_bytes()
    out = tmp_path / "s.csv"
    part = interrupted(model, photos, out, 3)
    before = part.read_bytes()
    assert before.count(b"\n") > 1
    with pytest.raises(CarvanaError, match=rf"begun with other settings \({told.strip()}\).*--overwrite"):
        submit(networks, photos, out, **settings)
    assert part.read_bytes() == before and not out.exists()
    assert submit(networks, photos, out, **settings, overwrite=True).read_bytes() == wanted


def test_other_photos_or_another_order_are_not_gone_on_with(model, photos, make_folder, tmp_path):
    out = tmp_path / "s.csv"
    interrupted(model, photos, out, 3)
    changed = data.CarFolder(make_folder("others", cars=3, views=4, seed=5), masks=None)
    for others in (photos[::-1], photos[1:], changed):
        with pytest.raises(CarvanaError, match=r"begun with other settings \(other photos"):
            submit(model, others, out, size=32, batch_size=2)


def test_a_part_of_an_older_version_is_not_gone_on_with(model, photos, tmp_path):
    lines = submit(model, photos, tmp_path / "whole.csv", size=32).read_bytes().splitlines(keepends=True)
    part = tmp_path / "s.csv.1-of-1.part"
    part.write_bytes(b"".join(lines[1:4]))
    with pytest.raises(CarvanaError, match=r"does not say what it was made with.*remove it"):
        submit(model, photos, tmp_path / "s.csv", size=32)
    assert part.read_bytes() == b"".join(lines[1:4])


def test_what_holds_no_line_yet_is_begun_anew(model, photos, tmp_path):
    """A batch that is too large for the memory fails before the first line; a smaller one is the cure."""
    interrupted(model, photos, tmp_path / "s.csv", 0, batch_size=6)
    submit(model, photos, tmp_path / "s.csv", size=32, batch_size=2)


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "S.CSV.GZ"])
def test_a_submission_that_is_there_is_not_replaced_unasked(model, photos, tmp_path, name):
    out = submit(model, photos, tmp_path / name, size=32)
    before = out.read_bytes()
    assert (before[:2] == b"\x1f\x8b") == name.lower().endswith("gz")
    seen = []
    net = other()
    net.register_forward_pre_hook(lambda *_: seen.append(1))
    for shard in ((0, 1), (1, 2)):
        with pytest.raises(FileExistsError, match=r"exists already.*--overwrite"):
            submit(net, photos, out, size=32, shard=shard)
    assert out.read_bytes() == before and not seen, "refused before the work"
    assert submit(net, photos, out, size=32, overwrite=True).read_bytes() != before


def test_one_that_was_killed_between_its_last_two_steps_ends_well(model, photos, tmp_path):
    out = tmp_path / "s.csv"
    submit(model, photos, out, size=32, shard=(0, 2))
    submit(model, photos, out, size=32, shard=(1, 2))
    parts = {p: p.read_bytes() for p in tmp_path.glob("s.csv.*.part")}
    whole = merge(out, 2).read_bytes()
    for part, content in parts.items():
        part.write_bytes(content)
    assert merge(out, 2).read_bytes() == whole and not list(tmp_path.glob("*.part"))


def test_two_at_once_do_not_write_one_file(model, photos, tmp_path):
    out = tmp_path / "s.csv"
    submit(model, photos, out, size=32, shard=(0, 2))
    submit(model, photos, out, size=32, shard=(1, 2))
    with other_process(tmp_path / "s.csv.2-of-2.part"):
        for act in (lambda: submit(model, photos, out, size=32, shard=(1, 2)), lambda: merge(out, 2)):
            with pytest.raises(CarvanaError, match=r"Another process is writing .*2-of-2"):
                act()
    with other_process(tmp_path / "masks"), pytest.raises(CarvanaError, match=r"Another process is writing .*masks"):
        predict_folder(model, photos[0].image.parent, tmp_path / "masks", size=32)
    merge(out, 2)


def test_parts_that_do_not_belong_together_are_not_joined(model, photos, tmp_path):
    out = tmp_path / "s.csv"
    submit(other(0.4), photos, out, size=32, shard=(0, 2))
    submit(other(), photos, out, size=32, shard=(1, 2))
    with pytest.raises(CarvanaError, match=r"2-of-2\.part was not made as .*1-of-2\.part was \(other networks\)"):
        merge(out, 2)
    with pytest.raises(CarvanaError, match=r"1-of-4.* and .*\(there are parts of 2 shards\); run their shards"):
        merge(out, 4)
    part = tmp_path / "s.csv.2-of-2.part"
    part.write_bytes((tmp_path / "s.csv.1-of-2.part").read_bytes())
    with pytest.raises(CarvanaError, match=r"2-of-2\.part holds shard 1/2"):
        merge(out, 2)
    part.unlink()
    submit(other(0.4), photos, out, size=32, shard=(1, 2))
    part.write_bytes(part.read_bytes()[:-3])
    with pytest.raises(CarvanaError, match=r"2-of-2\.part has 5 of 6 photos: run its shard again"):
        merge(out, 2)
    submit(other(0.4), photos, out, size=32, shard=(1, 2))
    assert len(decoded(merge(out, 2))) == 12
    for shard in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(CarvanaError, match="there is no number"):
            submit(model, photos, tmp_path / "t.csv", size=32, shard=shard)
    with pytest.raises(CarvanaError, match="1 part or more"):
        merge(out, 0)


def test_more_shards_than_photos_are_the_whole_too(model, photos, tmp_path):
    some = photos[:2]
    whole = submit(model, some, tmp_path / "whole.csv", size=32).read_bytes()
    for k in range(5):
        submit(model, some, tmp_path / "s.csv", size=32, shard=(k, 5))
    assert merge(tmp_path / "s.csv", 5).read_bytes() == whole


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", "names no photo"),
        (",", "1 row without a name"),
        ("{0},1 1\n,\n{1},1 1\n,1 1", "2 rows without a name"),
        ("{0},1 1\n{1},1 1\n{0},1 1", r"names .*_01\.jpg more than once"),
        ("{2},1 1", r"writes .*_03\.JPG and the photo is .*_03\.jpg"),
    ],
)
def test_a_sample_that_is_none_is_one_sentence(model, photos, tmp_path, rows, words):
    names = [f"{photos[0].name}.jpg", f"{photos[1].name}.jpg", f"{photos[2].name}.JPG"]
    sample = tmp_path / "sample.csv"
    sample.write_text(f"img,rle_mask\n{rows.format(*names)}\n", encoding="utf-8")
    with pytest.raises(DataError, match=words):
        submit(model, photos, tmp_path / "s.csv", size=32, sample=sample)


def test_a_sample_with_another_column_or_in_a_broken_archive_is_one_sentence(model, photos, tmp_path):
    (tmp_path / "sample.csv").write_text("image,rle_mask\n", encoding="utf-8")
    for name in ("sample.csv.zip", "sample.csv.gz"):
        (tmp_path / name).write_bytes(b"no archive")
    (tmp_path / "sample.csv.xz").write_bytes(b"no archive")
    (tmp_path / "sample.tar").write_bytes(b"no archive")
    (tmp_path / "sample.csv.bz2").write_bytes(b"no archive")
    for name in ("sample.csv", "sample.csv.zip", "sample.csv.gz", "sample.csv.xz", "sample.tar", "sample.csv.bz2"):
        with pytest.raises(DataError, match=r"is no sample submission with a column img"):
            submit(model, photos, tmp_path / "s.csv", size=32, sample=tmp_path / name)
    (tmp_path / "sample.csv.zst").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"sample\.csv\.zst is .*(unpack it first|fetch it again)"):
        submit(model, photos, tmp_path / "s.csv", size=32, sample=tmp_path / "sample.csv.zst")
    with pytest.raises(DataError, match="no photo"):
        submit(model, photos[:0], tmp_path / "s.csv", size=32)


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
    assert np.array_equal(cut[..., 3] > 127, mask > 0)
    opaque, pixels = cut[..., 3] == 255, np.asarray(Image.open(photos / "a b.png"))
    assert np.array_equal(cut[opaque, :3], pixels[opaque]), "the car has its own colours"
    assert not cut[cut[..., 3] == 0, :3].any(), "what cannot be seen is black: nobody restores the background from it"
    with pytest.raises(DataError, match="name photos, or the folder that holds them"):
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
