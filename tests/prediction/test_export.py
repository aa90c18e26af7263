"""Networks as ONNX files: run by onnxruntime, they answer as torch does."""

import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from samples import random_network
from torch import nn

from carvana_lessons import data, models, studio
from carvana_lessons.prediction import export, export_onnx, load_trained, predict
from carvana_lessons.utils.errors import ArgumentError, CarvanaError, ExistsError

PAGE = Path(__file__).resolve().parents[2] / "book" / "export.md"
NETWORKS = models.names()
EVERYWHERE = {  # operators that TensorRT, OpenVINO, CoreML and the web's runtimes have
    *("Add", "And", "Cast", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "DepthToSpace", "Div"),
    *("Equal", "Expand", "Gather", "Identity", "Max", "MaxPool", "Mul", "Not", "Or", "Range", "Relu", "Reshape"),
    *("Shape", "Slice", "Split", "Sub", "Unsqueeze", "Where"),
}


def network(name: str, width: int = 4) -> nn.Module:
    """With the weights that come with the package, or random ones, and batch norms that have seen something."""
    if name in models.shipped():
        return load_trained(name)
    return random_network(name, width)


def session(path, threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def torch_logits(model: nn.Module, x: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return models.car_logit(model(x)).numpy()


def assert_alike(model: nn.Module, run: onnxruntime.InferenceSession, batches: list[torch.Tensor]) -> None:
    """The logits are torch's, to 1e-3 in every pixel.

    A network that unpools may answer otherwise for a photo now and then, here and between two of torch's own memory
    formats: of two pixels that are all but equal, rounding makes the other one the maximum. What must be exact is
    tested in double precision, below.
    """
    apart = []
    for x in batches:
        [found] = run.run(None, {"photo": x.numpy()})
        wanted = torch_logits(model, x)
        assert found.shape == wanted.shape == (len(x), 1, *x.shape[2:]) and found.dtype == np.float32
        apart += [np.abs(a - b).max() for a, b in zip(found, wanted, strict=True)]
        assert ((found > 0) == (wanted > 0)).mean() > 0.99
    few = 2 if isinstance(model, models.MaskingNet) else 0
    assert sum(gap > 1e-3 for gap in apart) <= few, apart


@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_answers_as_torch_at_any_size_and_batch(name, tmp_path):
    model = network(name)
    run = session(export_onnx(model, tmp_path / "free.onnx", free=True))
    torch.manual_seed(1)
    assert_alike(model, run, [torch.rand(b, 3, h, w) for h, w in ((64, 160), (128, 96)) for b in (1, 3)])
    with pytest.raises(Exception, match=r"\[ONNXRuntimeError\]"):  # nothing wrong in silence
        run.run(None, {"photo": np.zeros((1, 3, 72 + 4, 64), np.float32)})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_fixed_size_leaves_the_batch_free(name, tmp_path):
    model = network(name)
    path = export_onnx(model, tmp_path / "fixed.onnx", size=(64, 96))
    torch.manual_seed(2)
    assert_alike(model, session(path), [torch.rand(b, 3, 64, 96) for b in (1, 3)])
    made = onnx.load(path)
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in made.graph.input]
    assert shapes == [["batch", 3, 64, 96]]
    assert [v.name for v in made.graph.output] == ["car_logit"]


@pytest.mark.parametrize("name", NETWORKS)
def test_in_double_precision_the_graph_is_the_network(name):
    """With 16 digits no two pixels are equal by rounding, so one operator out of place would show."""
    model = network(name, width=2).double()
    content = export._traced(export.exportable(model), torch.rand(1, 3, 64, 96).double(), export.FREE)
    graph = ReferenceEvaluator(onnx.load_from_string(content))
    for batch, height, width in ((3, 32, 64), (1, 96, 32)):
        x = torch.rand(batch, 3, height, width).double()
        [found] = graph.run(None, {"photo": x.numpy()})
        np.testing.assert_allclose(found, torch_logits(model, x), rtol=1e-6, atol=1e-6)  # `car_logit` ends in float32


@pytest.mark.parametrize("name", NETWORKS)
def test_every_runtime_has_the_operators(name, tmp_path):
    made = onnx.load(export_onnx(network(name), tmp_path / "a.onnx", free=True))
    onnx.checker.check_model(made, full_check=True)
    assert [(o.domain, o.version) for o in made.opset_import] == [("", 17)]
    assert {node.op_type for node in made.graph.node} <= EVERYWHERE, "BatchNormalization is folded, Scatter not needed"
    assert all(len(node.output) == 1 for node in made.graph.node if node.op_type == "MaxPool"), "indices"
    weights = {tensor.data_type for tensor in made.graph.initializer}
    assert weights <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}


def test_masks_instead_of_indices_unpool_to_the_same_place_with_many_equal_pixels():
    torch.manual_seed(0)
    x = torch.randint(-2, 3, (2, 3, 8, 12)).float().relu()  # windows of four zeros among them
    values, indices = nn.MaxPool2d(2, return_indices=True)(x)
    found, places = export.PoolPlaces()(x)
    assert torch.equal(found, values)
    assert torch.equal(sum(p.int() for p in places), torch.ones_like(values, dtype=torch.int32))
    new = torch.randn(2, 3, 4, 6)
    wanted = models.Unpool()(new, indices, (8, 12))
    assert torch.equal(export.UnpoolPlaces()(new, places, (8, 12)), wanted)
    assert (wanted != 0).sum() == new.numel()


def test_two_threads_answer_as_torch(tmp_path):
    model = network("unet")
    path = export_onnx(model, tmp_path / "a.onnx")
    x = torch.rand(2, 3, 320, 320)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        wanted = torch_logits(model, x)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(session(path, threads=2).run(None, {"photo": x.numpy()})[0], wanted, atol=1e-3)


@pytest.fixture
def mask_of(tmp_path, monkeypatch):
    """The mask of a photo as the page of the book makes it, with onnxruntime, Pillow and numpy alone."""
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    export_onnx(models.create("unet", weights="carvana"), tmp_path / "unet.onnx")
    monkeypatch.chdir(tmp_path)

    def run(photo: Path) -> np.ndarray:
        shutil.copy(photo, "car.jpg")
        names: dict = {}
        exec(code, names)
        return names["mask"]

    return run


def test_the_mask_of_a_drawn_photo_is_that_of_predict(mask_of, tmp_path, own_cache):
    cars = data.CarFolder(studio.make(tmp_path / "drawn", cars=1, size=(480, 320), workers=1))[:3]
    for photo, wanted in zip(cars, predict(models.create("unet", weights="carvana"), cars, cached=False), strict=True):
        assert 0.02 < wanted.mean() < 0.98
        assert (mask_of(photo.image) == wanted).mean() >= 0.9999


def test_the_mask_of_a_real_photo_is_that_of_predict(mask_of, real_photos):
    some = data.sample_evenly(real_photos, 4)
    for photo, wanted in zip(some, predict(models.create("unet", weights="carvana"), some, cached=False), strict=True):
        assert (mask_of(photo.image) == wanted).mean() >= 0.9999


def test_the_file_says_what_it_takes_gives_and_where_it_comes_from(tmp_path):
    model = models.create("unet", weights="carvana")
    told = session(export_onnx(model, tmp_path / "a.onnx")).get_modelmeta().custom_metadata_map
    assert json.loads(told["network"])["name"] == "unet" and json.loads(told["size"]) == [320, 320]
    assert "red, green, blue" in told["input"] and "320 and 320" in told["input"]
    assert "above 0 is car" in told["output"] and "resize the output" in told["mask"]
    assert told["preparation"].startswith("RGB") and "Resampling.BILINEAR" in told["preparation"]
    card = json.loads(told["card"])
    assert card == {k: v for k, v in models.read_card("unet").items() if k != "cars"}
    assert "MIT" in told["license"] and card["terms"] in told["license"]

    with torch.no_grad():
        next(model.parameters()).add_(1)  # trained on: these are no longer the card's weights
    told = session(export_onnx(model, tmp_path / "b.onnx", free=True)).get_modelmeta().custom_metadata_map
    assert "card" not in told and "license" not in told
    assert "multiples of 16, the training had 320×320" in told["input"]


def test_the_network_stays_as_it_is(tmp_path):
    model = network("maskingnet").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of the exporter nothing is heard
        export_onnx(model, tmp_path / "a.onnx", size=32)
    assert model.training and isinstance(model.unpool, models.Unpool)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def test_a_file_is_replaced_only_on_request_and_whole(tmp_path, monkeypatch):
    model, path = network("unet-tiny"), tmp_path / "a.onnx"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ExistsError, match="exists already"):
        export_onnx(model, path, size=32)
    monkeypatch.setattr(export, "OPSET", 10**6)  # the exporter fails half way
    with pytest.raises(Exception, match="1000000"):
        export_onnx(model, path, size=32, overwrite=True)
    assert path.read_text(encoding="utf-8") == "mine"
    monkeypatch.undo()
    export_onnx(model, path, size=32, overwrite=True)
    assert session(path) and [p.name for p in tmp_path.iterdir()] == ["a.onnx"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Nothing says at which size unet-tiny was trained"),
        ({"size": 36}, "multiples of 8"),
        ({"size": 32, "free": True}, "leave out one of the two"),
    ],
)
def test_wrong_settings_are_one_sentence(tmp_path, settings, words):
    with pytest.raises(CarvanaError, match=words):
        export_onnx(network("unet-tiny"), tmp_path / "a.onnx", **settings)
    assert not list(tmp_path.iterdir())


def test_a_pool_of_another_kind_is_refused():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = nn.MaxPool2d(3, 2, 1, return_indices=True)

    with pytest.raises(ArgumentError, match="Only a pooling of 2×2"):
        export.exportable(Own())


def test_without_onnx_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(CarvanaError, match="onnx, which is not installed: run `pip install onnx`"):
        export_onnx(network("unet-tiny"), tmp_path / "a.onnx", size=32)


def test_neither_onnx_nor_its_runtime_is_loaded_before_an_export():
    code = "import sys, carvana_lessons.prediction; sys.exit(any(name.startswith('onnx') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_the_page_says_of_fewer_bits_is_in_its_table():
    rows = pd.read_csv(PAGE.parent / "export" / "runs.csv").set_index(["network", "way"])
    text = (PAGE.parent / "export" / "table.txt").read_text(encoding="utf-8")
    for row in rows.itertuples():
        assert f"| {row.Index[1]} |" in text and f"| {row.dice:.4f} | {row.worst:.4f} |" in text
    lost = {}
    names = rows.index.unique("network")
    assert set(names) <= set(models.shipped())
    for name in names:
        part = rows.loc[name]
        size, dice = part.bytes / part.bytes["float32"], part.dice - part.dice["float32"]
        assert abs(size["float16"] - 0.5) < 0.02 and min(size["int8, static"], size["int8, dynamic"]) > 0.25
        assert max(size["int8, static"], size["int8, dynamic"]) < 0.4
        assert abs(dice["float16"]) < 5e-5 and abs(dice["torch, float32"]) < 5e-5
        assert part.photos.eq(64).all() and part.cars.eq(16).all()
        lost[name] = -dice[["int8, static", "int8, dynamic"]]
    assert lost["unet"].between(0, 0.0002).all() and lost["unet-small"].between(0.0005, 0.0014).all()
    assert lost["unet-backgrounds"].between(-5e-5, 0.0002).all()
