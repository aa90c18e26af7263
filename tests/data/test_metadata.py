"""What stands beside the pixels of a file, broken or not: it stops no photo, turns none by halves, shifts no mask."""

import io
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from carvana_lessons import data
from carvana_lessons.data.images import read_size
from carvana_lessons.data.layout import header
from carvana_lessons.prediction.upload import open_photo
from carvana_lessons.utils.errors import DataError

ORIENTATION, RESOLUTION = 0x0112, 0x011A
BYTE, TEXT, SHORT, LONG, RATIONAL, SHORTS_SIGNED, RATIONAL_SIGNED, FLOAT = 1, 2, 3, 4, 5, 8, 10, 11
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
KINDS = ["JPEG", "PNG", "WEBP"]


def encoded(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}), **options)
    return buffer.getvalue()


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF as it stands in a file: (tag, type, count, value) each; what is longer than four bytes lies behind."""
    behind, rows = b"", b""
    begin = 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        if len(value) > 4:
            behind, value = behind + value, struct.pack("<I", begin + len(behind))
        rows += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4) + behind


def turn(value: int) -> tuple[int, int, int, bytes]:
    return ORIENTATION, SHORT, 1, struct.pack("<H", value)


def stored(content: bytes) -> np.ndarray:
    """The pixels by Pillow, from a file without notes."""
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image.convert("RGB"))


def agree(content: bytes, pixels: np.ndarray, upright: np.ndarray | None = None) -> None:
    """Every way to read a photo gives these pixels as stored, and those as seen (None: whatever, if all agree)."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow may say that metadata is broken
        path = Path(folder) / "a.jpg"
        path.write_bytes(content)
        assert header(path) == pixels.shape[1::-1]
        np.testing.assert_array_equal(data.read_photo(path), pixels)
        assert data.read_resized(path, (4, 6)).shape == (4, 6, 3)
        seen = data.read_photo(path, upright=True)
        assert read_size(path) == seen.shape[:2]
        if upright is not None:
            np.testing.assert_array_equal(seen, upright)
        height, width = seen.shape[:2]
        np.testing.assert_array_equal(data.read_resized(path, (height, width), upright=True), seen)
        np.testing.assert_array_equal(open_photo("a", content), seen)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", range(1, 9))
def test_the_eight_orientations_are_seen_as_pillow_sees_them(kind, value):
    content = encoded(kind, exif=exif(turn(value)))
    with Image.open(io.BytesIO(content)) as image:
        upright = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    agree(content, stored(encoded(kind)), upright)


NONE = {
    "0": turn(0),
    "9": turn(9),
    "65535": turn(65535),
    "-6": (ORIENTATION, SHORTS_SIGNED, 1, struct.pack("<h", -6)),
    "text": (ORIENTATION, TEXT, 2, b"6\0"),
    "bytes": (ORIENTATION, BYTE, 1, b"\6"),
    "a broken number": (ORIENTATION, FLOAT, 1, struct.pack("<f", 6.5)),
    "nan": (ORIENTATION, FLOAT, 1, struct.pack("<f", np.nan)),
    "6 of 0": (ORIENTATION, RATIONAL, 1, struct.pack("<II", 6, 0)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", list(NONE))
def test_an_orientation_that_is_none_turns_neither_size_nor_picture(kind, entry):
    pixels = stored(encoded(kind))
    agree(encoded(kind, exif=exif(NONE[entry])), pixels, pixels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", [turn(6), (ORIENTATION, LONG, 1, b"\6\0\0\0"), (ORIENTATION, SHORT, 2, b"\6\0\6\0")])
@pytest.mark.parametrize(
    "other",
    [
        (RESOLUTION, RATIONAL_SIGNED, 1, struct.pack("<ii", -1, 1)),
        (RESOLUTION, RATIONAL, 1, bytes(8)),
        (RESOLUTION, SHORT, 1, b"\0\0"),
        (0x8769, LONG, 1, struct.pack("<I", 2**31)),  # where the rest of EXIF should be
    ],
)
def test_a_note_that_is_broken_does_not_keep_a_photo_from_being_turned(kind, entry, other):
    pixels = stored(encoded(kind))
    agree(encoded(kind, exif=exif(entry, other)), pixels, np.rot90(pixels, -1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [6, 10, 14, 17, 20, 26])
def test_exif_that_is_cut_off(kind, length):
    agree(encoded(kind, exif=exif(turn(6))[:length]), stored(encoded(kind)))


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_segments(*segments: bytes) -> bytes:
    whole = encoded("JPEG")
    return whole[:2] + b"".join(segments) + whole[2:]


def with_chunks(chunks: list[bytes], behind: bool = False) -> bytes:
    whole = encoded("PNG")
    place = -12 if behind else 33  # before IEND, or after IHDR
    return whole[:place] + b"".join(chunks) + whole[place:]


XMP = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation="%s"/></x:xmpmeta>'


@pytest.mark.parametrize(("value", "turned"), [(b"6", True), (b"9", False), (b"0", False), (b"six", False)])
def test_xmp_may_say_the_orientation_too(value, turned):
    pixels = stored(encoded("JPEG"))
    agree(with_segments(segment(0xE1, XMP % value)), pixels, np.rot90(pixels, -1) if turned else pixels)


def test_a_photo_keeps_its_orientation_where_another_note_is_broken():
    """A colour profile that is cut short makes Pillow give up the whole file."""
    note, profile = exif(turn(6)), b"ICC_PROFILE\0"
    pixels = stored(encoded("JPEG"))
    agree(with_segments(segment(0xE1, note), segment(0xE2, profile)), pixels, np.rot90(pixels, -1))
    for behind in (False, True):
        agree(with_chunks([chunk(b"eXIf", note[6:]), chunk(b"gAMA", b"")], behind), PIXELS, np.rot90(PIXELS, -1))


def test_a_phone_s_photo_of_several_pictures_is_its_first():
    content = encoded("MPO", save_all=True, append_images=[Image.new("RGB", (24, 16))], exif=exif(turn(8)))
    pixels = stored(encoded("MPO"))
    agree(content, pixels, np.rot90(pixels))


noise = st.binary(max_size=30) | st.lists(st.sampled_from([0, 1, 2, 3, 6, 8, 255]), max_size=30).map(bytes)
starts = st.sampled_from(
    [
        (0xE0, b"JFIF\0"),
        (0xE1, b"Exif\0\0"),
        (0xE1, b"Exif\0\0II*\0\x08\0\0\0"),
        (0xE1, b"Exif\0\0MM\0*\0\0\0\x08"),
        (0xE1, XMP[:40]),
        (0xE2, b"ICC_PROFILE\0"),
        (0xE2, b"MPF\0II*\0\x08\0\0\0"),
        (0xED, b"Photoshop 3.0\x008BIM"),
        (0xEC, b"Ducky"),
        (0xFE, b"comment"),
    ]
)
chunks = st.sampled_from([b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME"])


@given(st.lists(st.tuples(starts, noise), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
@example([((0xE2, b"ICC_PROFILE\0"), b"")])
@example([((0xEE, b"Adobe"), b"\0")])
def test_any_notes_in_a_jpeg_leave_its_pixels(notes):
    agree(with_segments(*(segment(kind, start + more) for (kind, start), more in notes)), stored(encoded("JPEG")))


@given(st.lists(st.tuples(chunks, noise), min_size=1, max_size=3), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
@example([(b"iCCP", b"a\0\1")], True, False)
@example([(b"zTXt", b"a\0\0" + zlib.compress(bytes(3 << 20)))], True, False)  # more text than Pillow takes
def test_any_notes_in_a_png_leave_its_pixels(notes, behind, wrong_sum):
    made = [chunk(*note) for note in notes]
    if wrong_sum:
        made = [note[:-1] + bytes([note[-1] ^ 1]) for note in made]
    agree(with_chunks(made, behind), PIXELS)


def test_pixels_that_are_damaged_are_no_broken_note(tmp_path):
    for content in (encoded("PNG")[:-30], encoded("JPEG")[:-200], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "a.jpg").write_bytes(content)
        assert header(tmp_path / "a.jpg") is None
        with pytest.raises(DataError, match=r"a\.jpg cannot be decoded"):
            data.read_photo(tmp_path / "a.jpg")


def test_a_folder_of_photos_with_broken_notes_is_in_order(make_folder):
    root = make_folder(cars=1, views=3, size=(24, 16))
    for path, notes in zip(
        sorted((root / "train").iterdir()),
        (segment(0xE1, exif(turn(9))), segment(0xE2, b"ICC_PROFILE\0"), segment(0xE1, b"Exif\0\0broken")),
        strict=True,
    ):
        path.write_bytes(with_segments(notes))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "Corrupt EXIF|Metadata Warning", UserWarning)
        cars = data.CarFolder(root)
        cars.check(progress=False)
    assert [photo.size for photo in cars] == [(24, 16)] * 3


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_is_white_as_on_paper(tmp_path, mode):
    image = Image.new("RGBA", (6, 4), (200, 40, 10, 255))
    image.paste((0, 0, 0, 0), (0, 0, 3, 4))
    image = image.quantize() if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.png")
    read = data.read_photo(tmp_path / "a.png")
    assert (read[:, :3] == 255).all() and (read[:, 3:] < 255).any()
    np.testing.assert_array_equal(read, open_photo("a.png", (tmp_path / "a.png").read_bytes()))


@pytest.mark.parametrize("value", range(1, 9))
def test_a_tiff_under_another_name_is_turned_once(tmp_path, value):
    """Pillow turns these by itself, whatever it is asked."""
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", "TIFF", tiffinfo={ORIENTATION: value})
    with Image.open(tmp_path / "a.jpg") as image:
        seen = np.array(image)
    agree((tmp_path / "a.jpg").read_bytes(), seen, seen)


def test_how_colours_are_stored_is_no_note():
    """Without Adobe's segment the same bytes are other colours."""
    whole = encoded("JPEG")
    length = int.from_bytes(whole[4:6], "big")
    as_rgb = segment(0xEE, b"Adobe\0\x64" + bytes(5))
    plain, broken = (whole[:2] + as_rgb + note + whole[4 + length :] for note in (b"", segment(0xE2, b"ICC_PROFILE\0")))
    assert abs(stored(plain).astype(int) - stored(whole)).mean() > 20
    agree(broken, stored(plain))


def test_cmyk_of_adobe_is_not_a_negative(tmp_path):
    pixels = np.full((16, 24, 3), (200, 120, 40), np.uint8)
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    content = (tmp_path / "a.jpg").read_bytes()
    assert b"Adobe" in content
    (tmp_path / "b.jpg").write_bytes(content[:2] + segment(0xE2, b"ICC_PROFILE\0") + content[2:])
    for name in ("a.jpg", "b.jpg"):
        assert abs(data.read_photo(tmp_path / name).astype(int) - pixels).max() <= 6
