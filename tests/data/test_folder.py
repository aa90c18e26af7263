"""CarFolder: what it gives of a good folder, and one clear sentence for each way in which a folder is not good."""

import io
import os
import pickle
import re
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from samples import bomb, save_mask, sixteen_bits

from carvana_lessons import data
from carvana_lessons.data.layout import header
from carvana_lessons.utils.errors import DataError

CAR = "000000000ab0"


@pytest.fixture
def root(make_folder) -> Path:
    return make_folder()


def listing(root: Path) -> list[tuple[str, int, int]]:
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in [root, *root.rglob("*")])


# --- a good folder


def test_photos_in_the_order_of_their_names(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cars = data.CarFolder(root)
    assert len(cars) == 6
    assert [photo.name for photo in cars] == [f"000000000ab{i}_{v:02}" for i in (0, 1) for v in (1, 2, 3)]
    photo = cars[4]
    assert (photo.car, photo.view, photo.size, photo.index) == ("000000000ab1", 2, (48, 32), 4)
    assert photo.image == root / "train" / "000000000ab1_02.jpg"
    assert photo.mask == root / "train_masks" / "000000000ab1_02_mask.gif"
    assert photo.read().shape == (32, 48, 3)
    assert cars[-1].index == 5
    with pytest.raises(IndexError):
        cars[6]


def test_parts_are_views_on_the_same_index(root):
    cars = data.CarFolder(root)
    part = cars[1:5]
    assert [photo.index for photo in part] == [1, 2, 3, 4]
    assert [photo.index for photo in part.subset([3, 0])] == [4, 1]
    assert [photo.index for photo in part.subset([True, False, False, True])] == [1, 4]
    assert [photo.index for photo in part[::-1]] == [4, 3, 2, 1]
    assert len(part.subset([])) == 0 and len(cars[:0].subset([])) == 0
    assert part[:2].ids == [CAR] and part[2:].ids == ["000000000ab1"] and part.ids == cars.ids
    assert len(part.whole) == 6 and part.fingerprint == cars.fingerprint
    assert [photo.name for photo in part.whole] == [photo.name for photo in cars]
    with pytest.raises(IndexError):
        part.subset([4])


def test_select(root):
    cars = data.CarFolder(root)
    assert [photo.index for photo in cars.select(cars=[CAR])] == [0, 1, 2]
    assert [photo.index for photo in cars.select(cars=CAR, views=2)] == [1]
    assert [photo.index for photo in cars.select(views=[3, 1])] == [0, 2, 3, 5]
    assert len(cars.select(cars=[])) == 0 and len(cars.select(views=16)) == 0
    with pytest.raises(DataError, match="nobody"):
        cars.select(cars=["nobody"])
    with pytest.raises(DataError, match="1 to 16, not 0, 17"):
        cars.select(views=[0, 17])


def test_metadata_and_source(root):
    cars = data.CarFolder(root)
    assert list(cars.metadata.index) == cars.ids
    assert cars.metadata.loc[CAR, ["year", "make", "model", "trim1"]].tolist() == [2000, "Make", "Model 0", "Trim"]
    assert cars.source == "photos" and "photos" in repr(cars)
    assert list(cars[:3].metadata.index) == [CAR]

    table = (root / "metadata.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{line},{'source' if i == 0 else 'synthetic studio'},red" for i, line in enumerate(table)]
    (root / "metadata.csv").write_text("\n".join([rows[0].replace("red", "color"), *rows[1:]]), encoding="utf-8")
    cars = data.CarFolder(root)
    assert cars.source == "synthetic studio" and cars.metadata["color"].tolist() == ["red", "red"]

    (root / "metadata.csv").unlink()
    cars = data.CarFolder(root)
    assert cars.source == "photos" and len(cars.metadata) == 0 and "make" in cars.metadata


def test_an_id_that_looks_like_a_number_stays_an_id(make_folder):
    root = make_folder(cars=1, views=1)
    for path in list(root.glob("train*/*")):
        path.rename(path.with_name(path.name.replace(CAR, "1234e5678901")))
    text = (root / "metadata.csv").read_text(encoding="utf-8")
    (root / "metadata.csv").write_text(text.replace(CAR, "1234e5678901"), encoding="utf-8")
    cars = data.CarFolder(root)
    assert cars.ids == ["1234e5678901"] and cars.metadata.loc["1234e5678901", "make"] == "Make"


def test_frame(root):
    frame = data.CarFolder(root)[2:4].frame()
    assert frame.to_dict("list") == {
        "name": ["000000000ab0_03", "000000000ab1_01"],
        "car": [CAR, "000000000ab1"],
        "view": [3, 1],
        "width": [48, 48],
        "height": [32, 32],
    }


def test_fingerprint_follows_the_files(root):
    first = data.CarFolder(root).fingerprint
    assert data.CarFolder(root).fingerprint == first
    os.utime(root / "train_masks" / f"{CAR}_02_mask.gif", ns=(1, 1))
    second = data.CarFolder(root).fingerprint
    assert second != first
    (root / "train" / f"{CAR}_01.jpg").unlink()
    (root / "train_masks" / f"{CAR}_01_mask.gif").unlink()
    assert data.CarFolder(root).fingerprint not in (first, second)


def test_pickles_small_for_worker_processes(root):
    cars = data.CarFolder(root)[1:3]
    again = pickle.loads(pickle.dumps(cars))
    assert [photo for photo in again] == [photo for photo in cars]


def test_photos_without_masks(root):
    (root / "train").rename(root / "test")
    cars = data.CarFolder(root, images="test", masks=None)
    assert len(cars) == 6 and cars[0].mask is None and not cars.has_masks
    image, mask = data.read_pair(cars[0], (8, 8))
    assert image.shape == (8, 8, 3) and mask is None


def test_the_widely_used_copy_with_png_masks(root):
    (root / "train").rename(root / "train_images")
    for gif in list((root / "train_masks").iterdir()):
        Image.fromarray(data.read_mask(gif) * np.uint8(255)).save(gif.with_name(gif.name.replace("_mask.gif", ".png")))
        gif.unlink()
    cars = data.CarFolder(root)
    assert len(cars) == 6 and cars[0].image.parent.name == "train_images" and cars[0].mask.suffix == ".png"
    assert set(np.unique(data.read_mask(cars[0].mask))) == {0, 1}


def test_nothing_is_written_into_the_folder(root, own_cache):
    before = listing(root)
    for path in [*root.rglob("*"), root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        cars = data.CarFolder(root)
        cars.check(progress=False)
        train, _ = data.split_by_car(cars, (0.5, 0.5))
        next(iter(data.loader(train, size=8, batch_size=2)))
        assert listing(root) == before, "root writes in spite of the modes, so the listing is what counts"
    finally:
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755)


def test_the_real_photos_open_without_decoding_a_pixel(real_photos, monkeypatch):
    real, decoded = ImageFile.ImageFile.load, []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image) or real(image))
    cars = data.CarFolder(real_photos.root)
    assert decoded == []
    cars[0].read()
    assert decoded, "what decodes is noticed"
    assert (len(cars), len(cars.ids), cars[0].size, cars.source) == (1536, 96, (1918, 1280), "photos")
    assert len(cars.metadata) == 96


# --- folders that are not good: one sentence each, with the file and the cure


def test_missing_mask(root):
    for view in (1, 3):
        (root / "train_masks" / f"{CAR}_{view:02}_mask.gif").unlink()
    with pytest.raises(DataError, match=rf"No mask .*{CAR}_01, {CAR}_03 \(2 of 6\): copy the masks again"):
        data.CarFolder(root)


def test_mask_without_photo_is_left_out_with_a_warning(root):
    (root / "train" / f"{CAR}_02.jpg").unlink()
    with pytest.warns(UserWarning, match=rf"No photo .*{CAR}_02 .*copy the photos again") as caught:
        cars = data.CarFolder(root)
    assert len(caught) == 1 and caught[0].filename == __file__, "one warning, at the line that opened the folder"
    assert len(cars) == 5 and f"{CAR}_02" not in [photo.name for photo in cars]


@pytest.mark.parametrize("file", ["train/000000000ab0_02.jpg", "train_masks/000000000ab0_02_mask.gif"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.6, 0.9])
def test_file_that_is_cut_off(root, file, keep):
    whole = (root / file).read_bytes()
    (root / file).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(DataError, match=rf"Cut off or not an image: .*{Path(file).name}. Copy or download again"):
        data.CarFolder(root)


def test_text_that_is_called_jpg(root):
    (root / "train" / f"{CAR}_02.jpg").write_text("<html>403 Forbidden</html>", encoding="utf-8")
    with pytest.raises(DataError, match=rf"not an image: .*{CAR}_02\.jpg"):
        data.CarFolder(root)


@pytest.mark.parametrize("padding", [b"\0" * 300, b"\r\n", b"\xff\xff", b"a trailer that some cameras write"])
def test_bytes_after_the_end_are_no_fault(root, padding):
    for file in (root / "train" / f"{CAR}_02.jpg", root / "train_masks" / f"{CAR}_02_mask.gif"):
        file.write_bytes(file.read_bytes() + padding)
        assert header(file) == (48, 32)
    data.CarFolder(root).check(progress=False)


def test_padded_files_are_not_decoded(root, monkeypatch):
    path = root / "train" / f"{CAR}_02.jpg"
    path.write_bytes(path.read_bytes() + b"\0" * 300)
    monkeypatch.setattr(Image.Image, "load", lambda self: 1 / 0)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: 1 / 0)
    assert len(data.CarFolder(root)) == 6


def test_mask_of_another_size(root):
    Image.new("L", (32, 48)).save(root / "train_masks" / f"{CAR}_02_mask.gif")
    with pytest.raises(DataError, match=rf"another size .*{CAR}_02_mask\.gif \(32×48, its photo 48×32\)\. Put"):
        data.CarFolder(root)


def test_mask_with_grey_values(root):
    grey = Image.fromarray(np.linspace(0, 255, 48 * 32).reshape(32, 48).astype(np.uint8))
    grey.save(root / "train_masks" / f"{CAR}_02_mask.gif")
    cars = data.CarFolder(root)  # no pixel was looked at
    with pytest.raises(DataError, match=rf"{CAR}_02_mask\.gif has 256 grey values .*\(mask > 127\)"):
        cars.check(progress=False)
    with pytest.raises(DataError, match="grey values"):
        data.read_pair(cars[1], (8, 8))


def test_stray_file_is_left_out_with_a_warning(root):
    for name in (f"{CAR}_17.jpg", f"copy of {CAR}_01.jpg", "notes.txt", "z.jpg"):
        (root / "train" / name).write_text("hello", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"Left out of .*_17\.jpg, copy of .*, notes\.txt and 1 more") as caught:
        assert len(data.CarFolder(root)) == 6
    assert len(caught) == 1 and caught[0].filename == __file__, "one warning, at the line that opened the folder"


def test_what_systems_leave_behind_is_ignored(root):
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", f"._{CAR}_01.jpg"):
        (root / "train" / name).write_text("", encoding="utf-8")
        (root / "train_masks" / name).write_text("", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(data.CarFolder(root)) == 6


def test_empty_folder(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train_masks").mkdir()
    with pytest.raises(DataError, match=r"train holds nothing: photos are named <12 hex digits>"):
        data.CarFolder(tmp_path)
    (tmp_path / "train" / "car.jpg").touch()
    with pytest.raises(DataError, match=r"holds only other files \(car\.jpg\)"):
        data.CarFolder(tmp_path)


@pytest.mark.parametrize("name", [f"{CAR.upper()}_02.jpg", f"{CAR}_02.JPG"])
def test_name_in_another_case(root, name):
    (root / "train" / f"{CAR}_02.jpg").rename(root / "train" / name)
    with warnings.catch_warnings(), pytest.raises(DataError, match=rf"small letters; rename {name} to") as error:
        warnings.simplefilter("error")
        data.CarFolder(root)
    assert f"to {CAR}_02.jpg." in str(error.value) and "\n" not in str(error.value), "one fault, one sentence"


def test_all_names_in_capitals(root):
    for path in list((root / "train_masks").iterdir()):
        path.rename(path.with_name(path.name.upper()))
    with pytest.raises(DataError, match=r"small letters.* and 3 more"):
        data.CarFolder(root)


def test_two_masks_for_one_photo(root):
    shutil.copy(root / "train_masks" / f"{CAR}_02_mask.gif", root / "train_masks" / f"{CAR}_02.gif")
    with pytest.raises(DataError, match=rf"Two files .*{CAR}_02\.gif and {CAR}_02_mask\.gif. Keep one"):
        data.CarFolder(root)


def test_several_faults_are_told_at_once(root):
    (root / "train_masks" / f"{CAR}_01_mask.gif").unlink()
    (root / "train" / f"{CAR}_02.jpg").write_bytes(b"")
    with pytest.raises(DataError) as error:
        data.CarFolder(root)
    assert len(str(error.value).splitlines()) == 2


def test_many_faults_name_three_and_count_the_rest(make_folder):
    root = make_folder(cars=2, views=5)
    for path in (root / "train").iterdir():
        path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match=r"_01\.jpg, .*_02\.jpg, .*_03\.jpg and 7 more"):
        data.CarFolder(root)


def test_folders_that_are_elsewhere(root, tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist: give the folder that holds train/"):
        data.CarFolder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"metadata\.csv is a file"):
        data.CarFolder(root / "metadata.csv")
    with pytest.raises(DataError, match=rf"seems to be such a folder itself; give its parent, {root}\."):
        data.CarFolder(root / "train")
    with pytest.raises(DataError, match=rf"but {root} does"):
        data.CarFolder(tmp_path)
    with pytest.raises(DataError, match=r'no folder test/: name it with images="…" \(there is train, train_masks\)'):
        data.CarFolder(root, images="test")
    (root / "train_masks").rename(root / "masks")
    with pytest.raises(DataError, match=r"no folder train_masks/: .*masks=None"):
        data.CarFolder(root)
    assert len(data.CarFolder(root, masks="masks")) == 6


def move(files: list[Path], to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.rename(to / file.name)


def in_capitals(root: Path) -> Path:
    (root / "train").rename(root / "aside")
    (root / "aside").rename(root / "Train")  # a disk that knows no capitals renames nothing onto itself
    return root


def loose(root: Path, masks: bool = True, train: str = "") -> Path:
    move(list((root / "train").iterdir()), root / train)
    if masks:
        move(list((root / "train_masks").iterdir()), root / train)
    for folder in ("train", "train_masks"):
        if folder != train:
            shutil.rmtree(root / folder)
    return root


def any_names(root: Path) -> Path:
    loose(root, masks=False)
    for k, path in enumerate(sorted(root.glob("*.jpg"))):
        path.rename(root / f"IMG {k}.JPG")
    return root


def deep(root: Path) -> Path:
    move([root / "train", root / "train_masks"], root.parent / "all" / "of" / "them")
    return root.parent / "all"


def folder_a_car(root: Path) -> Path:
    for path in list((root / "train").iterdir()):
        move([path], root / "train" / path.name[:12])
    return root


def masks_alone(root: Path) -> Path:
    shutil.rmtree(root / "train")
    return root


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: root / "train" / f"{CAR}_01.jpg", r"is a file, .*: give the folder that it is in, {root}\."),
        (lambda root: root / "train" / "nothing", r"does not exist: give the folder that holds train/ .*studio`\."),
        (lambda root: root / "train_masks", r"such a folder itself; give its parent, {root}\."),
        (loose, r"lie in it themselves \({car}_01\.jpg.*\); move them to .*train, and the masks to .*train_masks\."),
        (lambda root: loose(root, masks=False), r"lie in it themselves \({car}_01\.jpg.*\); move them to .*train\."),
        (any_names, r"pictures lie in it themselves \(IMG 0\.JPG, .*`carvana-lessons predict`; photos are named <12"),
        (lambda root: loose(root, train="train"),
         r"train_masks/: the masks lie among the photos \({car}_01_mask\.gif.*; move them to .*train_masks\."),
        (deep, r"but {all}.of.them does; give that one\."),
        (folder_a_car, r"train holds no photos itself, .*{car} does .*: move them one folder up\."),
        (masks_alone, r"no folder train/: it has masks alone; copy their photos to .*train\."),
    ],
)  # fmt: skip
def test_where_the_photos_are_instead(root, change, words):
    """Each sentence names what would help, in the notebook and on the command line alike."""
    words = words.format(root=re.escape(str(root)), car=CAR, all=re.escape(str(root.parent / "all")))
    folder = change(root)
    with warnings.catch_warnings(), pytest.raises(DataError, match=words) as error:
        warnings.simplefilter("error")
        data.CarFolder(folder)
    assert str(error.value).startswith(str(root.parent)) and "\n" not in str(error.value)


def test_folders_in_capitals(root):
    in_capitals(root)
    if (root / "train").is_dir():
        pytest.skip("a disk that does not tell capitals apart finds it")
    with pytest.raises(
        DataError, match=r"no folder train/: its name is written in small letters; rename Train to train"
    ):
        data.CarFolder(root)


def test_what_the_sentence_says_helps(root):
    """Loose photos and masks, moved as told, are a folder in order."""
    before = [photo.name for photo in data.CarFolder(root)]
    with pytest.raises(DataError, match="move them to") as error:
        data.CarFolder(loose(root))
    photos, masks = re.findall(r"to (\S+?)[,.](?: |$)", str(error.value))
    move(list(root.glob("*.jpg")), Path(photos))
    move(list(root.glob("*_mask.gif")), Path(masks))
    assert [photo.name for photo in data.CarFolder(root)] == before


def test_unpacked_twice(root):
    (root / "train").rename(root / "inner")
    (root / "train").mkdir()
    (root / "inner").rename(root / "train" / "train")
    with pytest.raises(DataError, match=r"holds another train/ .*move what is in .*train/train one folder up"):
        data.CarFolder(root)


def test_metadata_that_is_no_table(root):
    (root / "metadata.csv").write_text("<html>\n403, Forbidden\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"metadata\.csv is not the table of cars \(id, year"):
        data.CarFolder(root)


def metadata(root: Path, table: str | bytes) -> data.CarFolder:
    (root / "metadata.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    return data.CarFolder(root)


TABLE = f"id,year,make,model,trim1,trim2\n{CAR},2000,Make,Model,Trim,\n000000000ab1,2001,Make,Model,Trim,\n"


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_metadata_as_programs_save_it(root, mark, end):
    cars = metadata(root, TABLE.replace("Make", "Citroën").replace("\n", end).encode(mark))
    assert cars.metadata["make"].tolist() == ["Citroën"] * 2 and cars.metadata["year"].tolist() == [2000, 2001]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.replace("id,", "car,"), "it has no column id"),
        (lambda t: t.replace(",", ";"), "it has no column id"),
        (lambda t: t.replace("2000", "2000.5"), ""),
        (lambda t: t.replace("2000", "9" * 30), ""),
        (lambda t: t.replace("2000", "1e300"), ""),
        (lambda t: t.replace("2000", "soon"), ""),
        (lambda t: t.replace("year,make,model,trim1,trim2", "make"), ""),  # rows longer than the header
        (lambda t: t.encode("utf-16"), ""),
        (lambda t: t.replace("Make", "Citroën").encode("latin-1"), ""),
        (lambda t: "", ""),
        (lambda t: t + '"', ""),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_metadata_that_is_broken_is_named(root, change, why):
    with pytest.raises(DataError, match=rf"metadata\.csv is not the table of cars \(id, year.*{why}"):
        metadata(root, change(TABLE))


def test_metadata_without_some_columns_has_missing_values(root):
    cars = metadata(root, f"color,id\nred,{CAR}\n,\n")
    assert cars.metadata.loc[CAR, "color"] == "red" and len(cars.metadata) == 1
    assert cars.metadata[["year", "make", "model", "trim1", "trim2"]].isna().all(axis=None)


def test_metadata_with_two_rows_of_a_car(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(metadata(root, TABLE + TABLE.partition("\n")[2]).metadata) == 2, "twice the same is no fault"
    with pytest.warns(UserWarning, match=rf"several rows of {CAR}, and they differ: the first one counts") as caught:
        cars = metadata(root, TABLE + f"{CAR},1999,Other,Model,Trim,\n")
    assert cars.metadata.loc[CAR, "make"] == "Make" and len(caught) == 1 and caught[0].filename == __file__


def test_a_source_that_is_a_number_or_missing(root):
    assert metadata(root, f"id,source\n{CAR},5\n").source == "5"
    assert metadata(root, f"id,source\n{CAR},\n").source == "photos"


def fill(root: Path) -> Path:
    """One photo and its mask."""
    for name, file in (("train", f"{CAR}_01.jpg"), ("train_masks", f"{CAR}_01_mask.gif")):
        (root / name).mkdir()
        Image.new("L" if "gif" in file else "RGB", (8, 6)).save(root / name / file)
    return root


def opened(root: Path) -> data.CarFolder | None:
    """The folder, decoded; None where a sentence says what is wrong. Nothing else may be raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cars = data.CarFolder(root)
            cars.check(progress=False)
        except DataError as error:
            assert str(error).isprintable() or all(line.isprintable() for line in str(error).splitlines())
            return None
    return cars


edits = st.lists(
    st.tuples(
        st.integers(0, len(TABLE)), st.integers(0, 3), st.binary(max_size=3) | st.sampled_from([b",", b"\n", b'"'])
    ),
    min_size=1,
    max_size=6,
)


@given(edits)
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_metadata_is_a_table_or_one_sentence(edits):
    with tempfile.TemporaryDirectory() as folder:
        root, table = fill(Path(folder)), bytearray(TABLE.encode())
        for place, length, text in edits:
            table[place : place + length] = text
        (root / "metadata.csv").write_bytes(table)
        if cars := opened(root):
            assert set(cars.metadata.index) <= {CAR} and isinstance(cars.source, str)
            assert {"year", "make", "model", "trim1", "trim2"} <= set(cars.metadata.columns)


like_photos = st.from_regex(r"\A[0-9a-fA-F]{12}_[01][0-9](_mask)?\.(jpg|JPEG|gif|png|txt)\Z")
# What a disk may hold: text, and bytes that are none, which Python reads as the surrogates U+DC80 to U+DCFF.
on_a_disk = st.characters(codec="utf-8", exclude_characters="/\0") | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF
)
names = st.one_of(like_photos, st.text(on_a_disk, min_size=1, max_size=20))
kinds = st.sampled_from(["empty", "text", "photo", "mask", "folder", "link to itself", "link to nothing"])


@given(st.lists(st.tuples(st.sampled_from(["train", "train_masks", "."]), names, kinds), max_size=6))
@settings(max_examples=60, deadline=None)
@example([("train", "\udcff\n.jpg", "empty")])
@example([("train", f"{CAR}_02.jpg", "link to itself")])
@example([("train", f"{CAR}_02.jpg", "photo"), ("train_masks", f"{CAR}_02.png", "mask")])
def test_odd_files_in_a_folder_are_left_out_or_named(files):
    with tempfile.TemporaryDirectory() as folder:
        root = fill(Path(folder))
        for place, name, kind in files:
            path = root / place / name
            if name in (".", "..") or len(os.fsencode(name)) > 200 or os.path.lexists(path):
                continue
            if kind in ("photo", "mask"):
                Image.new("RGB" if kind == "photo" else "1", (8, 6)).save(path, format="PNG")
            elif kind == "folder":
                path.mkdir()
            elif "link" in kind:
                path.symlink_to(name if "itself" in kind else "nowhere")
            else:
                path.write_bytes(b"" if kind == "empty" else b"hello")
        if cars := opened(root):
            assert cars[0].name == f"{CAR}_01" or len(cars) > 1
            there = {p.name for p in (root / "train").iterdir() if p.is_file()}
            assert {photo.image.name for photo in cars} <= there and all(photo.mask.is_file() for photo in cars)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pictures() -> list[bytes]:
    """One file of every kind that may lie in a folder of photos."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        encoded(noise, "JPEG", exif=exif),
        encoded(noise, "JPEG", progressive=True),
        encoded(noise.convert("CMYK"), "JPEG"),
        encoded(noise, "PNG", exif=exif),
        encoded(noise.convert("P"), "GIF"),
        encoded(sixteen_bits((8, 6)), "PNG"),
    ]


@given(
    st.sampled_from(pictures()), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4), st.floats(0, 1)
)
@settings(max_examples=120, deadline=None)
def test_a_damaged_photo_is_read_or_named(content, changes, keep):
    damaged = bytearray(content)
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    with tempfile.TemporaryDirectory() as folder:
        root = fill(Path(folder))
        path = root / "train" / f"{CAR}_01.jpg"
        path.write_bytes(damaged[: max(1, int(keep * len(damaged)))] if keep < 0.5 else damaged)
        if cars := opened(root):
            assert cars[0].read().shape == (*cars[0].size[::-1], 3)
            assert data.read_pair(cars[0], (3, 4))[0].shape == (3, 4, 3)


@pytest.mark.parametrize("file", [f"train/{CAR}_02.jpg", f"train_masks/{CAR}_02_mask.gif"])
def test_a_file_that_claims_to_be_enormous_is_named_and_not_decoded(root, file):
    (root / file).write_bytes(bomb())
    with pytest.raises(DataError, match=rf"{Path(file).name} has more than \d+,.* pixels.*save it smaller"):
        data.CarFolder(root)


def test_check_finds_damage_in_the_middle(root):
    path = root / "train_masks" / f"{CAR}_02_mask.gif"
    Image.fromarray(np.random.default_rng(0).integers(0, 2, (32, 48), dtype=np.uint8)).save(path.with_suffix(".png"))
    path.unlink()
    path = path.with_suffix(".png")
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 255  # header and end mark stay as they are
    path.write_bytes(whole)
    cars = data.CarFolder(root)
    with pytest.raises(DataError, match=rf"{CAR}_02_mask\.png cannot be decoded .*download it again"):
        cars.check(progress=False)
    cars.subset([0, 2, 3]).check(progress=False)


def test_check_warns_of_photos_that_are_not_plain_rgb(root):
    Image.open(root / "train" / f"{CAR}_01.jpg").convert("L").save(root / "train" / f"{CAR}_01.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(root / "train" / f"{CAR}_02.jpg").save(root / "train" / f"{CAR}_02.jpg", exif=exif)
    with pytest.warns(UserWarning, match=rf"{CAR}_01\.jpg \(L\), {CAR}_02\.jpg \(RGB, turned\) \(2 of 6\)"):
        data.CarFolder(root).check(progress=False)


def test_check_names_masks_that_are_empty_full_or_look_inverted(make_folder):
    root = make_folder(cars=2, views=3)
    good = [data.read_mask(photo.mask) for photo in data.CarFolder(root)]
    for name, mask in (("ab0_01", 0 * good[0]), ("ab0_02", 1 - good[1]), ("ab1_01", 0 * good[0] + 1)):
        save_mask(root / "train_masks" / f"000000000{name}_mask.gif", mask)
    cars = data.CarFolder(root)
    with pytest.warns(UserWarning) as caught:
        cars.check(progress=False)
    told = sorted(str(warning.message) for warning in caught)
    assert [text.partition(",")[0] for text in told] == [
        f"Masks that {what}" for what in ("are empty", "are full", "look inverted")
    ]
    for text, name in zip(told, ("ab0_01", "ab1_01", "ab0_02"), strict=True):
        assert f": 000000000{name}_mask.gif (1 of 6)." in text
    assert {warning.filename for warning in caught} == {__file__}


def test_check_says_nothing_of_masks_as_they_should_be(root):
    """A car that is cut off below is at the border too."""
    path = root / "train_masks" / f"{CAR}_01_mask.gif"
    cut, near = data.read_mask(path), data.read_mask(path)
    cut[:-1], cut[-1] = 0, 1
    near[:] = 1
    near[:, 0] = 0
    save_mask(path, cut)
    save_mask(path.with_name(f"{CAR}_02_mask.gif"), near)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.CarFolder(root).check(progress=False)


def test_check_looks_at_all_masks_of_a_folder_alike(root):
    """Of masks that hold 1 and 2 one without car holds 1 everywhere, and reads as full: by itself nobody could tell."""
    for photo in data.CarFolder(root):
        mask = data.read_mask(photo.mask)
        Image.fromarray(mask + np.uint8(1)).save(photo.mask, format="PNG")
    Image.fromarray(mask * 0 + np.uint8(1)).save(photo.mask, format="PNG")
    with pytest.warns(UserWarning, match=rf"Masks that are full, .*{photo.mask.name} \(1 of 6\)"):
        data.CarFolder(root).check(progress=False)
