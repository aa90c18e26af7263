"""Own a path until standard input ends, and say so. Argument: the path."""

import sys
from pathlib import Path

from carvana_lessons.utils.locking import owned

with owned(Path(sys.argv[1])):
    print("owned", flush=True)
    sys.stdin.read()
