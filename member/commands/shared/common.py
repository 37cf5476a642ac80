"""What all commands share: `--json`, how results and errors are shown, and the one place that catches everything."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click
import msgspec
from rich.console import Console, RenderableType
from rich.table import Table

from keys.custody.files import CustodyError
from keys.terminal.program import Program, print_error, wants_json
from member.commands.shared.next_steps import hint_of
from member.commands.shared.session import Session, default_environment
from member.commands.shared.terminal import AnswerConsole, PlainTable, fitted
from member.errors import FAILED, USAGE_ERROR, MemberError, UsageError
from member.inputs import InputError
from member.plain import as_lines, printable
from member.tokens.quorums import NoQuorumError

P = ParamSpec("P")
DEBUG_VARIABLE = "MEMBER_DEBUG"
_DONE = 0
_INTERRUPTED = "interrupted"
_LONG_QUOTE = re.compile(r"('[^']{80})[^']+'")
_PIPE_COLUMNS = 200
_LEAST_COLUMNS = 20
_PAGE_COLUMNS = 100
"""A line that is longer is hard to read."""


@dataclass(frozen=True)
class Shown:
    """A command's result: the JSON document (values may be iterators of items), and the same for people: a table, a
    page to read (made when it is shown), a text.
    """

    document: Mapping[str, Any] | msgspec.Struct
    text: str = ""
    table: Table | None = None
    warnings: Sequence[str] = field(default_factory=tuple)
    exit_code: int = _DONE
    page: Callable[[], RenderableType] | None = None


def reporting(function: Callable[P, Shown]) -> Callable[P, None]:
    """Print what a command returns, as one JSON document if `--json` was given."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        context = click.get_current_context()
        try:
            shown = function(*args, **kwargs)
        except InputError as error:
            error.detail = error.named(option_of(context.command, error.field))
            raise
        for warning in shown.warnings:
            click.echo(printable(as_lines([f"Warning: {warning}"])), err=True)
        if wants_json():
            _print_json(shown.document)
        else:
            _print_text(shown)
        context.exit(shown.exit_code)

    return run


def option_of(command: click.Command, field: str) -> str:
    """How a command calls a field of its input: by the option, or the argument, that is stored under its name."""
    for parameter in command.params:
        if parameter.name == field:
            is_option = isinstance(parameter, click.Option)
            return parameter.opts[0] if is_option else (parameter.metavar or field.upper()).strip("[].…")
    return field


def _print_json(document: Mapping[str, Any] | msgspec.Struct) -> None:
    """One object; iterators become arrays item by item, so that a million rows need no second copy in memory."""
    out, named = sys.stdout, document if isinstance(document, Mapping) else _streaming(document)
    if named is None:
        out.write(f"{_encode(document)}\n")
        out.flush()
        return
    out.write("{")
    for number, (name, value) in enumerate(named.items()):
        out.write(("," if number else "") + json.dumps(name) + ":")
        if isinstance(value, Iterator):
            out.write("[")
            for position, item in enumerate(value):
                out.write(("," if position else "") + _encode(item))
            out.write("]")
        else:
            out.write(_encode(value))
    out.write("}\n")
    out.flush()


def _streaming(document: msgspec.Struct) -> Mapping[str, Any] | None:
    """The fields of a document that is read as it is written; None for one that is whole."""
    fields = msgspec.structs.asdict(document)
    if not any(isinstance(value, Iterator) for value in fields.values()):
        return None
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _print_text(shown: Shown) -> None:
    if shown.table is not None:
        console = AnswerConsole(width=_width(), highlight=False)
        console.print(fitted(shown.table, console.width))
    if shown.page is not None:
        AnswerConsole(width=min(Console().width, _PAGE_COLUMNS), highlight=False).print(shown.page())
    if shown.text:
        click.echo(printable(shown.text))


def _width() -> int | None:
    """At a terminal what is shown fits it, and so it does where COLUMNS says how wide it is; in a pipe it is wide."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit():
        return max(int(said), _LEAST_COLUMNS)
    return None if sys.stdout.isatty() else _PIPE_COLUMNS


def at_terminal(session: Session) -> bool:
    """Whether a person gives the command and reads what it shows: then it may ask."""
    return not session.as_json and sys.stdin.isatty() and sys.stdout.isatty()


def counted(count: int, one: str, several: str | None = None) -> str:
    """How many there are of something, in words."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def table(title: str, *columns: str, whole: Collection[str] = (), spare: Sequence[str] = ()) -> PlainTable:
    """An empty table for people. The columns `whole` are never folded: ids and values are copied from them. The columns
    `spare` are left out, the last first, where there is no room for them.
    """
    made = PlainTable(title=title, title_justify="left")
    made.spare = spare
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in whole)
    return made


def write_new_file(path: Path, data: bytes) -> None:
    """A file for its owner alone, where none was."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already", "name a new file") from None
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor, not a path
        stream.write(data)


class MemberGroup(Program):
    """The program: every way out is an exit code and a message, never a traceback."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run, and exit 0 (done), 1 (refused or failed) or 2 (used wrongly)."""
        arguments = list(sys.argv[1:] if args is None else args)
        extra.pop("standalone_mode", None)
        session = extra.pop("obj", None) or Session(default_environment())
        try:
            code = super().main(arguments, prog_name or "member", standalone_mode=False, obj=session, **extra)
        except Exception as error:  # noqa: BLE001 - the top of the program: whatever happened is reported, not raised
            _name_who_may(error, session)
            sys.exit(_print_error(error, as_json="--json" in arguments))
        except KeyboardInterrupt:
            sys.exit(_print_error(MemberError("stopped", slug=_INTERRUPTED), as_json="--json" in arguments))
        finally:
            session.close()
        sys.exit(code if isinstance(code, int) else _DONE)


def _name_who_may(error: Exception, session: Session) -> None:
    """Where a role is missing, the hint names the representatives with a key in this home that have it."""
    if not isinstance(error, MemberError):
        return
    problem = error.fields.get("problem")
    wanted = problem.get("roles") if isinstance(problem, dict) else None
    wanted_roles = {str(role) for role in wanted} if isinstance(wanted, list) else set()
    known = session.home.config.representatives if wanted_roles else {}
    able = [name for name, each in known.items() if name != session.acting_as and wanted_roles & set(each.roles)]
    if able:
        error.hint, error.then = " or ".join(f"member --as {name} …" for name in able), ()


def _print_error(error: Exception, *, as_json: bool) -> int:
    """Print an error in the form asked for; the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and not as_json:
        click.echo(error.format_message(), err=True)
        return USAGE_ERROR
    failure = _as_member_error(error)
    failure.hint = hint_of(failure)
    if as_json:
        _print_json(failure.document())
    else:
        print_error(printable(failure.detail), printable(failure.hint) if failure.hint else None)
    return failure.exit_code


def _as_member_error(error: Exception) -> MemberError:
    match error:
        case MemberError():
            failure = error
        case click.Abort():
            failure = MemberError("stopped", slug=_INTERRUPTED)
        case click.ClickException():
            failure = _from_click(error)
        case NoQuorumError():
            failure = _from_no_quorum(error)
        case CustodyError():
            failure = MemberError(str(error), slug="custody")
        case sqlite3.DatabaseError():
            hint = "try again if another program works on it; else restore it from a backup (vault backup writes one)"
            failure = MemberError(f"the vault cannot be used ({type(error).__name__})", hint, slug="vault")
        case OSError():
            failure = MemberError(
                f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}", slug="file"
            )
        case _:
            _note_for_debugging(error)
            hint = f"set {DEBUG_VARIABLE} to a file name to have the place noted there"
            failure = MemberError(f"this should not have happened ({type(error).__name__})", hint, slug="internal")
    return failure


def _from_no_quorum(error: NoQuorumError) -> MemberError:
    if not error.lacks_budget:
        return MemberError(str(error), "member status shows holders", slug="no_quorum", holders=error.reasons)
    hint = (
        "what was answered is kept: ask the key holders for a grant (keyholder grant), or wait until the budget renews,"
        " then give the same command again; member status shows budgets"
    )
    return MemberError(str(error), hint, slug="budget_exhausted", holders=error.reasons)


def _from_click(error: click.ClickException) -> MemberError:
    context = getattr(error, "ctx", None)
    hint = None if context is None else f"{context.command_path} --help"
    message = _LONG_QUOTE.sub(r"\1…'", error.format_message())
    failure = MemberError(message, hint, slug="usage")
    failure.exit_code = USAGE_ERROR if isinstance(error, click.UsageError) else FAILED
    return failure


def _note_for_debugging(error: Exception) -> None:
    """Append where it happened to the file named by MEMBER_DEBUG: places only, for messages may hold secrets."""
    path = os.environ.get(DEBUG_VARIABLE)
    if not path:
        return
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    with Path(path).open("a", encoding="utf-8") as stream:
        stream.write("\n".join([f"{type(error).__name__}", *places, ""]))
