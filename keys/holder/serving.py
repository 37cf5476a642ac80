"""Running the service under gunicorn: threads in each worker, no control socket, a clean stop on SIGTERM."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from gunicorn.app.base import BaseApplication

from keys.holder.logs import configure_logs, logging_configuration
from keys.holder.settings import Settings
from keys.holder.web import create_app

_GRACEFUL_SECONDS = 30
# Longer than a client's pool keeps a connection, so that the client closes first and no request meets a closed one.
_KEEPALIVE_SECONDS = 75


class HolderServer(BaseApplication):  # type: ignore[misc] # the library has no types
    """A gunicorn master for one holder. The secrets are opened before the fork; engines are made after it."""

    def __init__(self, settings: Settings, *, host: str, port: int, workers: int, threads: int) -> None:
        self._settings = settings
        self._options: dict[str, Any] = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": workers,
            "threads": threads,
            "worker_class": "gthread",
            "graceful_timeout": _GRACEFUL_SECONDS,
            "keepalive": _KEEPALIVE_SECONDS,
            "control_socket_disable": True,
            "accesslog": None,
            "logconfig_dict": logging_configuration(),
            "proc_name": "keyholder",
        }
        super().__init__()

    def load_config(self) -> None:
        """Take the options; one that this gunicorn does not know yet is left out."""
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, in the worker."""
        configure_logs()
        return create_app(self._settings)


def port_of(url: str) -> int:
    """The port of a holder's address."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
