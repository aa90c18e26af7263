"""Which masks to look at first: planted failures come first, with their reason, from the command and from the files."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from samples import Brightness
from torch import nn

from carvana_lessons import studio
from carvana_lessons.evaluation.selective import recovered
from carvana_lessons.prediction import look_first, predict_folder, read_doubts
from carvana_lessons.prediction.doubts import SIGNALS
from carvana_lessons.prediction.uncertainty import Uncertainty, uncertainty
from carvana_lessons.utils.errors import DataError

SIZE = (64, 96)


class Steep(nn.Module):
    """Says "car" where the photo is bright, and is as sure as the photo is far from grey."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(60.0))

    def forward(self, x):
        return self.weight * (x.mean(1, keepdim=True) - 0.5)


def draw(*discs: tuple[float, float, float], soft: float = 1.0) -> np.ndarray:
    """Bright discs (row, column, radius) on black; ``soft`` is the width of their edge in pixels."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    away = np.max([r - np.hypot(y - cy, x - cx) for cy, cx, r in discs] or [np.full(SIZE, -99.0)], axis=0)
    grey = (0.5 + away / soft).clip(0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


PHOTOS = {
    "easy": draw((32, 48, 20)),
    "another": draw((30, 40, 22)),
    "empty": draw(),
    "full": draw((32, 48, 99)),
    "two": draw((32, 24, 15), (32, 72, 14)),
    "speck": draw((32, 48, 20), (8, 8, 3)),
    "vague": draw((32, 48, 20), soft=60),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for name, photo in PHOTOS.items():
        Image.fromarray(photo).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


def test_planted_failures_come_first_each_with_its_reason(folder, tmp_path):
    predict_folder(Steep(), folder, tmp_path / "out", SIZE)
    table = read_doubts(tmp_path / "out")
    names = [name.removesuffix("_mask.png") for name in table["mask"]]
    assert set(names[:2]) == {"empty", "full"} and set(names[2:4]) == {"two", "vague"}
    assert dict(zip(names, table["reasons"], strict=True)) == {
        "empty": "no car found",
        "full": "all of the photo is car",
        "two": "two large pieces",
        "vague": "unsure along the edge",
        "speck": "",
        "easy": "",
        "another": "",
    }
    assert table["doubt"].is_monotonic_decreasing and table["doubt"].between(0, 1).all()
    lines = look_first(table)
    assert len(lines) == 4 and "two_mask.png: two large pieces" in lines and lines == look_first(table, 4)
    assert look_first(table, 1) == lines[:1]


def test_what_a_mask_says_is_what_its_logits_say(folder, tmp_path):
    model = Steep()
    predict_folder(model, folder, tmp_path / "out", SIZE, flip=True)
    table = read_doubts(tmp_path / "out").set_index("mask")
    for name, photo in PHOTOS.items():
        x = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
        logits = model(x)[0, 0].detach()
        wanted = uncertainty(logits, logits)  # this network does the same in the mirror
        row = table.loc[f"{name}_mask.png"]
        for signal in ("expected_dice", "entropy_edge", "pieces", "borders", "share", "flip_disagreement"):
            assert row[signal] == pytest.approx(getattr(wanted, signal), abs=1e-4, nan_ok=True), (name, signal)


def test_a_network_that_sees_another_thing_in_the_mirror_is_doubted(folder, tmp_path):
    class Left(Steep):
        """Sees nothing in the right half."""

        def forward(self, x):
            half = torch.arange(x.shape[-1], device=x.device) >= x.shape[-1] // 2
            return torch.where(half, -20.0, super().forward(x))

    predict_folder(Left(), folder / "easy.png", tmp_path / "once", SIZE)
    predict_folder(Left(), folder / "easy.png", tmp_path / "twice", SIZE, flip=True)
    (once,), (twice,) = (list(read_doubts(tmp_path / name).itertuples()) for name in ("once", "twice"))
    assert math.isnan(once.flip_disagreement) and twice.flip_disagreement > 0.9
    assert "mirrored" not in once.reasons and "mask differs from that of the mirrored photo" in twice.reasons
    assert twice.doubt > once.doubt


def test_doubt_is_the_product_of_its_parts():
    seen = Uncertainty(0.98, 0.1, 0.01, 0.05, 2, 0.9, 0, 0.2)
    assert seen.doubt == pytest.approx(1 - 0.9 * 0.98 * 0.9 * 0.95)
    assert seen.reasons == ["two large pieces", "mask differs from that of the mirrored photo"]


def test_only_the_photos_asked_for_and_only_masks_that_say_it(folder, tmp_path):
    out = tmp_path / "out"
    predict_folder(Steep(), folder, out, SIZE)
    Image.new("L", (4, 4)).save(out / "foreign_mask.png")
    assert len(read_doubts(out)) == len(PHOTOS)
    assert read_doubts(out, [folder / "two.png", folder / "easy.png"])["mask"].tolist() == [
        "two_mask.png",
        "easy_mask.png",
    ]
    with pytest.raises(DataError, match="does not exist"):
        read_doubts(out, tmp_path / "nowhere")
    nothing = read_doubts(tmp_path / "empty")
    assert nothing.empty and look_first(nothing) == []


def test_masks_with_a_doubt_are_not_made_again(folder, tmp_path):
    out = tmp_path / "out"
    predict_folder(Brightness(), folder, out, 16)
    before = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    assert predict_folder(Brightness(), folder, out, 16) == 0
    assert {p: p.stat().st_mtime_ns for p in out.iterdir()} == before


def test_the_command_names_an_empty_photo_and_two_cars_and_keeps_all_in_a_file(run, tmp_path):
    photos, out, file = tmp_path / "photos", tmp_path / "out", tmp_path / "doubts.csv"
    photos.mkdir()
    drawn = {view: studio.render(0, view, (240, 160)) for view in (1, 5)}
    for view, (photo, _) in drawn.items():
        Image.fromarray(photo).save(photos / f"view {view}.png")
    Image.new("RGB", (240, 160), (200, 200, 200)).save(photos / "nothing.png")
    car, mask = (part[::2, ::2] for part in drawn[5])
    two = np.full((160, 240, 3), 230, np.uint8)
    for left in (0, 120):
        two[40:120, left : left + 120][mask] = car[mask]
    Image.fromarray(two).save(photos / "both.png")
    words = ["predict", photos, out, "--weights", "unet-small"]
    answer = run(*words, "--doubts", file)
    assert answer.returncode == 0
    first, *lines = answer.stdout[answer.stdout.index("Look at these first:") :].splitlines()
    assert lines[0] == "  nothing_mask.png: no car found" and lines[1].startswith("  both_mask.png: two large pieces")
    table = pd.read_csv(file)
    assert sorted(table["mask"]) == sorted(f"{photo.stem}_mask.png" for photo in photos.iterdir())
    assert table["doubt"].is_monotonic_decreasing and table["flip_disagreement"].isna().all()
    assert first == "Look at these first:" and len(lines) == table["reasons"].notna().sum()

    before = file.read_bytes()
    answer = run(*words, "--doubts", file)
    assert answer.returncode == 1 and "doubts.csv exists already" in answer.stderr and file.read_bytes() == before
    answer = run(*words)
    assert answer.returncode == 0 and "Every photo has its mask" in answer.stdout
    assert lines[0] in answer.stdout, "told again from the masks"

    (photos / "broken.jpg").write_text("no photo", encoding="utf-8")
    answer = run(*words, "--doubts", tmp_path / "again.csv")
    assert answer.returncode == 1 and "1 of 5 photos got no mask" in answer.stderr and lines[0] in answer.stdout
    assert (tmp_path / "again.csv").read_bytes() == before


def test_the_kept_measurement_is_what_the_code_says():
    """Book and code agree: the order, the masks that are named, and what both are worth."""
    folder = Path(__file__).resolve().parents[2] / "book" / "results" / "uncertainty"
    photos, alarms = (pd.read_csv(folder / f"{name}.csv") for name in ("photos", "alarms"))
    seen = [Uncertainty(*values) for values in photos[SIGNALS].itertuples(index=False)]
    np.testing.assert_allclose([one.doubt for one in seen], photos["doubt"], atol=5e-4)
    told = pd.Series([bool(one.reasons) for one in seen])
    failed = photos["dice"] < 0.95
    for key, part in photos.groupby(["network", "flip", "kind"]):
        row = alarms.set_index(["network", "flip", "kind"]).loc[key]
        counts = [len(part), *(mask[part.index].sum() for mask in (failed, failed & told, ~failed & told))]
        # a value that lies at the threshold may be on its other side when it is rounded
        np.testing.assert_allclose(row[["photos", "failed", "found", "false_alarms"]].astype(int), counts, atol=1)
    easy = alarms[alarms["kind"].str.startswith("as it is")]
    assert easy["failed"].sum() == 0
    for network, part in easy.groupby("network"):
        share = part["false_alarms"].sum() / part["photos"].sum()
        assert share < (0.03 if network == "unet-backgrounds" else 0.002)
    for (network, _), part in photos.groupby(["network", "flip"]):
        gain = recovered(1 - part["dice"], part["doubt"]) - recovered(1 - part["dice"], 1 - part["expected_dice"])
        # Where a network's probabilities are good, 0.99 of the way and more, there is nothing to be gained.
        assert -0.004 < gain < 0 if network == "unet-backgrounds" else gain > 0.04
