"""A folder with every fault at once, each named with its cure; a clean folder; what the command ends with."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import save_mask

from carvana_lessons.data.report import DOUBT, LEVELS, NOTE, PROBLEM, check_folder
from carvana_lessons.data.report_text import MANY, describe_report, sentence

SIZE = (96, 64)


def picture(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Clouds of colour: no two seeds look alike."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def disk(radius: int = 20, size: tuple[int, int] = SIZE) -> np.ndarray:
    y, x = np.mgrid[: size[1], : size[0]]
    return ((y - size[1] // 2) ** 2 + (x - size[0] // 2) ** 2 < radius**2).astype(np.uint8)


def add(root: Path, name: str, seed: int, mask: np.ndarray | None = None, **saved: object) -> Path:
    """A pair photos/NAME.jpg and masks/NAME.png."""
    photo = root / "photos" / f"{name}.jpg"
    for file in (photo, root / "masks" / f"{name}.png"):
        file.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(photo, quality=95, **saved)
    Image.fromarray((disk() if mask is None else mask) * np.uint8(255)).save(root / "masks" / f"{name}.png")
    return photo


@pytest.fixture
def clean(tmp_path) -> Path:
    root = tmp_path / "clean"
    for k in range(6):
        add(root, f"scene{k // 2}_{k % 2}", seed=k)
    return root


GROUP = r"(.+)_\d+"


@pytest.fixture
def faulty(clean) -> Path:
    """Every fault once, beside six pairs that are in order."""
    root = clean.rename(clean.parent / "faulty")
    photos, masks = root / "photos", root / "masks"
    cut = add(root, "cut_0", 20)
    cut.write_bytes(cut.read_bytes()[:700])
    add(root, "text_0", 21)
    (masks / "text_0.png").write_text("no picture", encoding="utf-8")
    add(root, "soft_0", 22)
    Image.fromarray(disk() * np.uint8(255)).resize((48, 32)).resize(SIZE, Image.Resampling.BICUBIC).save(
        masks / "soft_0.png"
    )
    add(root, "large_0", 23, disk(40, (192, 128)))
    add(root, "empty_0", 24, disk(0))
    add(root, "full_0", 25, disk() * 0 + 1)
    add(root, "inverted_0", 26, 1 - disk())
    add(root, "tiny_0", 27, disk(2))
    exif = Image.Exif()
    exif[0x0112] = 3
    add(root, "turned_0", 28, exif=exif)
    add(root, "lonely_0", 29)
    (masks / "lonely_0.png").unlink()
    add(root, "orphan_0", 30)
    (photos / "orphan_0.jpg").unlink()
    add(root, "copied_0", 31)
    shutil.copy(photos / "scene0_0.jpg", photos / "copied_0.jpg")
    add(root, "again_0", 32)
    picture(3).resize((93, 62), Image.Resampling.LANCZOS).save(photos / "again_0.jpg", quality=70)
    save_mask(masks / "again_0.png", disk(20, (93, 62)))
    add(root, "grey_0", 33)
    picture(33).convert("L").save(photos / "grey_0.jpg")
    add(root, "twice_0", 34)
    Image.fromarray(disk() * np.uint8(255)).save(masks / "twice_0_mask.png")
    (photos / "notes.txt").write_text("mine", encoding="utf-8")
    (photos / ".DS_Store").write_bytes(b"x")
    (photos / "raw_0.dng").write_bytes(b"II*\0")
    return root


# kind, level, a file it names, words of its cure
FAULTS = [
    ("several masks", PROBLEM, "masks/twice_0_mask.png", "--masks"),
    ("damaged photo", PROBLEM, "photos/cut_0.jpg", "copy or download it again"),
    ("damaged mask", PROBLEM, "masks/text_0.png", "copy or download it again"),
    ("no mask", PROBLEM, "masks/soft_0.png", "--soft"),
    ("another size", PROBLEM, "masks/large_0.png", "resize this one"),
    ("duplicates across groups", PROBLEM, "photos/copied_0.jpg", "into one group"),
    ("photo without mask", DOUBT, "photos/lonely_0.jpg", "Copy their masks"),
    ("mask without photo", DOUBT, "masks/orphan_0.png", "Copy their photos"),
    ("empty mask", DOUBT, "masks/empty_0.png", "Look whether"),
    ("full mask", DOUBT, "masks/full_0.png", "Look whether"),
    ("inverted mask", DOUBT, "masks/inverted_0.png", "1 - mask"),
    ("unusual share", DOUBT, "masks/tiny_0.png (0.1%)", "Look whether"),
    ("near-duplicates across groups", DOUBT, "photos/again_0.jpg", "remove all but one"),
    ("turned photo", DOUBT, "photos/turned_0.jpg", "--sheet"),
    ("skipped", DOUBT, "photos/raw_0.dng", "JPEG or PNG"),
    ("colours", NOTE, "photos/grey_0.jpg (JPEG, L)", ""),
    ("other values", NOTE, "masks/again_0.png (0 and 1)", "nothing is to be done"),
    ("mixed sizes", NOTE, None, ""),
]


def test_every_fault_at_once_is_named_with_its_cure(faulty):
    before = sorted((p, p.stat().st_mtime_ns) for p in faulty.rglob("*"))
    report = check_folder(faulty, group=GROUP, progress=False)
    assert report.cars is None
    for kind, level, file, cure in FAULTS:
        of_kind = [finding for finding in report.findings if finding.kind == kind]
        about = [finding for finding in of_kind if file is None or file in finding.files]
        assert len(about) == 1, (kind, of_kind)
        assert about[0].level == level and cure in sentence(about[0]), about[0]
    skipped = {file for finding in report.findings if finding.kind == "skipped" for file in finding.files}
    assert skipped == {"photos/notes.txt", "photos/.DS_Store", "photos/raw_0.dng"}
    levels = [LEVELS.index(finding.level) for finding in report.findings]
    assert levels == sorted(levels), "problems first"
    assert {finding.kind for finding in report.findings} == {kind for kind, *_ in FAULTS}
    assert sorted((p, p.stat().st_mtime_ns) for p in faulty.rglob("*")) == before


def test_each_file_is_named_by_its_own_fault_alone(faulty):
    """What is in order is named by nothing, and no duplicate of two faulty files is told."""
    report = check_folder(faulty, group=GROUP, progress=False)
    named = " ".join(file for finding in report.findings for file in finding.files if finding.kind != "other values")
    for name in ("scene0_1", "scene1_0", "scene2_0", "scene2_1"):
        assert name not in named
    [other] = [finding for finding in report.findings if finding.kind == "other values"]
    assert other.files == ("masks/again_0.png (0 and 1)",), "an empty and a full mask have one value by nature"
    [near] = [finding for finding in report.findings if finding.kind == "near-duplicates across groups"]
    assert near.files == ("photos/again_0.jpg", "photos/scene1_1.jpg")
    assert {pair.name for pair in report.suspects} >= {"again_0", "empty_0", "cut_0"}


def test_a_clean_folder_has_nothing_to_be_told(clean):
    report = check_folder(clean, group=GROUP, progress=False)
    assert report.findings == () and report.unit == "group" and len(report.cars) == 6
    text = describe_report(report)
    assert text.startswith("Found: 6 photos of 3 groups with masks; JPEG, RGB, masks PNG, L, of the values 0 and 255;")
    share = disk().mean()
    assert f"fills {share:.1%} of a photo in the median, {share:.1%} to {share:.1%}." in " ".join(text.split())


def test_duplicates_within_a_group_do_no_harm(clean):
    shutil.copy(clean / "photos" / "scene0_0.jpg", clean / "photos" / "scene0_1.jpg")
    report = check_folder(clean, group=GROUP, progress=False)
    assert [(finding.level, finding.kind) for finding in report.findings] == [(NOTE, "duplicates")]
    without = check_folder(clean, progress=False)
    assert [finding.kind for finding in without.problems] == ["duplicates across groups"], "each photo for itself"
    assert any(finding.kind == "no groups" for finding in without.of(DOUBT))


def test_near_duplicates_within_a_group_stay_together_in_a_split(clean):
    picture(0).resize((93, 62)).resize(SIZE).save(clean / "photos" / "scene0_1.jpg", quality=70)
    assert check_folder(clean, group=GROUP, progress=False).findings == ()
    kinds = [finding.kind for finding in check_folder(clean, progress=False).findings]
    assert kinds == ["no groups", "near-duplicates across groups"]


def test_a_mask_of_the_turned_photo_fits_and_one_that_is_turned_alone_does_not(clean):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, more in (("phone_0", {"exif": exif}), ("plain_0", {})):
        add(clean, name, 40 + len(more), disk(20, SIZE[::-1]), **more)
    report = check_folder(clean, group=GROUP, progress=False)
    assert [(finding.kind, finding.files) for finding in report.problems] == [("another size", ("masks/plain_0.png",))]
    assert "turn this one by 90 degrees" in report.problems[0].cure
    assert [finding.files for finding in report.of(DOUBT)] == [("photos/phone_0.jpg",)]


def test_many_faults_of_a_kind_are_told_in_few_lines(clean):
    for k in range(MANY + 5):
        add(clean, f"wide{k}_0", 50 + k, disk(10, (96, 65)))
    report = check_folder(clean, group=GROUP, progress=False)
    assert len(report.problems) == MANY + 5
    text = " ".join(describe_report(report).split())
    assert text.count("The mask has another size") == MANY - 1 and "And 6 more of this kind" in text


def test_the_command_ends_with_one_and_writes_what_was_asked_for(run, faulty, tmp_path):
    out, sheet = tmp_path / "report.json", tmp_path / "sheet.html"
    answer = run("check", faulty, "--group", GROUP, "--out", out, "--sheet", sheet)
    assert answer.returncode == 1
    assert "is not in order: 6 problems to be mended" in answer.stderr.splitlines()[-1]
    assert answer.stdout.startswith("To be mended before a training:\n  1. ")
    heads = [answer.stdout.index(head) for head in ("To be mended", "To be looked at", "To be known", "Found: ")]
    assert heads == sorted(heads)
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["version"] == 1 and not content["in_order"] and content["sizes"]["96×64"] > 10
    kinds = {finding["kind"] for finding in content["findings"]}
    assert kinds == {kind for kind, *_ in FAULTS}
    page = sheet.read_text(encoding="utf-8")
    assert page.count("<img ") == content["pairs"] and "(!) empty_0" in page and ">scene2_1<" in page
    again = run("check", faulty, "--group", GROUP, "--out", out)
    assert again.returncode == 1 and "--overwrite" in again.stderr and again.stdout == ""


def test_the_command_ends_with_zero_where_there_are_only_notes(run, clean, tmp_path):
    picture(1).convert("L").save(clean / "photos" / "scene0_1.jpg")
    answer = run("check", clean, "--group", GROUP, "--sheet", tmp_path / "sheet.png")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("To be known:\n  1. Photos that are not plain RGB")
    assert "In order: real photos, 3 groups, 6 photos." in answer.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and sheet.width >= 4 * 96
    doubted = run("check", clean)
    assert doubted.returncode == 0 and "In order, except for what is told above: " in doubted.stdout
    wrong = run("check", clean, "--sheet", "sheet.pdf")
    assert wrong.returncode == 1 and "sheet.html" in wrong.stderr and wrong.stdout == ""


def test_kaggles_layout_is_checked_by_its_own_rules(make_folder):
    root = make_folder(cars=2, views=2)
    (root / "test").mkdir()
    picture(0).save(root / "test" / "0123456789ab_01.jpg")  # the challenge's test photos lie beside, without masks
    report = check_folder(root, progress=False)
    assert report.unit == "car" and not report.problems and len(report.looks) == 4
    photo, mask = next((root / "train").iterdir()), next((root / "train_masks").iterdir())
    photo.rename(photo.with_name(photo.name.upper()))
    (root / "train" / "holiday.jpg").write_bytes(photo.with_name(photo.name.upper()).read_bytes())
    mask.unlink()
    told = [(finding.level, finding.kind, sentence(finding)) for finding in check_folder(root, progress=False).findings]
    assert any(kind == "layout" and level == PROBLEM and "small letters" in text for level, kind, text in told)
    assert any(kind == "photo without mask" and level == PROBLEM for level, kind, text in told)
    assert any("holiday.jpg" in text for _, _, text in told)


def test_a_folder_without_pairs_is_told_so(tmp_path):
    (tmp_path / "photos").mkdir()
    picture(0).save(tmp_path / "photos" / "a.jpg")
    report = check_folder(tmp_path, progress=False)
    assert report.problems and "no mask that belongs to a photo" in describe_report(report).replace("\n     ", " ")
    assert describe_report(report).endswith("Found: no photo with its mask.")
