"""The parts of a submission: lines written so far, with a note of the settings, until it is complete.

Lesson:
    09.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from glob import escape
from itertools import zip_longest
from pathlib import Path

from carvana_lessons.data import CarFolder
from carvana_lessons.data.layout import listed
from carvana_lessons.prediction.manifest import difference, from_text
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import new_file, replacing
from carvana_lessons.utils.wording import counted

HEADER = "img,rle_mask"
OWN = {"shard", "lines"}  # of a note: what differs between the parts of one submission


def part_of(out: Path, k: int, n: int) -> Path:
    """The path of part k of n, k counted from 0.

    Args:
        out: the submission's file.
        k: number of the part, counted from 0.
        n: how many parts there are.

    Returns:
        the part's path, beside ``out``.
    """
    return out.with_name(f"{out.name}.{k + 1}-of-{n}.part")


def note_of(part: Path) -> dict:
    """The note of a part: how it was made.

    Args:
        part: its file.

    Returns:
        the note, as `manifest.from_text` reads it.

    Raises:
        CarvanaError: if it has none, like parts of older versions.
    """
    with part.open("rb") as file:
        note = from_text(file.readline())
    if note is None:
        raise CarvanaError(f"{part} does not say what it was made with, like parts of other versions: remove it.")
    return note


def rows(part: Path) -> Iterator[bytes]:
    """The whole lines of a part, after its note.

    Args:
        part: its file.

    Yields:
        a line with its line break.
    """
    with part.open("rb") as file:
        file.readline()
        yield from (line for line in file if line.endswith(b"\n"))


def lines_done(part: Path, photos: CarFolder, note: dict, overwrite: bool) -> int | None:
    """The number of complete lines that a killed run left; an incomplete last line is cut off. None if there are none.

    Args:
        part: its file.
        photos: all photos of the part, in their order.
        note: what would make it now.
        overwrite: start over where it was begun with other settings.

    Returns:
        how many lines are done, or None.

    Raises:
        CarvanaError: for a part that was begun with other settings, unless it is overwritten.
    """
    if not part.exists():
        return None
    told = ""
    try:
        told = difference(note_of(part), note)
        names = [line.split(b",")[0].decode("ascii", "replace") for line in rows(part)]
        if not told and names != [f"{photo.name}.jpg" for photo in photos[: len(names)]]:
            told = "other photos"
    except CarvanaError:
        if not overwrite:
            raise
        return None
    if told:
        if overwrite or not names:  # nothing was made with those settings
            return None
        raise CarvanaError(
            f"{part} was begun with other settings ({told}): repeat those, start again with --overwrite, or choose "
            "another name."
        )
    with part.open("rb+") as file:
        end = len(file.readline())
        file.truncate(end + sum(map(len, rows(part))))
    return len(names)


def verify(out: Path, parts: list[Path]) -> None:
    """Check that these are all the parts of one submission, each of them complete.

    Args:
        out: the submission's file.
        parts: their files.

    Raises:
        CarvanaError: for one that is missing, not complete, another one under its name, or made otherwise.
    """
    if missing := [part.name for part in parts if not part.exists()]:
        there = {
            p.name.rpartition("-of-")[2].removesuffix(".part") for p in out.parent.glob(f"{escape(out.name)}.*.part")
        }
        others = sorted(there - {str(len(parts))})
        hint = f" (there are parts of {' and of '.join(others)} shards)" if others else ""
        raise CarvanaError(f"Parts are missing: {listed(missing)}{hint}; run their shards first.")
    notes = [note_of(part) for part in parts]
    shared = [{key: value for key, value in note.items() if key not in OWN} for note in notes]
    for k, (part, note) in enumerate(zip(parts, notes, strict=True)):
        if told := difference(shared[0], shared[k]):
            raise CarvanaError(
                f"{part.name} was not made as {parts[0].name} was ({told}): run one of the two shards again, as the "
                "other and with --overwrite."
            )
        if note["shard"] != f"{k + 1}/{len(parts)}":
            raise CarvanaError(f"{part.name} holds shard {note['shard']}: give each part back its own name.")
        if (lines := sum(1 for _ in rows(part))) != note["lines"]:
            raise CarvanaError(
                f"{part.name} has {lines:,} of {counted(note['lines'], 'photo')}: run its shard again, it continues."
            )


def _joined(parts: list[Path]) -> Iterator[bytes]:
    yield f"{HEADER}\n".encode()
    for part in parts:
        yield from rows(part)


def join(out: Path, parts: list[Path], overwrite: bool) -> Path:
    """Write the submission, then remove its parts; after a kill in between, only the second step is repeated.

    Args:
        out: the submission's file.
        parts: their files, in order.
        overwrite: replace a submission that is there.

    Returns:
        ``out``.
    """
    if not _holds(out, parts):
        with replacing(new_file(out, overwrite)) as temporary, temporary.open("wb") as plain, ExitStack() as stack:
            # Without name and time in its header, so that the same lines are the same file.
            packed = gzip.GzipFile("", "wb", fileobj=plain, mtime=0) if _is_packed(out) else plain
            stack.enter_context(packed)
            packed.writelines(_joined(parts))
    for part in parts:
        part.unlink()
    return out


def _holds(out: Path, parts: list[Path]) -> bool:
    """Whether a submission is what its parts make."""
    if not out.is_file():
        return False
    try:
        with (gzip.open if _is_packed(out) else open)(out, "rb") as lines:
            return all(line == wanted for line, wanted in zip_longest(lines, _joined(parts)))
    except (OSError, EOFError, zlib.error):
        return False


def _is_packed(out: Path) -> bool:
    return out.suffix.lower() == ".gz"
