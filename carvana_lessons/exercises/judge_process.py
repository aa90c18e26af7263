"""Check an answer in a process of its own, which is ended whatever the answer does.

On Linux the process is a copy of one that has loaded everything (multiprocessing's "forkserver"), elsewhere a new one,
which needs some seconds to start. It has a folder of its own, no terminal, no input, no output, and limits of time, of
memory and of the size of files (the last two on Linux and macOS, where the system keeps to them).

It is no wall against somebody who means harm: an answer runs with the rights of whoever grades. It can read and delete
that person's files, use the network and end other processes. Answers of people whom you do not trust belong into a
container or an account without anything of value.
"""

from __future__ import annotations

import contextlib
import marshal
import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import psutil

from carvana_lessons.course import marks
from carvana_lessons.exercises.base import NOT_ATTEMPTED, RIGHT, WRONG, Exercise, Function, Value, Verdict
from carvana_lessons.exercises.chapters import chapter
from carvana_lessons.exercises.sandbox import GIGABYTES, run
from carvana_lessons.exercises.tampering import Snapshot, names_in, reaches_in

SECONDS = 20.0  # for the cells of an answer; the check itself has its own limit
CHECKS = 25.0  # seconds for the checks that follow, on a busy machine
FILE_BYTES = 200 * 10**6  # of the largest file that an answer may write
PROCESSES = 50  # that one answer may have
NOT_JUDGED = "Not judged"
TAKES = 65_536  # bytes that are read of a result
_OVER = -signal.SIGALRM if hasattr(signal, "SIGALRM") else None


@dataclass(frozen=True)
class Task:
    """What is to be checked.

    Attributes:
        chapter: its name.
        exercise: its name in the chapter's module.
        codes: compiled code, as ``marshal`` writes it, in the order in which it is to run.
        computed: names that are not there because the notebook computes them above the exercises.
    """

    chapter: str
    exercise: str
    codes: tuple[bytes, ...]
    computed: frozenset[str] = frozenset()


class Judges:
    """Checks answers, one after the other, each in a process of its own.

    Args:
        seconds: that the cells of an answer may compute.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._server: int | None = None  # the process that is copied
        linux = sys.platform.startswith("linux")  # macOS has fork too, and its system libraries do not survive it
        self._context = multiprocessing.get_context("forkserver" if linux else "spawn")
        if linux:
            self._context.set_forkserver_preload(["carvana_lessons.exercises.warm_judge", __name__])

    def check(self, task: Task) -> Verdict:
        """Check one answer.

        Args:
            task: the answer.

        Returns:
            the verdict of `Exercise.check`, or a sentence where it did not come to that.
        """
        token = secrets.token_hex(16)
        with (
            tempfile.TemporaryDirectory(prefix="answer-", ignore_cleanup_errors=True) as folder,
            tempfile.TemporaryDirectory(prefix="verdict-", ignore_cleanup_errors=True) as place,
        ):
            result = str(Path(place, secrets.token_hex(8)))
            arguments = (task, self.seconds, folder, result, token)
            process = self._context.Process(target=judge_answer, args=arguments, daemon=True)
            process.start()
            with contextlib.suppress(psutil.Error):
                parent = psutil.Process(process.pid).ppid()
                self._server = None if parent == os.getpid() else parent
            try:
                problem = self._wait(process)
            finally:
                _end(process, self._server)
            return _verdict(result, token) or Verdict(WRONG, problem or _how_it_ended(process.exitcode))

    def _wait(self, process: multiprocessing.process.BaseProcess) -> str | None:
        """Until the process has ended, or has had its time, or becomes too many; what was wrong, or None."""
        began, looked = time.monotonic(), 0.0
        while process.is_alive():
            process.join(0.05)
            waited = time.monotonic() - began
            if waited > 2 * self.seconds + CHECKS:
                return f"it was not done after {waited:.0f} seconds; is there a loop that never ends?"
            if waited - looked > 0.25:
                looked = waited
                if len(_children(process.pid)) > PROCESSES:
                    return f"it started more than {PROCESSES} processes."
        return None


def _verdict(result: str, token: str) -> Verdict | None:
    """What the process wrote, if it is what `judge_answer` writes; else None."""
    try:
        with Path(result).open("rb") as file:
            text = file.read(TAKES).decode("utf-8", errors="replace")
    except OSError:
        return None
    head, _, why = text.partition("\n")
    known, _, status = head.partition(" ")
    if known != token or status not in (RIGHT, WRONG, NOT_ATTEMPTED, NOT_JUDGED):
        return None
    return Verdict(status, "".join(c if c.isprintable() else " " for c in why))  # it is shown in a terminal


def _how_it_ended(code: int | None) -> str:
    if code == _OVER:
        return "it was not done in time; is there a loop that never ends?"
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"its process was ended ({signal.Signals(-code).name}) before there was a verdict."
    return "it ended its process before there was a verdict; does it call os._exit or write where it should not?"


def _children(pid: int | None) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _end(process: multiprocessing.process.BaseProcess, server: int | None) -> None:
    """End a process and whatever it started; what it left behind is now a child of the process that is copied."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, signal.SIGKILL)
    left = _children(process.pid)
    process.kill()
    process.join(10)
    for _ in range(20):  # one may start another while it is being ended
        left += _children(server) if server else []
        for other in left:
            with contextlib.suppress(psutil.Error):
                other.kill()
        if not left:
            break
        time.sleep(0.02)
        left = []


def judge_answer(task: Task, seconds: float, folder: str, result: str, token: str) -> None:
    """Run an answer and check it; this process ends here. Nothing but `Judges` calls it.

    Args:
        task: the answer.
        seconds: that its cells may compute.
        folder: to work in.
        result: file for the verdict.
        token: that begins the verdict; who does not know it cannot write one.
    """
    # Kept here: what the answer does to modules changes nothing of these, for they are written in C.
    write, leave = os.write, os._exit
    _shut_in(folder, seconds)
    file = os.open(result, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    process, mine = os.getpid, os.getpid()
    multiprocessing.current_process()._args = ()  # the token too
    try:
        status, why = _judge(task, seconds)
    except BaseException as error:  # the answer has changed what the judge needs
        status, why = NOT_JUDGED, f"its code stops the check itself ({type(error).__name__}); look at it yourself."
    if process() != mine:  # a copy that the answer made
        leave(0)
    try:
        write(
            file, b"".join((token.encode(), b" ", status.encode(), b"\n", why.encode("utf-8", "replace")[: TAKES // 2]))
        )
    finally:
        leave(0)


def _judge(task: Task, seconds: float) -> tuple[str, str]:
    """The verdict as two plain texts."""
    exercise = chapter(task.chapter).exercises[task.exercise]
    check, before = exercise.check, Snapshot()
    codes = [marshal.loads(code) for code in task.codes]
    notebook = _notebook()
    if exercise.given:
        exec(exercise.given, notebook)  # the course's own text
    problems, late = _execute(codes, notebook, seconds)
    answers = [notebook.get(name, ...) for name in exercise.names]
    if late:
        return WRONG, problems[-1]
    if problems and any(answer is ... for answer in answers):
        return _told(problems[-1], task.computed)
    verdict = Verdict(WRONG)
    changed = before.changed()
    if changed is None:
        verdict = check(*answers)
        changed = before.changed()
    if type(verdict) is not Verdict or type(verdict.status) is not str or type(verdict.why) is not str:
        changed = changed or "carvana_lessons.exercises.base.Exercise.check"
    if changed is None and verdict.status == RIGHT and not _refuses_wrong_answers(exercise, check):
        changed = "what its check relies on"
    if changed is not None:
        return (
            NOT_JUDGED,
            f"its code changes {changed.removeprefix('carvana_lessons.')}, with which answers are judged.",
        )
    if verdict.status == RIGHT and (way := reaches_in(name for code in codes for name in names_in(code))):
        return NOT_JUDGED, f"its code uses `{way}`, with which it can read what judges it; look at it yourself."
    return _told(verdict.why, task.computed) if verdict.status == WRONG else (verdict.status, "")


def _told(why: str, computed: frozenset[str]) -> tuple[str, str]:
    """A wrong answer, unless what is wrong is that a name of the chapter is not here."""
    for name in computed:
        if f"NameError: name '{name}' is not defined" in why:
            return NOT_JUDGED, f"it uses `{name}`, which a cell above the exercises computes; run it in its notebook."
    return WRONG, why


def _refuses_wrong_answers(exercise: Exercise, check: Any) -> bool:
    """Whether a wrong answer is still told to be wrong: what a snapshot does not see shows here."""
    count = len(exercise.names)
    if isinstance(exercise.judge, Function | Value) and exercise.judge.faults:
        wrong = next(iter(exercise.judge.faults.values()))
        wrong = wrong if count > 1 and isinstance(wrong, tuple) else (wrong,)
    elif exercise.faults:
        notebook: dict[str, Any] = {}
        exec(next(iter(exercise.faults)), notebook)  # the course's own text
        wrong = tuple(notebook[name] for name in exercise.names)
    else:
        wrong = (lambda *_: object(),) * count
    return check(*wrong).status == WRONG


def _execute(codes: list[types.CodeType], notebook: dict, seconds: float) -> tuple[list[str], bool]:
    """Run code, piece by piece; after an error, the next. The problems, and whether time was over."""
    problems, end = [], time.monotonic() + 2 * seconds
    for code in codes:
        left = max(0.1, min(seconds, end - time.monotonic()))
        outcome = run(lambda code=code: exec(code, notebook), left)
        if outcome.problem is not None:
            problems.append(outcome.problem)
        if outcome.late:
            return problems, True
    return problems, False


def _notebook() -> dict[str, Any]:
    """The names of an empty notebook, as those of the module ``__main__``: classes look for theirs there."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    silent = lambda *_, **__: None  # noqa: E731
    vars(module).update(display=silent, get_ipython=silent)
    return vars(module)


def _shut_in(folder: str, seconds: float) -> None:
    """A folder of its own, no terminal, nothing to read, nothing shown, and limits."""
    os.chdir(folder)
    tempfile.tempdir = folder
    os.environ[marks.VARIABLE] = "0"  # these checks are nobody's progress
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as in `warm_judge`
    matplotlib.use("Agg")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(stream, mode, encoding="utf-8") for stream, mode in enumerate("rww"))
    if not hasattr(os, "setsid"):
        return
    import resource

    os.setsid()  # a group of its own, and no terminal that getpass could open
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 2 * seconds + CHECKS + 10)  # also when the grading itself was ended
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    if sys.platform.startswith("linux"):
        most = int(psutil.Process().memory_info().vms + (GIGABYTES + 0.5) * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
