"""Where a member's vault lies, and who may open it: one folder for all its people, each with a home of their own.

vault.sqlite           the vault, sealed under the vault key
people/NAME.wrap       the vault key, sealed to a key that lies in that person's home
joining/NAME.json      a new representative's request, until somebody who has the vault key lets it in
.unfinished            while the vault is being made: for which home (keys.custody.new_home)

Rules, in order:
1. Nothing here opens anything by itself: whoever steals the folder has no passphrase to try.
2. A wrap is for one person of one member: it does not open under another's name or key.
3. The folder is the user's alone (0700), or shared with its group (2770) where the people have operating-system users
   of their own; others never. What is made in it has the same reach.
4. A new representative's request is signed with the key that it asks for; whoever lets it in compares its fingerprint
   first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from keys.custody.files import CustodyError, is_group_shared, make_private_folder, read_private_file, write_private_file
from keys.sealing.hybrid import EncryptionKey, SealingError, seal_to
from keys.signatures.ed25519 import SignatureError, SigningKey, verify_signature
from member.errors import HomeError, quoted
from member.next_steps import Act, Next
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_base64

_WRAP_DOMAIN = b"exchange-vault-wrap-v1\0"
_JOINING_DOMAIN = b"exchange-vault-joining-v1\0"
_MAX_FILE_BYTES = 65_536
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)


class JoiningRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """joining/NAME.json: a new representative's public keys (base64) and roles, and its signature over all of it."""

    member_id: str
    name: str
    roles: list[str]
    public_key: str
    wrap_key: str
    signature: str

    @classmethod
    def make(cls, member_id: str, name: str, roles: Sequence[str], key: SigningKey, wrap_key: bytes) -> Self:
        """The request of whoever holds `key`."""
        public, wrap = to_base64(key.public_bytes), to_base64(wrap_key)
        unsigned = cls(member_id, name, list(roles), public, wrap, "")
        return cls(member_id, name, list(roles), public, wrap, to_base64(key.sign(unsigned._signed())))

    def _signed(self) -> bytes:
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if name != "signature"}
        return _JOINING_DOMAIN + canonical_json(said)

    @property
    def fingerprint(self) -> str:
        """What both people compare: SHA-256 of all that is asked for, in hexadecimal."""
        return hashlib.sha256(self._signed()).hexdigest()

    def check(self) -> None:
        """Raise ValueError unless it was signed with the key that it names."""
        try:
            verify_signature(from_base64(self.public_key, 32), self._signed(), from_base64(self.signature, 64))
        except SignatureError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class VaultFolder:
    """The folder of one member's vault."""

    path: Path
    member_id: str

    @property
    def vault_path(self) -> Path:
        """The vault's file."""
        return self.path / "vault.sqlite"

    @property
    def file_mode(self) -> int:
        """The mode of a file in it."""
        return 0o660 if is_group_shared(self.path) else 0o600

    def make(self) -> None:
        """Make it (0700) if it is missing. HomeError if others than its owner and its group may enter it."""
        try:
            make_private_folder(self.path, shared=True)
        except CustodyError as error:
            raise HomeError(str(error)) from error

    def wrap_path(self, name: str) -> Path:
        """Where a person's wrap lies."""
        return self._path("people", name, ".wrap")

    def _ahead_path(self, name: str) -> Path:
        return self._path("people", name, ".next")

    def joining_path(self, name: str) -> Path:
        """Where a new representative's request is stored."""
        return self._path("joining", name, ".json")

    def _path(self, kind: str, name: str, suffix: str) -> Path:
        """HomeError for a name that leads elsewhere: a colleague's program wrote it, or a person typed it."""
        if not _NAME.fullmatch(name):
            raise HomeError(f"{quoted(name)} is not a valid name of a person", "expected: a-z, 0-9, - and _")
        return self.path / kind / f"{name}{suffix}"

    def wrap(self, name: str, wrap_key: bytes, vault_key: bytes, *, ahead: bool = False) -> None:
        """Seal the vault key to a person's key, in place of its wraps or, `ahead` of a change, beside the one."""
        try:
            sealed = seal_to(wrap_key, vault_key, self._info(name))
        except SealingError as error:
            raise HomeError(f"nothing can be sealed to the key of {name}: {error}") from error
        if ahead:
            self._write(self._ahead_path(name), sealed)
            return
        self._write(self.wrap_path(name), sealed)
        self._ahead_path(name).unlink(missing_ok=True)

    def unwrap(self, name: str, wrap_key: EncryptionKey) -> list[bytes]:
        """The vault key; two while it is being changed, the older first. What lies beside is passed over while it is
        for another key of the person's, which is being replaced. HomeError for whoever was not let in, or was let out.
        """
        path = self.wrap_path(name)
        if not path.exists():
            detail, then = f"{self.path} does not open for {name} (yet, or any more)", _add(name)
            raise HomeError(detail, "somebody for whom it opens lets it in", slug="not_admitted", then=then)
        found = []
        for each in (path, self._ahead_path(name)):
            with suppress(SealingError):
                found += [wrap_key.open(self._read(each), self._info(name))] if each.exists() else []
        if not found:
            hint = "it was made for another key: somebody for whom it opens lets this one in"
            raise HomeError(f"{path} does not open with {name}'s key", hint, slug="not_admitted", then=_add(name))
        return found

    def drop(self, name: str) -> None:
        """Take a person's wrap away."""
        self.wrap_path(name).unlink(missing_ok=True)
        self._ahead_path(name).unlink(missing_ok=True)

    def ask(self, request: JoiningRequest) -> None:
        """Leave a new representative's request."""
        self._write(self.joining_path(request.name), msgspec.json.format(msgspec.json.encode(request)) + b"\n")

    def find_request(self, name: str) -> JoiningRequest:
        """A new representative's request, signed by itself and for this member. HomeError for none, and for one that is
        not.
        """
        path = self.joining_path(name)
        if not path.exists():
            detail, about = f"nobody called {name} has asked to join", {"name": name, "member_id": self.member_id}
            then = Next(Act.ASK_TO_BE_LET_IN, {**about, "vault": str(self.path)})
            raise HomeError(detail, f"{name} asks first", slug="not_asked", then=then)
        try:
            request = msgspec.json.decode(self._read(path), type=JoiningRequest)
            request.check()
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise HomeError(f"{path} is not a request to join: {error}", f"let {name} run init again") from error
        if (request.member_id, request.name) != (self.member_id, name):
            raise HomeError(f"{path} asks for {request.member_id}/{request.name}", f"let {name} run init again")
        return request

    def forget_request(self, name: str) -> None:
        """Take a request away that was answered."""
        self.joining_path(name).unlink(missing_ok=True)

    def _info(self, name: str) -> bytes:
        return _WRAP_DOMAIN + canonical_json({"member_id": self.member_id, "name": name})

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_private_file(path, data, shared=True)
        except CustodyError as error:
            raise HomeError(str(error)) from error

    def _read(self, path: Path) -> bytes:
        try:
            return read_private_file(path, _MAX_FILE_BYTES, shared=True)
        except CustodyError as error:
            raise HomeError(str(error)) from error


def _add(name: str) -> Next:
    return Next(Act.ADD_REPRESENTATIVE, {"name": name})
