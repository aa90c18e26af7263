"""The list of layers from which a page computes a network; tests/book/test_network.py compares the answers."""

import json

import pytest
import torch
from torch import nn

from carvana_lessons import models
from carvana_lessons.models.browser import write_script
from carvana_lessons.models.layers import INPUT, layers

KINDS = {"conv", "pool", "unpool", "transpose", "concat", "maps"}


@pytest.fixture(params=models.names())
def model(request) -> nn.Module:
    return models.create(request.param, width=2)


def taken(layer: dict) -> list[str]:
    return layer["from"] if isinstance(layer["from"], list) else [layer["from"]]


def test_every_layer_takes_what_was_computed_before_it(model):
    known, pools = {INPUT}, set()
    for layer in layers(model):
        assert layer["op"] in KINDS and set(taken(layer)) <= known and layer["to"] not in known
        assert layer["op"] != "unpool" or layer["places"] in pools
        known.add(layer["to"])
        pools |= {layer["to"]} if layer["op"] == "pool" else set()
    assert layer["to"] == "logits"


def test_every_parameter_is_used_once_and_no_other(model):
    named = [f"{layer[key]}" for layer in layers(model) for key in ("weight", "norm") if key in layer]
    own = [name for name, module in model.named_modules() if list(module.parameters(recurse=False))]
    assert sorted(named) == sorted(own)


def test_the_kinds_are_those_that_ran(model):
    """An oracle that looks at the network while it computes."""
    ran = []
    wanted = {nn.Conv2d: "conv", nn.MaxPool2d: "pool", models.Unpool: "unpool", nn.ConvTranspose2d: "transpose"}
    for module in model.modules():
        if type(module) in wanted:
            module.register_forward_hook(lambda m, *_: ran.append(wanted[type(m)]))
    model.eval()(torch.zeros(1, 3, 32, 64))
    assert [layer["op"] for layer in layers(model) if layer["op"] in wanted.values()] == ran


def test_the_stages_have_the_names_that_a_page_shows():
    stages = [layer["stage"] for layer in layers(models.create("unet-tiny")) if "stage" in layer]
    assert stages == ["down 1", "down 2", "down 3", "bottleneck", "up 3", "up 2", "up 1", "logits"]


def test_rates_are_those_of_the_network_itself():
    listed = layers(models.create("maskingnet", width=1))
    rates = [layer["dilation"] for layer in listed if layer.get("weight", "").startswith("middle")]
    assert rates == [1, 2, 4, 8, 4, 2]


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="Sequential is not one of the course's networks"):
        layers(nn.Sequential(nn.Conv2d(3, 1, 1)))


def test_a_script_holds_the_weights_as_they_are_shipped(tmp_path):
    text = write_script(models.create("unet", weights="carvana"), tmp_path / "cars.js").read_text(encoding="utf-8")
    assert text.startswith('carvana.receive("cars", {') and text.endswith("});\n")
    about = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert about["size"] == [320, 320] and about["size_divisor"] == 16 and about["classes"] == 2
    assert about["layers"] == layers(models.create("unet", width=8))
