"""Checkpoints: a network comes back; what is none is refused, and nothing in it runs."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from carvana_lessons import checkpoint, models
from carvana_lessons.checkpoint import Checkpoint
from carvana_lessons.errors import CarvanaError


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = models.create("arc3", width=2, dilation=(1, 2, 3, 1, 2, 3))
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, Checkpoint(model.state_dict(), {"network": model.recipe}))
    return path, model.eval()


def test_a_network_is_made_again_from_the_file_alone(saved):
    path, model = saved
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(checkpoint.load_model(path)(x), model(x))


def test_any_safetensors_reader_can_take_the_weights_out(saved):
    from safetensors.torch import load_file

    path, model = saved
    theirs = load_file(path)
    assert all(torch.equal(theirs[f"weights/{k}"], v) for k, v in model.state_dict().items())


def test_another_network_is_refused_with_both_sizes(saved):
    path, _ = saved
    with pytest.raises(CarvanaError, match=r"another network \(name arc3, width 2"):
        checkpoint.fill(models.create("arc3", width=3), checkpoint.load(path), path)
    with pytest.raises(CarvanaError, match=r"down\.0\.0\.0\.weight is \(2, 3, 3, 3\), here \(8, 3, 3, 3\)"):
        checkpoint.fill(models.create("unet-tiny"), checkpoint.load(path), path)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000])
def test_a_file_that_is_cut_off_is_refused(saved, keep):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CarvanaError, match="cut off or no safetensors"):
        checkpoint.load(path)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a stranger was run')",)


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CarvanaError, match="no safetensors file"):
        checkpoint.load(path)


def test_files_of_others_and_of_the_future_are_refused(tmp_path):
    path = tmp_path / "b.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CarvanaError, match="no checkpoint of this course"):
        checkpoint.load(path)
    future = json.dumps({"format": checkpoint.FORMAT + 1})
    save_file({"weights/x": torch.zeros(1)}, path, metadata={"carvana_lessons": future})
    with pytest.raises(CarvanaError, match="newer version"):
        checkpoint.load(path)
    with pytest.raises(CarvanaError, match="train first"):
        checkpoint.load(tmp_path / "nowhere.safetensors")


def test_the_random_generators_go_on_where_they_were():
    import random

    import numpy as np

    np.random.seed(1)  # noqa: NPY002
    np.random.normal()  # noqa: NPY002  leaves a second one in store
    state = checkpoint.random_tensors()

    def draw():
        return torch.rand(2).tolist(), np.random.normal(size=3).tolist(), random.random()  # noqa: NPY002

    first = draw()
    draw()
    checkpoint.restore_random(state)
    assert draw() == first
