"""A folder of pseudo-labels: own masks where there are some, predicted ones elsewhere, nothing half-written."""

import numpy as np
import pytest
from samples import Brightness, other_process

from carvana_lessons import data
from carvana_lessons.prediction import predict, pseudo_label
from carvana_lessons.utils.errors import CarvanaError, DataError


@pytest.fixture
def parts(make_folder, own_cache):
    return data.split_by_car(data.CarFolder(make_folder(cars=2, views=3)), (0.5, 0.5))


def test_labelled_photos_keep_their_masks_and_others_get_the_predicted_ones(parts, tmp_path):
    labelled, unlabelled = parts
    both = pseudo_label(Brightness(), labelled, unlabelled, tmp_path / "out", size=32)
    assert both.ids == sorted(labelled.ids + unlabelled.ids) and len(both) == 6
    masks = {photo.name: data.read_mask(photo.mask) for photo in both}
    for photo in labelled:
        assert np.array_equal(masks[photo.name], data.read_mask(photo.mask))
    true = []
    for photo, mask in zip(unlabelled, predict(Brightness(), unlabelled, size=32), strict=True):
        assert np.array_equal(masks[photo.name], mask)
        true.append(np.array_equal(mask, data.read_mask(photo.mask)))
    assert not all(true)  # a copy of the truth would be seen
    assert both.metadata.equals(labelled.whole.metadata)
    both.check(progress=False)


def test_photos_without_masks_are_what_it_is_for(parts, make_folder, tmp_path):
    labelled, _ = parts
    bare = data.CarFolder(make_folder("bare", cars=4, views=1), masks=None).select(cars=[f"{0xAB3:012x}"])
    both = pseudo_label([Brightness()] * 2, labelled, bare, tmp_path / "out", size=32, flip=True)
    assert len(both) == 4


def test_nothing_stays_of_a_run_that_fails(parts, tmp_path):
    labelled, unlabelled = parts

    class Broken(Brightness):
        def forward(self, x):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        pseudo_label(Broken(), labelled, unlabelled, tmp_path / "new" / "out", size=32)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_exists_and_a_photo_in_both_are_refused(parts, tmp_path):
    labelled, unlabelled = parts
    with pytest.raises(DataError, match="exists already"):
        pseudo_label(Brightness(), labelled, unlabelled, tmp_path, size=32)
    with pytest.raises(DataError, match="both labelled and unlabelled"):
        pseudo_label(Brightness(), labelled, labelled, tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()


def test_of_two_processes_the_second_is_refused(parts, tmp_path):
    """Or the labels of the other one's networks would come back in silence."""
    labelled, unlabelled = parts
    with (
        other_process(tmp_path / "out"),
        pytest.raises(CarvanaError, match="Another process is writing"),
    ):
        pseudo_label(Brightness(), labelled, unlabelled, tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()
