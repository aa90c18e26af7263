"""Interactive pictures that are redrawn when a slider moves, for JupyterLab and Colab: they need a kernel."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING

from carvana_lessons.show.figures import Picture

if TYPE_CHECKING:
    import ipywidgets

SLOW = 0.1  # seconds: a drawing that takes longer waits until the slider is released


def play(draw: Callable[..., tuple[Picture, str]], **controls: tuple | list) -> ipywidgets.VBox | Picture:
    """Show what a function draws, with a slider or a menu for each of its arguments.

    Args:
        draw: returns a picture and a line of text for the controls' values. The defaults of its arguments are drawn
            first.
        controls: for each argument that can be changed (lowest, highest) or (lowest, highest, step) for a slider, or a
            list of choices for a menu.

    Returns:
        controls, line and picture as one widget. Where ipywidgets is not installed a sentence says so, and the first
        picture is returned.

    Lesson:
        01.
    """
    try:
        import ipywidgets as widgets
    except ImportError:
        print("The sliders of this picture need ipywidgets: `pip install ipywidgets`, then restart the kernel.")
        return draw()[0]

    starts = signature(draw).parameters
    moved = {name: widgets.interactive.widget_from_abbrev(c, starts[name].default) for name, c in controls.items()}
    shown = widgets.HTML()

    def redraw() -> None:
        picture, line = draw(**{name: control.value for name, control in moved.items()})
        shown.value = f"<p>{html.escape(line)}</p>{picture.tag()}"

    def answer(_) -> None:
        try:
            redraw()
        except (
            Exception
        ) as error:  # whatever it is: the traceback of a moved slider ends in a log that users do not see
            shown.value = f'<p role="alert">{html.escape(f"{type(error).__name__}: {error}")}</p>'

    began = time.perf_counter()
    redraw()
    slow = time.perf_counter() - began > SLOW
    for name, control in moved.items():
        control.description, control.style.description_width = name.replace("_", " "), "initial"
        if control.has_trait("continuous_update"):
            control.continuous_update = not slow
        control.observe(answer, names="value")
    return widgets.VBox([*moved.values(), shown])
