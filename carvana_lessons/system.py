"""What the operating system refuses, as a sentence that names the file and the cure."""

import errno
from pathlib import Path

SYSTEM = {
    errno.ENOENT: "There is no {path}: check the name, and the folder that you are in",
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
SYSTEM[errno.EPERM] = SYSTEM[errno.EACCES]
SYSTEM[getattr(errno, "EDQUOT", errno.ENOSPC)] = SYSTEM[errno.EFBIG] = SYSTEM[errno.ENOSPC]
SYSTEM[errno.ENFILE] = SYSTEM[errno.EMFILE]


def explain_system(error: OSError) -> str | None:
    """The sentence for an error of files and disks, without its full stop; None where it tells of no file."""
    path = next((str(p) for p in (error.filename, error.filename2) if isinstance(p, str | bytes)), None)
    number = error.errno
    if number == errno.ENOENT and path and any(parent.is_file() for parent in Path(path).parents):
        number = errno.ENOTDIR  # which Windows does not tell apart
    if number in SYSTEM and (path or number not in (errno.ENOENT, errno.EEXIST)):
        return SYSTEM[number].format(path=path or "what was to be written")
    if error.errno is not None and path:
        return f"The system cannot work with {path} ({error.strerror}): check its disk, or choose another name"
    return None
