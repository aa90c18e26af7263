"""Freed memory that stays with the process, seen from the operating system."""

import subprocess
import sys

import pytest

CODE = """
import sys, psutil, torch
from carvana_lessons.utils.memory import disable_malloc_trim
told = disable_malloc_trim() if sys.argv[1] == "keep" else None
before = psutil.Process().memory_info().rss
x = torch.ones(50_000_000)
del x
print(told, (psutil.Process().memory_info().rss - before) / 2e8)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own")
@pytest.mark.parametrize("how", ["keep", "give back"])
def test_a_freed_tensor_stays_only_where_it_was_told_to(how):
    answer = subprocess.run(
        [sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    told, share = answer.stdout.split()
    if how == "keep":
        assert told == "True" and float(share) > 0.9
    else:
        assert float(share) < 0.1
