"""Ask for the studio's photos, a tiny set, as a chapter's start does; say when this process begins to draw them.

Argument: a file; while it is there, whoever draws waits for a line on stdin. The last line is a hash of the photos.
"""

import hashlib
import sys
from pathlib import Path

from carvana_lessons import studio

writing = sys.modules["carvana_lessons.studio.write"]
draw = writing._draw


def told(folder: Path, **settings) -> None:
    print("drawing", flush=True)
    if Path(sys.argv[1]).exists():
        sys.stdin.readline()
    draw(folder, **settings)


writing._draw = told
print("ready", flush=True)
sys.stdin.readline()
photos = studio.ensure(cars=1, size=(48, 32), workers=1)
print(hashlib.sha256((photos / "manifest.json").read_bytes()).hexdigest(), flush=True)
