"""A member's home directory: where everything lies, and the settings in config.json (nothing secret stands there).

config.json            member, representatives, exchange, defaults
registrars.json        the registrars' root, pinned when joining
keys/NAME.key          a representative's signing seed and the vault key, under its passphrase
keys/registrar.key     a registrar's signing seed, under its own
vault.sqlite           the vault
rejected/              rows refused, by submission (in the clear, for the person who mends them)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import msgspec

from keys.custody import CustodyError, make_private_folder, write_private_file
from member.errors import HomeError

_CONFIG = "config.json"
_MAX_CONFIG_BYTES = 1 << 20


class LocalRepresentative(msgspec.Struct, frozen=True):
    """A representative whose key lies in this home."""

    roles: list[str]
    public_key: str


class Registrar(msgspec.Struct, frozen=True):
    """The registrar whose key lies in this home."""

    registrar_id: str
    public_key: str
    passphrase_file: str | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """config.json. Paths are absolute texts."""

    format: int = 1
    member_id: str | None = None
    encryption_key: str | None = None
    representatives: dict[str, LocalRepresentative] = {}
    registrar: Registrar | None = None
    passphrase_dir: str | None = None
    exchange_url: str | None = None
    defaults: dict[str, str] = {}


class Home:
    """One home directory and its settings."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config

    @classmethod
    def make(cls, path: Path) -> Self:
        """The home at `path`, made (mode 0700) if it is missing."""
        try:
            make_private_folder(path)
        except CustodyError as error:
            raise HomeError(str(error)) from error
        return cls(path, _read_config(path) if (path / _CONFIG).exists() else Config())

    @classmethod
    def open(cls, path: Path) -> Self:
        """The home at `path`. HomeError unless `init` has made one there."""
        if not (path / _CONFIG).is_file():
            hint = "make one: member --home DIR init --member-id ID"
            raise HomeError(f"there is no member's home at {path}", hint)
        return cls(path, _read_config(path))

    def save(self, **changes: Any) -> None:
        """Change settings on disk, in one step."""
        self.config = msgspec.structs.replace(self.config, **changes)
        text = msgspec.json.format(msgspec.json.encode(self.config), indent=2)
        try:
            write_private_file(self.path / _CONFIG, text + b"\n")
        except CustodyError as error:
            raise HomeError(str(error)) from error

    @property
    def member_id(self) -> str:
        """Whose home it is. HomeError in a registrar's home."""
        if self.config.member_id is None:
            raise HomeError("no member lives in this home", "member --home DIR init --member-id ID")
        return self.config.member_id

    @property
    def exchange_url(self) -> str:
        """Where the exchange is. HomeError before joining."""
        if self.config.exchange_url is None:
            raise HomeError("this home has joined no exchange", "member join CODE, or member registrar connect")
        return self.config.exchange_url

    @property
    def vault_path(self) -> Path:
        """The vault's file."""
        return self.path / "vault.sqlite"

    @property
    def root_path(self) -> Path:
        """The registrars' root as pinned."""
        return self.path / "registrars.json"

    def key_path(self, name: str) -> Path:
        """What a representative, or the registrar, unlocks with its passphrase."""
        return self.path / "keys" / f"{name}.key"

    def rejected_path(self, submission_id: str) -> Path:
        """Where the refused rows of a submission go; the folder is made if it is missing."""
        folder = self.path / "rejected"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{submission_id}.csv"


def _read_config(path: Path) -> Config:
    try:
        data = (path / _CONFIG).read_bytes()
        if len(data) > _MAX_CONFIG_BYTES:
            raise HomeError(f"{path / _CONFIG} is too long to be ours")
        return msgspec.json.decode(data, type=Config)
    except OSError as error:
        raise HomeError(f"{path / _CONFIG} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HomeError(f"{path / _CONFIG} is damaged: {error}", "restore it from a backup") from error
