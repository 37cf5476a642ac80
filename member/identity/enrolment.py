"""Becoming a member: new keys and a new vault, then the answer to a one-time enrolment code.

Rules, in order:
1. Keys are made here and never leave; only public keys and proofs that we hold the private ones are sent.
2. The code carries the registrars' root. It is pinned only after a person compared its fingerprint with one received
   another way.
3. A home joins once: a second code cannot replace the pinned root.
4. The exchange's word makes nobody a member: that takes the registrars' statement (member.statements.authority).
5. Each person makes a key in a home of its own, and answers the code itself; the answer leaves when all whom the vault
   opens for have. Only a sandbox makes two people in one home, with two passphrases.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from keys.custody.files import write_private_file
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.ed25519 import SigningKey
from keys.signatures.strict import require_identifier
from keys.signatures.urls import canonical_url
from keys.statements.keyring import Root
from member.errors import HomeError, UsageError, quoted
from member.identity.access import check_passphrase, lock_representative, vault_id
from member.identity.home import Home, LocalRepresentative
from member.identity.people import Person, let_in, people_of
from member.identity.vault_folder import JoiningRequest
from member.next_steps import Act, Next
from member.vault.cipher import KEY_BYTES
from member.vault.store import Vault
from schemas.enrolments import ClaimedRepresentative, EnrolmentCode, NewEnrolment, ProvedEnrolment
from schemas.terms import Role
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_base64

FIRST_REPRESENTATIVES: Mapping[str, tuple[Role, ...]] = {
    "analyst": (Role.SUBMITTER, Role.INVESTIGATOR, Role.AUTHOR),
    "authoriser": (Role.AUTHORISER, Role.RELEASER),
}
"""The usual two people, and what each may do."""
ENCRYPTION_SECRET = b"encryption-key"
_ANSWER, _JOINED = "enrolment_answer", "joined_exchange"
_MAX_CODE_CHARS = 65_536


@dataclass(frozen=True)
class ReadCode:
    """A one-time code as it was given, and what it says."""

    text: str = field(repr=False)
    content: EnrolmentCode = field(repr=False)


class JoinedExchange(msgspec.Struct, frozen=True):
    """Where the first people joined, and the registrars' root (JSON object) that they pinned."""

    exchange_url: str
    registrars: dict[str, object]


def check_id(text: str, what: str) -> str:
    """The id itself; UsageError unless it is 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit."""
    try:
        return require_identifier(text)
    except ValueError:
        hint = "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit"
        raise UsageError(f"{quoted(text)} is no {what}", hint) from None


@dataclass(frozen=True)
class NewRepresentative:
    """A representative to be made: its name, what it may do, its new passphrase."""

    name: str
    roles: Sequence[str]
    passphrase: bytes = field(repr=False)


def create_member(
    home: Home,
    member_id: str,
    people: Sequence[NewRepresentative],
    *,
    vault: Path | None = None,
    passphrase_dir: str | None = None,
    sandbox: bool = False,
) -> None:
    """Make the keys of a new member's first people (one; in a sandbox several), the hybrid encryption key and the
    vault, in the home or in a folder of its own, then write config.json.

    config.json comes last: a home that was left half made is not taken for a whole one.
    """
    _settle(home, member_id, vault, sandbox=sandbox)
    for number, each in enumerate(people):
        check_passphrase(home, each.name, each.passphrase, [other.passphrase for other in people[:number]])
    vault_key, encryption_key = os.urandom(KEY_BYTES), EncryptionKey.generate()
    folder = home.vault_folder
    folder.make()
    made = [_make_keys(home, each) for each in people]
    with Vault.create(folder.vault_path, vault_key, member_id, folder.file_mode) as opened, opened.transaction():
        opened.put("secret", ENCRYPTION_SECRET, encryption_key.to_bytes())
        for one in made:
            let_in(opened, folder, vault_key, one.person)
    home.save(
        encryption_key=to_base64(encryption_key.public_bytes),
        representatives={one.person.name: one.local for one in made},
        passphrase_dir=passphrase_dir,
        vault_id=vault_id(vault_key),
    )


def ask_to_join(
    home: Home, member_id: str, person: NewRepresentative, vault: Path, passphrase_dir: str | None = None
) -> JoiningRequest:
    """Make a further person's home and leave a request in the vault's folder, for somebody whom the vault opens for."""
    _settle(home, member_id, vault, sandbox=False)
    check_passphrase(home, person.name, person.passphrase)
    made, folder = _make_keys(home, person), home.vault_folder
    folder.make()
    request = JoiningRequest.make(member_id, person.name, person.roles, made.key, made.wrap_key.public_bytes)
    folder.ask(request)
    local = {person.name: made.local}
    home.save(representatives=local, passphrase_dir=passphrase_dir)
    return request


@dataclass(frozen=True)
class _Made:
    key: SigningKey
    wrap_key: EncryptionKey
    person: Person
    local: LocalRepresentative


def _settle(home: Home, member_id: str, vault: Path | None, *, sandbox: bool) -> None:
    """Say whose home it is to be; on disk it stands later. HomeError if somebody lives there."""
    check_id(member_id, "member id")
    home.check_free()
    place = None if vault is None else str(vault.resolve())
    home.config = msgspec.structs.replace(home.config, member_id=member_id, vault=place, sandbox=sandbox)


def _make_keys(home: Home, newcomer: NewRepresentative) -> _Made:
    key, wrap_key = SigningKey.generate(), EncryptionKey.generate()
    lock_representative(home, newcomer.name, newcomer.roles, key, wrap_key, passphrase=newcomer.passphrase)
    public = to_base64(key.public_bytes)
    person = Person(newcomer.name, public, to_base64(wrap_key.public_bytes))
    return _Made(key, wrap_key, person, LocalRepresentative(list(newcomer.roles), public))


def read_code(text: str) -> ReadCode:
    """The parts of an enrolment code. UsageError if it is none."""
    text = text.strip()
    hint = "copy the whole code that the exchange's operator sent"
    if len(text) > _MAX_CODE_CHARS:
        raise UsageError("this is not a valid enrolment code: it is too long", hint)
    try:
        padded = text + "=" * (-len(text) % 4)
        code = msgspec.json.decode(base64.b64decode(padded.encode("ascii"), b"-_", validate=True), type=EnrolmentCode)
    except (binascii.Error, UnicodeError, msgspec.DecodeError, RecursionError) as error:
        raise UsageError("this is not a valid enrolment code", hint) from error
    check_id(code.member_id, "member id, and the enrolment code names it")
    try:
        canonical_url(code.exchange_url)
        canonical_json(code.registrars)
    except ValueError as error:
        raise UsageError(
            f"the address or the registrars in the enrolment code are not usable: {error}", hint
        ) from error
    return ReadCode(text, code)


def answer_code(home: Home, vault: Vault, code: ReadCode, keys: Mapping[str, SigningKey]) -> list[str]:
    """Keep the answers of this home's people to the code, each proving that it holds its key; the names of those whom
    the vault opens for and who have not answered it yet.
    """
    code_sha256 = hashlib.sha256(code.text.encode("ascii")).hexdigest()
    key = from_base64(encryption_key_of(vault))
    with vault.transaction():
        for name, local in home.config.representatives.items():
            proved = ProvedEnrolment(
                member_id=home.member_id,
                code_sha256=code_sha256,
                encryption_key=key,
                public_key=from_base64(local.public_key),
                roles=local.roles,
            )
            answer = ClaimedRepresentative(
                representative_id=f"{home.member_id}/{name}",
                public_key=proved.public_key,
                roles=proved.roles,
                proof=keys[name].sign(proved.signed),
            )
            vault.put(_ANSWER, f"{code_sha256}|{name}".encode(), msgspec.json.encode(answer))
        joined = JoinedExchange(code.content.exchange_url, code.content.registrars)
        vault.put(_JOINED, b"", canonical_json(msgspec.to_builtins(joined)))
    return [each.name for each in people_of(vault) if vault.get(_ANSWER, f"{code_sha256}|{each.name}".encode()) is None]


def enrolment_request(home: Home, vault: Vault, code: ReadCode) -> bytes:
    """The body of POST /v1/enrolments, with the answers of all people whom the vault opens for."""
    code_sha256 = hashlib.sha256(code.text.encode("ascii")).hexdigest()
    answers = [vault.get(_ANSWER, f"{code_sha256}|{each.name}".encode()) for each in people_of(vault)]
    claim = NewEnrolment(
        code=code.text,
        member_id=home.member_id,
        encryption_key=from_base64(encryption_key_of(vault)),
        representatives=[
            msgspec.json.decode(answer, type=ClaimedRepresentative) for answer in answers if answer is not None
        ],
    )
    return canonical_json(msgspec.to_builtins(claim))


def encryption_key_of(vault: Vault) -> str:
    """The public half of the member's encryption key, base64. HomeError for a vault without it."""
    secret = vault.get("secret", ENCRYPTION_SECRET)
    if secret is None:
        raise HomeError("this vault holds no encryption key", "restore it from a backup")
    return to_base64(EncryptionKey(secret).public_bytes)


def joined_exchange(vault: Vault) -> JoinedExchange:
    """The address and the registrars that the first people joined with. HomeError before that."""
    payload = vault.get(_JOINED, b"")
    if payload is None:
        raise HomeError("nobody has joined an exchange with this vault yet", then=Next(Act.JOIN))
    return msgspec.json.decode(payload, type=JoinedExchange)


def check_code_fits(home: Home, code: ReadCode) -> None:
    """HomeError unless the code is for this member and this home has not joined elsewhere."""
    if code.content.member_id != home.member_id:
        detail = f"the code is for {code.content.member_id}, this is the home of {home.member_id}"
        raise HomeError(detail, "choose the home of the member that the code is for", then=Next(Act.JOIN))
    home.check_reaches(code.content.exchange_url)
    if home.root_path.exists() and home.root_path.read_bytes() != canonical_json(code.content.registrars):
        hint = "new registrars are taken up by their predecessors' statements, never by a code"
        raise HomeError("this home has pinned other registrars already", hint)


def registrars_text(root: Root) -> str:
    """Who a pinned root is, for people; after a change its later registrars are known by the fingerprint alone."""
    names = ", ".join(registrar.registrar_id for registrar in root.registrars)
    if root.anchor is not None:
        return f"root {root.anchor.version}, which follows {names}"
    return f"{names} ({root.quorum} must sign)"


def pin_root(home: Home, registrars: Mapping[str, object], exchange_url: str) -> None:
    """Keep the registrars' root and the exchange's address."""
    home.check_reaches(exchange_url)
    write_private_file(home.root_path, canonical_json(dict(registrars)))
    home.save(exchange_url=exchange_url.rstrip("/"))
