"""Type command lines one after the other into one process. Argument: a JSON list of lists of words.

What they print goes to this process's own streams, each answer after a line with its number; then its exit code.
"""

import json
import os
import sys

from carvana_lessons import cli

for number, words in enumerate(json.loads(sys.argv[1])):
    print(f"\n== {number}", flush=True)
    sys.argv = ["carvana-lessons", *(os.fsdecode(word.encode()) for word in words)]  # as a shell hands them on
    try:
        cli.app()
    except SystemExit as end:
        print(f"\n-- {end.code or 0}", flush=True)
