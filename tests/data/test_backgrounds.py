"""Backgrounds: one picture from one seed, families that differ, and none of the test in a training."""

import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from carvana_lessons.data import backgrounds
from carvana_lessons.data.backgrounds import FAMILIES, HELD_OUT, Draws, make_background
from carvana_lessons.data.backgrounds.camera import compress
from carvana_lessons.data.backgrounds.cutting import clean_edge, soft_edge
from carvana_lessons.data.backgrounds.noise import octaves, soften
from carvana_lessons.utils.errors import ArgumentError

ALL = (*FAMILIES, *HELD_OUT)


def test_the_families_of_the_test_are_not_among_those_of_the_training():
    assert len(FAMILIES) >= 12 and len(HELD_OUT) >= 6
    assert set(FAMILIES) & set(HELD_OUT) == set()
    assert {"white-wall", "night"} <= set(HELD_OUT)


@pytest.mark.parametrize("name", ALL)
def test_every_picture_is_one_of_its_seed(name):
    first = make_background(name, 40, 56, seed=3)
    assert first.picture.shape == (3, 40, 56) and first.picture.dtype == torch.float32
    make_background("noise", 40, 56, seed=8)  # whatever is made between
    torch.rand(7)
    again, other = (make_background(name, 40, 56, seed=seed) for seed in (3, 4))
    assert again.picture.equal(first.picture) and again.ground == first.ground
    assert not other.picture.equal(first.picture)


@pytest.mark.parametrize("name", ALL)
def test_pictures_are_finite_between_0_and_1_and_of_any_shape(name):
    for (height, width), seed in itertools.product([(64, 64), (33, 70), (70, 33), (8, 8)], range(5)):
        picture, ground = make_background(name, height, width, seed)
        assert picture.shape == (3, height, width) and picture.is_contiguous() and not picture.requires_grad
        assert picture.isfinite().all() and picture.min() >= 0 and picture.max() <= 1
        assert ground is None or 0 < ground < 1


def test_making_one_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    make_background("streets", 32, 32, seed=5)
    assert torch.get_rng_state().equal(before)


def statistics(name: str) -> np.ndarray:
    """Of 16 pictures: mean, spread, colourfulness, and how much of the spread is fine; (16, 4)."""
    rows = []
    for seed in range(16):
        picture = make_background(name, 64, 64, seed, blur=0).picture.numpy()
        grey = picture.mean(0)
        fine = (grey - gaussian_filter(grey, 2)).std()
        rows.append([grey.mean(), grey.std(), (picture.max(0) - picture.min(0)).mean(), fine])
    return np.array(rows)


def test_pictures_of_a_family_differ_and_families_differ():
    found = {name: statistics(name) for name in ALL}
    for name, table in found.items():
        assert len({tuple(row) for row in table.round(5)}) == len(table), name
    means = np.array([table.mean(0) for table in found.values()])
    spread = means.std(0)
    for a, b in itertools.combinations(range(len(ALL)), 2):
        assert np.abs((means[a] - means[b]) / spread).max() > 0.15, (ALL[a], ALL[b])
    assert found["night"][:, 0].max() < 0.3 < 0.6 < found["white-wall"][:, 0].min()
    assert found["pixels"][:, 2].mean() > 3 * found["white-wall"][:, 2].mean()
    assert found["white-wall"][:, 3].max() < found["cobblestones"][:, 3].mean() / 3


def test_a_family_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(ArgumentError, match=r"'moon'.*walls"):
        make_background("moon", 32, 32)
    with pytest.raises(ArgumentError, match="8 or more"):
        make_background("walls", 7, 32)


def test_fields_come_from_the_seed_and_not_from_the_size_before():
    draws = Draws(5, 16, 16)
    numbers = [draws.uniform(2, 3) for _ in range(50)]
    assert all(2 <= number <= 3 for number in numbers) and len(set(numbers)) == 50
    assert [Draws(5, 99, 3).uniform(2, 3)] == numbers[:1]
    assert Draws(5, 16, 16).field(3, 4).equal(Draws(5, 8, 8).field(3, 4))
    assert {Draws(k, 8, 8).integer(1, 3) for k in range(40)} == {1, 2, 3}
    down, across = Draws(0, 4, 8).grid()
    assert down[:, 0].tolist() == [0.125, 0.375, 0.625, 0.875] and across.shape == (1, 8) and across[0, -1] == 1.875


def test_octaves_fill_their_range_and_more_of_them_are_rougher():
    smooth, rough = (octaves(Draws(0, 64, 64), 3, count, 0.8) for count in (1, 6))
    for field in (smooth, rough):
        assert field.shape == (1, 64, 64) and field.min() == 0 and field.max() == pytest.approx(1)
    assert (rough[:, 1:] - rough[:, :-1]).abs().mean() > 2 * (smooth[:, 1:] - smooth[:, :-1]).abs().mean()


def test_softening_keeps_the_mean_and_takes_the_detail():
    picture = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0))
    soft = soften(picture, 4)
    torch.testing.assert_close(soft.mean(), picture.mean(), atol=0.01, rtol=0)
    assert soft.std() < picture.std() / 2
    assert soften(picture, 1) is picture


def disc(height: int, width: int) -> torch.Tensor:
    rows, columns = np.mgrid[:height, :width]
    return torch.from_numpy(((rows - 20) / 12) ** 2 + ((columns - 30) / 18) ** 2 < 1).float()[None]


@pytest.mark.parametrize("feather", [0.5, 1.2])
def test_a_soft_edge_is_scipys_blur_moved_inwards(feather):
    mask, inset = disc(40, 60), 0.3
    blurred = gaussian_filter(mask[0].double().numpy(), feather, mode="nearest", radius=3)
    expected = ((blurred - inset) / (1 - inset)).clip(0, 1)
    np.testing.assert_allclose(soft_edge(mask, inset, feather)[0], expected, atol=1e-5)
    assert soft_edge(mask, 0.5, 0).equal(mask)


def test_the_white_rim_of_the_studio_is_gone():
    """The photo is a red car before white, mixed on the edge; before black no pixel of the paste may be pale."""
    mask = disc(40, 60)
    cover = torch.from_numpy(gaussian_filter(mask[0].numpy(), 0.8))
    red = torch.tensor([0.6, 0.1, 0.1]).view(3, 1, 1)
    photo = red * cover + (1 - cover)
    plain = photo * mask
    pasted = backgrounds.paste(photo, mask, torch.zeros(3, 40, 60))
    assert plain[1].max() > 0.3  # what a hard cut leaves
    assert pasted[1].max() < 0.15
    inside = soft_edge(mask) == 1
    torch.testing.assert_close(clean_edge(photo, mask)[:, inside[0]], photo[:, inside[0]], atol=0.05, rtol=0)


def test_a_paste_before_nothing_but_itself_changes_only_the_edge():
    mask = disc(40, 60)
    photo = torch.full((3, 40, 60), 0.4)
    torch.testing.assert_close(backgrounds.paste(photo, mask, photo.clone()), photo)
    empty = torch.zeros_like(mask)
    picture = torch.rand(3, 40, 60)
    assert backgrounds.paste(photo, empty, picture.clone()).equal(picture)


def test_compression_rounds_the_waves_of_scipys_cosine_transform():
    from scipy.fft import dctn, idctn

    grey = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    step = 0.2
    n = np.arange(8)
    steps = step * (1 + (n[:, None] + n) / 2)
    expected = idctn((dctn(grey[0].numpy(), norm="ortho") / steps).round() * steps, norm="ortho")
    np.testing.assert_allclose(compress(grey.expand(3, -1, -1), step)[0], expected, atol=2e-3)
    fine = compress(grey.expand(3, -1, -1), 1e-4)
    torch.testing.assert_close(fine, grey.expand(3, -1, -1), atol=2e-3, rtol=0)
    odd = torch.rand(3, 13, 21)
    assert compress(odd, 0.5)[:, 8:].equal(odd[:, 8:]) and not compress(odd, 0.5).equal(odd)
