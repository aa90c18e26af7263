"""A fork that has named itself passes the tests: nothing holds the address of the repository that it came from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from carvana_lessons.course.publishing import repository, set_repository

ROOT = Path(__file__).resolve().parents[1]
# Longer than ours: the first cell of each chapter holds it in one line.
THEIRS = "https://github.com/university-of-the-far-north/cutting-out-cars-2027"
TESTS = ["tests/test_frame.py", "tests/test_chapters.py", "tests/course"]  # those that read the files that it changes


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A copy of the files that git knows or would take."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: which files belong to it is not known")
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_fork_that_has_named_itself_passes_the_tests(fork):
    upstream = repository(ROOT)
    set_repository(fork, THEIRS)
    text = {".py", ".md", ".ipynb", ".yml", ".toml", ".js", ".html", ".svg", ".txt"}
    files = [path for path in fork.rglob("*") if path.suffix in text]
    assert len(files) > 300
    assert [str(path) for path in files if upstream in path.read_text(encoding="utf-8")] == []
    environment = os.environ | {"PYTHONPATH": str(fork)}
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["pytest", "-q", "--color=no", *TESTS]):
        line = [sys.executable, "-m", *command]
        done = subprocess.run(
            line, cwd=fork, env=environment, capture_output=True, text=True, check=False, encoding="utf-8"
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
