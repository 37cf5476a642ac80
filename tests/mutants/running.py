"""Runs the tests of a subject against its mutants: in memory, each in a process forked off where the tests are loaded.

A mutant is put in the place of the function that it changes, or of a constant wherever that was imported. Tests that
start a program as a process see the original there: a mutant is killed by what runs in the test's own process.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import importlib
import io
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NoReturn

import pytest

from tests.mutants.mutating import Mutant, mutants_of

SECONDS = 900
"""After so long without an end a mutant runs for ever, which is noticed too."""
_SQLITE = "not postgresql"
_CONSTANT = (int, float, str, bytes, tuple, list, dict, set, frozenset, date, timedelta, re.Pattern)


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"


class TestsFailError(RuntimeError):
    """The tests fail without any change, or cannot be run; the message has their output."""


def choose(source: str, number: int, rng: random.Random) -> list[Mutant]:
    """At most so many mutants of a module, no two in one line as long as there are others, in the order of lines."""
    mixed = [mutant for mutant in mutants_of(source) if place_of(source, mutant.line) is not None]
    rng.shuffle(mixed)
    seen: Counter[int] = Counter()
    turns: list[tuple[int, int]] = []
    for mutant in mixed:
        turns.append((seen[mutant.line], len(turns)))
        seen[mutant.line] += 1
    chosen = [mixed[position] for _, position in sorted(turns)[:number]]
    return sorted(chosen, key=lambda mutant: mutant.line)


def place_of(source: str, line: int) -> str | None:
    """The function or method around a line, or the constant that a line of the module states; None for what can only
    be changed before the module is imported: fields of classes, what they are made of, and defaults.
    """
    body = ast.parse(source).body
    for node in body:
        if not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        match node:
            case ast.FunctionDef():
                return node.name if line >= node.body[0].lineno else None
            case ast.ClassDef():
                inside = [one for one in node.body if isinstance(one, ast.FunctionDef)]
                found = [one for one in inside if one.body[0].lineno <= line <= (one.end_lineno or 0)]
                return f"{node.name}.{found[0].name}" if found else None
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                return None if _is_in_class(name, body) else name
    return None


def _is_in_class(name: str, body: Sequence[ast.stmt]) -> bool:
    """Whether a field of a class is made of a constant, once and for all."""
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    fields = [one for node in classes for one in node.body if not isinstance(one, ast.FunctionDef)]
    return any(isinstance(one, ast.Name) and one.id == name for field in fields for one in ast.walk(field))


def put_in(module: Any, source: str, mutant: Mutant) -> None:
    """Let the loaded module, and whoever imported from it, behave as the mutant."""
    place = place_of(source, mutant.line)
    assert place is not None
    file = module.__file__
    code = compile(mutant.source, file, "exec")
    changed = {one.co_qualname: one for one in _codes_in(code)}.get(place)
    if changed is None:
        _replace_constants(module, code)
        return
    for function in [one for one in gc.get_objects() if isinstance(one, FunctionType)]:
        if function.__code__.co_filename == file and function.__code__.co_qualname == place:
            function.__code__ = changed


def _codes_in(code: CodeType) -> list[CodeType]:
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [*inner, *(each for one in inner for each in _codes_in(one))]


def _replace_constants(module: Any, code: CodeType) -> None:
    """The constant that was changed, and those that are made of it."""
    namespace: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(code, namespace)  # noqa: S102 - the project's own source
    for name, value in namespace.items():
        original = getattr(module, name, None)
        if not isinstance(value, _CONSTANT) or repr(value) == repr(original):
            continue
        for other in list(sys.modules.values()):
            if getattr(other, "__dict__", {}).get(name) is original:
                setattr(other, name, value)
        for function in [one for one in gc.get_objects() if isinstance(one, FunctionType)]:
            if function.__defaults__ is not None and function.__code__.co_filename == module.__file__:
                function.__defaults__ = tuple(value if one is original else one for one in function.__defaults__)


class Runner:
    """A plugin of pytest: in place of running the tests once, it runs them for each mutant of a module."""

    def __init__(self, module: str, mutants: Sequence[Mutant], note: Callable[[Mutant, Fate], None]) -> None:
        self._module = module
        self._mutants = mutants
        self._note = note
        self.fault: str | None = None
        self.failure = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep, in the process of a mutant, which test failed and how."""
        if report.failed:
            self.failure = f"{report.nodeid}\n{report.longreprtext}\n"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the original first; nothing can be said of mutants where that fails."""
        if session.testsfailed or not session.items:
            self.fault = "the tests cannot be collected"
            return True
        self.fault = run_apart(lambda: self._failure_of(session, lambda: None)) or None
        if self.fault is not None:
            return True
        source = Path(self._module).read_text(encoding="utf-8")
        module = importlib.import_module(self._module.removesuffix(".py").replace("/", "."))
        for mutant in self._mutants:
            change = functools.partial(put_in, module, source, mutant)
            failure = run_apart(functools.partial(self._failure_of, session, change))
            self._note(mutant, Fate.KILLED if failure else Fate.SURVIVED)
        return True

    def _failure_of(self, session: pytest.Session, change: Callable[[], None]) -> str:
        """The first failure of the tests once `change` was made; empty for none."""
        try:
            change()
        except Exception as error:  # noqa: BLE001 - a module that cannot be loaded is noticed by whoever imports it
            return f"{type(error).__name__}: {error}"
        following = [*session.items[1:], None]
        for item, after in zip(session.items, following, strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.testsfailed:
                return self.failure or item.nodeid
        return ""


def run_apart(work: Callable[[], str]) -> str:
    """What `work` returns in a process of its own; never empty for one that dies or does not end."""
    with tempfile.TemporaryFile() as output:
        process = os.fork()
        if process == 0:
            _work_and_end(work, output.fileno())
        ends_at, status = time.monotonic() + SECONDS, None
        while status is None:
            ended, found = os.waitpid(process, os.WNOHANG)
            if ended:
                status = os.waitstatus_to_exitcode(found)
            elif time.monotonic() > ends_at:
                os.killpg(process, signal.SIGKILL)
                ends_at = float("inf")
            else:
                time.sleep(0.02)
        output.seek(0)
        said = output.read().decode(errors="replace")
        return said if status == 0 else said or f"ended with {status}"


def _work_and_end(work: Callable[[], str], output: int) -> NoReturn:
    code = 1
    try:
        os.setsid()
        os.write(output, work().encode())
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's program
        os.write(output, traceback.format_exc().encode())
    finally:
        os._exit(code)


def run_mutants(
    module: str, mutants: Sequence[Mutant], paths: Sequence[str], note: Callable[[Mutant, Fate], None]
) -> None:
    """Tell `note` what becomes of each mutant. Raises TestsFailError."""
    runner = Runner(module, mutants, note)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        options = ["-n", "0", "-p", "no:cacheprovider", "-k", _SQLITE]
        with contextlib.redirect_stdout(io.StringIO()) as said:
            status = pytest.main([*options, "--basetemp", f"{folder}/tests", *paths], plugins=[runner])
    if runner.fault is not None or status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise TestsFailError(f"{module}: {', '.join(paths)}: {status!r}\n{(runner.fault or said.getvalue())[-4000:]}")
