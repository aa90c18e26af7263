"""Runs that are killed, interrupted, spread over processes: nothing is lost, nothing counted twice."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy

from carvana_lessons import checkpoint

DRIVERS = Path(__file__).resolve().parent / "drivers"


def drive(name: str, folder: Path) -> str:
    """Run a driver in a fresh process with one thread: it forks, and threads do not survive that."""
    command = [sys.executable, str(DRIVERS / f"{name}.py"), str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False, encoding="utf-8"
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return answer.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork; the drivers need it")
def test_a_killed_run_that_goes_on_ends_with_the_same_weights_to_the_bit(tmp_path):
    lines = [line for line in drive("kill_and_resume", tmp_path).splitlines() if line.startswith("killed")]
    assert len(lines) == 5
    assert [line for line in lines if not line.endswith(": same")] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork; the drivers need it")
def test_two_processes_train_as_one_with_the_doubled_batch(tmp_path):
    drive("two_processes", tmp_path)
    one, zero, first = (
        json.loads((tmp_path / f"{n}.json").read_text(encoding="utf-8")) for n in ("one", "rank0", "rank1")
    )
    for column in ("loss", "valid_loss", "valid_dice"):
        assert zero["frame"][column] == first["frame"][column]  # gathered over both
        assert zero["frame"][column] == pytest.approx(one["frame"][column], rel=1e-3)
    assert sorted(zero["asked"] + first["asked"]) == list(range(48))  # together every photo, none twice
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["best.safetensors", "last.safetensors"]
    weights = [checkpoint.load(tmp_path / n / "last.safetensors").weights for n in ("one", "two")]
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, rtol=1e-2, atol=1e-4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork; the drivers need it")
def test_each_of_two_processes_goes_on_with_its_own_random_numbers(tmp_path):
    drive("two_processes_go_on", tmp_path)
    whole, parts = (checkpoint.load(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert not torch.equal(whole.state["random/0/torch"], whole.state["random/1/torch"])
    assert all(torch.equal(v, parts.weights[k]) for k, v in whole.weights.items())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork; the drivers need it")
def test_two_processes_stop_together_and_validate_one_network(tmp_path):
    drive("two_processes_agree", tmp_path)
    zero, first = (json.loads((tmp_path / f"rank{k}.json").read_text(encoding="utf-8")) for k in (0, 1))
    assert zero["epochs"] == first["epochs"] == 0
    assert zero["means"] == first["means"] and len(zero["means"]) == 2


def test_gradients_that_are_never_finite_end_a_float16_training_too():
    """The loss is a number and its gradient none: scaling cannot help."""

    def broken(logits, y):
        return toy.losses.bce(logits, y) + (logits * 0).abs().sqrt().sum()

    trainer = toy.trainer(None, loss=broken, precision="fp16")
    with pytest.raises(checkpoint.CarvanaError, match=r"gradients never became finite in epoch 5 .*precision='no'"):
        trainer.fit(toy.loader(8), epochs=40)  # six steps an epoch


def test_a_run_of_several_processes_is_not_continued_by_one(tmp_path):
    toy.trainer(tmp_path).fit(toy.loader(8), epochs=2)
    path = tmp_path / "last.safetensors"
    saved = checkpoint.load(path)
    saved.about["settings"]["processes"] = 2
    checkpoint.save(path, saved)
    with pytest.raises(checkpoint.CarvanaError, match=r"other settings \(processes\)"):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=2, resume=True)


def test_a_run_of_an_older_version_is_not_continued(tmp_path):
    toy.trainer(tmp_path).fit(toy.loader(8), epochs=2)
    path = tmp_path / "last.safetensors"
    saved = checkpoint.load(path)
    saved.about["format"] = 1
    checkpoint.save(path, saved)
    with pytest.raises(checkpoint.CarvanaError, match="begun by an older version"):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=2, resume=True)


class Stop(Exception):
    """The session ends."""


def stop_after(last):
    def look(_model, epoch):
        if epoch == last:
            raise Stop

    return look


def large(logits, y):
    """So large that float16 has no room for the gradients until their scale was halved many times."""
    return 1e3 * toy.losses.bce(logits, y)


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_each_precision_goes_on_to_the_same_weights(tmp_path, precision):
    """All in one process, one precision after the other."""
    weights = []
    for name in ("whole", "parts"):
        trainer = toy.trainer(tmp_path / name, loss=large, precision=precision)
        if name == "parts":
            with pytest.raises(Stop):
                trainer.fit(toy.loader(8), epochs=4, after_epoch=stop_after(2))
            trainer = toy.trainer(tmp_path / name, loss=large, precision=precision)
        assert len(trainer.fit(toy.loader(8), epochs=4, resume=True)) == 4
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())
    about = checkpoint.load(tmp_path / "whole" / "last.safetensors").about
    assert about["precision"] == precision and bool(about["scaler"]) == (precision == "fp16")


def test_steps_that_float16_leaves_out_do_not_move_the_schedule(tmp_path):
    trainer = toy.trainer(tmp_path, loss=large, precision="fp16")
    trainer.fit(toy.loader(8), epochs=2)
    about = checkpoint.load(tmp_path / "last.safetensors").about
    left_out = round(-math.log2(about["scaler"]["scale"] / 2**16))  # each halved it
    assert left_out > 0
    assert about["step"] == 2 * 6 - left_out


def test_a_session_on_another_gpu_goes_on_and_says_so(tmp_path, capsys):
    with pytest.raises(Stop):
        toy.trainer(tmp_path, precision="fp16").fit(toy.loader(8), epochs=4, after_epoch=stop_after(2))
    assert len(toy.trainer(tmp_path, precision="bf16").fit(toy.loader(8), epochs=4, resume=True)) == 4
    assert "begun in precision fp16 and goes on in bf16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kept", "resume", "photo", "words"),
    [
        (True, False, 60, r"Stopped in epoch 2: run this cell again, with resume=True, to go on after epoch 1, .*kept"),
        (True, True, 60, r"Stopped in epoch 2: run this cell again to go on after epoch 1, which is kept in .*run"),
        (True, True, 20, r"Stopped in epoch 1, before a whole one was kept: run this cell again to begin anew"),
        (False, False, 60, r"Stopped in epoch 2: the network in memory keeps .* nothing of it is on disk"),
    ],
)
def test_stopping_keeps_what_was_learned_says_how_to_go_on_and_stops(tmp_path, kept, resume, photo, words):
    """48 photos an epoch."""
    folder = tmp_path / "run" if kept else None
    trainer = toy.trainer(folder)
    before = [p.clone() for p in trainer.model.parameters()]
    with pytest.raises(KeyboardInterrupt, match=words):  # as a notebook and a shell know it: no further cell runs
        trainer.fit(toy.loader(8, stop=photo), epochs=3, resume=resume)
    assert len(trainer.history) == photo // 48
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.model.parameters(), strict=True))
    assert not kept or (folder / "last.safetensors").exists() == (photo > 48)
    whole = toy.trainer(tmp_path / "whole")
    whole.fit(toy.loader(8), epochs=3)
    again = toy.trainer(folder)
    again.fit(toy.loader(8), epochs=3, resume=True)
    assert all(torch.equal(v, again.model.state_dict()[k]) for k, v in whole.model.state_dict().items())


def test_what_a_stopped_step_left_is_no_part_of_the_next(tmp_path):
    """Two batches a step: the first one's gradient is there when the second is asked for."""
    models = []
    for stop in (12, None):
        trainer = toy.trainer(None, loss=toy.losses.bce, accumulate=2)
        if stop:
            with pytest.raises(KeyboardInterrupt):
                trainer.fit(toy.loader(8, stop=stop), epochs=1)
        trainer.fit(toy.loader(8), epochs=1)
        models.append(trainer.model.state_dict())
    assert all(torch.equal(v, models[1][k]) for k, v in models[0].items())


def test_a_run_is_not_continued_with_other_settings(tmp_path):
    toy.trainer(tmp_path).fit(toy.loader(8), epochs=2)
    with pytest.raises(checkpoint.CarvanaError, match=r"other settings \(lr, batch_size\)"):
        toy.trainer(tmp_path, lr=1e-4).fit(toy.loader(16), epochs=2, resume=True)
    with pytest.raises(checkpoint.CarvanaError, match=r"other settings \(epochs\)"):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=3, resume=True)


def test_best_in_the_place_of_last_is_refused(tmp_path):
    toy.trainer(tmp_path).fit(toy.loader(8), epochs=2)
    (tmp_path / "best.safetensors").replace(tmp_path / "last.safetensors")
    with pytest.raises(checkpoint.CarvanaError, match=r"last\.safetensors holds a network and nothing to go on with"):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=2, resume=True)


def test_a_folder_that_cannot_be_is_said_before_the_first_epoch(tmp_path):
    (tmp_path / "file").touch()
    trainer = toy.trainer(tmp_path / "file" / "run")
    with pytest.raises(checkpoint.CarvanaError, match=r"run cannot be a folder, a file is in the way"):
        trainer.fit(toy.loader(8), epochs=2)
    assert len(trainer.history) == 0


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = toy.trainer(tmp_path).fit(toy.loader(8), epochs=2)
    again = toy.trainer(tmp_path)
    assert again.fit(toy.loader(8), epochs=2, resume=True).frame["loss"].tolist() == first.frame["loss"].tolist()


def test_best_is_the_best_epoch_and_patience_ends_the_run(tmp_path):
    """A learning rate that destroys what the first epochs learned."""
    trainer = toy.trainer(tmp_path, lr=3.0, schedule="constant", clip=None, patience=3)
    history = trainer.fit(toy.loader(8), toy.loader(8), epochs=60)
    dice = history.frame["valid_dice"]
    assert len(history) < 60 and len(history) - 1 - dice.argmax() == 3
    assert checkpoint.load(tmp_path / "best.safetensors").about["epoch"] == dice.argmax() + 1
    assert checkpoint.load(tmp_path / "last.safetensors").about["epoch"] == len(history)


def test_two_batches_added_up_are_one_of_twice_the_size():
    """Without the noise, and in the same order."""
    runs = []
    for batch_size, accumulate in [(8, 1), (4, 2)]:
        trainer = toy.trainer(None, loss=toy.losses.bce, lr=1e-3, accumulate=accumulate)
        trainer.fit(toy.loader(batch_size), epochs=2)
        runs.append(list(trainer.model.parameters()))
    for a, b in zip(*runs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-4)


def test_clipping_bounds_every_step():
    trainer = toy.trainer(None, loss=lambda logits, y: 1e4 * toy.losses.bce(logits, y), clip=1e-9, schedule="constant")
    seen = []
    trainer.model.head[1].weight.register_hook(lambda g: seen.append(g.norm().item()))
    trainer.fit(toy.loader(48), epochs=1)
    assert seen[0] > 1  # the gradient was long
    slot = trainer.model.head[1].weight.grad
    assert slot is None or slot.norm() < 1e-8


def test_a_bad_photo_is_named(cars, own_cache, tmp_path):
    from carvana_lessons import data

    loader = data.loader(cars, size=16, batch_size=4, shuffle=True, seed=3)
    seen = []

    def breaks(logits, y):
        seen.append(y.sum(dim=(1, 2, 3)))
        loss = toy.losses.bce(logits, y)
        return loss * float("nan") if len(seen) == 6 else loss

    trainer = toy.trainer(tmp_path, loss=breaks)
    with pytest.raises(checkpoint.CarvanaError, match="became nan in epoch 1") as error:
        trainer.fit(loader, epochs=1)
    named = [p for p in cars if p.name in str(error.value)]
    areas = sorted(float(data.read_pair(p, (16, 16))[1].sum()) for p in named)
    assert len(named) == 4 and areas == sorted(seen[5].tolist())


@pytest.mark.parametrize(
    ("training", "cure"), [(True, "halve batch_size and double accumulate"), (False, "of the validation photos")]
)
@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
    ],
)
def test_too_little_memory_is_one_sentence(error, training, cure):
    def full(logits, y):
        if logits.requires_grad == training:
            raise error
        return toy.losses.bce(logits, y)

    with pytest.raises(checkpoint.CarvanaError, match=rf"memory of cpu .* batches of 8 photos of 16×16; .*{cure}"):
        toy.trainer(None, loss=full).fit(toy.loader(8), toy.loader(8), epochs=1)


def test_another_error_of_the_network_stays_what_it_is():
    def wrong(logits, y):
        raise RuntimeError("the sizes do not match")

    with pytest.raises(RuntimeError, match="the sizes do not match"):
        toy.trainer(None, loss=wrong).fit(toy.loader(8), epochs=1)


def test_a_time_that_is_over_ends_between_epochs_and_resume_goes_on(tmp_path):
    def slow(_model, _epoch):
        time.sleep(0.12)

    whole = toy.trainer(tmp_path / "whole")  # each seeds torch, and its noise is drawn from there
    whole.fit(toy.loader(8), epochs=6)
    part = toy.trainer(tmp_path / "part")
    assert 1 <= len(part.fit(toy.loader(8), epochs=6, seconds=0.2, after_epoch=slow)) < 6
    again = toy.trainer(tmp_path / "part")
    assert len(again.fit(toy.loader(8), epochs=6, resume=True)) == 6
    assert all(torch.equal(v, again.model.state_dict()[k]) for k, v in whole.model.state_dict().items())
