"""One person's home directory: where everything lies, and the settings in config.json (nothing secret stands there).

config.json            member, representative, exchange, defaults
registrars.json        the registrars' root, pinned when joining
keys/NAME.key          a representative's signing seed and the key that opens the vault for it, under its passphrase
keys/registrar.key     a registrar's signing seed, under its own
rejected/              rows refused, by submission (in the clear, for the person who mends them; removed after a time)

The vault lies here too, or in a folder that several people's homes name (member.identity.vault_folder). A sandbox's
home alone holds the keys of several representatives, and is good for an exchange on the same machine only.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from keys.custody.files import CustodyError, make_private_folder, write_private_file
from keys.custody.new_home import clear_unfinished, is_unfinished
from member.errors import HomeError
from member.identity.vault_folder import VaultFolder
from member.next_steps import Act, Next

REJECTED_DAYS = "rejected_days"
"""The default that says for how many days reports of rejected rows are kept."""
DEFAULT_REJECTED_DAYS = 30
COUNTRY = "country"
"""The default that says whose national phone numbers may be meant where no country code stands."""
REPORT_NAME = ".formula-safe.csv"
"""How the name of a report of rejected rows ends: its cells begin no formula, and are read as they were."""
_CONFIG = "config.json"
_MAX_CONFIG_BYTES = 1 << 20


class LocalRepresentative(msgspec.Struct, frozen=True):
    """A representative whose key lies in this home."""

    roles: list[str]
    public_key: str


class LocalRegistrar(msgspec.Struct, frozen=True):
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
    registrar: LocalRegistrar | None = None
    passphrase_dir: str | None = None
    sandbox: bool = False
    vault: str | None = None
    vault_id: str | None = None
    vault_key_parts: int = 1
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
        return cls.find(path)

    @classmethod
    def find(cls, path: Path) -> Self:
        """The home at `path` as it stands, or as it would be made; nothing is made."""
        return cls(path, _read_config(path) if (path / _CONFIG).exists() else Config())

    def check_free(self) -> None:
        """HomeError if a member lives here."""
        if self.config.member_id is not None:
            raise HomeError(f"{self.config.member_id} lives in this home already", "choose another home: --home DIR")

    @classmethod
    def open(cls, path: Path) -> Self:
        """The home at `path`. HomeError unless `init` has made one there."""
        if is_unfinished(path):
            raise HomeError(f"{path} was left half made", "run the init that was stopped again")
        if not (path / _CONFIG).is_file():
            raise HomeError(f"there is no member's home at {path}", "make one", then=Next(Act.MAKE_HOME))
        return cls(path, _read_config(path))

    def save(self, **changes: Any) -> None:
        """Change settings on disk, in one step."""
        self.config = msgspec.structs.replace(self.config, **changes)
        try:
            write_private_file(self.path / _CONFIG, to_json(self.config))
        except CustodyError as error:
            raise HomeError(str(error)) from error

    @property
    def member_id(self) -> str:
        """Whose home it is. HomeError in a registrar's home."""
        if self.config.member_id is None:
            raise HomeError("no member lives in this home", then=Next(Act.MAKE_HOME))
        return self.config.member_id

    @property
    def exchange_url(self) -> str:
        """Where the exchange is. HomeError before joining."""
        if self.config.exchange_url is None:
            then = Next(Act.JOIN), Next(Act.CONNECT_REGISTRAR)
            raise HomeError("this home has joined no exchange", then=then)
        self.check_reaches(self.config.exchange_url)
        return self.config.exchange_url

    def check_reaches(self, exchange_url: str) -> None:
        """HomeError for a sandbox's home and an exchange that is not on this machine: here one person can be two."""
        if self.config.sandbox and not _is_loopback(exchange_url):
            detail = f"a sandbox's home joins no exchange elsewhere: {exchange_url}"
            cure = "each person makes a home of their own (docs/production.md)"
            raise HomeError(detail, cure, slug="sandbox_home", then=Next(Act.MAKE_HOME))

    @property
    def vault_folder(self) -> VaultFolder:
        """Where the member's vault lies."""
        return VaultFolder(Path(self.config.vault) if self.config.vault else self.path, self.member_id)

    @property
    def vault_path(self) -> Path:
        """The vault's file."""
        return self.vault_folder.vault_path

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
        return folder / f"{submission_id}{REPORT_NAME}"

    def remove_mark_of_vault(self) -> None:
        """Remove the mark of a vault being made for this home: the home is whole, so the vault is."""
        if self.config.vault is not None:
            with suppress(CustodyError, OSError):  # it is another's, or out of reach: not for this command to say
                clear_unfinished(Path(self.config.vault), self.path, is_whole=True)

    def remove_old_reports(self, now: datetime) -> None:
        """Remove what was refused and last changed longer ago than the setting `rejected_days` says, and what a killed
        run left of it: it holds identifiers in the clear.
        """
        days = int(self.config.defaults.get(REJECTED_DAYS, DEFAULT_REJECTED_DAYS))
        oldest = (now - timedelta(days=days)).timestamp()
        for path in (self.path / "rejected").glob(f"*{REPORT_NAME}*"):
            with suppress(OSError):  # one that is gone already, or cannot be removed, stops no command
                if path.stat().st_mtime < oldest:
                    path.unlink()


def to_json(config: Config) -> bytes:
    """The text of config.json."""
    return msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"


def _is_loopback(url: str) -> bool:
    """Whether it is of this machine: 127.0.0.0/8, ::1, localhost or a name under it (RFC 6761 section 6.3)."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


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
