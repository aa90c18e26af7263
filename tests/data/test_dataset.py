"""Reading, the dataset and the loader: the right pixels, in the right order, the same in every process."""

import operator
import os
import pickle
import random
import threading

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from samples import bomb, sixteen_bits
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    StackDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

from carvana_lessons import data, models
from carvana_lessons.data.batches import CarLoader, as_stored, collate, floats
from carvana_lessons.training import Trainer
from carvana_lessons.utils.errors import CarvanaError, DataError

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


@pytest.mark.parametrize("name", ["Fotos [2017]", *(["what?", "a * b"] if os.name != "nt" else [])])
def test_the_copy_of_a_folder_that_has_changed_is_removed_whatever_its_name(make_folder, own_cache, name):
    """A name is no pattern: "[2017]" is not one of four digits."""
    root, other = make_folder(name), make_folder("Fotos 2")
    kept = data.CarDataset(data.CarFolder(other), size=8).folder
    for seed in range(3):
        os.utime(root / "train" / "000000000ab0_01.jpg", ns=(seed, seed))
        copy = data.CarDataset(data.CarFolder(root), size=8).folder
    assert sorted((own_cache / "photos").glob("[!.]*")) == sorted([copy, kept])


# --- loader


def test_an_epoch_may_hold_a_part_of_the_photos_and_another_one_each_time(cars):
    batches = data.loader(cars, size=8, batch_size=4, shuffle=True, seed=3, photos_per_epoch=len(cars) - 5)
    first, second = ([x.sum().item() for batch, _ in batches for x in batch] for _ in range(2))
    assert len(first) == len(second) == len(cars) - 5 and sorted(first) != sorted(second)
    everything = data.loader(cars, size=8, batch_size=4, shuffle=True, seed=3, photos_per_epoch=len(cars))
    plain = data.loader(cars, size=8, batch_size=4, shuffle=True, seed=3)
    for (a, _), (b, _) in zip(everything, plain, strict=True):
        assert torch.equal(a, b)


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


# --- bytes until the last moment


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("cached", [True, False])
def test_batches_are_bytes_inside_the_loader_and_floats_outside(cars, cached, workers):
    loader = data.loader(cars[:6], size=(8, 12), batch_size=4, cached=cached, workers=workers)
    items = [data.CarDataset(cars, size=(8, 12), cached=False)[i] for i in range(6)]
    for wanted in range(2):
        inside = list((loader, DataLoader.__iter__(loader))[wanted])
        x, y = (torch.cat(parts) for parts in zip(*inside, strict=True))
        assert x.dtype == y.dtype == (torch.float32, torch.uint8)[wanted]
        x, y = floats((x, y))
        assert torch.equal(x, torch.stack([x for x, _ in items])) and x.is_contiguous()
        assert torch.equal(y, torch.stack([y for _, y in items]))


@pytest.mark.parametrize("part", [1, 800, 2**20])
def test_every_byte_becomes_the_float_that_division_gives(monkeypatch, part):
    monkeypatch.setattr("carvana_lessons.data.batches.PART", part)
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 8, 32, 1).expand(3, -1, -1, 3).permute(0, 3, 1, 2)
    expected = (np.arange(256) / np.float32(255)).astype(np.float32)
    for layout in (torch.contiguous_format, torch.channels_last):
        x, y = floats((pixels, pixels[:, :1] > 100), layout)
        assert x.is_contiguous(memory_format=layout)
        assert all((row == expected).all() for row in x.reshape(9, 256).numpy())
        assert y.dtype == torch.bool, "what is no byte is left alone"
        again, _ = floats((x, y), layout)
        assert again is x, "what is float already is not divided once more"


@pytest.mark.parametrize("masks", ["train_masks", None])
def test_other_loaders_of_the_same_photos_give_floats(make_folder, masks):
    dataset = data.CarDataset(data.CarFolder(make_folder(), masks=masks), size=8)
    assert len(dataset.__getitems__([4, 2, 0])) == 3
    items = [dataset[i] if masks else (dataset[i],) for i in (4, 2, 0, 1)]
    expected = [torch.stack(parts) for parts in zip(*items, strict=True)]
    for other, order in ((dataset, [4, 2, 0, 1]), (Subset(dataset, [1, 0, 2, 4]), [3, 2, 1, 0])):
        batch = next(iter(DataLoader(other, batch_size=4, sampler=order)))
        for got, wanted in zip(batch if masks else [batch], expected, strict=True):
            assert got.dtype == torch.float32 and torch.equal(got, wanted)


@pytest.mark.parametrize("masks", ["train_masks", None])
@pytest.mark.parametrize("cached", [True, False])
def test_the_items_of_a_batch_are_a_list_of_tensors(make_folder, masks, cached):
    dataset = data.CarDataset(data.CarFolder(make_folder(), masks=masks), size=8, cached=cached)
    items, wanted = dataset.__getitems__([4, 2, 0]), [dataset[i] for i in (4, 2, 0)]

    def flat(some) -> list:
        return [part for item in some for part in (item if masks else [item])]

    for some, others in (
        (items, wanted),
        (list(reversed(items)), wanted[::-1]),
        (operator.add(items, []), wanted),
        ([*items], wanted),
        (items[1:], wanted[1:]),
        (sorted(items, key=lambda item: 0), wanted),
    ):
        assert all(torch.equal(a, b) for a, b in zip(flat(some), flat(others), strict=True))
    assert items != [] and bool(items) and len(items) == 3 and dataset.__getitems__([]) == []
    photos = torch.stack([item[0] for item in items] if masks else items)
    assert photos.dtype == torch.float32 and photos.shape == (3, 3, 8, 8)
    assert pickle.loads(pickle.dumps(items)) is not items


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("masks", ["train_masks", None])
def test_torch_s_own_tools_take_the_dataset(make_folder, masks, workers):
    dataset = data.CarDataset(data.CarFolder(make_folder(), masks=masks), size=8)
    wrapped = {
        "whole": (dataset, [0, 1, 2, 3, 4, 5]),
        "subset": (Subset(dataset, [5, 1, 3]), [5, 1, 3]),
        "subset of a subset": (Subset(Subset(dataset, [5, 1, 3]), torch.tensor([2, 0])), [3, 5]),
        "twice": (ConcatDataset([dataset, Subset(dataset, [2])]), [0, 1, 2, 3, 4, 5, 2]),
        "split": (random_split(dataset, [2, 4], torch.Generator().manual_seed(0))[0], None),
    }
    for name, (part, rows) in wrapped.items():
        rows = rows or list(part.indices)
        expected = [dataset[i] for i in rows]
        batches = list(DataLoader(part, batch_size=4, num_workers=workers))
        for k in range(2 if masks else 1):
            got = torch.cat([batch[k] if masks else batch for batch in batches])
            assert got.dtype == torch.float32 and got.min() >= 0 and got.max() <= 1, name
            assert torch.equal(got, torch.stack([item[k] if masks else item for item in expected])), name
    if not workers:
        weighted = WeightedRandomSampler([0, 0, 0, 1, 0, 0], 4, generator=torch.Generator().manual_seed(0))
        for options in ({"sampler": weighted, "batch_size": 4}, {"batch_sampler": [[3, 3, 3, 3]]}):
            batch = next(iter(DataLoader(dataset, **options)))
            x = batch[0] if masks else batch
            assert torch.equal(x, torch.stack([dataset[3][0] if masks else dataset[3]] * 4))


@pytest.mark.parametrize("masks", ["train_masks", None])
@pytest.mark.parametrize("cached", [True, False])
def test_photos_on_their_way_to_our_loader_are_a_list_of_bytes(make_folder, own_cache, masks, cached):
    """What is asked for by four numbers is a list of four, whatever is done with it."""
    loader = data.loader(data.CarFolder(make_folder(), masks=masks), size=(8, 12), batch_size=4, cached=cached)
    dataset, rows = loader.stored().dataset, [4, 2, 0, 5]
    floats_of = [item if masks else (item,) for item in (loader.dataset[i] for i in rows)]
    wanted = [[(part * 255).round() if k == 0 else part for k, part in enumerate(item)] for item in floats_of]
    items = dataset.__getitems__(rows)
    assert type(items) is list and len(items) == 4 and bool(items) and items != [] and dataset.__getitems__([]) == []
    for some, others in (
        (items, wanted),
        (list(reversed(items)), wanted[::-1]),
        (operator.add(items, []), wanted),
        (items * 2, wanted * 2),
        ([*items], wanted),
        (items[1:3], wanted[1:3]),
        ([items[-1]], wanted[-1:]),
        (pickle.loads(pickle.dumps(items)), wanted),
    ):
        for got, want in zip(some, others, strict=True):
            for a, b in zip(got if masks else [got], want, strict=True):
                assert a.dtype == torch.uint8 and a.shape == b.shape and torch.equal(a.float(), b)
    assert torch.stack([item[0] for item in items] if masks else items).shape == (4, 3, 8, 12)
    assert len(StackDataset(dataset, dataset).__getitems__(rows)) == 4  # torch counts them and refuses another number
    whole = [part.clone() for part in collate(items)] if masks else [collate(items).clone()]
    for some in (items[:2], [items[3]], items + items):  # any list of them makes a batch
        parts = collate(some) if masks else [collate(some)]
        order = {2: [0, 1], 1: [3], 8: [0, 1, 2, 3] * 2}[len(some)]
        for part, all_four in zip(parts, whole, strict=True):
            assert part.dtype == torch.uint8 and torch.equal(part, all_four[order])
        assert parts[0].is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(a.float(), b) for a, b in zip(items[0] if masks else [items[0]], wanted[0], strict=True))


class Darker(data.CarDataset):
    """A dataset of somebody's own."""

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x * 0.5, y


class Mirrored(data.CarDataset):
    """Another one, which makes its batches by itself."""

    def __getitems__(self, rows):
        return [(x.flip(-1), y.flip(-1)) for x, y in super().__getitems__(rows)]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_dataset_of_ones_own_gives_its_own_items(cars, workers):
    plain = [data.CarDataset(cars, size=8)[i] for i in range(4)]
    for kind, change in ((Darker, lambda x: x * 0.5), (Mirrored, lambda x: x.flip(-1))):
        wanted = torch.stack([change(x) for x, _ in plain])
        dataset = kind(cars, size=8)
        for part in (dataset, Subset(dataset, range(4))):
            for loader in (
                DataLoader(part, 4, num_workers=workers),
                CarLoader(part, 4, num_workers=workers, collate_fn=collate),
            ):
                x, _ = next(iter(loader))
                assert torch.equal(x, wanted), (kind.__name__, type(loader).__name__)
        items = dataset.__getitems__([0, 1, 2, 3])
        assert torch.equal(torch.stack([x for x, _ in items]), wanted)


def no_floats(monkeypatch):
    monkeypatch.setattr("carvana_lessons.data.dataset.floats", lambda photo: 1 / 0)


def test_our_loader_makes_no_floats_photo_by_photo(cars, monkeypatch):
    batches = data.loader(cars[:4], size=8, batch_size=4)
    assert isinstance(batches.dataset, data.CarDataset) and batches.dataset.photos[0].name == cars[0].name
    x, y = batches.dataset[3]
    assert x.dtype == y.dtype == torch.float32 and torch.equal(x, data.CarDataset(cars, size=8)[3][0])
    no_floats(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        batches.dataset[3]
    assert next(iter(batches))[0].dtype == torch.float32
    half = CarLoader(Subset(batches.dataset, [0, 1]), batch_size=2, collate_fn=collate)  # as one of two processes
    assert torch.equal(next(iter(half))[0], next(iter(batches))[0][:2])


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("workers", [0, 1])
def test_the_dataset_of_our_loader_is_one_for_torchs_own(make_folder, own_cache, masks, workers):
    cars = data.CarFolder(make_folder(cars=2, views=2), masks="train_masks" if masks else None)
    ours = data.loader(cars, size=8, batch_size=4)
    expected = [item if masks else (item,) for item in data.CarDataset(cars, size=8)]
    for before in (True, False):
        dataset = ours.dataset
        for made in (dataset, Subset(dataset, range(4)), ConcatDataset([dataset]), random_split(dataset, [2, 2])[0]):
            rows = made.indices if isinstance(made, Subset) else range(4)
            for options in ({}, {"collate_fn": list}, {"collate_fn": tuple}):
                batch = next(iter(DataLoader(made, batch_size=4, num_workers=workers, **options)))
                items = batch if options else list(zip(*batch, strict=True)) if masks else list(batch)
                assert len(items) == len(rows)
                for item, row in zip(items, rows, strict=True):
                    for got, want in zip(item if masks else (item,), expected[row], strict=True):
                        assert got.dtype == torch.float32 and torch.equal(got, want)
        list(ours if before else [])  # once more when our own has asked for its bytes
        assert [type(t) for t in (ours.dataset[0] if masks else (ours.dataset[0],))] == [torch.Tensor] * (1 + masks)


def test_a_training_by_our_loader_makes_no_floats_photo_by_photo(cars, own_cache, monkeypatch):
    train, valid = (data.loader(part, size=32, batch_size=4) for part in (cars[:8], cars[8:12]))
    no_floats(monkeypatch)
    Trainer(models.create("unet-tiny", width=2)).fit(train, valid, epochs=1)


def test_training_on_bytes_is_training_on_floats(cars):
    pairs = TensorDataset(*(torch.cat(t) for t in zip(*data.loader(cars[:12], size=32), strict=True)))
    losses = []
    for batches in (data.loader(cars[:12], size=32, batch_size=4), DataLoader(pairs, batch_size=4)):
        torch.manual_seed(0)
        losses.append(Trainer(models.create("unet-tiny", width=2)).fit(batches, batches, epochs=2).frame)
    columns = ["loss", "valid_loss", "valid_dice"]
    assert losses[0][columns].equals(losses[1][columns])


def test_a_batch_is_decoded_by_as_many_threads_as_torch_may_use(cars, monkeypatch):
    plain = next(iter(data.loader(cars, size=8, batch_size=6, cached=False)))
    both = threading.Barrier(2, timeout=20)  # whoever waits alone fails
    monkeypatch.setattr(
        "carvana_lessons.data.dataset.read_pair", lambda *given: both.wait() * 0 or data.read_pair(*given)
    )
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        x, y = next(iter(data.loader(cars, size=8, batch_size=6, cached=False)))
        assert torch.equal(x, plain[0]) and torch.equal(y, plain[1])
    finally:
        torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:'pin_memory'")
def test_floats_are_pinned_where_the_bytes_were(cars, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self.dtype) or self)
    loader = data.loader(cars[:4], size=8, batch_size=4)
    list(loader)
    assert not pinned, "without a GPU it is of no use"
    loader.pin_memory = True  # as where there is one
    list(loader)
    assert pinned == [torch.float32, torch.float32]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_also_gives_its_batches_as_they_are_stored(cars, own_cache, workers):
    batches = data.loader(cars[:8], size=16, batch_size=4, workers=workers)
    for (x, y), (stored_x, stored_y) in zip(list(batches), list(as_stored(batches)), strict=True):
        assert stored_x.dtype == stored_y.dtype == torch.uint8
        assert torch.equal(stored_x / 255, x) and torch.equal(stored_y.float(), y)
