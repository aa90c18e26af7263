"""Augmentation: turned like a loop that looks every pixel up, mask with photo, the same draws from the same seed."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import functional as F

from carvana_lessons import data, models
from carvana_lessons.training import Trainer
from carvana_lessons.training.order import seed_epoch
from carvana_lessons.utils.errors import DataError

SIZES = [(12, 12), (9, 14), (15, 6), (4, 17)]


def pair(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A photo and a mask of noise: (3, h, w) in [0, 1], (1, h, w) in {0, 1}."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(3, height, width, generator=generator)
    return x, (torch.rand(1, height, width, generator=generator) > 0.5).float()


def look_up(picture: np.ndarray, row: int, column: int, padding_mode: str) -> np.ndarray:
    """The value at a whole position that may lie outside: 0, or what symmetric padding puts there."""
    height, width = picture.shape[-2:]
    if padding_mode == "constant":
        inside = 0 <= row < height and 0 <= column < width
        return picture[:, row, column] if inside else np.zeros(len(picture))
    row, column = row % (2 * height), column % (2 * width)
    return picture[:, min(row, 2 * height - 1 - row), min(column, 2 * width - 1 - column)]


def turn_slowly(picture: np.ndarray, degrees: float, padding_mode: str, smooth: bool) -> np.ndarray:
    """Pixel by pixel: where did it lie before the turn, and what was there?"""
    picture = picture.astype(float)
    height, width = picture.shape[-2:]
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = np.zeros_like(picture)
    for i in range(height):
        for j in range(width):
            y, x = i - (height - 1) / 2, j - (width - 1) / 2
            row, column = s * x + c * y + (height - 1) / 2, c * x - s * y + (width - 1) / 2
            if not smooth:
                turned[:, i, j] = look_up(picture, round(row), round(column), padding_mode)
                continue
            top, left = math.floor(row), math.floor(column)
            for k in (0, 1):
                for m in (0, 1):
                    share = (1 - abs(row - top - k)) * (1 - abs(column - left - m))
                    turned[:, i, j] += share * look_up(picture, top + k, left + m, padding_mode)
    return turned


@pytest.mark.parametrize("padding_mode", ["constant", "symmetric"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("degrees", [7.3, -24.9, 61.7, 133.1])
def test_rotate_is_the_loop_that_looks_every_pixel_up(size, degrees, padding_mode):
    x, y = pair(*size)
    turned_x, turned_y = data.rotate(x, y, degrees, padding_mode)
    np.testing.assert_allclose(turned_x, turn_slowly(x.numpy(), degrees, padding_mode, smooth=True), atol=1e-5)
    np.testing.assert_array_equal(turned_y, turn_slowly(y.numpy(), degrees, padding_mode, smooth=False))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("degrees", [-24.9, 13.0])
def test_rotate_agrees_with_torchvision(size, degrees):
    x, y = pair(*size)
    black_x, black_y = data.rotate(x, y, degrees, "constant")
    torch.testing.assert_close(black_x, F.rotate(x, degrees, interpolation=F.InterpolationMode.BILINEAR))
    assert black_y.equal(F.rotate(y, degrees))
    if min(size) > 4:  # torchvision pads at most the width of the picture
        room = min(size)
        padded = F.pad(x, [room, room], padding_mode="symmetric")
        turned = F.rotate(padded, degrees, interpolation=F.InterpolationMode.BILINEAR)
        torch.testing.assert_close(data.rotate(x, y, degrees)[0], F.center_crop(turned, list(size)))


def test_a_positive_angle_turns_counter_clockwise():
    x, y = torch.zeros(3, 9, 9), torch.zeros(1, 9, 9)
    x[:, 4, 8] = y[:, 4, 8] = 1  # at three o'clock
    turned_x, turned_y = data.rotate(x, y, 90, "constant")
    assert turned_y.nonzero().tolist() == [[0, 0, 4]]  # at twelve
    torch.testing.assert_close(turned_x[:1], turned_y)


def test_no_turn_changes_nothing_and_four_quarters_are_none():
    x, y = pair(8, 8)
    for padding_mode in ("constant", "symmetric"):
        for degrees in (0, 360):
            assert all(a.equal(b) for a, b in zip(data.rotate(x, y, degrees, padding_mode), (x, y), strict=True))
    turned = (x, y)
    for _ in range(4):
        turned = data.rotate(*turned, 90)
    torch.testing.assert_close(turned[0], x, atol=1e-5, rtol=0)
    assert turned[1].equal(y)


@pytest.mark.parametrize("size", [(40, 40), (48, 72), (64, 30)], ids=str)
def test_black_corners_are_black_and_symmetric_ones_are_not(size):
    x, y = torch.full((3, *size), 0.8), torch.ones(1, *size)
    black_x, black_y = data.rotate(x, y, 20, "constant")
    for row in (0, -1):
        for column in (0, -1):
            assert black_x[0, row, column] == black_y[0, row, column] == 0
    full_x, full_y = data.rotate(x, y, 20, "symmetric")
    torch.testing.assert_close(full_x, x)
    assert full_y.equal(y)


@pytest.mark.parametrize("padding_mode", ["constant", "symmetric"])
@pytest.mark.parametrize("degrees", [3, -17.5, 25, 70])
def test_mask_and_photo_stay_aligned(degrees, padding_mode):
    """The photo is bright exactly where the mask is car, so that it must be so after the turn, but for the edge."""
    rows, columns = np.mgrid[:60, :90]
    car = torch.from_numpy(((rows - 25) / 14) ** 2 + ((columns - 50) / 28) ** 2 < 1).float()[None]
    x, y = data.rotate(car.expand(3, -1, -1), car, degrees, padding_mode)
    assert set(y.unique().tolist()) == {0, 1}
    sure = (x[:1] < 0.01) | (x[:1] > 0.99)
    assert sure.float().mean() > 0.9
    assert ((x[:1] > 0.5) == (y > 0))[sure].all()
    assert ((x[:1] > 0.5) == (y > 0)).float().mean() > 0.995


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float64])
def test_dtype_and_shape_stay_for_batches_too(dtype):
    x, y = pair(10, 15)
    photos, masks = torch.stack([x, x.flip(-1)])[None], torch.stack([y, y.flip(-1)])[None].to(dtype)
    turned_x, turned_y = data.rotate(photos, masks, 11)
    assert turned_x.shape == (1, 2, 3, 10, 15) and turned_y.shape == (1, 2, 1, 10, 15) and turned_y.dtype == dtype
    alone_x, alone_y = data.rotate(x.flip(-1), y.flip(-1), 11)
    torch.testing.assert_close(turned_x[0, 1], alone_x)
    assert turned_y[0, 1].double().equal(alone_y.double())


def test_a_turn_leaves_what_it_was_given():
    torch.manual_seed(0)
    x, y = pair(10, 15)
    kept = x.clone(), y.clone()
    changed_x, changed_y = data.Augment(color=0.3, flip=1)(x, y)
    assert x.equal(kept[0]) and y.equal(kept[1])
    assert not changed_x.equal(x) and not changed_y.equal(y)


def test_mirror_exchanges_left_and_right():
    x, y = pair(5, 7)
    mirrored_x, mirrored_y = data.mirror(x, y)
    assert mirrored_x[:, :, 0].equal(x[:, :, 6]) and mirrored_y[:, :, 2].equal(y[:, :, 4])
    assert all(a.equal(b) for a, b in zip(data.mirror(mirrored_x, mirrored_y), (x, y), strict=True))


def test_recolor_by_hand():
    x = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1).expand(3, 4, 5)
    grey = 0.2989 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6

    def first(**change: float) -> list[float]:
        return data.recolor(x, **change)[:, 1, 2].tolist()

    assert first() == pytest.approx([0.2, 0.4, 0.6])
    assert first(brightness=1.5) == pytest.approx([0.3, 0.6, 0.9])
    assert first(brightness=2) == pytest.approx([0.4, 0.8, 1.0])  # no brighter than white
    assert first(contrast=0.5) == pytest.approx([(v + grey) / 2 for v in (0.2, 0.4, 0.6)], abs=1e-3)
    assert first(saturation=0) == pytest.approx([grey] * 3, abs=1e-3)
    assert first(warmth=1.25) == pytest.approx([0.25, 0.4, 0.48])
    assert first(warmth=0.5) == pytest.approx([0.1, 0.4, 1.0])


def test_contrast_is_of_each_photo_not_of_the_batch():
    x, _ = pair(6, 8)
    batch = torch.stack([x, x / 3])
    torch.testing.assert_close(data.recolor(batch, contrast=1.4)[1], data.recolor(x / 3, contrast=1.4))


def batch_of(count: int, height: int = 12, width: int = 17) -> tuple[torch.Tensor, torch.Tensor]:
    """Photos (B, 3, h, w), each of another brightness, and masks (B, 1, h, w)."""
    pairs = [pair(height, width, seed) for seed in range(count)]
    return torch.stack([x / (k + 1) for k, (x, _) in enumerate(pairs)]), torch.stack([y for _, y in pairs])


def test_recolor_is_torchvision_on_each_photo_alone():
    x, _ = batch_of(4)
    brightness, contrast, saturation, warmth = torch.tensor(
        [[0.6, 1.9, 1.0, 1.3], [1.5, 0.4, 1.0, 1.9], [0.2, 1.8, 1.0, 1.4], [1.7, 0.7, 1.0, 1.0]]
    )
    changed = data.recolor(x, brightness, contrast, saturation, warmth)
    for k, photo in enumerate(x):
        b, c, s, w = (factor[k].item() for factor in (brightness, contrast, saturation, warmth))
        warm = (photo * torch.tensor([w, 1, 1 / w]).view(3, 1, 1)).clamp(max=1)
        expected = F.adjust_saturation(F.adjust_contrast(F.adjust_brightness(warm, b), c), s)
        torch.testing.assert_close(changed[k], expected, atol=1e-6, rtol=0)
    assert changed[2].equal(x[2]), "four times 1 is no change"


@pytest.mark.parametrize("padding_mode", ["constant", "symmetric"])
def test_every_photo_of_a_batch_is_turned_by_its_own_angle(padding_mode):
    x, y = batch_of(4)
    angles = torch.tensor([12.5, 0, -70, 360])
    turned_x, turned_y = data.rotate(x, y, angles, padding_mode)
    for k, angle in enumerate(angles.tolist()):
        np.testing.assert_allclose(turned_x[k], turn_slowly(x[k].numpy(), angle, padding_mode, smooth=True), atol=1e-5)
        np.testing.assert_array_equal(turned_y[k], turn_slowly(y[k].numpy(), angle, padding_mode, smooth=False))
    for k in (1, 3):
        assert turned_x[k].equal(x[k]) and turned_y[k].equal(y[k]), "no turn changes nothing"


def test_only_the_photos_that_were_named_are_mirrored():
    x, y = batch_of(3)
    mirrored_x, mirrored_y = data.mirror(x, y, torch.tensor([True, False, True]))
    for k, there in enumerate((-1, 1, -1)):
        assert np.array_equal(mirrored_x[k], x[k].numpy()[..., ::there])
        assert np.array_equal(mirrored_y[k], y[k].numpy()[..., ::there])


def test_photos_and_masks_that_do_not_fit_together_are_refused():
    (x, y), (_, other) = batch_of(3), batch_of(2)
    for call in (lambda: data.rotate(x, other, 5), lambda: data.Augment()(x, y[..., :-1])):
        with pytest.raises(ValueError, match=r"Photos \(3, 3, 12, 17\) and masks .* differ"):
            call()


# --- Augment


@pytest.mark.parametrize("at_once", [1, 2**20])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "augment",
    [data.Augment(color=0.3), data.Augment(rotate=0), data.Augment(padding_mode="constant"), data.Augment(0, 0, 0.4)],
    ids=repr,
)
def test_a_batch_is_changed_as_its_photos_one_by_one(augment, last, at_once, monkeypatch):
    monkeypatch.setattr("carvana_lessons.data.batches.PART", at_once)  # in parts, and whole
    x, y = batch_of(5)
    kept = x.clone(), y.clone()
    generator = torch.Generator().manual_seed(7)
    alone = [augment(*both, generator) for both in zip(x, y, strict=True)]
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    changed_x, changed_y = augment(x, y, torch.Generator().manual_seed(7))
    torch.testing.assert_close(changed_x, torch.stack([photo for photo, _ in alone]), atol=1e-6, rtol=0)
    assert changed_y.equal(torch.stack([mask for _, mask in alone]))
    assert changed_x.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    assert x.equal(kept[0]) and y.equal(kept[1])
    assert not changed_x.equal(x)


def test_a_photo_is_mirrored_and_then_turned():
    x, y = batch_of(6, 16, 22)
    draws = torch.rand(6, 6, generator=torch.Generator().manual_seed(3))
    changed = data.Augment(rotate=40, flip=0.5)(x, y, torch.Generator().manual_seed(3))
    mirrored = draws[:, 1] < 0.5
    assert 0 < mirrored.sum() < 6
    for k in range(6):
        both = data.mirror(x[k], y[k]) if mirrored[k] else (x[k], y[k])
        expected = data.rotate(*both, 40 * (2 * draws[k, 0].item() - 1))
        torch.testing.assert_close(changed[0][k], expected[0], atol=1e-5, rtol=0)
        assert changed[1][k].equal(expected[1])


def test_without_a_turn_mirrored_pixels_are_exact():
    x, y = batch_of(4)
    changed_x, changed_y = data.Augment(rotate=0, flip=1)(x, y)
    assert np.array_equal(changed_x, x.numpy()[..., ::-1]) and np.array_equal(changed_y, y.numpy()[..., ::-1])


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_all_happens_on_the_device_of_the_photos(fake_tensors, device):
    """Shapes alone are computed, as on that device: tensors of two devices in one step would be an error."""
    with fake_tensors:
        x, y = torch.empty(4, 3, 16, 24, device=device), torch.empty(4, 1, 16, 24, device=device)
        for augment in (data.Augment(color=0.2), data.Augment(rotate=0), data.Augment(padding_mode="constant")):
            for photos in (x, x.contiguous(memory_format=torch.channels_last)):
                changed_x, changed_y = augment(photos, y)
                assert changed_x.device == x.device and changed_y.device == y.device
                assert changed_x.shape == x.shape and changed_y.shape == y.shape
                assert changed_x.stride() == photos.stride()


def test_the_angles_of_a_batch_are_even():
    y = torch.zeros(400, 1, 61, 61)
    y[..., 28:33, 10:51] = 1
    turned = data.Augment(rotate=25, flip=0, padding_mode="constant")(y.expand(-1, 3, -1, -1), y, torch.Generator())[1]
    shares = np.sort([(angle_of(mask) + 25) / 50 for mask in turned])
    steps = np.arange(401) / 400
    farthest = max((steps[1:] - shares).max(), (shares - steps[:-1]).max())  # Kolmogorov and Smirnov
    assert farthest < 1.63 / 400**0.5, "1 % of even draws lie farther from evenness"


def marked(height: int = 20, width: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    """Car is the left third: a mirrored mask shows it."""
    y = torch.zeros(1, height, width)
    y[..., : width // 3] = 1
    return y.expand(3, -1, -1) * 0.5 + 0.25, y


@pytest.mark.parametrize("flip", [0.0, 0.5, 0.8, 1.0])
def test_one_in_so_many_photos_is_mirrored(flip):
    torch.manual_seed(0)
    augment = data.Augment(rotate=0, flip=flip)
    x, y = marked()
    flipped = 0
    for _ in range(1000):
        changed_x, changed_y = augment(x, y)
        assert changed_x[:1].sub(0.25).mul(2).equal(changed_y)  # both, or neither
        flipped += int(changed_y[0, 0, -1] == 1)
    assert abs(flipped / 1000 - flip) <= 4 * math.sqrt(flip * (1 - flip) / 1000)


def angle_of(y: torch.Tensor) -> float:
    """By how much a horizontal bar was turned, in degrees: the direction in which it is longest."""
    rows, columns = (y[0].nonzero().double() - torch.tensor([(s - 1) / 2 for s in y.shape[-2:]])).T
    return math.degrees(0.5 * math.atan2(-2 * (rows * columns).mean(), (columns**2 - rows**2).mean()))


@pytest.mark.parametrize("limit", [5, 25])
def test_angles_reach_to_the_limit_and_not_beyond(limit):
    torch.manual_seed(0)
    y = torch.zeros(1, 101, 101)
    y[:, 47:54, 15:86] = 1
    augment = data.Augment(rotate=limit, flip=0.5, padding_mode="constant")
    angles = [angle_of(augment(y.expand(3, -1, -1), y)[1]) for _ in range(300)]
    assert max(map(abs, angles)) < limit + 0.5
    assert max(angles) > 0.9 * limit and min(angles) < -0.9 * limit
    assert abs(np.mean(angles)) < 0.2 * limit


def test_color_reaches_to_its_limit_and_leaves_the_mask():
    torch.manual_seed(0)
    x, y = torch.full((3, 6, 8), 0.4), marked(6, 8)[1]
    augment = data.Augment(rotate=0, flip=0, color=0.2)
    means = []
    for _ in range(300):
        changed_x, changed_y = augment(x, y)
        assert changed_y.equal(y) and changed_x.min() >= 0 and changed_x.max() <= 1
        means.append(changed_x[1].mean() / 0.4)  # green: warmth does not touch it, contrast and saturation hardly
    assert 0.75 < min(means) < 0.85 and 1.15 < max(means) < 1.25
    assert data.Augment(rotate=0, flip=0)(x, y)[0].equal(x)  # without it the light stays


def test_ranges_and_mask_values_stay():
    torch.manual_seed(0)
    augment = data.Augment(rotate=180, color=0.9)
    for seed in range(50):
        x, y = augment(*pair(14, 21, seed))
        assert x.shape == (3, 14, 21) and x.min() >= -1e-6 and x.max() <= 1 + 1e-6
        assert set(y.unique().tolist()) <= {0.0, 1.0}


def test_the_same_seed_draws_the_same_changes_whatever_numpy_does():
    def draws(seed: int, augment: data.Augment) -> torch.Tensor:
        torch.manual_seed(seed)
        np.random.seed(seed * 7 % 5)  # noqa: NPY002  must not matter
        return torch.cat([torch.cat(augment(*pair(10, 15))) for _ in range(6)])

    augment = data.Augment(color=0.3)
    assert draws(1, augment).equal(draws(1, replace(augment)))
    assert not draws(1, augment).equal(draws(2, augment))


def test_settings_that_differ_in_color_agree_in_turn_and_mirroring():
    masks = []
    for color in (0.0, 0.4):
        torch.manual_seed(3)
        masks.append(torch.stack([data.Augment(color=color)(*pair(10, 15))[1] for _ in range(8)]))
    assert masks[0].equal(masks[1])


def test_black_corners_stay_black_under_another_light():
    torch.manual_seed(0)
    augment = data.Augment(rotate=25, flip=0, color=0.5, padding_mode="constant")
    x, y = torch.full((3, 30, 30), 0.7), torch.ones(1, 30, 30)
    for _ in range(20):
        changed_x, changed_y = augment(x, y)
        outside = torch.nn.functional.max_pool2d(changed_y, 3, stride=1, padding=1) == 0
        assert changed_x.masked_select(outside).abs().sum() == 0


@pytest.mark.parametrize(
    "setting",
    [
        ("rotate", -1),
        ("rotate", 181),
        ("rotate", math.nan),
        ("flip", 1.1),
        ("flip", -0.1),
        ("color", 1),
        ("color", -0.2),
    ],
    ids=str,
)
def test_settings_without_sense_are_refused(setting):
    with pytest.raises(ValueError, match="out of range: rotate 0 to 180 degrees"):
        data.Augment(**dict([setting]))


def test_other_padding_modes_are_refused():
    with pytest.raises(ValueError, match="padding_mode is constant or symmetric, not 'white'"):
        data.Augment(padding_mode="white")
    with pytest.raises(ValueError, match="padding_mode is constant or symmetric, not 'white'"):
        data.rotate(*pair(4, 4), 5, padding_mode="white")


def test_its_name_tells_all_its_settings():
    assert repr(data.Augment(color=0.1)) == "Augment(rotate=25.0, flip=0.5, color=0.1, padding_mode='symmetric')"


# --- with loader and trainer


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_changes_photo_and_mask_anew_every_time_and_alike_for_a_seed(cars, workers):
    augment = data.Augment(color=0.2)

    def batches(seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        loader = data.loader(cars, (16, 24), 8, transform=augment, workers=workers, seed=seed)
        return [batch for _ in range(2) for batch in loader]

    plain = next(iter(data.loader(cars, (16, 24), 8)))
    first, again, other = batches(0), batches(0), batches(1)
    assert first[0][0].shape == plain[0].shape and first[0][1].shape == plain[1].shape
    half = len(first) // 2
    assert not first[0][1].equal(plain[1]) and not first[0][1].equal(first[half][1])  # the next epoch draws anew
    for (x, y), (x_again, y_again) in zip(first, again, strict=True):
        assert x.equal(x_again) and y.equal(y_again)
        assert set(y.unique().tolist()) == {0.0, 1.0}
        assert x[y.expand_as(x) > 0].mean() > x[y.expand_as(x) == 0].mean() + 0.1  # these cars are bright
    assert not first[0][0].equal(other[0][0])


@pytest.mark.usefixtures("own_cache")
def test_workers_and_the_global_generator_have_no_say(cars):
    def passes(workers: int) -> list[torch.Tensor]:
        loader = data.loader(
            cars, (16, 24), 8, shuffle=True, transform=data.Augment(color=0.2), workers=workers, seed=3
        )
        return [part for _ in range(2) for batch in loader for part in batch]

    torch.manual_seed(0)
    alone = passes(0)
    torch.manual_seed(1)
    for workers in (0, 2):
        assert all(a.equal(b) for a, b in zip(alone, passes(workers), strict=True))


@pytest.mark.usefixtures("own_cache")
def test_an_epoch_follows_from_seed_number_and_rank_alone(cars):
    loader = data.loader(cars, 16, 8, shuffle=True, transform=data.Augment(color=0.2), seed=1)
    plain = data.loader(cars, 16, 8, shuffle=True, seed=1)

    def epoch(batches: DataLoader, *given: int) -> torch.Tensor:
        seed_epoch(batches, *given)
        return torch.cat([x for x, _ in batches])

    third = epoch(loader, 5, 2)
    next(iter(loader))  # what was drawn before has no say
    assert third.equal(epoch(loader, 5, 2)) and third.equal(epoch(loader, 5, 2, 0))
    assert third.equal(epoch(data.loader(cars, 16, 8, shuffle=True, transform=data.Augment(color=0.2), seed=9), 5, 2))
    for other in ((5, 3), (6, 2), (5, 2, 1)):
        assert not third.equal(epoch(loader, *other))
    assert epoch(plain, 5, 2).equal(epoch(plain, 5, 2, 1)), "all processes have one order"
    draws = {rank: (seed_epoch(loader, 5, 2, rank), loader.draws.initial_seed())[1] for rank in range(4)}
    assert len({*draws.values(), loader.sampler.generator.initial_seed()}) == 5, "nor does the order decide the draws"


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_batch_of_bytes_is_finished_as_the_loader_would(cars, layout):
    loader = data.loader(cars[:12], (16, 24), 4, transform=data.Augment(color=0.2))
    expected = list(loader)
    again = data.loader(cars[:12], (16, 24), 4, transform=data.Augment(color=0.2))
    for batch, (x, y) in zip(DataLoader.__iter__(again), expected, strict=True):
        assert batch[0].dtype == batch[1].dtype == torch.uint8
        finished_x, finished_y = again.finish(batch, layout)
        assert finished_x.is_contiguous(memory_format=layout)
        torch.testing.assert_close(finished_x, x, atol=1e-6, rtol=0)
        assert finished_y.equal(y)


@pytest.mark.usefixtures("own_cache")
def test_a_dataset_changes_its_photos_one_by_one(cars):
    changed, plain = data.CarDataset(cars, 16, data.Augment(rotate=0, flip=1)), data.CarDataset(cars, 16)
    batch = next(iter(DataLoader(changed, batch_size=3)))
    for k in range(3):
        for part in range(2):
            assert changed[k][part].equal(plain[k][part].flip(-1)) and batch[part][k].equal(changed[k][part])


@pytest.mark.usefixtures("own_cache")
def test_photos_without_masks_are_refused(make_folder):
    folder = make_folder()
    with pytest.raises(DataError, match="joint transform"):
        data.loader(data.CarFolder(folder, masks=None), 16, transform=data.Augment())


@pytest.mark.usefixtures("own_cache")
def test_a_resumed_run_draws_what_the_whole_one_drew(cars, tmp_path):
    def run(folder: str, stop: int | None, before: int, resume: bool = False, seed: int = 0) -> list[torch.Tensor]:
        """Train; ``stop``: interrupt after that epoch.  before: seed of what was drawn before, which has no say."""

        def look(_model: torch.nn.Module, epoch: int) -> None:
            if epoch == stop:
                raise KeyboardInterrupt

        torch.manual_seed(0)
        model = models.UNet(stages=(4, 8), batch_norm=True)
        torch.manual_seed(before)
        trainer = Trainer(model, lr=1e-2, schedule="one-cycle", folder=tmp_path / folder, seed=seed)
        batches = data.loader(cars, 16, 8, transform=data.Augment(color=0.2))
        trainer.fit(batches, epochs=4, resume=resume, after_epoch=look)
        return [t.clone() for t in model.state_dict().values()]

    whole = run("whole", None, before=5)
    with pytest.raises(KeyboardInterrupt, match="Stopped in epoch 3"):
        run("parts", 2, before=5)
    resumed = run("parts", None, before=6, resume=True)
    assert all(a.equal(b) for a, b in zip(whole, resumed, strict=True))
    # Without shuffling a seed decides the draws alone; did they not matter, the test would show nothing.
    other = run("other", None, before=5, seed=1)
    assert not all(a.equal(b) for a, b in zip(whole, other, strict=True))


def test_on_real_photos(real_photos):
    few = real_photos.select(cars=real_photos.ids[:1])
    torch.manual_seed(0)
    x, y = next(iter(data.loader(few, (48, 72), 16, cached=False, transform=data.Augment(color=0.2))))
    assert x.shape == (16, 3, 48, 72) and set(y.unique().tolist()) == {0.0, 1.0}
    assert 0.05 < y.mean() < 0.5
