"""Refinement of the edge: nothing changes beyond the band, a closer look holds the car, and thin things come back."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from samples import Brightness, draw_pair

from carvana_lessons.evaluation.boundary import boundary_iou
from carvana_lessons.prediction.cutout import photo_logits
from carvana_lessons.prediction.refine import band, blend, follow_edges, refined_logits, zoom_box
from carvana_lessons.utils.errors import CarvanaError

masks = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(lambda shape: arrays(bool, shape))


@given(masks, st.integers(1, 6))
def test_a_band_is_the_distance_to_the_edge_of_a_loop(mask, width):
    height, length = mask.shape
    places = [(i, j) for i in range(height) for j in range(length)]
    edge = [
        (i, j)
        for i, j in places
        if any(
            0 <= a < height and 0 <= b < length and mask[a, b] != mask[i, j]
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
        )
    ]
    share = band(mask, width)
    for i, j in places:
        away = min((max(abs(i - a), abs(j - b)) for a, b in edge), default=np.inf)
        assert share[i, j] == pytest.approx(min(1, max(0, 2 * (1 - away / width))), abs=1e-6)


@given(st.integers(1, 4), st.integers(0, 1000))
def test_the_weights_of_all_looks_sum_to_one(count, seed):
    rng = np.random.default_rng(seed)
    share = torch.from_numpy(rng.choice([0, 0.3, 1], (5, 7)).astype(np.float32))
    looks = [torch.from_numpy(rng.normal(size=(1, 1, 5, 7)).astype(np.float32)) for _ in range(count)]
    made = blend(looks, share)
    own = share / 2 / max(1, count - 1)  # the others together as much as the first, where they count at all
    wanted = (1 - own * (count - 1)) * looks[0] + sum(own * look for look in looks[1:])
    assert torch.allclose(made, wanted, atol=1e-5)
    assert torch.equal(made[0, 0][share == 0], looks[0][0, 0][share == 0])
    assert torch.allclose(blend([looks[0]] * count, share), looks[0], atol=1e-6)


@pytest.mark.parametrize("steps", [{}, {"guided": True}, {"larger": False}, {"closer": False}])
def test_nothing_changes_beyond_the_band(steps):
    photo, _ = draw_pair((210, 140), np.random.default_rng(0))
    first, refined = photo_logits(Brightness(), photo, 30, flip=True), refined_logits(Brightness(), photo, 30, **steps)
    assert refined.shape == first.shape and refined.dtype == torch.float32
    outside = torch.from_numpy(band(first[0, 0].numpy() > 0, round(4 / 3 * 210 / 30)) == 0)
    assert 0.2 < outside.float().mean() < 0.9
    assert torch.equal(refined[0, 0][outside], first[0, 0][outside])
    assert not torch.equal(refined[0, 0][~outside], first[0, 0][~outside])


def test_a_photo_without_an_edge_is_looked_at_once():
    seen = []
    model = Brightness()
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    for shade in (0, 255):
        photo = np.full((60, 90, 3), shade, np.uint8)
        assert torch.equal(refined_logits(model, photo, 30), photo_logits(model, photo, 30, flip=True))
    assert len(seen) == 8, "each of the two calls looks at the photo and at its mirror image, and no more"


@given(masks, st.sampled_from([0, 20, 100]))
def test_the_closer_look_holds_the_car_in_the_proportions_of_the_photo(mask, margin):
    rows, columns = zoom_box(mask, margin)
    assert mask[rows, columns].sum() == mask.sum()
    assert 0 <= rows.start < rows.stop <= len(mask) and 0 <= columns.start < columns.stop <= mask.shape[1]
    zooms = [(at.stop - at.start) / length for at, length in zip((rows, columns), mask.shape, strict=True)]
    assert abs(zooms[0] - zooms[1]) <= 0.5 / min(mask.shape) + 1e-9 or max(zooms) == 1


def test_the_edge_of_a_photo_is_followed_inside_the_band_alone():
    photo, _ = draw_pair((90, 60), np.random.default_rng(3))
    logits = photo_logits(Brightness(), photo, 20)
    share = band(logits[0, 0].numpy() > 0, 6)
    made = follow_edges(photo, logits, share, 3)
    assert torch.equal(made[0, 0][share == 0], logits[0, 0][share == 0])
    assert not torch.equal(made, logits) and logits is not made
    assert torch.equal(follow_edges(photo, logits, 0 * share, 3), logits)


def test_a_notch_that_is_hardly_a_pixel_of_the_network_comes_back():
    """A small car with a notch, and a network that answers at a ninth of the size: closer, it sees more of it."""
    photo, truth = np.full((240, 360, 3), 20, np.uint8), np.zeros((240, 360), bool)
    truth[100:160, 130:230] = True
    truth[130:160, 176:184] = False
    photo[truth] = 220
    before, after = (look(Brightness(), photo, 40)[0, 0].numpy() > 0 for look in (photo_logits, refined_logits))
    assert boundary_iou(after, truth, 3) > boundary_iou(before, truth, 3)
    assert (after != truth).sum() < 0.9 * (before != truth).sum()


def test_several_networks_are_averaged_and_each_keeps_its_size():
    one, other = Brightness(), Brightness()
    torch.nn.init.constant_(other.threshold, 0.6)
    photo, _ = draw_pair((90, 60), np.random.default_rng(0))
    mean = (photo_logits(one, photo, 30) + photo_logits(other, photo, 30)) / 2
    assert torch.allclose(photo_logits([one, other], photo, 30), mean, atol=1e-6)
    assert not torch.equal(refined_logits([one, other], photo, 30), mean)
    with pytest.raises(CarvanaError, match="give the size"):
        refined_logits(one, photo)
