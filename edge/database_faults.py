"""What is wrong with a database, in an operator's words and with the cure; never a password, a value or a statement.

A driver's message may quote the address and the values of a statement, so that none is passed on: it is recognised by
its SQLSTATE (PostgreSQL, Appendix A) or, before there is a connection, by words of libpq and the server.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.engine import URL

_BY_STATE = {
    "28P01": "wrong password",
    "28000": "login refused",
    "3D000": "no database",
    "42501": "lacks rights",
    "25006": "read-only",
    "53100": "disk full",
    "53300": "too many",
    "57P03": "starting",
    "57P01": "ended",
}
# In this order: the first that fits. PostgreSQL in English, which libpq's own messages are too.
_BY_WORDS = (
    (r"password authentication failed|no password supplied|fe_sendauth", "wrong password"),
    (r"role \"[^\"]*\" does not exist", "no role"),
    (r"database \"[^\"]*\" does not exist", "no database"),
    (r"no pg_hba\.conf entry|peer authentication failed|ident authentication failed", "login refused"),
    (r"permission denied|must be owner", "lacks rights"),
    (r"starting up|shutting down|recovery mode", "starting"),
    (r"too many clients|too many connections|remaining connection slots", "too many"),
    (
        r"could not translate host name|[Nn]ame or service not known|failed to resolve host|[Tt]emporary failure",
        "no host",
    ),
    (
        r"[Cc]onnection refused|[Nn]o such file or directory|timeout expired|[Nn]o route|[Uu]nreachable|timed out",
        "away",
    ),
    (r"SSL|certificate", "tls"),
    (r"unable to open database file", "cannot open"),
    (r"readonly database|read-only", "read-only"),
    (r"database or disk is full|No space left", "disk full"),
    (r"file is not a database|malformed", "damaged"),
    (r"database is locked", "locked"),
    (r"disk I/O error", "disk"),
)
_MESSAGES = {
    "wrong password": "the password for {user} is wrong or missing: put the right one into ~/.pgpass of the user that"
    " runs this (host:port:database:user:password, mode 0600), or ALTER ROLE … PASSWORD",
    "no role": "there is no role {user} at the server: CREATE ROLE {user} LOGIN PASSWORD '…', or name another in"
    " database_url",
    "no database": "there is no database {database} at the server: CREATE DATABASE {database} OWNER {user} ENCODING"
    " 'UTF8', or name another in database_url",
    "login refused": "the server does not let {user} in from here: see its pg_hba.conf (a local connection by the peer"
    " method requires an operating-system user of the same name)",
    "lacks rights": "{user} may not do that in the database {database}: let it own the database, ALTER DATABASE"
    " {database} OWNER TO {user}",
    "starting": "the server is starting or stopping: wait and try again",
    "ended": "the server ended the connection: try again",
    "too many": "the server has no connection left: raise max_connections, or run fewer workers",
    "no host": "the host {host} is not known: mend the name in database_url, or the name service",
    "away": "no server answers at {host}: is it running, and are host and port in database_url right",
    "tls": "no encrypted connection to {host}: see sslmode and the certificates in database_url",
    "cannot open": "the file cannot be opened: are its folder there and writable for the user that runs this",
    "read-only": "nothing can be written: the file, its folder or the server is read-only, or another user's",
    "disk full": "the disk is full: make room and try again; nothing confirmed is lost",
    "damaged": "the file is not an SQLite database, or is damaged: restore a backup",
    "locked": "another program holds the file: stop it, or try again",
    "disk": "the disk does not read or write: look into the system's log",
}


def explain_database_error(error: Exception, url: URL | None = None) -> str:
    """One sentence: what is wrong, and what to do. `url` names user, host and database; its password is never used."""
    kind = _kind_of(getattr(error, "orig", None) or error)
    if kind is None:
        return f"the database cannot be used ({type(error).__name__})"
    names: dict[str, Any] = {"user": "the role", "database": "named in database_url", "host": "the address"}
    if url is not None and url.drivername.startswith("postgresql"):
        host = str(url.query.get("host", "")) or url.host or "the local socket"
        names |= {
            "user": url.username or names["user"],
            "database": url.database or names["database"],
            "host": f"{host}:{url.port}" if url.port else host,
        }
    return "database: " + _MESSAGES[kind].format(**names)


def _kind_of(original: object) -> str | None:
    state = getattr(original, "sqlstate", None)
    if state in _BY_STATE:
        return _BY_STATE[state]
    said = str(original)
    return next((kind for words, kind in _BY_WORDS if re.search(words, said)), None)
