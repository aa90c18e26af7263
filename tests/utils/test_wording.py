"""Pieces of sentences."""

import pytest

from carvana_lessons.utils.wording import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 photos"), (1, "1 photo"), (2, "2 photos"), (1536, "1,536 photos")]
)
def test_one_thing_is_not_called_many(number, words):
    assert counted(number, "photo") == words


def test_a_plural_of_its_own():
    assert counted(2, "pass", "passes") == "2 passes"
    assert counted(1, "pass", "passes") == "1 pass"
