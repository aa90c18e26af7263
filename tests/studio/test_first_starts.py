"""A class starts at once on one server: one process draws the photos, the others say that they wait for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRIVER = Path(__file__).resolve().parents[1] / "drivers" / "first_start.py"
STUDENTS = 8


@contextmanager
def started(held: Path) -> Iterator[list[subprocess.Popen]]:
    """That many processes, each one step before it asks for the photos."""
    pipe = subprocess.PIPE
    command = [sys.executable, str(DRIVER), str(held)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    students = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8", env=environment)
        for _ in range(STUDENTS)
    ]
    try:
        assert [student.stdout.readline() for student in students] == ["ready\n"] * STUDENTS
        yield students
    finally:
        for student in students:
            student.kill()
            student.communicate()


def go(student: subprocess.Popen) -> None:
    student.stdin.write("\n")
    student.stdin.flush()


def ends(students: list[subprocess.Popen]) -> list[list[str]]:
    """What each still prints, and nothing went wrong."""
    answers = [student.communicate() for student in students]
    assert [student.returncode for student in students] == [0] * len(students), answers
    return [out.splitlines() for out, _ in answers]


def test_one_draws_and_seven_wait_and_say_so(own_cache, tmp_path):
    held = tmp_path / "held"
    held.touch()
    with started(held) as students:
        for student in students:
            go(student)
        first = [student.stdout.readline() for student in students]  # none draws on before all have said it
        assert first.count("drawing\n") == 1
        assert sum(line.startswith("Another process is drawing ") for line in first) == STUDENTS - 1
        drawing = students[first.index("drawing\n")]
        go(drawing)
        last = ends(students)
    assert len({line for lines in last for line in lines}) == 1 and [len(lines) for lines in last] == [1] * STUDENTS
    [folder] = (own_cache / "studio").iterdir()  # no lock and no half of a folder is left
    assert len(list((folder / "train").iterdir())) == 16


def test_when_the_one_that_draws_is_killed_another_takes_over(own_cache, tmp_path):
    held = tmp_path / "held"
    held.touch()
    with started(held) as students:
        for student in students:
            go(student)
        first = [student.stdout.readline() for student in students]
        drawing = students.pop(first.index("drawing\n"))
        held.unlink()
        drawing.kill()
        drawing.communicate()
        last = ends(students)
    said = [line for lines in last for line in lines]
    assert said.count("drawing") == 1 and len(set(said) - {"drawing"}) == 1 and len(said) == STUDENTS
    [folder] = (path for path in (own_cache / "studio").iterdir() if not path.name.startswith("."))
    assert len(list((folder / "train").iterdir())) == 16
