"""Commands that are killed or interrupted at every step, or begun twice: run again, the result is the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parent / "drivers" / "kill_anywhere.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks, which Windows cannot")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_command_that_was_ended_anywhere_ends_well_the_second_time(make_folder, tmp_path, how):
    make_folder(cars=2, views=2)
    paths = [str(DRIVER.parent.parent), *sys.path]
    run = subprocess.run(
        [sys.executable, DRIVER, tmp_path, how],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CARVANA_CACHE": str(tmp_path / "cache")},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout)
    assert told.pop("at once") == []
    assert {name: part["wrong"] for name, part in told.items()} == {name: [] for name in told}
    assert min(part["steps"] for part in told.values()) > 10, "each was ended at several steps"
