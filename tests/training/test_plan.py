"""The rules at their ends, what a plan's file holds, and that a training of a plan really runs."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from carvana_lessons import models
from carvana_lessons.data.dataset_fingerprint import SIDES, DatasetFingerprint, Spread
from carvana_lessons.training import read_plan
from carvana_lessons.training.folder_plan import settle
from carvana_lessons.training.measured_step import MeasuredStep, TooSmall
from carvana_lessons.training.plan import BATCH, EPOCHS, choose, trained_photos
from carvana_lessons.training.plan_file import VERSION
from carvana_lessons.training.step_memory import step_memory
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.machine import Machine

GIB = 2**30
CPU = Machine("cpu", 8 * GIB, cores=4)
T4 = Machine("cuda", 16 * GIB, cores=8, precision="fp16", name="a GPU of 16 GiB")


def photos(count: int = 1536, groups: int | None = None, side: int = 1920, lost: float = 1.0) -> DatasetFingerprint:
    """Photos of one size; a mask that is shrunk to a side s loses ``lost / s`` of Dice."""
    sides = [s for k, s in enumerate(SIDES) if k == 0 or SIDES[k - 1] < side]
    one = Spread(0.2, 0.1, 0.3)
    width, height = Spread(side, side, side), Spread(side * 2 // 3, side * 2 // 3, side * 2 // 3)
    resolved = {s: 1 - lost / s for s in sides}
    return DatasetFingerprint(
        count, groups or count // 16 or 1, width, height, Spread(1.5, 1.5, 1.5), False, one, 0.2, resolved, 24
    )


@pytest.mark.parametrize("machine", [CPU, T4, replace(CPU, memory=GIB), replace(T4, memory=80 * GIB)])
@pytest.mark.parametrize("count", [2, 12, 500, 100_000])
def test_every_choice_can_be_trained_and_has_its_reasons(machine, count):
    found = choose(photos(count, groups=max(2, count // 16)), machine)
    s = found.settings
    assert s.size % models.create(s.network, width=2).size_divisor == 0
    assert found.memory == step_memory(
        s.network, s.width, s.size, s.batch_size, device=machine.device, precision=machine.precision
    )
    assert found.memory <= machine.memory
    assert set(found.reasons) == set(vars(s)) and all(why.endswith(".") for why in found.reasons.values())
    assert EPOCHS[0] <= s.epochs <= EPOCHS[1] and 1e-4 < s.lr < 2e-2


def test_twelve_photos():
    found = choose(photos(12, groups=12), CPU)
    s = found.settings
    assert trained_photos(photos(12, groups=12)) == 10
    assert (s.network, s.width, s.batch_size, s.epochs) == ("unet", 8, 4, EPOCHS[1])
    assert "more than 300 times the same photos" in found.reasons["epochs"]
    assert any(note.startswith("12 photos are few") for note in found.notes)
    on_gpu = choose(photos(12, groups=12), T4).settings
    assert on_gpu.width == 16 and on_gpu.batch_size == 4, "a wide network would learn ten photos by heart"


def test_many_photos_are_seen_ten_times():
    found = choose(photos(100_000), CPU)
    assert found.settings.epochs == EPOCHS[0] and found.settings.batch_size == BATCH["cpu"]
    assert not found.notes


def test_a_gpu_gets_more_of_everything_than_a_processor():
    ours, theirs = choose(photos(), CPU).settings, choose(photos(), T4).settings
    assert theirs.width == 32 > ours.width == 8
    assert theirs.batch_size == 16 > ours.batch_size == 8
    assert choose(photos(), replace(T4, memory=80 * GIB)).settings.width == 64


def test_little_memory_takes_photos_from_the_batch_before_pixels_from_the_photo():
    roomy = choose(photos(), CPU)
    narrow = choose(photos(), replace(CPU, memory=roomy.memory - 1))
    assert narrow.settings.size == roomy.settings.size and narrow.settings.batch_size == roomy.settings.batch_size // 2
    assert narrow.settings.batch_size * narrow.settings.accumulate == roomy.settings.batch_size
    assert narrow.settings.lr == roomy.settings.lr, "a step is of as many photos"
    assert "does not hold more" in narrow.reasons["batch_size"]
    tiny = choose(photos(), replace(CPU, memory=GIB // 8)).settings
    assert tiny.network == "unet-small" and tiny.batch_size < 4, "batch norm needs four photos"
    assert tiny.batch_size * tiny.accumulate == 8
    with pytest.raises(CarvanaError, match=r"smallest network takes .* GiB of memory, and a training may use"):
        choose(photos(), replace(CPU, memory=1))


def test_the_size_is_the_smallest_that_keeps_the_masks():
    assert choose(photos(lost=1.0), CPU).settings.size == 256  # 1/256 is less than 0.004
    assert choose(photos(lost=0.1), CPU).settings.size == 32
    thin = choose(photos(lost=20), CPU)
    assert thin.settings.size == 320 and "would take too long" in thin.reasons["size"]
    assert choose(photos(lost=20), T4).settings.size == 512
    small = choose(photos(side=100, lost=20), CPU)
    assert small.settings.size == 128 and "as large as the photos are useful" in small.reasons["size"]
    slow = choose(photos(lost=1), CPU, most=96)
    assert slow.settings.size == 96 and "too slow" in slow.reasons["size"]


@pytest.mark.parametrize(("device", "width", "batch", "lr"), [("cpu", 8, 8, 4e-3), ("cuda", 64, 4, 1e-3)])
def test_the_learning_rate_meets_the_two_that_are_known(device, width, batch, lr):
    found = choose(
        photos(),
        Machine(device, 80 * GIB, 8),
        # the memory holds batches of 4 on the GPU, no more
        memory=lambda name, w, size, b: 0 if (w, b) == (width, batch) else 100 * GIB,
    )
    effective = found.settings.batch_size * found.settings.accumulate
    assert found.settings.lr == pytest.approx(lr * (effective / batch) ** 0.5, rel=0.02)


def test_what_no_setting_mends_is_noted():
    odd = replace(photos(60, groups=3), share=Spread(0.01, 0, 0.02), aspect=Spread(1.5, 0.5, 2))
    notes = " ".join(choose(odd, CPU).notes)
    assert "only 3 groups" in notes and "fills 1.0% of the median photo" in notes and "Aspects differ" in notes
    assert "one group of photos" in " ".join(choose(photos(60, groups=1), CPU).notes)


def test_a_plan_is_made_read_and_trained(run, make_folder, tmp_path, own_cache):
    """Twelve photos, from the command line; what is typed wins over the plan, and both are told."""
    folder, file = make_folder(cars=12, views=1), tmp_path / "my plan.json"
    made = run("plan", folder, "--out", file)
    assert made.returncode == 0, made.stderr
    for line in ("Photos: 12 photos in 12 groups, all 48×32", "Machine: processor", "measured in real steps", "Time: "):
        assert line in made.stdout
    assert f"train FOLDER OUT --plan {file}" in made.stdout
    read = [sys.executable, "-m", "json.tool", file]
    assert subprocess.run(read, capture_output=True, check=False).returncode == 0
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["version"] == VERSION and content["photos"]["photos"] == 12
    assert content["settings"].keys() == content["reasons"].keys()
    assert content["memory"]["estimated"] > 0 < content["time"]["hours"]
    again = run("plan", folder, "--out", file)
    assert again.returncode == 1 and "--overwrite" in again.stderr

    trained = run("train", folder, tmp_path / "run", "--plan", file, "--epochs", 2, "--width", 8)
    assert trained.returncode == 0, trained.stderr
    first, second, *_ = trained.stdout.splitlines()
    size = content["settings"]["size"]
    assert first.startswith(f"From {file}: ") and f"--size {size}" in first and "--epochs" not in first
    assert second == "Typed, and so not from the plan, which has: --epochs 300."  # the width is the same
    assert f"at {size}×{size}" in trained.stdout
    about = models.checkpoint.load(tmp_path / "run" / "last.safetensors").about
    assert about["network"]["name"] == content["settings"]["network"]
    assert (tmp_path / "run" / "history.csv").read_text(encoding="utf-8").count("\n") == 3


def steps_of(seconds: float, memory: int = 0):
    """A machine that takes that long for a batch of 8 at 256×256, less for fewer pixels; and the sizes it was asked."""
    asked = []

    def measure(network, width, size, batch_size):
        asked.append((size, batch_size))
        return MeasuredStep(seconds * (size / 256) ** 2 * batch_size / 8, 0.0, memory, 1)

    return measure, asked


def test_hours_are_steps_times_seconds_and_decoding_once():
    measure, asked = steps_of(seconds=1.8)
    plan = settle(photos(1536, groups=96), CPU, None, lambda size, machine: 0.5, measure)
    assert asked == [(256, 8)]
    assert plan.hours == pytest.approx(0.5 + plan.settings.steps(1280) * 1.8 / 3600)
    assert plan.settings.steps(1280) == 25 * 160


def test_a_short_time_takes_epochs_and_then_pixels():
    def plan(hours):
        measure, asked = steps_of(seconds=1.8)  # 2 hours for all
        return settle(photos(1536, groups=96), CPU, hours, lambda size, machine: 0.0, measure), asked

    half, asked = plan(1)
    assert (half.settings.size, half.settings.epochs) == (256, 12) and half.hours <= 1 and asked == [(256, 8)]
    assert half.choice.reasons["epochs"] == "as many as the time holds that it may take, 1 h; 25 would be better."
    tenth, asked = plan(0.2)
    assert [size for size, _ in asked] == [256, 192, 128] and tenth.hours <= 0.2 and tenth.settings.epochs >= 8
    assert "a larger one proved too slow" in tenth.choice.reasons["size"]
    assert plan(2e-3)[0].settings.size == 32, "at the smallest any epoch is better than none"
    with pytest.raises(CarvanaError, match="One epoch takes longer than 1e-07 h here, even at 32×32"):
        plan(1e-7)


def test_what_does_not_fit_when_it_is_tried_is_made_smaller():
    def measure(network, width, size, batch_size):
        if batch_size == 8:
            raise TooSmall("ended by the system")
        return MeasuredStep(1.0, 0.1, CPU.memory + (batch_size == 4 and size > 192), 1)

    plan = settle(photos(), CPU, None, lambda size, machine: 0.0, measure)
    assert (plan.settings.batch_size, plan.settings.network) == (2, "unet-small")
    assert plan.settings.accumulate == 4 and plan.machine == CPU


WRONG = [
    ("[1, 2", "cannot be read as a plan"),
    ("[1, 2]", "lacks its version or its settings"),
    ('{"version": 1}', "lacks its version or its settings"),
    ('{"version": 99, "settings": {}}', "version 99 .* install a newer one"),
    ('{"version": 1, "settings": {"colour": 1}}', "'colour', which no training has"),
    ('{"version": 1, "settings": {"network": "unet-huge"}}', "unet-huge"),
    ('{"version": 1, "settings": {"network": 3}}', "in quotes"),
    ('{"version": 1, "settings": {"size": "128"}}', "whole number of 1 or more"),
    ('{"version": 1, "settings": {"size": true}}', "whole number of 1 or more"),
    ('{"version": 1, "settings": {"epochs": 0}}', "whole number of 1 or more"),
    ('{"version": 1, "settings": {"lr": NaN}}', "number above 0"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[text for text, _ in WRONG])
def test_a_file_that_is_no_plan_is_one_sentence(tmp_path, text, told):
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CarvanaError, match=told):
        read_plan(file)


def test_a_plan_that_is_not_there_and_one_written_by_hand(tmp_path):
    with pytest.raises(CarvanaError, match=r"There is no plan .*carvana-lessons plan FOLDER --out"):
        read_plan(tmp_path / "plan.json")
    file = tmp_path / "plan.json"
    file.write_text('{"version": 1, "settings": {"size": 64, "lr": 1}}', encoding="utf-8")
    assert read_plan(file) == {"size": 64, "lr": 1}
