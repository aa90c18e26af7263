"""The command `train` in Python: what it returns is what it kept, and a run is never lost unasked."""

import pandas as pd
import pytest

from carvana_lessons.training import train_folder
from carvana_lessons.utils.errors import CarvanaError

SMALL = {"width": 2, "size": 16, "batch_size": 4}


def test_the_table_holds_the_history_and_the_rest_of_the_cars_is_named(make_folder, tmp_path):
    history, valid = train_folder(make_folder(cars=4), tmp_path, "unet-tiny", epochs=2, valid=0.5, **SMALL)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), history.frame, check_dtype=False)
    assert len(history) == 2 and len(valid.ids) == 2
    assert {p.name for p in tmp_path.iterdir()} >= {"last.safetensors", "best.safetensors", "history.csv"}


def test_a_run_goes_on_as_one_that_never_stopped(make_folder, tmp_path):
    """One-cycle would end with the first part, so the constant rate."""
    folder, same = make_folder(cars=4), SMALL | {"schedule": "constant", "seed": 3}
    whole, _ = train_folder(folder, tmp_path / "whole", "unet-tiny", epochs=2, **same)
    train_folder(folder, tmp_path / "parts", "unet-tiny", epochs=1, **same)
    parts, _ = train_folder(folder, tmp_path / "parts", "unet-tiny", epochs=2, resume=True, **same)
    assert parts.frame["loss"].tolist() == whole.frame["loss"].tolist()


def test_a_run_that_is_there_is_replaced_only_when_asked(make_folder, tmp_path):
    folder, out = make_folder(cars=4), tmp_path / "run"
    first, _ = train_folder(folder, out, "unet-tiny", epochs=1, **SMALL)
    before = {p: p.read_bytes() for p in out.iterdir()}
    with pytest.raises(CarvanaError, match="holds the history of a run already"):
        train_folder(folder, out, "unet-tiny", epochs=1, **SMALL)
    assert {p: p.read_bytes() for p in out.iterdir()} == before
    second, _ = train_folder(folder, out, "unet-tiny", epochs=1, seed=1, overwrite=True, **SMALL)
    assert second.frame["loss"].tolist() != first.frame["loss"].tolist()
