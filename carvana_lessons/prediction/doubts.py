"""The masks of a folder that a person should look at, worst first, from the signals that `predict` left in each.

Lesson:
    11.
"""

import math
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from carvana_lessons.prediction.image_files import find_photos, read_note
from carvana_lessons.prediction.manifest import DOUBT
from carvana_lessons.prediction.uncertainty import Uncertainty
from carvana_lessons.utils.paths import expand

FIRST = 10  # so many are named
SIGNALS = [field.name for field in fields(Uncertainty)]


def to_note(seen: Uncertainty) -> dict:
    """Signals as plain values for the note of a mask; one that is not known is None.

    Args:
        seen: of one photo.

    Returns:
        values that JSON can hold, by name, with five digits after the point.
    """
    return {name: None if math.isnan(value) else round(value, 5) for name, value in asdict(seen).items()}


def read_doubts(out: str | Path, photos: str | Path | list[str | Path] | None = None) -> pd.DataFrame:
    """The signals of the masks that `predict` wrote to a folder, the most doubtful first.

    Args:
        out: the folder of the masks.
        photos: as `predict_folder` took them: only their masks; None for all.

    Returns:
        one row per mask: mask (the file's name), doubt, reasons, and the signals of `Uncertainty`; masks of equal doubt
        in the order of their names. Files without such a note are left out.

    Raises:
        DataError: if ``photos`` names none.

    Lesson:
        11.
    """
    wanted = None if photos is None else {f"{photo.stem}_mask.png" for photo in find_photos(photos).photos}
    rows = []
    for file in sorted(expand(out).glob("*_mask.png")):
        kept = (read_note(file) or {}).get(DOUBT) if wanted is None or file.name in wanted else None
        if kept is not None:
            seen = Uncertainty(**{name: math.nan if kept[name] is None else kept[name] for name in SIGNALS})
            rows.append({"mask": file.name, "doubt": seen.doubt, "reasons": "; ".join(seen.reasons)} | asdict(seen))
    table = pd.DataFrame(rows, columns=["mask", "doubt", "reasons", *SIGNALS])
    return table.sort_values("doubt", ascending=False, kind="stable", ignore_index=True)


def look_first(table: pd.DataFrame, count: int = FIRST) -> list[str]:
    """The masks that are doubtful enough to be looked at, each with its reasons.

    Args:
        table: as `read_doubts` gives it.
        count: how many at most.

    Returns:
        a line for each, the worst first; none where no mask is doubtful.

    Lesson:
        11.
    """
    doubtful = table[table["reasons"] != ""].head(count)
    return [f"{row.mask}: {row.reasons}" for row in doubtful.itertuples()]
