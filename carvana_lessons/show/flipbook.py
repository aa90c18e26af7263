"""Pictures with a slider, for mouse or keyboard, without a kernel, a server or a script file.

Lesson:
    01.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

from carvana_lessons.show.figures import Picture
from carvana_lessons.show.photos import ContactSheet
from carvana_lessons.utils.keys import OWN_KEYS


@dataclass(frozen=True)
class Flipbook:
    """Pictures and a slider that selects the one shown.

    Attributes:
        pictures: at least one, each with its own alt text.
        labels: the text beside the slider for each.
        name: what the slider changes, for its label: "view".
        start: index of the first picture shown.
    """

    pictures: tuple[Picture | ContactSheet, ...] = field(repr=False)
    labels: tuple[str, ...]
    name: str
    start: int = 0

    def _repr_html_(self) -> str:
        last = len(self.pictures) - 1
        pages = "".join(p.tag("" if k == self.start else "hidden") for k, p in enumerate(self.pictures))
        labels = html.escape("|".join(self.labels))
        # One attribute instead of a script: JupyterLab, Colab and a page all run it, and it needs no unique ids.
        turn = (
            "const f=this.closest('figure'),k=+this.value,t=this.dataset.labels.split('|')[k];"
            "[...f.children].slice(0,-1).forEach((p,i)=>{p.hidden=i!==k});"
            "f.querySelector('output').textContent=t;this.setAttribute('aria-valuetext',t)"
        )
        return (
            f'<figure class="flipbook" style="margin:0;width:{self.pictures[0].width}px;max-width:100%">{pages}'
            '<figcaption><label style="display:flex;gap:.75em;align-items:center">'
            f"<span>{html.escape(self.name)}</span>"
            f'<input type="range" min="0" max="{last}" value="{self.start}" style="flex:1" '
            f'aria-valuetext="{html.escape(self.labels[self.start])}" data-labels="{labels}" '
            f'{OWN_KEYS} oninput="{turn}">'
            f'<output style="min-width:4em">{html.escape(self.labels[self.start])}</output>'
            "</label></figcaption></figure>"
        )


def flipbook(pictures: Sequence[Picture | ContactSheet], labels: Sequence[str], name: str, start: int = 0) -> Flipbook:
    """Make a `Flipbook`.

    Args:
        pictures: of equal size.
        labels: the text beside the slider for each; no ``|`` in them.
        name: what the slider changes.
        start: index of the picture shown first.

    Returns:
        the flipbook; as the last value of a cell it is displayed.

    Raises:
        ValueError: if there are no pictures, or not one label per picture.
    """
    if not pictures or len(pictures) != len(labels):
        raise ValueError(f"A flipbook needs a label for each picture, not {len(labels)} for {len(pictures)}.")
    return Flipbook(tuple(pictures), tuple(labels), name, start)
