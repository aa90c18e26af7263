"""What the pages need to run networks, made when the pages are built: the networks as scripts, and drawn cars to try."""

import base64
import io
import json
from pathlib import Path

from PIL import Image

from carvana_lessons import models, studio
from carvana_lessons.models.browser import write_script
from carvana_lessons.prediction import load_trained

# Of the studio, in whatever photos the chapters themselves ran: car, view, and what is seen.
SAMPLES = ((3, 5, "A drawn car, seen from the side."), (12, 4, "A drawn car, seen from the front and the side."),
           (21, 9, "A drawn car, seen from behind."))  # fmt: skip
SIZE, THUMB = (1200, 800), (240, 160)


def make(folder: Path) -> None:
    """Write the files that ``network.js`` and its neighbours load, the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in models.shipped():
        write_script(load_trained(name), folder / f"{name}.js")
    samples = []
    for k, (car, view, text) in enumerate(SAMPLES, 1):
        photo = Image.fromarray(studio.render(car, view, SIZE, studio.DEFAULT.seed)[0])
        name, small = f"sample-{k}", photo.resize(THUMB, Image.Resampling.LANCZOS)
        samples.append({"name": name, "text": text, "picture": _address(small)})
        _write(folder / f"{name}.js", f'carvana.pictures["{name}"] = {json.dumps(_address(photo))};\n')
    _write(folder / "samples.js", f"carvana.samples = {json.dumps(samples)};\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _address(picture: Image.Image) -> str:
    """An address that holds the picture itself: a page from disk may not read the pixels of any other."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
