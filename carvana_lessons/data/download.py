"""Download the challenge's photos from Kaggle, file by file (about 24 GB in all; the training set is half a GB)."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from carvana_lessons.data.credentials import (
    NEW,
    SETTINGS,
    TOKEN,
    credentials_fault,
    credentials_file,
    credentials_source,
)
from carvana_lessons.data.folder import CarFolder
from carvana_lessons.data.unpack import copy_in, unpack
from carvana_lessons.utils.connection import explain_connection
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import NO_ROOM
from carvana_lessons.utils.locking import owned
from carvana_lessons.utils.os_errors import explain_system
from carvana_lessons.utils.paths import expand

SLUG = "carvana-image-masking-challenge"
PAGE = f"https://www.kaggle.com/competitions/{SLUG}"

# What can be asked for, and about how many bytes it unpacks to. JPEG and GIF hardly shrink in an archive, so that is
# what is fetched, too. Approximate, on the safe side; an archive that has arrived is measured before it is unpacked.
FILES = {
    "train": 0.6e9,
    "train_masks": 0.04e9,
    "train_hq": 1.2e9,
    "test": 11e9,
    "test_hq": 22e9,
    "metadata": 0.001e9,
    "train_masks_csv": 0.03e9,
    "sample_submission": 0.003e9,
}
TABLES = {  # Kaggle delivers tables under either name
    "metadata": ("metadata.csv", "metadata.csv.zip"),
    "train_masks_csv": ("train_masks.csv", "train_masks.csv.zip"),
    "sample_submission": ("sample_submission.csv", "sample_submission.csv.zip"),
}

Fetch = Callable[[str], str | Path]


def download(
    out: str | Path,
    files: Sequence[str] = ("train", "train_masks", "metadata"),
    fetch: Fetch | None = None,
) -> Path:
    """Download files of the challenge with kagglehub, unpack them into ``out`` and check the folder.

    Needs a Kaggle account that has accepted the challenge's rules. May be run again after an interruption: kagglehub
    resumes the file in progress, and unpacked files are skipped. The archives stay in kagglehub's cache (by default
    ``~/.cache/kagglehub``, or the folder that KAGGLEHUB_CACHE names); they may be deleted afterwards.

    Args:
        out: the folder to fill; ``data.CarFolder(out)`` opens it afterwards.
        files: any of ``train, train_masks, train_hq, test, test_hq, metadata, train_masks_csv, sample_submission``.
        fetch: takes the name of a file of the challenge and returns where it lies on this disk; None: kagglehub.

    Returns:
        ``out``, absolute.

    Raises:
        CarvanaError: if kagglehub or the credentials are missing, the rules have not been accepted, the disk is too
            small, the network fails, or an archive is damaged or would write outside ``out``; one sentence with the
            cure.
        DataError: if the folder is not complete afterwards.

    Lesson:
        01.
    """
    files = [files] if isinstance(files, str) else list(files)
    if unknown := [name for name in files if name not in FILES]:
        raise CarvanaError(f"The challenge has no {', '.join(unknown)}; choose from {', '.join(FILES)}.")
    out = expand(out).absolute()
    fetch = fetch or _kagglehub()
    _check_room(out, files)
    for name in files:
        try:
            place = _fetch(fetch, TABLES.get(name, (f"{name}.zip",)))
            target = out / TABLES[name][0] if name in TABLES else out / name
            with owned(out):
                if place.is_dir() or not _is_archive(place, name):
                    copy_in(place, target)
                else:
                    unpack(place, out, target)
        except CarvanaError:
            raise
        except Exception as error:
            # Without its cause: a cell would print that with addresses that are signed, and keep them in the notebook.
            raise _explained(error, name, out) from None
    for images in ("train", "train_hq", "test", "test_hq"):
        if images in files and (images.startswith("test") or (out / "train_masks").is_dir()):
            CarFolder(out, images=images, masks=None if images.startswith("test") else "train_masks")
    return out


def _kagglehub() -> Fetch:
    """kagglehub's download of one file of the challenge."""
    try:
        import kagglehub
    except ImportError as error:
        raise CarvanaError(
            "The download needs the package kagglehub, which is not installed: run `pip install kagglehub`."
        ) from error
    except RuntimeError as error:  # it looks for its cache at once
        raise CarvanaError("This user has no home folder here: set HOME to a folder that may be written to.") from error
    return lambda path: kagglehub.competition_download(SLUG, path=path)


def _fetch(fetch: Fetch, names: Sequence[str]) -> Path:
    """The first of these names that the challenge has."""
    for i, name in enumerate(names):
        try:
            return Path(fetch(name))
        except Exception as error:
            if _status(error) != 404 or i == len(names) - 1:
                raise
    raise AssertionError("no names")


def _is_archive(place: Path, name: str) -> bool:
    """Whether an archive came; a table may come as it is.

    Raises:
        CarvanaError: for a web page instead, which networks that require a login send.
        zipfile.BadZipFile: for a file that is neither.
    """
    if zipfile.is_zipfile(place):
        return True
    if place.is_file():
        with place.open("rb") as file:
            begin = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if begin.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
            raise CarvanaError(
                f"A web page came instead of {name}, most likely where this network or its proxy wants a login: log in "
                f"with a browser, delete {place}, and run the download again."
            )
        if name not in TABLES:
            raise zipfile.BadZipFile("no zip file")
    return False


def _check_room(out: Path, files: Sequence[str]) -> None:
    """Archive and unpacked files lie side by side for a while, most often on the same disk."""
    there = next(p for p in (out, *out.parents) if p.exists())
    need = sum(FILES[name] * (1 if name in TABLES or (out / name).is_dir() else 2) for name in files)
    total, _, free = shutil.disk_usage(there)
    if not total and not free:  # /proc, for example
        raise CarvanaError(f"{out} lies where no file can be kept: choose a folder on a disk.")
    if need > free:
        raise _no_room(out, f"about {need / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free")


def _no_room(out: Path, why: str) -> CarvanaError:
    return CarvanaError(
        f"The disk of {out} is too small ({why}): free some, choose a folder on a larger disk (KAGGLEHUB_CACHE moves "
        "the archives, too), or ask for fewer files."
    )


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an exception of requests or kagglehub."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _explained(error: Exception, name: str, out: Path) -> CarvanaError:
    """The sentence for what went wrong; by name, since kagglehub's classes have moved about between its versions."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return _no_room(out, f"it ran full at {name}")
    source, fault = credentials_source(), credentials_fault()
    found = explain_connection(error, "Kaggle", name, "REQUESTS_CA_BUNDLE")
    if found and not (source and fault):
        return CarvanaError(f"{found}, and run the download again; it continues where it stopped.")
    unknown = kinds & {"UnauthenticatedError", "CredentialError"} or "Kaggle credentials file" in str(error)
    if unknown or (source and fault):
        folder = credentials_file().parent
        default = f"{NEW} and set {TOKEN} to it, or put kaggle.json into {folder}; in Colab add it as a secret"
        return CarvanaError(f"Kaggle does not know who you are: {fault or default}.")
    there = f"put it into {source}" if "token" in (source or "").lower() else f"set {TOKEN} to it"
    rules = f'accept the rules of the challenge once at {PAGE}/rules (button "Join" or "Late Submission")'
    if _status(error) == 401:
        return CarvanaError(
            f"Kaggle does not accept {f'what {source} says' if source else 'your token'} (401): it is wrong or has "
            f"expired, make a new token at {SETTINGS} and {there}; if it is new, {rules}."
        )
    if _status(error) == 403:
        return CarvanaError(
            f"Kaggle refuses {name} (403): {rules}, and if you have done so, make a new token at {SETTINGS} and "
            f"{there}."
        )
    if _status(error) == 404:
        return CarvanaError(f"Kaggle has no file {name} any more: see {PAGE}/data for what there is.")
    if isinstance(error, zipfile.BadZipFile) or "DataCorruptionError" in kinds:
        return CarvanaError(
            f"The archive of {name} arrived damaged ({_without_secrets(str(error))}): delete it from kagglehub's cache "
            f"({_cache()}/competitions) and run the download again."
        )
    if isinstance(error, OSError) and (found := explain_system(error)):
        inside = str(_cache().expanduser()) in str(error.filename)
        where = " (KAGGLEHUB_CACHE names the folder of the archives)" if inside else ""
        return CarvanaError(f"{name} could not be fetched. {found}{where}; then run the download again.")
    what = f"{type(error).__name__}: {' '.join(_without_secrets(str(error)).split())}"
    return CarvanaError(f"{name} could not be fetched ({what}): run the download again.")


def _cache() -> Path:
    """Where kagglehub keeps archives."""
    return Path(os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub")


def _without_secrets(text: str) -> str:
    """An error's text without keys and tokens: the environment's, what looks like Kaggle's, signatures of addresses."""
    for name, value in os.environ.items():
        if name.startswith("KAGGLE") and name.endswith(("KEY", "TOKEN")) and value:
            text = text.replace(value, "…")
    text = re.sub(r"(?:KGAT_)?[0-9A-Fa-f]{32,}", "…", text)
    text = re.sub(r"(?i)\b(basic|bearer)\s+\S+", r"\1 …", text)
    text = re.sub(r"//[^/\s@]+@", "//…@", text)
    return re.sub(r"\?[^\s'\")]+", "?…", text)
