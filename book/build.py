"""Execute every chapter once, as a test, and build the book from those outputs.

    python book/build.py             what `make book` runs
    python book/build.py --fresh     execute everything again
    python book/build.py --strict    stop, without pages, when a chapter fails

A chapter that fails is told, on its page and at the end, and the others are built all the same; the exit code is then 1.

Work happens in ``build/``: ``build/book`` is a copy of ``book/`` whose notebooks are executed by nbmake, ``build/html``
the pages. A chapter is executed again when its own text, the package, the photos or the scale changed, and not
otherwise; ``build/executed.json`` remembers from what each was made and how many seconds it took. The notebooks in
``book/`` themselves are never written to. jupyter-cache, with which Jupyter Book executes, is not enough: it executes a
notebook again when its code changed, and not when the package, the photos or the scale did.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

import downloads
import psutil
from _ext.contents import left_out

ROOT = Path(__file__).resolve().parent.parent
SOURCE, BUILD = ROOT / "book", ROOT / "build"
COPY, HTML = BUILD / "book", BUILD / "html"
RECORD = BUILD / "executed.json"
# A hung cell is an error, a slow machine is not.
SECONDS_PER_CELL = 1200
DATA = re.compile(r" · data: (.+?) · seed \d")  # in the line that `course.start` prints
GIB_PER_CHAPTER = 3
# Where nothing is known of the times yet, as in a fresh checkout; another order costs a minute and nothing else.
LONG = {"11-your-own-photos", "07-dilated-convolution", "05-segnet-unpooling"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true", help="execute every chapter again")
    parser.add_argument("--strict", action="store_true", help="stop when a chapter fails")
    options = parser.parse_args()
    if options.fresh:
        shutil.rmtree(BUILD, ignore_errors=True)
    # A build that is stopped also stops the chapters that it executes, or they would disturb the next build.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    from carvana_lessons import course  # here, so that --help needs no torch
    from carvana_lessons.utils.device import find_device
    from carvana_lessons.utils.errors import CarvanaError

    try:
        cars = course.open_photos()  # makes the studio's photos when they are missing
        device = find_device()
        scale = course.scale_name(device)
    except CarvanaError as error:
        print(f"book: {error}", file=sys.stderr)
        return 1
    print(f"Photos: {course.describe_data(cars)}.")
    if names := left_out(SOURCE):
        print(f"Left out, for book/_toc.yml does not name it: {', '.join(names)}.")
    run = {"device": device, "scale": scale, "data": course.describe_data(cars)}
    setting = digest_of_text(cars.fingerprint, os.environ.get("CARVANA_GROUP", ""), *run.values(), package_digest())
    record = load_record()
    stale = copy_sources(record, setting)
    # An absolute path: a kernel starts in the notebook's folder, not where the command was typed.
    places = {"CARVANA_DATA": str(cars.root)} if "CARVANA_DATA" in os.environ else {}
    if os.environ.get("CARVANA_MASKS"):
        places["CARVANA_MASKS"] = str(cars.mask_folder)
    environment = os.environ | places
    failed = execute(stale, record, run, environment) if stale else {}
    if failed and options.strict:
        report(failed, "--strict: no pages were made.")
        return 1
    code = build_pages()
    if failed:
        report(failed, "The pages of these chapters say where they stopped; they are executed again by the next build.")
    return code or bool(failed)


def report(failed: dict[str, str], what_now: str) -> None:
    for name, error in failed.items():
        print(f"book: {name} failed: {error}", file=sys.stderr)
    print(f"book: {what_now}", file=sys.stderr)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of_text(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, except caches, checkpoints and hidden files."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts)
    )


def digest_of_tree(folder: Path) -> str:
    """A hash of the names and contents of all files."""
    return digest_of_text(*(f"{path.relative_to(folder)} {digest(path)}" for path in files_of(folder)))


def package_digest() -> str:
    """The package and the versions it runs with: the numbers of a page depend on them besides the chapter itself."""
    versions = [f"{name} {version(name)}" for name in ("torch", "torchvision", "numpy", "pillow", "matplotlib")]
    return digest_of_text(sys.version, *versions, digest_of_tree(ROOT / "carvana_lessons"))


def key(notebook: Path, setting: str) -> str:
    """A hash of all that an execution of a notebook depends on; result tables count where they are loaded."""
    text = notebook.read_text(encoding="utf-8")
    tables = digest_of_tree(SOURCE / "results") if "load_results(" in text else ""
    return digest_of_text(text, setting, tables)


def load_record() -> dict[str, dict]:
    try:
        return json.loads(RECORD.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def copy_sources(record: dict[str, dict], setting: str) -> dict[Path, str]:
    """Bring ``build/book`` in line with ``book``; return the copies that must be executed, and the key of each.

    The keys are of the moment of copying: a source that is edited while its copy runs is stale afterwards. A notebook
    that the table of contents does not name is copied, so that a link to it is known, and not executed.
    """
    sources, chapters = files_of(SOURCE), downloads.notebooks(SOURCE)
    wanted = {p.relative_to(SOURCE) for p in sources}
    for old in [p for p in COPY.rglob("*") if p.is_file()] if COPY.exists() else []:
        if old.relative_to(COPY) not in wanted:
            old.unlink()
    stale = {}
    for source in sources:
        name = source.relative_to(SOURCE)
        copy = COPY / name
        if source.suffix == ".ipynb" and source not in chapters:
            if copy.exists():  # executed before, maybe, and so it stays: it may come back
                continue
        elif source.suffix == ".ipynb":
            made_from = key(source, setting)
            if copy.exists() and record.get(str(name), {}).get("key") == made_from:
                continue
            stale[copy] = made_from
        elif copy.exists() and digest(copy) == digest(source):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    return stale


def photos_of(notebook: Path, usual: str) -> str:
    """The photos that an executed chapter named in its first line: a chapter may have some of its own."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    told = ("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))
    found = (DATA.search(text) for text in told)
    return next((line[1] for line in found if line), usual)


def execute(
    stale: dict[Path, str], record: dict[str, dict], run: dict[str, str], environment: dict[str, str] | None
) -> dict[str, str]:
    """Run nbmake over the copies and remember what came of each; return the failed ones with their errors."""
    count = len(downloads.notebooks(COPY))
    print(f"Executing {len(stale)} of {count} chapters.", flush=True)
    jobs, threads = side_by_side(run["device"], len(stale))
    environment = dict(os.environ if environment is None else environment)
    if threads:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    junit = BUILD / "nbmake.xml"
    junit.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "--nbmake", "--overwrite", f"--nbmake-timeout={SECONDS_PER_CELL}"]
    command += ["-p", "no:cacheprovider", "--durations=0", "--durations-min=0.1", f"--junitxml={junit}"]
    command += [f"--numprocesses={jobs}", "--maxschedchunk=1", "--verbose"] if jobs > 1 else []
    # The longest first: the last one to end should be short.
    chapters = sorted(stale, key=lambda p: (-record.get(name_of(p), {}).get("seconds", 0), p.stem not in LONG))
    code = subprocess.run([*command, *map(str, chapters)], cwd=ROOT, env=environment, check=False).returncode
    cases = (
        {Path(case.get("name", "")).stem: case for case in ET.parse(junit).iter("testcase")} if junit.exists() else {}
    )
    failed = {}
    for copy, made_from in stale.items():
        case = cases.get(copy.stem)
        drop_empty_outputs(copy)
        if case is not None and case.find("failure") is None and case.find("error") is None:
            seconds = round(float(case.get("time", 0)), 1)
            record[name_of(copy)] = {"key": made_from, "seconds": seconds, **run, "data": photos_of(copy, run["data"])}
        else:
            error = where_it_stopped(copy) or last_words(case) or f"pytest ended with {code}"
            failed[name_of(copy)] = error
            record[name_of(copy)] = {"error": error, **run}
    RECORD.write_text(json.dumps(record, indent=1), encoding="utf-8", newline="\n")
    junit.unlink(missing_ok=True)
    return failed


def side_by_side(device: str, chapters: int) -> tuple[int, int]:
    """How many chapters run at a time, and with how many threads each; 0 threads: as torch likes.

    On a shared machine a chapter's threads wait for each other: four busy threads on two cores take much more than
    twice as long as two. So each chapter has few threads, and the cores get several chapters. A GPU has one at a time.
    """
    from carvana_lessons.utils import measure  # here, so that --help needs no torch

    if device != "cpu":
        return 1, 0
    cores = measure.cores()
    free = psutil.virtual_memory().available / 2**30
    jobs = max(1, min(cores, 4, chapters, int(free // GIB_PER_CHAPTER)))
    return jobs, max(1, cores // jobs)


def name_of(copy: Path) -> str:
    return copy.relative_to(COPY).as_posix()


def last_words(case: ET.Element | None) -> str | None:
    """What is told of a chapter that left no notebook behind: its kernel died, say."""
    if case is None:
        return None
    faults = [*case.iter("failure"), *case.iter("error")]
    text = "\n".join(fault.text or "" for fault in faults)
    plain = re.sub(r"(\x1b|#x1B)\[[0-9;]*m", "", text)  # colours
    lines = [line.strip() for line in plain.splitlines()]
    # The first line is a heading of nbmake's in capitals.
    return next((line for line in lines if line.upper() != line), None)


def where_it_stopped(notebook: Path) -> str | None:
    """The error that ended an executed notebook, and the section in which it stands."""
    section = "the first section"
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        lines = "".join(cell["source"]).splitlines()
        if cell["cell_type"] == "markdown":
            headings = [line.lstrip("# ") for line in lines if line.startswith("#")]
            section = f"the section “{headings[-1]}”" if headings else section
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                said = " ".join(output["evalue"].split())
                # An assertion without words: its line says what was not so.
                said = said or next((line.strip() for line in lines if "assert" in line), "")
                return f"{output['ename']} in {section}" + (f": {said[:300]}" if said else "")
    return None


def drop_empty_outputs(notebook: Path) -> None:
    """Remove outputs that a page cannot use: remains of progress bars, and widgets that need a kernel.

    An output with nothing in it is a gap in the page; of a cell tagged ``remove-cell``, which the page does not show,
    the widget would still load its scripts from an external server.
    """
    from carvana_lessons.training.cached import WAITING  # of the chapter beside it; here: --help needs no torch

    text = json.loads(notebook.read_text(encoding="utf-8"))
    text["metadata"].pop("widgets", None)
    for cell in text["cells"]:
        live = "remove-cell" in cell["metadata"].get("tags", [])
        for output in cell.get("outputs", []):
            if "text" in output:
                lines = "".join(output["text"]).splitlines(keepends=True)
                output["text"] = [line for line in lines if not line.startswith(WAITING)]
        if cell["cell_type"] == "code":
            cell["outputs"] = [
                output
                for output in cell["outputs"]
                if not live
                and output.get("text", True)
                and "".join(output.get("data", {}).get("text/html", "something"))
            ]
    notebook.write_text(json.dumps(text, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")


def build_pages() -> int:
    """HTML from the executed copy, with every warning an error; skipped when it would change nothing."""
    import landing_picture  # here, so that --help needs no torch
    import network_files

    landing_picture.make(COPY / "_static" / "landing.webp")
    network_files.make(COPY / "network")
    stamp = HTML / ".made-from"
    inputs = digest_of_text(
        digest_of_tree(COPY),
        *(digest(file) for file in (ROOT / "_config.yml", ROOT / "pyproject.toml", RECORD)),
        package_digest(),
        os.environ.get("COLAB_SEEN", ""),
    )
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != inputs:
        # Again each time: Sphinx forgets the warnings of pages it does not read again.
        output = BUILD / "pages"
        shutil.rmtree(output, ignore_errors=True)
        shutil.copyfile(ROOT / "_config.yml", COPY / "_config.yml")
        downloads.make(ROOT, BUILD / "downloads")
        command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
        command += ["build", str(COPY), "-W", "-n", "--keep-going"]
        command += ["--path-output", str(output), "--quiet"]
        made = subprocess.run(command, cwd=BUILD, check=False)
        if made.returncode:
            return made.returncode
        shutil.rmtree(HTML, ignore_errors=True)
        (output / "_build" / "html").rename(HTML)
        downloads.publish(BUILD / "downloads", SOURCE, HTML)
        shutil.rmtree(output)
        (COPY / "_config.yml").unlink()
        stamp.write_text(inputs, encoding="utf-8", newline="\n")
    print(f"The book: {(HTML / 'index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
