"""How long each chapter took when the book was last executed, from what the build noted.

make book && python -m benchmarks course
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks._paired import introduce, table

RECORD = Path(__file__).resolve().parents[1] / "build" / "executed.json"


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--record", type=Path, default=RECORD, help="the build's executed.json")
    options = made.parse_args()
    if not options.record.is_file():
        sys.exit(f"There is no {options.record}; `make book` executes the chapters and notes their seconds there.")
    runs = json.loads(options.record.read_text(encoding="utf-8"))
    whole = sum(run["seconds"] for run in runs.values())
    introduce("Seconds per chapter, one execution of each; chapters that are executed at once slow each other down.")
    rows = [
        [Path(name).stem, f"{run['seconds']:.0f}", f"{100 * run['seconds'] / whole:.0f} %", run["device"], run["scale"]]
        for name, run in sorted(runs.items())
    ]
    table(["chapter", "seconds", "share", "device", "scale"], [*rows, ["all", f"{whole:.0f}", "100 %", "", ""]])


if __name__ == "__main__":
    main()
