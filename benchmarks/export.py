"""A network as ONNX files of 32, 16 and 8 bits: bytes, milliseconds per photo on one core, and Dice.

    python -m benchmarks export PHOTOS --out book/export/runs.csv > book/export/table.txt

The weights are those that come with the package. Dice is at the photos' own size, on an even sample of the cars that no
weights were trained on; "pixels as torch" is the share of pixels in which the mask is that of torch. Milliseconds
are of onnxruntime with one thread, one photo at a time, and include neither decoding nor upsampling. They hold on an
idle machine alone.

- float32: `prediction.export_onnx`.
- float16: every weight and every map, by onnxruntime's converter; input and output stay float32.
- int8, static: weights and maps in 8 bits. The range of every map is taken from photos of cars of the training.
- int8, dynamic: weights in 8 bits; the range of a map is found anew for every photo. Transposed convolutions stay as
  they are, for onnxruntime has none in this form.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch
from onnxruntime import quantization
from onnxruntime.transformers.float16 import convert_float_to_float16

from benchmarks._paired import alternate, introduce, parser, provenance, spread, table
from carvana_lessons import data, models, studio
from carvana_lessons.evaluation import held_out, score
from carvana_lessons.prediction import car_logits, export_onnx, input_size, load_trained, upsample
from carvana_lessons.utils.files import replacing

TORCH = "torch, float32"
Answer = Callable[[np.ndarray], np.ndarray]  # (1, 3, h, w) float32 → (1, 1, h, w) float32
PACKAGES = ("onnx", "onnxruntime")


def half(source: Path, to: Path, photos: list[np.ndarray]) -> None:
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), to)


def static(source: Path, to: Path, photos: list[np.ndarray]) -> None:
    class Calibration(quantization.CalibrationDataReader):
        left = iter(photos)

        def get_next(self) -> dict[str, np.ndarray] | None:
            x = next(self.left, None)
            return None if x is None else {"photo": x}

    # The settings that onnxruntime advises for processors whose 8-bit products do not overflow (VNNI).
    quantization.quantize_static(
        prepared(source),
        to,
        Calibration(),
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )


def dynamic(source: Path, to: Path, photos: list[np.ndarray]) -> None:
    # Unsigned: with signed weights onnxruntime has no such convolution.
    quantization.quantize_dynamic(prepared(source), to, weight_type=quantization.QuantType.QUInt8)


def prepared(source: Path) -> Path:
    """The same network with the shapes of its maps written out, as the quantisers want it."""
    to = source.with_suffix(".shapes.onnx")
    quantization.shape_inference.quant_pre_process(source, to, skip_symbolic_shape=True)
    return to


WAYS = {"float16": half, "int8, static": static, "int8, dynamic": dynamic}


def session(path: Path) -> Answer:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    run = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: run.run(None, {"photo": x})[0]


def inputs(photos: data.CarFolder, size: tuple[int, int]) -> Iterator[np.ndarray]:
    for photo in photos:
        yield data.read_resized(photo.image, size).astype(np.float32).transpose(2, 0, 1)[None] / 255


def masks(answer: Answer, photos: data.CarFolder, size: tuple[int, int]) -> list[np.ndarray]:
    pairs = zip(photos, inputs(photos, size), strict=True)
    found = ((photo.size, torch.from_numpy(answer(x))) for photo, x in pairs)
    return [upsample(logits, (height, width))[0, 0].gt(0).numpy() for (width, height), logits in found]


def measure(name: str, cars: data.CarFolder, folder: Path, count: int, calibration: int, repeats: int) -> pd.DataFrame:
    model = load_trained(name)
    size = input_size(model)
    unseen = data.sample_evenly(held_out(cars, [model])[0], count)
    learned = sorted(models.provenance(model).train & set(cars.ids))
    # Weights that learned from drawn cars alone have no other photos of their training than such.
    known = cars.select(cars=learned) if learned else data.CarFolder(studio.ensure(cars=calibration))
    known = data.sample_evenly(known, calibration)
    seen = list(inputs(known, size))
    files = {"float32": export_onnx(model, folder / f"{name}.onnx")}
    for way, make in WAYS.items():
        files[way] = folder / f"{name}-{way.replace(', ', '-')}.onnx"
        make(files["float32"], files[way], seen)
    fused = models.fuse_batch_norm(model)
    answers: dict[str, Answer] = {TORCH: lambda x: car_logits(fused, torch.from_numpy(x)).numpy()}
    answers |= {way: session(path) for way, path in files.items()}
    x = next(inputs(unseen, size))
    seconds = alternate({way: lambda answer=answer: answer(x) for way, answer in answers.items()}, repeats)
    rows, of_torch = [], masks(answers[TORCH], unseen, size)
    for way, answer in answers.items():
        found = masks(answer, unseen, size)
        dice = score(found, unseen).dice
        rows.append(
            {
                "network": name,
                "size": size[0],
                "way": way,
                "bytes": files[way].stat().st_size if way in files else None,
                "ms": [1000 * s for s in seconds[way]],
                "dice": dice.mean(),
                "worst": dice.min(),
                "same": np.mean([(a == b).mean() for a, b in zip(found, of_torch, strict=True)]),
            }
        )
    return pd.DataFrame(rows).assign(photos=len(unseen), cars=len(unseen.ids), calibration=len(known))


def main() -> None:
    made = parser(__doc__, repeats=9)
    made.add_argument("folder", type=Path, help="real photos in Kaggle's layout")
    made.add_argument("--networks", nargs="+", default=models.shipped(), choices=models.shipped())
    made.add_argument("--photos", type=int, default=64, help="to score, evenly sampled from the held-out cars")
    made.add_argument("--calibration", type=int, default=32, help="photos for the ranges of static int8")
    made.add_argument("--out", type=Path, help="the table as CSV")
    made.add_argument("--note", default="", help="a sentence for the head of the table, of a busy machine for example")
    options = made.parse_args()
    logging.disable(logging.WARNING)  # the quantisers', to run what has been run
    torch.set_num_threads(1)
    cars = data.CarFolder(options.folder)
    with tempfile.TemporaryDirectory() as place:
        settings = (cars, Path(place), options.photos, options.calibration, options.repeats)
        rows = pd.concat([measure(name, *settings) for name in options.networks], ignore_index=True)
    first = rows.iloc[0]
    introduce(
        f"ONNX files of the weights that come with the package. Dice on {first.photos} photos of {first.cars} held-out "
        f"cars at their own size; ranges of static int8 from {first.calibration} photos of the training. Milliseconds "
        "are medians, in brackets the smallest and the largest.",
        *PACKAGES,
        medians=False,
    )
    if options.note:
        print(f"{options.note}\n")
    report(rows)
    if options.out:
        kept = rows.assign(ms=rows.ms.map(np.median).round(2), made=provenance(*PACKAGES), note=options.note)
        with replacing(options.out) as file:
            kept.round(8).to_csv(file, index=False, lineterminator="\n")


def report(rows: pd.DataFrame) -> None:
    """Print a table for each network."""
    for name, part in rows.groupby("network", sort=False):
        print(f"**`{name}`**, {part['size'].iloc[0]}×{part['size'].iloc[0]}\n")
        lines = [
            [
                row.way,
                "" if pd.isna(row.bytes) else f"{row.bytes / 1000:,.0f}",
                spread(row.ms, 1),
                f"{row.dice:.4f}",
                f"{row.worst:.4f}",
                f"{100 * row.same:.3f}",
            ]
            for row in part.itertuples()
        ]
        table(["numbers", "kB", "ms per photo", "Dice", "worst photo", "pixels as torch, %"], lines)


if __name__ == "__main__":
    main()
