"""``python -m benchmarks NAME …``: one measurement, a Markdown table on standard output."""

import importlib
import pkgutil
import sys

import benchmarks
from carvana_lessons.utils.console import print_anywhere

NAMES = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))

print_anywhere()
if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
    sys.exit(f"Usage: python -m benchmarks NAME …, where NAME is {', '.join(NAMES)}; NAME --help tells more.")
importlib.import_module(f"benchmarks.{sys.argv.pop(1)}").main()
