"""A run that was trained is found again; whatever decides its result decides its folder."""

import contextlib
import dataclasses
import functools
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from carvana_lessons import course, data, models, show
from carvana_lessons.evaluation import evaluate
from carvana_lessons.models import checkpoint
from carvana_lessons.training import cached, losses, train_once
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.locking import owned


@pytest.fixture
def lesson(make_folder, own_cache, monkeypatch):
    monkeypatch.setenv("CARVANA_DATA", str(make_folder(cars=4, views=2)))
    monkeypatch.setenv("CARVANA_SCALE", "quick")
    return dataclasses.replace(course.start("test"), size=16, batch_size=2, epochs=2)


def fresh(seed=0):
    torch.manual_seed(seed)
    return models.create("unet-tiny", width=2)


def test_the_second_call_trains_nothing_and_gives_the_same(lesson, own_cache):
    cars = data.CarFolder(lesson.data)
    first, second = fresh(), fresh()
    history = train_once(lesson, first, cars, cars)
    stamps = {f: f.stat().st_mtime_ns for f in own_cache.glob("runs/*/*")}
    again = train_once(lesson, second, cars, cars)
    assert again.frame.equals(history.frame) and len(history) == 2  # its times too: those of the run that trained
    assert {f: f.stat().st_mtime_ns for f in own_cache.glob("runs/*/*")} == stamps
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_of_two_processes_one_trains_and_the_other_waits_for_it(lesson, own_cache, make_folder):
    """Chapters that run side by side train the same networks."""
    code = (
        "import dataclasses, torch\n"
        "from carvana_lessons import course, data, models\n"
        "from carvana_lessons.training import train_once\n"
        "lesson = dataclasses.replace(course.start('test'), size=16, batch_size=2, epochs=30)\n"
        "torch.manual_seed(0)\n"
        "model = models.create('unet-tiny', width=2)\n"
        "print('ready', flush=True); input()\n"
        "train_once(lesson, model, data.CarFolder(lesson.data))\n"
        "print('sum', sum(p.double().sum().item() for p in model.parameters()))\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2)]
    for process in both:
        assert any(line == "ready\n" for line in iter(process.stdout.readline, ""))
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len({out.splitlines()[-1] for out, _ in told}) == 1 and len(list(own_cache.glob("runs/*"))) == 1
    assert sum(cached.WAITING in out for out, _ in told) <= 1


def test_a_training_that_another_process_does_is_waited_for(lesson, own_cache, capsys):
    train_once(lesson, fresh(), data.CarFolder(lesson.data))
    [run] = own_cache.glob("runs/*")
    held, free = threading.Event(), threading.Event()

    def other():
        with owned(run):
            held.set()
            free.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(60)
    capsys.readouterr()
    threading.Timer(0.5, free.set).start()
    train_once(lesson, fresh(), data.CarFolder(lesson.data))
    thread.join()
    assert capsys.readouterr().out.count(cached.WAITING) == 1


def test_the_processes_of_one_distributed_training_do_not_wait_for_each_other(tmp_path, monkeypatch):
    """They meet in every step: one that waited for the lock of another would hold up both for ever."""
    assert not isinstance(cached._alone(tmp_path / "run"), contextlib.nullcontext)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert isinstance(cached._alone(tmp_path / "run"), contextlib.nullcontext)


@pytest.mark.parametrize(
    "change",
    [
        {"model": fresh(1)},
        {"model": models.create("unet-small", width=2)},
        {"photos": slice(1, None)},
        {"transform": data.Augment(rotate=0)},
        {"size": 32},
        {"images": 8},
        {"lr": 0.5},
        {"clip": None},
    ],
    ids=str,
)
def test_whatever_decides_the_result_is_another_run(lesson, own_cache, change):
    change = dict(change)
    cars = data.CarFolder(lesson.data)
    train_once(lesson, fresh(), cars)
    train_once(lesson, change.pop("model", fresh()), cars[change.pop("photos", slice(None))], **change)
    assert len(list((own_cache / "runs").iterdir())) == 2


LOSS = """
SHARE = 0.5
def helper(x):
    return SHARE * x
class Loss:
    power = 1
    def __init__(self, k):
        self.k = k
    def __call__(self, logits, y):
        return self.k * losses.bce(logits, y) ** self.power
def make(k):
    return lambda logits, y: k * losses.bce(logits, y)
def plain(logits, y, k=1):
    return helper(losses.bce(logits, y)) * k
loss = {}
"""


def cell(source: str, name: str):
    """What a cell of a notebook leaves under a name."""
    space = {"__name__": "__main__", "losses": losses, "models": models, "functools": functools, "torch": torch}
    exec(source, space)
    return space[name]


@pytest.mark.parametrize(
    ("loss", "old", "new"),
    [
        ("plain", "SHARE = 0.5", "SHARE = 0.25"),
        ("plain", "SHARE * x", "SHARE * x + x"),
        ("plain", "k=1", "k=2"),
        ("plain", "losses.bce", "losses.soft_dice"),
        ("make(1)", "make(1)", "make(2)"),
        ("Loss(1)", "Loss(1)", "Loss(2)"),
        ("Loss(1)", "power = 1", "power = 2"),
        ("functools.partial(plain, k=1)", "k=1)\n", "k=2)\n"),
        ("lambda a, b: losses.bce(a, b)", "lambda a, b: losses.bce(a, b)", "lambda a, b: 2 * losses.bce(a, b)"),
    ],
)
def test_an_edited_loss_is_another_run_and_an_unchanged_one_is_not(lesson, own_cache, loss, old, new):
    cars = data.CarFolder(lesson.data)
    source = LOSS.replace("loss = {}", f"loss = {loss}\n")
    assert old in source
    first = train_once(lesson, fresh(), cars, loss=cell(source, "loss"))
    again = train_once(lesson, fresh(), cars, loss=cell(f"# moved\n\n{source}", "loss"))
    assert len(list((own_cache / "runs").iterdir())) == 1 and again.frame.equals(first.frame)
    edited = train_once(lesson, fresh(), cars, loss=cell(source.replace(old, new), "loss"))
    assert len(list((own_cache / "runs").iterdir())) == 2
    assert edited.frame["loss"].tolist() != first.frame["loss"].tolist()


NET = """
class Net(models.UNet):
    def forward(self, x):
        return super().forward(x) * 1
    def __repr__(self):
        return "Net"
class Turn:
    def __init__(self, k):
        self.k = k
    def __call__(self, x, y):
        return x * self.k, y
    def __repr__(self):
        return "Turn()"
def net():
    torch.manual_seed(0)
    return Net(stages=(2, 4))
turn = Turn(1)
"""


@pytest.mark.parametrize(("old", "new"), [("* 1", "* 2"), ("Turn(1)", "Turn(0.5)"), ("x * self.k", "x - self.k")])
def test_an_edited_forward_or_transform_is_another_run(lesson, own_cache, old, new):
    cars = data.CarFolder(lesson.data)
    for source, runs in [(NET, 1), (NET, 1), (NET.replace(old, new), 2)]:
        train_once(lesson, cell(source, "net")(), cars, transform=cell(source, "turn"))
        assert len(list((own_cache / "runs").iterdir())) == runs


def test_a_hook_and_a_forward_put_in_by_hand_are_another_run(lesson, own_cache):
    cars = data.CarFolder(lesson.data)
    for k, change in enumerate(
        [
            lambda model: None,
            lambda model: model.head.register_forward_hook(lambda layer, given, out: 2 * out),
            lambda model: setattr(model.head, "forward", lambda x: x.sum(1, keepdim=True)),
            lambda model: model.head.requires_grad_(False),
        ]
    ):
        for _ in range(2):
            model = fresh()
            change(model)
            train_once(lesson, model, cars)
            assert len(list((own_cache / "runs").iterdir())) == k + 1


def test_looking_at_a_network_first_does_not_matter(lesson, own_cache):
    cars = data.CarFolder(lesson.data)
    for look in (lambda model: None, lambda model: show.architecture(model), lambda model: evaluate(model, cars, 16)):
        torch.manual_seed(0)
        model = models.UNet(stages=(2, 4), batch_norm=True)
        look(model)
        train_once(lesson, model, cars)
    assert len(list((own_cache / "runs").iterdir())) == 1
    assert not model.training, "as after a training"


def test_what_cannot_be_told_is_trained_anew_and_says_so(lesson, own_cache, capsys):
    cars = data.CarFolder(lesson.data)
    for text in ("a", "2 * a"):
        history = train_once(
            lesson, fresh(), cars, loss=cell(f"loss = lambda a, b: eval('{text}').mean() ** 2", "loss")
        )
        assert len(history) == 2
        assert "not saved and is repeated each time: the function <lambda> calls eval" in capsys.readouterr().out
    assert not (own_cache / "runs").exists()


def test_photos_of_another_folder_are_another_run(lesson, own_cache, make_folder):
    cars, other = data.CarFolder(lesson.data), data.CarFolder(make_folder("other", cars=4, views=2, seed=5))
    train_once(lesson, fresh(), cars, cars)
    train_once(lesson, fresh(), cars, other)
    assert len(list((own_cache / "runs").iterdir())) == 2


@contextlib.contextmanager
def somebody_presses_stop(when):
    """A real Ctrl-C, once there is such a file."""

    def press():
        while not any(when()):
            time.sleep(0.001)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=press, daemon=True).start()
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("again", [lambda model: fresh(), lambda model: model], ids=["a fresh network", "the same"])
def test_a_stopped_training_goes_on_when_the_cell_runs_again(lesson, own_cache, monkeypatch, again):
    lesson, cars, model = dataclasses.replace(lesson, epochs=20), data.CarFolder(lesson.data), fresh()
    with (
        somebody_presses_stop(lambda: own_cache.glob("runs/*/last.safetensors")),
        pytest.raises(KeyboardInterrupt, match=r"run this cell again to continue after epoch \d"),
    ):
        train_once(lesson, model, cars)
    [last] = own_cache.glob("runs/*/last.safetensors")
    first = checkpoint.load(last).about["history"]
    model = again(model)
    history = train_once(lesson, model, cars)
    assert len(history) == 20 and history.frame["seconds"][: len(first)].tolist() == [row["seconds"] for row in first]
    assert len(list((own_cache / "runs").iterdir())) == 1
    whole = fresh()
    monkeypatch.setenv("CARVANA_CACHE", str(own_cache / "whole"))
    train_once(lesson, whole, cars)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in whole.state_dict().items())


def weights(model):
    return torch.cat([v.flatten() for v in model.state_dict().values()]).clone()


@pytest.mark.parametrize("error", [OSError("No space left on device"), CarvanaError("full"), SystemExit(1)], ids=repr)
def test_a_training_that_failed_goes_on_when_the_cell_runs_again(lesson, own_cache, monkeypatch, error):
    lesson, cars, model = dataclasses.replace(lesson, epochs=4), data.CarFolder(lesson.data), fresh()
    full, photos = [True], []

    def draw(x, y):
        photos.append(1)
        if full[0] and len(photos) > 2 * len(cars):
            raise error
        return x, y

    draw = WithoutState(draw)
    with pytest.raises(type(error)):
        train_once(lesson, model, cars, transform=draw)
    [last] = own_cache.glob("runs/*/last.safetensors")
    first = checkpoint.load(last).about["history"]
    assert len(first) == 2
    full[0] = False
    history = train_once(lesson, model, cars, transform=draw)
    assert len(history) == 4 and history.frame["seconds"][:2].tolist() == [row["seconds"] for row in first]
    assert len(list((own_cache / "runs").iterdir())) == 1
    whole = fresh()
    monkeypatch.setenv("CARVANA_CACHE", str(own_cache / "whole"))
    train_once(lesson, whole, cars, transform=draw)
    assert torch.equal(weights(whole), weights(model))


class WithoutState:
    """A transform that is the same, whatever the function in it does: what makes it fail comes from outside."""

    def __init__(self, function):
        self.function = function

    def __call__(self, x, y):
        return self.function(x, y)

    def __reduce__(self):
        return WithoutState, ()


def test_the_same_call_with_the_network_that_it_has_trained_trains_no_further(lesson, own_cache):
    cars, model = data.CarFolder(lesson.data), fresh()
    first = train_once(lesson, model, cars)
    trained = weights(model)
    for _ in range(2):
        again = train_once(lesson, model, cars)
        assert again.frame.equals(first.frame) and torch.equal(weights(model), trained)
    assert len(list((own_cache / "runs").iterdir())) == 1


@pytest.mark.parametrize("what", ["an argument", "a weight"])
def test_a_trained_network_is_trained_on_where_something_was_changed(lesson, own_cache, what):
    cars, model = data.CarFolder(lesson.data), fresh()
    train_once(lesson, model, cars)
    if what == "a weight":
        with torch.no_grad():
            model.head[1].bias += 1
    else:
        lesson = dataclasses.replace(lesson, lr=0.0, epochs=1)
    trained = weights(model)
    train_once(lesson, model, cars)
    assert torch.equal(weights(model), trained) == (what == "an argument")  # at no rate they stay: not the first ones
    assert len(list((own_cache / "runs").iterdir())) == 2


def noise(x, y):
    """Draws from all three global generators."""
    return x + torch.rand(()) + np.random.rand() + random.random(), y  # noqa: NPY002


def test_a_transform_of_ones_own_draws_the_same_whatever_was_drawn_before(lesson, own_cache, monkeypatch):
    cars, results = data.CarFolder(lesson.data), []
    for number in (0, 5):
        monkeypatch.setenv("CARVANA_CACHE", str(own_cache / str(number)))
        model = fresh()
        np.random.seed(number)  # noqa: NPY002
        random.seed(number)
        train_once(lesson, model, cars, transform=noise)
        results.append(torch.cat([v.flatten() for v in model.state_dict().values()]))
    assert torch.equal(*results)


def test_what_was_drawn_before_does_not_matter(lesson, own_cache, monkeypatch):
    cars, flips = data.CarFolder(lesson.data), data.Augment(rotate=0)
    results = []
    for noise in (0, 5):
        monkeypatch.setenv("CARVANA_CACHE", str(own_cache / str(noise)))
        model = fresh()
        torch.rand(noise)
        train_once(lesson, model, cars, transform=flips)
        results.append(torch.cat([v.flatten() for v in model.state_dict().values()]))
    assert torch.equal(*results)


@pytest.mark.parametrize(("device", "runs"), [("cpu", 2), ("cuda", 1)])
def test_threads_count_only_where_they_decide_the_result(lesson, own_cache, device, runs):
    """The hosts of Colab's GPUs have different numbers of cores."""
    lesson = dataclasses.replace(lesson, device=device)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            train_once(lesson, fresh(), data.CarFolder(lesson.data))
    finally:
        torch.set_num_threads(before)
    assert len(list((own_cache / "runs").iterdir())) == runs
