"""What the command line makes of an exception: the user's to mend, with the cure, or a fault of the package."""

import errno
import os

import pytest
import torch

from carvana_lessons import models
from carvana_lessons.utils.errors import ArgumentError, CarvanaError, DataError, ExistsError
from carvana_lessons.utils.failures import OUR_FAULT, STOPPED, WRONG, explain


def raised(action) -> BaseException:
    with pytest.raises(BaseException) as caught:
        action()
    return caught.value


class Stop(KeyboardInterrupt):
    """An interrupt that says what was kept."""


@pytest.mark.parametrize("kind", [CarvanaError, DataError, ArgumentError, ExistsError])
def test_errors_of_the_course_say_it_themselves(kind):
    assert explain(kind("The disk is full: free some.")) == ("The disk is full: free some.", WRONG)


def test_an_interrupt_has_its_own_text_and_code():
    assert explain(KeyboardInterrupt()) == ("Stopped.", STOPPED)
    assert explain(Stop("Kept in runs/a; run it again to go on.")) == ("Kept in runs/a; run it again to go on.", 130)


def test_errors_of_disks_name_the_file_and_the_cure(tmp_path):
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.touch()
    for action, words in [
        (lambda: (tmp_path / "none").read_text(encoding="utf-8"), f"There is no {tmp_path / 'none'}: check the name"),
        (lambda: (file / "below").read_text(encoding="utf-8"), f"{file / 'below'} leads through a file"),
        (lambda: folder.mkdir(), f"{folder} exists already: choose another"),
    ]:
        sentence, code = explain(raised(action))
        assert words in sentence and code == WRONG, sentence


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "may not be opened or written by this user: choose another place"),
        (errno.EPERM, "may not be opened or written by this user"),
        (errno.EROFS, "cannot be written to: choose another place"),
        (errno.ENAMETOOLONG, "is too long a name for this disk: choose a shorter one"),
        (errno.ELOOP, "is a link that leads back to itself: remove it"),
        (errno.EISDIR, "is a folder where a file is wanted: name a file"),
        (errno.ENOSPC, "The disk has no room for a/b: free some"),
        (errno.EMFILE, "choose fewer --workers"),
        (errno.EIO, "The system cannot work with a/b (Input/output error): check its disk"),
    ],
)
def test_errors_that_a_test_cannot_cause_everywhere(number, words):
    sentence, code = explain(OSError(number, os.strerror(number), "a/b"))
    assert words in sentence and "a/b" in sentence and code == WRONG


def test_memory_that_is_too_small():
    too_large = raised(lambda: torch.empty(2**55))
    for error in (MemoryError(), too_large, torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")):
        sentence, code = explain(error)
        assert "choose a smaller --size or --batch-size" in sentence and code == WRONG, error


def test_letters_that_cannot_be_read_or_written():
    sentence, code = explain(raised(lambda: "Käse".encode("latin-1").decode()))
    assert "save its file in UTF-8" in sentence and "xe4" in sentence and code == WRONG
    sentence, code = explain(raised(lambda: "車".encode("cp1252")))
    assert "set PYTHONIOENCODING to utf-8" in sentence and code == WRONG


def test_packages_that_are_missing():
    def load():
        import a_package_that_nobody_has  # noqa: F401

    sentence, code = explain(raised(load))
    assert "`pip install a_package_that_nobody_has`" in sentence and code == WRONG


def test_an_error_of_a_worker_process_has_its_number_in_words():
    sentence, code = explain(PermissionError(f"[Errno {errno.EACCES}] Permission denied: 'a/b.jpg'"))
    assert sentence.startswith("a/b.jpg may not be opened") and code == WRONG


@pytest.mark.parametrize(
    "error",
    [
        ValueError("shapes (3,) and (4,)\nnot aligned"),
        KeyError("x"),
        AssertionError(),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OSError("no number"),
        RecursionError(),
        ImportError("cannot import name", name="carvana_lessons.models"),
    ],
)
def test_what_is_not_known_is_a_fault_of_the_package(error):
    sentence, code = explain(error)
    assert "This is a fault of carvana-lessons" in sentence and "--debug" in sentence and code == OUR_FAULT
    assert type(error).__name__ in sentence and "\n" not in sentence


def test_a_value_that_somebody_typed_is_no_fault_of_the_package():
    for action, words in [
        (lambda: models.create("unet-huge"), "the course has unet-tiny"),
        (lambda: models.create("unet", width=0), "take 1 or more"),
        (lambda: models.create("segnet", weights="carvana"), f"only of {', '.join(models.shipped())}"),
    ]:
        error = raised(action)
        assert isinstance(error, ValueError) and words in explain(error)[0] and explain(error)[1] == WRONG
