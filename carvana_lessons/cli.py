"""The course on the command line: the same functions; every error is one sentence."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import carvana_lessons
from carvana_lessons.utils import options
from carvana_lessons.utils.catalog import DEFAULT_WEIGHTS, DEFENSE, PICTURES, SCHEDULES
from carvana_lessons.utils.command_line import run
from carvana_lessons.utils.console import print_anywhere, print_notes
from carvana_lessons.utils.errors import CarvanaError
from carvana_lessons.utils.options import (
    Backdrop,
    Batch,
    Book,
    Build,
    Car,
    Chapters,
    Epochs,
    ExamSeed,
    Flip,
    Folder,
    Format,
    Group,
    Hours,
    InputSize,
    Masks,
    OneWeights,
    Overwrite,
    Photos,
    Precision,
    Seed,
    Size,
    Soft,
    Weights,
    Workers,
    each,
    photo_size,
    shard_of,
)
from carvana_lessons.utils.paths import check_there, existing_folder, expand, matching
from carvana_lessons.utils.wording import counted

# Rooms are imported inside the commands, so that --help and usage errors answer at once, without loading torch.
NAME = "carvana-lessons"
DEBUG = "--debug"  # works at any position on the line

commands = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

course_commands = typer.Typer(help="For instructors: chapters for a class, slides, pages to print, exams, results.")
commands.add_typer(course_commands, name="course")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {carvana_lessons.__version__}")
        raise typer.Exit


@commands.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Print the traceback of an error too.")] = False,
) -> None:
    """Segment cars in photos. In the order of the course: make photos or download the real ones, check them, plan,
    train, evaluate, predict, cut out, submit, compare, export."""


@commands.command("studio")
def make_studio(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    cars: Annotated[int, typer.Option(**options.ONE_OR_MORE, help="Number of cars, with 16 photos each.")] = 48,
    size: Annotated[
        str,
        typer.Option(callback=each(photo_size), help="WIDTHxHEIGHT of the photos; the real ones are 1918x1280."),
    ] = "480x320",
    seed: Annotated[int, typer.Option(**options.ZERO_OR_MORE, help="Random seed of the cars.")] = 0,
    workers: Annotated[int, typer.Option(**options.ONE_OR_MORE, help="Number of worker processes.")] = 2,
) -> None:
    """Chapter 1: draw the synthetic studio's photos and masks."""
    from carvana_lessons import studio

    typer.echo(f"Made {studio.make(out, cars=cars, size=photo_size(size), seed=seed, workers=workers)}.")


@commands.command("download")
def fetch(
    out: Annotated[Path, typer.Argument(help="Folder for the photos.")],
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            callback=each(options.is_one),
            help="train, train_masks, train_hq, test, test_hq, metadata, train_masks_csv or sample_submission; "
            "repeat for several. Default: train, train_masks and metadata.",
        ),
    ] = None,
) -> None:
    """Chapter 1: download the real photos. Needs a Kaggle account that has accepted the challenge's rules."""
    from carvana_lessons import data

    typer.echo(f"In order: {data.download(out, **({'files': tuple(files)} if files else {}))}.")


@commands.command()
def check(
    folder: Folder,
    masks: Masks = None,
    group: Group = None,
    car: Car = None,
    soft: Soft = False,
    sheet: Annotated[
        Path | None, typer.Option(help="A .png or .html file for a contact sheet of photos with outlines of masks.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the report, with the names of all files.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of --sheet and --out.")] = False,
) -> None:
    """Chapter 1: decode all photos and masks of a folder and report all that is wrong or odd, with its cure."""
    existing_folder(folder)
    from carvana_lessons.course.lesson import describe_data
    from carvana_lessons.data.report import DOUBT, check_folder
    from carvana_lessons.data.report_text import describe_report, write_report
    from carvana_lessons.show.mask_sheet import check_kind, write_sheet
    from carvana_lessons.utils.errors import DataError
    from carvana_lessons.utils.files import new_file

    if sheet is not None:
        check_kind(sheet)
    for path in (sheet, out):
        if path is not None:
            new_file(path, overwrite)
    report = check_folder(folder, masks, group, car, soft)
    typer.echo(describe_report(report))
    if out is not None:
        typer.echo(f"The report is in {write_report(report, out)}.")
    if sheet is not None:
        pairs = [look.pair for look in report.looks]
        write_sheet(pairs, sheet, report.suspects, report.rule, report.root.name)
        typer.echo(f"The contact sheet is {sheet}.")
    if report.problems:
        raise DataError(
            f"{folder} is not in order: {counted(len(report.problems), 'problem')} to be mended, told above."
        )
    except_for = ", except for what is told above" if report.of(DOUBT) else ""
    typer.echo(f"In order{except_for}: {describe_data(report.cars)}.")


@commands.command("plan")
def plan_training(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="JSON file for the plan, which `train --plan` takes.")] = None,
    hours: Annotated[
        float | None, typer.Option(**options.HOURS, help="Hours that the training may take. Default: any.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")] = False,
    masks: Masks = None,
    group: Group = None,
    car: Car = None,
    soft: Soft = False,
) -> None:
    """Chapter 2: choose settings for a training, from the photos and this machine, and say why."""
    existing_folder(folder)
    from carvana_lessons import data
    from carvana_lessons.training.folder_plan import plan_folder
    from carvana_lessons.training.plan_file import as_options, describe_plan, write_plan
    from carvana_lessons.utils.files import new_file

    if out is not None:
        new_file(out, overwrite)
    plan = plan_folder(data.open_folder(folder, masks, group, car, soft), hours)
    typer.echo(f"{describe_plan(plan)}\n")
    if out is None:
        typer.echo(f"To train so: {NAME} train FOLDER OUT {as_options(asdict(plan.settings))}")
    else:
        typer.echo(f"To train so: {NAME} train FOLDER OUT --plan {write_plan(plan, out)}")


@commands.command()
def train(
    context: typer.Context,
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Folder for last.safetensors, best.safetensors and history.csv.")],
    network: Annotated[
        str, typer.Option(callback=each(options.is_network), help=f"One of {options.NETWORKS}.")
    ] = "unet-small",
    width: Annotated[
        int | None, typer.Option(**options.WIDTH, help="Channels of the first stage. Default: as published.")
    ] = None,
    size: Size = 128,
    batch_size: Batch = 16,
    epochs: Epochs = 20,
    lr: Annotated[float, typer.Option(**options.RATE, help="Learning rate; for one-cycle the peak.")] = 3e-3,
    schedule: Annotated[
        str, typer.Option(callback=each(options.is_schedule), help=f"Learning-rate schedule: {', '.join(SCHEDULES)}.")
    ] = "one-cycle",
    valid: Annotated[
        float,
        typer.Option(**options.PART, show_default="1/6", help="Fraction of the cars held out for validation."),
    ] = 1 / 6,
    seed: Seed = 0,
    workers: Workers = 0,
    accumulate: Annotated[
        int, typer.Option(**options.ONE_OR_MORE, help="Batches per optimizer step (gradient accumulation).")
    ] = 1,
    clip: Annotated[
        float, typer.Option(**options.AMOUNT, help="Clip the gradient norm to this; 0 for no clipping.")
    ] = 1.0,
    precision: Precision = None,
    hours: Annotated[
        float | None,
        typer.Option(
            **options.AMOUNT,
            help="Time limit in hours: start no epoch after it; the same command with --resume continues.",
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="A plan's JSON file: its settings, except for those that are typed here too."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue after the last full epoch in OUT.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start again where OUT holds a run; that run is lost.")
    ] = False,
    masks: Masks = None,
    group: Group = None,
    car: Car = None,
    soft: Soft = False,
) -> None:
    """Chapter 2: train a network, split by car. On several GPUs: accelerate launch -m carvana_lessons train …"""
    existing_folder(folder)
    if resume and overwrite:
        raise typer.BadParameter("--resume continues a run and --overwrite starts a new one; take one of the two.")
    settings = {
        "network": network,
        "width": width,
        "size": size,
        "batch_size": batch_size,
        "epochs": epochs,
        "lr": lr,
        "schedule": schedule,
        "accumulate": accumulate,
    }
    if plan is not None:
        settings |= _of_plan(context, plan, set(settings))
    from carvana_lessons import data
    from carvana_lessons.training import train_folder

    history, unseen = train_folder(
        data.open_folder(folder, masks, group, car, soft),
        out,
        **settings,
        valid=valid,
        seed=seed,
        workers=workers,
        clip=clip or None,
        precision=precision,
        hours=hours,
        resume=resume,
        overwrite=overwrite,
    )
    held_out = counted(len(unseen.ids), f"held-out {unseen.unit}")
    size, epochs = settings["size"], settings["epochs"]
    typer.echo(
        f"Validation Dice of the last epoch on {held_out}, at {size}×{size}: {history.last['valid_dice']:.4f}. "
        f"Saved in {expand(out)}."
    )
    if len(history) < epochs:
        typer.echo(f"{len(history)} of {counted(epochs, 'epoch')} are done; the same command with --resume continues.")


@commands.command()
def evaluate(
    folder: Folder,
    weights: Weights,
    size: InputSize = None,
    precision: Precision = None,
    batch_size: Batch = 16,
    flip: Flip = False,
    valid: Annotated[
        float | None,
        typer.Option(
            **options.SHARE,
            help="Score this fraction of the cars, 1 for all. Default: every car that the network was not trained on.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(**options.A_SEED, help="Random seed of the split; without --valid it scores 1/6 of the cars."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(callback=each(options.is_grouping), help="Also group the scores by view, car or color."),
    ] = None,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Score the outlines too: boundary IoU, 95 % Hausdorff, surface Dice.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for the scores, one row per photo.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")] = False,
    masks: Masks = None,
    group: Group = None,
    car: Car = None,
    soft: Soft = False,
) -> None:
    """Chapter 2: compute Dice at the photos' own size. Also lists the best and the worst photos."""
    existing_folder(folder)
    from carvana_lessons import data
    from carvana_lessons.evaluation import evaluate_folder, tables

    networks = _networks(weights, size, precision)
    scores, photos = evaluate_folder(
        networks,
        data.open_folder(folder, masks, group, car, soft),
        size,
        batch_size,
        flip=flip,
        precision=precision,
        boundary=boundary,
        valid=valid,
        seed=seed,
        out=out,
        overwrite=overwrite,
    )
    typer.echo(f"Dice {scores.dice.mean():.4f} on {photos.size_in_words}.")
    if boundary:
        typer.echo(tables.outline(scores))
    for title, table in (("best", tables.best(scores)), ("worst", tables.worst(scores))):
        typer.echo(f"\nThe {title}:\n{table.to_string(index=False)}")
    if by is not None:
        groups = tables.by(scores, tables.car_colors(photos) if by == "color" else by)
        typer.echo(f"\nBy {by}:\n{groups.round(4).to_string()}")


@commands.command("predict")
def predict_masks(
    photos: Photos = None,
    *,
    out: Annotated[Path, typer.Argument(help="Folder for the masks.")],
    weights: Weights = (DEFAULT_WEIGHTS,),
    size: InputSize = None,
    precision: Precision = None,
    batch_size: Batch = 16,
    flip: Flip = False,
    cut_outs: Annotated[
        bool, typer.Option("--cut-outs", help="Also write the cars on a transparent background.")
    ] = False,
    doubts: Annotated[
        Path | None, typer.Option(help="CSV file for the doubt of every mask and its signals, the most doubtful first.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Chapter 9: write masks of any photos.

    NAME_mask.png holds 0 and 255; with --cut-outs NAME_cut_out.png is the car alone. Existing files are skipped.
    At the end the masks that a person should look at are listed. With --flip, in twice the time, they also show where
    the mirrored photo has another mask.
    """
    if not photos:  # of one name alone the last argument is what is given
        raise CarvanaError(f"There is only {out}: name the photos, and at the end the folder for the masks.")
    photos = _photos(photos)
    if out.is_file():
        raise CarvanaError(f"{out} cannot be a folder, a file is in the way: name the folder for the masks at the end.")
    from carvana_lessons.prediction.image_files import UnusablePhotos
    from carvana_lessons.prediction.submission import predict_folder
    from carvana_lessons.utils.files import new_file

    if doubts is not None:
        new_file(doubts, overwrite)  # said before the work, not after it
    networks = _networks(weights, size, precision)
    try:
        count = predict_folder(networks, photos, out, size, batch_size, cut_outs, flip, overwrite, precision)
    except UnusablePhotos:  # the others have their masks
        _tell_doubts(photos, out, doubts, overwrite)
        raise
    if count:
        typer.echo(f"Wrote the masks of {counted(count, 'photo')} to {out}.")
    else:
        typer.echo(f"Every photo has its mask in {out} already.")
    _tell_doubts(photos, out, doubts, overwrite)


@commands.command("cut-out")
def cut_out_cars(
    photos: Photos = None,
    *,
    out: Annotated[Path, typer.Argument(help="Folder for the cut-outs.")],
    background: Backdrop = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Draw a soft shadow where the car touches the ground.")] = (
        False
    ),
    crop: Annotated[
        float | None,
        typer.Option(
            **options.PER_CENT,
            help="Crop to the car, with a margin of so many per cent of its longer side. Default: the whole photo.",
        ),
    ] = None,
    picture: Format = "png",
    keep_specks: Annotated[
        bool, typer.Option("--keep-specks", help="Keep specks beside the car, and small holes in it.")
    ] = False,
    one_look: Annotated[bool, typer.Option("--one-look", help="Do not refine the edge: faster, and coarser.")] = False,
    weights: Weights = (DEFAULT_WEIGHTS,),
    size: InputSize = None,
    precision: Precision = None,
    overwrite: Overwrite = False,
) -> None:
    """Cut it out: write the cars of any photos without their background.

    NAME_cut_out.png is the car alone, soft at the edge. Existing files are skipped.
    """
    if not photos:
        raise CarvanaError(f"There is only {out}: name the photos, and at the end the folder for the cut-outs.")
    photos = _photos(photos)
    if out.is_file():
        raise CarvanaError(
            f"{out} cannot be a folder, a file is in the way: name the folder for the cut-outs at the end."
        )
    if out.suffix.lower() in (".jpeg", *PICTURES.values()) and not out.is_dir():
        raise CarvanaError(f"{out} is named like a picture, and cut-outs go into a folder: name one at the end.")
    from carvana_lessons.prediction.cutout_files import cut_out_files

    done = cut_out_files(
        _networks(list(weights), size, precision),
        photos,
        out,
        size,
        refined=not one_look,
        tidied=not keep_specks,
        background=background,
        shadow=shadow,
        margin=crop,
        picture=picture,
        precision=precision,
        overwrite=overwrite,
    )
    already = f" {counted(done.kept, 'photo')} had a cut-out there already." if done.kept else ""
    typer.echo(f"Wrote {counted(done.written, 'cut-out')} to {out}.{already}")


@commands.command("submit")
def write_submission(
    folder: Annotated[Path, typer.Argument(help="Folder that holds test/, the photos to predict.")],
    out: Annotated[Path, typer.Argument(help="submission.csv or submission.csv.gz")],
    weights: Weights = (),
    images: Annotated[str, typer.Option(help="Subfolder of FOLDER with the photos.")] = "test",
    sample: Annotated[
        Path | None, typer.Option(help="The challenge's sample_submission.csv: its photos are written, in its order.")
    ] = None,
    size: InputSize = None,
    precision: Precision = None,
    batch_size: Batch = 16,
    flip: Flip = False,
    workers: Workers = 0,
    shard: Annotated[
        str, typer.Option(callback=each(shard_of), help="K/N: write part K of N, counted from 1.")
    ] = "1/1",
    join: Annotated[
        bool, typer.Option("--merge", help="Only join the parts 1/N to N/N; --shard 1/N says how many.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace OUT if it exists; start again parts made with other settings."),
    ] = False,
) -> None:
    """Chapter 9: write the submission file. A run that was killed continues where it stopped."""
    existing_folder(folder)
    from carvana_lessons import data
    from carvana_lessons.prediction.submission import merge, submit

    k, n = shard_of(shard)
    if not (weights or join):
        raise typer.BadParameter("name the network's weights with --weights; --merge alone needs none.")
    if join:
        written = merge(out, n, overwrite)
    else:
        _find_images(folder, images)
        photos = data.CarFolder(folder, images=images, masks=None)
        networks = _networks(weights, size, precision)
        written = submit(
            networks, photos, out, size, sample, batch_size, flip, workers, (k - 1, n), overwrite, precision
        )
    typer.echo(f"Wrote {written}.")


@commands.command("compare")
def compare_networks(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Folder for runs and tables; a started comparison continues.")],
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            callback=each(options.is_network),
            help=f"One of {options.NETWORKS}; repeat for several. Default: {', '.join(DEFENSE)}.",
        ),
    ] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seed", **options.SEVERAL_SEEDS, help="Random seed; repeat for several. Default: 0 and 1."),
    ] = None,
    size: Size = 128,
    width: Annotated[
        int, typer.Option(**options.WIDTH_OR_ZERO, help="Channels of the first stage; 0 for the published ones.")
    ] = 8,
    epochs: Epochs = 8,
    batch_size: Batch = 16,
    lr: Annotated[float, typer.Option(**options.RATE, help="Peak learning rate of one-cycle.")] = 2e-3,
    valid: Annotated[
        float,
        typer.Option(**options.PART, show_default="1/6", help="Fraction of the cars held out for the score."),
    ] = 1 / 6,
    rotate: Annotated[float, typer.Option(**options.ANGLE, help="Augmentation: largest rotation, in degrees.")] = 0.0,
    flip: Annotated[
        float, typer.Option(**options.PROBABILITY, help="Augmentation: probability of a horizontal flip.")
    ] = 0.0,
    color: Annotated[
        float,
        typer.Option(
            **options.CHANGE,
            help="Augmentation: largest relative change of light and colour.",
        ),
    ] = 0.0,
    images: Annotated[
        int | None,
        typer.Option(**options.ONE_OR_MORE, help="Photos that each network sees in all, instead of --epochs."),
    ] = None,
    precision: Precision = None,
    hours: Hours = None,
    speed: Annotated[bool, typer.Option(help="Also measure time and memory; needs an idle machine.")] = True,
    masks: Masks = None,
    group: Group = None,
    car: Car = None,
    soft: Soft = False,
) -> None:
    """Chapter 9: train and score several networks under one protocol."""
    existing_folder(folder)
    from carvana_lessons import data
    from carvana_lessons.comparison import Protocol, compare, markdown
    from carvana_lessons.utils.errors import Stopped

    protocol = Protocol(size, width or None, epochs, batch_size, lr, valid, rotate, flip, color, images, precision)
    try:
        photos = data.open_folder(folder, masks, group, car, soft)
        table = compare(photos, out, networks or DEFENSE, seeds or (0, 1), protocol, hours, speed)
    except KeyboardInterrupt as stop:
        raise Stopped(f"Stopped: what is done is saved in {out}, and the same command continues it.") from stop
    typer.echo(f"{protocol}\n\n{markdown(table)}\nKept in {out}.")


@commands.command("export")
def export_network(
    out: Annotated[Path, typer.Argument(help="The file to write, unet.onnx for example.")],
    weights: OneWeights,
    size: InputSize = None,
    free_size: Annotated[
        bool, typer.Option("--free-size", help="Leave height and width open: multiples of 8, 16 or 32, by network.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
) -> None:
    """Appendix: write a trained network as an ONNX file, for programs that know neither torch nor this course."""
    if len(weights) > 1:
        raise typer.BadParameter(f"a file holds one network, and --weights names {len(weights)}; name one.")
    if free_size and size is not None:
        raise typer.BadParameter("--size fixes the input and --free-size leaves it open; take one of the two.")
    from carvana_lessons.prediction import export_onnx
    from carvana_lessons.prediction.trained import describe_answers, load_trained

    network = load_trained(weights[0])
    if not free_size:
        typer.echo(describe_answers(weights[0], network, size, "no", "cpu"))
    typer.echo(f"Wrote {export_onnx(network, out, size, free_size, overwrite)}.")


@course_commands.command("export")
def export_course(
    student: Annotated[Path | None, typer.Option(help="A new folder for chapters with empty exercises.")] = None,
    instructor: Annotated[Path | None, typer.Option(help="A new folder for chapters with solved exercises.")] = None,
    without: Annotated[
        Path | None,
        typer.Option(
            "--without-solutions",
            help="A new folder for chapters with empty exercises, and the package without its solutions.",
        ),
    ] = None,
    pages: Annotated[
        str | None,
        typer.Option(
            callback=each(options.is_address),
            help="Address of your published book, for links to pages that are no notebooks. Default: they become text.",
        ),
    ] = None,
    book: Book = Path("book"),
) -> None:
    """Write the chapters for a class into a new folder, and a zip file of it."""
    from carvana_lessons.exercises.notebook import check_new, export

    kinds = {"solutions": instructor, "without_solutions": without}
    wanted = [(student, {})] + [(out, {kind: True}) for kind, out in kinds.items()]
    wanted = [(out, kind) for out, kind in wanted if out is not None]
    if not wanted:
        raise typer.BadParameter("Name a folder: --student OUT, --instructor OUT, --without-solutions OUT, or several.")
    places = [place.resolve() for out, _ in wanted for place in (out, check_new(out))]  # before the first is written
    if len(set(places)) < len(places):
        names = " and ".join(str(out) for out, _ in wanted)
        raise CarvanaError(f"{names} would be written over each other: give each a name of its own.")
    for out, kind in wanted:
        typer.echo(f"Wrote {out} and {export(book, out, pages=pages, **kind)}.")


@course_commands.command("grade")
def grade_course(
    folder: Annotated[Path, typer.Argument(help="Folder of the notebooks as they came back, with its subfolders.")],
    out: Annotated[Path, typer.Argument(help="CSV file for the marks, one row per notebook.")],
    seconds: Annotated[
        float, typer.Option(**options.SECONDS, help="Seconds that the code of one answer may compute.")
    ] = 20.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Check the exercises of a class's notebooks. It runs what students wrote: see the page For instructors."""
    from carvana_lessons.exercises.grading import grade, summarise

    graded = grade(folder, out, overwrite, seconds)
    typer.echo("\n".join(summarise(graded)))
    typer.echo(f"The marks of {counted(len(graded), 'notebook')} are in {out}.")


@course_commands.command("slides")
def write_course_slides(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    chapter: Chapters = None,
    build: Build = Path("build"),
) -> None:
    """Write slides of the executed chapters, an HTML file each that needs no network; run `make book` before."""
    from carvana_lessons.exercises.kit.slides import write_slides

    files = write_slides(build, out, tuple(chapter or ()))
    typer.echo(f"Wrote {counted(len(files), 'file')} to {out}: open one in a browser; the arrow keys turn its slides.")


@course_commands.command("handouts")
def write_course_handouts(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    chapter: Chapters = None,
    build: Build = Path("build"),
) -> None:
    """Write a page to print for each executed chapter, as PDF by the browser of this machine, and as HTML."""
    from carvana_lessons.exercises.kit.handouts import write_handouts

    files = write_handouts(build, out, tuple(chapter or ()))
    typer.echo(f"Wrote {counted(len(files), 'PDF file')} to {out}, a page each, and the HTML files that they are of.")


@course_commands.command("exam")
def write_course_exam(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    chapter: Chapters = None,
    seed: ExamSeed = None,
) -> None:
    """Write exam questions, and a second file with the answers; the seed draws their numbers."""
    from carvana_lessons.exercises.student_package import exam_paper

    paper = exam_paper()
    seed = paper.any_seed() if seed is None else seed
    folder = paper.write_exam(out, seed, tuple(chapter or ()))
    typer.echo(f"Wrote {folder / paper.PAPER} and {folder / paper.ANSWERS}; --seed {seed} draws these numbers again.")


@course_commands.command("refresh")
def refresh_course(book: Book = Path("book")) -> None:
    """Write the exercises of `carvana_lessons/exercises` into the chapters, in place."""
    from carvana_lessons.exercises.notebook import refresh_folder

    changed = refresh_folder(book)
    typer.echo(f"Changed: {', '.join(changed)}." if changed else "All chapters agree with their exercises.")


@course_commands.command("results")
def keep_results(
    out: Annotated[Path, typer.Argument(help="The folder that `compare` filled.")],
    name: Annotated[
        str,
        typer.Argument(
            callback=each(options.is_name), help="Name of the results, as chapter 9 loads them: six-networks."
        ),
    ],
    commit: Annotated[str, typer.Option(help="Commit of the code that made them.")] = "unknown",
    command: Annotated[str | None, typer.Option(help="Command that made them. Default: derived.")] = None,
    book: Book = Path("book"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results of that name.")] = False,
) -> None:
    """Copy the result tables of a comparison into the book, without photos and weights."""
    if not book.is_dir():
        raise CarvanaError(f"There is no folder {book}: name the one of the chapters with --book.")
    from carvana_lessons.comparison import save_results

    typer.echo(f"Kept in {save_results(out, book / 'results' / name, commit, command, overwrite)}.")


@course_commands.command("repository")
def set_course_repository(
    address: Annotated[str, typer.Argument(help="https://github.com/OWNER/NAME")],
    root: Annotated[Path, typer.Option(help="Folder of the course.")] = Path(),
) -> None:
    """Name your own repository in settings, pages, buttons and first cells, in place."""
    from carvana_lessons.course.publishing import set_repository

    for path in set_repository(root, address):
        typer.echo(f"Changed {path}.")


def _of_plan(context: typer.Context, plan: Path, names: set[str]) -> dict:
    """The settings of a plan's file, less those that were typed; prints which came from where."""
    from carvana_lessons.training.plan_file import as_options, read_plan

    planned = read_plan(plan)
    typed = {name for name in names if context.get_parameter_source(name).name == "COMMANDLINE"}
    taken = {name: value for name, value in planned.items() if name not in typed}
    typer.echo(f"From {plan}: {as_options(taken) or 'nothing'}.")
    if other := {name: value for name, value in planned.items() if name in typed and value != context.params[name]}:
        typer.echo(f"Typed, and so not from the plan, which has: {as_options(other)}.")
    return taken


def _photos(places: list[Path]) -> list[Path]:
    """The photos and folders of some names and patterns; a name that is not there is refused."""
    found = matching(places)
    for place in found:
        check_there(place)
    return found


def _tell_doubts(photos: list[Path], out: Path, file: Path | None, overwrite: bool) -> None:
    """Print which masks to look at first; write all signals to ``file`` if there is to be one."""
    from carvana_lessons.prediction.doubts import look_first, read_doubts
    from carvana_lessons.utils.files import new_file, replacing

    table = read_doubts(out, photos)
    if file is not None:
        new_file(file, overwrite)  # another program may have written it meanwhile
        with replacing(file) as temporary:
            table.round(5).to_csv(temporary, index=False, lineterminator="\n")
    if lines := look_first(table):
        typer.echo("\n  ".join(["Look at these first:", *lines]))


def _find_images(folder: Path, images: str) -> None:
    """Name the option for the folder of photos where it is missing; `CarFolder` reports all else."""
    if folder.is_dir() and not (folder / images).is_dir():
        others = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        if others and not any((folder / name / images).is_dir() for name in others):
            raise CarvanaError(
                f"{folder} holds no folder {images}/: name the folder of photos, as in --images {others[0]} (there is "
                f"{', '.join(others)})."
            )


def _networks(weights: list[str], size: int | None, precision: str | None) -> list:
    """The networks of some checkpoints or names, ready for inference on the fastest device; prints their settings."""
    from carvana_lessons import models
    from carvana_lessons.prediction.trained import describe_answers, load_trained
    from carvana_lessons.utils.device import find_device, move

    device = find_device()
    networks = [models.fuse_batch_norm(move(load_trained(w), device)) for w in weights]
    for name, network in zip(weights, networks, strict=True):
        typer.echo(describe_answers(name, network, size, precision, device))
    return networks


def app() -> None:
    """Run the command line; what goes wrong ends with one sentence, and a code that tells whose fault it was."""
    print_anywhere()
    before = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    words = [word for word in before if word != DEBUG] + sys.argv[1 + len(before) :]
    with print_notes(NAME):
        code = run(commands, NAME, words or ["--help"], debug=DEBUG in before)
    sys.exit(code)
