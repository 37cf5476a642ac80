"""What all commands of the program `exchange` share: its settings and database, output for people or as one JSON
document, errors.
"""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from edge import logs as edge_logs
from edge.database_faults import explain_database_error
from exchange.configuration.settings import Settings, load_settings
from exchange.kernel.session import Database, create_database
from keys.terminal import program as terminal

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


def run_program(program: click.Group, arguments: Sequence[str], errors: Sequence[tuple[type[Exception], str]]) -> int:
    """Run the program; its exit code. `errors` gives the slug of each error that is shown to people."""

    def explain(error: Exception) -> tuple[str, str] | None:
        if isinstance(error, CommandError):
            return error.kind, str(error)
        return next(((slug, str(error)) for kind, slug in errors if isinstance(error, kind)), None)

    return terminal.run_program(program, arguments, explain, DEBUG_VARIABLE)


def configure_logs(*, of_service: bool = False) -> None:
    """JSON lines on standard error, of our own loggers and of the libraries'; without those of daily business, unless
    they are a service's: what a command says is its answer.
    """
    edge_logs.configure_logs(logging.INFO if of_service else logging.WARNING)
    logging.config.dictConfig(edge_logs.logging_configuration())
