"""Pictures: the right pixels, an alt text on each, and a network drawn as it is."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from carvana_lessons import data, models, show
from carvana_lessons.show.steps import added, trace


def decoded(html: str) -> np.ndarray:
    data = re.search(r"base64,([^\"]+)", html)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_figure_is_an_image_with_alt_text_and_is_closed():
    fig, axis = plt.subplots(figsize=(3, 2))
    axis.plot([1, 2])
    html = show.figure(fig, alt='A line that "rises" & ends.')._repr_html_()
    assert 'alt="A line that &quot;rises&quot; &amp; ends."' in html
    assert not plt.get_fignums()
    width = int(re.search(r"width:(\d+)px", html)[1])
    assert decoded(html).shape[1] // 2 == width


def test_a_picture_without_alt_text_is_refused():
    with pytest.raises(ValueError, match="needs an alt text"):
        show.encode(np.zeros((2, 2), np.uint8), alt=" ")
    with pytest.raises(ValueError, match="needs an alt text"):
        show.figure(plt.figure(), alt="")


def test_a_confusion_has_a_colour_for_each_kind_of_pixel():
    target, prediction = np.array([[1, 0, 255, 0]], np.uint8), np.array([[True, True, False, False]])
    found = show.confusion(target, prediction)[0].tolist()
    assert found == [list(show.GREEN), list(show.BLUE), list(show.ORANGE), [235, 235, 235]]
    with pytest.raises(ValueError, match="resize one first"):
        show.confusion(target, prediction[:, :2])


def test_captions_name_the_car_or_else_its_id(make_folder):
    root = make_folder(cars=3, views=2)
    table = root / "metadata.csv"
    assert show.captions(data.CarFolder(root))[:3] == [
        "Make Model 0, view 1",
        "Make Model 0, view 2",
        "Make Model 1, view 1",
    ]
    table.write_text("id,make,model\n000000000ab0,Make,\n000000000ab1,Make,300 C\n", encoding="utf-8")
    assert show.captions(data.CarFolder(root).select(views=2)) == [
        "000000000ab0, view 2",  # a make alone
        "Make 300 C, view 2",
        "000000000ab2, view 2",  # no row
    ]
    table.unlink()
    assert show.captions(data.CarFolder(root)[1:3]) == ["000000000ab0, view 2", "000000000ab1, view 1"]


def test_an_overlay_tints_the_mask_alone():
    photo = np.full((2, 3, 3), 100, np.uint8)
    mask = np.array([[0, 1, 0], [0, 0, 255]])
    tinted = show.overlay(photo, mask, color=(200, 0, 100), alpha=0.5)
    assert tinted[0, 1].tolist() == tinted[1, 2].tolist() == [150, 50, 100]
    assert (tinted[mask == 0] == 100).all()
    with pytest.raises(ValueError, match="resize one"):
        show.overlay(photo, mask.T)


def test_an_error_map_names_both_kinds_of_error():
    photo = np.zeros((1, 4, 3), np.uint8)
    target, prediction = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]])
    pixels = show.errors(photo, target, prediction)[0]
    assert pixels[1].tolist() == [213, 94, 0]  # missed
    assert pixels[2].tolist() == [0, 114, 178]  # too much
    assert pixels[0].tolist() == pixels[3].tolist()


def test_shrinking_keeps_aspect_and_masks_stay_masks():
    assert show.shrink(np.zeros((40, 60, 3), np.uint8), 30).shape == (20, 30, 3)
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 30:] = 1
    small = show.shrink(mask, 30)
    assert small.shape == (20, 30) and small.dtype == np.uint8
    assert (small == mask[::2, ::2]).all()


def test_a_grid_and_a_comparison_are_pictures():
    photo = np.zeros((20, 30, 3), np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    assert show.grid([photo] * 5, alt="Five photos.", titles=list("abcde"), columns=3).kind == "jpeg"
    assert show.compare(photo, mask, mask, alt="Nothing is wrong.").alt == "Nothing is wrong."


def test_a_flipbook_shows_one_picture_and_labels_its_slider():
    pictures = [show.encode(np.full((2, 4), 50 * k, np.uint8), alt=f"Page {k}.") for k in range(3)]
    html = show.flipbook(pictures, labels=["0°", "45°", "90°"], name="angle", start=1)._repr_html_()
    tags = re.findall(r"<img [^>]*>", html)
    assert [" hidden " in tag for tag in tags] == [True, False, True]
    assert 'type="range" min="0" max="2" value="1"' in html and 'aria-valuetext="45°"' in html
    assert "<label" in html and "<script" not in html
    with pytest.raises(ValueError, match="2 for 3"):
        show.flipbook(pictures, labels=["a", "b"], name="angle")


def across(steps):
    return [(steps[a].name, steps[b].name) for b, (a, _) in added(steps).items() if a is not None]


def indices(steps):
    """(stage before the pool that recorded them, stage after the unpooling that takes them)"""
    return [(steps[s.recorded - 1].name, steps[k + 1].name) for k, s in enumerate(steps) if s.recorded is not None]


def test_the_drawing_follows_the_network():
    steps = trace(models.create("unet-tiny"), (64, 96))
    assert [s.given for s in steps if s.kind == "DoubleConv"] == [
        (8, 64, 96),
        (16, 32, 48),
        (32, 16, 24),
        (64, 8, 12),
        (32, 16, 24),
        (16, 32, 48),
        (8, 64, 96),
    ]
    assert across(steps) == [("down2", "merge0"), ("down1", "merge1"), ("down0", "merge2")]
    picture = show.architecture(models.create("unet-tiny"))
    assert "3 dashed lines" in picture.alt and "from 128 px down to 16 px" in picture.alt


def test_indices_and_maps_are_told_apart():
    segnet = trace(models.create("segnet", width=2), (64, 96))
    assert across(segnet) == []
    assert indices(segnet) == [(f"down{4 - k}", f"up{k}") for k in range(5)]
    arc1 = trace(models.create("arc1", width=2), (64, 96))
    assert across(arc1) == indices(arc1) == [(f"down{3 - k}", f"up{k}") for k in range(4)]
    assert [s.convolutions for s in arc1 if s.role == "stage"] == [2, 2, 3, 3, *[1] * 6, 3, 3, 3, 3]
    assert {s.given for s in segnet if s.role == "unpool"} >= {(16, 4, 6), (2, 64, 96)}


def test_the_middle_shows_its_rates_and_where_coordinates_enter():
    maskingnet = trace(models.create("maskingnet", width=2), (64, 64))
    assert [s.rate for s in maskingnet if s.name.startswith("middle")] == [1, 2, 4, 8, 4, 2]
    outside = {maskingnet[b].name: c for b, (a, c) in added(maskingnet).items() if a is None}
    assert outside == {"middle0": 2}
    arc2 = trace(models.create("arc2", width=2), (64, 64))
    assert added(arc2)[0] == (None, 2)


@pytest.mark.parametrize(
    "name, words",
    [
        ("segnet", ["6 image sizes from 128 px down to 4 px", "5 dotted lines carry indices"]),
        ("arc1", ["4 dashed lines carry maps", "4 dotted lines carry indices", "rates 1, 1, 1, 1, 1, 1"]),
        ("arc2", ["2 maps from outside enter before down0"]),
        ("maskingnet", ["rates 1, 2, 4, 8, 4, 2", "2 maps from outside enter before middle0"]),
    ],
)
def test_the_alt_text_says_what_is_drawn(name, words):
    alt = show.architecture(models.create(name, width=2)).alt
    assert [w for w in words if w not in alt] == []
    assert ("dashed" in alt) == (name != "segnet")


def test_a_sheet_of_nothing_and_a_mask_that_is_none_are_refused():
    photo = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(ValueError, match="give one or more"):
        show.grid([], "nothing")
    for ask in (lambda: show.overlay(photo, None), lambda: show.errors(photo, photo[..., 0], None)):
        with pytest.raises(ValueError, match="opened without masks"):
            ask()
