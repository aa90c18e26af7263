"""From runs to a table: means, standard deviations, and confidence intervals of differences.

Lesson:
    09.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from carvana_lessons.evaluation.surface import OUTLINE

RESAMPLES = 10_000
_OUTLINES = (("boundary IoU, %", "boundary_iou", 100, ".1f"), ("HD95, px", "hd95", 1, ".1f"),
             ("surface Dice, %", "surface_dice", 100, ".1f"))  # fmt: skip  # head, column, factor, format


def summarise(runs: pd.DataFrame, by_car: pd.DataFrame, speeds: Mapping[str, dict] | None = None) -> pd.DataFrame:
    """Summarise runs in one row per network.

    Args:
        runs: one row per run: network, seed, dice, parameters, and perhaps the scores of outlines, see
            `carvana_lessons.evaluation.boundary_scores`.
        by_car: one row per run and car: network, seed, car, dice (mean over the car's photos).
        speeds: train_ms, test_ms and memory_mb of some networks.

    Returns:
        network, dice (mean over seeds), spread (standard deviation over seeds; missing for one seed), seeds, error (1 −
        dice), relative_error (error over that of the baseline), difference (dice minus the baseline's, on the seeds
        that both have), low and high (its 95 % interval, see `interval`), the scores of outlines where ``runs`` has
        them, parameters, train_ms, test_ms, memory_mb. The baseline is ``unet``, or the first network where there is
        none.

    Lesson:
        09.
    """
    names = list(dict.fromkeys(runs["network"]))
    baseline = _baseline(names)
    rows = []
    for name in names:
        own = runs[runs["network"] == name]
        difference, low, high = interval(paired(by_car, name, baseline))
        rows.append(
            {
                "network": name,
                "dice": own["dice"].mean(),
                "spread": own["dice"].std(),
                "seeds": len(own),
                "error": 1 - own["dice"].mean(),
                "difference": difference,
                "low": low,
                "high": high,
                **own[[column for column in OUTLINE if column in own]].mean(),
                "parameters": int(own["parameters"].iloc[0]),
                **{k: (speeds or {}).get(name, {}).get(k, np.nan) for k in ("train_ms", "test_ms", "memory_mb")},
            }
        )
    table = pd.DataFrame(rows)
    table.insert(5, "relative_error", table["error"] / table.loc[table["network"] == baseline, "error"].item())
    return table


def paired(by_car: pd.DataFrame, name: str, other: str, score: str = "dice") -> pd.Series:
    """Paired differences of two networks, by car: how hard a car is cancels out.

    Args:
        by_car: as for `summarise`.
        name: a network.
        other: the network that it is compared with.
        score: the column that is compared; ``by_car`` may have those of outlines too.

    Returns:
        score of ``name`` minus score of ``other``, mean over the seeds that both have, by car.

    Lesson:
        09.
    """
    table = by_car.pivot_table(index=["seed", "car"], columns="network", values=score)
    both = table[[name]].assign(other=table[other]).dropna()
    return (both[name] - both["other"]).groupby("car").mean()


def interval(differences: np.ndarray, level: float = 0.95, seed: int = 0) -> tuple[float, float, float]:
    """Mean of paired differences and its percentile bootstrap interval.

    Cars are resampled, not photos: the 16 views of a car are not 16 independent observations.

    Args:
        differences: (cars,), one per car.
        level: of the interval.
        seed: of the resampling.

    Returns:
        mean, lower end, upper end; the ends are nan for fewer than two cars.

    Source:
        Efron & Tibshirani 1993, "An introduction to the bootstrap".

    Lesson:
        09.
    """
    differences = np.asarray(differences, dtype=float)
    if len(differences) < 2:
        return float(differences.mean()) if len(differences) else np.nan, np.nan, np.nan
    draws = np.random.default_rng(seed).integers(len(differences), size=(RESAMPLES, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(differences.mean()), float(low), float(high)


def markdown(table: pd.DataFrame) -> str:
    """The table of `summarise` as Markdown, as shown in the book.

    Args:
        table: as `summarise` makes it.

    Returns:
        a Markdown table.
    """
    against = f"against {_baseline(list(table['network']))}, % [95 %]"
    outlines = [(head, *rest) for head, *rest in _OUTLINES if rest[0] in table]
    heads = [
        "network",
        "Dice, %",
        against,
        "error",
        *(head for head, *_ in outlines),
        "parameters",
        "train, ms",
        "test, ms",
        "memory, MB",
    ]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    for row in table.itertuples():
        spread = "" if np.isnan(row.spread) else f" ± {100 * row.spread:.2f}"
        ends = (
            f"[{100 * row.low:+.2f}, {100 * row.high:+.2f}]"
            if row.low <= row.high
            else "(no interval of fewer than two cars)"
        )
        outline = "".join(f"| {_number(scale * getattr(row, name), form)} " for _, name, scale, form in outlines)
        gain = f"{100 * row.difference:+.2f} {ends}"
        lines.append(
            f"| {row.network} | {100 * row.dice:.2f}{spread} | {gain} | {100 * row.relative_error:.0f} % "
            f"{outline}| {row.parameters:,} | {_number(row.train_ms, '.1f')} | {_number(row.test_ms, '.1f')} "
            f"| {_number(row.memory_mb, '.0f')} |"
        )
    return "\n".join(lines) + "\n"


def _baseline(names: list[str]) -> str:
    return "unet" if "unet" in names else names[0]


def _number(value: float, form: str) -> str:
    return "–" if np.isnan(value) else format(value, form)
