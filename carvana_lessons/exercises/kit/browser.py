"""The browser of this machine, as a printer."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.files import replacing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
SECONDS = 120  # a page takes two; a browser that hangs is ended


def find_browser() -> str | None:
    """Chromium, Chrome or Edge: the browsers that print without a window.

    Returns:
        its path, None where there is none.
    """
    on_path = filter(None, map(shutil.which, NAMES))
    return next(on_path, next((place for place in PLACES if Path(place).is_file()), None))


def print_page(browser: str, page: Path, out: Path) -> None:
    """Print an HTML file as PDF, after its scripts are done.

    Args:
        browser: as `find_browser` gives it.
        page: the HTML file.
        out: the PDF file.

    Raises:
        CarvanaError: if the browser makes none.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, replacing(out) as temporary:
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        command += ["--no-pdf-header-footer", "--virtual-time-budget=20000", f"--user-data-dir={profile}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # as root it does not start otherwise
        command += [f"--print-to-pdf={temporary}", page.resolve().as_uri()]
        try:
            subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            temporary.write_bytes(b"")
        if not temporary.read_bytes().startswith(b"%PDF"):
            raise CarvanaError(
                f"{browser} made no PDF of {page}: open that file in a browser and print it, or name another browser's "
                "folder first in PATH."
            )
