"""Running a command line: an error ends with one sentence, and an exit code that says whose fault it was."""

import traceback

import typer

from carvana_lessons.utils import failures, usage
from carvana_lessons.utils.console import is_broken_pipe, stop_printing


def run(commands: typer.Typer, name: str, words: list[str], debug: bool = False) -> int:
    """Run one command; as click's own ``main``, which would not print an interrupt's text.

    Args:
        commands: all commands.
        name: of the program; the sentence begins with it.
        words: the arguments.
        debug: print the traceback of an error too.

    Returns:
        the exit code.
    """
    try:
        command = typer.main.get_command(commands)
        with command.make_context(name, words) as context:
            command.invoke(context)
        stop_printing()
        return 0
    except typer.Exit as end:
        return end.exit_code
    except usage.UsageError as error:
        told, code = usage.explain(error), failures.WRONG_USAGE
    except (Exception, KeyboardInterrupt) as error:
        if is_broken_pipe(error):  # `| head` has read enough
            stop_printing(failing=True)
            return failures.WRONG
        if debug:
            traceback.print_exception(error)
        told, code = failures.explain(error)
    for word in words:  # a name with a line break must not split the sentence into two lines
        told = told if word.isprintable() else told.replace(word, ascii(word)[1:-1])
    typer.echo(f"{name}: {told}", err=True)
    stop_printing(failing=True)
    return code
