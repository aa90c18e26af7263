"""The estimate of a step's memory, against what PyTorch and the system report of a real one."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from carvana_lessons import models
from carvana_lessons.training.losses import bce
from carvana_lessons.training.measured_step import measure_step
from carvana_lessons.training.step_memory import step_memory, tensor_memory
from carvana_lessons.utils.device import layout_for

STEPS = [("unet", 8, 64, 4), ("unet-small", 4, 96, 2), ("segnet", 8, 128, 2)]


def profiled(network: str, width: int, size: int, batch_size: int) -> int:
    """Bytes at the peak of two steps, as the profiler saw each tensor come and go; parameters are there before."""
    model = models.create(network, width=width).train()
    layout = layout_for(model, torch.device("cpu"))  # as the trainer has it
    model = model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        x = torch.rand(batch_size, 3, size, size).contiguous(memory_format=layout)
        y = (x[:, :1] > 0.5).float()
        for _ in range(2):
            bce(model(x), y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    events, left = [], list(seen.profiler.kineto_results.experimental_event_tree())
    while left:
        event = left.pop()
        left += event.children
        if event.tag.name == "Allocation":
            events.append((event.start_time_ns, event.extra_fields.alloc_size))
    now = peak = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
    for _, change in sorted(events):
        now += change
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0]}-{step[2]}")
def test_tensors_take_what_the_profiler_sees(step):
    real = profiled(*step)
    assert tensor_memory(*step) == pytest.approx(real, rel=0.04)
    assert step_memory(*step) > real


@pytest.mark.parametrize("step", [("unet", 8, 256, 6), ("unet-small", 8, 160, 4)], ids=lambda step: step[0])
def test_a_process_takes_no_more_than_the_estimate(step):
    """And not so much less that the estimate would say nothing; psutil measures, in a process of its own."""
    assert 0.4 * step_memory(*step) < measure_step(*step).memory <= step_memory(*step)


def test_memory_grows_with_every_setting_and_halves_with_precision():
    base = tensor_memory("unet", 8, 128, 4)
    assert tensor_memory("unet", 8, 128, 8) > 1.5 * base
    assert tensor_memory("unet", 8, 256, 4) > 3 * base
    assert tensor_memory("unet", 16, 128, 4) > 1.5 * base
    assert 0.5 * base < tensor_memory("unet", 8, 128, 4, "fp16") < 0.7 * base


def test_parameters_of_16_bits_save_nothing():
    """Of two photos of 16 pixels the parameters are all: 32 bits in mixed precision too, and a copy of 16 beside."""
    parameters = 4 * models.count_parameters(models.create("unet", width=16))
    assert tensor_memory("unet", 16, 16, 2, "fp16") > 4.5 * parameters > 0.8 * tensor_memory("unet", 16, 16, 2)


def test_nothing_is_computed_or_taken_for_a_step_that_fits_nowhere():
    code = (
        "import json, psutil\nfrom carvana_lessons.training.step_memory import tensor_memory\n"
        "before = psutil.Process().memory_info().rss\nfound = tensor_memory('unet', 64, 1024, 64)\n"
        "print(json.dumps([found, psutil.Process().memory_info().rss - before]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    found, grown = json.loads(done.stdout)
    assert found > 2e11 and grown < 3e8
