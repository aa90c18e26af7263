"""Draw the picture under each chapter's title and write it into the notebook: `python book/title_pictures.py`.

It is a data URI in the first cell, because the same notebook is read on the page, in JupyterLab and in Colab, where a
file beside it would be missing. All cars are the studio's. Names of chapters as arguments draw those alone.
"""

import base64
import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image
from torch.nn import functional as F

from carvana_lessons import comparison, data, features, models, show, studio
from carvana_lessons.data.backgrounds import make_background
from carvana_lessons.evaluation import metrics
from carvana_lessons.exercises.notebook import write
from carvana_lessons.prediction import cutout
from carvana_lessons.show.figures import STYLE

BOOK = Path(__file__).resolve().parent
WIDTH, SCALE, LIMIT = 360, 2, 30_000  # CSS pixels, pixels of the file for each, bytes of the file
COLORS = BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
LINE = re.compile(r"!\[[^\]]*\]\(data:image/jpeg;base64,[^)]*\)\n\n?")
BLUE_CAR, WHITE_CAR, GREY_CAR = 1, 8, 31  # of the studio
CROP = np.s_[140:508, 88:840]  # the blue car
PICTURES: dict[str, Callable[[], str]] = {}  # by chapter: draws on a new figure, returns the alt text


def picture(chapter: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    return lambda draw: PICTURES.setdefault(chapter, draw)


@cache
def car(index: int, width: int = 960) -> tuple[np.ndarray, np.ndarray]:
    return studio.render(index, 4, (width, width * 2 // 3))


def canvas(height: float) -> Axes:
    """Axes that fill a figure and count in CSS pixels, y downwards."""
    axis = plt.figure(figsize=(WIDTH / 100, height / 100)).add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, WIDTH), ylim=(height, 0))
    axis.axis("off")
    return axis


def chart(title: str, names: Sequence[str], **options: object) -> Axes:
    """Axes for one row a name, with a title above."""
    fig = plt.figure(figsize=(WIDTH / 100, 2))
    fig.text(0.5, 0.98, title, ha="center", va="top")
    axis = fig.add_axes((0.28, 0.23, 0.66, 0.65), ylim=(len(names) - 0.5, -0.5), **options)
    axis.set_yticks(range(len(names)), names)
    return axis


def put(axis: Axes, image: np.ndarray, left: float, top: float, width: float, height: float, title: str = "") -> None:
    """A photo, a mask or a uint8 map in its place, its title above it."""
    found = Image.fromarray(np.uint8(255) * image if image.dtype == bool else image)
    size = round(SCALE * width), round(SCALE * height)
    found = found.resize(size, Image.Resampling.NEAREST if size[0] > 2 * found.width else Image.Resampling.HAMMING)
    axis.imshow(found, extent=(left, left + width, top + height, top), aspect="auto", zorder=1, vmin=0, vmax=255)
    frame(axis, left, top, width, height, "0.7", 0.6)
    say(axis, left + width / 2, top - 4, title, va="bottom")


def panels(images: Sequence[np.ndarray], titles: Sequence[str], columns: int, shape: float, high: float = 19) -> Axes:
    """Images in rows, as high as ``shape`` says of their width; ``high`` is the room for a row's titles."""
    rows, width = -(-len(images) // columns), (WIDTH + 4) / columns - 6
    tops = [high + k * (width * shape + (high + 8 if any(titles[columns:]) else 4)) for k in range(rows)]
    axis = canvas(tops[-1] + width * shape + 1)
    for k, (image, title) in enumerate(zip(images, titles, strict=True)):
        put(axis, image, 1 + (width + 6) * (k % columns), tops[k // columns], width, width * shape, title)
    return axis


def frame(axis: Axes, left: float, top: float, width: float, height: float, color: str, line: float = 1.8) -> None:
    axis.add_patch(Rectangle((left, top), width, height, fill=False, ec=color, lw=line))


def say(axis: Axes, x: float, y: float, text: str, **options: object) -> None:
    axis.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 9.5} | options)


def arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], color: str = "0.3") -> None:
    axis.annotate("", end, start, arrowprops=dict(arrowstyle="-|>", color=color, lw=1.5, shrinkA=0, shrinkB=0))


def network_maps(photo: np.ndarray) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    """Maps of the shipped network by stage, 128×128 uint8, the most like a car first; and the network's mask."""
    model = models.create("unet-small", weights="carvana")
    mask, maps = (cutout.photo_logits(model, photo) > 0)[0, 0].numpy(), {}
    small = torch.from_numpy(np.array(Image.fromarray(photo).resize((128, 128), Image.Resampling.BOX)))
    for name, value in features.feature_maps(model, small.permute(2, 0, 1)[None] / 255).items():
        like, found = np.asarray(Image.fromarray(mask).resize(value.shape[2:])).ravel(), []
        for channel in value[0].numpy():
            low, high = np.quantile(channel, [0.02, 0.98])
            if high > low:  # not silent on this photo
                bright = (255 * np.clip((channel - low) / (high - low), 0, 1)).round().astype(np.uint8)
                squares = bright.repeat(128 // len(bright), 0).repeat(128 // len(bright), 1)
                found.append((-np.corrcoef(bright.ravel(), like)[0, 1], squares))
        maps[name] = [squares for _, squares in sorted(found, key=lambda pair: pair[0])]
    return maps, mask


@picture("01-the-task")
def the_task() -> str:
    (photo, mask), (small, exact) = car(BLUE_CAR), car(BLUE_CAR, 480)  # 480: as large as the chapter's own
    target = torch.from_numpy(exact)[None].float()
    wide = F.max_pool2d(target, 5, stride=1, padding=2)
    dice = metrics.dice(wide, target).item()
    wrong = np.asarray(Image.fromarray(show.errors(small, exact, wide[0].numpy())).resize((960, 640)))
    shown = [image[CROP] for image in (photo, mask, cutout.composite(photo, cutout.feather(mask)), wrong)]
    panels(shown, ["the photo", "its mask", "what a shop wants", f"2 px too wide: Dice {dice:.3f}"], 2, 0.489)
    return f"A car, its mask, the car alone on white, and a mask two pixels too wide, with a Dice of {dice:.3f}."


@picture("02-u-net")
def u_net() -> str:
    photo, _ = car(GREY_CAR)
    (maps, mask), axis, top = network_maps(photo), canvas(228), 20
    for image, left, title, start in ((photo, 1, "photo", 77), (mask, 283, "mask", 268)):
        put(axis, image, left, top, 76, 52, title)
        arrow(axis, (start, top + 26), (start + 15, top + 26))
    for level, width in enumerate((76, 58, 44, 32, 24)):
        height, below = width * 0.68, top + width * 0.68 + 11
        say(axis, 70, top + height / 2, f"{128 >> level}×{128 >> level}" if level else "", ha="right")
        for x, name, end in ((130, f"down.{level}", 170), (230, f"merge.{3 - level}", 190)):
            if level < 4:
                put(axis, maps[name][0], x - width / 2, top, width, height)
                ends = (x, below - 11), (x if level < 3 else end, below)
                arrow(axis, *(ends if x < 180 else ends[::-1]))
        if level < 4:
            arrow(axis, (130 + width / 2, top + height / 2), (230 - width / 2, top + height / 2), BLUE)
            top = below
    put(axis, maps["down.4"][0], 168, top, 24, 16)
    say(axis, 180, 94, "skip", color=BLUE)
    return "A photo becomes smaller and smaller maps and then a mask, in the shape of a U; blue arrows lead across."


@picture("03-data-generators")
def data_generators() -> str:
    axis, size = canvas(178), 1918 * 1280 * 3 * 4 / 2**30  # GiB
    for k in range(24):
        photo, _ = studio.render(2 * k, 1 + 5 * k % 16, (120, 80))
        put(axis, photo, 1 + 35 * (k % 4), 34 + 24 * (k // 4), 33, 22)
        if k % 6 == 3:
            put(axis, photo, 184 + k, 60 + 1.5 * k, 60, 40)
    for x, y, what, color, much in ((70, 9, "all 5,088 photos:", ORANGE, 5088), (222, 32, "a batch of 16:", GREEN, 16)):
        say(axis, x, y, what)
        say(axis, x, y + 15, f"{much * size:.{0 if much > 99 else 1}f} GiB", weight="bold", color=color)
    frame(axis, 290, 66, 68, 68, BLUE)
    say(axis, 324, 100, "network")
    arrow(axis, (146, 100), (180, 100))
    arrow(axis, (270, 100), (288, 100))
    return "A wall of car photos that takes 140 GiB, an arrow to a batch that takes 0.4 GiB, an arrow to a network."


@picture("04-augmentation")
def augmentation() -> str:
    photo, mask = (torch.from_numpy(array) for array in car(WHITE_CAR))
    x, y = (photo.permute(2, 0, 1)[None] / 255).repeat(8, 1, 1, 1), mask[None, None].float().repeat(8, 1, 1, 1)
    x[1:], y[1:] = data.Augment(color=0.2)(x[1:], y[1:], torch.Generator().manual_seed(3))
    photos = (x.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    copies = [show.overlay(photo, mask, show.GREEN) for photo, mask in zip(photos, y[:, 0].numpy(), strict=True)]
    panels(copies, ["one photo", "", "and seven changed copies", *[""] * 5], 4, 2 / 3)
    return "A car with its mask tinted green, and seven copies: turned, mirrored or in another light, with their mask."


@picture("05-segnet-unpooling")
def unpooling() -> str:
    wheel = F.avg_pool2d(torch.from_numpy(car(GREY_CAR)[0][340:500, 200:360].mean(axis=2))[None, None], 4)
    edges = (wheel.diff(dim=2, append=wheel[..., -1:, :]) ** 2 + wheel.diff(dim=3, append=wheel[..., -1:]) ** 2).sqrt()
    edges = (edges / edges.max() * 360).clamp(0, 255)
    pooled, places = F.max_pool2d(edges, 2, return_indices=True)
    shown = [edges, F.pad(pooled, [10] * 4, value=255), F.interpolate(pooled, scale_factor=2.0)]
    shown.append(F.max_unpool2d(pooled, places, 2))
    titles = ["the edges\nof a wheel", "max pool:\nhalf the size", "back without\npositions", "back with\npositions"]
    panels([image[0, 0].numpy().astype(np.uint8) for image in shown], titles, 4, 1, 36)
    return "The edges of a wheel; half as large after a max pool; back as coarse blocks; and as dots at their places."


@picture("06-coordinate-maps")
def coordinate_maps() -> str:
    photo, _ = car(GREY_CAR)
    axis, places = canvas(240), ((214, 420), (400, 444))
    put(axis, photo, 1, 18, 204, 136, "tyre or shadow?")
    for k, (column, row) in enumerate(places):
        put(axis, photo[row - 7 : row + 7, column - 7 : column + 7], 222 + 70 * k, 62, 64, 64, "AB"[k])
        frame(axis, 222 + 70 * k, 62, 64, 64, COLORS[k])
        frame(axis, 0.2125 * column - 3, 0.2125 * row + 14, 8, 8, COLORS[k])
    for left, name, values in zip((1, 183), "XY", models.coordinate_maps(640, 960).numpy(), strict=True):
        colored = plt.get_cmap("viridis")(values + 0.5, bytes=True)[..., :3]
        put(axis, colored, left, 174, 176, 64, f"{name} map, from −0.5 to 0.5")
        for k, (column, row) in enumerate(places):
            x, y, value = left + 176 * column / 960, 174 + row / 10, f"{values[row, column]:+.2f}".replace("-", "−")
            axis.plot(x, y, "o", ms=5, mfc=COLORS[k], mec="white")
            say(axis, x + (8 if k else -8), y - 9, value, color="white", weight="bold")
    return "A patch of tyre and a patch of shadow look the same; below, X map and Y map have other numbers for each."


@picture("07-dilated-convolution")
def dilation() -> str:
    (photo, _), axis, x, y = car(WHITE_CAR), canvas(150), 450, 380
    put(axis, photo, 1, 20, 180, 120, "one place, two windows")
    axis.plot(1 + x * 0.1875, 20 + y * 0.1875, "o", ms=4, color="black")
    for left, color, name, word in ((187, BLUE, "arc3", "plain"), (274, ORANGE, "maskingnet", "dilated")):
        side = features.receptive_fields(models.create(name, width=2))[-1].size
        half = round(side * 960 / 1918 / 2)
        put(axis, photo[y - half : y + half, x - half : x + half], left, 38, 84, 84)
        frame(axis, left, 38, 84, 84, color)
        frame(axis, 1 + (x - half) * 0.1875, 20 + (y - half) * 0.1875, half * 0.375, half * 0.375, color)
        say(axis, left + 42, 28, word, color=color)
        say(axis, left + 42, 132, f"{side} pixels", color=color)
    return "Around a place on a car door 292 pixels show only door; 772 pixels, with dilation, show wheel and windows."


@picture("08-feature-maps")
def feature_maps() -> str:
    photo, _ = car(GREY_CAR)
    maps, mask = network_maps(photo)
    pages = []
    for found in (maps[name] for name in ("down.0", "down.2", "down.4", "merge.3")):
        framed = [np.pad(found[k], 2, constant_values=160) for k in (0, 1, -2, -1)]
        pages.append(np.block([framed[:2], framed[2:]]))
    titles = ["the photo", "first stage", "third stage", "the middle", "last stage", "the mask"]
    panels([photo, *pages, mask], titles, 3, 2 / 3)
    return "A photo; four maps each of a network's first, third, middle and last stage, some bright on the car; a mask."


@picture("09-results")
def results() -> str:
    found = comparison.load_results("six-networks")
    names = ["U-Net", "SegNet", "Arc #1", "Arc #2", "Arc #3", "MaskingNet"]
    axis = chart("Which of the six is best?", names, xlim=(97.6, 98.8), xticks=[97.6, 98, 98.4, 98.8])
    axis.set_xlabel("Dice, %, and 95 % interval")
    for k, name in enumerate(found.runs.network.unique()):
        dice = found.cars[found.cars.network == name].groupby("car").dice.mean()
        mean, low, high = (100 * value for value in comparison.interval(dice.to_numpy()))
        axis.plot([low, high], [k, k], lw=3, color=BLUE, alpha=0.5)
        axis.plot(mean, k, "o", color=BLUE)
    return "Dice of six networks with 95 % intervals over 16 cars: SegNet is lowest, the other five overlap."


@picture("10-beyond")
def beyond() -> str:
    dice = comparison.load_results("beyond").runs.groupby("network").dice.mean()
    dices = [dice["as it is"], dice["the first four averaged"]]
    dices += [models.read_card(name)["dice"] for name in ("unet-small", "unet")]
    dices += [comparison.LEADERBOARD[place] for place in (11, 0)]
    names = ["6 epochs", "4 averaged", "31 epochs", "320 pixels", "12th place", "1st place"]
    axis = chart("A small U-Net, and the top of the leaderboard", names, xlim=(0, 2.6))
    axis.set_xlabel("error, 1 − Dice, in %")
    axis.grid(visible=False)
    errors = [f"{100 - 100 * value:.2f} %" for value in dices]
    for k, value in enumerate(dices):
        axis.barh(k, 100 - 100 * value, color=BLUE if k < 4 else ORANGE)
        say(axis, 100 - 100 * value + 0.04, k, errors[k], ha="left")
    say(axis, 2.6, 3.6, "measured here", color=BLUE, ha="right")
    say(axis, 2.6, 4.6, "reported", color=ORANGE, ha="right")
    told = ", ".join(f"{name} {error}" for name, error in zip(names, errors, strict=True))
    return f"Bars of error that become shorter, the first four measured on small U-Nets, the last two reported: {told}."


@picture("11-your-own-photos")
def your_own_photos() -> str:
    photo, mask = (np.ascontiguousarray(image[36:324]) for image in studio.draw_leaf(10, 0, (480, 360)))
    place = make_background("cobblestones", *mask.shape, seed=4, blur=0).picture
    stones = (255 * place.permute(1, 2, 0)).byte().numpy()
    alpha = cutout.feather(mask)
    clean = cutout.estimate_foreground(photo, alpha)
    shown = [photo, mask.astype(bool), cutout.composite(clean, alpha), cutout.composite(clean, alpha, stones)]
    panels(shown, ["your photo", "its mask", "cut out", "before another background"], 2, 0.6)
    return "A leaf on a desk, its mask, the leaf on white, and the leaf before cobblestones that a program has made."


@picture("12-the-clinic")
def the_clinic() -> str:
    axis = canvas(190)
    x = np.linspace(0, 1, 40)
    kinds = {
        "healthy": 0.7 * np.exp(-5 * x) + 0.04,
        "below zero": 0.5 - 1.1 * x,
        "a floor": 0.25 * np.exp(-6 * x) + 0.45,
        "rocking": 0.35 * np.exp(-8 * x) + 0.2 + 0.4 * x**1.5 * np.sin(26 * x),
        "a leap": np.where(x < 0.12, 0.5 + 4 * x, 0.55 + 0.4 * np.exp(-14 * (x - 0.12))),
        "a bump": 0.7 * np.exp(-5 * x) + 0.04 + 0.35 * np.exp(-12 * (x - 0.5)) * (x > 0.5),
    }
    for k, (name, curve) in enumerate(kinds.items()):
        left, top = 8 + 120 * (k % 3), 8 + 92 * (k // 3)
        axis.plot([left, left, left + 100], [top + 4, top + 62, top + 62], color="0.6", lw=1)
        axis.plot(
            left + 100 * x, np.clip(top + 56 - 52 * curve, top, top + 78), color=GREEN if k == 0 else ORANGE, lw=2
        )
        say(axis, left + 54, top + 6, name, ha="center")
    return "Six sketches of a loss by epoch: healthy; below zero; on a floor; rocking; a leap at once; a bump half way."


@picture("cut-out")
def cut_out() -> str:
    photo, mask = car(BLUE_CAR)
    alpha, dusk = cutout.feather(mask), cutout.gradient(mask.shape, (72, 44, 108), (255, 170, 110))
    clean, behind = cutout.estimate_foreground(photo, alpha), [cutout.chessboard(mask.shape, 60), dusk, (255, 221, 87)]
    shown = [photo, *(cutout.composite(clean, alpha, background) for background in behind)]
    panels([image[CROP] for image in shown], ["the photo", "on nothing", "at dusk", "on yellow"], 2, 0.489)
    return "A blue car in the studio, and cut out: on grey and white squares, before an evening sky, and on yellow."


@picture("appendix-upsampling")
def upsampling() -> str:
    _, mask = car(BLUE_CAR)
    edge, shown = F.avg_pool2d(torch.from_numpy(mask[376:460, 214:298])[None, None].float(), 7) * 160 + 40, []
    for k, profile in enumerate(([1.0], [1.0] * 2, [2 / 3] * 3, [0.25, 0.75, 0.75, 0.25])):
        kernel, inside = torch.outer(torch.tensor(profile), torch.tensor(profile)), slice(2 + k // 2, -2 - k // 2)
        grown = F.conv_transpose2d(edge, kernel[None, None], stride=2)[0, 0, inside, inside]
        shown.append(grown.clamp(0, 255).numpy().astype(np.uint8))
    words = ("gaps", "nearest", "checkerboard", "bilinear")
    panels(shown, [f"kernel {k + 1}:\n{word}" for k, word in enumerate(words)], 4, 1, 36)
    return "A round edge at twice its size, four times: with gaps, as squares, as a checkerboard, and smooth."


@picture("appendix-loading")
def loading() -> str:
    axis = canvas(150)
    parts = {"read": (14, "#56B4E9"), "decode": (34, "#E69F00"), "resize": (16, "#CC79A7"), "train": (50, GREEN)}
    for k, (name, (width, color)) in enumerate(parts.items()):
        left = (0, 14, 48, 64)[k]
        axis.add_patch(Rectangle((20 + 88 * k, 4), 12, 12, color=color))
        say(axis, 37 + 88 * k, 10, name, ha="left")
        for n in range(3):
            axis.add_patch(Rectangle((left + 114 * n + 1, 44), width - 1, 24, color=color, lw=0))
            axis.add_patch(Rectangle((left + 64 * n + 1, 96 if k < 3 else 120), width - 1, 20, color=color, lw=0))
    words = {"one after the other": (1, 34), "time →": (300, 34), "overlapped": (1, 86)}
    for text, (x, y) in (words | {"a worker process": (210, 106), "the network": (262, 130)}).items():
        say(axis, x, y, text, ha="left")
    return "Read, decode, resize, train, one after the other; below, one batch is trained while the next is prepared."


def encode(draw: Callable[[], str]) -> tuple[bytes, str]:
    """Draw a picture: a JPEG file, the same bytes every time, and its alt text."""
    torch.set_num_threads(1)  # the order of sums
    with plt.rc_context(STYLE):
        alt = draw()
        fig = plt.gcf()
        fig.set_dpi(100 * SCALE)
        fig.canvas.draw()
        pixels = np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()
        plt.close(fig)
    for quality in range(76, 30, -4):
        Image.fromarray(pixels).save(buffer := io.BytesIO(), "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() <= LIMIT:
            break
    return buffer.getvalue(), alt


def insert(notebook: dict, jpeg: bytes, alt: str) -> dict:
    """Another notebook with the picture under the title, in place of the one that is there.

    Args:
        notebook: as read from its file; its first cell begins with the title.
        jpeg: the picture's file.
        alt: what is seen; without square brackets.

    Returns:
        the notebook; the one given stays as it is.
    """
    first, *rest = notebook["cells"]
    title, _, text = LINE.sub("", "".join(first["source"])).partition("\n")
    line = f"![{alt}](data:image/jpeg;base64,{base64.b64encode(jpeg).decode()})"
    source = f"{title}\n\n{line}\n\n{text.lstrip()}".splitlines(keepends=True)
    return notebook | {"cells": [first | {"source": source}, *rest]}


def main(names: Sequence[str], book: Path = BOOK) -> None:
    """Draw the pictures of these chapters, or of all, and write those that changed into their notebooks."""
    for name in names or PICTURES:
        path = book / f"{name}.ipynb"
        if not path.exists():
            print(f"{name}: no such notebook yet")
            continue
        notebook = json.loads(path.read_text(encoding="utf-8"))
        jpeg, alt = encode(PICTURES[name])
        changed = insert(notebook, jpeg, alt)
        if changed != notebook:
            write(path, changed)
        print(f"{name}: {len(jpeg) / 1000:.0f} kB, {'written' if changed != notebook else 'as it was'}")


if __name__ == "__main__":
    main(sys.argv[1:])
