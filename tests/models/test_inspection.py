"""Whatever looks at a network leaves it, and everything around it, as it was."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from carvana_lessons import data, models, show
from carvana_lessons.features import feature_maps, receptive_field, receptive_fields, seen_from, stages, top_activations
from carvana_lessons.features.maps import ablate
from carvana_lessons.models.inspection import preserve_state


class Restless(nn.Module):
    """Counts its runs and draws from every generator, whatever its mode."""

    def __init__(self):
        super().__init__()
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x):
        self.runs += 1
        self.calls = getattr(self, "calls", 0) + 1
        return x + 0 * (torch.rand(()) + np.random.rand() + random.random())  # noqa: NPY002


def network():
    torch.manual_seed(0)
    model = models.create("maskingnet", width=2)
    model.down[0].add_module("restless", Restless())
    model.down[1].eval()  # frozen statistics in a network that trains
    for parameter in model.middle.parameters():
        parameter.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    model.middle.register_forward_hook(lambda module, given, out: None)
    return model


def state(model):
    modules = dict(model.named_modules())
    parameters = dict(model.named_parameters())
    return {
        "values": {name: value.clone() for name, value in model.state_dict().items()},
        "gradients": {name: None if p.grad is None else p.grad.clone() for name, p in parameters.items()},
        "learning": {name: p.requires_grad for name, p in parameters.items()},
        "modes": {name: module.training for name, module in modules.items()},
        "hooks": {name: [len(m._forward_hooks), len(m._forward_pre_hooks)] for name, m in modules.items()},
        "random": [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()],  # noqa: NPY002
        "attributes": {name: (sorted(vars(module)), vars(module).get("calls")) for name, module in modules.items()},
    }


def assert_same(model, before):
    now = state(model)
    for kind in ("values", "gradients"):
        assert now[kind].keys() == before[kind].keys()
        for name, value in before[kind].items():
            assert value is now[kind][name] is None or torch.equal(value, now[kind][name]), name
    for kind in ("learning", "modes", "hooks", "random", "attributes"):
        assert now[kind] == before[kind], kind


LOOKS = {
    "architecture": lambda model, cars: show.architecture(model, (64, 64)),
    "receptive_fields": lambda model, cars: receptive_fields(model),
    "seen_from": lambda model, cars: seen_from(model, "middle", (32, 32), (0, 0)),
    "receptive_field": lambda model, cars: receptive_field(model.middle),
    "stages": lambda model, cars: stages(model),
    "feature_maps": lambda model, cars: feature_maps(model, torch.ones(1, 3, 32, 32)),
    "top_activations": lambda model, cars: top_activations(model, cars, "middle", 32, top=2),
    "count_parameters": lambda model, cars: models.count_parameters(model),
}


@pytest.mark.parametrize("look", LOOKS)
def test_whoever_looks_changes_nothing(look, make_folder, own_cache):
    model, cars = network(), data.CarFolder(make_folder())
    before = state(model)
    LOOKS[look](model, cars)
    assert_same(model, before)


def test_silenced_channels_sound_again():
    model = network()
    before = state(model)
    with ablate(model, "middle", [0]), preserve_state(model):
        model(torch.ones(1, 3, 32, 32))
    assert_same(model, before)


def test_a_network_that_breaks_is_put_back_too():
    model = network()
    model.head.forward = lambda x: 1 / 0
    before = state(model)
    for look in ("architecture", "receptive_fields", "feature_maps"):
        with pytest.raises(ZeroDivisionError):
            LOOKS[look](model, None)
        assert_same(model, before)


def test_it_looks_in_evaluation_mode():
    model = network()
    torch.manual_seed(1)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = copy.deepcopy(model).eval()(x)
    with preserve_state(model):
        assert torch.equal(model(x), expected)
