"""Read the files of a comparison; a damaged one is an error with a cure."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from carvana_lessons.utils.errors import DataError

SPEEDS = {"train_ms": float, "test_ms": float, "memory_mb": float}
TEXTS = {"network", "car"}  # of the columns of all tables; the others hold numbers


def read_json(path: Path, keys: Mapping[str, type], cure: str) -> dict:
    """An object that a comparison wrote.

    Args:
        path: the file.
        keys: that it must have, each with the type of its value.
        cure: what to do where it is damaged.

    Returns:
        the object, by key.

    Raises:
        DataError: if it is not there, cannot be read or lacks such a key.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, str(error), cure) from error
    except OSError as error:
        raise _damaged(path, error.strerror or str(error), cure) from error
    if not isinstance(found, dict):
        raise _damaged(path, "it holds no object", cure)
    if missing := [key for key, kind in keys.items() if not isinstance(found.get(key), kind)]:
        raise _damaged(path, f"it does not say {missing[0]}", cure)
    return found


def read_table(path: Path, columns: Collection[str], cure: str) -> pd.DataFrame:
    """A table that a comparison wrote, with at least one row.

    Args:
        path: the CSV file.
        columns: that it must have; all but `TEXTS` hold numbers.
        cure: as for `read_json`.

    Returns:
        the table, with one row at least.

    Raises:
        DataError: if it is not there, cannot be read, has no row, or lacks a column or a value in one.
    """
    try:
        numbers = [name for name in pd.read_csv(path, nrows=0).columns if name not in TEXTS]
        texts, gaps = dict.fromkeys(TEXTS, str), {name: ["", "nan"] for name in numbers}
        table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=gaps)  # a car may be called 007, or NA
    except ValueError as error:  # pandas' own are ValueErrors too
        raise _damaged(path, str(error), cure) from error
    except OSError as error:
        raise _damaged(path, error.strerror or str(error), cure) from error
    if missing := [name for name in columns if name not in table]:
        raise _damaged(path, f"it has no column {missing[0]}", cure)
    if table.empty:
        raise _damaged(path, "it has no row", cure)
    for name in columns:
        lacking = (table[name] == "").any() if name in TEXTS else not is_numeric_dtype(table[name])
        if lacking or table[name].isna().any():
            raise _damaged(path, f"its column {name} lacks a value", cure)
    return table


def read_speeds(out: Path) -> dict[str, dict]:
    """What `carvana_lessons.comparison.measure_speed` measured, by network; empty where nothing was.

    Args:
        out: the folder of the comparison.

    Returns:
        network → what was measured, by name.

    Raises:
        DataError: for a file that is damaged.
    """
    return {
        file.stem: read_json(file, SPEEDS, f"remove {file}, and `carvana-lessons compare` measures it again")
        for file in sorted((out / "speed").glob("*.json"))
    }


def _damaged(path: Path, why: str, cure: str) -> DataError:
    return DataError(f"{path} is damaged ({' '.join(why.split())}): {cure}.")
