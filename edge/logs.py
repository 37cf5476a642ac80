"""Logs of the services: JSON lines on standard error.

1. Messages are static; ids of members and counts stand beside them, never what was asked.
2. A traceback names files, lines and types. Locals of a frame may hold shares, tokens or keys, and the text of an error
   may quote them (a database's does): neither is written.
3. All lines of one request carry its `request_id`, which the answer carries too: random, made here, never the caller's.
"""

from __future__ import annotations

import logging
import secrets
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

REQUEST_ID_HEADER = "X-Request-Id"


def _without_texts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The same line without what its exceptions say."""
    for stack in event.get("exception", ()) if isinstance(event.get("exception"), list) else ():
        stack["exc_value"] = ""
        stack["exc_notes"] = []
    return event


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    _without_texts,
)


def configure_logs(least: int = logging.INFO) -> None:
    """Send structlog's events from the level `least` on to standard error as JSON."""
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logging_configuration() -> dict[str, Any]:
    """The same form for the standard library's loggers, those of the server (a logging.config dictionary)."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        "foreign_pre_chain": list(_SHARED),
    }
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "json"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": handler},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"gunicorn.error": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
    }


def begin_request() -> str:
    """A new id, which all lines of the present request carry from now on (16 hex digits)."""
    request_id = secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id
