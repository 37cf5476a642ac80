"""Which statements a database is sent, and by whom: taken from the drivers, below SQLAlchemy."""

from __future__ import annotations

import ast
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.plans import is_planned, without_values

Captured = dict[str, tuple[str, Any]]
"""The first statement of each form, and its parameters; on SQLite the values are in the statement."""
Callers = set[tuple[str, str]]
"""File and qualified name of every function that was at work when a statement was sent."""


@contextmanager
def captured(engine: Engine, callers: Callers | None = None) -> Iterator[Captured]:
    """What connections made from now on are sent; whoever has it sent is added to `callers`."""
    found: Captured = {}

    def note(statement: str, parameters: Any = None) -> None:
        if is_planned(statement):
            found.setdefault(without_values(statement), (statement, parameters))
        if callers is not None:
            callers.update(_at_work())

    class NotingCursor(psycopg.Cursor[Any]):
        """Notes what it executes."""

        def execute(self, query: Any, params: Any = None, **options: Any) -> NotingCursor:
            note(_text(query), params)
            return super().execute(query, params, **options)

        def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
            sets = list(params_seq)
            note(_text(query), sets[0])
            super().executemany(query, sets, **options)

    def watch(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(note)
        else:
            connection.cursor_factory = NotingCursor

    engine.dispose()
    event.listen(engine, "connect", watch)
    try:
        yield found
    finally:
        event.remove(engine, "connect", watch)
        engine.dispose()


def _text(query: Any) -> str:
    return query.decode() if isinstance(query, bytes) else str(query)


def _at_work() -> Iterator[tuple[str, str]]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_code.co_qualname
        frame = frame.f_back


def functions_that_ask(folder: Path) -> Iterator[tuple[str, str]]:
    """File and qualified name of every function of a folder's modules that has a session or connection execute a
    statement, itself or by a helper that takes one.
    """
    for path in sorted(folder.rglob("*.py")):
        for name, function in _functions(ast.parse(path.read_text(encoding="utf-8")), ""):
            if any(isinstance(node, ast.Call) and _is_asking(node.func) for node in _own_nodes(function)):
                yield str(path), name


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Everything in a function but for the functions in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own_nodes(child)


def _is_asking(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in _TAKES_A_STATEMENT
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return False
    return called.value.id in {"session", "connection"} and called.attr in _EXECUTES


_EXECUTES = frozenset({"execute", "exec_driver_sql", "scalar", "scalars", "get", "get_one", "merge"})
_TAKES_A_STATEMENT = frozenset({"run_counted", "insert_ignoring"})


def _functions(node: ast.AST, within: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield within + child.name, child
            yield from _functions(child, f"{within}{child.name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{within}{child.name}.")
        else:
            yield from _functions(child, within)
