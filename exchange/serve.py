"""Serving the web application with gunicorn: threads (gthread), no control socket, loopback unless said otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn on an application that each worker process makes after the fork."""

    def __init__(
        self, make_application: Callable[[], Any], *, host: str, port: int, workers: int, threads: int
    ) -> None:
        self._make_application = make_application
        self._settings = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "worker_class": "gthread",
            "workers": workers,
            "threads": threads,
            "timeout": 120,
            "graceful_timeout": 30,
            "keepalive": 75,
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        super().__init__()

    def load_config(self) -> None:
        """Our settings and nothing from files, the environment or the command line."""
        for name, value in self._settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """The application of this worker process."""
        return self._make_application()
