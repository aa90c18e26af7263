"""Photos per second that `evaluate` scores at their own size, and the share of its time that is not the network.

    python -m benchmarks evaluate ../photos

The network alone answers the same batches, which then lie in memory. What `evaluate` does besides: read batches from
the decoded copy, enlarge the logits to the photo's size, cut at zero, decode the true mask, count.
"""

import statistics

from benchmarks._paired import add_photos, alternate, described, introduce, parser, photos, spread, table
from carvana_lessons import data, models
from carvana_lessons.evaluation import evaluate
from carvana_lessons.prediction import car_logits, predict

WHOLE, ALONE = "evaluate", "network alone"


def main() -> None:
    made = parser(__doc__, repeats=5)
    add_photos(made, cars=2)
    made.add_argument("--networks", nargs="+", default=["unet-tiny", "unet-small"], choices=models.names())
    made.add_argument("--width", type=int, default=8)
    made.add_argument("--size", type=int, default=512)
    made.add_argument("--batch-size", type=int, default=8)
    options = made.parse_args()
    introduce(f"Scoring at the photos' own size, input {options.size}×{options.size}.")
    with photos(options) as cars:
        batches = [x for x, _ in data.loader(cars, options.size, options.batch_size)]
        settings = (cars, options.size, options.batch_size)
        for name in options.networks:
            network = models.create(name, width=options.width)
            ways = {
                WHOLE: lambda net=network: evaluate(net, *settings),
                "masks without scores": lambda net=network: list(map(len, predict(net, *settings))),
                ALONE: lambda net=network: [car_logits(net, x) for x in batches],
            }
            seconds = alternate(ways, options.repeats)
            rows = [
                [
                    way,
                    f"{len(cars) / statistics.median(took):,.1f}",
                    spread(1000 * s / len(cars) for s in took),
                    spread((100 * (1 - b / a) for a, b in zip(took, seconds[ALONE], strict=True)), 1),
                ]
                for way, took in seconds.items()
            ]
            print(f"**`{name}`**, width {options.width}, {described(cars)}\n")
            table(["way", "images/s", "ms per image", "not the network, %"], rows)


if __name__ == "__main__":
    main()
