"""What the operating system refuses, as a sentence that names the file and the cure.

``os.strerror`` has words for each number, and no cure.
"""

import errno
import os
import re
from pathlib import Path

SYSTEM = {
    errno.ENOENT: "There is no {path}: check the name, and the current folder",
    errno.EACCES: "{path} may not be opened or written by this user: choose another place, or let its owner allow it",
    errno.EROFS: "{path} lies on a disk that cannot be written to: choose another place",
    errno.EISDIR: "{path} is a folder where a file is wanted: name a file",
    errno.ENOTDIR: "{path} leads through a file where a folder is wanted: check the name",
    errno.EEXIST: "{path} exists already: choose another name",
    errno.ENAMETOOLONG: "{path} is too long a name for this disk: choose a shorter one",
    errno.ELOOP: "{path} is a link that leads back to itself: remove it, or choose another name",
    errno.ENOSPC: "The disk has no room for {path}: free some, or choose another disk",
    errno.EMFILE: "This process may open no more files, {path} neither: choose fewer --workers, or raise `ulimit -n`",
}
IN_WORDS = re.compile(r"\[Errno (\d+)\] (.+?): '(.+)'$")  # as it comes from a worker process of torch
SYSTEM[errno.EPERM] = SYSTEM[errno.EACCES]
SYSTEM[getattr(errno, "EDQUOT", errno.ENOSPC)] = SYSTEM[errno.EFBIG] = SYSTEM[errno.ENOSPC]
SYSTEM[errno.ENFILE] = SYSTEM[errno.EMFILE]


def explain_system(error: OSError) -> str | None:
    """The sentence for an error of files and disks, without its full stop; None where it names no file.

    Args:
        error: what the operating system said.

    Returns:
        the sentence, or None.
    """
    names = (error.filename, error.filename2)
    path = next((os.fsdecode(name) for name in names if isinstance(name, str | bytes | os.PathLike)), None)
    number, told = error.errno, error.strerror
    if number is None and (found := IN_WORDS.match(str(error))):
        number, told, path = int(found[1]), found[2], found[3]
    if number == errno.ENOENT and path and any(parent.is_file() for parent in Path(path).parents):
        number = errno.ENOTDIR  # which Windows does not tell apart
    if number in SYSTEM and (path or number not in (errno.ENOENT, errno.EEXIST)):
        return SYSTEM[number].format(path=path or "what was to be written")
    if number is not None and path:
        return f"The system cannot work with {path} ({told}): check its disk, or choose another name"
    return None
