"""Figures as HTML: with alt text, at twice the resolution, the same in JupyterLab, Colab and the built page.

Pictures that a notebook stores as PNG have no place for an alt text; an ``<img>`` has.

Lesson:
    01.
"""

import base64
import html
import io
from dataclasses import dataclass, field

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",  # a white card, legible on a dark page too
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
    # Okabe & Ito 2008: distinct for colour-blind readers too
    "axes.prop_cycle": plt.cycler(color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]),
}
"""Matplotlib settings of every picture in the book; `course.start` applies them."""


@dataclass(frozen=True)
class Picture:
    """One encoded picture and its alt text.

    Attributes:
        data: the bytes of a PNG or JPEG file.
        alt: what is seen, in a sentence.
        width: in CSS pixels; a narrow page shrinks it.
        kind: "png" or "jpeg".

    Raises:
        ValueError: without an alt text.
    """

    data: bytes = field(repr=False)  # a notebook stores the repr beside the HTML
    alt: str
    width: int
    kind: str = "png"

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("A picture needs an alt text: say in one sentence what is seen.")

    def tag(self, attributes: str = "", width: str | None = None) -> str:
        """The ``<img>`` element; ``attributes`` go in as they are.

        Args:
            attributes: HTML to add, ``loading="lazy"`` for example.
            width: in CSS, "100%" for example; unset, the picture's own.

        Returns:
            HTML.
        """
        source = f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"
        style = f"width:{width or f'{self.width}px'};max-width:100%;height:auto;border-radius:4px"
        return f'<img alt="{html.escape(self.alt)}" style="{style}" {attributes} src="{source}">'

    def _repr_html_(self) -> str:
        return self.tag()


def figure(fig: Figure, alt: str, kind: str = "png") -> Picture:
    """Turn a matplotlib figure into a picture of the book, and close it.

    Args:
        fig: the figure.
        alt: what is seen in it, in a sentence; mandatory.
        kind: "png", or "jpeg" for a figure made of photos (far fewer bytes).

    Returns:
        a `Picture`; as the last value of a cell it is displayed.

    Raises:
        ValueError: without an alt text.
    """
    buffer = io.BytesIO()
    options = {"pil_kwargs": {"quality": 85}} if kind == "jpeg" else {}
    fig.savefig(buffer, format=kind, dpi=2 * fig.dpi, bbox_inches="tight", pad_inches=0.08, **options)
    plt.close(fig)  # else the notebook would show it a second time, without alt text
    with Image.open(buffer) as picture:
        width = picture.width // 2
    return Picture(buffer.getvalue(), alt, width, kind)


def encode(image: np.ndarray, alt: str, width: int | None = None) -> Picture:
    """Turn an array into a picture without axes or margin.

    Args:
        image: (H, W, 3) uint8, (H, W, 4) with transparency, or (H, W) uint8.
        alt: what is seen.
        width: in CSS pixels; unset, one CSS pixel for every pixel of the image.

    Returns:
        the picture.
    """
    buffer = io.BytesIO()
    photo = image.ndim == 3 and image.shape[2] == 3
    Image.fromarray(image).save(buffer, format="JPEG" if photo else "PNG", quality=88)
    return Picture(buffer.getvalue(), alt, width or image.shape[1], "jpeg" if photo else "png")
