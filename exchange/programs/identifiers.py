"""Identifiers as arguments and options of commands."""

from __future__ import annotations

from typing import Any

import click

from keys.signatures.strict import require_identifier


class IdentifierType(click.ParamType[str]):
    """An identifier: 1 to 64 of a-z, 0-9, - and _."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The identifier itself, or a usage error."""
        try:
            return require_identifier(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Identifiers(click.ParamType[list[str]]):
    """Identifiers separated by commas."""

    name = "id,id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The identifiers, or a usage error."""
        if isinstance(value, list):
            return value
        return [IdentifierType().convert(part.strip(), param, ctx) for part in str(value).split(",") if part.strip()]
