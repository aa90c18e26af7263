"""Write everything that the course writes onto a disk that runs full, then once more with room. Argument: a folder.

The largest size of a file stands in for the disk: any user may lower it, and a write beyond it fails just as midway.
"""

import json
import resource
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch

from carvana_lessons import data, models, studio
from carvana_lessons.models import checkpoint
from carvana_lessons.prediction import predict_folder, submit
from carvana_lessons.utils.errors import CarvanaError


@contextmanager
def room(size: int):
    """No file may grow beyond ``size`` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def attempt(act: Callable[[], object], size: int) -> str:
    """What is said when there is not enough room."""
    try:
        with room(size):
            act()
    except CarvanaError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__} reached the user: {error}"
    return "it went well"


def main() -> None:
    out = Path(sys.argv[1])
    photos = data.CarFolder(out / "photos")
    torch.manual_seed(0)
    old, new = (models.create("unet-tiny", width=2).eval() for _ in range(2))
    kept = checkpoint.Checkpoint(new.state_dict(), {"network": new.recipe})
    checkpoint.save(out / "a.safetensors", checkpoint.Checkpoint(old.state_dict(), {"network": old.recipe}))
    (out / "s.csv").write_text("old", encoding="utf-8")
    acts = {
        "cache": (lambda: data.cache(photos, 64), 20_000),
        "checkpoint": (lambda: checkpoint.save(out / "a.safetensors", kept), 5_000),
        "submission": (lambda: submit(new, photos, out / "s.csv", 32, batch_size=2, overwrite=True), 400),
        "compressed": (lambda: submit(new, photos, out / "z.csv.gz", 32, batch_size=2), 400),
        "mask": (lambda: predict_folder(new, out / "photos" / "train", out / "masks", 32), 20),
        "studio": (lambda: studio.make(out / "studio", 1, (48, 32), workers=1, progress=False), 500),
        "studio of two": (lambda: studio.make(out / "two", 2, (48, 32), workers=2, progress=False), 100),
        "download": (lambda: data.download(out / "fetched", ["train"], lambda name: out / name), 500),
    }
    said = {name: attempt(act, size) for name, (act, size) in acts.items()}
    left = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and "photos" not in p.parts)
    weights = checkpoint.load(out / "a.safetensors").weights
    intact = {
        "checkpoint": all(torch.equal(weights[name], value) for name, value in old.state_dict().items()),
        "submission": (out / "s.csv").read_text(encoding="utf-8") == "old",
    }
    again = {name: attempt(act, 2**30) for name, (act, _) in acts.items()}
    print(json.dumps({"said": said, "left": left, "intact": intact, "again": again}))


main()
