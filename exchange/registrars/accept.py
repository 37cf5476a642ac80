"""Gathering registrars' signatures; with the quorum a statement comes into force.

Rules, in order:
1. A statement that is known with every signature shown is answered from what is stored: nothing of it is verified,
   locked or written for a repetition, nor for one that a newer statement has overtaken. Else a signature counts if it
   is right under the key of a registrar of the newest root; each registrar counts once. A new root takes its own quorum
   too (exchange/registrars/roots.py).
2. A statement must be newer than the one in force about its subject; the keyring's rules hold
   (keys/statements/keyring.py).
3. Coming into force is one transaction: tables, running position, log. Every member whose authority it
   touches gets a view.
4. Proposals that it overtakes are closed. A draft that the operator discarded takes single signatures no more; what the
   whole quorum signed is taken whatever became of the draft, and what a registrar signed waits again.
5. Of what the operator did not draft, eight statements of each registrar wait at a time, and no root that could not
   come into force: one registrar alone fills neither the store nor the list that the others approve from.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.kernel import outbox
from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership import store as membership
from exchange.membership.roots import envelope_of, load_roots
from exchange.membership.statements import (
    COLLECTING,
    DISCARDED,
    EFFECTIVE,
    SUPERSEDED,
    StatementSignature,
    StoredStatement,
    count_brought,
    find_statement,
    latest_effective,
    list_effective,
    list_effective_about,
    list_rivals,
    lock_statements,
    next_position,
    remove_signatures_of_others,
    signatures_of,
    statement_id_of,
)
from exchange.registrars.propose import add_payload
from exchange.registrars.roots import check_carried
from keys.statements.envelopes import ROOT, ROOT_SUBJECT, Envelope, Root, StatementError, read_payload, valid_signatures
from keys.statements.keyring import Keyring
from keys.statements.roots import Roots, count_signatures, together
from keys.statements.types import (
    AnyStatement,
    EpochStatement,
    ExchangeStatement,
    GroupStatement,
    MemberStatement,
    RootStatement,
    parse_statement,
)
from schemas.statements import StatementAnswer, StatementsPage

MAX_BROUGHT = 8


def accept_statement(database: Database, pinned: Root, envelope: object, now: datetime) -> StatementAnswer:
    """Add the valid signatures of `envelope`. Raises StatementError, LogUnavailableError."""
    parsed = Envelope.parse(envelope)
    with database.reading() as session:
        roots = load_roots(session, pinned)
        known = _find_status(session, roots, parsed)
    if known is not None:
        return known
    signatures = valid_signatures(envelope, together(roots.signing(parsed.payload)))
    if not signatures:
        raise StatementError("quorum", "no registrar's signature is on it")
    return database.run_in_transaction(lambda session: _accept(session, pinned, parsed.payload, signatures, now))


def _find_status(session: Session, roots: Roots, envelope: Envelope) -> StatementAnswer | None:
    """Where a statement stands of which all signatures of `envelope` are stored; None if anything of it is new. Raises
    StatementError for one that a newer statement has overtaken, and for what is no statement.
    """
    head = read_payload(envelope.payload)
    held = latest_effective(session, head.type, head.subject)
    if held is not None and head.sequence < held.sequence:
        raise StatementError("stale", f"sequence {held.sequence} is in force already")
    stored = find_statement(session, statement_id_of(envelope.payload))
    there = () if stored is None else signatures_of(session, stored.statement_id)
    shown = {(name.removeprefix("registrar/"), signature) for name, signature in envelope.signatures}
    if stored is None or not shown or not shown <= set(there):
        return None
    if stored.state == EFFECTIVE:
        return StatementAnswer(state=stored.state, signatures=len(there), quorum=roots.newest.quorum)
    return _status(stored, _signers(session, stored), roots.signing(stored.payload))


def _status(stored: StoredStatement, signers: frozenset[str], signing_roots: Sequence[Root]) -> StatementAnswer:
    signatures, quorum = count_signatures(signers, signing_roots)
    return StatementAnswer(state=stored.state, signatures=signatures, quorum=quorum)


def _signers(session: Session, stored: StoredStatement) -> frozenset[str]:
    return frozenset(registrar_id for registrar_id, _ in signatures_of(session, stored.statement_id))


def _accept(
    session: Session, pinned: Root, payload: bytes, signatures: Mapping[str, bytes], now: datetime
) -> StatementAnswer:
    lock_statements(session)
    head = read_payload(payload)
    held = latest_effective(session, head.type, head.subject)
    if held is not None and held.payload != payload:
        if head.sequence < held.sequence:
            raise StatementError("stale", f"sequence {held.sequence} is in force already")
        if head.sequence == held.sequence:
            raise StatementError("conflict", f"another statement has sequence {held.sequence} already")
    signing_roots = load_roots(session, pinned).signing(payload)  # anew under the lock: a root may have come into force
    valid = {name: signature for name, signature in signatures.items() if name in together(signing_roots).ids}
    if find_statement(session, head.digest) is None and not _is_enough(frozenset(valid), signing_roots):
        _check_room(session, payload, valid)
    stored = find_statement(session, add_payload(session, payload, now))
    assert stored is not None  # noqa: S101 - just added; for the type checker
    if stored.state == DISCARDED and not _is_enough(frozenset(valid), signing_roots):
        raise StatementError("discarded", "the operator discarded this proposal: it is to be drafted anew")
    if stored.state in {DISCARDED, SUPERSEDED}:
        stored.state = COLLECTING  # it is newer than what is in force, so that nothing but a draft took its place
    _add_signatures(session, stored, valid, now)
    signers = _signers(session, stored)
    if stored.state == COLLECTING and _is_enough(signers, signing_roots):
        _bring_into_force(session, pinned, stored, now)
    return _status(stored, signers, signing_roots)


def _check_room(session: Session, payload: bytes, brought_by: Collection[str]) -> None:
    """Rule 5, for what registrars bring of their own accord and too few have signed. Raises StatementError."""
    stated = parse_statement(payload)
    if isinstance(stated, RootStatement):
        check_carried(session, stated)
    for registrar_id in sorted(brought_by):
        if count_brought(session, registrar_id) >= MAX_BROUGHT:
            detail = f"{MAX_BROUGHT} statements that {registrar_id} brought of its own accord wait already"
            cure = "let the others sign them, or hand this one in with the whole quorum's signatures"
            raise StatementError("waiting", f"{detail}: {cure}")


def _is_enough(signers: frozenset[str], signing_roots: Sequence[Root]) -> bool:
    return all(len(signers & root.ids) >= root.quorum for root in signing_roots)


def _add_signatures(session: Session, stored: StoredStatement, valid: Mapping[str, bytes], now: datetime) -> None:
    there = {registrar_id for registrar_id, _ in signatures_of(session, stored.statement_id)}
    for registrar_id, signature in valid.items():
        if registrar_id in there:
            continue
        session.add(
            StatementSignature(
                statement_id=stored.statement_id, registrar_id=registrar_id, signature=signature, added_at=now
            )
        )
    session.flush()


def _bring_into_force(session: Session, pinned: Root, stored: StoredStatement, now: datetime) -> None:
    keyring = Keyring(pinned)
    for held in _history(session, stored):
        keyring.add(envelope_of(session, held))
    statement = keyring.add(envelope_of(session, stored))
    touched = _apply(session, statement, now)
    stored.state, stored.effective_at, stored.position = EFFECTIVE, now, next_position(session)
    for rival in list_rivals(session, stored):
        rival.state = SUPERSEDED
    session.flush()
    if isinstance(statement, RootStatement):
        remove_signatures_of_others(session, statement.root.ids)
    body = {
        "statement": {
            "type": stored.type,
            "subject": stored.subject,
            "sequence": stored.sequence,
            "sha256": stored.statement_id,
        }
    }
    if touched:
        event = record(session, "authority", [View(member_id, body) for member_id in sorted(touched)], now, body)
        outbox.send(session, "authority", event.event_id, touched, now)


def _history(session: Session, stored: StoredStatement) -> list[StoredStatement]:
    """What came into force about a subject, and all roots, in the order in which it did."""
    about = [*list_effective_about(session, ROOT, ROOT_SUBJECT)]
    if stored.type != ROOT:
        about += list_effective_about(session, stored.type, stored.subject)
    return sorted(about, key=lambda each: each.position or 0)


def _apply(session: Session, statement: AnyStatement, now: datetime) -> set[str]:
    """Put a statement into the tables; the ids of the members it touches."""
    match statement:
        case MemberStatement():
            _apply_member(session, statement, now)
            return {statement.member_id}
        case GroupStatement():
            return _apply_group(session, statement, now)
        case EpochStatement():
            _apply_epoch(session, statement)
        case RootStatement():
            check_carried(session, statement)
        case ExchangeStatement():
            pass
    return {member.member_id for member in membership.list_members(session)}


def _apply_member(session: Session, statement: MemberStatement, now: datetime) -> None:
    known = membership.find_member(session, statement.member_id)
    # What the registrars stated after the operator stopped a member is their answer to it.
    still_stopped = known is not None and known.stopped_at is not None and statement.issued_at <= known.stopped_at
    member = membership.Member(
        member_id=statement.member_id,
        name=statement.name,
        kind=statement.kind.value,
        sector=statement.sector.value,
        state=statement.state.value,
        declared_book=statement.declared_book,
        encryption_key=statement.encryption_key,
        four_eyes_json=json.dumps(sorted(code.value for code in statement.four_eyes)),
        sequence=statement.sequence,
        updated_at=now,
        stopped_at=known.stopped_at if known is not None and still_stopped else None,
    )
    people = [
        membership.Representative(
            representative_id=person.representative_id,
            member_id=statement.member_id,
            public_key=person.public_key,
            roles_json=json.dumps(sorted(role.value for role in person.roles)),
            state=person.state.value,
        )
        for person in statement.representatives
    ]
    membership.save_member(session, member, people)


def _apply_group(session: Session, statement: GroupStatement, now: datetime) -> set[str]:
    touched = set(membership.members_of_group(session, statement.group_id)) | statement.members
    group = membership.SharingGroup(
        group_id=statement.group_id,
        name=statement.name,
        kind=statement.kind.value,
        objective=statement.objective,
        sunset=statement.sunset,
        state=statement.state.value,
        sequence=statement.sequence,
        updated_at=now,
    )
    membership.save_group(session, group, statement.members)
    return touched


def _apply_epoch(session: Session, statement: EpochStatement) -> None:
    membership.save_epoch(
        session,
        membership.KeyEpoch(
            epoch=statement.epoch,
            state=statement.state.value,
            threshold=statement.threshold,
            public_key=statement.public_key,
            normalisation=statement.normalisation,
            holders_json=json.dumps(msgspec.to_builtins(statement.holders)),
            sequence=statement.sequence,
        ),
    )


def list_statements(database: Database, after: int, limit: int) -> StatementsPage:
    """The statements in force behind a position, in order."""
    with database.reading() as session:
        rows = list_effective(session, after, limit)
        shown = [envelope_of(session, row) for row in rows]
        return StatementsPage(statements=shown, next=str(rows[-1].position) if len(rows) == limit else None)
