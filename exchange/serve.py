"""Serving the web application with gunicorn, as keys.edge.serving says."""

from __future__ import annotations

from keys.edge.serving import Server

__all__ = ["Server"]
