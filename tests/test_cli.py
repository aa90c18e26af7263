"""The command line, as a user types it."""

import subprocess
import sys

import pytest


@pytest.fixture
def run():
    def call(*words):
        command = [sys.executable, "-m", "carvana_lessons", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return call


def test_help_lists_the_commands(run):
    answer = run("--help")
    assert answer.returncode == 0
    for command in ("studio", "download", "check"):
        assert command in answer.stdout


def test_studio_then_check(run, tmp_path):
    out = tmp_path / "drawn cars"
    made = run("studio", out, "--cars", 1, "--size", "96x64", "--workers", 1)
    assert made.returncode == 0, made.stderr
    answer = run("check", out)
    assert answer.returncode == 0, answer.stderr
    assert "In order: synthetic studio, 1 cars, 16 drawn photos." in answer.stdout
    again = run("studio", out, "--cars", 1)
    assert again.returncode == 1 and "Traceback" not in again.stderr


def test_a_broken_folder_is_one_sentence_and_exit_code_one(run, make_folder):
    folder = make_folder()
    mask = next((folder / "train_masks").iterdir())
    mask.unlink()
    answer = run("check", folder)
    assert answer.returncode == 1
    assert mask.name.removesuffix("_mask.gif") in answer.stderr and "Traceback" not in answer.stderr


def test_a_size_that_is_none_is_explained(run, tmp_path):
    answer = run("studio", tmp_path / "x", "--size", "large")
    assert answer.returncode == 2 and "WIDTHxHEIGHT" in answer.stderr
