"""Decode every photo once: a uint8 copy at training size on disk, mapped into memory instead of loaded.

Decoding a photo and its mask takes about 10 ms, reading a row of the copy 0.02 ms. The operating system keeps the rows
in use in memory and drops them when it needs the room, so the copy may be larger than memory.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.images import read_pair
from carvana_lessons.utils.archive import archive, restore
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.folders import building, discard
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.measure import cores
from carvana_lessons.utils.paths import cache_folder
from carvana_lessons.utils.progress import bar
from carvana_lessons.utils.wording import counted

FORMAT = 2  # counts up when what is stored changes, so that older copies are no longer found
SHARE = 0.8  # of the free disk that one copy may take


def cache(cars: CarFolder, size: int | tuple[int, int], workers: int | None = None) -> Path:
    """Build the decoded copy of a folder at one size, or return the existing one.

    The copy is of the *whole* folder, so that the parts of a split share it: photo ``i`` of a part is row
    ``part[i].index``. It is keyed on folder, size and the files' names, sizes and times; a change to any of them
    builds it again and removes the old one. It appears under its name only when it is complete. If several
    processes need it, one decodes and the others wait; if that one is killed, the next one decodes.
    With ``keep`` of `course.start`, a small copy is archived there and restored in the next session.

    Args:
        cars: the folder, or any part of it.
        size: of the photos, (height, width), or one number for both.
        workers: threads that decode (Pillow releases the GIL meanwhile); None: up to 4.

    Returns:
        a folder with ``images.npy`` (N, h, w, 3) uint8 and, if there are masks, ``masks.npy`` (N, h, w) uint8.

    Raises:
        CarvanaError: if the copy would take more than 80 % of the free disk, or the disk runs full.
        DataError: if a file does not decode.

    Lesson:
        03.
    """
    whole, shape = cars.whole, as_size(size)
    home, group, key = _address(whole, shape)
    folder = home / f"{group}-{key}"
    if not _complete(folder, whole, shape):
        if not home.exists():
            _check_room(home, whole, shape)  # nothing is made where there is no room
        at_work = f"Another process is decoding these photos at {shape[0]}×{shape[1]}: waiting for its copy."
        with owned(folder, wait=at_work):
            _ensure(home, group, folder, whole, shape, workers)
    archive(folder)
    return folder


def _ensure(
    home: Path, group: str, folder: Path, whole: CarFolder, shape: tuple[int, int], workers: int | None
) -> None:
    """Build the copy, unless another process did so while this one waited."""
    if _complete(folder, whole, shape):
        return
    _remove_broken(folder, whole, shape)  # before the room is counted
    _check_room(home, whole, shape)
    if not (restore(folder) and _complete(folder, whole, shape)):
        _build(folder, whole, shape, workers or min(4, cores()))
    _tidy(home, group, keep=folder)


def _build(folder: Path, whole: CarFolder, shape: tuple[int, int], workers: int) -> None:
    _remove_broken(folder, whole, shape)
    try:
        with building(folder) as part:
            _fill(part, whole, shape, workers)
    except FileExistsError as error:  # another process was faster, and its copy is the same; or a broken one stayed
        if not _complete(folder, whole, shape):
            raise CarvanaError(
                f"The decoded copy {folder} is damaged and cannot be removed, most likely because another program has "
                "it open: close other notebooks and trainings, or decode on the fly with cached=False."
            ) from error


def as_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size given as one number or two.

    Args:
        size: side of a square, or (height, width).

    Returns:
        (height, width), in pixels.

    Raises:
        CarvanaError: if height or width is below 1.
    """
    height, width = (size, size) if isinstance(size, int | np.integer) else size
    if min(height, width) < 1:
        raise CarvanaError(f"A size is (height, width) in pixels, both at least 1, not {size}.")
    return int(height), int(width)


def open_cache(folder: Path, masks: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Map a copy into memory: images (N, h, w, 3) and masks (N, h, w), uint8; nothing is loaded yet.

    Writes into them stay in this process ("c", copy on write) and never reach the file.

    Args:
        folder: as `cache` makes it.
        masks: whether it has masks.

    Returns:
        images, and masks or None.
    """
    images = np.load(folder / "images.npy", mmap_mode="c")
    return images, np.load(folder / "masks.npy", mmap_mode="c") if masks else None


def _address(whole: CarFolder, shape: tuple[int, int]) -> tuple[Path, str, str]:
    """Where copies lie, what all copies of this folder at this size begin with, and the key of the present one."""
    index = whole._index
    rule = "" if index.rule is None else f"|{index.rule}"  # copies under two rules stand side by side
    place = hashlib.blake2b(f"{index.images}|{index.masks}{rule}".encode(), digest_size=4).hexdigest()
    group = f"{whole.root.name[:32]}-{place}-{shape[0]}x{shape[1]}"  # short enough for a name of a disk, with its key
    return cache_folder() / "photos", group, f"{whole.fingerprint}-{FORMAT}"


def _files(whole: CarFolder, shape: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    files = {"images.npy": (len(whole), *shape, 3)}
    return files | {"masks.npy": (len(whole), *shape)} if whole.has_masks else files


def _complete(folder: Path, whole: CarFolder, shape: tuple[int, int]) -> bool:
    """True if the copy is there with all its bytes; a full disk or a manual change may have left fewer."""
    try:
        return all(
            np.load(folder / name, mmap_mode="r").shape == dimensions
            for name, dimensions in _files(whole, shape).items()
        )
    except (OSError, ValueError, EOFError):
        return False


def _check_room(home: Path, whole: CarFolder, shape: tuple[int, int]) -> None:
    need = sum(int(np.prod(dimensions, dtype=np.int64)) for dimensions in _files(whole, shape).values())
    there = next(p for p in (home, *home.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if need > SHARE * free:
        raise CarvanaError(
            f"Decoded copies of {counted(len(whole), 'photo')} at {shape[0]}×{shape[1]} take {need / 1e9:,.1f} GB and "
            f"{there} has {free / 1e9:,.1f} GB free: take a smaller size, point CARVANA_CACHE to a larger disk, or "
            "decode on the fly with cached=False."
        )


def _fill(part: Path, whole: CarFolder, shape: tuple[int, int], workers: int) -> None:
    """Decode into the .npy files, row by row: only a few rows are in memory at a time."""
    with ExitStack() as stack:
        out = {}
        for name, dimensions in _files(whole, shape).items():
            out[name] = stack.enter_context((part / name).open("wb"))
            _write_header(out[name], dimensions)
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        progress = stack.enter_context(
            bar(total=len(whole), desc=f"decoding photos at {shape[0]}×{shape[1]}, once", unit="photo")
        )
        for image, mask in _decoded(pool, whole, shape, ahead=4 * workers):
            out["images.npy"].write(image.tobytes())
            if mask is not None:
                out["masks.npy"].write(mask.tobytes())
            progress.update()
        for file in out.values():
            file.flush()
            os.fsync(file.fileno())


def _decoded(
    pool: ThreadPoolExecutor, whole: CarFolder, shape: tuple[int, int], ahead: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The pairs in order, at most ``ahead`` of them under way (``pool.map`` would queue, and keep, all)."""
    waiting = deque()
    try:
        for photo in whole:
            waiting.append(pool.submit(read_pair, photo, shape))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _write_header(file: BinaryIO, dimensions: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": dimensions})


def _remove_broken(folder: Path, whole: CarFolder, shape: tuple[int, int]) -> None:
    """Remove a copy that lost bytes, in one step; one that another process has finished stays."""
    if _complete(folder, whole, shape):
        return
    discard(folder)


def _tidy(home: Path, group: str, keep: Path) -> None:
    """Remove older copies of the same folder and size, and what killed processes left more than a day ago."""
    for old in home.glob(f"{glob.escape(group)}-*"):
        if old != keep:
            discard(old)  # where a reader on Windows still holds it, it goes next time
    for part in home.glob(f".{glob.escape(group)}-*.part"):
        with suppress(FileNotFoundError):  # another process has just finished it
            if time.time() - part.stat().st_mtime > 86400:
                shutil.rmtree(part, ignore_errors=True)
    for lock in home.glob(f".{glob.escape(group)}-*.lock"):
        with suppress(OSError):  # of a killed run, for a copy that nobody builds any more
            if lock.name != f".{keep.name}.lock" and time.time() - lock.stat().st_mtime > 86400:
                lock.unlink()
