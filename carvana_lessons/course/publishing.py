"""Publish a fork: replace the repository's address in every file that names it."""

import re
from pathlib import Path

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing

ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
CONFIG = re.compile(r"^repository:\r?\n(?:[ #].*\n)*?  url: (\S+)\r?$", re.MULTILINE)
COMMAND = "course repository"  # a line that shows how this command is typed keeps its example
# What a text puts in place of a name: OWNER/NAME, your-name/your-repository.
PLACEHOLDERS = (
    re.compile(r"owner|user|(user|your)?[-_]?name|your[-_].*", re.IGNORECASE),
    re.compile(r"(your)?[-_]?name|your[-_].*", re.IGNORECASE),
)


def repository(root: str | Path) -> str:
    """The address that `_config.yml` names.

    Args:
        root: the course's folder.

    Returns:
        ``https://github.com/OWNER/NAME``, with the names of this copy.

    Raises:
        CarvanaError: for a folder that is not the course's.
    """
    config = Path(root) / "_config.yml"
    found = CONFIG.search(_read(config)) if config.is_file() else None
    if found is None:
        raise CarvanaError(f"{root} holds no _config.yml with a repository's url; go to the course's folder.")
    return found[1]


def set_repository(root: str | Path, address: str) -> list[Path]:
    """Put a repository's address in place of the one that `_config.yml` names, there, in README.md and in book/.

    It is the address of every page's buttons, of the first cell of each chapter and in the texts. A line that shows how
    to call this command stays as it is.

    Args:
        root: the course's folder.
        address: https://github.com/OWNER/NAME

    Returns:
        the files that changed.

    Raises:
        CarvanaError: for an address that is not a GitHub repository or still the example of one, or a folder that is
            not the course's.
    """
    root, address = Path(root), address.removesuffix("/").removesuffix(".git")
    parts = ADDRESS.fullmatch(address)
    if not parts:
        raise CarvanaError(f"{address} is no repository address; write it as https://github.com/OWNER/NAME.")
    if any(pattern.fullmatch(part) for pattern, part in zip(PLACEHOLDERS, parts.groups(), strict=True)):
        raise CarvanaError(f"{address} is the example of an address; take the one that your fork has on GitHub.")
    old = re.compile(re.escape(repository(root)) + r"(?!(?:\.(?!git\b))?[\w-])")  # not the beginning of a longer name
    files = [
        root / "README.md",
        *sorted((root / "book").rglob("*.md")),
        *sorted((root / "book").glob("*.ipynb")),
        root / "_config.yml",  # last, for it says what to look for: after a failure the same call does the rest
    ]
    changed = []
    for file in files:
        text = _read(file)
        lines = text.splitlines(keepends=True)
        wanted = "".join(line if COMMAND in line else old.sub(address, line) for line in lines)
        if wanted != text:
            with replacing(file) as temporary:
                temporary.write_bytes(wanted.encode())  # its own line ends
            changed.append(file)
    return changed


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except (UnicodeDecodeError, OSError) as error:
        raise CarvanaError(f"{file} cannot be read as UTF-8 text ({error}): put the course's own file back.") from error
