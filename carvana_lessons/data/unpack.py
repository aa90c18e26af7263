"""Unpack an archive: nothing outside the target folder, no incomplete file, nothing twice."""

from __future__ import annotations

import calendar
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from carvana_lessons.utils.errors import CarvanaError, ExistsError
from carvana_lessons.utils.files import make_folder
from carvana_lessons.utils.progress import bar

LITTER = {"__MACOSX", ".DS_Store", "Thumbs.db"}


def unpack(archive: Path, out: Path, target: Path) -> None:
    """Unpack a zip file into ``out``; files that are complete are skipped, so an interrupted run continues.

    Every member is written beside its place and renamed when it is whole (its checksum is verified on the way). It
    gets the modification time of the archive: files that are unpacked again have the same fingerprint.

    Args:
        archive: the zip file.
        out: the folder that its top folder goes to.
        target: where members without a folder go: a folder, or the one file that the archive holds.

    Raises:
        CarvanaError: before anything is written, if a member's path leads out of ``out`` or is a link, another file is
            in the place of one, or the disk is too small.
        zipfile.BadZipFile: if the archive is damaged.
    """
    with zipfile.ZipFile(archive) as box:
        members = [m for m in box.infolist() if not m.is_dir() and not LITTER & set(PurePosixPath(m.filename).parts)]
        places = [_place(m, archive, out, target) for m in members]
        todo = [
            (m, place)
            for m, place in zip(members, places, strict=True)
            if _is_missing(place, m.file_size, partial(box.open, m))
        ]
        make_folder(out)
        need, free = sum(m.file_size for m, _ in todo), shutil.disk_usage(out).free
        if need > free:
            raise CarvanaError(
                f"{archive.name} unpacks to {need / 1e9:.1f} GB and the disk of {out} has {free / 1e9:.1f} GB free: "
                "free some or choose a folder on a larger disk."
            )
        for member, place in bar(todo, desc=f"unpacking {archive.name}", unit="file"):
            with box.open(member) as source:
                _write(source, place, _time(member))


def copy_in(place: Path, target: Path) -> None:
    """Copy a file, or a folder that came unpacked, to ``target``; files that are complete are skipped.

    Args:
        place: the file or folder to copy.
        target: where it goes.

    Raises:
        CarvanaError: if the download left nothing at ``place``.
        ExistsError: if another file is in the place of one.
    """
    if not place.exists():
        raise CarvanaError(f"{target.stem} could not be fetched, the download left nothing at {place}: run it again.")
    if place.is_file():
        pairs = [(place, target)]
    else:
        top = place / target.name if (place / target.name).exists() else place
        # a table handed over as a folder with the table in it, or a folder of photos
        pairs = (
            [(top, target)]
            if top.is_file()
            else [(file, target / file.relative_to(top)) for file in sorted(top.rglob("*")) if file.is_file()]
        )
    todo = [(file, to) for file, to in pairs if _is_missing(to, file.stat().st_size, partial(file.open, "rb"))]
    for file, to in bar(todo, desc=f"copying {target.name}", unit="file"):
        with file.open("rb") as source:
            _write(source, to, int(file.stat().st_mtime))


def _is_missing(place: Path, size: int, source: Callable[[], BinaryIO]) -> bool:
    """Whether a file is still to be written: it is missing, or only its beginning is there.

    Args:
        place: where it goes.
        size: of the whole, in bytes.
        source: opens the whole.

    Raises:
        ExistsError: for another file in its place, a link or a folder: these belong to the user.
    """
    if not os.path.lexists(place):
        return True
    if place.is_file() and place.stat().st_size == size:
        return False
    if place.is_file() and not place.is_symlink() and place.stat().st_size < size:
        begun = place.read_bytes()
        with source() as whole:
            if whole.read(len(begun)) == begun:
                return True
    raise ExistsError(
        f"{place} is another file than the challenge's, and stays: move it away and run the download again, or choose "
        "another folder."
    )


def _place(member: zipfile.ZipInfo, archive: Path, out: Path, target: Path) -> Path:
    """Where a member goes; an error that names it if that is not inside ``out``."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    link = stat.S_ISLNK(member.external_attr >> 16)
    if link or path.is_absolute() or ".." in path.parts or ":" in member.filename:
        what = "is a link" if link else "leads out of the folder"
        raise CarvanaError(
            f"{archive.name} is not the challenge's archive: its member {member.filename!r} {what}; nothing was "
            "unpacked, delete the archive and download it again."
        )
    if len(path.parts) > 1:
        return out.joinpath(*path.parts)
    return target if target.suffix else target / path.name


def _time(member: zipfile.ZipInfo) -> int:
    """A member's time, in seconds, the same in every time zone; an archive without one has month 0."""
    year, month, *rest = member.date_time
    return calendar.timegm((year, min(max(month, 1), 12), *rest))


def _write(source: BinaryIO, place: Path, time: int) -> None:
    """Copy an open file to ``place`` by way of a temporary name.

    Not ``files.replacing``: its files are private to their owner, and a class may share these. The temporary name is
    always the same, so what a killed run left is overwritten by the next one and never lies among the photos.
    """
    make_folder(place.parent)
    temporary = place.with_name(f".{place.name}.part")
    try:
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        os.utime(temporary, (time, time))
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)
