"""What all commands of the program `exchange` share: output for people or as one JSON document, errors, exit codes.

0 done, 1 refused or failed, 2 used wrongly. With --json, standard output holds one document and nothing else; on
failure `{"error":{"type","detail"}}`.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from edge import logs as edge_logs
from edge.database_faults import explain_database_error
from exchange.configuration.settings import Settings, load_settings
from exchange.kernel.session import Database, create_database
from keys.terminal.program import print_error, wants_json

_Command = TypeVar("_Command", bound=Callable[..., Any])

DONE, FAILED, USAGE_ERROR = 0, 1, 2
DEBUG_VARIABLE = "EXCHANGE_DEBUG"


class CommandError(Exception):
    """A command was refused or failed. `kind` is a slug for programs, the message is for people."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def home_of(context: click.Context) -> Path:
    """The folder named by --home."""
    return Path(context.find_root().params["home"]).absolute()


@contextmanager
def opened(context: click.Context) -> Iterator[tuple[Settings, Database]]:
    """The settings and the database of the exchange at --home."""
    settings = load_settings(home_of(context))
    try:
        database = create_database(settings.database_url)
        try:
            yield settings, database
        finally:
            database.dispose()
    except SQLAlchemyError as error:
        raise database_error(error, settings.database_url) from error


def database_error(error: SQLAlchemyError, url: str) -> CommandError:
    """The error that tells of a database's: its own message may quote the address, with a password, or values."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return CommandError("database", "database_url is not an address: sqlite:///FILE or postgresql+psycopg://…")
    return CommandError("database", explain_database_error(error, parsed))


def reports(show: Callable[[dict[str, Any]], str]) -> Callable[[_Command], _Command]:
    """A command that returns a document: printed as JSON with --json, else as `show` writes it."""

    def decorate(command: Any) -> Any:
        @wraps(command)
        def run(*arguments: Any, **options: Any) -> None:
            document = command(*arguments, **options)
            click.echo(json.dumps(document, ensure_ascii=False) if wants_json() else show(document))

        return run

    return decorate


def run_program(program: click.Group, arguments: Sequence[str], errors: Sequence[tuple[type[Exception], str]]) -> int:
    """Run the program; its exit code. `errors` gives the slug of each error that is told to people."""
    try:
        # What a command ends with by context.exit() is returned here, not raised.
        ended_with = program.main(list(arguments), prog_name=program.name, standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt):
        failure = "aborted", "stopped by the user", FAILED
    except click.ClickException as error:
        failure = "usage", error.format_message(), USAGE_ERROR
    except CommandError as error:
        failure = error.kind, str(error), FAILED
    except tuple(kind for kind, _ in errors) as error:
        failure = next(slug for kind, slug in errors if isinstance(error, kind)), str(error), FAILED
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        # Its message may quote values, and a traceback more.
        failure = "internal", f"an unexpected {type(error).__name__}; set {DEBUG_VARIABLE}=1 to see where", FAILED
    else:
        return ended_with if type(ended_with) is int else DONE
    return _fail("--json" in arguments, *failure)


def _fail(as_json: bool, kind: str, detail: str, code: int) -> int:
    if as_json:
        click.echo(json.dumps({"error": {"type": kind, "detail": detail}}, ensure_ascii=False))
    else:
        print_error(detail)
    return code


def configure_logs(*, of_service: bool = False) -> None:
    """JSON lines on standard error, of our own loggers and of the libraries'; without those of daily business, unless
    they are a service's: what a command says is its answer.
    """
    edge_logs.configure_logs(logging.INFO if of_service else logging.WARNING)
    logging.config.dictConfig(edge_logs.logging_configuration())
