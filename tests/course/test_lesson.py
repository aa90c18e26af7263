"""How a chapter begins: two visible settings, one line that says everything."""

import pytest
import torch

from carvana_lessons import course, data, studio
from carvana_lessons.course.lesson import data_folder
from carvana_lessons.utils.errors import CarvanaError


@pytest.fixture
def photos(make_folder, monkeypatch):
    folder = make_folder(cars=3, views=16, size=(192, 128))
    monkeypatch.setenv("CARVANA_DATA", str(folder))
    monkeypatch.delenv("CARVANA_SCALE", raising=False)
    return folder


def test_the_line_names_device_scale_data_and_seed(photos, capsys):
    lesson = course.start("02-u-net", seed=7)
    line = capsys.readouterr().out
    assert line == f"{lesson}\n"
    for part in ("02-u-net", f"device {lesson.device}", f"scale {lesson.scale}", "48 photos", "real photos", "seed 7"):
        assert part in line
    assert str(photos.parent) not in line  # a published page tells nobody's folders


def test_the_studio_is_never_passed_off_as_real(photos, capsys):
    table = (photos / "metadata.csv").read_text(encoding="utf-8").splitlines()
    lines = [table[0] + ",source", *(row + ",synthetic studio" for row in table[1:])]
    (photos / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert course.start("01-the-task").source == "synthetic studio, 3 cars, 48 drawn photos"


def test_the_seed_fixes_what_follows(photos):
    draws = []
    for _ in range(2):
        course.start("01-the-task", seed=3)
        draws.append(torch.rand(2).tolist())
    assert draws[0] == draws[1]


def test_torch_takes_no_more_threads_than_a_container_grants(photos, monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        for setting, expected in (("2", 3), (None, 1)):  # what a user has set stays
            monkeypatch.setattr("carvana_lessons.course.lesson.cores", lambda: 1)
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
            if setting:
                monkeypatch.setenv("OMP_NUM_THREADS", setting)
            course.start("02-u-net")
            assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


def test_scale_is_a_setting(photos, monkeypatch):
    monkeypatch.setenv("CARVANA_SCALE", "paper")
    lesson = course.start("02-u-net")
    assert (lesson.size, lesson.batch_size, lesson.epochs) == (512, 4, 250)
    monkeypatch.setenv("CARVANA_SCALE", "huge")
    with pytest.raises(CarvanaError, match="'huge'; set it to quick, colab, paper"):
        course.start("02-u-net")


def test_upscaled_photos_are_reported(make_folder, monkeypatch, capsys):
    for scale, chosen in course.SCALES.items():
        monkeypatch.setenv("CARVANA_SCALE", scale)
        for name, missing in (("enough", 0), ("less", 1)):
            side = chosen.size - missing
            monkeypatch.setenv("CARVANA_DATA", str(make_folder(f"{name} {scale}", size=(side + 40, side))))
            course.start("02-u-net")
            lines = capsys.readouterr().out.splitlines()
            told = [line for line in lines if f"Photos of {side + 40}×{side} pixels are upscaled" in line]
            assert len(told) == missing and len(lines) == 1 + missing


def test_one_small_photo_among_large_ones_is_enough_to_say_it(make_folder, monkeypatch, capsys):
    folder, few = make_folder(size=(192, 128)), make_folder("few", size=(90, 60), seed=1)
    for part in ("train", "train_masks"):
        for file in (few / part).iterdir():
            file.rename(folder / part / file.name.replace("000000000a", "00000000ba"))
    monkeypatch.setenv("CARVANA_SCALE", "quick")
    monkeypatch.setenv("CARVANA_DATA", str(folder))
    course.start("02-u-net")
    assert "Photos of 90×60 pixels are upscaled to 128×128" in capsys.readouterr().out


def test_the_scales_of_a_session_take_no_more_pixels_than_the_studio_draws():
    assert all(course.SCALES[scale].size <= min(studio.DEFAULT.size) for scale in ("quick", "colab"))
    assert all(chosen.size % 32 == 0 for chosen in course.SCALES.values())


def test_unset_the_device_decides(monkeypatch):
    monkeypatch.delenv("CARVANA_SCALE", raising=False)
    assert [course.scale_name(d) for d in ("cpu", "cuda", "mps")] == ["quick", "colab", "quick"]


def test_a_larger_folder_takes_fewer_epochs_not_longer(photos, make_folder, monkeypatch):
    few = course.start("a").epochs
    monkeypatch.setenv("CARVANA_DATA", str(make_folder("more", cars=12, views=16)))
    assert course.start("a").epochs == pytest.approx(few / 4, rel=0.05)


def test_a_folder_that_is_none_is_one_sentence(photos, monkeypatch):
    monkeypatch.setenv("CARVANA_DATA", str(photos / "nowhere"))
    with pytest.raises(CarvanaError, match="nowhere"):
        course.start("01-the-task")


def test_a_chapter_may_have_photos_of_its_own_and_a_folder_that_was_named_wins(
    own_cache, make_folder, monkeypatch, capsys
):
    own, named = make_folder(cars=2, views=1, name="own"), make_folder(cars=3, views=1, name="named")
    monkeypatch.setenv("CARVANA_DATA", "")
    assert course.start("11-your-own-photos", photos=lambda: data.CarFolder(own)).data == own
    assert "data: drawn photos, 2 cars, 2 photos" in capsys.readouterr().out
    monkeypatch.setenv("CARVANA_DATA", str(named))
    assert course.start("11-your-own-photos", photos=lambda: data.CarFolder(own)).data == named.resolve()
    assert "data: real photos, 3 cars, 3 photos" in capsys.readouterr().out


def test_a_relative_folder_is_found_from_a_notebooks_own_folder(make_folder, tmp_path, monkeypatch):
    """``export CARVANA_DATA=photos`` beside book/, then JupyterLab, whose kernels start in book/."""
    photos = make_folder("photos")
    book = photos.parent / "book"
    book.mkdir()
    monkeypatch.setenv("CARVANA_DATA", "photos")
    monkeypatch.chdir(book)
    assert data_folder() == photos.resolve()
    own = book / "photos"
    own.mkdir()
    assert data_folder() == own.resolve(), "the one that is here comes first"
    monkeypatch.setenv("CARVANA_DATA", "nowhere")
    assert data_folder() == (book / "nowhere").resolve()
