"""Cut out a photo of the user's own: uploaded in the notebook, cut out by the kernel, shown and offered for download.

Lesson:
    cut-out.
"""

import base64
import html
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import ipywidgets as widgets
import numpy as np
from PIL import Image
from torch import nn

from carvana_lessons.data.decode import UNREADABLE, apply_exif_orientation, as_rgb, decode
from carvana_lessons.data.images import unreadable
from carvana_lessons.prediction.cutout import (
    RADIUS,
    chessboard,
    composite,
    estimate_foreground,
    feather,
    remove_small_regions,
    to_rgba,
)
from carvana_lessons.prediction.refine import refined_logits
from carvana_lessons.show import encode, flipbook, shrink
from carvana_lessons.utils.errors import CarvanaError, DataError

SIDE = 1600  # pixels: the PNG stays below 3 MB, which travels to the browser in the page
WIDTH = 640  # of the pictures shown


def uploaded(value: Mapping | Sequence[Mapping]) -> list[tuple[str, bytes]]:
    """The files in the value of a ``FileUpload``, whatever the version of ipywidgets.

    Args:
        value: of ipywidgets 7 (Colab) a dictionary, name → {"content": bytes, …}; of ipywidgets 8 a tuple of
            dictionaries with "name" and "content", a memoryview.

    Returns:
        one (name, content) per file, in their order; empty before a file was chosen.

    Lesson:
        cut-out.
    """
    files = value.items() if isinstance(value, Mapping) else [(file["name"], file) for file in value]
    return [(name, bytes(file["content"])) for name, file in files]


def open_photo(name: str, content: bytes, side: int = SIDE) -> np.ndarray:
    """Decode a user's own photo: with EXIF orientation applied, in RGB, downsampled to a largest side.

    There is no mask to align with, so unlike `read_photo` this applies the EXIF orientation.

    Args:
        name: for the error.
        content: of a picture of any kind in `carvana_lessons.data.formats.FORMATS`.
        side: the longest allowed, in pixels.

    Returns:
        (H, W, 3) uint8; what was transparent is white.

    Raises:
        DataError: if it is no photo that can be decoded, or larger than any photo.

    Lesson:
        cut-out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large, and shrunk below
            return decode(io.BytesIO(content), lambda image: _small(image, side))
    except Image.DecompressionBombError as error:
        raise unreadable(name, error) from error
    except DataError as error:  # a photo of a phone, where nothing reads these
        raise DataError(f"{name}: {error}") from error
    except UNREADABLE as error:
        raise DataError(f"{name} is no photo that can be read here; choose a JPEG or PNG file.") from error


def _small(image: Image.Image, side: int) -> np.ndarray:
    image.draft(None, (side, side))  # a large JPEG is decoded at a fraction of its size
    photo = as_rgb(apply_exif_orientation(image))
    photo.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.array(photo)


def answer(
    model: nn.Module, size: int | tuple[int, int] | None, name: str, content: bytes, radius: float = RADIUS
) -> str:
    """Before and after as HTML, with a link to the transparent PNG.

    Args:
        model: as `refined_logits`.
        size: as `refined_logits`.
        name: of the file.
        content: of the file.
        radius: of the feather, in pixels.

    Returns:
        HTML.

    Raises:
        DataError: as `open_photo`.
    """
    photo = open_photo(name, content)
    alpha = feather(remove_small_regions(refined_logits(model, photo, size)), radius)
    clean = estimate_foreground(photo, alpha)
    pages = {
        "before": photo,
        "on white": composite(clean, alpha),
        "transparent": composite(clean, alpha, chessboard(alpha.shape)),
    }
    alts = [f"{name}: the photo.", f"{name}: its car on white.", f"{name}: its car on the squares of transparency."]
    pictures = [encode(shrink(p, WIDTH), alt) for p, alt in zip(pages.values(), alts, strict=True)]
    buffer = io.BytesIO()
    Image.fromarray(to_rgba(clean, alpha, blank=True)).save(buffer, format="PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    file = html.escape(f"{PurePath(name).stem}_cut_out.png")
    style = "text-decoration:underline;color:#0072B2"  # JupyterLab draws links of widgets as plain text
    link = f'<a download="{file}" style="{style}" href="data:image/png;base64,{data}">Download {file}</a>'
    about = f"{alpha.shape[1]}×{alpha.shape[0]} pixels, {alpha.mean():.0%} of them car"
    book = flipbook(pictures, list(pages), "step", start=1)._repr_html_()
    return f"{book}<p>{link} ({about})</p>"


def cut_out_widget(model: nn.Module, size: int | tuple[int, int] | None = None, radius: float = RADIUS) -> widgets.VBox:
    """An upload button, and under it the photo before and after; works in JupyterLab and Colab, not in a static page.

    Only the kernel reads the photo.

    Args:
        model: as `refined_logits`.
        size: as `refined_logits`.
        radius: of the feather, in pixels.

    Returns:
        the widget.

    Lesson:
        cut-out.
    """
    chooser = widgets.FileUpload(accept=".jpg,.jpeg,.png", multiple=False, description="Choose a photo")
    chooser.layout.width = "14em"
    shown = widgets.HTML()

    def cut_out(change: Mapping) -> None:
        name = "The photo"
        try:
            for name, content in uploaded(change["new"])[-1:]:
                shown.value = f"<p>Cutting out {html.escape(name)} …</p>"
                shown.value = answer(model, size, name, content, radius)
        except CarvanaError as error:
            shown.value = _alert(str(error))
        except (Exception, KeyboardInterrupt) as error:
            # Nobody would see an exception raised here, only a message that waits forever.
            what = f"{type(error).__name__}: {error}".strip(": ")
            shown.value = _alert(f"{name} was not cut out ({what}); choose it again, or another photo.")

    chooser.observe(cut_out, names="value")
    return widgets.VBox([chooser, shown])


def _alert(sentence: str) -> str:
    return f'<p role="alert">{html.escape(sentence)}</p>'
