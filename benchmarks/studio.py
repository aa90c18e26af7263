"""Pictures per second that the studio draws, and the memory that it takes.

    python -m benchmarks studio

Photo, mask and both files on disk, in a new folder each time. Memory is the most that the process and its workers held
at once, if each was at its peak at the same time.
"""

import itertools
import json
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks._paired import PHOTO, alternate, in_own_process, introduce, parser, spread, table
from carvana_lessons import studio

UNIT = 1 if sys.platform == "darwin" else 1024  # of getrusage's ru_maxrss, in bytes
VIEWS = 16


def draw(place: Path, size: tuple[int, int], cars: int, workers: int) -> None:
    number = next(k for k in itertools.count() if not (place / str(k)).exists())
    studio.make(place / str(number), cars=cars, size=size, workers=workers, progress=False)


def memory(size: list[int], cars: int, workers: int) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as place:
        draw(Path(place), tuple(size), cars, workers)
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"bytes": UNIT * (own + workers * child)}


def main() -> None:
    made = parser(__doc__, repeats=3)
    made.add_argument("--cars", type=int, default=2, help="16 photos each")
    made.add_argument("--sizes", nargs="+", default=["480x320", f"{PHOTO[0]}x{PHOTO[1]}"], help="width x height")
    made.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = made.parse_args()
    if options.one:
        print(json.dumps(memory(**json.loads(options.one))))
        return
    introduce(f"The studio, {options.cars * VIEWS} photos a round.")
    rows = []
    for size in (tuple(map(int, text.split("x"))) for text in options.sizes):
        with tempfile.TemporaryDirectory() as place:
            ways = {n: (lambda n=n, size=size: draw(Path(place), size, options.cars, n)) for n in options.workers}
            seconds = alternate(ways, options.repeats)
        for workers, took in seconds.items():
            pace = [options.cars * VIEWS / s for s in took]
            peak = in_own_process("studio", {"size": size, "cars": options.cars, "workers": workers})["bytes"]
            rows.append(
                [f"{size[0]}×{size[1]}", workers, spread(pace), f"{statistics.median(took):.1f}", f"{peak / 1e6:,.0f}"]
            )
    table(["size", "workers", "pictures/s", "seconds a round", "memory, MB"], rows)


if __name__ == "__main__":
    main()
