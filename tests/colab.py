"""Does the course run in Colab? Three chapters, executed outside the repository with what Colab ships and no more.

    python tests/colab.py             what `make colab` runs
    python tests/colab.py --record    the same; then the page on Colab shows this day (book/colab-seen.txt)

``build/colab`` gets a virtual environment with the versions of ``colab.txt``, installed without their dependencies:
what Colab lacks is not there to be imported. It is kept until that list, Python or torch changes. Into it goes the
package as a wheel, the way a chapter's first cell installs it.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib.metadata import distribution
from pathlib import Path

from carvana_lessons.utils.measure import cores
from carvana_lessons.utils.paths import cache_folder

ROOT = Path(__file__).resolve().parent.parent
LIST, BUILD = ROOT / "tests" / "colab.txt", ROOT / "build" / "colab"
VENV, STAMP, WHEELS = BUILD / "venv", BUILD / "made-from", BUILD / "wheel"
PYTHON = VENV / "bin" / "python"
SEEN = ROOT / "book" / "colab-seen.txt"
CHAPTERS = ("01-the-task", "02-u-net", "05-segnet-unpooling")
SECONDS_A_CELL = 600
LENT = re.compile(r"(torch|torchvision|torchgen|functorch|triton|nvidia|cuda)(\W.*|_.*)?")
IMPORTED = """
import json, sys
from importlib.metadata import packages_distributions
owners, tops = packages_distributions(), {name.partition(".")[0] for name in list(sys.modules)}
print(json.dumps([carvana_lessons.__file__, sorted({owner for top in tops for owner in owners.get(top, [])})]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="note the day of a green run for the page on Colab")
    options = parser.parse_args()
    began = time.perf_counter()
    make_environment()
    install(build_wheel())
    jobs = min(len(CHAPTERS), cores())
    with tempfile.TemporaryDirectory(prefix="colab-") as folder, ThreadPoolExecutor(jobs) as pool:
        # A cache of their own: trainings that other chapters left would be taken from there. The photos are shared.
        (cache_folder() / "studio").mkdir(parents=True, exist_ok=True)
        own = Path(folder) / "cache"
        own.mkdir()
        (own / "studio").symlink_to(cache_folder() / "studio", target_is_directory=True)
        threads = max(1, cores() // jobs)
        list(pool.map(lambda chapter: execute(chapter, Path(folder), own, threads), CHAPTERS))
    print(f"Colab: {len(CHAPTERS)} chapters in order, {time.perf_counter() - began:.0f} s in all.")
    if options.record:
        SEEN.write_text(f"{datetime.now(timezone.utc):%Y-%m-%d}\n", encoding="utf-8", newline="\n")


def run(*command: str | Path, cwd: Path = BUILD, **settings) -> str:
    """What a command prints; the end of this script, with what it complained of, where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **settings, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{done.stdout[-2000:]}{done.stderr[-4000:]}\nColab: {' '.join(map(str, command[:4]))} … failed.")
    return done.stdout


def lent() -> list[Path]:
    """The folders of torch, torchvision and the CUDA libraries in this environment, and what describes them to pip."""
    return sorted(p for p in Path(distribution("torch").locate_file("")).iterdir() if LENT.fullmatch(p.name))


def make_environment() -> None:
    made_from = hashlib.sha256(f"{LIST.read_text(encoding='utf-8')}{sys.version}{lent()}".encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == made_from:
        return
    print("Colab: installing the versions of tests/colab.txt, once.")
    STAMP.unlink(missing_ok=True)
    shutil.rmtree(VENV, ignore_errors=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    run(sys.executable, "-m", "venv", VENV)
    run(PYTHON, "-m", "pip", "install", "--no-deps", "--no-compile", "--only-binary=:all:", "-r", LIST)
    # Linked, not installed: with CUDA they weigh some 6 GB. Not a .pth file to the other environment either: it would
    # bring everything else from there, and what Colab lacks would be found.
    site = Path(run(PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for folder in lent():
        (site / folder.name).symlink_to(folder)
    STAMP.write_text(made_from, encoding="utf-8")


def build_wheel() -> Path:
    shutil.rmtree(WHEELS, ignore_errors=True)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", WHEELS, ROOT)
    return next(WHEELS.glob("*.whl"))


def install(wheel: Path) -> None:
    """The wheel alone: with dependencies pip looks at theirs, too, and replaces a torch that it finds wanting."""
    run(PYTHON, "-m", "pip", "install", "--no-deps", "--no-index", "--force-reinstall", wheel)


def execute(chapter: str, folder: Path, cache: Path, threads: int) -> None:
    """A copy of a chapter with one cell more, which tells what was imported; no error and no complaint is let pass."""
    began = time.perf_counter()
    notebook = json.loads((ROOT / "book" / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    last = {"cell_type": "code", "id": "imported", "metadata": {}, "outputs": [], "execution_count": None}
    notebook["cells"].append(last | {"source": IMPORTED})
    copy = folder / f"{chapter}.ipynb"
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    # A session of its own: nobody's settings, kernels and packages.
    own = {name: str(folder / name) for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    unset = ("PYTHONPATH", "JUPYTER_PATH", "CARVANA_DATA", "CARVANA_KEEP")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | own
    environment |= {"CARVANA_SCALE": "quick", "CARVANA_CACHE": str(cache), "PYTHONNOUSERSITE": "1"}
    environment["OMP_NUM_THREADS"] = str(threads)
    jupyter = VENV / "bin" / "jupyter-execute"
    run(jupyter, "--inplace", f"--timeout={SECONDS_A_CELL}", copy, cwd=folder, env=environment)
    outputs = [o for c in json.loads(copy.read_text(encoding="utf-8"))["cells"] for o in c.get("outputs", [])]
    if wrong := [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]:
        sys.exit(f"Colab: {chapter} complains: {json.dumps(wrong)[:2000]}")
    place, imported = json.loads("".join(outputs[-1]["text"]))
    if not Path(place).is_relative_to(VENV):
        sys.exit(f"Colab: {chapter} took the package from {place}, not from the wheel.")
    if lacking := sorted(set(map(normal, imported)) - listed()):
        sys.exit(f"Colab: {chapter} imports {', '.join(lacking)}, which Colab does not have.")
    print(f"Colab: {chapter}, {time.perf_counter() - began:.0f} s.")


def listed() -> set[str]:
    """What may be imported: the list, torch and its kin, and the package."""
    names = re.findall(r"^([\w.-]+)==", LIST.read_text(encoding="utf-8"), re.MULTILINE)
    kin = [p.name.partition("-")[0] for p in lent() if p.suffix == ".dist-info"]
    return set(map(normal, [*names, *kin, "carvana-lessons"]))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
