"""Running the service under gunicorn, as edge/serving.py says, with the key holder's own logs."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask

from edge.logs import configure_logs, logging_configuration
from edge.serving import Server
from keys.holder.settings import HolderSettings
from keys.holder.web import create_app


class HolderServer(Server):
    """A gunicorn master for one holder. The secrets are opened before the fork; engines are made after it."""

    def __init__(self, settings: HolderSettings, *, host: str, port: int, workers: int, threads: int) -> None:
        def make_application() -> Flask:
            configure_logs()
            return create_app(settings)

        super().__init__(
            make_application,
            host=host,
            port=port,
            workers=workers,
            threads=threads,
            logconfig_dict=logging_configuration(),
            proc_name="keyholder",
        )


def port_of(url: str) -> int:
    """The port of a holder's address."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
