"""What the programs `exchange`, `keyholder` and `member` have alike on a command line.

1. `--json` is taken before and after every subcommand; each page of help that leads to an answer shows it once.
2. `--version` prints the program's version.
3. Who stops reading (`… | head`) gets no message; the exit status is that of a program that SIGPIPE ended, 141.
4. Every failure begins with `Error:`; with `--json` it is the document `{"error":{"type","detail"}}`. The exit status
   is 0 done, 1 refused or failed, 2 used wrongly. `member` adds hints and fields, and has its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DONE, FAILED, USAGE_ERROR = 0, 1, 2
"""Exit statuses."""

STOPPED_READING = 141
"""128 + SIGPIPE, as a shell reports it."""

_DISTRIBUTION = "intelligence-sharing-exchange"
_AS_JSON = f"{_DISTRIBUTION}.json"
_HELP = "Print one JSON document."

_Given = ParamSpec("_Given")
_Group = TypeVar("_Group", bound=click.Group)


def wants_json() -> bool:
    """Whether the present command line has `--json`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_AS_JSON))


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command: its fields, in their order, are the document that --json prints."""

    def text(self) -> str:
        """The same for people."""
        raise NotImplementedError


def print_document(document: msgspec.Struct | DataclassInstance, text: str) -> None:
    """Print what came of a command: the document as JSON with --json, else the text."""
    click.echo(json.dumps(msgspec.to_builtins(document), ensure_ascii=False) if wants_json() else text)


def print_result(result: CommandResult) -> None:
    """Print it as JSON with --json, else for people."""
    print_document(result, result.text())


def reports(command: Callable[_Given, CommandResult]) -> Callable[_Given, None]:
    """A command that prints the outcome that it returns."""

    @wraps(command)
    def run(*arguments: _Given.args, **options: _Given.kwargs) -> None:
        print_result(command(*arguments, **options))

    return run


def print_error(detail: str, hint: str | None = None) -> None:
    """Print a failure for people, on standard error."""
    click.echo(f"Error: {detail}" + (f"\nHint: {hint}" if hint else ""), err=True)


class Program(click.Group):
    """A program: whoever stops reading what it prints ends it quietly."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """As click does; `--help` is printed here."""
        with _quiet_pipe():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does."""
        with _quiet_pipe():
            return super().invoke(ctx)


def run_program(
    program: click.Group,
    arguments: Sequence[str],
    explain: Callable[[Exception], tuple[str, str] | None],
    debug_variable: str,
) -> int:
    """Run the program; its exit status. `explain` gives a slug and a text of an error shown to people, None of one
    that should not happen; with the environment variable named, that one is raised.
    """
    hint = None
    try:
        # What a command ends with by context.exit() is returned here, not raised.
        ended_with = program.main(list(arguments), prog_name=program.name, standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt):
        failure = "aborted", "stopped by the user", FAILED
    except click.ClickException as error:
        failure = "usage", error.format_message(), USAGE_ERROR
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"{error.ctx.command_path} --help"
    except Exception as error:
        explained = explain(error)
        if explained is None and os.environ.get(debug_variable):
            raise
        # The message of an unexpected error may quote values, and a traceback more.
        unexpected = "internal", f"an unexpected {type(error).__name__}; set {debug_variable}=1 to see where"
        failure = *(explained or unexpected), FAILED
    else:
        return ended_with if type(ended_with) is int else DONE
    return _fail("--json" in arguments, *failure, hint)


def _fail(as_json: bool, kind: str, detail: str, code: int, hint: str | None) -> int:
    if as_json:
        click.echo(json.dumps({"error": {"type": kind, "detail": detail}}, ensure_ascii=False))
    else:
        print_error(detail, hint)
    return code


def complete_program(program: _Group, note: Callable[[click.Context], None] = lambda _: None) -> _Group:
    """The program, once it has all its commands, with `--json` on each and `--version` of its own. `note` is called
    with the context in which `--json` was met.
    """

    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            context.meta[_AS_JSON] = True
            note(context)

    def add(command: click.Command, *, is_shown: bool) -> None:
        option = click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=remember, help=_HELP, hidden=not is_shown
        )
        command.params.append(option)
        for inner in command.commands.values() if isinstance(command, click.Group) else ():
            add(inner, is_shown=not isinstance(inner, click.Group))

    add(program, is_shown=True)
    return click.version_option(package_name=_DISTRIBUTION, message="%(prog)s %(version)s")(program)


@contextmanager
def _quiet_pipe() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _stop_writing()
        raise SystemExit(STOPPED_READING) from None


def _stop_writing() -> None:
    """Nothing more can be said, at the end of the interpreter neither, which flushes what is left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
