"""What the built pages weigh, and how soon a reader sees them, in a real browser on this machine.

    make book && python -m benchmarks pages

Of each page: requests and bytes of a first visit, as the files are and as a server sends them that compresses
(GitHub Pages does); and the milliseconds until its largest picture or text is drawn (largest contentful paint; the
median of five visits, no cache).
"""

import argparse
import functools
import gzip
import socket
import statistics
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Browser, sync_playwright

from carvana_lessons.exercises.kit.browser import find_browser

HTML = Path(__file__).resolve().parents[1] / "build" / "html"
LARGEST = """() => new Promise(done => {
  new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
    .observe({type: 'largest-contentful-paint', buffered: true})
})"""


@functools.cache
def weight(path: str) -> tuple[int, int]:
    """Bytes of a file of the site, plain and compressed."""
    content = (HTML / path).read_bytes()
    return len(content), min(len(content), len(gzip.compress(content)))


def visit(browser: Browser, url: str) -> tuple[list[str], float]:
    """The files that one first visit fetches, and milliseconds."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    paths = []
    page.on("requestfinished", lambda request: paths.append(unquote(urlsplit(request.url).path).lstrip("/")))
    page.goto(url, wait_until="networkidle")
    largest = page.evaluate(LARGEST)
    page.close()
    return paths, largest


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not HTML.is_dir():
        sys.exit("There are no pages to measure: run `make book` first.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", str(HTML)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = sum(p.stat().st_size for p in HTML.rglob("*") if p.is_file())
    print(f"The whole site: {files / 1e6:.1f} MB\n")
    print("| page | kB | kB compressed | requests | largest paint, ms |\n| --- | ---: | ---: | ---: | ---: |")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
            pages = (path.relative_to(HTML) for path in HTML.rglob("*.html"))
            for name in sorted(name for name in pages if "_static" not in name.parts):
                visits = [visit(browser, f"http://127.0.0.1:{port}/{name}") for _ in range(5)]
                fetched = visits[0][0]
                plain, compressed = (sum(sizes) / 1e3 for sizes in zip(*map(weight, fetched), strict=True))
                paint = statistics.median(milliseconds for _, milliseconds in visits)
                print(f"| {name} | {plain:,.0f} | {compressed:,.0f} | {len(fetched)} | {paint:,.0f} |", flush=True)
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
