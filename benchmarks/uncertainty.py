"""How well do signals of doubt find the masks that are wrong? Shipped networks, photos of cars that they never saw.

    python -m benchmarks uncertainty PHOTOS --out book/results/uncertainty

The folder holds real photos in Kaggle's layout. Some views of every held-out car are predicted as they are, and made
hard in five ways, so that there are failures to find: the car on another background, in the dark, out of focus, turned,
and cropped. Everything happens at 960×640, the networks answer at their own size, and cars are resampled for the
intervals. OUT gets measured.csv (a row per network, test-time flip and photo), provenance.json (when and by what these
rows were measured), photos.csv (what of them the book keeps), signals.csv (a row per signal) and alarms.csv (what
`predict` names).
"""

import argparse
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageFilter
from scipy import ndimage, stats

from benchmarks import _paired
from carvana_lessons import data, models
from carvana_lessons.comparison.protocol import describe_photos, environment
from carvana_lessons.data.batches import floats
from carvana_lessons.evaluation import held_out
from carvana_lessons.evaluation.metrics import dice
from carvana_lessons.evaluation.selective import auroc, recovered, risk_coverage
from carvana_lessons.prediction import load_trained, upsample
from carvana_lessons.prediction.inference import Ensemble
from carvana_lessons.prediction.uncertainty import Uncertainty, edge_band, predictive_entropy, uncertainty
from carvana_lessons.utils.device import find_device, move
from carvana_lessons.utils.files import replacing, write_json

SIZE = (640, 960)  # height and width at which photos are made hard and masks are scored
VIEWS = (1, 4, 7, 13)  # front, side, back and a corner, far apart
FAILED = 0.95  # a mask of lower Dice is a failure
WIDTHS = (0.005, 0.01, 0.04, 0.08)  # of the band along the edge, beside the package's own
OTHERS = "as it is, other views"  # on which no threshold was chosen
DOUBT = "doubt, as `predict` orders"
SHOWN = ("1 - expected Dice", "entropy along the edge", "1 - Dice of the mirrored", DOUBT)  # for each kind alone
SIGNALS = [field.name for field in fields(Uncertainty)]
RESAMPLES = 200
Pair = tuple[np.ndarray, np.ndarray]  # (H, W, 3) uint8 and (H, W) bool


def background(photo: np.ndarray, car: np.ndarray, rng: np.random.Generator) -> Pair:
    """The car, cut out by its true mask, before clouds, stripes, squares, a slope of two colours, or noise."""
    height, width = car.shape
    y, x = np.mgrid[:height, :width] / height
    one, other = rng.uniform(0, 255, (2, 3))
    kind, scale = rng.integers(5), rng.uniform(3, 20)
    if kind == 0:
        rough = rng.uniform(size=(rng.integers(3, 12), rng.integers(4, 18))).astype(np.float32)
        share = np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))
    elif kind == 1:
        angle = rng.uniform(0, np.pi)
        share = np.sin(2 * np.pi * scale * (x * np.cos(angle) + y * np.sin(angle))) > 0
    elif kind == 2:
        share = (np.floor(x * scale) + np.floor(y * scale)) % 2
    elif kind == 3:
        share = y
    else:
        share = rng.uniform(size=car.shape)
    share = np.asarray(share, dtype=float)[..., None]
    ground = share * one + (1 - share) * other
    alpha = ndimage.gaussian_filter(car.astype(float), 1)[..., None]
    return (alpha * photo + (1 - alpha) * ground).clip(0, 255).astype(np.uint8), car


def dark(photo: np.ndarray, car: np.ndarray, rng: np.random.Generator) -> Pair:
    """A share of the light, and the noise of a sensor."""
    noise = rng.normal(scale=4, size=photo.shape)
    return (photo * rng.uniform(0.05, 0.5) + noise).clip(0, 255).astype(np.uint8), car


def blurred(photo: np.ndarray, car: np.ndarray, rng: np.random.Generator) -> Pair:
    """Out of focus."""
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(rng.uniform(4, 40)))), car


def turned(photo: np.ndarray, car: np.ndarray, rng: np.random.Generator) -> Pair:
    """Turned to either side or upside down; what appears in the corners has the colour of the photo's border."""
    angle = rng.uniform(10, 180) * rng.choice((-1, 1))
    fill = tuple(int(v) for v in np.concatenate([photo[0], photo[-1]]).mean(axis=0))
    image = Image.fromarray(photo).rotate(angle, Image.Resampling.BILINEAR, fillcolor=fill)
    return np.asarray(image), np.asarray(Image.fromarray(car).rotate(angle))


def cropped(photo: np.ndarray, car: np.ndarray, rng: np.random.Generator) -> Pair:
    """A part of the photo around a point of the car, enlarged: the car leaves it on some sides."""
    height, width = (int(side * rng.uniform(0.25, 0.8)) for side in car.shape)
    row, column = np.argwhere(car)[rng.integers(car.sum())]
    top = int(np.clip(row - height // 2, 0, car.shape[0] - height))
    left = int(np.clip(column - width // 2, 0, car.shape[1] - width))
    box = (left, top, left + width, top + height)
    whole = SIZE[::-1]
    image = Image.fromarray(photo).resize(whole, Image.Resampling.BILINEAR, box)
    return np.asarray(image), np.asarray(Image.fromarray(car).resize(whole, Image.Resampling.NEAREST, box))


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], Pair]] = {
    "as it is": lambda photo, car, rng: (photo, car),
    "background": background,
    "dark": dark,
    "blurred": blurred,
    "turned": turned,
    "cropped": cropped,
}
SETS = {"as they are": ["as it is"], "made hard": list(KINDS)[1:], "all": list(KINDS)}
SETS |= {kind: [kind] for kind in SETS["made hard"]}


def hardened(photos: data.CarFolder, kinds: Sequence[str]) -> Iterator[tuple[data.Photo, str, np.ndarray, np.ndarray]]:
    """Every photo in every kind: photo, kind, (H, W, 3) uint8, (H, W) bool; the same in every run."""
    for photo in photos:
        image, mask = data.read_pair(photo, SIZE)
        for kind in kinds:
            rng = np.random.default_rng(zlib.crc32(f"{photo.name} {kind}".encode()))
            yield photo, kind, *KINDS[kind](image, mask > 0, rng)


def measure(photos: data.CarFolder, networks: list[str], kinds: Sequence[str] = tuple(KINDS)) -> pd.DataFrame:
    """One row per network, flip and photo: Dice and all signals."""
    device = find_device()
    ensembles = {name: Ensemble(models.fuse_batch_norm(move(load_trained(name), device))) for name in networks}
    rows = []
    for photo, kind, image, car in hardened(photos, kinds):
        for name, ensemble in ensembles.items():
            size = ensemble.sizes[0]
            small = np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
            [both] = ensemble.passes([floats(torch.from_numpy(small).permute(2, 0, 1)[None])], flip=True)
            plain, mirrored = both[:, 0, 0].cpu()
            for flip, seen in ((False, (plain,)), (True, (plain, mirrored))):
                logits = torch.stack(seen).mean(dim=0)
                mask = upsample(logits[None, None], SIZE)[0, 0] > 0
                about = {"network": name, "flip": flip, "kind": kind, "name": photo.name, "car": photo.car}
                score = {"dice": dice(mask, torch.from_numpy(np.array(car))).item()}
                entropy = predictive_entropy(logits)
                signals = asdict(uncertainty(*seen)) | {"entropy": entropy.mean().item()}
                signals |= {f"entropy_edge_{w}": entropy[edge_band(logits > 0, w)].mean().item() for w in WIDTHS}
                rows.append(about | score | signals)
    return pd.DataFrame(rows)


def orders(rows: pd.DataFrame) -> pd.DataFrame:
    """By signal, the doubt of each photo of one network and flip: high is to be looked at first."""
    share = rows["share"].clip(1e-4, 1 - 1e-4)
    usual = share[rows["kind"] == "as it is"].median()
    # No edge at all, in a mask that is empty or full, is as doubtful as can be.
    edge, *others = (rows[f"entropy_edge{width}"].fillna(1) for width in ("", *(f"_{w}" for w in WIDTHS)))
    expected, piece, agreed = rows["expected_dice"], rows["largest_piece"], 1 - rows["flip_disagreement"]
    found = pd.DataFrame(
        {
            "1 - expected Dice": 1 - expected,
            "entropy, all pixels": rows["entropy"],
            "entropy along the edge": edge,
            "entropy elsewhere": rows["entropy_elsewhere"],
            "large pieces": rows["pieces"],
            "1 - Dice of the largest piece": 1 - piece,
            "borders touched": rows["borders"],
            "empty or full": rows["share"].isin([0, 1]).astype(float),
            "share of car against the usual": (np.log(share / (1 - share)) - np.log(usual / (1 - usual))).abs(),
        }
    )
    if rows["flip"].all():
        found["1 - Dice of the mirrored"] = 1 - agreed
    ranks = found.rank(pct=True)
    for width, other in zip(WIDTHS, others, strict=True):
        found[f"entropy along the edge, band {width}"] = other
    found["edge x expected"] = 1 - (1 - edge) * expected
    found["edge x piece"] = 1 - (1 - edge) * piece
    if rows["flip"].all():
        found["edge x mirrored"] = 1 - (1 - edge) * agreed
        found["expected x mirrored"] = 1 - expected * agreed
        found["edge x piece x mirrored"] = 1 - (1 - edge) * piece * agreed
    found[DOUBT] = rows["doubt"]
    found["mean rank of all single signals"] = ranks.mean(axis=1)
    found["regression on all ranks, fitted on other cars"] = regression(ranks, 1 - rows["dice"], rows["car"])
    found["random"] = 0.0
    return found


def regression(ranks: pd.DataFrame, error: pd.Series, cars: pd.Series, folds: int = 4) -> np.ndarray:
    """Ridge regression of the rank of the error, for each fold of cars fitted on the others: what labels would give."""
    x = np.column_stack([ranks, np.ones(len(ranks))])
    y, fold = error.rank(pct=True).to_numpy(), cars.astype("category").cat.codes.to_numpy() % folds
    answer = np.empty(len(x))
    for k in range(folds):
        a, b = x[fold != k], y[fold != k]
        answer[fold == k] = x[fold == k] @ np.linalg.solve(a.T @ a + np.eye(x.shape[1]), a.T @ b)
    return answer


def statistics(error: np.ndarray, doubt: np.ndarray) -> dict[str, float]:
    """What one order is worth on one set of photos."""
    constant = doubt.min() == doubt.max() or error.min() == error.max()
    return {
        "spearman": np.nan if constant else np.corrcoef(stats.rankdata(doubt), stats.rankdata(error))[0, 1],
        "auroc": auroc(error > 1 - FAILED, doubt),
        "area": risk_coverage(error, doubt).area,
        "recovered": recovered(error, doubt),
    }


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per network, flip, set of photos and signal: statistics, with 95 % intervals over cars for large sets.

    ``gain`` is what a signal recovers more than the first one, the expected Dice, does.
    """
    found = []
    for (network, flip), part in rows.groupby(["network", "flip"], sort=False):
        part = part.reset_index(drop=True)
        doubts, error = orders(part), (1 - part["dice"]).to_numpy()
        for name, kinds in SETS.items():
            here = part["kind"].isin(kinds).to_numpy()
            by_car = [np.flatnonzero(here & (part["car"] == car)) for car in part["car"].unique()]
            draws = np.random.default_rng(0).integers(len(by_car), size=(RESAMPLES, len(by_car)))
            resampled = [np.concatenate([by_car[k] for k in draw]) for draw in draws]
            about = {"network": network, "flip": flip, "set": name, "photos": here.sum()}
            about |= {"failed": (error[here] > 1 - FAILED).sum(), "risk": error[here].mean()}
            about["best_area"] = risk_coverage(error[here], error[here]).area
            base = None
            for signal, doubt in doubts.items():
                if len(kinds) == 1 and kinds != ["as it is"] and signal not in SHOWN:
                    continue
                doubt = doubt.to_numpy()
                row = about | {"signal": signal} | statistics(error[here], doubt[here])
                if name in ("as they are", "made hard", "all") and signal != "random":
                    several = pd.DataFrame([statistics(error[k], doubt[k]) for k in resampled])
                    base = several if base is None else base
                    several["gain"] = several["recovered"] - base["recovered"]
                    row["gain"] = row["recovered"] - recovered(error[here], doubts.iloc[:, 0].to_numpy()[here])
                    for what in ("spearman", "auroc", "recovered", "gain"):
                        row[f"{what}_low"], row[f"{what}_high"] = several[what].quantile([0.025, 0.975])
                found.append(row)
    return pd.DataFrame(found)


def alarms(rows: pd.DataFrame) -> pd.DataFrame:
    """By network, flip and kind: how many photos failed, and of these and of the others how many get a reason."""
    told = rows.assign(failed=rows["dice"] < FAILED)
    told = told.assign(found=told["failed"] & told["told"], false_alarms=~told["failed"] & told["told"])
    groups = told.groupby(["network", "flip", "kind"], sort=False)
    counts = groups[["failed", "found", "false_alarms"]].sum().reset_index()
    counts.insert(3, "photos", groups.size().to_numpy())
    return counts


def save(frame: pd.DataFrame, path: Path, digits: int = 4) -> None:
    with replacing(path) as file:
        frame.round(digits).to_csv(file, index=False, lineterminator="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="real photos in Kaggle's layout")
    parser.add_argument("--networks", nargs="+", default=models.shipped(), choices=models.shipped())
    parser.add_argument("--cars", type=int, help="only so many of the held-out cars")
    parser.add_argument("--out", type=Path, required=True, help="a folder for the tables")
    parser.add_argument("--tables", action="store_true", help="only make the tables again, from OUT's measured.csv")
    o = parser.parse_args()
    cars = data.CarFolder(o.folder)
    unseen, _ = held_out(cars, [load_trained(name) for name in o.networks])
    photos = unseen.select(cars=unseen.ids[: o.cars], views=VIEWS)
    others = unseen.select(cars=photos.ids, views=sorted({photo.view for photo in unseen} - set(VIEWS)))
    if not o.tables:
        about = {
            "command": "python -m benchmarks uncertainty PHOTOS --out OUT",
            "commit": _paired.commit(),
            "made": _paired.provenance(),
            "photos": describe_photos(photos),
            "kinds": list(KINDS),
            "size": list(SIZE),
            "failed": f"Dice below {FAILED}",
        } | environment()
        rows = [measure(photos, o.networks), measure(others, o.networks, ["as it is"]).assign(kind=OTHERS)]
        save(pd.concat(rows), o.out / "measured.csv", digits=5)
        write_json(o.out / "provenance.json", about)
    rows = pd.read_csv(o.out / "measured.csv")
    seen = [Uncertainty(*values) for values in rows[SIGNALS].itertuples(index=False)]
    rows = rows.assign(doubt=[one.doubt for one in seen], told=[bool(one.reasons) for one in seen])
    scored = rows[rows["kind"] != OTHERS]
    counts, signals = alarms(rows), table(scored)
    save(scored[["network", "flip", "kind", "name", "dice", "doubt", *SIGNALS]], o.out / "photos.csv")
    save(counts, o.out / "alarms.csv")
    save(signals, o.out / "signals.csv")
    _paired.introduce(
        f"Signals of doubt on {_paired.described(photos)}, and on five hard copies of each.", medians=False
    )
    shown = signals[signals["set"].isin(["as they are", "made hard", "all"])]
    columns = ["network", "flip", "set", "signal", "spearman", "auroc", "recovered", "recovered_low", "recovered_high"]
    _paired.table(list(counts), counts.itertuples(index=False), texts=3)
    _paired.table(columns, shown[columns].round(3).itertuples(index=False), texts=4)


if __name__ == "__main__":
    main()
