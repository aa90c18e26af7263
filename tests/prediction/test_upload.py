"""A reader's own photo: both forms of FileUpload's value, real files, and what is said about a file that is none."""

import base64
import io
import re
import struct

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image
from samples import bomb, sixteen_bits

from carvana_lessons import models
from carvana_lessons.prediction.upload import cut_out_widget, open_photo, uploaded
from carvana_lessons.utils.errors import CarvanaError, DataError


def picture(size=(60, 40)) -> np.ndarray:
    """Red above, blue below."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[: size[1] // 2, :, 0] = pixels[size[1] // 2 :, :, 2] = 250
    return pixels


def encoded(pixels: np.ndarray, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, **options)
    return buffer.getvalue()


def of_7(*files):
    """As Colab's ipywidgets 7 gives it."""
    return {n: {"metadata": {"name": n, "type": "", "size": len(c), "lastModified": 0}, "content": c} for n, c in files}


def of_8(*files):
    return tuple({"name": n, "type": "", "size": len(c), "content": memoryview(c)} for n, c in files)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return models.create("unet-tiny", width=2).eval()


@pytest.mark.parametrize("form", [of_7, of_8])
def test_the_value_of_either_version_is_read(form):
    files = [("my car.jpg", encoded(picture())), ("b.png", encoded(picture(), "PNG"))]
    assert uploaded(form(*files)) == files
    assert uploaded(form()) == []
    assert np.abs(open_photo(*uploaded(form(*files))[0]).astype(int) - picture()).mean() < 3


def test_a_photo_is_turned_as_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    stored = np.rot90(picture())  # what the camera wrote
    photo = open_photo("a.jpg", encoded(stored, quality=95, exif=exif))
    assert photo.shape == picture().shape
    assert np.abs(photo.astype(int) - picture()).mean() < 3


def test_a_huge_photo_is_shrunk_and_a_small_one_is_not():
    assert open_photo("a.jpg", encoded(np.zeros((900, 3000, 3), np.uint8)), side=1000).shape == (300, 1000, 3)
    exif = Image.Exif()
    exif[0x0112] = 8
    assert open_photo("a.jpg", encoded(np.zeros((900, 3000, 3), np.uint8), exif=exif), 1000).shape == (1000, 300, 3)
    assert np.array_equal(open_photo("a.png", encoded(picture(), "PNG")), picture())


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1"])
def test_any_mode_comes_out_as_rgb(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    buffer = io.BytesIO()
    Image.new(mode, (20, 10)).save(buffer, format=kind)
    photo = open_photo("a", buffer.getvalue())
    assert photo.shape == (10, 20, 3) and photo.dtype == np.uint8
    if mode in ("RGBA", "LA"):
        assert (photo == 255).all()  # what was transparent is white


@pytest.mark.parametrize("width", [60, 3000])
def test_sixteen_bits_of_grey_are_a_ramp_and_not_white(width):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down: the ramp runs the other way
    buffer = io.BytesIO()
    sixteen_bits((width, 40)).save(buffer, "PNG", exif=exif)
    photo = open_photo("a.png", buffer.getvalue(), side=1000)
    assert photo.shape[1] == min(width, 1000)
    assert abs(photo[..., 1] - np.linspace(255, 0, photo.shape[1])).max() <= 2


def test_an_enormous_photo_is_not_decoded_and_the_widget_says_so(model):
    with pytest.raises(DataError, match=r"big\.png has more than .* pixels.*save it smaller"):
        open_photo("big.png", bomb())
    assert "save it smaller" in choose(cut_out_widget(model, 32), ("big.png", bomb()))


@pytest.mark.parametrize(
    "content", [b"", b"a note", encoded(picture())[:200], b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_a_file_that_is_no_photo_is_named(content):
    with pytest.raises(DataError, match=r"notes\.txt is no photo .* choose a JPEG or PNG"):
        open_photo("notes.txt", content)


def choose(box, *files):
    """What the browser sends when files are chosen, by the installed version of ipywidgets."""
    chooser, shown = box.children
    if ipywidgets.__version__.startswith("7."):  # Colab's
        told = [file["metadata"] for file in of_7(*files).values()]
        sent = {"metadata": told, "data": [memoryview(content) for _, content in files]}
        chooser.set_state(sent | {"_counter": chooser.get_state("_counter")["_counter"] + 1})
    else:
        chooser.set_state({"value": [file | {"last_modified": 0} for file in of_8(*files)]})
    return shown.value


def test_the_widget_shows_before_and_after_and_a_png_to_keep(model):
    box = cut_out_widget(model, 32)
    page = choose(box, ("my <car>.png", encoded(picture(), "PNG")))
    assert page.count("<img ") == 3 and "before" in page and "transparent" in page
    assert "<car>" not in page and "my &lt;car&gt;_cut_out.png" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)  # nothing is asked of any server
    kept = re.search(r'download="[^"]+" [^>]*href="data:image/png;base64,([^"]+)"', page)[1]
    with Image.open(io.BytesIO(base64.b64decode(kept))) as image:
        assert image.mode == "RGBA" and image.size == (60, 40)
        pixels = np.asarray(image)
    assert (pixels[pixels[..., 3] == 0] == 0).all()


def test_the_widget_says_what_is_wrong_and_goes_on(model):
    box = cut_out_widget(model, 32)
    page = choose(box, ("<b>.txt", b"a note"))
    assert page.startswith('<p role="alert">&lt;b&gt;.txt is no photo') and "Traceback" not in page
    assert "<img " in choose(box, ("a.jpg", encoded(picture())))


class Odd(torch.nn.Module):
    """A network that fails in a way that nobody thought of."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.weight, self.error = torch.nn.Parameter(torch.zeros(1)), error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [CarvanaError("No memory."), RuntimeError("sizes differ"), KeyError("x"), MemoryError(), KeyboardInterrupt()],
)
def test_whatever_happens_the_widget_ends_in_a_sentence(error):
    box = cut_out_widget(Odd(error), 32)
    page = choose(box, ("<a>.jpg", encoded(picture())))
    assert page.startswith('<p role="alert">') and "Cutting out" not in page
    if isinstance(error, CarvanaError):
        assert "No memory." in page
    else:
        assert f"&lt;a&gt;.jpg was not cut out ({type(error).__name__}" in page and page.endswith("photo.</p>")


def test_broken_exif_does_not_leave_the_widget_waiting(model):
    """Turned by a quarter, with a resolution of −1."""
    exif = b"II*\0" + struct.pack("<IH", 8, 2)
    exif += struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", 0x011A, 10, 1, 38)
    content = encoded(picture(), exif=b"Exif\0\0" + exif + bytes(4) + struct.pack("<ii", -1, 1))
    assert open_photo("a.jpg", content).shape == (60, 40, 3)
    page = choose(cut_out_widget(model, 32), ("a.jpg", content))
    assert page.count("<img ") == 3 and "40×60 pixels" in page
