"""What the pages need to run networks, made when the pages are built: the networks as scripts, and drawn cars to try."""

import base64
import io
import json
from pathlib import Path

from PIL import Image

from carvana_lessons import models, studio
from carvana_lessons.models.browser import write_script
from carvana_lessons.models.model_cards import parts

# Of the studio, in whatever photos the chapters themselves ran: car, view, and what is seen.
SAMPLES = ((3, 5, "A drawn car, seen from the side."), (12, 4, "A drawn car, seen from the front and the side."),
           (21, 9, "A drawn car, seen from behind."))  # fmt: skip
SIZE = (720, 480)


def make(folder: Path) -> None:
    """Write the files that ``network.js`` and its neighbours load, the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in models.shipped():
        network, weights = parts(name)
        write_script(models.create(network, weights=weights), folder / f"{name}.js")
    samples = [{"text": text, "picture": _drawn(car, view)} for car, view, text in SAMPLES]
    text = f"carvana.samples = {json.dumps(samples)};\n"
    (folder / "samples.js").write_text(text, encoding="utf-8", newline="\n")


def _drawn(car: int, view: int) -> str:
    """A picture as an address that holds it: a page from disk may not read the pixels of any other."""
    photo, _ = studio.render(car, view, SIZE, studio.DEFAULT.seed)
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
