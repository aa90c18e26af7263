"""Reading, the dataset and the loader: the right pixels, in the right order, the same in every process."""

import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from samples import bomb, sixteen_bits

from carvana_lessons import data
from carvana_lessons.errors import CarvanaError, DataError

pytestmark = pytest.mark.usefixtures("own_cache")


# --- reading


def test_photo_is_read_as_it_is_stored(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, :3] = (250, 10, 20)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    read = data.read_photo(path)
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_photos_come_out_as_rgb(tmp_path, mode):
    pixels = np.full((16, 24, 3), 130, np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.jpg", quality=95)
    read = data.read_photo(tmp_path / "a.jpg")
    assert read.shape == (16, 24, 3) and abs(read.astype(int) - 130).max() <= 3


def test_sixteen_bits_of_grey_become_eight_and_not_white(make_folder):
    photo = data.CarFolder(make_folder(cars=1, views=1))[0]
    sixteen_bits((48, 32)).save(photo.image, format="PNG")
    ramp = np.linspace(0, 255, 48)
    assert abs(photo.read()[..., 0] - ramp).max() <= 1
    image, _ = data.read_pair(photo, (32, 48))
    assert abs(image[..., 2] - ramp).max() <= 1


def test_a_mask_of_sixteen_bits_is_one(tmp_path):
    mask = np.random.default_rng(0).integers(0, 2, (7, 9), dtype=np.uint8)
    for top in (1, 65535):
        Image.fromarray(mask * np.uint16(top)).save(tmp_path / "a.png")
        np.testing.assert_array_equal(data.read_mask(tmp_path / "a.png"), mask)


@pytest.mark.parametrize(("content", "words"), [(b"", "cannot be decoded"), (bomb(), r"pixels.*save it smaller")])
def test_a_photo_that_was_replaced_by_nothing_or_too_much_is_named(cars, content, words):
    cars[1].image.write_bytes(content)  # after the folder was opened
    for read in (lambda: data.read_photo(cars[1].image), lambda: data.CarDataset(cars, size=8, cached=False)[1]):
        with pytest.raises(DataError, match=rf"{cars[1].image.name} .*{words}"):
            read()


def test_exif_does_not_turn_the_photo_away_from_its_mask(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    Image.new("RGB", (24, 16)).save(tmp_path / "a.jpg", exif=exif)
    assert data.read_photo(tmp_path / "a.jpg").shape == (16, 24, 3)


def test_a_missing_photo_is_named(tmp_path):
    with pytest.raises(DataError, match=r"b\.jpg is gone"):
        data.read_photo(tmp_path / "b.jpg")


def palette(mask: np.ndarray, colours: list[int]) -> Image.Image:
    image = Image.new("P", mask.shape[::-1])
    image.putdata(mask.ravel().tolist())
    image.putpalette(colours)
    return image


def masks_in_all_forms(mask: np.ndarray) -> dict[str, Image.Image]:
    return {
        "kaggle.gif": palette(mask, [0, 0, 0, 255, 255, 255]),
        "reversed.gif": palette(1 - mask, [255, 255, 255, 0, 0, 0]),
        "red.png": palette(mask, [0, 0, 0, 128, 0, 0]),
        "zero_one.png": Image.fromarray(mask),
        "zero_255.png": Image.fromarray(mask * np.uint8(255)),
        "bits.png": Image.fromarray(mask.astype(bool)),
        "rgb.png": Image.fromarray(np.stack([mask * np.uint8(255)] * 3, axis=-1)),
    }


@pytest.mark.parametrize("form", list(masks_in_all_forms(np.zeros((1, 1), np.uint8))))
@pytest.mark.parametrize("fill", ["random", "empty", "full"])
def test_mask_is_zero_and_one_whatever_the_file_holds(tmp_path, form, fill):
    mask = np.random.default_rng(0).integers(0, 2, (7, 9), dtype=np.uint8)
    mask = {"random": mask, "empty": mask * 0, "full": mask * 0 + 1}[fill]
    masks_in_all_forms(mask)[form].save(tmp_path / form)
    read = data.read_mask(tmp_path / form)
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, mask)


def test_a_real_mask_is_its_palette_index(real_photos):
    path = real_photos[17].mask
    np.testing.assert_array_equal(data.read_mask(path), np.asarray(Image.open(path)))


def block_mean(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    h, w = mask.shape
    return mask.reshape(height, h // height, width, w // width).mean(axis=(1, 3))


@pytest.mark.parametrize("size", [(16, 24), (8, 8), (4, 12), (32, 48)])
def test_small_mask_is_the_majority_of_each_block(cars, size):
    for photo in cars[:6]:
        image, mask = data.read_pair(photo, size)
        assert image.shape == (*size, 3) and image.dtype == np.uint8
        assert mask.shape == size and mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, block_mean(data.read_mask(photo.mask), *size) >= 0.5)


def test_a_pixel_that_is_just_half_car_is_car(make_folder):
    root = make_folder(cars=1, views=1)
    noise = np.random.default_rng(0).integers(0, 2, (32, 48), dtype=np.uint8)
    palette(noise, [0, 0, 0, 255, 255, 255]).save(root / "train_masks" / "000000000ab0_01_mask.gif")
    share = block_mean(noise, 8, 8)
    assert (share == 0.5).sum() >= 5, "so the test looks at what it says"
    np.testing.assert_array_equal(data.read_pair(data.CarFolder(root)[0], (8, 8))[1], share >= 0.5)


def test_small_photo_is_the_full_one_resized(make_folder):
    photo = data.CarFolder(make_folder(cars=1, views=1, size=(480, 320)))[0]
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (320, 480, 3), dtype=np.uint8))
    noise.filter(ImageFilter.GaussianBlur(1)).save(photo.image, quality=95)  # something to lose at every scale
    for size in ((64, 64), (48, 100), (160, 200), (320, 480), (400, 500)):
        image, _ = data.read_pair(photo, size)
        full = np.asarray(Image.fromarray(photo.read()).resize(size[::-1], Image.Resampling.BILINEAR))
        # Right: at most 0.30 of the contrast. Without antialiasing 0.55 and more, from too small a draft 0.25 to 0.67.
        assert abs(image.astype(int) - full).mean() < 0.35 * full.std(), size


# --- dataset


@pytest.mark.parametrize("cached", [True, False])
def test_item_is_the_pair_as_tensors(cars, cached):
    part = cars.subset([40, 3, 17])
    dataset = data.CarDataset(part, size=(16, 24), cached=cached)
    assert len(dataset) == 3 and dataset.photos is part
    for i, photo in enumerate(part):
        x, y = dataset[i]
        image, mask = data.read_pair(photo, (16, 24))
        assert x.shape == (3, 16, 24) and x.dtype == torch.float32 and x.is_contiguous()
        assert y.shape == (1, 16, 24) and y.dtype == torch.float32
        np.testing.assert_array_equal(x.numpy(), image.transpose(2, 0, 1).astype(np.float32) / 255)
        np.testing.assert_array_equal(y[0].numpy(), mask)
    assert x.min() >= 0 and x.max() <= 1 and set(y.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("cached", [True, False])
def test_items_may_be_changed_without_changing_the_data(cars, cached):
    dataset = data.CarDataset(cars, size=8, cached=cached)
    before = [t.clone() for t in dataset[0]]
    for t in dataset[0]:
        t.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, dataset[0], strict=True))


def test_transform_takes_and_gives_both(cars):
    dataset = data.CarDataset(cars, size=8, cached=False, transform=lambda x, y: (x.flip(-1), y.flip(-1)))
    plain = data.CarDataset(cars, size=8, cached=False)
    x, y = dataset[5]
    assert torch.equal(x.flip(-1), plain[5][0]) and torch.equal(y.flip(-1), plain[5][1])


def test_photos_without_masks_give_x_alone(make_folder):
    root = make_folder()
    cars = data.CarFolder(root, masks=None)
    for cached in (True, False):
        batch = next(iter(data.loader(cars, size=8, batch_size=4, cached=cached)))
        assert batch.shape == (4, 3, 8, 8)
    with pytest.raises(DataError, match="without masks"):
        data.CarDataset(cars, size=8, transform=lambda x, y: (x, y))


@pytest.mark.parametrize("size", [0, (0, 8), (8, -1)])
def test_sizes_that_make_no_sense(cars, size):
    with pytest.raises(CarvanaError, match=r"\(height, width\)"):
        data.CarDataset(cars, size=size)


def test_pickled_without_pixels(cars):
    dataset = data.CarDataset(cars, size=64)
    x, _ = dataset[0]
    blob = pickle.dumps(dataset)
    assert len(blob) < 50_000 < 64 * 64 * 3 * len(cars)
    assert torch.equal(pickle.loads(blob)[0][0], x)


# --- loader


def test_batches_in_order_without_shuffle(cars):
    batches = list(data.loader(cars[:10], size=(8, 12), batch_size=4))
    assert [x.shape for x, _ in batches] == [(4, 3, 8, 12), (4, 3, 8, 12), (2, 3, 8, 12)]
    expected = torch.stack([data.CarDataset(cars, size=(8, 12))[i][0] for i in range(10)])
    assert torch.equal(torch.cat([x for x, _ in batches]), expected)
    assert len(list(data.loader(cars[:10], size=8, batch_size=4, drop_last=True))) == 2


def test_order_follows_from_the_seed(cars):
    def epochs(seed: int) -> list[torch.Tensor]:
        loader = data.loader(cars, size=8, batch_size=64, shuffle=True, seed=seed)
        torch.rand(seed + 3)  # what the loop draws meanwhile has no say
        return [next(iter(loader))[0] for _ in range(2)]

    first, again, other = epochs(1), epochs(1), epochs(2)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], first[1]), "another order in the second epoch"
    assert not torch.equal(first[0], other[0])


def draw(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A transform that says what it drew from each of the three generators."""
    drawn = [torch.rand(1).item(), float(np.random.rand()), random.random()]  # noqa: NPY002
    return torch.tensor(drawn, dtype=torch.float64), y


def test_workers_read_the_same_and_draw_differently(cars):
    plain = torch.cat([x for x, _ in data.loader(cars, size=8)])
    loader = data.loader(cars[:16], size=8, batch_size=1, workers=2, transform=draw, seed=4)
    assert loader.persistent_workers and loader.dataset.photos[0].name == cars[0].name
    first, second = (torch.cat([x for x, _ in loader]) for _ in range(2))
    drawn = torch.cat([first, second])
    assert all(len(set(column.tolist())) == len(drawn) for column in drawn.T), "no number twice, in no generator"
    again = torch.cat([x for x, _ in data.loader(cars[:16], size=8, batch_size=1, workers=2, transform=draw, seed=4)])
    assert torch.equal(again, first)
    assert torch.equal(torch.cat([x for x, _ in data.loader(cars, size=8, workers=1)]), plain)
