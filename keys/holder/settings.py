"""A key holder's home: its configuration, its signing key, its shares.

    config.json     who it is, its address, its registrars, where its database and passphrase are (mode 0600)
    signing.key     the key that signs its answers, in custody
    epoch-<n>.share its share of each epoch, in custody
    holder.db       its database, unless it has another

Secrets are in custody files only; a Settings value holds them opened and does not show them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.caller_address import Proxies, parse_proxies
from edge.request_limits import DEFAULT_LIMIT, UNSIGNED_LIMIT, parse_limit
from keys.custody.files import (
    CustodyError,
    make_private_folder,
    read_passphrase,
    read_private_file,
    read_secret,
    write_private_file,
    write_secret,
)
from keys.oprf.group import InvalidScalarError, check_scalar
from keys.oprf.threshold import Share
from keys.signatures.messages import SigningKey
from keys.signatures.strict import (
    require_fields,
    require_identifier,
    require_integer,
    require_public_key,
    require_text,
    require_url,
)
from keys.statements.keyring import Root, StatementError
from schemas.values.canonical import canonical_json, parse_canonical_json
from schemas.values.encoding import from_base64, to_base64

PASSPHRASE_VARIABLE = "KEYHOLDER_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
LIMIT_VARIABLE = "KEYHOLDER_REQUESTS_PER_MINUTE"
UNSIGNED_LIMIT_VARIABLE = "KEYHOLDER_UNSIGNED_PER_MINUTE"
PROXIES_VARIABLE = "KEYHOLDER_PROXIES"
_CONFIG = "config.json"
_SIGNING_KEY = "signing.key"
_SIGNING_PURPOSE = "key holder's signing key"
_MAX_CONFIG_BYTES = 65_536


class HolderHomeError(Exception):
    """The home is not fit for what was asked; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class HolderConfig:
    """What config.json says. `database_url` may hold a password and is not shown. From the environment come each
    member's limit, that of each address for unauthenticated requests, and the addresses of proxies in front.
    """

    home: Path
    holder_id: str
    url: str
    verify_key: bytes
    root: Root
    database_url: str = field(repr=False)
    passphrase_file: Path | None = None
    requests_per_minute: int = DEFAULT_LIMIT
    unsigned_per_minute: int = UNSIGNED_LIMIT
    proxies: Proxies = frozenset()

    def read_passphrase(self, environ: Mapping[str, str], prompt: Callable[[], str] | None) -> bytes:
        """From the file given at init, else from that named in the environment, else asked. Raises CustodyError."""
        return read_passphrase(self.passphrase_file, variable=PASSPHRASE_VARIABLE, environ=environ, prompt=prompt)


@dataclass(frozen=True, slots=True)
class HolderSettings:
    """What the service runs with: the configuration, and the secrets opened for it."""

    config: HolderConfig
    signing_key: SigningKey = field(repr=False)
    shares: Mapping[int, Share] = field(repr=False)


def create_home(
    home: Path,
    holder_id: str,
    url: str,
    root: Root,
    passphrase: bytes,
    *,
    passphrase_file: Path | None = None,
    database_url: str | None = None,
) -> HolderConfig:
    """Make a home with a new signing key. Raises HolderHomeError, also if there is one already; CustodyError."""
    try:
        require_identifier(holder_id)
        require_url(url)
    except ValueError as error:
        raise HolderHomeError(f"holder id or URL: {error}") from None
    make_private_folder(home)
    if (home / _CONFIG).exists():
        raise HolderHomeError(f"{home} is a key holder's home already")
    key = SigningKey.generate()
    write_secret(home / _SIGNING_KEY, key.to_seed(), passphrase, _SIGNING_PURPOSE)
    document = {
        "holder_id": holder_id,
        "url": url,
        "verify_key": to_base64(key.public_bytes),
        "registrars": root.to_wire(),
        "database_url": database_url,
        "passphrase_file": None if passphrase_file is None else str(passphrase_file.absolute()),
    }
    # The last step: a home without it is no home.
    write_private_file(home / _CONFIG, json.dumps(document, indent=2).encode() + b"\n")
    return load_config(home)


def load_config(home: Path, environ: Mapping[str, str] = os.environ) -> HolderConfig:
    """Raises HolderHomeError if there is no home, or its configuration is wrong; CustodyError if others may read it."""
    if not (home / _CONFIG).exists():
        raise HolderHomeError(f"{home} is not a key holder's home: run `keyholder --home {home} init` first")
    try:
        document = require_fields(
            json.loads(read_private_file(home / _CONFIG, _MAX_CONFIG_BYTES)),
            *("holder_id", "url", "verify_key", "registrars", "database_url", "passphrase_file"),
        )
        database_url, passphrase_file = document["database_url"], document["passphrase_file"]
        return HolderConfig(
            home=home,
            holder_id=require_identifier(document["holder_id"]),
            url=require_url(document["url"]),
            verify_key=require_public_key(document["verify_key"]),
            root=Root.parse(document["registrars"]),
            database_url=_default_database(home) if database_url is None else require_text(database_url, 2000),
            passphrase_file=None if passphrase_file is None else Path(require_text(passphrase_file, 4096)),
            requests_per_minute=parse_limit(environ.get(LIMIT_VARIABLE, DEFAULT_LIMIT)),
            unsigned_per_minute=parse_limit(environ.get(UNSIGNED_LIMIT_VARIABLE, UNSIGNED_LIMIT)),
            proxies=parse_proxies(environ.get(PROXIES_VARIABLE, "")),
        )
    except (StatementError, ValueError) as error:
        raise HolderHomeError(f"{home / _CONFIG}: {error}") from None


def open_settings(config: HolderConfig, passphrase: bytes) -> HolderSettings:
    """Open the signing key and all shares. Raises CustodyError, HolderHomeError."""
    signing_key = SigningKey.from_seed(read_secret(config.home / _SIGNING_KEY, passphrase, _SIGNING_PURPOSE))
    if signing_key.public_bytes != config.verify_key:
        raise HolderHomeError(f"{config.home / _SIGNING_KEY} is not the key that {_CONFIG} names")
    shares = {epoch: _read_share(config, epoch, passphrase) for epoch in list_share_epochs(config)}
    return HolderSettings(config, signing_key, shares)


def list_share_epochs(config: HolderConfig) -> list[int]:
    """The epochs of which this holder has a share."""
    numbers = (path.stem.removeprefix("epoch-") for path in config.home.glob("epoch-*.share"))
    return sorted(int(number) for number in numbers if number.isascii() and number.isdecimal())


def write_share(config: HolderConfig, epoch: int, share: Share, passphrase: bytes) -> None:
    """Take a share into custody. Raises HolderHomeError if there is one of this epoch; CustodyError."""
    path = _share_path(config, epoch)
    if path.exists():
        raise HolderHomeError(f"{config.home} has a share of epoch {epoch} already")
    document = {"epoch": epoch, "index": share.index, "scalar": to_base64(share.scalar)}
    write_secret(path, canonical_json(document), passphrase, _share_purpose(epoch))


def remove_share(config: HolderConfig, epoch: int) -> None:
    """Remove a share that was dealt and whose key nobody will use, if it is there."""
    _share_path(config, epoch).unlink(missing_ok=True)


def _read_share(config: HolderConfig, epoch: int, passphrase: bytes) -> Share:
    path = _share_path(config, epoch)
    secret = read_secret(path, passphrase, _share_purpose(epoch))
    try:
        document: dict[str, Any] = require_fields(parse_canonical_json(secret), "epoch", "index", "scalar")
        require_integer(document["epoch"], epoch, epoch)
        scalar = from_base64(document["scalar"], 32)
        check_scalar(scalar)
        return Share(require_integer(document["index"], 1, 65_535), scalar)
    except (ValueError, AttributeError, InvalidScalarError):
        raise CustodyError(f"{path} holds no share of epoch {epoch}") from None


def _share_path(config: HolderConfig, epoch: int) -> Path:
    return config.home / f"epoch-{epoch}.share"


def _share_purpose(epoch: int) -> str:
    return f"key holder's share of epoch {epoch}"


def _default_database(home: Path) -> str:
    return f"sqlite:///{home.absolute() / 'holder.db'}"
