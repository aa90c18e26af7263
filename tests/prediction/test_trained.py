"""Trained networks by what a reader calls their weights: a name, a checkpoint, the folder of a run."""

import re
import warnings
from pathlib import Path

import pytest
import torch

from carvana_lessons import models
from carvana_lessons.models import checkpoint
from carvana_lessons.prediction import load_trained
from carvana_lessons.utils import catalog
from carvana_lessons.utils.errors import CarvanaError


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keep(path: Path, seed: int = 0) -> torch.Tensor:
    """Write a checkpoint of a small network; its first weight comes back."""
    torch.manual_seed(seed)
    model = models.create("unet-tiny", width=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, checkpoint.Checkpoint(model.state_dict(), {"network": model.recipe}))
    return next(model.parameters()).detach()


def first(model: torch.nn.Module) -> torch.Tensor:
    return next(model.parameters()).detach()


def test_the_lists_without_torch_are_those_of_the_networks():
    assert list(catalog.NETWORKS) == models.names()
    assert catalog.shipped() == models.shipped()


def test_a_name_is_one_of_the_package_whatever_lies_here(here):
    wanted = first(models.create("unet-small", weights="carvana"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(first(load_trained("unet-small")), wanted)
    (here / "unet-small").mkdir()
    with pytest.warns(UserWarning, match=r"what lies here under that name is not read, \./unet-small would name it"):
        assert torch.equal(first(load_trained("unet-small")), wanted)
    (here / "unet-small").rmdir()
    own = keep(here / "unet-small")
    with pytest.warns(UserWarning, match="is not read"):
        assert torch.equal(first(load_trained("unet-small")), wanted)
    for path in ("./unet-small", str(here / "unet-small")):
        assert torch.equal(first(load_trained(path)), own)


def test_of_a_run_the_best_epoch_is_taken_and_said(here):
    best = keep(here / "runs" / "a" / "best.safetensors", seed=1)
    keep(here / "runs" / "a" / "last.safetensors", seed=2)
    with pytest.warns(UserWarning, match=r"Of the folder runs/a its best\.safetensors is used"):
        assert torch.equal(first(load_trained("runs/a")), best)


def test_a_folder_without_a_checkpoint_says_where_one_is(here):
    (here / "empty").mkdir()
    keep(here / "last" / "last.safetensors")
    keep(here / "runs" / "b" / "best.safetensors")
    for place, words in [
        ("empty", "empty is a folder without best.safetensors: train first"),
        ("last", f"{Path('last', 'last.safetensors')} may be named instead"),
        ("runs", f"but {Path('runs', 'b')} does; name that one"),
    ]:
        with pytest.raises(CarvanaError, match=re.escape(words)):
            load_trained(place)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            "unet-huge",
            "no checkpoint unet-huge; train first, or name another file; with the package come",
        ),
        (
            "segnet",
            f"No weights of segnet come with the package, only of {', '.join(models.shipped())}; train first",
        ),
        ("unet,unet-small", "name several one by one"),
        ("best.pt", "There is no checkpoint best.pt"),
        ("", "is empty"),
        ("  ", "is empty"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(here, place, words):
    with pytest.raises(CarvanaError, match=words):
        load_trained(place)


def test_another_programs_file_is_refused(here):
    torch.save(models.create("unet-tiny", width=2).state_dict(), here / "best.pt")
    with pytest.raises(CarvanaError, match="other formats are not read"):
        load_trained("best.pt")
