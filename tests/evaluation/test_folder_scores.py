"""The command `evaluate` in Python: the file holds the scores that are returned."""

import pandas as pd
import pytest
import torch

from carvana_lessons import models
from carvana_lessons.data import CarFolder
from carvana_lessons.evaluation import evaluate, evaluate_folder
from carvana_lessons.utils.errors import ExistsError

SILENT = pytest.mark.filterwarnings("ignore:The weights do not say")  # which cars: one test looks at that


@pytest.fixture
def model():
    torch.manual_seed(0)
    return models.create("unet-tiny", width=2)


@SILENT
def test_the_file_holds_the_scores_of_the_photos(make_folder, tmp_path, model):
    folder, out = make_folder(cars=3), tmp_path / "scores.csv"
    scores, photos = evaluate_folder([model], folder, 16, valid=1, out=out)
    pd.testing.assert_frame_equal(scores, evaluate(model, CarFolder(folder), 16))
    pd.testing.assert_frame_equal(pd.read_csv(out), scores, check_dtype=False)
    assert [photo.name for photo in photos] == list(scores["name"])


def test_a_share_of_the_cars_is_scored_and_what_the_score_lacks_is_said(make_folder, model):
    with pytest.warns(UserWarning, match="do not say which cars they were trained on"):
        scores, photos = evaluate_folder(model, make_folder(cars=4), 16, valid=0.25)
    assert len(photos.ids) == 1 and set(scores["car"]) == set(photos.ids)


@SILENT
def test_a_file_that_is_there_is_replaced_only_when_asked(make_folder, tmp_path, model):
    folder, out = make_folder(cars=2), tmp_path / "scores.csv"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(ExistsError, match="exists already"):
        evaluate_folder(model, folder, 16, valid=1, out=out)
    assert out.read_text(encoding="utf-8") == "mine"
    evaluate_folder(model, folder, 16, valid=1, out=out, overwrite=True)
    assert len(pd.read_csv(out)) == len(CarFolder(folder))
