"""A console or a pipe that cannot print everything: the command line and the chapters work there all the same."""

import io
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer

from carvana_lessons import cli
from carvana_lessons.utils.console import print_anywhere, print_notes

DRIVER = Path(__file__).parents[1] / "drivers" / "command_lines.py"
C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # or else Python takes UTF-8 instead


def commands(group, *before: str) -> list[list[str]]:
    """Every command's own words, groups and their commands included."""
    inner = getattr(group, "commands", {})
    return [list(before)] + [words for name, one in inner.items() for words in commands(one, *before, name)]


@pytest.mark.parametrize(
    ("settings", "encoding", "times", "name"),
    [
        ({"PYTHONIOENCODING": "cp1251"}, "cp1251", "x", r"x \\u8eca"),
        ({"PYTHONIOENCODING": "cp1252"}, "cp1252", "×", r"× \\u8eca"),
        ({"PYTHONIOENCODING": "ascii"}, "utf-8", "×", "× 車"),  # click takes it for a mistake, and prints UTF-8
        (C, "utf-8", "×", ".*"),  # where the letters of a name are bytes without a meaning
    ],
    ids=["cp1251", "cp1252", "ascii", "C"],
)
def test_every_command_prints_in_every_code_page(make_folder, tmp_path, settings, encoding, times, name):
    photos, run = str(make_folder(cars=4)), str(tmp_path / "run")
    small = ["--size", "32"]
    weights = ["--weights", f"{run}/last.safetensors"]
    lines = [[*words, "--help"] for words in commands(typer.main.get_command(cli.commands))]
    helps = len(lines)
    lines += [
        ["studio", str(tmp_path / "drawn"), "--cars", "1", "--size", "48x32", "--workers", "2"],
        ["train", photos, run, "--network", "unet-tiny", "--width", "2", *small, "--epochs", "1", "--valid", "0.25"],
        ["evaluate", photos, *weights, *small, "--by", "car"],
        ["check", photos],
        ["check", str(tmp_path / "nowhere × 車")],
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHONIO"))}
    environment |= {"CARVANA_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path), **settings}
    command = [sys.executable, DRIVER, json.dumps(lines)]
    answer = subprocess.run(command, capture_output=True, check=False, env=environment, timeout=300)
    said, complaints = answer.stdout.decode(encoding), answer.stderr.decode(encoding)
    assert answer.returncode == 0 and "Traceback" not in complaints, complaints
    ends = [int(line[3:]) for line in said.splitlines() if line.startswith("-- ")]
    assert ends == [0] * (helps + 4) + [1], complaints
    assert f"Dice of the last epoch on 1 held-out car, at 32{times}32: 0." in said
    assert "accelerate launch -m carvana_lessons train" in " ".join(said.split())
    assert re.search(rf"carvana-lessons: .*nowhere {name} does not exist: give the folder", complaints)


CHAPTER = """
from carvana_lessons import course
print(course.start("02-u-net").size, "×")
"""


@pytest.mark.parametrize(
    ("encoding", "dot", "times"),
    [("cp1251", "·", "x"), ("cp1252", "·", "×"), ("cp850", "·", "×"), ("ascii", "-", "x"), ("utf-8", "·", "×")],
)
def test_a_chapter_begins_in_every_code_page(make_folder, encoding, dot, times):
    own = {"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)}
    own |= {"CARVANA_DATA": str(make_folder()), "CARVANA_SCALE": "quick", "CARVANA_DEVICE": "cpu"}
    command = [sys.executable, "-c", CHAPTER]
    answer = subprocess.run(command, capture_output=True, check=False, env=os.environ | own, timeout=300)
    assert answer.returncode == 0, answer.stderr
    first, *_, last = answer.stdout.decode(encoding).splitlines()
    assert first.startswith(f"02-u-net {dot} device cpu, ") and f" (128{times}128 px" in first
    assert last == f"128 {times}", "what a chapter prints itself, too"


@pytest.mark.parametrize("errors", ["strict", "backslashreplace", "surrogateescape", "replace", "ignore"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "cp1252", "ascii"])
def test_what_can_be_printed_stays_and_what_somebody_chose_too(monkeypatch, encoding, errors):
    text = "3×4 · a…b 車 Käse"
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)
    monkeypatch.setattr(sys, "stdout", stream)
    print_anywhere()
    print(text, end="", flush=True)
    written = stream.buffer.getvalue()
    if encoding == "utf-8" or errors in ("replace", "ignore"):
        assert written == text.encode(encoding, errors)
    else:
        plain = {
            "cp1251": "3x4 · a…b \\u8eca K\\xe4se",
            "cp1252": "3×4 · a…b \\u8eca Käse",
            "ascii": "3x4 - a...b \\u8eca K\\xe4se",
        }
        assert written == plain[encoding].encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_the_name_of_a_file_that_is_no_text_is_printed_as_the_disk_has_it(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print_anywhere()
    print(os.fsdecode(b"caf\xe9.jpg") if sys.platform != "win32" else "caf\udce9.jpg", end="", flush=True)
    assert stream.buffer.getvalue() == b"caf\xe9.jpg"


def test_a_notebooks_output_and_none_at_all_are_left_alone(monkeypatch):
    for stream in (None, io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        print_anywhere()
        assert sys.stdout is stream


def test_what_is_for_who_writes_code_is_no_note_whatever_else_it_is(capsys):
    """Some libraries make their deprecations warnings of users too."""

    class Both(UserWarning, DeprecationWarning):
        pass

    with print_notes("name") as notes:
        warnings.warn("mend your code", Both, stacklevel=1)
        warnings.warn("mend your photos", UserWarning, stacklevel=1)
    assert notes == ["mend your photos"] and capsys.readouterr().err == "name: note: mend your photos\n"
