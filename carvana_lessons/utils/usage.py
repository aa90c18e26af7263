"""A command line that was typed wrong, in one sentence that names what was typed and what is wanted.

click's own messages take three lines, and do not say what an argument is or what the command takes instead.

Told apart by the names of their classes: Typer brings its own copy of click from some version on.
"""

import re

import typer

UsageError = typer.BadParameter.__mro__[1]  # click's, wherever Typer has it from


def explain(error: UsageError) -> str:
    """The sentence for an error of usage, ending in where to read more.

    Args:
        error: what Click raised.

    Returns:
        the sentence.
    """
    command = error.ctx.command_path if error.ctx is not None else "carvana-lessons"
    return " ".join(f"{_what(error).rstrip('.')}; `{command} --help` says more.".split())


def _what(error: UsageError) -> str:
    kind, message = type(error).__name__, error.format_message()
    if kind == "MissingParameter":
        return f"{_name(error.param)} is missing{_meaning(error.param)}"
    if kind == "BadParameter":
        return error.message if error.param is None else f"{_name(error.param)}: {error.message}"
    if kind == "NoSuchOption":
        close = f", but {', '.join(sorted(error.possibilities))}" if error.possibilities else ""
        return f"There is no option {error.option_name}{close}"
    if kind == "BadOptionUsage":
        needs = "needs a value after it" if "requires an argument" in message else "takes no value"
        return f"{error.option_name} {needs}"
    if match := re.search(r"unexpected extra argument\(?s?\)? \((.*)\)", message, re.DOTALL):
        return _extra(error, match[1].split())
    if match := re.search(r"No such command '?(.*?)'?\.", message, re.DOTALL):
        return f"There is no command {match[1]!r}; there are {', '.join(error.ctx.command.list_commands(error.ctx))}"
    if "Missing command" in message:
        return f"The command is missing; there are {', '.join(error.ctx.command.list_commands(error.ctx))}"
    return message


def _extra(error: UsageError, words: list[str]) -> str:
    takes = [_name(p) for p in error.ctx.command.params if p.param_type_name == "argument"]
    more = f" and {len(words) - 3:,} more" if len(words) > 3 else ""
    return (
        f"{error.ctx.command.name} takes {' and '.join(takes) or 'options alone'}, and after that came "
        f"{', '.join(words[:3])}{more}: where the shell made them of a pattern such as *.jpg, name the folder instead; "
        "put a name with spaces in quotes"
    )


def _name(parameter) -> str:
    """An option by its longest spelling, an argument as the help shows it."""
    return max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.name.upper()


def _meaning(parameter) -> str:
    help_text = getattr(parameter, "help", None)
    return f": {help_text.rstrip('.')}" if help_text else ""
