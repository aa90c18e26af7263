"""Live pictures: a control that is moved, as a browser moves it, changes picture, alt text and line."""

import base64
import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

from carvana_lessons import show
from carvana_lessons.show import live


def bar(length=2, tone="light"):
    """A bar of that many white or grey pixels on black, and its length in words."""
    pixels = np.zeros((1, 10), np.uint8)
    pixels[:, :length] = {"light": 255, "dark": 100}[tone]
    return show.encode(pixels, alt=f"A {tone} bar of {length} pixels."), f"length < {length + 1}"


def move(control, value):
    """What the browser sends when a reader moves a control; of a menu it sends the number of the choice."""
    control.set_state({"index" if control.has_trait("index") else "value": value})


def pixels(page: str) -> list[int]:
    data = re.search(r"base64,([^\"]+)", page)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[0].tolist()


def test_a_moved_slider_changes_picture_alt_text_and_line():
    slider, shown = show.play(bar, length=(0, 8)).children
    assert (slider.min, slider.max, slider.value, slider.description) == (0, 8, 2, "length")
    assert pixels(shown.value) == [255] * 2 + [0] * 8
    move(slider, 5)
    assert pixels(shown.value) == [255] * 5 + [0] * 5
    assert 'alt="A light bar of 5 pixels."' in shown.value
    assert "length &lt; 6" in shown.value and "length &lt; 3" not in shown.value


def test_two_controls_move_one_picture():
    slider, menu, shown = show.play(bar, length=(0, 8), tone=["light", "dark"]).children
    assert menu.options == ("light", "dark") and menu.value == "light"
    move(menu, 1)
    move(slider, 4)
    assert pixels(shown.value) == [100] * 4 + [0] * 6


def test_steps_may_be_parts_of_one():
    def grey(share=0.5):
        return show.encode(np.full((1, 2), round(100 * share), np.uint8), alt="Grey."), ""

    slider, shown = show.play(grey, share=(0.01, 0.99, 0.01)).children
    assert (slider.min, slider.max, slider.step, slider.value) == (0.01, 0.99, 0.01, 0.5)
    move(slider, 0.73)
    assert pixels(shown.value) == [73, 73]


@pytest.mark.parametrize(("bound", "slow"), [(60.0, False), (0.0, True)])
def test_a_slow_picture_waits_until_the_slider_is_let_go(bound, slow, monkeypatch):
    monkeypatch.setattr(live, "SLOW", bound)
    assert show.play(bar, length=(0, 8)).children[0].continuous_update == (not slow)


def test_a_drawing_that_fails_says_so_and_goes_on():
    slider, shown = show.play(bar, length=(0, 8), tone=["light", "<b>"]).children[::2]
    menu = show.play(bar, tone=["light", "<b>"])
    move(menu.children[0], 1)
    assert menu.children[1].value.startswith('<p role="alert">KeyError: &#x27;&lt;b&gt;')
    move(menu.children[0], 0)
    move(slider, 3)
    assert "<img " in menu.children[1].value and pixels(shown.value)[:4] == [255, 255, 255, 0]


def test_without_ipywidgets_there_is_a_sentence_and_the_first_picture(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # as if it were not installed
    picture = show.play(bar, length=(0, 8))
    assert picture.alt == "A light bar of 2 pixels."
    assert "pip install ipywidgets" in capsys.readouterr().out
