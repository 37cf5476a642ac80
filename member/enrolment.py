"""Becoming a member: new keys and a new vault, then the answer to a one-time enrolment code.

Rules, in order:
1. Keys are made here and never leave; only public keys and proofs that we hold the private ones are sent.
2. The code carries the registrars' root. It is pinned only after a person compared its fingerprint with one received
   another way.
3. A home joins once: a second code cannot replace the pinned root.
4. The exchange's word makes nobody a member: that takes the registrars' statement, checked in member.authority.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from keys.custody import write_private_file
from keys.ed25519 import SigningKey
from keys.sealing import EncryptionKey
from keys.strict import require_identifier
from keys.urls import canonical_url
from member.access import lock_representative
from member.errors import HomeError, UsedWronglyError, quoted
from member.home import Home, LocalRepresentative
from member.vault.cipher import KEY_BYTES
from member.vault.store import Vault
from member.wire import ENROLMENT_DOMAIN
from schemas.canonical import canonical_json
from schemas.encoding import to_base64
from schemas.terms import Role

FIRST_REPRESENTATIVES: Mapping[str, tuple[Role, ...]] = {
    "analyst": (Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHOR),
    "authoriser": (Role.AUTHORISER, Role.RELEASER),
}
ENCRYPTION_SECRET = b"encryption-key"
_MAX_CODE_CHARS = 65_536


class _Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    exchange_url: str
    member_id: str
    secret: str
    registrars: dict[str, Any]


@dataclass(frozen=True)
class EnrolmentCode:
    """A one-time code as given out of band: base64url of a JSON object."""

    text: str = field(repr=False)
    exchange_url: str
    member_id: str
    registrars: dict[str, Any]


def check_id(text: str, what: str) -> str:
    """The id itself; UsedWronglyError unless it is 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit."""
    try:
        return require_identifier(text)
    except ValueError:
        hint = "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit"
        raise UsedWronglyError(f"{quoted(text)} is no {what}", hint) from None


def create_member(
    home: Home,
    member_id: str,
    passphrase_of: Callable[[str], bytes],
    passphrase_dir: str | None,
    more_roles: Sequence[tuple[str, Role]] = (),
) -> None:
    """Make the first representatives' keys, the hybrid encryption key and the vault, then write config.json.
    `more_roles` are asked for beside FIRST_REPRESENTATIVES, each as (name, role).

    config.json comes last: a home that was left half made is not taken for a whole one.
    """
    check_id(member_id, "member id")
    if home.config.member_id is not None:
        raise HomeError(f"{home.config.member_id} lives in this home already", "choose another --home")
    passphrases = {name: passphrase_of(name) for name in FIRST_REPRESENTATIVES}
    vault_key, encryption_key = os.urandom(KEY_BYTES), EncryptionKey.generate()
    home.config = msgspec.structs.replace(home.config, member_id=member_id)
    representatives = {}
    for name, usual in FIRST_REPRESENTATIVES.items():
        roles = dict.fromkeys((*usual, *(role for each, role in more_roles if each == name)))
        key = SigningKey.generate()
        lock_representative(home, name, key, vault_key, passphrases[name])
        public = to_base64(key.public_bytes)
        representatives[name] = LocalRepresentative([role.value for role in roles], public)
    with Vault.create(home.vault_path, vault_key, member_id) as vault, vault.transaction():
        vault.put("secret", ENCRYPTION_SECRET, encryption_key.to_bytes())
    home.save(
        member_id=member_id,
        encryption_key=to_base64(encryption_key.public_bytes),
        representatives=representatives,
        passphrase_dir=passphrase_dir,
    )


def read_code(text: str) -> EnrolmentCode:
    """The parts of an enrolment code. UsedWronglyError if it is none."""
    text = text.strip()
    hint = "copy the whole code that the exchange's operator sent"
    if len(text) > _MAX_CODE_CHARS:
        raise UsedWronglyError("this is no enrolment code: it is too long", hint)
    try:
        padded = text + "=" * (-len(text) % 4)
        code = msgspec.json.decode(base64.b64decode(padded.encode("ascii"), b"-_", validate=True), type=_Code)
    except (binascii.Error, UnicodeError, msgspec.DecodeError, RecursionError) as error:
        raise UsedWronglyError("this is no enrolment code", hint) from error
    check_id(code.member_id, "member id, and the enrolment code names it")
    try:
        canonical_url(code.exchange_url)
        canonical_json(code.registrars)
    except ValueError as error:
        raise UsedWronglyError(
            f"the address or the registrars in the enrolment code are not usable: {error}", hint
        ) from error
    return EnrolmentCode(text, code.exchange_url, code.member_id, code.registrars)


def enrolment_request(home: Home, code: EnrolmentCode, keys: Mapping[str, SigningKey]) -> bytes:
    """The body of POST /v1/enrolments, each representative proving that it holds its key for this code."""
    code_sha256 = hashlib.sha256(code.text.encode("ascii")).hexdigest()
    encryption_key = home.config.encryption_key
    representatives = []
    for name, local in home.config.representatives.items():
        claim = {
            "member_id": home.member_id,
            "code_sha256": code_sha256,
            "encryption_key": encryption_key,
            "public_key": local.public_key,
            "roles": local.roles,
        }
        representatives.append(
            {
                "representative_id": f"{home.member_id}/{name}",
                "public_key": local.public_key,
                "roles": local.roles,
                "proof": to_base64(keys[name].sign(ENROLMENT_DOMAIN + canonical_json(claim))),
            }
        )
    return canonical_json(
        {
            "code": code.text,
            "member_id": home.member_id,
            "encryption_key": encryption_key,
            "representatives": representatives,
        }
    )


def check_code_fits(home: Home, code: EnrolmentCode) -> None:
    """HomeError unless the code is for this member and this home has not joined elsewhere."""
    if code.member_id != home.member_id:
        detail = f"the code is for {code.member_id}, this is the home of {home.member_id}"
        raise HomeError(detail, "name the home of the member that the code is for: member --home DIR join CODE")
    if home.root_path.exists() and home.root_path.read_bytes() != canonical_json(code.registrars):
        hint = "new registrars are taken up by their predecessors' statements, never by a code"
        raise HomeError("this home has pinned other registrars already", hint)


def pin_root(home: Home, registrars: dict[str, Any], exchange_url: str) -> None:
    """Keep the registrars' root and the exchange's address."""
    write_private_file(home.root_path, canonical_json(registrars))
    home.save(exchange_url=exchange_url.rstrip("/"))
