"""Publish a fork: replace the repository's address in every file that names it."""

import re
from pathlib import Path

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing

ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")
CONFIG = re.compile(r"^repository:\n(?:[ #].*\n)*?  url: (\S+)$", re.MULTILINE)


def set_repository(root: str | Path, address: str) -> list[Path]:
    """Put a repository's address in place of the one that `_config.yml` names, there, in README.md and in book/.

    It is the address of every page's buttons, of the first cell of each chapter and in the texts.

    Args:
        root: the course's folder.
        address: https://github.com/OWNER/NAME

    Returns:
        the files that changed.

    Raises:
        CarvanaError: for an address that is not a GitHub repository, or a folder that is not the course's.
    """
    root, address = Path(root), address.removesuffix("/").removesuffix(".git")
    if not ADDRESS.fullmatch(address):
        raise CarvanaError(f"{address} is no repository address; write it as https://github.com/OWNER/NAME.")
    config = root / "_config.yml"
    found = CONFIG.search(_read(config)) if config.is_file() else None
    if found is None:
        raise CarvanaError(f"{root} holds no _config.yml with a repository's url; go to the course's folder.")
    old = re.compile(re.escape(found[1]) + r"(?![\w-])")  # not the beginning of a longer name
    files = [
        root / "README.md",
        *sorted((root / "book").rglob("*.md")),
        *sorted((root / "book").glob("*.ipynb")),
        config,  # last, for it says what to look for: after a failure the same call does the rest
    ]
    changed = []
    for file in files:
        text = _read(file)
        wanted = old.sub(address, text)
        if wanted != text:
            with replacing(file) as temporary:
                temporary.write_text(wanted, encoding="utf-8", newline="\n")
            changed.append(file)
    return changed


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise CarvanaError(f"{file} cannot be read as UTF-8 text ({error}): put the course's own file back.") from error
