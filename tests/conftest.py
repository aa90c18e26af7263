"""What several test files need: tiny folders of real JPEG and GIF files, a cache of their own, the real photos."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from samples import draw_pair, save_mask
from torch._subclasses.fake_tensor import FakeTensorMode

from carvana_lessons import data

settings.register_profile("course", deadline=None)  # how long an example takes depends on what else runs
settings.load_profile("course")
os.environ["CARVANA_DEVICE"] = "cpu"  # tests compare bits, which one device alone repeats; those marked gpu undo it
REAL = Path(__file__).resolve().parents[1].parent / "shared" / "carvana"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked gpu run where a CUDA GPU is."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA GPU here"))


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int]], None]:
    """fake_cuda((7, 5)) lets torch say that a GPU of that compute capability is here; it cannot be computed on."""

    def fake(capability: tuple[int, int]) -> None:
        monkeypatch.delenv("CARVANA_DEVICE")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)  # emulation counts, as on a T4
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)

    return fake


@pytest.fixture
def fake_tensors() -> FakeTensorMode:
    """A mode in which tensors know their device, a GPU's too, and refuse to meet one of another; no GPU is needed."""
    if not torch.backends.cuda.is_built():
        pytest.skip("needs a CUDA build of torch, the default on Linux; a GPU it does not need")
    mode = FakeTensorMode()
    with mode:
        try:
            torch.ones(1).to("cuda")
        except RuntimeError:
            pytest.skip("fake tensors of so old a torch (2.5) ask for the driver of a GPU")
    return mode


@pytest.fixture(scope="session", autouse=True)
def fsync_of_windows() -> Iterator[None]:
    """In all tests `os.fsync` refuses what Windows refuses: a file that was opened for reading alone."""
    try:
        import fcntl
    except ImportError:  # Windows itself
        yield
        return
    real = os.fsync

    def fsync(file) -> None:
        number = file if isinstance(file, int) else file.fileno()
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "as Windows says it of a file that was opened for reading alone")
        real(number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


@pytest.fixture(scope="session", autouse=True)
def processes_print_utf_8() -> Iterator[None]:
    """What a test starts prints what the test reads, whatever the code page of its own console."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONIOENCODING", "utf-8")
        yield


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """make_folder(name="photos", cars=2, views=3, size=(48, 32), seed=0) writes a folder in Kaggle's layout."""

    def make(
        name: str = "photos", cars: int = 2, views: int = 3, size: tuple[int, int] = (48, 32), seed: int = 0
    ) -> Path:
        root, rng = tmp_path / name, np.random.default_rng(seed)
        (root / "train").mkdir(parents=True)
        (root / "train_masks").mkdir()
        rows = ["id,year,make,model,trim1,trim2"]
        for car in range(cars):
            key = f"{0xAB0 + car:012x}"
            rows.append(f"{key},{2000 + car},Make,Model {car},Trim,")
            for view in range(1, views + 1):
                image, mask = draw_pair(size, rng)
                Image.fromarray(image).save(root / "train" / f"{key}_{view:02}.jpg", quality=95)
                save_mask(root / "train_masks" / f"{key}_{view:02}_mask.gif", mask)
        (root / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        return root

    return make


@pytest.fixture
def cars(make_folder: Callable[..., Path]) -> data.CarFolder:
    """4 cars × 16 views, 48×32 pixels."""
    return data.CarFolder(make_folder(cars=4, views=16))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for this test alone."""
    monkeypatch.setenv("CARVANA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def real_photos() -> data.CarFolder:
    """The real photos beside the repository; the test is skipped where they are not."""
    if not REAL.is_dir():
        pytest.skip("no real photos here")
    return data.CarFolder(REAL)


@pytest.fixture
def run(monkeypatch, capsys):
    """Type a command line; what is printed and the exit code come back."""

    from carvana_lessons import cli

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["carvana-lessons", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.app()
        printed = capsys.readouterr()
        return SimpleNamespace(returncode=end.value.code or 0, stdout=printed.out, stderr=printed.err)

    return call
