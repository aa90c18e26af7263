"""Cars before other backgrounds: masks move as a loop moves them, one by one as in a batch, what is kept stays."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from carvana_lessons import data
from carvana_lessons.data.backgrounds import FAMILIES, HELD_OUT, Draws, Place, put_before
from carvana_lessons.data.backgrounds.placing import Frame, Placement, choose_placement, frame, move
from carvana_lessons.training.order import seed_epoch
from carvana_lessons.utils.errors import ArgumentError

ALWAYS = data.BackgroundReplacement(keep=0, studio=0, empty=0)


def photos(count: int, height: int = 48, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Bright ellipses before a light studio, each elsewhere."""
    rows, columns = np.mgrid[:height, :width]
    masks = [
        ((rows - height * (0.5 + 0.02 * k)) / (0.25 * height)) ** 2
        + ((columns - width * (0.45 + 0.03 * k)) / (0.3 * width)) ** 2
        < 1
        for k in range(count)
    ]
    y = torch.from_numpy(np.stack(masks)).float()[:, None]
    noise = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0.1, 0.6, width)
    return torch.where(y > 0, ramp + 0.1 * noise, 0.85 + 0.1 * noise), y


def change(transform, x, y, seed=0):
    return transform(x, y, torch.Generator().manual_seed(seed))


def move_slowly(photo: np.ndarray, mask: np.ndarray, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """Pixel by pixel, back from the new picture: turned back, scaled back about the middle, looked up."""
    height, width = mask.shape[1:]
    angle = math.radians(placement.degrees)
    new_photo, new_mask = np.zeros_like(photo), np.zeros_like(mask)
    for i, j in itertools.product(range(height), range(width)):
        down, across = i + 0.5 - placement.end[0], j + 0.5 - placement.end[1]
        # Clockwise as seen: the picture's right goes down. Back is the other way round.
        across, down = (
            across * math.cos(angle) + down * math.sin(angle),
            down * math.cos(angle) - across * math.sin(angle),
        )
        row = down / placement.scale[0] + placement.start[0] - 0.5
        column = across / placement.scale[1] + placement.start[1] - 0.5
        near = round(row), round(column)
        if 0 <= near[0] < height and 0 <= near[1] < width:
            new_mask[0, i, j] = mask[0, near[0], near[1]]
        row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
        top, left = min(int(row), height - 2), min(int(column), width - 2)
        for k, m in itertools.product((0, 1), repeat=2):
            share = (1 - abs(row - top - k)) * (1 - abs(column - left - m))
            new_photo[:, i, j] += share * photo[:, top + k, left + m]
    return new_photo, new_mask


@pytest.mark.parametrize(
    "placement",
    [
        Placement((20.5, 30.0), (24.25, 28.6), (1.2, 0.9), 11.3),
        Placement((20.5, 30.0), (14.1, 40.3), (0.8, -0.93), -23.7),
        Placement((20.5, 30.0), (45.2, 3.3), (1.7, -1.31), 0.0),
    ],
    ids=["turned", "mirrored", "out"],
)
def test_photo_and_mask_move_as_a_loop_moves_them(placement):
    x, y = (part[0].double().numpy() for part in photos(1, 41, 59))
    expected_x, expected_y = move_slowly(x, y, placement)
    moved_x, moved_y = move(torch.from_numpy(x).float(), torch.from_numpy(y).float(), placement)
    np.testing.assert_allclose(moved_x, expected_x, atol=1e-4)
    np.testing.assert_array_equal(moved_y, expected_y)
    assert 0 < moved_y.sum() < moved_y.numel()


def test_the_mask_that_comes_back_is_the_one_that_was_moved():
    x, y = photos(1)
    for seed in range(30):
        draws = Draws(seed, 48, 64)
        placed = choose_placement(draws, frame(y[0]), 0.5)
        expected = move(x[0], y[0], placed)[1]
        _, cut = put_before(Draws(seed, 48, 64), x[0], y[0], Place(torch.rand(3, 48, 64), 0.5))
        assert cut.equal(expected)


def test_a_car_that_stays_lies_where_it_lay():
    x, y = photos(1)
    placed = Placement(frame(y[0]).middle, frame(y[0]).middle, (1.0, 1.0))
    moved_x, moved_y = move(x[0], y[0], placed)
    torch.testing.assert_close(moved_x, x[0], atol=1e-4, rtol=0)
    assert moved_y.equal(y[0])


def test_the_frame_of_a_car():
    mask = torch.zeros(1, 10, 12)
    assert frame(mask) is None
    mask[0, 3:6, 2:9] = 1
    assert frame(mask) == Frame(3, 2, 6, 9) and frame(mask).middle == (4.5, 5.5)


def test_a_batch_is_its_photos_one_by_one_and_in_parts():
    x, y = photos(6)
    transform = data.BackgroundReplacement(keep=0.2, studio=0.2, empty=0.1)
    batch_x, batch_y = change(transform, x, y, seed=4)
    generator = torch.Generator().manual_seed(4)
    for k in range(6):
        one_x, one_y = transform(x[k], y[k], generator)
        assert one_x.equal(batch_x[k]) and one_y.equal(batch_y[k])
    generator = torch.Generator().manual_seed(4)
    first, rest = transform(x[:2], y[:2], generator), transform(x[2:], y[2:], generator)
    assert torch.cat([first[0], rest[0]]).equal(batch_x) and torch.cat([first[1], rest[1]]).equal(batch_y)
    assert not change(transform, x, y, seed=5)[0].equal(batch_x)


def test_companions_change_nothing():
    x, y = photos(4)
    other_x, other_y = x.flip(-1).clone(), y.flip(-1).clone()
    other_x[2], other_y[2] = x[2], y[2]
    assert change(ALWAYS, x, y)[0][2].equal(change(ALWAYS, other_x, other_y)[0][2])


def test_what_is_kept_is_identical_and_shares_are_those_asked_for():
    x, y = (part.expand(400, -1, -1, -1) for part in photos(1, 16, 16))
    changed_x, changed_y = change(data.BackgroundReplacement(keep=0.4, studio=0, empty=0.3), x, y)
    kept = (changed_x == x).flatten(1).all(1)
    empty = changed_y.flatten(1).sum(1) == 0
    assert 0.33 < kept.float().mean() < 0.47 and 0.23 < empty.float().mean() < 0.37
    assert changed_y[kept].equal(y[kept])
    whole = change(data.BackgroundReplacement(keep=1, studio=0, empty=0), *photos(3))
    assert all(a.equal(b) for a, b in zip(whole, photos(3), strict=True))


def test_another_studio_leaves_car_and_mask_in_place():
    x, y = photos(8)
    changed_x, changed_y = change(data.BackgroundReplacement(keep=0, studio=1, empty=0), x, y)
    assert changed_y.equal(y)
    around = (y == 0).expand_as(x)
    assert ((changed_x - x).abs()[around]).mean() > 0.1
    grey, before = changed_x.mean(1), x.mean(1)
    for k in range(8):  # the car keeps its likeness: a camera's light and noise at most
        inside = y[k, 0] > 0
        assert np.corrcoef(grey[k][inside], before[k][inside])[0, 1] > 0.6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_shape_type_range_and_input_stay(dtype):
    x, y = photos(6)
    x, y = x.to(dtype)[None], y.to(dtype)[None]
    kept = x.clone(), y.clone()
    changed_x, changed_y = change(data.BackgroundReplacement(keep=0.1), x.requires_grad_(), y)
    assert x.equal(kept[0]) and y.equal(kept[1])
    assert changed_x.shape == x.shape and changed_y.shape == y.shape
    assert changed_x.dtype == changed_y.dtype == dtype and changed_x.device == x.device
    assert changed_x.isfinite().all() and changed_x.min() >= 0 and changed_x.max() <= 1
    assert set(changed_y.unique().tolist()) == {0, 1}
    assert not changed_x.requires_grad


@pytest.mark.parametrize("family", (*FAMILIES, *HELD_OUT))
def test_every_family_takes_cars_of_every_kind(family):
    x, y = photos(4, 40, 40)
    x[1], y[1] = 0.0, 1.0  # all car
    y[2] = 0.0  # none
    y[3] = 0.0
    y[3, 0, 39, 39] = 1  # a single pixel in the corner
    for seed in range(6):
        changed_x, changed_y = change(dataclasses.replace(ALWAYS, families=(family,)), x, y, seed)
        assert changed_x.isfinite().all() and changed_x.min() >= 0 and changed_x.max() <= 1
        assert changed_y[2].sum() == 0


def test_cars_stay_visible():
    """A car that is placed mostly lies in the picture, stands on the ground, and is not always the same."""
    x, y = (part.expand(200, -1, -1, -1) for part in photos(1))
    _, cut = change(ALWAYS, x, y)
    area = cut.mean(dim=(1, 2, 3))
    assert (area > 0.02).float().mean() > 0.97
    assert area.std() > 0.05
    feet = [frame(mask).bottom / 48 for mask in cut if mask.any()]
    assert np.mean(np.array(feet) > 0.45) > 0.97


def test_the_global_generator_serves_where_none_is_given():
    x, y = photos(2)
    torch.manual_seed(3)
    first = ALWAYS(x, y)
    torch.manual_seed(3)
    assert ALWAYS(x, y)[0].equal(first[0]) and not ALWAYS(x, y)[0].equal(first[0])


def test_a_loader_takes_it_for_whole_batches(cars, own_cache):
    batches = data.loader(cars, size=32, batch_size=7, shuffle=True, transform=ALWAYS)
    plain = data.loader(cars, size=32, batch_size=7, shuffle=True)

    def epoch(loader, number):
        seed_epoch(loader, 0, number)
        return [torch.cat(parts) for parts in zip(*loader, strict=True)]

    first, again, next_ = epoch(batches, 0), epoch(batches, 0), epoch(batches, 1)
    assert all(a.equal(b) for a, b in zip(first, again, strict=True)) and not next_[0].equal(first[0])
    assert first[0].shape == epoch(plain, 0)[0].shape and not first[0].equal(epoch(plain, 0)[0])


@pytest.mark.parametrize(
    "settings", [{"keep": -0.1}, {"keep": 0.8, "studio": 0.3}, {"families": ()}, {"families": ("walls", "moon")}]
)
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ArgumentError):
        data.BackgroundReplacement(**settings)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_pictures_but_for_rounding():
    x, y = photos(8)
    here, there = change(ALWAYS, x, y), change(ALWAYS, x.cuda(), y.cuda())
    assert there[0].is_cuda and there[1].is_cuda
    assert (here[1] != there[1].cpu()).float().mean() < 1e-3
    assert ((here[0] - there[0].cpu()).abs() > 0.02).float().mean() < 0.02


def test_photos_and_masks_that_do_not_fit_are_refused():
    x, y = photos(2)
    with pytest.raises(ValueError, match="differ"):
        ALWAYS(x, y[:1])
