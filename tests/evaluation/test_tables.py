"""Tables of scores: against the same thing counted by hand, and colours against paints that are known."""

import pandas as pd
import pytest
from samples import save_mask

from carvana_lessons import data, studio
from carvana_lessons.evaluation import tables
from carvana_lessons.utils.errors import DataError

TABLE = pd.DataFrame(
    {
        "name": ["a_01", "a_02", "b_01", "b_02", "c_01"],
        "car": ["a", "a", "b", "b", "c"],
        "view": [1, 2, 1, 2, 1],
        "dice": [0.9, 0.7, 0.8, 1.0, 0.5],
        "iou": 0.0,
        "tp": 1,
        "fp": 2,
        "fn": 3,
    }
)


def test_best_and_worst():
    assert list(tables.best(TABLE, 2)["name"]) == ["b_02", "a_01"]
    assert list(tables.worst(TABLE, 3)["name"]) == ["c_01", "a_02", "b_01"]
    assert list(tables.worst(TABLE, 1).columns) == ["name", "dice", "fp", "fn"]


def test_groups():
    views = tables.by(TABLE, "view")
    assert views["mean"].tolist() == pytest.approx([(0.9 + 0.8 + 0.5) / 3, 0.85])
    assert views.index.tolist() == [1, 2] and views["photos"].tolist() == [3, 2]
    body = tables.by(TABLE, pd.Series({"a": "suv", "b": "suv", "c": "coupe"}, name="body"))
    assert body.index.tolist() == ["coupe", "suv"] and body.index.name == "body"
    assert body.loc["suv", ["worst", "cars", "photos"]].tolist() == [0.7, 2, 4]


@pytest.mark.parametrize("known", [{}, {"a": 2014}, {"a": "suv"}])
def test_cars_that_metadata_does_not_know_are_a_group_of_their_own(known):
    years = pd.Series(known, name="year", dtype="Int64" if known == {"a": 2014} else object)
    groups = tables.by(TABLE, years)
    assert groups.index.name == "year" and set(groups.index) == {*known.values(), "unknown"}
    assert groups.loc["unknown", "photos"] == 5 - 2 * len(known)


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """The cars of the book's own studio, smaller: 48 of them, 120×80 pixels."""
    return studio.make(tmp_path_factory.mktemp("cars") / "studio", cars=48, size=(120, 80), workers=1)


@pytest.mark.parametrize(
    ("family", "paints"),
    [("light", ["white"]), ("dark", ["black"]), ("warm", ["red", "orange", "yellow", "maroon"]), ("cool", ["blue"])],
)
def test_colors_are_those_that_the_studio_painted(painted, family, paints):
    cars = data.CarFolder(painted)
    known = cars.metadata["color"]
    chosen = cars.select(cars=known.index[known.isin(paints)])
    found = tables.car_colors(chosen)
    assert list(found.index) == chosen.ids and len(found) >= 2
    assert (found == family).mean() >= 0.75


def test_other_views_are_taken_where_the_usual_ones_are_missing(cars):
    assert set(tables.car_colors(cars.select(views=[1, 2]))) <= set(tables.FAMILIES)


def test_a_car_whose_masks_are_empty_has_no_colour(make_folder):
    root = make_folder(cars=2, views=1)
    path = root / "train_masks" / "000000000ab1_01_mask.gif"
    save_mask(path, 0 * data.read_mask(path))
    with pytest.raises(DataError, match="car 000000000ab1 has no colour: the masks of 000000000ab1_01 are empty"):
        tables.car_colors(data.CarFolder(root))
