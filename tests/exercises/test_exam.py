"""Exam questions: every number is computed again in another way, and code with a fault is run with and without it."""

import itertools
import math
import random
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from carvana_lessons import data, evaluation, features, models
from carvana_lessons.data import rle_encode
from carvana_lessons.evaluation import metrics
from carvana_lessons.exercises.chapters import CHAPTERS, chapter
from carvana_lessons.exercises.exam.paper import ANSWERS, PAPER, QUESTIONS, exam, questions_of, write_exam
from carvana_lessons.exercises.exam.question import shown
from carvana_lessons.exercises.notebook import export
from carvana_lessons.utils.errors import CarvanaError, ExistsError

BOOK = Path(__file__).resolve().parents[2] / "book"
SEEDS = range(8)
MAKERS = {make.__name__: make for makers in QUESTIONS.values() for make in makers}


def drawn(name: str, seed: int):
    return MAKERS[name](random.Random(seed))


def count(*layers: nn.Module) -> int:
    return models.count_parameters(nn.Sequential(*layers))


def three_scores(tp, fp, fn, total):
    answer, truth = (torch.zeros(1, 1, 1, total) for _ in range(2))
    answer[..., : tp + fp] = 1
    truth[..., fp : fp + tp + fn] = 1
    dice = metrics.dice(answer, truth).item()
    return {"dice": dice, "iou": dice / (2 - dice), "right": (answer == truth).double().mean().item()}


def normed(values, scale, shift):
    layer = nn.BatchNorm1d(1, eps=1e-12)
    nn.init.constant_(layer.weight, scale)
    nn.init.constant_(layer.bias, shift)
    return {"normed": tuple(layer(torch.tensor(values).float()[:, None])[:, 0].tolist())}


def pixel(z):
    logit = torch.tensor([z], dtype=torch.float64)
    car, wall = (F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, y)).item() for y in (1, 0))
    return {"p": logit.sigmoid().item(), "car": car, "wall": wall}


def interval(gains):
    error, t = stats.sem(gains), round(stats.t.ppf(0.975, len(gains) - 1), 3)  # as the task gives it
    return {
        "mean": np.mean(gains),
        "error": error,
        "low": np.mean(gains) - t * error,
        "high": np.mean(gains) + t * error,
    }


def pooled(map):
    values, indices = F.max_pool2d(torch.tensor(map).float().view(1, 1, 4, 4), 2, return_indices=True)
    return {"values": tuple(values.flatten().tolist()), "indices": tuple(indices.flatten().tolist())}


def normed_convolutions(a, b):
    return count(nn.Conv2d(a, b, 3), nn.BatchNorm2d(b))


def stack(*layers: nn.Module) -> int:
    """The window of some layers, as the package measures it."""
    return features.receptive_field(nn.Sequential(*layers))


def step(pools: int) -> int:
    """How many pixels of the photo lie behind a value that comes after some pools."""
    return 64 // nn.Sequential(*[nn.MaxPool2d(2)] * pools)(torch.zeros(1, 64, 64)).shape[-1]


def window(pools: int, rate: int) -> int:
    """From the first pixel with a gradient to the last one; mean pools see as far as max-pools."""
    layers = nn.Sequential(*[nn.Conv1d(1, 1, 3), nn.AvgPool1d(2)] * pools, nn.Conv1d(1, 1, 3, dilation=rate))
    for weight in layers.parameters():
        nn.init.ones_(weight)
    x = torch.ones(1, 1, 512, requires_grad=True)
    answer = layers(x)
    answer[0, 0, answer.shape[-1] // 2].backward()
    places = x.grad[0, 0].nonzero()
    return int(places.max() - places.min()) + 1


def equal_rates(rate):
    layers = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=rate, dilation=rate) for _ in range(3)))
    seen = features.seen_pixels(layers, 65)
    side = features.receptive_field(layers)
    return {"side": side, "pixels": int(seen.sum()), "share": int(seen.sum()) / side**2}


def unpooled(channels, side):
    x = torch.rand(1, channels, side, side) + 1
    again = F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    return {"values": again.numel(), "filled": int((again != 0).sum())}


def signs(cars, tests):
    patterns = np.array(list(itertools.product((1, -1), repeat=cars)))
    p = (abs(patterns.mean(axis=1)) >= 1).mean()
    return {"patterns": len(patterns), "p": p, "holm": min(1, tests * p)}


def folds(folds, epochs, photos, ms):
    steps = sum(photos - photos // folds for _ in range(folds)) * epochs
    return {"seen": photos - photos // folds, "hours": steps * ms / 1000 / 3600}


def padded(pools, width, height):
    x = torch.zeros(1, 1, height, width)
    wide, high = (math.ceil(side / step(pools)) * step(pools) for side in (width, height))
    for _ in range(pools):
        x = F.max_pool2d(x, 2, ceil_mode=True)
    assert (x.shape[-1] * step(pools), x.shape[-2] * step(pools)) == (wide, high)
    return {
        "step": step(pools),
        "size": f"{wide}×{high}",
        "more": 100 * (wide * high - width * height) / (width * height),
    }


def risk(errors, doubts, kept):
    by_doubt = np.array(errors)[np.argsort(doubts)]
    every = np.mean([np.mean(part) for part in itertools.combinations(errors, kept)])
    best = min(np.mean(part) for part in itertools.combinations(errors, kept))
    return {"risk": by_doubt[:kept].mean(), "every": every, "best": best}


def coordinates(height, width, row, column):
    x, y = models.coordinate_maps(height, width)[:, row, column].tolist()
    crop = models.coordinate_maps(height, width)[:, row:, column:]
    assert crop[:, 0, 0].tolist() == [x, y]
    return {"x": x, "y": y}


def transposed(h, k, s, p):
    def side(padding):
        return F.conv_transpose2d(torch.zeros(1, 1, h, h), torch.zeros(1, 1, k, k), stride=s, padding=padding).shape[-1]

    return {"size": side(p), "more": side(p + 1)}


def stamps(x, kernel):
    x, kernel = (torch.tensor(values).float()[None, None] for values in (x, kernel))
    return {"total": tuple(F.conv_transpose1d(x, kernel, stride=2)[0, 0].tolist())}


def matrix(side):
    units = torch.eye(side * side).view(-1, 1, side, side)
    rows = F.conv2d(units, torch.rand(1, 1, 3, 3)).flatten(1).T
    return {"rows": rows.shape[0], "columns": rows.shape[1]}


# How each question's numbers come out when the package, torch or a loop computes them.
def floor(share):
    y = (torch.arange(100) < round(100 * share)).double()
    return {"floor": F.binary_cross_entropy_with_logits(y, y).item()}


def means(full, last, scores):
    first, second = (np.full(n, score) for n, score in zip((full, last), scores, strict=True))
    return {"batches": np.mean([first.mean(), second.mean()]), "photos": np.concatenate([first, second]).mean()}


AGAIN = {
    "floor_of_a_loss": floor,
    "two_means": means,
    "dice_of_counts": three_scores,
    "a_line": lambda rows: {"code": rle_encode(np.array(rows))},
    "parameters_of_a_stage": lambda k, a, b: {
        "first": count(nn.Conv2d(a, b, k)),
        "second": count(nn.Conv2d(b, b, k)),
        "stage": count(nn.Conv2d(a, b, k), nn.Conv2d(b, b, k)),
    },
    "loss_of_a_pixel": pixel,
    "what_skips_carry": lambda pools: {"side": step(pools)},
    "memory_of_photos": lambda photos, side: {
        kind: photos * np.zeros((side, side, 3), kind).nbytes / 2**30 for kind in ("uint8", "float32")
    },
    "batches_of_an_epoch": lambda photos, batch, epochs: {
        "steps": len(torch.arange(photos).split(batch)),
        "last": len(torch.arange(photos).split(batch)[-1]),
        "all": epochs * len(torch.arange(photos).split(batch)),
    },
    "gain_over_seeds": interval,
    "a_batch_normed": normed,
    "pooled_with_indices": pooled,
    "a_stage_with_norm": lambda a, b, count: {
        "first": normed_convolutions(a, b),
        "others": normed_convolutions(b, b),
        "total": normed_convolutions(a, b) + (count - 1) * normed_convolutions(b, b),
    },
    "a_place_in_two_maps": coordinates,
    "price_of_the_maps": lambda a, b, pools: {
        "more": count(nn.Conv2d(a + 2, b, 3)) - count(nn.Conv2d(a, b, 3)),
        "step": step(pools),
    },
    "window_of_a_stack": lambda rates: {
        "side": stack(*(nn.Conv2d(1, 1, 3, dilation=rate) for rate in rates)),
        "plain": stack(*(nn.Conv2d(1, 1, 3) for _ in rates)),
    },
    "window_behind_pools": lambda pools, rate: {"side": window(pools, rate)},
    "pixels_of_equal_rates": equal_rates,
    "values_after_unpooling": unpooled,
    "lost_together": lambda scores: {"lost": tuple(scores[0] - score for score in scores[1:])},
    "size_after_a_transpose": transposed,
    "stamps_by_hand": stamps,
    "not_the_inverse": matrix,
    "errors_not_scores": lambda scores: {
        "first": round(evaluation.wrong_pixels(scores[0])),
        "second": round(evaluation.wrong_pixels(scores[1])),
        "less": 100 * (1 - (1 - scores[1]) / (1 - scores[0])),
    },
    "signs_and_holm": signs,
    "hours_of_folds": folds,
    "padded_and_cut": padded,
    "risk_by_hand": risk,
    "masks_for_a_target": lambda few, factor, error, steps: {
        "masks": round(few * 2 ** (math.log(factor**steps) / math.log(factor)))
    },
}
NAMES = {"np": np, "torch": torch, "nn": nn, "F": F, "models": models, "data": data, "random": random}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [name for name in MAKERS if drawn(name, 0).result])
def test_numbers_are_those_that_the_package_or_torch_computes(name, seed):
    question = drawn(name, seed)
    again = AGAIN[name](**question.given)
    assert question.result.keys() == again.keys()
    for key, value in question.result.items():
        if isinstance(value, str):
            assert value == again[key]
        else:
            assert np.allclose(value, again[key], rtol=2e-4, atol=1e-6), key
        assert shown(value) in question.answer, f"the answer does not say {key}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [name for name in MAKERS if drawn(name, 0).wrong])
def test_code_with_a_fault_runs_and_does_something_else(name, seed):
    question = drawn(name, seed)
    assert question.wrong.strip() in question.task and question.right.strip() in question.answer
    values = []
    for code in (question.wrong, question.right):
        names = dict(NAMES)
        exec(code, names)  # a string of ours
        values.append(eval(question.probe, names))  # and another
    assert values[0] != values[1]


def test_mended_code_does_what_it_should():
    """One by one: that the value differs from the wrong one does not yet say that it is right."""
    wanted = {
        "a_score_of_two": 1.0,
        "indices_of_an_odd_map": (2, 2),
        "maps_that_are_mirrored": -0.5,
        "a_padding_for_rate_one": (32, 32),
        "an_answer_not_turned_back": 2,
        "plants_on_both_sides": 0,
        "uneven_stamps": 1,
        "channels_first": 1,
        "gradients_that_stay": True,
    }
    for name, value in wanted.items():
        question, names = drawn(name, 5), dict(NAMES)
        exec(question.right, names)
        assert eval(question.probe, names) == value, name


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_numbers_code_and_an_explanation(name):
    found = questions_of(name, 3)
    assert 3 <= len(found) <= 4
    assert sum(bool(q.result) for q in found) >= 2 and sum(bool(q.wrong) for q in found) == 1
    for question in found:
        told = re.findall(r"(\d) points?\b", question.answer)
        assert sum(map(int, told)) == question.points, question.title
    asked = {q.text for q in chapter(name).quiz.questions} | {e.task for e in chapter(name).exercises.values()}
    assert not asked & {question.task for question in found}


def test_every_chapter_and_no_other_has_questions():
    assert sorted(QUESTIONS) == sorted(CHAPTERS)
    assert len({q.title for name in CHAPTERS for q in questions_of(name, 0)}) == sum(map(len, QUESTIONS.values()))


def test_another_seed_draws_other_numbers_and_the_same_seed_the_same():
    assert exam(7) == exam(7)
    one, two = exam(7), exam(8)
    changed = [name for name in CHAPTERS if questions_of(name, 7) != questions_of(name, 8)]
    assert one[PAPER] != two[PAPER] and len(changed) == len(CHAPTERS)
    some = exam(7, ["05-segnet-unpooling"])
    assert questions_of("05-segnet-unpooling", 7)[0].task in some[PAPER], "a shorter exam has the same numbers"


def test_the_paper_holds_no_answer_and_the_answers_all_of_it(tmp_path):
    out = write_exam(tmp_path / "exam", 7)
    paper, answers = ((out / name).read_text(encoding="utf-8") for name in (PAPER, ANSWERS))
    assert "Seed 7 · 52 questions · " in paper and "Answer" not in paper
    for name in CHAPTERS:
        for question in questions_of(name, 7):
            assert question.task in paper and question.task in answers
            assert question.answer in answers and question.answer not in paper
    points = sum(map(int, re.findall(r"\((\d) points\)$", paper, re.MULTILINE)))
    assert f"· {points} points" in paper
    with pytest.raises(ExistsError):
        write_exam(out, 7)
    with pytest.raises(CarvanaError, match="no exam questions on 'cut-out'"):
        write_exam(tmp_path / "other", 7, ["cut-out"])
    assert not (tmp_path / "other").exists()


def test_instructors_get_an_exam_of_their_own_and_students_none(tmp_path):
    for out, solutions in (("students", False), ("one", True), ("two", True)):
        export(BOOK, tmp_path / out, solutions)
    assert list((tmp_path / "students").glob("exam*")) == []
    one, two = ((tmp_path / out / PAPER).read_text(encoding="utf-8") for out in ("one", "two"))
    assert one != two
    seed = int(re.search(r"Seed (\d+)", one)[1])
    assert exam(seed)[PAPER] == one
    assert exam(seed)[ANSWERS] == (tmp_path / "one" / ANSWERS).read_text(encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert {f"one/{PAPER}", f"one/{ANSWERS}"} <= set(packed.namelist())


def test_the_book_publishes_no_exam():
    """Neither a page nor a notebook holds a question; the repository does, and the page for instructors says so."""
    pages = [path.read_text(encoding="utf-8") for kind in ("md", "ipynb") for path in BOOK.rglob(f"*.{kind}")]
    tasks = [line for name in CHAPTERS for q in questions_of(name, 0) for line in q.task.splitlines() if len(line) > 60]
    assert len(pages) > 20 and [task for task in tasks if any(task in page for page in pages)] == []
