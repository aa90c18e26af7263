"""The instruments of chapter 3 read what they should."""

import math
import subprocess
import sys
import time

import pytest
import torch
from torch.utils.data import DataLoader

from carvana_lessons.utils import measure


def test_milliseconds_is_the_median_and_ignores_an_outlier(monkeypatch):
    """By a clock that the calls themselves move on: a busy machine changes nothing."""
    clock = [0.0]

    def pause(seconds):
        clock[0] += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    taken = measure.median_milliseconds(pause, [0.002, 0.002, 0.002, 0.002, 0.08], repeats=1)
    assert taken == pytest.approx(2)


def test_pace_counts_every_image_of_tensors_and_of_pairs():
    class Slow:
        def __init__(self, batch):
            self.batch = batch

        def __iter__(self):
            for _ in range(4):
                time.sleep(0.01)
                yield self.batch

    x = torch.zeros(5, 3, 2, 2)
    for batch in (x, (x, x)):
        first, rate = measure.throughput(Slow(batch))
        assert 0.01 <= first < 1
        assert 2 < rate <= 20 / 0.04


GROWING = """
import numpy as np
from carvana_lessons.utils import measure
size = 64 * 2**20
with measure.Memory() as memory:
    held = np.ones(size, dtype=np.uint8)
    after_one = memory.growth
    for _ in range(8):
        held = np.ones(size, dtype=np.uint8)  # the old one goes when the new one is there
assert 0.8 * size < after_one < 2 * size, after_one
assert memory.growth < 4 * size, memory.growth
more = np.ones(4 * size, dtype=np.uint8)
assert len(held) + len(more) == 5 * size
assert memory.growth < 4 * size, memory.growth  # the block is over
"""


def test_memory_sees_what_is_held_and_what_was_let_go_meanwhile():
    """In a process of its own: memory that earlier tests freed would be used again, and count as no growth."""
    answer = subprocess.run(
        [sys.executable, "-c", GROWING], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("groups", "files", "granted"),
    [
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),  # in a container: the file at the top is its own
        ("0::/hub/kernel-7", {"hub/cpu.max": "400000 100000", "hub/kernel-7/cpu.max": "max 100000"}, 4),
        ("0::/hub/kernel-7", {"hub/cpu.max": "400000 100000", "hub/kernel-7/cpu.max": "50000 100000"}, 0.5),
        ("4:memory:/x\n2:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("1:cpu:/docker/of-the-host", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("0::/", {}, None),
        (None, {}, None),
    ],
)
def test_a_container_grants_fewer_cores_than_are_seen(tmp_path, monkeypatch, groups, files, granted):
    for name, text in {f"sys/fs/cgroup/{name}": text for name, text in files.items()}.items() | (
        {("proc/self/cgroup", groups)} if groups else set()
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    found = measure._granted(tmp_path)
    assert found == (granted or math.inf)
    monkeypatch.setattr(measure, "_granted", lambda: found)
    monkeypatch.setattr(measure.os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    assert measure.cores() == math.ceil(granted or 64)


def test_this_machine_has_cores_and_memory():
    assert measure.cores() >= 1
    assert measure.machine_memory() > 2**28


@pytest.mark.parametrize(("way", "alike"), [("global", False), ("early", True), ("late", False)])
def test_workers_draw_alike_only_from_a_generator_made_too_early(way, alike):
    batches = DataLoader(
        measure.RandomDraws(way), batch_size=4, num_workers=2, generator=torch.Generator().manual_seed(0)
    )
    one, two = (batch.tolist() for batch in batches)
    assert (one == two) is alike
