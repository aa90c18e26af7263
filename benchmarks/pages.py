"""What the built pages weigh, and how soon a reader sees them, in a real browser on this machine.

    make book && python -m benchmarks pages

Of each page: bytes and requests of a first visit, and the milliseconds until its largest picture or text is drawn
(largest contentful paint; the median of five visits, no cache).
"""

import shutil
import socket
import statistics
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HTML = Path(__file__).resolve().parents[1] / "build" / "html"
LARGEST = """() => new Promise(done => {
  new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
    .observe({type: 'largest-contentful-paint', buffered: true})
})"""


def visit(browser: Browser, url: str) -> tuple[int, int, float]:
    """Bytes, requests and milliseconds of one first visit."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(len(request.response().body())))
    page.goto(url, wait_until="networkidle")
    largest = page.evaluate(LARGEST)
    page.close()
    return sum(sizes), len(sizes), largest


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", str(HTML)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    files = sum(p.stat().st_size for p in HTML.rglob("*") if p.is_file())
    print(f"The whole site: {files / 1e6:.1f} MB\n")
    print("| page | kB | requests | largest paint, ms |\n| --- | ---: | ---: | ---: |")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for path in sorted(HTML.rglob("*.html")):
                name = path.relative_to(HTML)
                visits = [visit(browser, f"http://127.0.0.1:{port}/{name}") for _ in range(5)]
                size, requests, _ = visits[0]
                largest = statistics.median(v[2] for v in visits)
                print(f"| {name} | {size / 1e3:,.0f} | {requests} | {largest:,.0f} |", flush=True)
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
