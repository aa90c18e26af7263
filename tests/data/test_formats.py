"""Still pictures of every format: read as Pillow decodes them, turned as EXIF says, and what is none is counted."""

import importlib.util
import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, features
from samples import Brightness, draw_pair

from carvana_lessons import data
from carvana_lessons.data.formats import FORMATS, HIDDEN, NEEDS_HEIF, NO_PICTURE, OTHER_FORMAT, SYSTEM, skip_reason
from carvana_lessons.data.images import read_size
from carvana_lessons.data.layout import header, oriented_header
from carvana_lessons.prediction import predict_folder
from carvana_lessons.prediction.upload import open_photo
from carvana_lessons.utils.errors import DataError

ORIENTATION = 0x0112
PIXELS = draw_pair((36, 24), np.random.default_rng(3))[0]
HEIF = importlib.util.find_spec("pillow_heif") is not None
READ = [name for name in FORMATS if name != "HEIC" or HEIF]
READ = [name for name in READ if name != "AVIF" or features.check("avif")]
TURNED = ["JPEG", "PNG", "WebP", "TIFF", *(["AVIF"] if "AVIF" in READ else []), *(["HEIC"] if HEIF else [])]


def write(path: Path, kind: str, turn: int = 1, pixels: np.ndarray = PIXELS) -> Path:
    """A photo in a format, with an orientation in its EXIF."""
    options = {"WebP": {"lossless": True}, "GIF": {}, "BMP": {}}.get(kind, {"quality": 95})
    if turn > 1:
        options["exif"] = exif = Image.Exif()
        exif[ORIENTATION] = turn
    if kind == "HEIC":
        import pillow_heif

        pillow_heif.register_heif_opener()
    if kind == "MPO":
        options |= {"save_all": True, "append_images": [Image.fromarray(255 - pixels)]}
    with path.open("wb") as file:
        Image.fromarray(pixels).save(file, "HEIF" if kind == "HEIC" else kind, **options)
    return path


@pytest.mark.parametrize("kind", READ)
def test_every_format_of_the_table_is_read_as_pillow_decodes_it(kind, tmp_path):
    for ending in FORMATS[kind]:
        path = write(tmp_path / f"a{ending}", kind)
        assert skip_reason(path) is None
        with Image.open(path) as image:
            seen = np.asarray(image.convert("RGB"))
        read = data.read_photo(path)
        np.testing.assert_array_equal(read, seen)
        assert np.abs(read.astype(int) - PIXELS).mean() < 8, "it is that picture"
        assert header(path) == (36, 24) and read_size(path) == (24, 36)
        assert data.read_resized(path, (6, 9)).shape == (6, 9, 3)


@pytest.mark.parametrize("kind", TURNED)
@pytest.mark.parametrize("turn", range(1, 9))
def test_every_orientation_of_every_format_is_turned_upright_once(kind, turn, tmp_path):
    """Whether Pillow turns a format itself or not, what comes out is what a viewer shows."""
    path = write(tmp_path / f"a{FORMATS[kind][0]}", kind, turn)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    read = data.read_photo(path, upright=True)
    np.testing.assert_array_equal(read, shown)
    assert read_size(path) == shown.shape[:2]
    found = oriented_header(path)
    assert found is not None and found[0][::-1] == data.read_photo(path).shape[:2]


def test_what_is_transparent_is_white(tmp_path):
    opacity = np.where(np.arange(36) < 18, 0, 255).astype(np.uint8)
    for kind in ("PNG", "WebP", "TIFF"):
        path = tmp_path / f"a{FORMATS[kind][0]}"
        options = {"lossless": True, "exact": True} if kind == "WebP" else {}
        Image.fromarray(np.dstack([PIXELS, np.broadcast_to(opacity, (24, 36))])).save(path, kind, **options)
        read = data.read_photo(path)
        assert (read[:, :18] == 255).all()
        np.testing.assert_array_equal(read[:, 18:], PIXELS[:, 18:])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.JPG", None),
        ("b.Tiff", None),
        ("._b.jpg", SYSTEM),
        (".DS_Store", SYSTEM),
        ("Thumbs.db", SYSTEM),
        ("__MACOSX", SYSTEM),
        (".hidden.jpg", HIDDEN),
        ("notes.txt", NO_PICTURE),
        ("jpg", NO_PICTURE),
        ("d.CR2", OTHER_FORMAT),
        ("e.jxl", OTHER_FORMAT),
    ],
)
def test_what_is_no_picture_to_read_is_told_by_its_name(name, reason):
    assert skip_reason(name) == reason


def test_without_pillow_heif_a_photo_of_a_phone_is_one_sentence(tmp_path, monkeypatch):
    """Whatever its name says. The package is hidden as an import of it finds it hidden."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "ID", [kind for kind in Image.ID if kind != "HEIF"])
    from carvana_lessons.data import formats

    formats.enable_heif.cache_clear()
    try:
        content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
        assert skip_reason("IMG_1.HEIC") == NEEDS_HEIF
        for name in ("IMG_1.HEIC", "IMG_1.jpg"):
            (tmp_path / name).write_bytes(content)
            for read in (data.read_photo, header, read_size):
                with pytest.raises(DataError, match=rf"{name} is a HEIC picture, .*`pip install pillow-heif`"):
                    read(tmp_path / name)
        with pytest.raises(DataError, match=r"^IMG_1\.HEIC: .* is a HEIC picture, .*`pip install pillow-heif`"):
            open_photo("IMG_1.HEIC", content)
        with pytest.raises(DataError, match=r"1 file, IMG_1\.HEIC, of a format that needs pillow-heif \(install it"):
            predict_folder(Brightness(), tmp_path / "IMG_1.HEIC", tmp_path / "out", 16)
    finally:
        formats.enable_heif.cache_clear()


def test_predict_reads_them_all_and_counts_what_it_skips(tmp_path):
    """The mask of a photo in any format is the mask of its pixels, upright."""
    photos, plain = tmp_path / "photos", tmp_path / "plain"
    photos.mkdir(), plain.mkdir()
    for k, kind in enumerate(READ):
        turn = 6 if kind in TURNED else 1
        path = write(photos / f"{k}{FORMATS[kind][0].upper()}", kind, turn)
        with Image.open(path) as image:
            ImageOps.exif_transpose(image).convert("RGB").save(plain / f"{k}.png")
    for name in ("._0.jpg", "._1.mpo", ".DS_Store", "Thumbs.db", "x.cr3"):
        (photos / name).write_bytes(b"nothing")
    (photos / "__MACOSX").mkdir()
    words = r"1 file, x\.cr3, of a format that is not read .* and 2 files, \._0\.jpg, \._1\.mpo, left by a system\.$"
    with pytest.warns(UserWarning, match=words):
        assert predict_folder(Brightness(), photos, tmp_path / "out", 16) == len(READ)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict_folder(Brightness(), plain, tmp_path / "wanted", 16)
    for k, kind in enumerate(READ):
        mask, wanted = (np.asarray(Image.open(tmp_path / out / f"{k}_mask.png")) for out in ("out", "wanted"))
        assert mask.shape == wanted.shape
        # JPEG alone is decoded at a fraction of its size, so that few pixels at the edge may differ.
        assert (mask != wanted).mean() < (0.05 if kind in ("JPEG", "MPO") else 1e-9), kind


def test_a_picture_under_the_ending_of_another_format_is_read(tmp_path):
    """What a file is, its content decides."""
    path = tmp_path / "a.jpg"
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(data.read_photo(path), PIXELS)
