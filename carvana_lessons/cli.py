"""The course on the command line: the same functions, one sentence where something goes wrong."""

import math
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from carvana_lessons.console import print_anywhere
from carvana_lessons.errors import CarvanaError
from carvana_lessons.wording import counted

# Rooms are imported inside the commands: --help answers at once, without loading torch.

commands = typer.Typer(
    help="Cut a car out of its photo. In the order of the course: make photos or fetch the real ones, look whether "
    "they are in order, train, evaluate, predict, submit, compare.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

course_commands = typer.Typer(
    help="For instructors: chapters for a class, and chapters that follow their exercises.", no_args_is_help=True
)
commands.add_typer(course_commands, name="course")

Book = Annotated[Path, typer.Option(help="The folder of the chapters.")]
Folder = Annotated[Path, typer.Argument(help="A folder in Kaggle's layout: train/, train_masks/, metadata.csv.")]
Weights = Annotated[
    list[Path],
    typer.Option(
        "--weights",
        help="A checkpoint, or a network whose weights come with the package; repeat it to average several.",
    ),
]
Size = Annotated[int, typer.Option(min=1, max=8192, help="Side of the square that the network sees, in pixels.")]
Batch = Annotated[int, typer.Option(min=1, help="Photos a step.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training photos.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that prepare batches.")]
Flip = Annotated[bool, typer.Option("--flip", help="Average with the answer for the mirrored photo.")]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Of the split, the first weights and the order of the photos.")
]


def _number(value: float | None) -> float | None:
    """A number that is one: "nan" and "inf" pass every comparison, and a training with them fails much later."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number to compute with.")
    return value


Hours = Annotated[
    float | None,
    typer.Option(min=0, callback=_number, help="Begin no epoch after that time; the same command goes on."),
]


@commands.command("studio")
def make_studio(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    cars: Annotated[int, typer.Option(help="Number of cars; each gives 16 photos.")] = 48,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the photos; the real ones are 1918x1280.")] = "480x320",
    seed: Annotated[int, typer.Option(help="Another seed, other cars.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Chapter 1: draw the synthetic studio's photos and masks."""
    from carvana_lessons import studio

    typer.echo(f"Made {studio.make(out, cars=cars, size=_size(size), seed=seed, workers=workers)}.")


@commands.command("download")
def fetch(
    out: Annotated[Path, typer.Argument(help="Folder for the photos.")],
    files: Annotated[list[str] | None, typer.Option("--file", help="One of the challenge's files; repeatable.")] = None,
) -> None:
    """Chapter 1: fetch the real photos; needs a Kaggle account that accepted the challenge's rules."""
    from carvana_lessons import data

    typer.echo(f"In order: {data.download(out, **({'files': tuple(files)} if files else {}))}.")


@commands.command()
def check(folder: Folder) -> None:
    """Chapter 1: decode every photo and mask of a folder and say what is wrong."""
    from carvana_lessons import data
    from carvana_lessons.course import describe

    cars = data.CarFolder(folder)
    cars.check()
    typer.echo(f"In order: {describe(cars)}.")


@commands.command()
def train(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Where last.safetensors, best.safetensors and history.csv are kept.")],
    network: Annotated[str, typer.Option(help="One of the course's networks, unet-tiny to maskingnet.")] = "unet-small",
    width: Annotated[
        int | None, typer.Option(min=1, max=512, help="Channels of the first stage; unset, the published ones.")
    ] = None,
    size: Size = 128,
    batch_size: Batch = 16,
    epochs: Epochs = 20,
    lr: Annotated[
        float, typer.Option(min=0, callback=_number, help="Learning rate; of one-cycle the highest one.")
    ] = 3e-3,
    schedule: Annotated[str, typer.Option(help="constant, halving or one-cycle.")] = "one-cycle",
    valid: Annotated[
        float, typer.Option(min=0, max=1, callback=_number, help="Share of the cars that is kept for validation.")
    ] = 1 / 6,
    seed: Seed = 0,
    workers: Workers = 0,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches a step: larger batches for the same memory.")] = 1,
    clip: Annotated[float, typer.Option(min=0, callback=_number, help="Longest gradient; 0 for any.")] = 1.0,
    precision: Annotated[
        str | None,
        typer.Option(
            help="no (float32), bf16 or fp16; unset, what suits the device: bf16 from an A100 on, fp16 on a T4."
        ),
    ] = None,
    hours: Hours = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last full epoch in OUT.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew where OUT holds a run; that one is lost.")
    ] = False,
) -> None:
    """Chapter 2: train a network, split by car. On several GPUs: accelerate launch -m carvana_lessons train …"""
    import torch

    from carvana_lessons import data, models
    from carvana_lessons.errors import Stopped
    from carvana_lessons.files import replacing
    from carvana_lessons.trainer import Trainer

    if resume and overwrite:
        raise typer.BadParameter("--resume goes on with a run and --overwrite begins anew; take one of the two.")
    table = out / "history.csv"
    if table.exists() and not (resume or overwrite):
        raise CarvanaError(
            f"{out} holds the history of a run already: go on with it with --resume, overwrite it with --overwrite, or "
            "choose another folder."
        )
    known, unseen = data.split_by_car(data.CarFolder(folder), (1 - valid, valid), seed=seed)
    torch.manual_seed(seed)
    model = models.create(network, width=width)
    trainer = Trainer(
        model,
        lr=lr,
        schedule=schedule,
        accumulate=accumulate,
        clip=clip or None,
        precision=precision,
        folder=out,
        seed=seed,
    )

    def write_history(*_: object) -> None:
        if int(os.environ.get("RANK", "0")) == 0:  # of several processes, one
            with replacing(table) as file:
                trainer.history.frame.to_csv(file, index=False, lineterminator="\n")

    try:
        history = trainer.fit(
            data.loader(known, size=size, batch_size=batch_size, shuffle=True, seed=seed, workers=workers),
            data.loader(unseen, size=size, batch_size=batch_size),
            epochs=epochs,
            resume=resume,
            seconds=None if hours is None else 3600 * hours,
            after_epoch=write_history,
            overwrite=overwrite,
        )
    except Stopped as stop:
        done = len(trainer.history)
        on = "the same command with --resume goes on" if done and not resume else "the same command goes on"
        kept = f"{counted(done, 'full epoch')} in {out} {'is' if done == 1 else 'are'} kept, and {on}"
        raise Stopped(f"Stopped in epoch {done + 1}: {kept if done else 'nothing of it is kept yet'}.") from stop
    if not len(history):
        raise CarvanaError("No epoch was finished, so nothing is kept; run it again, with more time.")
    write_history()
    typer.echo(
        f"Dice on {counted(len(unseen.ids), 'other car')}, at {size}×{size}: {history.last['valid_dice']:.4f}. "
        f"Kept in {out}."
    )


@commands.command()
def evaluate(
    folder: Folder,
    weights: Weights,
    size: Size = 128,
    batch_size: Batch = 16,
    flip: Flip = False,
    valid: Annotated[
        float,
        typer.Option(
            min=0, max=1, callback=_number, help="Score this share of the cars, as `train` kept it; 1 for all."
        ),
    ] = 1 / 6,
    seed: Seed = 0,
    by: Annotated[str | None, typer.Option(help="Group the scores too: by view, car or color.")] = None,
    out: Annotated[Path | None, typer.Option(help="A CSV file for the scores, a row a photo.")] = None,
) -> None:
    """Chapter 2: Dice at the photos' own size; the best and the worst photos by name."""
    from carvana_lessons import data
    from carvana_lessons import scores as tables
    from carvana_lessons.evaluate import evaluate as score
    from carvana_lessons.files import replacing

    if by not in (None, "view", "car", "color"):
        raise typer.BadParameter(f"Scores are grouped by view, car or color, not {by!r}.")
    photos = data.CarFolder(folder)
    if valid < 1:
        _, photos = data.split_by_car(photos, (1 - valid, valid), seed=seed)
    scores = score(_networks(weights), photos, size=size, batch_size=batch_size, flip=flip)
    if out is not None:
        with replacing(out) as file:
            scores.to_csv(file, index=False, lineterminator="\n")
    typer.echo(f"Dice {scores.dice.mean():.4f} on {len(photos)} photos of {len(photos.ids)} cars.")
    for title, table in (("best", tables.best(scores)), ("worst", tables.worst(scores))):
        typer.echo(f"\nThe {title}:\n{table.to_string(index=False)}")
    if by is not None:
        groups = tables.by(scores, tables.car_colors(photos) if by == "color" else by)
        typer.echo(f"\nBy {by}:\n{groups.round(4).to_string()}")


@commands.command("predict")
def predict_masks(
    photos: Annotated[Path, typer.Argument(help="Any folder of JPEG or PNG files.")],
    out: Annotated[Path, typer.Argument(help="Folder for the masks.")],
    weights: Weights,
    size: Size = 128,
    batch_size: Batch = 16,
    flip: Flip = False,
    cut_outs: Annotated[
        bool, typer.Option("--cut-outs", help="Write the cars on a transparent background too.")
    ] = False,
) -> None:
    """Chapter 9: a mask, and a cut-out if wanted, for every photo of a folder."""
    from carvana_lessons.submission import predict_folder

    count = predict_folder(_networks(weights), photos, out, size, batch_size, cut_outs, flip)
    typer.echo(f"Wrote the masks of {count} photos to {out}.")


@commands.command("submit")
def write_submission(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="submission.csv or submission.csv.gz")],
    weights: Weights,
    images: Annotated[str, typer.Option(help="The folder's folder of photos.")] = "test",
    sample: Annotated[Path | None, typer.Option(help="The challenge's sample_submission.csv.")] = None,
    size: Size = 128,
    batch_size: Batch = 16,
    flip: Flip = False,
    workers: Workers = 0,
    shard: Annotated[str, typer.Option(help="K/N: part K of N, counted from 1; for N processes at once.")] = "1/1",
    join: Annotated[bool, typer.Option("--merge", help="Only join the parts of --shard */N.")] = False,
) -> None:
    """Chapter 9: the challenge's file, streamed; a run that was killed goes on where it stopped."""
    from carvana_lessons import data
    from carvana_lessons.submission import merge, submit

    k, n = _shard(shard)
    if join:
        written = merge(out, n)
    else:
        photos = data.CarFolder(folder, images=images, masks=None)
        networks = _networks(weights)
        written = submit(networks, photos, out, size, sample, batch_size, flip, workers, shard=(k - 1, n))
    typer.echo(f"Wrote {written}.")


@commands.command("compare")
def compare_networks(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="A folder for the runs and the tables; a started one is gone on with.")],
    networks: Annotated[
        list[str] | None, typer.Option("--network", help="Repeat it; unset, the six networks of the defense.")
    ] = None,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Repeat it; unset, 0 and 1.")] = None,
    size: Size = 128,
    width: Annotated[
        int, typer.Option(min=0, max=512, help="Channels of the first stage; 0 for the published ones.")
    ] = 8,
    epochs: Epochs = 8,
    batch_size: Batch = 16,
    lr: Annotated[float, typer.Option(min=0, callback=_number, help="Highest learning rate of one-cycle.")] = 2e-3,
    valid: Annotated[
        float, typer.Option(min=0, max=1, callback=_number, help="Share of the cars that is kept for the score.")
    ] = 1 / 6,
    rotate: Annotated[
        float, typer.Option(min=0, max=180, callback=_number, help="Augmentation: largest angle in degrees.")
    ] = 0.0,
    flip: Annotated[
        float, typer.Option(min=0, max=1, callback=_number, help="Augmentation: probability of mirroring.")
    ] = 0.0,
    color: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, callback=_number, help="Augmentation: largest relative change of light and colour."
        ),
    ] = 0.0,
    hours: Hours = None,
    speed: Annotated[bool, typer.Option(help="Measure time and memory too, on a machine that is idle.")] = True,
) -> None:
    """Chapter 9: several networks under one protocol, scored on cars that none of them saw."""
    from carvana_lessons import data, models
    from carvana_lessons.compare import Protocol, compare, markdown
    from carvana_lessons.errors import Stopped

    protocol = Protocol(size, width or None, epochs, batch_size, lr, valid, rotate, flip, color)
    names = networks or [name for name in models.names() if name not in ("unet-tiny", "unet-small")]
    try:
        table = compare(data.CarFolder(folder), out, names, seeds or (0, 1), protocol, hours, speed)
    except KeyboardInterrupt as stop:
        raise Stopped(f"Stopped: what is done is kept in {out}, and the same command goes on with it.") from stop
    typer.echo(f"{protocol}\n\n{markdown(table)}\nKept in {out}.")


@course_commands.command("export")
def export_course(
    student: Annotated[Path | None, typer.Option(help="A new folder for chapters with empty exercises.")] = None,
    instructor: Annotated[Path | None, typer.Option(help="A new folder for chapters with solved exercises.")] = None,
    book: Book = Path("book"),
) -> None:
    """Write the chapters for a class into a new folder, and a zip file of it."""
    from carvana_lessons.exercises.notebook import check_new, export

    if student is None and instructor is None:
        raise typer.BadParameter("Name a folder: --student OUT, --instructor OUT, or both.")
    wanted = [(out, solutions) for out, solutions in ((student, False), (instructor, True)) if out is not None]
    for out, _ in wanted:  # both, before the first is written
        check_new(out)
    for out, solutions in wanted:
        typer.echo(f"Wrote {out} and {export(book, out, solutions)}.")


@course_commands.command("refresh")
def refresh_course(book: Book = Path("book")) -> None:
    """Write the exercises of `carvana_lessons/exercises` into the chapters, in place."""
    from carvana_lessons.exercises.notebook import refresh_folder

    changed = refresh_folder(book)
    typer.echo(f"Changed: {', '.join(changed)}." if changed else "All chapters are as their exercises say.")


@course_commands.command("results")
def keep_results(
    out: Annotated[Path, typer.Argument(help="The folder that `compare` filled.")],
    name: Annotated[str, typer.Argument(help="Of the results, as chapter 9 asks for them: six-networks.")],
    commit: Annotated[str, typer.Option(help="Of the code that made them.")] = "unknown",
    command: Annotated[str | None, typer.Option(help="That made them; unset, what `compare` was told.")] = None,
    book: Book = Path("book"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results of that name that are there.")
    ] = False,
) -> None:
    """Copy the numbers of a comparison into the book; no photo and no weights come along."""
    from carvana_lessons.compare import keep

    typer.echo(f"Kept in {keep(out, book / 'results' / name, commit, command, overwrite)}.")


@course_commands.command("repository")
def set_course_repository(
    address: Annotated[str, typer.Argument(help="https://github.com/OWNER/NAME")],
    root: Annotated[Path, typer.Option(help="The course's folder.")] = Path(),
) -> None:
    """Name your own repository in settings, pages, buttons and first cells, in place."""
    from carvana_lessons.publishing import set_repository

    for path in set_repository(root, address):
        typer.echo(f"Changed {path}.")


def _networks(weights: list[Path]) -> list:
    """The networks of some checkpoints or names, made ready to answer, on the fastest device."""
    from carvana_lessons import models
    from carvana_lessons.checkpoint import load_model
    from carvana_lessons.device import find_device, move

    names, device = models.shipped(), find_device()
    trained = (
        models.create(w.name, weights="carvana") if str(w) in names and not w.exists() else load_model(w)
        for w in weights
    )
    return [models.ready(move(network, device)) for network in trained]


def _size(text: str) -> tuple[int, int]:
    """ "480x320" → (480, 320), width first, as photos are named."""
    width, cross, height = text.lower().partition("x")
    if not (cross and _is_count(width) and _is_count(height)):
        raise typer.BadParameter(f"{text!r} is no size; write it as WIDTHxHEIGHT, 480x320 for example.")
    return int(width), int(height)


def _is_count(text: str) -> bool:
    """Digits that `int` takes, not ², and few enough for a number that means something."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _shard(text: str) -> tuple[int, int]:
    """ "2/4" → (2, 4)."""
    k, slash, n = text.partition("/")
    if not (slash and _is_count(k) and _is_count(n) and 1 <= int(k) <= int(n)):
        raise typer.BadParameter(f"{text!r} is no shard; write it as K/N, 1/4 to 4/4 for example.")
    return int(k), int(n)


def app() -> None:
    """Run the command line; errors of the course end with one sentence and exit code 1."""
    print_anywhere()
    try:
        commands()
    except (CarvanaError, ValueError, OSError) as error:
        typer.echo(f"carvana-lessons: {error}", err=True)
        sys.exit(1)
