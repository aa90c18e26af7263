"""Runs that are killed, interrupted, spread over processes: nothing is lost, nothing counted twice."""

import contextlib
import copy
import functools
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
from torch import nn
from torch.utils.data import DataLoader

from carvana_lessons import data
from carvana_lessons.models import checkpoint
from carvana_lessons.models.unet import UNet
from carvana_lessons.training import state as training_state
from carvana_lessons.utils.errors import Stopped

DRIVERS = Path(__file__).resolve().parents[1] / "drivers"


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork; the drivers need it")
def test_no_process_waits_for_one_that_has_ended(tmp_path):
    """Each hears why: the main process speaks for what it alone does."""
    drive("two_processes_end", tmp_path)
    zero, first = (json.loads((tmp_path / f"rank{k}.json").read_text(encoding="utf-8")) for k in (0, 1))
    told = {"holds a run": "holds a run already", "held": "Another process is writing", "full": "no room"}
    for what, words in told.items():
        assert zero[what] == first[what] and words in zero[what] and zero[what].startswith("CarvanaError: ")
    assert zero["patience"] == first["patience"] and len(set(zero["patience"])) == 1 < zero["patience"][0] < 40
    assert first["stopped"].startswith("Stopped: Stopped in epoch 3: run this cell again")
    assert zero["stopped"].startswith("CarvanaError: Another process of this training has ended")
    assert [p.name for p in (tmp_path / "stopped").glob(".*")] == []


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
    assert "begun in precision fp16 and continues in bf16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kept", "resume", "photo", "words"),
    [
        (
            True,
            False,
            60,
            r"Stopped in epoch 2: run this cell again, with resume=True, to continue after epoch 1, .*kept",
        ),
        (True, True, 60, r"Stopped in epoch 2: run this cell again to continue after epoch 1, which is kept in .*run"),
        (True, True, 20, r"Stopped in epoch 1, before a whole one was kept: run this cell again to start over"),
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


def begun(folder, loader=None, valid=None, model=None, **settings):
    trainer = toy.trainer(folder, **{"schedule": "constant", **settings})
    trainer.model = model or trainer.model
    return trainer.fit(loader or toy.loader(8), valid, epochs=2, resume=True)


def other_photos():
    loader = toy.loader(8)
    loader.dataset.tensors[0][0, 0, 0, 0] += 0.5
    return loader


def in_order(**given):
    return DataLoader(toy.photos(48), 8, **given)


def doubled(logits, y):
    return 2 * toy.noisy(logits, y)


@pytest.mark.parametrize(
    ("setting", "before", "after"),
    [
        ("lr", {}, {"lr": 1e-3}),
        ("schedule", {}, {"schedule": "halving"}),
        ("halve_every", {"schedule": "halving", "halve_every": 1}, {"schedule": "halving", "halve_every": 2}),
        ("accumulate", {}, {"accumulate": 2}),
        ("clip", {}, {"clip": None}),
        ("patience", {}, {"patience": 3}),
        ("seed", {}, {"seed": 1}),
        ("loss", {}, {"loss": toy.losses.bce}),
        ("loss", {"loss": lambda a, b: toy.noisy(a, b)}, {"loss": lambda a, b: doubled(a, b)}),
        ("loss", {"loss": functools.partial(toy.noisy)}, {"loss": functools.partial(doubled)}),
        ("network", {}, {"model": UNet(stages=(4, 6))}),
        ("network", {"model": nn.Conv2d(3, 1, 3, padding=1)}, {"model": nn.Conv2d(3, 1, 3, padding=1).double()}),
        ("photos", {}, {"loader": other_photos()}),
        ("photos", {}, {"loader": toy.loader(8, count=40)}),
        ("batch_size", {}, {"loader": toy.loader(16)}),
        ("shuffle", {}, {"loader": in_order()}),
        ("drop_last", {"loader": in_order()}, {"loader": in_order(drop_last=True)}),
        ("collate_fn", {"loader": in_order()}, {"loader": in_order(collate_fn=lambda items: items)}),
        ("validation photos", {"valid": toy.loader(8)}, {"valid": other_photos()}),
        ("validation photos", {}, {"valid": toy.loader(8)}),
    ],
)
def test_whatever_decides_the_result_must_stay(tmp_path, setting, before, after):
    first = begun(tmp_path, **before)
    kept = (tmp_path / "last.safetensors").read_bytes()
    again = begun(tmp_path, **before)  # what is the same goes on
    assert again.frame.equals(first.frame)
    with pytest.raises(
        checkpoint.CarvanaError, match=rf"is of a run with other settings \({setting}\); repeat"
    ) as said:
        begun(tmp_path, **after)
    assert len(str(said.value).splitlines()) == 1
    assert (tmp_path / "last.safetensors").read_bytes() == kept


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("input size", {"size": 24}),
        ("transform", {"transform": data.Augment(rotate=3)}),
        ("transform", {"transform": lambda x, y: (x, y)}),
        ("drop_last", {"drop_last": True}),
        ("photos", {"photos": slice(4, 16)}),
        ("workers", {"transform": toy.shake, "workers": 1}),
    ],
)
def test_whatever_a_loader_decides_must_stay(cars, own_cache, tmp_path, setting, change):
    def batches(size=16, photos=slice(12), **given):
        return data.loader(cars[photos], size, 4, **given)

    before = {"transform": toy.shake} if setting == "workers" else {}
    begun(tmp_path / "run", batches(**before))
    begun(tmp_path / "run", batches(**before))
    with pytest.raises(checkpoint.CarvanaError, match=rf"other settings \({setting}\)"):
        begun(tmp_path / "run", batches(**change))


OWN = """
HERE = "/here/photos"
class Crops(Dataset):
    def __init__(self, side, root):
        self.side, self.root, self._seen = side, root, 0
    def __len__(self):
        return 24
    def __getitem__(self, i):
        self._seen += 1
        x, y = toy.photos(24)[i]
        return x * 0.5 * self.side, y
class Darker(data.CarDataset):
    def __getitem__(self, i):
        x, y, *rest = super().__getitem__(i)
        return x * 0.5, y, *rest
class Some(Subset):
    def __getitems__(self, numbers):
        return [self.dataset[i + 1] for i in numbers]
class Turned(Sampler):
    def __init__(self, count):
        self.count = count
    def __iter__(self):
        return iter(range(self.count))
    def __len__(self):
        return self.count
class Loader(DataLoader):
    def __iter__(self):
        for x, y in super().__iter__():
            yield x * 0.5, y
crops = lambda: DataLoader(Crops(1, HERE), 8)
darker = lambda: DataLoader(Darker(cars, 16), 8)
some = lambda: DataLoader(Some(toy.photos(48), range(40)), 8)
turned = lambda: DataLoader(toy.photos(24), 8, sampler=Turned(24))
loader = lambda: Loader(toy.photos(24), 8)
valid = lambda: (toy.loader(8), DataLoader(Crops(1, HERE), 8))
"""


@pytest.mark.parametrize(
    ("name", "setting", "old", "new"),
    [
        ("crops", "photos", "* 0.5", "* 0.25"),
        ("crops", "photos", "Crops(1", "Crops(0.5"),
        ("valid", "validation photos", "* 0.5", "* 0.25"),
        ("darker", "photos", "x * 0.5, y, *rest", "x * 0.25, y, *rest"),
        ("some", "photos", "i + 1", "i + 2"),
        ("turned", "shuffle", "iter(range(self.count))", "reversed(range(self.count))"),
        ("loader", "shuffle", "yield x * 0.5", "yield x * 0.25"),
    ],
)
def test_the_code_of_ones_own_dataset_sampler_and_loader_must_stay(cars, own_cache, tmp_path, name, setting, old, new):
    def begin(source):
        space = {"__name__": "__main__", "toy": toy, "data": data, "cars": cars, "torch": torch}
        exec("from torch.utils.data import *\n" + source, space)
        made = space[name]()
        return begun(tmp_path / "run", *(made if isinstance(made, tuple) else [made]))

    assert old in OWN
    first = begin(OWN)
    assert begin(OWN.replace("/here/", "/elsewhere/")).frame.equals(first.frame)
    with pytest.raises(checkpoint.CarvanaError, match=rf"other settings \({setting}\)"):
        begin(OWN.replace(old, new))


def test_a_run_that_cannot_be_told_from_another_is_not_gone_on_with(tmp_path):
    def blind(logits, y):
        return toy.noisy(logits, eval("y"))

    begun(tmp_path, loss=blind)
    with pytest.raises(checkpoint.CarvanaError, match="nothing tells whether loss did the same then as now"):
        begun(tmp_path, loss=blind)


def test_a_run_of_the_version_before_goes_on_and_says_what_it_did_not_note(tmp_path, capsys):
    first = begun(tmp_path)
    for name in ("last", "best"):
        saved = checkpoint.load(tmp_path / f"{name}.safetensors")
        del saved.about["settings"]["loss"], saved.about["run"]
        checkpoint.save(tmp_path / f"{name}.safetensors", saved)
    assert begun(tmp_path).frame.equals(first.frame)
    assert "did not note loss: see that they are the same" in capsys.readouterr().out


def test_patience_that_has_ended_a_run_ends_it_for_good(tmp_path):
    """A learning rate that destroys what the first epochs learned."""
    settings = {"lr": 3.0, "schedule": "constant", "clip": None, "patience": 2}
    first = toy.trainer(tmp_path, **settings).fit(toy.loader(8), toy.loader(8), epochs=60, resume=True)
    assert len(first) < 60
    kept = (tmp_path / "last.safetensors").read_bytes()
    for _ in range(2):
        again = toy.trainer(tmp_path, **settings).fit(toy.loader(8), toy.loader(8), epochs=60, resume=True)
        assert again.frame.equals(first.frame)
    assert (tmp_path / "last.safetensors").read_bytes() == kept


@pytest.mark.parametrize("workers", [1, 2])
def test_what_worker_processes_draw_goes_on_in_a_resumed_run(cars, own_cache, tmp_path, workers):
    """Workers are kept from epoch to epoch; those of the next session are new."""

    def run(folder, stop=None, workers=workers):
        trainer = toy.trainer(folder, loss=toy.losses.bce)
        batches = data.loader(cars[:12], 16, 4, shuffle=True, transform=toy.shake, workers=workers)
        trainer.fit(batches, epochs=4, resume=True, after_epoch=stop and stop_after(stop))
        return trainer.model.state_dict()

    whole = run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "parts", stop=2)
    resumed, other = run(tmp_path / "parts"), run(tmp_path / "other", workers=3 - workers)
    assert all(torch.equal(v, resumed[k]) for k, v in whole.items())
    assert all(torch.equal(v, other[k]) for k, v in whole.items()), "whatever the number of workers"
    losses = [row["loss"] for row in checkpoint.load(tmp_path / "whole" / "last.safetensors").about["history"]]
    assert len(set(losses)) == 4


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "count"),
    [(4, 2, 12), (4, 3, 16), (4, 2, 10), (4, 3, 22), (8, 4, 20), (5, 2, 12), (4, 1, 10)],
)
def test_a_step_is_that_of_all_its_photos_at_once(batch_size, accumulate, count):
    """The oracle: torch's own Adam on one batch of the same photos a step, the last one smaller."""
    x, y = toy.photos(count).tensors
    trainer = toy.trainer(None, loss=toy.losses.bce, lr=1e-2, schedule="constant", clip=None, accumulate=accumulate)
    twin = copy.deepcopy(trainer.model)
    trainer.fit(DataLoader(toy.photos(count), batch_size), epochs=2)
    optimizer = torch.optim.Adam(twin.parameters(), lr=1e-2)
    for _ in range(2):
        for k in range(0, count, batch_size * accumulate):
            part = slice(k, k + batch_size * accumulate)
            optimizer.zero_grad()
            toy.losses.bce(twin(x[part]), y[part]).backward()
            optimizer.step()
    for a, b in zip(trainer.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_a_run_is_not_overwritten_unasked(tmp_path):
    first = toy.trainer(tmp_path)
    first.fit(toy.loader(8), epochs=2)
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(checkpoint.CarvanaError, match=r"holds a run already, of 2 epochs: .*--resume.*--overwrite"):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept
    assert len(first.fit(toy.loader(8), epochs=1)) == 3  # the same trainer goes on
    (tmp_path / "last.safetensors").unlink()
    best = (tmp_path / "best.safetensors").read_bytes()
    for resume, words in ((False, "holds a run already"), (True, "beside it is no last.safetensors to continue from")):
        with pytest.raises(checkpoint.CarvanaError, match=words):
            toy.trainer(tmp_path).fit(toy.loader(8), epochs=1, resume=resume)
    assert (tmp_path / "best.safetensors").read_bytes() == best
    assert len(toy.trainer(tmp_path).fit(toy.loader(8), epochs=1, overwrite=True)) == 1
    with pytest.raises(ValueError, match="take one of the two"):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=1, resume=True, overwrite=True)


def test_overwriting_keeps_the_old_run_until_a_new_epoch_is_done_and_mixes_nothing(tmp_path, monkeypatch):
    toy.trainer(tmp_path).fit(toy.loader(8), toy.loader(8), epochs=3)
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        toy.trainer(tmp_path).fit(toy.loader(8, stop=20), toy.loader(8), epochs=3, overwrite=True)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept
    real = checkpoint.save

    def ends(path, saved):
        real(path, saved)
        raise Stop  # the process ends when the first of the two files is written

    monkeypatch.setattr(checkpoint, "save", ends)
    with pytest.raises(Stop):
        toy.trainer(tmp_path).fit(toy.loader(8), toy.loader(8), epochs=3, overwrite=True)
    monkeypatch.undo()
    assert (tmp_path / "last.safetensors").read_bytes() == kept["last.safetensors"]
    with pytest.raises(checkpoint.CarvanaError, match="is of another run than"):
        toy.trainer(tmp_path).fit(toy.loader(8), toy.loader(8), epochs=3, resume=True)
    toy.trainer(tmp_path).fit(toy.loader(8), toy.loader(8), epochs=3, overwrite=True)
    runs = [checkpoint.load(tmp_path / f"{name}.safetensors").about["run"] for name in ("last", "best")]
    assert runs[0] == runs[1]


def test_best_is_of_the_same_run_as_last(tmp_path, capsys):
    """It was lost, or comes from somewhere else, or the process ended between the two files."""

    def fit(epochs, **given):
        return toy.trainer(tmp_path / "a", **settings).fit(toy.loader(8), toy.loader(8), epochs=epochs, **given)

    settings = {"lr": 3.0, "schedule": "constant", "clip": None}
    first = fit(6, resume=True)
    best = tmp_path / "a" / "best.safetensors"
    whole = checkpoint.load(best)
    assert first.best == len(whole.about["history"]) < 6
    best.unlink()
    fit(6, resume=True)
    said = capsys.readouterr().out
    assert f"the best network of epoch {first.best}, is lost: the best one that is left, of epoch 6," in said
    assert len(checkpoint.load(best).about["history"]) == 6
    toy.trainer(tmp_path / "b").fit(toy.loader(8), epochs=1)
    (tmp_path / "b" / "best.safetensors").replace(best)
    foreign = best.read_bytes()
    with pytest.raises(checkpoint.CarvanaError, match=r"best\.safetensors is of another run than last\.safetensors"):
        fit(7, resume=True)
    assert best.read_bytes() == foreign


@pytest.mark.parametrize("name", ["last", "best"])
def test_a_process_that_ends_between_last_and_best_loses_neither(tmp_path, monkeypatch, capsys, name):
    real = checkpoint.save
    toy.trainer(tmp_path / "whole").fit(toy.loader(8), epochs=3)

    def ends(path, saved):
        if path.stem == name and saved.about["epoch"] == 2:
            raise Stop
        real(path, saved)

    monkeypatch.setattr(checkpoint, "save", ends)
    with pytest.raises(Stop):
        toy.trainer(tmp_path / "parts").fit(toy.loader(8), epochs=3)
    monkeypatch.undo()
    epochs = [checkpoint.load(tmp_path / "parts" / f"{k}.safetensors").about["epoch"] for k in ("last", "best")]
    assert epochs == ([1, 2] if name == "last" else [1, 1])
    toy.trainer(tmp_path / "parts").fit(toy.loader(8), epochs=3, resume=True)
    assert "lost" not in capsys.readouterr().out
    for kept in ("last", "best"):
        one, two = (checkpoint.load(tmp_path / run / f"{kept}.safetensors") for run in ("whole", "parts"))
        assert one.about["epoch"] == two.about["epoch"] == 3
        assert all(torch.equal(v, two.weights[k]) for k, v in one.weights.items())


@pytest.mark.parametrize("name", ["last", "best"])
def test_a_stop_while_the_first_epoch_is_written_leaves_a_run_that_goes_on(tmp_path, monkeypatch, name):
    real = checkpoint.save

    def ends(path, saved):
        if path.stem == name:
            raise KeyboardInterrupt
        real(path, saved)

    monkeypatch.setattr(checkpoint, "save", ends)
    kept = "run this cell again to start over" if name == "last" else "after epoch 1, which is kept"
    with pytest.raises(Stopped, match=kept):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=2, resume=True)
    monkeypatch.undo()
    assert len(toy.trainer(tmp_path).fit(toy.loader(8), epochs=2, resume=True)) == 2
    assert {checkpoint.load(file).about["epoch"] for file in tmp_path.iterdir()} == {2}


def test_a_stop_while_a_later_epoch_is_written_does_not_count_it(tmp_path, monkeypatch):
    real = checkpoint.save

    def ends(path, saved):
        if saved.about["epoch"] == 2:
            raise KeyboardInterrupt
        real(path, saved)

    monkeypatch.setattr(checkpoint, "save", ends)
    with pytest.raises(Stopped, match=r"Stopped in epoch 2: .* after epoch 1, which is kept") as stopped:
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=3)
    assert stopped.value.epochs == 1


@pytest.mark.parametrize("file", [1, 2, 3])
def test_a_stop_just_after_a_file_is_whole_tells_what_is_kept(tmp_path, monkeypatch, file):
    """Of an epoch two files are written, and a stop may come before anything else is done."""
    real, written = checkpoint.save, []

    def ends(path, saved):
        real(path, saved)
        written.append(path)
        if len(written) == file:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", ends)
    with pytest.raises(Stopped) as stopped:
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=3)
    done = checkpoint.load(tmp_path / "last.safetensors").about["epoch"]
    assert stopped.value.epochs == done
    assert f"with resume=True, to continue after epoch {done}, which is kept" in str(stopped.value)


@pytest.mark.parametrize("resume", [True, False])
def test_a_stop_before_the_first_batch_tells_what_an_earlier_call_kept(tmp_path, monkeypatch, resume):
    first = toy.trainer(tmp_path, schedule="constant")
    first.fit(toy.loader(8), epochs=2)
    trainer = toy.trainer(tmp_path, schedule="constant") if resume else first
    monkeypatch.setattr(
        "carvana_lessons.training.state.restore_optimizer" if resume else "torch.Tensor.item", press_stop
    )
    with pytest.raises(Stopped, match=r"Stopped in epoch 3: .* after epoch 2, which is kept") as stopped:
        trainer.fit(toy.loader(8), epochs=3, resume=resume)
    assert stopped.value.epochs == 2


def press_stop(*_):
    raise KeyboardInterrupt


def test_a_run_behind_links_is_overwritten_where_they_lead(tmp_path):
    (tmp_path / "large disk").mkdir()
    for run in ("first", "second"):
        (tmp_path / "run").mkdir(exist_ok=True)
        for name in ("last", "best"):
            link = tmp_path / "run" / f"{name}.safetensors"
            link.exists() or link.symlink_to(tmp_path / "large disk" / f"{name}.safetensors")
        toy.trainer(tmp_path / "run").fit(toy.loader(8), epochs=1, overwrite=run == "second")
        assert all(p.is_symlink() for p in (tmp_path / "run").iterdir())
        assert len([p for p in (tmp_path / "large disk").iterdir() if p.is_file()]) == 2


def test_what_random_gauss_keeps_goes_on(tmp_path):
    """It draws two numbers at a time and keeps the second for the next call."""
    import random

    random.seed(1)
    random.gauss(0, 1)
    state = training_state.random_tensors(torch.device("cpu"))
    wanted = [random.gauss(0, 1) for _ in range(3)]
    random.seed(2)
    training_state.restore_random(state, torch.device("cpu"))
    assert [random.gauss(0, 1) for _ in range(3)] == wanted


def test_a_folder_is_of_one_training_at_a_time(tmp_path):
    inner = []

    def look(_model, epoch):
        with pytest.raises(checkpoint.CarvanaError, match=r"Another process is writing .*last\.safetensors"):
            toy.trainer(tmp_path).fit(toy.loader(8), epochs=1, resume=epoch == 1, overwrite=epoch == 2)
        inner.append(epoch)

    toy.trainer(tmp_path).fit(toy.loader(8), epochs=2, after_epoch=look)
    assert inner == [1, 2]
    for stop in (20, None):  # free again, after a stop too
        with contextlib.suppress(KeyboardInterrupt):
            toy.trainer(tmp_path).fit(toy.loader(8, stop=stop), epochs=2, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.safetensors", "last.safetensors"]


def test_two_processes_in_one_folder_are_told(tmp_path):
    """The second one is another process that trains there."""
    driver = subprocess.Popen(
        [sys.executable, str(DRIVERS / "train_slowly.py"), str(tmp_path / "run")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    try:
        assert driver.stdout.readline() == "epoch 1\n"
        with pytest.raises(checkpoint.CarvanaError, match="Another process is writing"):
            toy.trainer(tmp_path / "run").fit(toy.loader(8), epochs=2, resume=True)
    finally:
        driver.kill()
        driver.communicate()
    assert len(toy.trainer(tmp_path / "run").fit(toy.loader(8), epochs=2, resume=True)) == 2


def test_best_in_the_place_of_last_is_refused(tmp_path):
    toy.trainer(tmp_path).fit(toy.loader(8), epochs=2)
    (tmp_path / "best.safetensors").replace(tmp_path / "last.safetensors")
    with pytest.raises(
        checkpoint.CarvanaError, match=r"last\.safetensors holds a network and no state to continue from"
    ):
        toy.trainer(tmp_path).fit(toy.loader(8), epochs=2, resume=True)


def test_a_folder_that_cannot_be_is_said_before_the_first_epoch(tmp_path):
    (tmp_path / "file").touch()
    trainer = toy.trainer(tmp_path / "file" / "run")
    with pytest.raises(checkpoint.CarvanaError, match=r"file cannot be a folder, a file is in the way"):
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
