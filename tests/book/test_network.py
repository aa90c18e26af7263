"""The networks that the pages run, against torch; real files in a real browser."""

import base64
import io
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from built import ROOT
from PIL import Image
from playwright.sync_api import Browser, Page
from samples import random_network
from torch import nn

from carvana_lessons import models, studio
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.models.browser import write_script
from carvana_lessons.models.layers import layers
from carvana_lessons.models.model_cards import round_to_half
from carvana_lessons.prediction import load_trained, upsample
from carvana_lessons.prediction.cutout import feather, photo_logits, remove_small_regions

SOURCE = ROOT / "book" / "network"
SIZES = ((96, 160), (128, 64))  # height, width
SCRIPTS = ("scripts.js", "engine.js", "network.js", "photo.js", "photo_view.js", "inside_view.js")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page with the course's scripts, opened from disk as a reader may open the book."""
    made = tmp_path_factory.mktemp("pages")
    for name in SCRIPTS:
        (made / name).write_bytes((SOURCE / name).read_bytes())
    scripts = "".join(f'<script src="{name}"></script>' for name in SCRIPTS)
    (made / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{scripts}", encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def tab(browser: Browser, folder) -> Page:
    opened = browser.new_page()
    errors = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto((folder / "page.html").as_uri())
    opened.evaluate(
        """() => {
          globalThis.fromText = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          globalThis.toText = (bytes) => {
            let text = "";
            for (let k = 0; k < bytes.length; k += 32768)
              text += String.fromCharCode(...bytes.subarray(k, k + 32768));
            return btoa(text);
          };
        }"""
    )
    yield opened
    opened.close()
    assert errors == []


def text_of(values: bytes) -> str:
    return base64.b64encode(values).decode("ascii")


def trained_by_chance(name: str, width: int) -> nn.Module:
    """Random weights, as half precision holds them."""
    return round_to_half(random_network(name, width))


def logits_in_page(tab: Page, name: str, x: torch.Tensor, workers: int, changes: dict | None = None) -> np.ndarray:
    height, width = x.shape[-2:]
    found = tab.evaluate(
        """async ([name, x, height, width, workers, changes]) => {
          const network = await carvana.load(name, {workers});
          const values = new Float32Array(fromText(x).buffer);
          const {logits} = await network.logits(values, height, width, {changes});
          network.close();
          return toText(new Uint8Array(logits.buffer));
        }""",
        [name, text_of(x.numpy().tobytes()), height, width, workers, changes or {}],
    )
    return np.frombuffer(base64.b64decode(found), np.float32).reshape(1, -1, height, width)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("name", models.names())
def test_a_page_answers_as_torch_does(tab: Page, folder, name, workers):
    model = trained_by_chance(name, width=5)  # no multiple of the four channels that are computed together
    write_script(model, folder / f"{name}-{workers}.js")
    for height, width in SIZES:
        x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))
        with torch.inference_mode():
            wanted = model(x)
        found = torch.from_numpy(logits_in_page(tab, f"{name}-{workers}", x, workers).copy())
        assert (found - wanted).abs().max() < 1e-4
        same = models.car_logit(found).gt(0) == models.car_logit(wanted).gt(0)
        assert same.float().mean() >= 0.9995


def test_the_stages_are_the_maps_of_torch(tab: Page, folder):
    model = trained_by_chance("maskingnet", width=4)
    write_script(model, folder / "stages.js")
    x = torch.rand(1, 3, 64, 96)
    wanted = {}
    for name, module in (("down 2", model.down[1]), ("middle 4", model.middle[3]), ("up 1", model.up[3])):
        module.register_forward_hook(lambda _m, _x, out, name=name: wanted.update({name: out[0]}))
    with torch.inference_mode():
        model(x)
    found = tab.evaluate(
        """async (x) => {
          const network = await carvana.load("stages", {workers: 2});
          await network.logits(new Float32Array(fromText(x).buffer), 64, 96);
          const stages = await network.stages();
          network.close();
          return stages.map(({name, channels, height, width, values}) =>
            [name, [channels, height, width], toText(new Uint8Array(values.buffer))]);
        }""",
        text_of(x.numpy().tobytes()),
    )
    maps = {name: np.frombuffer(base64.b64decode(text), np.float32).reshape(shape) for name, shape, text in found}
    assert next(iter(maps)) == "down 1" and list(maps)[-1] == "logits"
    for name, out in wanted.items():
        assert np.abs(maps[name] - out.numpy()).max() < 1e-4


def shifted(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    maps = models.coordinate_maps(*x.shape[-2:])
    return model(x, maps + torch.tensor([0.25, -0.5])[:, None, None])


def without_maps(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model(x, torch.zeros(2, *x.shape[-2:]))


def with_rates(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for block, rate in zip(model.middle, (1, 1, 2, 3, 1, 1), strict=True):
        block[0].dilation = block[0].padding = (rate, rate)
    return model(x)


def erased(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    model.down[2].register_forward_hook(lambda _m, _x, out: out.index_fill(1, torch.tensor([1, 3]), 0))
    return model(x)


class Elsewhere(models.Unpool):
    """Values at other places: always the first, those of the left neighbour, or all four."""

    def __init__(self, places: str) -> None:
        super().__init__()
        self.places = places

    def forward(self, x, indices, output_size):
        if self.places == "all":
            return x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        width = output_size[1]
        row, column = indices // width % 2, indices % width % 2
        if self.places == "first":
            row, column = torch.zeros_like(row), torch.zeros_like(column)
        else:
            row, column = (torch.cat([part[..., :1], part[..., :-1]], dim=3) for part in (row, column))
        y, across = torch.arange(x.shape[2])[:, None], torch.arange(x.shape[3])
        return super().forward(x, (2 * y + row) * width + 2 * across + column, output_size)


def elsewhere(places: str) -> Callable:
    def change(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        model.unpool = Elsewhere(places)
        return model(x)

    return change


CHANGES = [
    ({"maps": {"x": 0.25, "y": -0.5}}, shifted),
    ({"maps": {"none": True}}, without_maps),
    ({"rates": {f"middle {k}": rate for k, rate in enumerate((1, 1, 2, 3, 1, 1), 1)}}, with_rates),
    ({"erase": {"down 3": [1, 3]}}, erased),
    *(({"places": places}, elsewhere(places)) for places in ("first", "neighbour", "all")),
]


@pytest.mark.parametrize(("changes", "oracle"), CHANGES, ids=lambda part: str(part) if isinstance(part, dict) else "")
def test_a_changed_network_answers_as_torch_does(tab: Page, folder, changes, oracle):
    model = trained_by_chance("maskingnet", width=4)
    write_script(model, folder / "changed.js")
    x = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = model(x)
        wanted = oracle(model, x).numpy()
    found = logits_in_page(tab, "changed", x, 2, changes)
    error, change = (np.abs(found - of).max() for of in (wanted, before.numpy()))
    assert error < 1e-4 and error < change / 10  # of random weights, some changes are small


def test_questions_that_come_at_once_are_answered_one_after_the_other(tab: Page, folder):
    write_script(trained_by_chance("unet-tiny", width=2), folder / "busy.js")
    same, channels, closed = tab.evaluate(
        """async () => {
          const network = await carvana.load("busy", {workers: 2});
          const photo = new Float32Array(3 * 64 * 64).map((_, k) => (k % 7) / 7);
          const [first, stages, second] = await Promise.all([
            network.logits(photo, 64, 64, {stages: true}), network.stages(), network.logits(photo, 64, 64)]);
          const same = first.logits.every((value, k) => value === second.logits[k])
            && stages.every(({values}, k) => values.every((value, j) => value === first.stages[k].values[j]));
          const open = network.logits(photo, 64, 64);
          await new Promise((done) => setTimeout(done));
          network.close();
          return [same, stages.map(({channels}) => channels), await open.catch((error) => error.message)];
        }"""
    )
    assert same and channels == [2, 4, 8, 16, 8, 4, 2, 1] and closed == "The network was closed."


@pytest.mark.parametrize("name", ["unet-tiny", "unet", "segnet", "maskingnet"])
def test_the_receptive_field_is_what_a_pixel_depends_on(tab: Page, folder, name):
    """An oracle that puts NaN into one column of the photo after the other: whatever depends on it becomes NaN."""
    model = trained_by_chance(name, width=1)
    side, seen = 64, {}
    stages = {"down 2": model.down[1], "up 2": model.merge[-2] if hasattr(model, "merge") else model.up[-2]}
    stages |= {"up 1": model.merge[-1] if hasattr(model, "merge") else model.up[-1]}
    for stage, module in stages.items():
        module.register_forward_hook(lambda _m, _x, out, stage=stage: seen.update({stage: out.isnan().any(1).any(1)}))
    x = torch.rand(side, 3, 32, side)
    for column in range(side):
        x[column, ..., column] = torch.nan
    with torch.inference_mode():
        model(x)
    for stage, depends in seen.items():  # (column of the photo, column of the map)
        columns = depends.shape[1]
        found = tab.evaluate(
            "([layers, stage, count]) => [...Array(count).keys()].map(k => carvana.receptiveField(layers, stage, k))",
            [layers(model), stage, columns],
        )
        for k, (low, high) in enumerate(found):
            inside = depends[:, k].nonzero().flatten()
            assert [max(low, 0), min(high, side - 1)] == [inside.min().item(), inside.max().item()], (stage, k)


def test_a_size_that_cannot_be_halved_is_refused(tab: Page, folder):
    write_script(trained_by_chance("unet-tiny", width=2), folder / "odd.js")
    told = tab.evaluate(
        """async () => {
          const network = await carvana.load("odd");
          try { await network.logits(new Float32Array(3 * 20 * 24), 20, 24); }
          catch (error) { return error.message; } finally { network.close(); }
        }"""
    )
    assert told == "Height and width must be multiples of 8, not 20 and 24."


def test_after_a_change_that_fails_the_network_answers_again(tab: Page, folder):
    write_script(trained_by_chance("unet-tiny", width=2), folder / "again.js")
    first, told, second = tab.evaluate(
        """async () => {
          const network = await carvana.load("again", {workers: 2});
          const photo = new Float32Array(3 * 16 * 16).fill(0.5);
          const answers = [await network.logits(photo, 16, 16)];
          const wrong = network.logits(photo, 16, 16, {changes: {rates: {"down 1": -7}}});
          answers.push(await wrong.catch((error) => error.message));
          answers.push(await network.logits(photo, 16, 16));
          network.close();
          return answers.map((part) => part.logits ? Array.from(part.logits) : part);
        }"""
    )
    assert "nvalid" in told and first == second


def test_a_network_that_is_not_there_is_told(tab: Page):
    told = tab.evaluate("carvana.load('nobody').catch((error) => error.message)")
    assert told.startswith("The file nobody.js could not be loaded")


# --- photos ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["unet", "unet-backgrounds"])
def trained(request, folder, tab) -> tuple[str, nn.Module]:
    model = load_trained(request.param)
    write_script(model, folder / f"{request.param}.js")
    return request.param, model


def predicted(tab: Page, name: str, content: bytes, kind: str = "image/jpeg", options: dict | None = None) -> dict:
    """The mask and the edge of a file, or the sentence that says what is wrong."""
    found = tab.evaluate(
        """async ([name, content, kind, options]) => {
          globalThis.loaded ??= {};
          loaded[name] ??= await carvana.load(name, {workers: 2});
          const file = new File([fromText(content)], "car.file", {type: kind});
          try {
            const answer = await loaded[name].predict(file);
            const canvas = await carvana.cutOut(answer, options);
            const pen = canvas.getContext("2d");
            const {data} = pen.getImageData(0, 0, canvas.width, canvas.height);
            return {width: answer.width, height: answer.height, note: answer.photo.note,
              logits: toText(new Uint8Array(answer.logits.buffer)), from: answer.from,
              mask: toText(answer.mask), pixels: toText(new Uint8Array(data.buffer))};
          } catch (error) { return {error: error.message}; }
        }""",
        [name, text_of(content), kind, options or {}],
    )
    if "error" in found:
        return found
    shape = found["height"], found["width"]
    mask = np.frombuffer(base64.b64decode(found["mask"]), np.uint8).reshape(shape)
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(*shape, 4)
    logits = np.frombuffer(base64.b64decode(found["logits"]), np.float32).reshape(1, 1, *found["from"])
    return {"mask": mask, "pixels": pixels, "logits": torch.from_numpy(logits.copy()), "note": found["note"]}


@pytest.fixture(scope="module")
def drawn() -> list[tuple[bytes, np.ndarray, np.ndarray]]:
    """Photos as JPEG, as pixels, and their masks."""
    found = []
    for car, view in ((3, 5), (12, 4), (21, 9)):
        photo, mask = studio.render(car, view, (959, 640), studio.DEFAULT.seed)
        content = encoded(Image.fromarray(photo), "JPEG", quality=92)
        found.append((content, np.asarray(Image.open(io.BytesIO(content))), mask))
    return found


def test_drawn_cars_score_as_in_python(tab: Page, trained, drawn):
    name, model = trained
    scores = []
    for content, photo, mask in drawn:
        truth = torch.from_numpy(mask).bool()
        found = torch.from_numpy(predicted(tab, name, content)["mask"].copy()).bool()
        scores.append([dice(found, truth).item(), dice(photo_logits(model, photo)[0, 0] > 0, truth).item()])
    page, python = np.array(scores).T
    assert np.abs(page - python).max() < 0.001 and python.min() > 0.9


@pytest.mark.parametrize(("radius", "share", "threshold"), [(2, 0.01, 0.5), (0, 0, 0.5), (3.5, 1, 0.9)])
def test_the_edge_is_that_of_python(tab: Page, trained, drawn, radius, share, threshold):
    options = {"feather": radius, "tidy": share, "threshold": threshold}
    found = predicted(tab, trained[0], drawn[1][0], options=options)
    z = upsample(found["logits"], found["mask"].shape) - math.log(threshold / (1 - threshold))
    wanted = feather(remove_small_regions(z, share) if share else z, radius) * 255
    assert np.abs(found["pixels"][..., 3] - wanted).max() <= 2


def test_what_is_invisible_is_black(tab: Page, trained, drawn):
    pixels = predicted(tab, trained[0], drawn[0][0])["pixels"]
    assert (pixels[..., 3] == 0).any() and not pixels[pixels[..., 3] == 0].any()


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def files_of(photo: np.ndarray) -> dict[str, tuple[bytes, str]]:
    """The same photo as many kinds of file."""
    picture = Image.fromarray(photo)
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "png": (encoded(picture, "PNG"), "image/png"),
        "webp": (encoded(picture, "WEBP", quality=95), "image/webp"),
        "bmp": (encoded(picture, "BMP"), "image/bmp"),
        "turned": (encoded(picture.rotate(90, expand=True), "JPEG", exif=turned, quality=95), "image/jpeg"),
        "cmyk": (encoded(picture.convert("CMYK"), "JPEG", quality=95), "image/jpeg"),
        "no type": (encoded(picture, "JPEG", quality=95), ""),
    }


def test_every_kind_of_file_is_the_same_photo(tab: Page, trained, drawn):
    name, model = trained
    photo = np.asarray(Image.fromarray(drawn[2][1]).resize((640, 427)))
    own = photo_logits(model, photo)[0, 0].numpy() > 0
    for kind, (content, mime) in files_of(photo).items():
        found = predicted(tab, name, content, mime)
        assert "error" not in found, (kind, found)
        assert found["mask"].shape == own.shape and (found["mask"] == own).mean() > 0.995, kind


def test_what_is_transparent_is_white(tab: Page, trained, drawn):
    name, model = trained
    photo = np.asarray(Image.fromarray(drawn[2][1]).resize((640, 427)))
    mask = np.asarray(Image.fromarray(drawn[2][2].astype(np.uint8) * 255).resize((640, 427))) > 127
    clear = np.dstack([photo, np.where(mask, 255, 0).astype(np.uint8)])
    laid = np.where(mask[..., None], photo, 255).astype(np.uint8)
    found = predicted(tab, name, encoded(Image.fromarray(clear), "PNG"), "image/png")["mask"]
    assert (found == (photo_logits(model, laid)[0, 0].numpy() > 0)).mean() > 0.999


def big_png() -> bytes:
    """A hundred million pixels in a small file."""
    return encoded(Image.new("1", (10_000, 10_000)), "PNG")


WRONG = {
    "empty": (b"", "image/jpeg", "“car.file” is empty"),
    "text": (b"no picture at all", "text/plain", "“car.file” is no picture that this browser can open"),
    "half": (b"\xff\xd8\xff\xe0" + bytes(64), "image/jpeg", "“car.file” is no picture that this browser can open"),
    "heic": (bytes(4) + b"ftypheic" + bytes(64), "image/heic", "“car.file” is a HEIC photo"),
    "large": (None, "image/png", "This photo has 10000 × 10000 pixels, more than the limit of this page, 50 million"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_cannot_be_used_is_told_and_the_next_one_works(tab: Page, trained, drawn, kind):
    content, mime, told = WRONG[kind]
    assert predicted(tab, trained[0], big_png() if content is None else content, mime)["error"].startswith(told)
    assert predicted(tab, trained[0], drawn[0][0])["mask"].any()


def test_a_photo_that_no_canvas_holds_is_made_smaller(tab: Page, trained):
    content = encoded(Image.new("RGB", (70_000, 20), "white"), "PNG")
    found = predicted(tab, trained[0], content, "image/png")
    assert found["mask"].shape == (2, 8192) and found["note"].startswith("The photo was made smaller")


def test_a_file_that_cannot_be_read_is_told(tab: Page, trained):
    told = tab.evaluate(
        """() => {
          const folder = new File(["x"], "holiday");
          folder.slice = () => ({arrayBuffer: () => Promise.reject(new Error("NotFoundError"))});
          return carvana.openPhoto(folder).catch((error) => error.message);
        }"""
    )
    assert told == "“holiday” cannot be read: it is a folder, or was moved. Take another file."


def test_a_network_that_does_not_know_its_size_asks_for_it(tab: Page, folder):
    write_script(trained_by_chance("unet-tiny", width=2), folder / "sizeless.js")
    told, height = tab.evaluate(
        """async () => {
          const network = await carvana.load("sizeless", {workers: 1});
          const canvas = Object.assign(document.createElement("canvas"), {width: 30, height: 20});
          const told = await network.predict(canvas).catch((error) => error.message);
          const answer = await network.predict(canvas, {size: [16, 24]});
          network.close();
          return [told, answer.height];
        }"""
    )
    assert told.startswith("This network does not say for which size it was trained") and height == 20


def test_of_an_animation_the_first_picture_is_used(tab: Page, trained):
    pictures = [Image.new("RGB", (64, 48), colour) for colour in ("white", "black")]
    content = encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=100)
    assert predicted(tab, trained[0], content, "image/gif")["note"] == (
        "This is an animation: its first frame is used."
    )


def test_a_page_without_a_car_is_answered_too(tab: Page, trained):
    found = predicted(tab, trained[0], encoded(Image.new("RGB", (50, 3), "white"), "PNG"), "image/png")
    assert found["mask"].shape == (3, 50)


def test_the_files_of_the_pages_are_the_same_every_time(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book")
    sys.modules.pop("network_files", None)
    import network_files

    network_files.make(tmp_path / "a")
    network_files.make(tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    samples = ["samples", "sample-1", "sample-2", "sample-3"]
    assert names == sorted(f"{name}.js" for name in [*models.shipped(), *samples])
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
