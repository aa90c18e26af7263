"""The command line, as a user types it."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carvana_lessons import cli

SECRETS = {"KAGGLE_KEY": "5e" * 16, "KAGGLE_API_TOKEN": "KGAT_" + "1f" * 16, "KAGGLE_USERNAME": "somebody-s-name"}
BOOK = Path(__file__).resolve().parent.parent / "book"


@pytest.fixture
def run(monkeypatch, capsys):
    """Type a command line; what is printed and the exit code come back."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["carvana-lessons", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.app()
        printed = capsys.readouterr()
        return SimpleNamespace(returncode=end.value.code or 0, stdout=printed.out, stderr=printed.err)

    return call


def test_help_reads_like_a_map_and_loads_no_torch():
    code = "import sys; sys.argv = ['x', '--help']\nfrom carvana_lessons import cli\n"
    code += "try: cli.app()\nfinally: sys.exit('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, encoding="utf-8")
    assert answer.returncode == 0
    places = [
        answer.stdout.index(f"\n  {c} ")
        for c in ["studio", "download", "check", "train", "evaluate", "predict", "submit", "compare"]
    ]
    assert places == sorted(places)


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "carvana_lessons", "check", "nowhere"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert answer.returncode == 1
    assert answer.stderr.startswith("carvana-lessons: ") and len(answer.stderr.splitlines()) == 1


def test_studio_then_check(run, tmp_path):
    out = tmp_path / "drawn cars"
    made = run("studio", out, "--cars", 1, "--size", "96x64", "--workers", 1)
    assert made.returncode == 0, made.stderr
    answer = run("check", out)
    assert answer.returncode == 0, answer.stderr
    assert "In order: synthetic studio, 1 cars, 16 drawn photos." in answer.stdout
    again = run("studio", out, "--cars", 1)
    assert again.returncode == 1 and "Traceback" not in again.stderr


def test_a_broken_folder_is_one_sentence_and_exit_code_one(run, make_folder):
    folder = make_folder()
    mask = next((folder / "train_masks").iterdir())
    mask.unlink()
    answer = run("check", folder)
    assert answer.returncode == 1
    assert mask.name.removesuffix("_mask.gif") in answer.stderr and "Traceback" not in answer.stderr


def test_a_size_that_is_none_is_explained(run, tmp_path):
    answer = run("studio", tmp_path / "x", "--size", "large")
    assert answer.returncode == 2 and "WIDTHxHEIGHT" in answer.stderr


def test_train_evaluate_predict_submit(run, make_folder, tmp_path, monkeypatch):
    """The whole way, on tiny photos in folders with spaces and other letters; submit writes what predict wrote."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    from carvana_lessons import data

    monkeypatch.setenv("CARVANA_CACHE", str(tmp_path / "mein Käse"))
    for name in SECRETS:
        monkeypatch.setenv(name, SECRETS[name])
    folder, runs = make_folder("Fotos für Übung №1 (車)", cars=4, views=3), tmp_path / "meine Läufe"
    before = sorted((p, p.stat().st_mtime_ns) for p in [folder, *folder.rglob("*")])
    trained = run(
        "train", folder, runs, "--network", "unet-tiny", "--width", 2, "--size", 32, "--epochs", 2, "--valid", 0.25
    )
    assert trained.returncode == 0, trained.stderr
    assert "Dice on 1 other car," in trained.stdout
    weights = ["--weights", runs / "best.safetensors"]
    scored = run(
        "evaluate", folder, *weights, "--size", 32, "--valid", 0.25, "--by", "color", "--out", tmp_path / "scores.csv"
    )
    assert scored.returncode == 0, scored.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == 3 and f"Dice {scores.dice.mean():.4f} on 3 photos of 1 cars" in scored.stdout
    assert "The worst:" in scored.stdout and "By color:" in scored.stdout

    masks = run("predict", folder / "train", tmp_path / "masks", *weights, "--size", 32)
    assert masks.returncode == 0, masks.stderr
    sent = run("submit", folder, tmp_path / "s.csv", *weights, "--size", 32, "--images", "train")
    assert sent.returncode == 0, sent.stderr
    for row in pd.read_csv(tmp_path / "s.csv").itertuples():
        png = np.asarray(Image.open(tmp_path / "masks" / f"{row.img.removesuffix('.jpg')}_mask.png")) > 0
        code = "" if row.rle_mask == "1 1" else row.rle_mask
        assert np.array_equal(data.rle_decode(code, png.shape) > 0, png)
    assert sorted((p, p.stat().st_mtime_ns) for p in [folder, *folder.rglob("*")]) == before, "photos are only read"
    printed = "".join(answer.stdout + answer.stderr for answer in (trained, scored, masks, sent)).encode()
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert not [name for name, secret in SECRETS.items() if secret.encode() in printed + written]


def test_networks_of_the_command_line_are_ready_and_answer_as_trained():
    import torch

    from carvana_lessons import models
    from carvana_lessons.cli import _networks

    (ready,), trained = _networks([Path("unet")]), models.create("unet", weights="carvana").eval()
    norms = [[part for part in net.modules() if isinstance(part, torch.nn.BatchNorm2d)] for net in (trained, ready)]
    assert norms[0] and not norms[1]
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(ready(x.to(next(ready.parameters()).device)).cpu(), trained(x), atol=1e-3)


def test_weights_that_come_with_the_package_are_named(run, tmp_path):
    """A drawn car at full size, and a network that saw none but real ones: near enough to be no accident."""
    import numpy as np
    from PIL import Image

    from carvana_lessons import data, studio

    cars = data.CarFolder(studio.make(tmp_path / "photos", cars=1, size=(480, 320), progress=False))
    done = run("predict", tmp_path / "photos" / "train", tmp_path / "masks", "--weights", "unet-small", "--cut-outs")
    assert done.returncode == 0, done.stderr
    for photo in cars:
        mask = np.asarray(Image.open(tmp_path / "masks" / f"{photo.name}_mask.png")) > 0
        alpha = np.asarray(Image.open(tmp_path / "masks" / f"{photo.name}_cut_out.png"))[..., 3]
        truth = data.read_mask(photo.mask) > 0
        assert (mask & truth).sum() > 0.6 * (mask | truth).sum()
        assert np.array_equal(alpha > 127, mask)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "{folder}", "{out}", "--network", "unet-huge"], "the course has unet-tiny"),
        (["train", "{folder}", "{out}", "--schedule", "cosine"], "the trainer has constant"),
        (["evaluate", "{folder}", "--weights", "{out}/none.safetensors"], "train first"),
        (["predict", "{out}", "{out}", "--weights", "{folder}/metadata.csv"], "no safetensors file"),
    ],
)
def test_errors_are_one_sentence(run, make_folder, tmp_path, words, sentence):
    folder = make_folder()
    answer = run(*[w.format(folder=folder, out=tmp_path / "out") for w in words])
    assert answer.returncode == 1
    assert sentence in answer.stderr and "Traceback" not in answer.stderr and len(answer.stderr.splitlines()) == 1


def test_copies_for_a_class(run, tmp_path):
    answer = run("course", "export", "--student", tmp_path / "students", "--book", BOOK)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "students" / "01-the-task.ipynb").exists() and (tmp_path / "students.zip").exists()
    again = run("course", "export", "--student", tmp_path / "students", "--book", BOOK)
    assert again.returncode == 1 and "exists already" in again.stderr
    nothing = run("course", "export", "--book", BOOK)
    assert nothing.returncode == 2 and "--student OUT" in nothing.stderr


def test_chapters_follow_their_exercises(run, tmp_path):
    shutil.copy(BOOK / "01-the-task.ipynb", tmp_path)
    assert "All chapters are" in run("course", "refresh", "--book", tmp_path).stdout
    copy = tmp_path / "01-the-task.ipynb"
    copy.write_text(copy.read_text(encoding="utf-8").replace("my_dice", "your_dice"), encoding="utf-8")
    assert "Changed: 01-the-task." in run("course", "refresh", "--book", tmp_path).stdout
    assert copy.read_text(encoding="utf-8") == (BOOK / "01-the-task.ipynb").read_text(encoding="utf-8")
    assert run("course", "refresh", "--book", tmp_path / "nowhere").returncode == 1


def test_a_fork_names_itself(run, tmp_path):
    (tmp_path / "book").mkdir()
    shutil.copy(BOOK.parent / "_config.yml", tmp_path)
    (tmp_path / "README.md").write_text("", encoding="utf-8")
    answer = run("course", "repository", "https://github.com/a/b", "--root", tmp_path)
    assert answer.returncode == 0 and "_config.yml" in answer.stdout
    assert "url: https://github.com/a/b\n" in (tmp_path / "_config.yml").read_text(encoding="utf-8")


COMMANDS = {
    "train": ["{folder}", "{out}", "--network", "unet-tiny", "--epochs", "1", "--size", "16", "--width", "2"],
    "evaluate": ["{folder}", "--weights", "{weights}", "--size", "16"],
    "predict": ["{folder}/train", "{out}", "--weights", "{weights}", "--size", "16"],
    "submit": ["{folder}", "{out}/s.csv", "--images", "train", "--weights", "{weights}", "--size", "16"],
}
OPTIONS = {
    "--size": ["0", "-5", "1e9", "x", "99999999999"],
    "--batch-size": ["0", "-2", "two"],
    "--epochs": ["0", "-1", "nan"],
    "--width": ["0", "-3", "10000000"],
    "--lr": ["-1", "nan", "inf", "high"],
    "--clip": ["-1", "nan"],
    "--hours": ["-1", "nan", "0"],
    "--valid": ["-0.1", "1.5", "nan", "0"],
    "--seed": ["-1", "1" * 30, "x"],
    "--workers": ["-1", "few"],
    "--accumulate": ["0", "-1"],
    "--shard": ["0/0", "2/1", "²/3", "1/" + "9" * 5000, "half"],
    "--sample": ["{folder}", "{folder}/train", "{out}"],
    "--weights": ["{folder}", "{out}", "unet-huge", ""],
    "--network": ["", "unet-huge"],
    "--schedule": ["cosine"],
    "--by": ["size"],
    "--images": ["nowhere", "../.."],
    "--out": ["{folder}", "{folder}/metadata.csv/a.csv"],
}
TAKES = {
    "train": "size batch-size epochs width lr clip hours valid seed workers accumulate network schedule",
    "evaluate": "size batch-size valid seed weights by out",
    "predict": "size batch-size weights",
    "submit": "size batch-size workers shard sample weights images",
}
WRONG = [
    (command, f"--{option}", value)
    for command, options in TAKES.items()
    for option in options.split()
    for value in OPTIONS[f"--{option}"]
]


def test_no_option_ends_in_a_traceback(run, make_folder, tmp_path, own_cache):
    """Each of the values above makes no sense: all are refused, by name or in a sentence, and nothing is written."""
    folder, out = make_folder(), tmp_path / "out"
    places = {"folder": folder, "out": out, "weights": "unet-small"}
    for command, option, value in WRONG:
        words = [word.format(**places) for word in (command, *COMMANDS[command], option, value)]
        answer = run(*words)
        told = answer.stderr.rpartition("\r")[2].strip()
        assert answer.returncode in (1, 2), words
        if answer.returncode == 1:
            assert told.startswith("carvana-lessons: ") and len(told.splitlines()) == 1, (words, told)
        else:
            assert option in told or "Invalid value" in told, (words, told)
        assert not [p for p in out.rglob("*") if p.is_file()], words


words = st.one_of(
    st.sampled_from(["studio", "download", "check", "train", "evaluate", "predict", "submit", "compare", "course"]),
    st.sampled_from(["--help", "--size", "--weights", "--shard", "--", "-", "export", "--merge", "--seed", "1/2"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)


@given(st.lists(words, max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_command_line_is_answered(run, tmp_path, monkeypatch, words):
    """Typed in an empty folder where nothing can be made: help, or what is wrong; never a traceback."""
    place = tmp_path / "empty"
    place.mkdir(exist_ok=True)
    monkeypatch.chdir(place)
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    monkeypatch.setattr("carvana_lessons.studio.make", lambda out, **settings: out)  # drawing 768 photos takes a minute
    answer = run(*words)
    assert answer.returncode in (0, 1, 2) and "Traceback" not in answer.stderr


def test_files_in_the_way_are_one_sentence(run, make_folder, tmp_path, own_cache):
    folder, file = make_folder(), tmp_path / "file"
    file.touch()
    short = ["--network", "unet-tiny", "--width", 2, "--size", 16, "--epochs", 1]
    for out in (file, file / "below"):
        for words in (
            ["train", folder, out, *short],
            ["predict", folder / "train", out, "--weights", "unet-small", "--size", 32],
            ["submit", folder, out / "s.csv", "--images", "train", "--weights", "unet-small", "--size", 32],
            ["evaluate", folder, "--weights", "unet-small", "--size", 32, "--valid", 0.5, "--out", out / "s.csv"],
            ["studio", out / "new", "--cars", 1, "--size", "48x32", "--workers", 1],
        ):
            answer = run(*words)
            told = answer.stderr.rpartition("\r")[2].strip()
            assert answer.returncode == 1 and "a file is in the way" in told and len(told.splitlines()) == 1, words
    assert "No epoch was finished" in run("train", folder, tmp_path / "run", *short, "--hours", 0).stderr
