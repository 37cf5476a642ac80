"""What the steps of a sandbox have in common: ports, files, commands whose document is read, and their failure."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from demo.commands import run_program

_T = TypeVar("_T")


class SandboxError(RuntimeError):
    """The sandbox cannot be set up or started; the message says which step failed and what it printed."""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def refuse_used_ports(ports: Mapping[str, int]) -> None:
    """SandboxError for a port on which another program listens: it would answer in place of ours."""
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: not one that lately closed
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise SandboxError(
                    f"port {port}, for {name}, cannot be used ({error.strerror}): stop the program that listens there,"
                    " or take a new folder and another --port"
                ) from error


def write_atomically(path: Path, content: object) -> None:
    """Write a struct, or what holds some, as JSON."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(json.dumps(msgspec.to_builtins(content), indent=2) + "\n")
    draft.replace(path)


def read_taxii(url: str, token: str, answer_type: type[_T]) -> _T | None:
    """The document at the URL; None for the token of a member that was suspended. Raises SandboxError."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/taxii+json;version=2.1"}
    try:
        answer = httpx.get(url, headers=headers, timeout=30, trust_env=False)
        if answer.status_code == httpx.codes.FORBIDDEN:
            return None
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise SandboxError(f"the feeds cannot be read at {url}: {type(error).__name__}") from error
    return msgspec.json.decode(answer.content, type=answer_type)


def run_command(answer_type: type[_T], program: str, *arguments: str) -> _T:
    """Run one command of `exchange`, `keyholder` or `member` with --json; what is read of the document that it prints.

    Raises SandboxError with the command and what it said when it fails.
    """
    ended = run_program(program, *arguments, "--json")
    if ended.status != 0:
        said = (ended.printed + ended.said).decode(errors="replace").strip()
        raise SandboxError(f"{program} {' '.join(arguments[:4])} … failed ({ended.status}): {said}")
    return msgspec.json.decode(ended.printed, type=answer_type)


def split_names(text: str) -> tuple[str, ...]:
    """The names in `a,b,c`, without blanks; an empty text gives none."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)
