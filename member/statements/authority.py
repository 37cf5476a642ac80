"""Whom this member believes: the registrars' statements, checked here and kept in the vault.

Rules, in order:
1. The root is the one pinned when joining, and what its quorum made of it since (keys/roots.py): the vault keeps every
   root of the chain, so that nothing received later leads back.
2. Each statement counts only with the registrars' quorum (keys.statements), whoever handed it over.
3. What was once believed is kept: an exchange that hides a statement, or offers an older one, changes nothing.
4. Two different statements of one sequence are a fault, and the command ends.
5. Acting needs a statement that names this member active and the acting representative's own key active.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from keys.keyring import (
    EpochState,
    EpochStatement,
    ExchangeStatement,
    Keyring,
    MemberState,
    MemberStatement,
    RepresentativeState,
    Root,
    StatementError,
    UnknownStatementError,
)
from keys.roots import roots_first
from keys.statements import ROOT, Envelope, Statement, read_payload
from member.errors import AnswerError, HomeError, NotEnrolledError, RefusedError
from member.transport.channel import Identity
from member.transport.exchange_client import ExchangeClient
from member.vault.store import Vault
from schemas.terms import Role

_KIND = "statement"
_STALE = "stale"
_BEFORE = "statement_before"
"""What was stated of members and epochs before: an answer is judged by what was stated when it was sent."""
_KEPT_BEFORE = frozenset({"member", "epoch"})
_UNAUTHENTICATED = 401
_AWAITING = "the registrars have not signed this member's enrolment yet"
_AWAITING_HINT = "ask the registrars; it takes effect as soon as enough of them have signed"


def load_root(path: Path) -> Root:
    """The pinned root. HomeError if there is none."""
    try:
        return Root.load(path)
    except StatementError as error:
        raise HomeError(f"the registrars' root cannot be used: {error}", "member join CODE pins it") from error


def refresh_keyring(root: Root, vault: Vault, exchange: ExchangeClient) -> Keyring:
    """The keyring as the vault holds it, brought up to date from the exchange. NotEnrolledError before the signing."""
    keyring = held_keyring(root, vault)
    try:
        offered = list(exchange.statements())
    except RefusedError as error:
        if error.status == _UNAUTHENTICATED and not any(keyring.members()):
            raise NotEnrolledError(_AWAITING, _AWAITING_HINT, slug="awaiting_registrars") from error
        raise
    take_in(keyring, vault, offered)
    return keyring


def held_keyring(root: Root, vault: Vault) -> Keyring:
    """The keyring from what the vault holds, asking nobody."""
    keyring = Keyring(root)
    kept = _in_order(msgspec.json.decode(payload) for kind in (_BEFORE, _KIND) for payload in vault.all(kind))
    links = [None, *(each for each in kept if _head_of(each).type == ROOT)]
    waiting = sorted((each for each in kept if _head_of(each).type != ROOT), key=lambda each: _head_of(each).sequence)
    for link in links:
        # What counted before a change of registrars is taken in before it: it is what was stated then.
        if link is not None:
            _add(keyring, link)
        waiting = [each for each in waiting if not _counted(keyring, each)]
    for envelope in waiting:
        _add(keyring, envelope)
    return keyring


def _head_of(envelope: dict[str, Any]) -> Statement:
    return read_payload(Envelope.parse(envelope).payload)


def _counted(keyring: Keyring, envelope: dict[str, Any]) -> bool:
    """Whether the keyring took it in; what it refuses may count under a later root."""
    try:
        keyring.add(envelope)
    except StatementError:
        return False
    return True


def build_keyring(root: Root, envelopes: Iterable[dict[str, Any]]) -> Keyring:
    """A keyring from statements in the order in which they were accepted."""
    keyring = Keyring(root)
    for envelope in envelopes:
        _add(keyring, envelope)
    return keyring


def take_in(keyring: Keyring, vault: Vault, envelopes: Iterable[dict[str, Any]]) -> int:
    """Add what is newer to the keyring and keep it in the vault; how many statements were."""
    taken = 0
    with vault.transaction():
        for envelope in _in_order(envelopes):
            head = _head_of(envelope)
            if not keyring.knows(head.payload) and _add(keyring, envelope):
                taken += 1
                about = str(head.sequence) if head.type == ROOT else head.subject  # every root: each leads to the next
                name = f"{head.type}|{about}"
                held = vault.get(_KIND, name.encode())
                if head.type in _KEPT_BEFORE and held is not None:
                    vault.put(_BEFORE, f"{name}|{head.sequence}".encode(), held)
                vault.put(_KIND, name.encode(), msgspec.json.encode(envelope))
    return taken


def _in_order(envelopes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Roots first. AnswerError for what is no statement."""
    try:
        return roots_first(envelopes)
    except StatementError as error:
        raise AnswerError(f"a statement cannot be believed: {error}", "tell the registrars") from error


def held_envelopes(vault: Vault) -> list[dict[str, Any]]:
    """The envelopes in force that the vault keeps."""
    return [msgspec.json.decode(payload) for payload in vault.all(_KIND)]


def held_envelope(vault: Vault, kind: str, subject: str) -> dict[str, Any] | None:
    """The envelope of the statement in force about a subject, as the vault keeps it."""
    payload = vault.get(_KIND, f"{kind}|{subject}".encode())
    return None if payload is None else msgspec.json.decode(payload)


def _add(keyring: Keyring, envelope: dict[str, Any]) -> bool:
    """Whether the statement is now the one in force."""
    try:
        keyring.add(envelope)
    except StatementError as error:
        if error.reason == _STALE:
            return False
        raise AnswerError(f"a statement cannot be believed: {error}", "tell the registrars") from error
    return True


def own_statement(keyring: Keyring, member_id: str) -> MemberStatement:
    """What the registrars say of this member. NotEnrolledError while they say nothing."""
    try:
        return keyring.member(member_id)
    except UnknownStatementError:
        raise NotEnrolledError(_AWAITING, _AWAITING_HINT, slug="awaiting_registrars") from None


def check_may_act(keyring: Keyring, member_id: str, identity: Identity) -> MemberStatement:
    """The member's statement. NotEnrolledError unless member and representative are active, with this very key."""
    statement = own_statement(keyring, member_id)
    if statement.state is not MemberState.ACTIVE:
        raise NotEnrolledError(f"the registrars have suspended {member_id}", slug="suspended")
    for person in statement.representatives:
        if person.representative_id == identity.key_id and person.state is RepresentativeState.ACTIVE:
            if person.public_key == identity.key.public_bytes:
                return statement
            raise NotEnrolledError(f"the registrars signed another key for {identity.key_id}", slug="other_key")
    hint = "member representative list; the registrars sign changes"
    raise NotEnrolledError(f"no statement names {identity.key_id} as active", hint, slug="not_a_representative")


def stated_roles(keyring: Keyring, representative_id: str) -> frozenset[Role]:
    """The roles that the registrars have stated of a representative; none for one whom they have not stated."""
    try:
        _, person = keyring.representative(representative_id)
    except UnknownStatementError:
        return frozenset()
    return person.roles


def current_epoch(keyring: Keyring) -> EpochStatement:
    """The epoch to tokenise in. NotEnrolledError while the registrars have signed none."""
    try:
        return keyring.current_epoch
    except UnknownStatementError:
        raise NotEnrolledError("the registrars have signed no key epoch yet", slug="no_epoch") from None


def usable_epoch(keyring: Keyring, number: int) -> EpochStatement | None:
    """The epoch of this number if holders still evaluate in it."""
    try:
        epoch = keyring.epoch(number)
    except UnknownStatementError:
        return None
    return None if epoch.state is EpochState.RETIRED else epoch


def stated_exchange(keyring: Keyring) -> ExchangeStatement:
    """The exchange as the registrars state it: its log's key and its receipts' key."""
    try:
        return keyring.exchange
    except UnknownStatementError:
        raise NotEnrolledError(
            "the registrars have signed no statement of the exchange yet", slug="no_exchange"
        ) from None
