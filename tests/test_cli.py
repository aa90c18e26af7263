"""The command line, as a user types it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import other_process

from carvana_lessons import cli
from carvana_lessons.utils import catalog

SECRETS = {"KAGGLE_KEY": "5e" * 16, "KAGGLE_API_TOKEN": "KGAT_" + "1f" * 16, "KAGGLE_USERNAME": "somebody-s-name"}
BOOK = Path(__file__).resolve().parent.parent / "book"


def test_help_reads_like_a_map_and_loads_no_torch():
    code = "import sys; sys.argv = ['x', '--help']\nfrom carvana_lessons import cli\n"
    code += "try: cli.app()\nfinally: sys.exit('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, encoding="utf-8")
    assert answer.returncode == 0
    places = [
        answer.stdout.index(f"\n  {c} ")
        for c in [
            *("studio", "download", "check", "plan", "train", "evaluate"),
            *("predict", "cut-out", "submit", "compare", "export"),
        ]
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
    assert "In order: synthetic studio, 1 car, 16 drawn photos." in answer.stdout
    again = run("studio", out, "--cars", 1)
    assert again.returncode == 1 and "Traceback" not in again.stderr


def test_a_broken_folder_is_one_sentence_and_exit_code_one(run, make_folder):
    folder = make_folder()
    mask = next((folder / "train_masks").iterdir())
    mask.unlink()
    answer = run("check", folder)
    assert answer.returncode == 1
    assert mask.name.removesuffix("_mask.gif") in answer.stdout, "the report, with its cure, is what was asked for"
    told = answer.stderr.splitlines()[-1]
    assert told.startswith("carvana-lessons: ") and "is not in order: 1 problem to be mended" in told


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
    assert "Validation Dice of the last epoch on 1 held-out car," in trained.stdout
    weights = ["--weights", runs / "best.safetensors"]
    scored = run("evaluate", folder, *weights, "--by", "color", "--boundary", "--out", tmp_path / "scores.csv")
    assert scored.returncode == 0, scored.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == 3 and f"Dice {scores.dice.mean():.4f} on 3 photos of 1 car" in scored.stdout
    assert "The worst:" in scored.stdout and "By color:" in scored.stdout
    assert f"95 % Hausdorff distance {scores.hd95.mean():.2f} pixels" in scored.stdout

    masks = run("predict", folder / "train", tmp_path / "masks", *weights)
    assert masks.returncode == 0, masks.stderr
    sent = run("submit", folder, tmp_path / "s.csv", *weights, "--images", "train")
    assert all("32×32 px, float32" in answer.stdout for answer in (scored, masks, sent))
    assert sent.returncode == 0, sent.stderr
    for row in pd.read_csv(tmp_path / "s.csv").itertuples():
        png = np.asarray(Image.open(tmp_path / "masks" / f"{row.img.removesuffix('.jpg')}_mask.png")) > 0
        code = "" if row.rle_mask == "1 1" else row.rle_mask
        assert np.array_equal(data.rle_decode(code, png.shape) > 0, png)
    assert sorted((p, p.stat().st_mtime_ns) for p in [folder, *folder.rglob("*")]) == before, "photos are only read"
    printed = "".join(answer.stdout + answer.stderr for answer in (trained, scored, masks, sent)).encode()
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert not [name for name, secret in SECRETS.items() if secret.encode() in printed + written]


def test_a_training_whose_time_is_over_says_how_to_continue_and_parts_are_merged_without_weights(
    run, make_folder, tmp_path, own_cache, monkeypatch
):
    from carvana_lessons.training import Trainer, folder_training

    class TwoEpochs(Trainer):  # as if the time were over then
        def fit(self, *loaders, epochs, **settings):
            return super().fit(*loaders, epochs=min(epochs, 2), **settings)

    folder, out, file = make_folder(cars=4, views=2), tmp_path / "run", tmp_path / "s.csv"
    monkeypatch.setattr(folder_training, "Trainer", TwoEpochs)
    net = ["--network", "unet-tiny", "--width", 2, "--size", 16, "--schedule", "constant"]
    said = run("train", folder, out, *net, "--epochs", 3, "--hours", 9).stdout
    assert said.endswith("2 of 3 epochs are done; the same command with --resume continues.\n")
    monkeypatch.undo()
    monkeypatch.setenv("CARVANA_CACHE", str(tmp_path / "cache"))
    assert "are done" not in run("train", folder, out, *net, "--epochs", 3, "--resume").stdout
    for k in (1, 2):
        assert run("submit", folder, file, "--weights", out, "--images", "train", "--shard", f"{k}/2").returncode == 0
    assert run("submit", folder, file, "--images", "train").returncode == 2
    assert run("submit", folder, file, "--merge", "--shard", "1/2").returncode == 0
    assert len(file.read_text(encoding="utf-8").splitlines()) == 9


def test_every_command_answers_at_the_size_of_the_training(run, make_folder, tmp_path, own_cache):
    """As the same network does in Python at that size; another size on the line is done, and said."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    from carvana_lessons import data
    from carvana_lessons.evaluation import evaluate
    from carvana_lessons.models import fuse_batch_norm
    from carvana_lessons.prediction import load_trained, predict

    folder, out = make_folder(cars=4, views=2), tmp_path / "run"
    shape = ["--network", "unet-tiny", "--width", 2, "--epochs", 4, "--lr", 0.02, "--batch-size", 2, "--valid", 0.5]
    assert run("train", folder, out, *shape, "--size", 24).returncode == 0
    network, cars = fuse_batch_norm(load_trained(out / "best.safetensors")), data.CarFolder(folder)
    own, other = ([predict(network, cars, size)] for size in (24, 8))
    own, other = list(*own), list(*other)
    assert any((a != b).any() for a, b in zip(own, other, strict=True)), "the sizes must tell"

    weights = ["--weights", out / "best.safetensors"]
    for words, masks, asked in (([], own, 24), (["--size", 24], own, 24), (["--size", "8x8"], other, 8)):
        place = tmp_path / f"masks {len(words)} {asked}"
        answers = [
            run("predict", folder / "train", place, *weights, *words),
            run("submit", folder, place / "s.csv", *weights, *words, "--images", "train"),
            run("evaluate", folder, *weights, *words, "--out", place / "scores.csv"),
        ]
        for answer in answers:
            assert answer.returncode == 0 and f"{asked}×{asked} px, float32" in answer.stdout
            assert ("was trained at 24×24 and answers at 8×8" in answer.stderr) == (asked == 8)
        codes = pd.read_csv(place / "s.csv", index_col="img").rle_mask
        for photo, mask in zip(cars, masks, strict=True):
            assert np.array_equal(np.asarray(Image.open(place / f"{photo.name}_mask.png")) > 0, mask)
            code = codes[f"{photo.name}.jpg"]
            assert np.array_equal(data.rle_decode("" if code == "1 1" else code, mask.shape) > 0, mask)
        _, unseen = data.split_by_car(cars, (0.5, 0.5), seed=0)
        scores = pd.read_csv(place / "scores.csv")
        assert scores.dice.round(9).tolist() == evaluate(network, unseen, asked).dice.round(9).tolist()
        assert scores.name.tolist() == [photo.name for photo in unseen]


def test_a_score_of_cars_that_were_learned_from_is_said_to_be_one(run, make_folder, tmp_path, own_cache):
    folder, out = make_folder(cars=4, views=2), tmp_path / "run"
    short = ["--network", "unet-tiny", "--width", 2, "--size", 8, "--epochs", 1, "--valid", 0.25]
    assert run("train", folder, out, *short).returncode == 0
    weights = ["--weights", out]
    honest = run("evaluate", folder, *weights)
    assert "of 1 car." in honest.stdout and "was trained on" not in honest.stderr
    everything = run("evaluate", folder, *weights, "--valid", 1)
    assert "of 4 cars." in everything.stdout and "Of 4 scored cars the network was trained on 3:" in everything.stderr
    told = [run("evaluate", folder, *weights, "--valid", 0.25, "--seed", seed).stderr for seed in range(4)]
    assert "was trained on" not in told[0] and any("was trained on 1:" in text for text in told[1:])


def test_a_history_that_lies_alone_is_not_taken_for_a_run(run, make_folder, tmp_path, own_cache):
    folder, out = make_folder(), tmp_path / "run"
    out.mkdir()
    (out / "history.csv").write_text("mine", encoding="utf-8")
    short = ["--network", "unet-tiny", "--width", 2, "--size", 16, "--epochs", 1, "--valid", 0.5]
    for words in ([], ["--resume"]):
        answer = run("train", folder, out, *short, *words)
        assert answer.returncode == 1 and "holds the history of a run" in answer.stderr
        assert [p.name for p in out.iterdir()] == ["history.csv"]
        assert (out / "history.csv").read_text(encoding="utf-8") == "mine"


def test_networks_of_the_command_line_are_ready_and_answer_as_trained():
    import torch

    from carvana_lessons import models
    from carvana_lessons.cli import _networks

    (fused,), trained = _networks(["unet"], None, None), models.create("unet", weights="carvana").eval()
    norms = [[part for part in net.modules() if isinstance(part, torch.nn.BatchNorm2d)] for net in (trained, fused)]
    assert norms[0] and not norms[1]
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(fused(x.to(next(fused.parameters()).device)).cpu(), trained(x), atol=1e-3)


def test_a_network_is_exported_and_runs_without_torch(run, tmp_path):
    out = tmp_path / "new" / "car.onnx"
    done = run("export", out, "--weights", "unet-small")
    assert (done.returncode, done.stdout) == (0, f"unet-small: 128×128 px, float32.\nWrote {out}.\n"), done.stderr
    code = "import sys, numpy as np, onnxruntime as r; s = r.InferenceSession(sys.argv[1])\n"
    code += "y, = s.run(None, {'photo': np.zeros((2, 3, 128, 128), np.float32)})\n"
    code += "sys.exit(y.shape != (2, 1, 128, 128) or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, out], check=False).returncode == 0
    again = run("export", out, "--weights", "unet-small", "--free-size")
    assert again.returncode == 1 and "exists already" in again.stderr
    free = run("export", out, "--weights", "unet-small", "--free-size", "--overwrite")
    assert (free.returncode, free.stdout) == (0, f"Wrote {out}.\n"), free.stderr


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
        (["predict", "{folder}", "{out}", "--weights", "{folder}/metadata.csv"], "no safetensors file"),
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


def test_an_exam_names_the_seed_that_draws_it_again(run, tmp_path):
    first = run("course", "exam", tmp_path / "exam", "--chapter", "05-segnet-unpooling")
    assert first.returncode == 0, first.stderr
    seed = first.stdout.partition("--seed ")[2].split()[0]
    again = run("course", "exam", tmp_path / "again", "--chapter", "05-segnet-unpooling", "--seed", seed)
    assert again.returncode == 0, again.stderr
    paper, same = ((tmp_path / out / "exam.md").read_text(encoding="utf-8") for out in ("exam", "again"))
    assert paper == same and "5 · SegNet and unpooling" in paper and "## 1 · The task" not in paper


@pytest.mark.parametrize("command", ["slides", "handouts"])
def test_what_is_made_of_executed_chapters_says_what_is_missing(run, tmp_path, command):
    answer = run("course", command, tmp_path / "out", "--build", tmp_path / "nowhere")
    assert answer.returncode == 1 and "run `make book` first" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()
    wrong = run("course", command, tmp_path / "out", "--chapter", "5")
    assert wrong.returncode == 1 and "There is no chapter '5'; the chapters are 01-the-task, " in wrong.stderr


@pytest.mark.parametrize("other", ["class", "sub/../class", "class.zip"])
def test_copies_of_two_kinds_want_two_names(run, tmp_path, other):
    (tmp_path / "sub").mkdir()
    answer = run("course", "export", "--student", tmp_path / "class", "--instructor", tmp_path / other, "--book", BOOK)
    assert answer.returncode == 1 and "give each a name of its own" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]


def test_scores_of_two_at_once_are_never_dropped(run, make_folder, tmp_path):
    import torch

    from carvana_lessons import models
    from carvana_lessons.models import checkpoint

    folder, out = make_folder(cars=2, views=1), tmp_path / "race.csv"
    torch.manual_seed(0)
    network = models.create("unet-tiny", width=2)
    checkpoint.save(
        tmp_path / "a.safetensors", checkpoint.Checkpoint(network.state_dict(), {"network": network.recipe})
    )
    words = ("evaluate", folder, "--weights", tmp_path / "a.safetensors", "--size", 16, "--valid", 1, "--out", out)
    for more in ((), ("--overwrite",)):
        with other_process(out):
            answer = run(*words, *more)
        assert answer.returncode == 1 and "Another process is writing" in answer.stderr, answer.stderr
        assert not out.exists()
    assert run(*words).returncode == 0 and out.exists()


@pytest.mark.parametrize("name", ["../mine", "a/b", "{tmp}/mine", "..", ".", "", "a\\b"])
def test_results_are_kept_under_a_name_and_nowhere_else(run, tmp_path, name):
    (tmp_path / "book").mkdir()
    answer = run("course", "results", tmp_path, name.format(tmp=tmp_path), "--book", tmp_path / "book")
    assert answer.returncode == 2 and "six-networks for example" in answer.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["book"]


def test_results_are_kept_in_a_book_that_is_there(run, tmp_path):
    answer = run("course", "results", tmp_path, "mine", "--book", tmp_path / "bok")
    assert answer.returncode == 1 and "There is no folder" in answer.stderr and "--book" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_chapters_follow_their_exercises(run, tmp_path):
    shutil.copy(BOOK / "01-the-task.ipynb", tmp_path)
    assert "All chapters agree" in run("course", "refresh", "--book", tmp_path).stdout
    copy = tmp_path / "01-the-task.ipynb"
    copy.write_text(copy.read_text(encoding="utf-8").replace("my_dice", "your_dice"), encoding="utf-8")
    assert "Changed: 01-the-task." in run("course", "refresh", "--book", tmp_path).stdout
    assert copy.read_text(encoding="utf-8") == (BOOK / "01-the-task.ipynb").read_text(encoding="utf-8")
    assert run("course", "refresh", "--book", tmp_path / "nowhere").returncode == 1
    for content in (
        b"{broken",
        b"[1, 2]",
        b"\xff\xfe{",
        b'{"cells":[{}]}',
        b'{"cells":[1]}',
        b'{"cells":[{"source":[1]}]}',
    ):
        copy.write_bytes(content)
        answer = run("course", "refresh", "--book", tmp_path)
        assert answer.returncode == 1 and f"{copy} is" in answer.stderr and "fetch it" in answer.stderr
        assert copy.read_bytes() == content


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
    "cut-out": ["{folder}/train", "{out}", "--weights", "{weights}", "--size", "16"],
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
    "--crop": ["-1", "nan", "5%", "1e9"],
    "--format": ["gif", "", "PNG,JPEG"],
    "--background": ["whit", "", "{folder}", "{folder}/nowhere.png", "{folder}/metadata.csv"],
}
TAKES = {
    "train": "size batch-size epochs width lr clip hours valid seed workers accumulate network schedule",
    "evaluate": "size batch-size valid seed weights by out",
    "predict": "size batch-size weights",
    "cut-out": "size weights crop format background",
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
        told = "\n".join(line for line in told.splitlines() if not line.startswith("carvana-lessons: note: "))
        assert answer.returncode in (1, 2), words
        if answer.returncode == 1:
            assert told.startswith("carvana-lessons: ") and len(told.splitlines()) == 1, (words, told)
        else:
            assert option in told or "Invalid value" in told, (words, told)
        assert not [p for p in out.rglob("*") if p.is_file()], words


# What is typed wrong, the exit code, and what the one sentence says: the value that was typed, and the cure. Of all but
# the photos nothing is needed: each is answered before anything is read, and before torch is loaded.
MISTAKES = [
    ("typo", 2, "'typo'", "there are studio, download, check, plan, train"),
    (
        "course",
        2,
        "command is missing",
        "there are export, grade, slides, handouts, exam, refresh, results, repository",
    ),
    ("course typo", 2, "'typo'", "there are export, grade"),
    ("--typo", 2, "--typo", "`carvana-lessons --help` says more"),
    ("train", 2, "FOLDER is missing", "`carvana-lessons train --help`"),
    ("train p", 2, "OUT is missing", "`carvana-lessons train --help`"),
    ("evaluate p", 2, "--weights is missing", "unet-small"),
    ("train p o --sizee 3", 2, "no option --sizee", "--size"),
    ("train p o --size", 2, "--size", "needs a value"),
    ("train p o --resume=yes", 2, "--resume", "takes no value"),
    (
        "predict a.jpg b.jpg c.jpg d.jpg e.jpg f.jpg --weights unet",
        1,
        "a.jpg does not exist",
        "name photos, or the folder that holds them",
    ),
    (
        "check a.jpg b.jpg c.jpg d.jpg e.jpg",
        2,
        "b.jpg, c.jpg, d.jpg and 1 more",
        "name the folder",
    ),
    ("check my photos", 2, "photos", "put a name with spaces in quotes"),
    ("plan p --hours 0", 2, "--hours: '0'", "above 0"),
    ("train p o --size 480x320", 2, "'480x320' is no square", "320"),
    ("evaluate p --weights unet --size 480x320", 2, "'480x320' is no square", "320"),
    ("export o.onnx", 2, "--weights is missing", "unet-small"),
    ("export o.onnx --weights unet --weights unet-small", 2, "a file holds one network", "name one"),
    ("export o.onnx --weights unet --size 64 --free-size", 2, "--free-size leaves it open", "take one of the two"),
    ("predict p o --weights unet --size 320x320x3", 2, "'320x320x3'", "320 or 320x320"),
    ("cut-out p", 1, "There is only p", "and at the end the folder for the cut-outs"),
    ("cut-out a.jpg b.png --shadow", 1, "a.jpg does not exist", "name photos"),
    ("cut-out nowhere/*.jpg o", 1, "Nothing matches nowhere/*.jpg", "name photos"),
    ("predict nowhere/*.jpg o --weights unet", 1, "Nothing matches nowhere/*.jpg", "name photos"),
    ("cut-out p o --crop -5", 2, "--crop: '-5'", "5 for example"),
    ("cut-out p o --crop", 2, "--crop", "needs a value"),
    ("cut-out p o --format tiff", 1, "'tiff'", "png, webp, jpeg"),
    ("cut-out p o --background whit", 1, "'whit' is no background", "white, '#e8eef4'"),
    (
        "cut-out p o --weights unet-huge",
        1,
        "no checkpoint unet-huge",
        f"weights called {', '.join(catalog.shipped())}",
    ),
    ("submit p o.csv --weights unet --size 0x0", 2, "'0x0' is out of range", "from 1 to 8192"),
    ("compare p o --size large", 2, "'large'", "320 or 320x320"),
    ("studio o --size 480", 2, "--size: '480' is no size", "480x320"),
    ("studio o --cars 0", 2, "--cars: '0'", "1 or more"),
    ("studio o --cars many", 2, "--cars: 'many'", "a whole number of 1 or more"),
    ("studio o --seed -1", 2, "--seed: '-1'", "0 or more"),
    ("studio o --workers 0", 2, "--workers: '0'", "1 or more"),
    ("train p o --valid 0", 2, "--valid: '0'", "above 0 and below 1"),
    ("train p o --valid 1", 2, "--valid: '1'", "above 0 and below 1"),
    ("train p o --valid 20%", 2, "--valid: '20%'", "such as 0.2"),
    ("evaluate p --weights unet --valid 0", 2, "--valid: '0'", "above 0"),
    ("compare p o --valid 1", 2, "--valid: '1'", "below 1"),
    ("train p o --lr 0", 2, "--lr: '0'", "above 0"),
    ("train p o --lr nan", 2, "--lr: 'nan'", "above 0"),
    ("train p o --lr 1e400", 2, "--lr: '1e400'", "above 0"),
    ("compare p o --lr 0", 2, "--lr: '0'", "above 0"),
    ("train p o --hours soon", 2, "--hours: 'soon'", "0 or more"),
    ("train p o --hours inf", 2, "--hours: 'inf'", "0 or more"),
    ("train p o --epochs 2.5", 2, "--epochs: '2.5'", "a whole number of 1 or more"),
    ("train p o --batch-size 0", 2, "--batch-size: '0'", "1 or more"),
    ("train p o --accumulate 0", 2, "--accumulate: '0'", "1 or more"),
    ("train p o --width 1000", 2, "--width: '1000'", "from 1 to 512"),
    ("train p o --seed 0,1", 2, "--seed: '0,1'", "one alone"),
    ("compare p o --seed 0,1", 2, "--seed: '0,1'", "repeat --seed"),
    ("compare p o --color 1", 2, "--color: '1'", "from 0 to 0.99"),
    ("compare p o --rotate 720", 2, "--rotate: '720'", "from 0 to 180"),
    ("compare p o --flip 2", 2, "--flip: '2'", "from 0 to 1"),
    ("train p o --network unet-tiny,unet", 2, "--network: 'unet-tiny,unet' are several", "an option of its own"),
    ("compare p o --network unet,segnet", 2, "--network: 'unet,segnet' are several", "an option of its own"),
    ("download o --file train,metadata", 2, "--file: 'train,metadata' are several", "an option of its own"),
    ("train p o --network unet-huge", 1, "'unet-huge'", "the course has unet-tiny, unet-small, unet, segnet"),
    ("compare p o --network unet-huge", 1, "'unet-huge'", "the course has unet-tiny"),
    ("train p o --schedule cosine", 1, "'cosine'", "constant, halving, one-cycle"),
    ("train p o --precision fp8", 1, "'fp8'", "no, bf16, fp16"),
    ("evaluate p --weights unet --by size", 2, "--by: 'size'", "view, car or color"),
    ("submit p o.csv --weights unet --shard 5/4", 2, "--shard: '5/4'", "1/4 to 4/4"),
    (
        "evaluate p --weights unet-huge",
        1,
        "no checkpoint unet-huge",
        f"weights called {', '.join(catalog.shipped())}",
    ),
    ("predict p o --weights segnet", 1, "No weights of segnet", "--network segnet"),
    ("submit p o.csv --weights unet,unet-small", 1, "unet,unet-small", "its own --weights"),
    ("evaluate p --weights best.pt", 1, "no checkpoint best.pt", "train first"),
    ("evaluate p --weights unet --weights ~nobody-here/x", 1, "~nobody-here/x", "write the whole path"),
    ("evaluate p --weights .", 1, "without best.safetensors", "train first"),
]


@pytest.mark.parametrize(("line", "code", "named", "cure"), MISTAKES, ids=[line for line, *_ in MISTAKES])
def test_what_is_typed_wrong_is_one_sentence(run, tmp_path, monkeypatch, line, code, named, cure):
    monkeypatch.chdir(tmp_path)
    answer = run(*line.split())
    assert answer.returncode == code and answer.stdout == ""
    [sentence] = answer.stderr.splitlines()
    assert sentence.startswith("carvana-lessons: ") and sentence.endswith(".")
    assert named in sentence and cure in sentence, sentence
    assert not list(tmp_path.iterdir())


ANSWERED = """
import contextlib, io, json, sys
from carvana_lessons import cli
from carvana_lessons.utils import catalog
for words in json.loads(sys.argv[1]):
    sys.argv = ["carvana-lessons", *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            cli.app()
        except SystemExit:
            pass
    if "torch" in sys.modules:
        sys.exit(f"{words} loads torch")
"""


def test_help_and_mistakes_are_answered_without_torch(tmp_path):
    def commands(group, *before):
        inner = getattr(group, "commands", {})
        return [[*before, "--help"]] + [words for name, one in inner.items() for words in commands(one, *before, name)]

    lines = [
        [],
        ["--version"],
        *commands(typer.main.get_command(cli.commands)),
        *(line.split() for line, *_ in MISTAKES),
    ]
    command = [sys.executable, "-c", ANSWERED, json.dumps(lines)]
    own = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, encoding="utf-8", cwd=tmp_path, env=own
    )
    assert answer.returncode == 0, answer.stderr


def test_help_lists_networks_and_weights(run):
    from carvana_lessons import models

    trained = [(command, models.shipped()) for command in ("predict", "export")]
    for command, names in [("train", models.names()), ("compare", models.names()), *trained]:
        text = " ".join(run(command, "--help").stdout.split())
        assert ", ".join(names) in text, command


def test_the_version(run):
    import carvana_lessons

    answer = run("--version")
    assert (answer.returncode, answer.stdout) == (0, f"carvana-lessons {carvana_lessons.__version__}\n")


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_fault_of_the_package_is_called_one(run, monkeypatch, debug):
    """An exception that nobody expected, of a kind that was taken for the user's until now."""

    def broken(*place):
        raise ValueError("operands could not be broadcast\ntogether")

    monkeypatch.setattr("carvana_lessons.data.report.check_folder", broken)
    answer = run("check", ".", *debug)
    assert answer.returncode == 70
    assert ("Traceback" in answer.stderr) == bool(debug)
    last = answer.stderr.splitlines()[-1]
    assert last.startswith("carvana-lessons: This is a fault of carvana-lessons") and "--debug" in last
    assert "ValueError: operands could not be broadcast together" in last


def test_an_error_of_the_course_has_a_trace_for_who_wants_it(run, tmp_path):
    answer = run("--debug", "check", tmp_path / "nowhere")
    assert answer.returncode == 1 and "Traceback" in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("carvana-lessons: ")
    assert "'--debug' is" not in run("train", "--", "--debug").stderr, "after -- it is a name"


class Kept(KeyboardInterrupt):
    """An interrupt that says what was kept, as a training's does."""


@pytest.mark.parametrize(("error", "told"), [(KeyboardInterrupt(), "Stopped."), (Kept("Kept; go on."), "Kept; go on.")])
def test_an_interrupt_ends_with_its_text(run, monkeypatch, error, told):
    def stopped(*place):
        raise error

    monkeypatch.setattr("carvana_lessons.data.report.check_folder", stopped)
    answer = run("check", ".")
    assert (answer.returncode, answer.stderr) == (130, f"carvana-lessons: {told}\n")


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_warning_is_a_note_of_one_line(run, make_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_folder()
    (folder / "train" / "notes.txt").touch()
    (tmp_path / "unet-small").mkdir()
    answer = run("predict", folder / "train", tmp_path / "masks", "--weights", "unet-small", "--size", 32)
    assert answer.returncode == 0, answer.stderr
    first, *_ = answer.stderr.splitlines()
    assert first.startswith("carvana-lessons: note: The weights called unet-small come with the package")
    assert "UserWarning" not in answer.stderr and ".py:" not in answer.stderr
    (folder / "train_masks" / "notes.txt").touch()
    answer = run("evaluate", folder, "--weights", "unet-small", "--size", 32, "--valid", 1)
    notes = [line for line in answer.stderr.splitlines() if "notes.txt" in line]
    assert len(notes) == 2 and all(note.startswith("carvana-lessons: note: Left out of ") for note in notes)


def test_a_reader_that_has_gone_is_no_error():
    """As with `| head -1`: whoever reads closes the pipe before all is written."""
    command = [sys.executable, "-m", "carvana_lessons", "train", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


words = st.one_of(
    st.sampled_from(
        ["studio", "download", "check", "plan", "train", "evaluate", "predict", "submit", "compare", "course"]
    ),
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
            ["predict", folder / "train", out, "--weights", "unet-small"],
            ["submit", folder, out / "s.csv", "--images", "train", "--weights", "unet-small"],
            ["evaluate", folder, "--weights", "unet-small", "--out", out / "s.csv"],
            ["studio", out / "new", "--cars", 1, "--size", "48x32", "--workers", 1],
        ):
            answer = run(*words)
            told = answer.stderr.rpartition("\r")[2].strip()
            assert answer.returncode == 1 and "a file is in the way" in told and len(told.splitlines()) == 1, words
    assert "No epoch was finished" in run("train", folder, tmp_path / "run", *short, "--hours", 0).stderr


def told(answer) -> str:
    """The one sentence of a command that was refused."""
    assert answer.returncode == 1 and "Traceback" not in answer.stderr, answer.stderr
    lines = answer.stderr.rpartition("\r")[2].strip().splitlines()
    [line] = [line for line in lines if not line.startswith("carvana-lessons: note: ")]
    assert line.startswith("carvana-lessons: "), answer.stderr
    return line


TINY = ["--weights", "unet-small", "--size", 32]


def test_scores_and_submissions_that_are_there_are_kept_unless_asked(run, make_folder, tmp_path, own_cache):
    folder = make_folder()
    for words, out in (
        (["evaluate", folder, "--valid", 1, *TINY, "--out"], tmp_path / "scores.csv"),
        (["submit", folder, "--images", "train", *TINY], tmp_path / "s.csv"),
    ):
        out.write_text("of last year", encoding="utf-8")
        assert f"{out.name} exists already" in told(run(*words, out))
        assert out.read_text(encoding="utf-8") == "of last year"
        (tmp_path / "link.csv").symlink_to(out.name)
        assert "exists already" in told(run(*words, tmp_path / "link.csv"))
        assert run(*words, tmp_path / "link.csv", "--overwrite").returncode == 0
        assert (tmp_path / "link.csv").is_symlink() and len(out.read_text(encoding="utf-8").splitlines()) == 7
        (tmp_path / "link.csv").unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_device_is_no_place_for_an_answer(run, make_folder, tmp_path, own_cache):
    """No device of the machine that runs this: a fault would replace it. Nothing can be made below /proc."""
    folder, pipe = make_folder(), tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    (tmp_path / "output.csv").symlink_to("/proc/self/fd/1")
    for words in (
        ["evaluate", folder, *TINY, "--valid", 1, "--out", pipe],
        ["evaluate", folder, *TINY, "--valid", 1, "--out", tmp_path / "output.csv"],
        ["evaluate", folder, *TINY, "--valid", 1, "--out", "/proc/x"],
        ["evaluate", folder, *TINY, "--valid", 1, "--out", "/proc/x/y/z.csv"],
        ["submit", folder, "/proc/s.csv", "--images", "train", *TINY],
        ["predict", folder / "train", "/proc/x", *TINY],
        ["predict", folder / "train", "/proc/x/y", *TINY],
        ["predict", folder / "train", pipe, *TINY],
    ):
        assert "is no file and no folder but a device" in told(run(*words)), words
    assert pipe.is_fifo() and (tmp_path / "output.csv").is_symlink()


def test_predict_goes_past_a_bad_photo_and_says_what_it_leaves_out(run, make_folder, tmp_path):
    photos, out = make_folder(cars=1, views=5) / "train", tmp_path / "out"
    names = sorted(p.stem for p in photos.iterdir())
    (photos / f"{names[1]}.jpg").write_text("no photo", encoding="utf-8")
    (photos / "IMG_2.CR2").touch()
    answer = run("predict", photos, out, *TINY)
    assert answer.returncode == 1 and "Traceback" not in answer.stderr
    assert f"{names[1]}.jpg cannot be decoded" in answer.stderr and "1 of 5 photos got no mask" in answer.stderr
    assert "carvana-lessons: note: Left out: 1 file, IMG_2.CR2, of a format that is not read" in answer.stderr
    assert sorted(p.name for p in out.iterdir()) == [f"{n}_mask.png" for n in names if n != names[1]]
    shutil.copy(photos / f"{names[0]}.jpg", photos / f"{names[1]}.jpg")
    assert "Wrote the masks of 1 photo to" in run("predict", photos, out, *TINY).stdout
    assert "Every photo has its mask in" in run("predict", photos, out, *TINY).stdout
    assert "other networks" in told(run("predict", photos / f"{names[0]}.jpg", out, "--weights", "unet", "--size", 32))


def test_cut_out_needs_no_weights_and_goes_past_a_bad_photo(run, make_folder, tmp_path):
    """The real network on a drawn car; the pattern reaches the command as it was typed."""
    import numpy as np
    from PIL import Image

    from carvana_lessons import data, studio

    photos = studio.make(tmp_path / "studio", cars=1, size=(240, 160), progress=False) / "train"
    names = sorted(p.stem for p in photos.iterdir())
    for name in names[3:]:
        (photos / f"{name}.jpg").unlink()
    truth = data.read_mask(photos.parent / "train_masks" / f"{names[0]}_mask.gif") > 0
    pattern, out = photos / "*.jpg", tmp_path / "out"
    answer = run("cut-out", pattern, out)
    assert answer.returncode == 0 and "unet-backgrounds: 256×256 px" in answer.stdout, answer.stderr
    assert f"Wrote 3 cut-outs to {out}.\n" in answer.stdout
    alpha = np.asarray(Image.open(out / f"{names[0]}_cut_out.png"))[..., 3] > 127
    assert (alpha & truth).sum() > 0.6 * (alpha | truth).sum()
    (out / f"{names[1]}_cut_out.png").unlink()
    assert "Wrote 1 cut-out to" in (again := run("cut-out", photos, out).stdout)
    assert "2 photos had a cut-out there already." in again
    assert "edge refined, 2 px then, not refined" in told(run("cut-out", pattern, out, "--one-look"))
    words = ["--background", "#e8eef4", "--shadow", "--crop", 5, "--format", "jpeg", "--keep-specks", "--one-look"]
    (photos / "broken.jpg").write_text("no photo", encoding="utf-8")
    (photos / "IMG_2.CR2").touch()
    answer = run("cut-out", photos, out, *words, "--weights", "unet-small")
    assert answer.returncode == 1 and "note: Left out: 1 file, IMG_2.CR2, of a format that is not read" in answer.stderr
    assert "broken.jpg cannot be decoded" in answer.stderr and "1 of 4 photos got no cut-out" in answer.stderr
    with Image.open(out / f"{names[0]}_cut_out.jpg") as image:
        assert image.mode == "RGB" and image.width < 240
        assert np.abs(np.asarray(image)[0, 0].astype(int) - (0xE8, 0xEE, 0xF4)).max() <= 2
    answer = run("cut-out", photos / f"{names[0]}.jpg", tmp_path / "new", "--format", "jpeg")
    assert answer.returncode == 0 and "note: A JPEG has no transparency, so the background is white" in answer.stderr
    assert "name the folder for the cut-outs at the end" in told(run("cut-out", photos, photos / f"{names[0]}.jpg"))
    assert "new.png is named like a picture" in told(run("cut-out", photos, tmp_path / "new.png"))


def test_photos_that_the_shell_lists_are_taken_and_the_last_name_is_the_folder(run, make_folder, tmp_path):
    some = sorted((make_folder(cars=1, views=3) / "train").iterdir())
    assert "Wrote the masks of 3 photos to" in run("predict", *some, tmp_path / "out", *TINY).stdout
    assert "Wrote the masks of 1 photo to" in run("predict", some[0], tmp_path / "one", *TINY).stdout
    assert "name the folder for the masks at the end" in told(run("predict", *some, *TINY))
    assert "out: name the photos, and at the end the folder" in told(run("predict", tmp_path / "out", *TINY))
    assert "nowhere does not exist" in told(run("predict", tmp_path / "nowhere", tmp_path / "new", *TINY))
    assert not (tmp_path / "new").exists()


def test_submit_names_the_option_for_photos_as_the_command_line_spells_it(run, make_folder, tmp_path):
    folder = make_folder()
    line = told(run("submit", folder, tmp_path / "s.csv", *TINY))
    assert "holds no folder test/: name the folder of photos, as in --images train" in line
    assert "but" in told(run("submit", folder.parent, tmp_path / "s.csv", "--images", "train", *TINY)), "one too high"
