"""What goes wrong in a worker process is said as one process would say it, and nothing hangs."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from samples import Brightness
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from carvana_lessons import data, models
from carvana_lessons.data.batches import CarLoader
from carvana_lessons.data.workers import watch_workers
from carvana_lessons.prediction import predict, submit
from carvana_lessons.training import Trainer
from carvana_lessons.training.distributed import make_accelerator
from carvana_lessons.utils.errors import CarvanaError, DataError

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def no_worker_is_remembered():
    """torch reports an ended worker again whenever a process ends, in whatever code runs then, while its loader lives.

    A browser that another test has opened would hang in its last step.
    """
    yield
    for thing in gc.get_objects():
        if type(thing) is _MultiProcessingDataLoaderIter:
            thing._shutdown_workers()


def said(batches, workers: int) -> str:
    with pytest.raises(CarvanaError) as error, watch_workers(workers):
        list(batches)
    assert type(error.value) is DataError
    return str(error.value)


def test_a_photo_that_does_not_decode_is_said_as_without_workers(cars):
    cars[5].mask.write_bytes(b"GIF89a")
    plain, other = (data.loader(cars, 8, batch_size=4, workers=workers, cached=False) for workers in (0, 2))
    sentence = said(plain, 0)
    assert cars[5].mask.name in sentence and len(sentence.splitlines()) == 1
    assert said(other, 2) == sentence


def end_this(x, y):
    """A transform in which the worker ends, as one does that is killed when memory runs out."""
    os._exit(9)


@pytest.mark.parametrize("waiting", [True, False])
def test_a_worker_that_is_ended_is_said(cars, waiting):
    """While its batch is waited for, and while the one before is used: torch then interrupts whatever is done."""
    batches = data.loader(cars, 8, batch_size=2, workers=1, transform=end_this if waiting else None)
    words = r"worker process was ended from outside.*workers=0"
    with pytest.raises(CarvanaError, match=words), watch_workers(1):
        for _ in batches:
            for worker in multiprocessing.active_children():
                worker.kill()
            for _ in range(100):
                time.sleep(0.01)
    del batches
    gc.collect()  # a loader that is kept reports its worker again whenever another process ends
    assert len(list(data.loader(cars, 8, batch_size=2, workers=1))) == len(cars) // 2, "the next loader works"


def test_a_training_says_both_in_one_sentence(cars):
    def fit(**settings):
        Trainer(models.create("unet-tiny")).fit(data.loader(cars, 16, batch_size=4, workers=2, **settings), epochs=1)

    with pytest.raises(CarvanaError, match=r"worker process was ended from outside.*fewer workers than 2"):
        fit(transform=end_this)
    cars[5].mask.write_bytes(b"GIF89a")
    with pytest.raises(DataError) as error:
        fit(cached=False)
    assert cars[5].mask.name in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # torch's, while the loader is freed
@pytest.mark.parametrize("loop", ["predict", "submit"])
def test_answers_say_it_too_though_a_thread_fetches_the_photos(cars, tmp_path, loop):
    """An earlier loader makes torch tell the main thread of every worker that ends."""
    list(data.loader(cars, 8, batch_size=2, workers=1))

    class Killing(Brightness):
        def forward(self, x):
            for worker in multiprocessing.active_children():
                worker.kill()
            for _ in range(100):
                time.sleep(0.01)
            return super().forward(x)

    with pytest.raises(CarvanaError, match=r"worker process was ended from outside"):
        if loop == "predict":
            list(predict(Killing(), cars, 8, batch_size=2, cached=False, workers=1))
        else:
            submit(Killing(), cars, tmp_path / "s.csv", 8, batch_size=2, workers=1)
    gc.collect()  # as above


def as_the_trainer_does(loader):
    """The loader that Accelerate makes of another one."""
    return make_accelerator(accumulate=1).prepare_data_loader(loader, device_placement=False)


def little_room(_) -> None:
    """No file may grow beyond 100 kB in this worker: a shared memory that is full."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def as_floats(x, y):
    return x, y


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shares memory through files")
@pytest.mark.parametrize("transform", [None, as_floats])
def test_a_shared_memory_that_is_full_is_said_and_nothing_hangs(cars, transform):
    batches = data.loader(cars, 128, batch_size=16, workers=2, transform=transform)
    batches.worker_init_fn = little_room
    for loop in (batches, as_the_trainer_does(batches)):
        words = r"Shared memory .* too small .* 2 worker.*--shm-size=2g"
        with pytest.raises(CarvanaError, match=words), watch_workers(2):
            list(loop)


def told_of_a_stop(x, y):
    """In every pixel, whether Ctrl-C would reach this process."""
    return x * 0 + (signal.getsignal(signal.SIGINT) is not signal.SIG_IGN), y


def test_workers_leave_ctrl_c_to_their_parent(cars):
    batches = data.loader(cars[:4], 8, batch_size=4, workers=1, transform=told_of_a_stop)
    for loop in (batches, as_the_trainer_does(batches)):
        assert not any(x.any() for x, _ in loop)
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN, "this process itself can be stopped"
    batches = CarLoader(batches.dataset, batch_size=4, num_workers=1, worker_init_fn=little_room)
    assert batches.worker_init_fn is little_room, "another's own is kept"


def broken(x, y):
    raise KeyError("a mistake of the reader's own")


def test_other_errors_keep_their_trace(cars):
    with pytest.raises(KeyError, match=r"in broken\n"):
        list(data.loader(cars, 8, workers=1, transform=broken))
    for error in (RuntimeError("Caught in the act"), ValueError("no room (28)"), OSError(28, "No space left")):
        with pytest.raises(type(error)) as raised, watch_workers(2):
            raise error
        assert raised.value is error


SPAWNED = """
import multiprocessing, sys
from carvana_lessons import data, models
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    batches = data.loader(data.CarFolder(sys.argv[1]), 8, batch_size=2, workers=1, shuffle=True)
    print(sum(len(x) for x, _ in batches), sum(len(x) for x, _ in batches))
"""


def test_workers_are_started_anew_where_they_cannot_be_forked(make_folder, tmp_path):
    """On Windows and on a Mac a worker imports everything itself, and is sent the loader's parts."""
    script = tmp_path / "script.py"
    script.write_text(SPAWNED, encoding="utf-8")
    command = [sys.executable, script, make_folder()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=300, encoding="utf-8"
    )
    assert answer.stdout.split() == ["6", "6"], answer.stderr
