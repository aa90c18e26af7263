"""Checkpoints: a network comes back; what is none is refused, and nothing in it runs."""

import json
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from carvana_lessons import models
from carvana_lessons.models import checkpoint
from carvana_lessons.models.checkpoint import Checkpoint
from carvana_lessons.training import state as training_state
from carvana_lessons.utils.errors import CarvanaError


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


def refused_or_read(path: Path, content: bytes) -> None:
    """A damaged file is one sentence that names it; where the damage hit a weight's value, a network."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tensors of another type
            checkpoint.load_model(path)
    except CarvanaError as error:
        assert str(error).startswith(str(path)) and len(str(error).splitlines()) == 1


SAME_FILE = [HealthCheck.function_scoped_fixture]  # each example writes it anew


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=30, deadline=None, suppress_health_check=SAME_FILE)
def test_cut_off_anywhere_it_is_refused(saved, share):
    path, model = saved
    checkpoint.save(path, Checkpoint(model.state_dict(), {"network": model.recipe}))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CarvanaError, match="cut off or no safetensors"):
        checkpoint.load_model(path)


@given(st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=SAME_FILE)
def test_bytes_that_are_changed_or_no_checkpoint_at_all(saved, data):
    path, model = saved
    checkpoint.save(path, Checkpoint(model.state_dict(), {"network": model.recipe}))
    content = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    places = st.tuples(st.integers(0, header - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = value
    refused_or_read(path, bytes(content))
    refused_or_read(path, data.draw(st.binary(max_size=200)))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"format": "1"}, "no checkpoint of this course"),
        ({"format": None}, "no checkpoint of this course"),
        ({"format": 1}, "does not say which network"),
        ({"format": 1, "network": 5}, "does not know"),
        ({"format": 1, "network": {"name": "unet-huge"}}, "does not know: There is no network called 'unet-huge'"),
        ({"format": 1, "network": {"name": "unet-tiny", "width": "2"}}, "does not know"),
        ({"format": 1, "network": {"name": "unet-tiny", "width": 3}}, "another network"),
        ({"format": 1, "network": {"name": "unet-tiny", "width": 10**6}}, "another network"),  # some 3 PB
        ({"format": 1, "network": {"name": "unet-tiny", "width": 10**12}}, "does not know"),
        ({"format": 1, "network": {"name": "arc3", "width": 2, "dilation": [0]}}, "does not know"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(saved, header, words):
    path, model = saved
    weights = {f"weights/{k}": v for k, v in model.state_dict().items()}
    save_file(weights, path, metadata={"carvana_lessons": json.dumps(header)})
    with pytest.raises(CarvanaError, match=words) as error:
        checkpoint.load_model(path)
    assert str(path) in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("header", ["[" * 100_000, "{", "null", "[]"])
def test_a_header_that_is_no_json_is_refused(tmp_path, header):
    path = tmp_path / "a.safetensors"
    save_file({"weights/x": torch.zeros(1)}, path, metadata={"carvana_lessons": header})
    with pytest.raises(CarvanaError, match=r"a\.safetensors is (cut off|no checkpoint)"):
        checkpoint.load(path)


class Bomb:
    """When it is unpickled, a file appears."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
@pytest.mark.parametrize("write", [lambda bomb, path: path.write_bytes(pickle.dumps(bomb)), torch.save])
def test_a_pickle_is_not_opened(tmp_path, name, write):
    path, trace = tmp_path / name, tmp_path / "code of a stranger was run"
    write(Bomb(trace), path)
    for read in (checkpoint.load, checkpoint.load_model):
        with pytest.raises(CarvanaError, match="no safetensors file"):
            read(path)
    assert not trace.exists()
    with path.open("rb") as file:  # so the trace is one that would be seen
        torch.load(file, weights_only=False) if write is torch.save else pickle.load(file).close()
    assert trace.exists()


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
    state = training_state.random_tensors(torch.device("cpu"))

    def draw():
        return torch.rand(2).tolist(), np.random.normal(size=3).tolist(), random.random()  # noqa: NPY002

    first = draw()
    draw()
    training_state.restore_random(state, torch.device("cpu"))
    assert draw() == first


LAYOUTS = [torch.contiguous_format, torch.channels_last]


def step(model, optimizer, seed):
    """One step with gradients of noise, each in its parameter's own order in memory."""
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=generator))
    optimizer.step()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", models.names())
def test_an_optimiser_gets_its_memory_in_the_order_of_its_parameters(tmp_path, name, layout):
    """Fused Adam on a GPU refuses another one; on the CPU the same is seen in the strides and in the next step."""
    model = models.create(name, width=2).to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    step(model, optimizer, seed=1)
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, Checkpoint(model.state_dict(), {}, training_state.optimizer_tensors(optimizer)))
    saved = checkpoint.load(path)
    twin = models.create(name, width=2).to(memory_format=layout)
    checkpoint.fill(twin, saved, path)
    again = torch.optim.Adam(twin.parameters(), fused=True)
    training_state.restore_optimizer(again, saved.state)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        for key in ("exp_avg", "exp_avg_sq"):
            old, new = optimizer.state[p][key], again.state[q][key]
            assert torch.equal(old, new)
            assert (new.stride(), new.dtype, new.device) == (q.stride(), q.dtype, q.device), key
    step(model, optimizer, seed=2)
    step(twin, again, seed=2)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_no_file_stays_mapped_that_is_to_be_replaced(saved):
    """Windows refuses to replace a file that is mapped into memory; Linux tells which ones are."""
    path, _ = saved
    loaded, model = checkpoint.load(path), checkpoint.load_model(path)
    maps = Path("/proc/self/maps")
    assert not maps.exists() or str(path) not in maps.read_text(encoding="utf-8")
    checkpoint.save(path, loaded)
    assert all(torch.equal(v, loaded.weights[k]) for k, v in model.state_dict().items())
