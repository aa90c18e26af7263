"""The course on the command line: the same functions, one sentence where something goes wrong."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from carvana_lessons import data, studio
from carvana_lessons.course import describe
from carvana_lessons.errors import CarvanaError

commands = typer.Typer(
    help="Cut a car out of its photo: make photos, fetch the real ones, look whether they are in order.",
    no_args_is_help=True,
    add_completion=False,
)


def _size(text: str) -> tuple[int, int]:
    """ "480x320" → (480, 320), width first, as photos are named."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"{text!r} is no size; write it as WIDTHxHEIGHT, 480x320 for example.")
    return int(width), int(height)


@commands.command("studio")
def make_studio(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    cars: Annotated[int, typer.Option(help="Number of cars; each gives 16 photos.")] = 48,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the photos; the real ones are 1918x1280.")] = "480x320",
    seed: Annotated[int, typer.Option(help="Another seed, other cars.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Draw the synthetic studio's photos and masks, in Kaggle's layout."""
    typer.echo(f"Made {studio.make(out, cars=cars, size=_size(size), seed=seed, workers=workers)}.")


@commands.command("download")
def fetch(
    out: Annotated[Path, typer.Argument(help="Folder for the photos.")],
    files: Annotated[list[str] | None, typer.Option("--file", help="One of the challenge's files; repeatable.")] = None,
) -> None:
    """Fetch the real challenge photos through kagglehub; needs a Kaggle account that accepted the rules."""
    typer.echo(f"In order: {data.download(out, **({'files': tuple(files)} if files else {}))}.")


@commands.command()
def check(folder: Annotated[Path, typer.Argument(help="A folder in Kaggle's layout.")]) -> None:
    """Decode every photo and mask of a folder and say what is wrong."""
    cars = data.CarFolder(folder)
    cars.check()
    typer.echo(f"In order: {describe(cars)}.")


def app() -> None:
    """Run the command line; errors of the course end with one sentence and exit code 1."""
    try:
        commands()
    except CarvanaError as error:
        typer.echo(f"carvana-lessons: {error}", err=True)
        sys.exit(1)
