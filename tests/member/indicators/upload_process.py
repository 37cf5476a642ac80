"""An upload in a process of its own, with all servers in it, that dies by SIGKILL at a chosen moment.

The moment is `never`, `before:N` (the N-th part has left the member, the exchange has not seen it) or `after:N` (the
exchange has committed it, the answer does not arrive). Each part that the exchange is sent is noted in the taskforce's
folder, in `sent`. The process is forked from one that has imported the programs: to import them takes longer.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import member.indicators.acts
from demo.commands import PRELOADED
from member.indicators.submit import SubmissionContext
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes

PART_ROWS = 20
_context = multiprocessing.get_context("forkserver")


def deadly(application: WSGIApplication, folder: Path, moment: str) -> WSGIApplication:
    """The exchange, noting every part, and ending everything at the moment."""

    def die_at(name: str) -> None:
        if moment == name:
            os.kill(os.getpid(), signal.SIGKILL)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/v1/submissions":
            return application(environ, start_response)
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = _Body(body)
        sent = json.loads(body)
        with (folder / "sent").open("a") as stream:
            stream.write(f"{sent['submission_id']} {sent['part']} {environ['HTTP_IDEMPOTENCY_KEY']}\n")
        die_at(f"before:{sent['part']}")
        statuses: list[str] = []

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            statuses.append(status)
            return start_response(status, headers, exc_info)

        answered = b"".join(application(environ, start))
        assert statuses[0].startswith("20"), (statuses, answered)
        die_at(f"after:{sent['part']}")
        return [answered]

    return answer


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size < 0 else size
        taken, self._data = self._data[:end], self._data[end:]
        return taken


def upload(folder: Path, bank: str, file: Path, moment: str) -> int:
    """The exit status of an upload to the taskforce in the folder; negative if a signal ended it."""
    _context.set_forkserver_preload([*PRELOADED, __name__])
    process = _context.Process(target=_submit, args=(folder, bank, file, moment), daemon=True)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _submit(folder: Path, bank: str, file: Path, moment: str) -> None:
    """In the process: open the taskforce and submit."""
    taskforce = MemberHomes(folder)
    taskforce.open()
    taskforce.applications[EXCHANGE_URL] = deadly(taskforce.applications[EXCHANGE_URL], folder, moment)
    setattr(member.indicators.acts, "SubmissionContext", functools.partial(SubmissionContext, part_rows=PART_ROWS))  # noqa: B010
    done = taskforce.run(bank, "submit", str(file))
    (folder / "result.json").write_text(json.dumps({"status": done.status, **done.document}))
