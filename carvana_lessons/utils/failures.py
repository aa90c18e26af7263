"""What the command line says of an exception, and with which code it ends.

click does this for its own exceptions alone; every other one is a traceback there.
"""

import sys
from pathlib import Path

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.os_errors import explain_system

WRONG, WRONG_USAGE, OUR_FAULT, STOPPED = 1, 2, 70, 130  # 70 is EX_SOFTWARE of sysexits.h, 130 what shells give Ctrl-C


def explain(error: BaseException) -> tuple[str, int]:
    """One sentence and an exit code.

    What is the user's to mend (files, disks, settings, memory) is said with its cure. What is not known is a fault of
    the package, and is called one.

    Args:
        error: what was raised.

    Returns:
        the sentence, and the exit code.
    """
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "Stopped.", STOPPED
    if isinstance(error, CarvanaError):
        return str(error), WRONG
    known = _known(error)
    if known is not None:
        return f"{known}.", WRONG
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"This is a fault of carvana-lessons, not of what you typed ({what}): run the same command with --debug, and "
        "report what it prints."
    ), OUR_FAULT


def _known(error: BaseException) -> str | None:
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_folder():
        return "The folder that you are in was removed: change to another one"
    if isinstance(error, OSError):
        return explain_system(error)
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        return "The memory is too small for this: choose a smaller --size or --batch-size, or end other programs"
    if isinstance(error, UnicodeEncodeError):
        letters = ascii(error.object[error.start : error.end][:10])
        return f"{letters} cannot be written in {error.encoding}: set PYTHONIOENCODING to utf-8"
    if isinstance(error, UnicodeDecodeError):
        around = error.object[max(0, error.start - 20) : error.end + 20]
        return f"A text that was read is not written in {error.encoding}, near {around!r}: save its file in UTF-8"
    if isinstance(error, ImportError) and error.name and not error.name.startswith("carvana_lessons"):
        name = error.name.partition(".")[0]
        return f"The package {name} is missing or broken ({error}): install it again with `pip install {name}`"
    return None


def _has_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _is_out_of_memory(error: BaseException) -> bool:
    if "torch" not in sys.modules:
        return False
    from carvana_lessons.utils.device import is_out_of_memory

    return is_out_of_memory(error)
