"""Log lines: JSON, with the request's id, and without what an exception says or its frames hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CANARY = "canary-value-2b77"
_WRITING = f"""
import logging, logging.config, structlog
from edge.logs import begin_request, configure_logs, logging_configuration
configure_logs()
logging.config.dictConfig(logging_configuration())
log = structlog.get_logger()
print(begin_request())

def fail(secret):
    raise ValueError(secret)

for logger in (log, logging.getLogger("gunicorn.error"), logging.getLogger("apscheduler")):
    try:
        try:
            fail("{CANARY}")
        except ValueError as error:
            error.add_note("{CANARY}")
            raise RuntimeError("{CANARY}") from error
    except RuntimeError:
        logger.exception("it failed")
"""


def _written() -> tuple[str, list[dict[str, Any]], str]:
    done = subprocess.run([sys.executable, "-c", _WRITING], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip(), [json.loads(line) for line in done.stderr.splitlines()], done.stderr


def test_every_logger_writes_json_with_the_requests_id_and_no_values() -> None:
    request_id, lines, text = _written()
    assert len(lines) == 3
    for line in lines:
        assert line["event"] == "it failed"
        assert line["request_id"] == request_id
        assert [stack["exc_type"] for stack in line["exception"]] == ["RuntimeError", "ValueError"]
        assert "fail" in [frame["name"] for stack in line["exception"] for frame in stack["frames"]]
    assert CANARY not in text
