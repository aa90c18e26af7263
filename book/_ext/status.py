"""``{status}``: from what the pages were made, and when. ``{result-tables}``: the same of tables that were made before.
``{downloads}``: what can be taken away. ``{colab-seen}``: when the chapters last ran with Colab's versions.

Sphinx itself knows the date (``html_last_updated_fmt``), and nothing of photos, scale and device.
"""

import json
import os
import platform
import subprocess
from datetime import date, datetime, timezone
from importlib.metadata import version
from pathlib import Path

from chapter_times import duration, record
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "matplotlib",
    "pandas",
    "scipy",
    "accelerate",
    "jupyter-book",
)


def commit(folder: str) -> str:
    """The commit of the sources, and whether they have changed since."""

    def git(*arguments: str) -> str:
        made = subprocess.run(
            ["git", "-C", folder, *arguments],
            capture_output=True,
            text=True,
            check=True,
            encoding="utf-8",
        )
        return made.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (", changed since" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown: the sources are no git checkout"


class Status(SphinxDirective):
    """A line a fact about the build; data, scale and device are those of the notebooks' execution."""

    def run(self) -> list[nodes.Node]:
        runs = record(self.env.srcdir).values()
        failed = [Path(name).stem for name, run in record(self.env.srcdir).items() if "error" in run]

        def of_runs(name: str) -> str:
            return "; ".join(dict.fromkeys(run[name] for run in runs)) or "nothing was executed"

        facts = {
            "Pages made": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "Commit": commit(self.env.srcdir),
            "Photos": of_runs("data"),
            "Scale": of_runs("scale"),
            "Device": of_runs("device"),
            "All notebooks, added up": duration(sum(run.get("seconds", 0) for run in runs)),
            "Chapters that failed": ", ".join(failed) or "none",
            "Python": f"{platform.python_version()} on {platform.system()}, {platform.machine()}",
            "Packages": ", ".join(f"{name} {version(name)}" for name in ("carvana-lessons", *PACKAGES)),
        }
        items = nodes.bullet_list()
        for name, what in facts.items():
            text = nodes.literal("", what) if name == "Commit" else nodes.Text(what)
            items += nodes.list_item("", nodes.paragraph("", "", nodes.strong("", name), nodes.Text(": "), text))
        return [items]


class ResultTables(SphinxDirective):
    """``{result-tables}``: when and on what the tables of long runs in ``results/`` were made."""

    def run(self) -> list[nodes.Node]:
        items = nodes.bullet_list()
        for path in sorted(Path(self.env.srcdir).glob("results/*/about.json")):
            about = json.loads(path.read_text(encoding="utf-8"))
            said = f" on {about['began'][:10]}, {about['photos']['cars']} real cars, {about['hours']} hours on a "
            said += f"{about['device']}; torch {about['torch']}, commit {about['commit']}: "
            text = [nodes.strong("", path.parent.name), nodes.Text(said), nodes.literal("", about["command"])]
            items += nodes.list_item("", nodes.paragraph("", "", *text))
        return [items]


class Downloads(SphinxDirective):
    """Links to the files that ``book/build.py`` made beside its copy of the chapters and puts into the site."""

    def run(self) -> list[nodes.Node]:
        items = nodes.bullet_list()
        texts = {
            ".whl": "the package, for pip",
            ".zip": "all notebooks as they are stored, without outputs",
        }
        for path in sorted(Path(self.env.srcdir).parent.glob("downloads/*")):
            # Not a reference that Sphinx resolves: the file joins the pages when they are done.
            link = nodes.reference("", "", nodes.literal("", path.name), refuri=f"_downloads/{path.name}")
            kilobytes = f" ({path.stat().st_size / 1000:,.0f} kB)"
            items += nodes.list_item(
                "", nodes.paragraph("", "", link, nodes.Text(f": {texts[path.suffix]}{kilobytes}"))
            )
        return [items]


RAN = "chapters 1, 2 and 5"  # of tests/colab.py


def colab_seen(book: str | Path) -> date:
    """The last day on which `make colab` was green, of two the later one.

    The workflow ``book`` sets ``COLAB_SEEN``, and ``python tests/colab.py --record`` writes ``colab-seen.txt``.
    """
    recorded = Path(book, "colab-seen.txt").read_text(encoding="utf-8").strip()
    days = [day for day in (recorded, os.environ.get("COLAB_SEEN")) if day]
    try:
        return max(map(date.fromisoformat, days))
    except ValueError as error:
        raise ExtensionError(f"COLAB_SEEN and colab-seen.txt name a day as 2026-11-27, not {days}.") from error


class ColabSeen(SphinxDirective):
    """One sentence with that day, and what was run."""

    def run(self) -> list[nodes.Node]:
        text = f"**Last seen working:** {colab_seen(self.env.srcdir).isoformat()}. On that day {RAN} ran from their "
        text += "first cell to their last with the versions that Colab ships, listed in `tests/colab.txt`."
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict:
    app.add_directive("colab-seen", ColabSeen)
    app.add_directive("status", Status)
    app.add_directive("result-tables", ResultTables)
    app.add_directive("downloads", Downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
