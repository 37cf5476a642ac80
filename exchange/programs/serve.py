"""Serving the web application with gunicorn, as edge.serving says."""

from __future__ import annotations

from edge.serving import Server

__all__ = ["Server"]
