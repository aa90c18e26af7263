"""What a network costs in the reader's browser: milliseconds a photo, memory, and the bytes of every file.

    python -m benchmarks browser

The photo has the size of the challenge's and is drawn by the studio. Times are those of a headless Chromium on this
machine: the network alone, and all from an opened file to the mask at the photo's own size. Memory is what the
browser's processes hold after that, less what they held before the network was loaded.
"""

import base64
import io
import shutil
import tempfile
from pathlib import Path

import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks._paired import PHOTO, introduce, parser, spread, table
from carvana_lessons import models, studio
from carvana_lessons.exercises.kit.browser import find_browser
from carvana_lessons.models.browser import write_script
from carvana_lessons.prediction import load_trained

SOURCE = Path(__file__).parents[1] / "book" / "network"
SCRIPTS = ("scripts.js", "engine.js", "network.js", "photo.js")
MEASURE = """async ([name, workers, photo, repeats]) => {
    const network = await carvana.load(name, {workers});
    const bytes = Uint8Array.from(atob(photo), (c) => c.charCodeAt(0));
    const file = new File([bytes], "car.jpg", {type: "image/jpeg"});
    const [height, width] = network.size;
    const alone = [], whole = [];
    for (let k = 0; k <= repeats; k++) {
        const values = new Float32Array(3 * height * width).map(Math.random);
        let start = performance.now();
        await network.logits(values, height, width);
        if (k) alone.push((performance.now() - start) / 1000);
        start = performance.now();
        await network.predict(file);
        if (k) whole.push((performance.now() - start) / 1000);
    }
    globalThis.last = network;
    return [alone, whole];
}"""


def resident() -> float:
    """MB that the browser's processes hold."""
    held = 0
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            held += process.memory_info().rss
    return held / 1e6


def measure(page: Page, name: str, workers: int, photo: str, repeats: int) -> list[str]:
    """A row of the table."""
    before = resident()
    alone, whole = page.evaluate(MEASURE, [name, workers, photo, repeats])
    height, width = load_trained(name).provenance.size
    row = [f"`{name}`", f"{height}×{width}", str(workers)]
    row += [spread((1000 * s for s in part), 0) for part in (alone, whole)]
    row.append(f"{resident() - before:,.0f}")
    page.evaluate("last.close()")
    return row


def main() -> None:
    options = parser(__doc__, repeats=9).parse_args()
    file = io.BytesIO()
    Image.fromarray(studio.render(12, 4, PHOTO, studio.DEFAULT.seed)[0]).save(file, "JPEG", quality=92)
    photo = base64.b64encode(file.getvalue()).decode("ascii")
    found = find_browser()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        for name in SCRIPTS:
            shutil.copyfile(SOURCE / name, folder / name)
        scripts = "".join(f'<script src="{name}"></script>' for name in SCRIPTS)
        text = f"<!doctype html><meta charset=utf-8>{scripts}"
        (folder / "page.html").write_text(text, encoding="utf-8", newline="\n")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        introduce(f"Chromium {browser.version}; a photo of {PHOTO[0]}×{PHOTO[1]} pixels.")
        rows, sizes = [], []
        for name in models.shipped():
            write_script(load_trained(name), folder / f"{name}.js")
            for workers in (1, 2):
                page = browser.new_page()
                page.goto((folder / "page.html").as_uri())
                rows.append(measure(page, name, workers, photo, options.repeats))
                page.close()
        browser.close()
        table(["network", "input", "workers", "network alone, ms", "file to mask, ms", "MB"], rows)
        for path in sorted([*SOURCE.glob("*.*"), *folder.glob("unet*.js")], key=lambda path: path.name):
            sizes.append([f"`{path.name}`", f"{path.stat().st_size:,}"])
        table(["file", "bytes"], sizes)


if __name__ == "__main__":
    main()
