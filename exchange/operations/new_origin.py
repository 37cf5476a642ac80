"""Starting the log under a new origin, after a restore that lost entries: the operator's way forward, seen by everyone.

1. It is done only for a log that may not be signed as it stands, and while no worker runs.
2. The former head is kept beside the new one, as evidence of what was signed.
3. The restored tree goes on: its leaves are the first of the new log, and each member's next entry says from which
   origin and size the log was restarted, and up to which size the former one was signed (null if nobody knows).
4. The new origin counts for members only once the registrars' quorum has signed it and the member's own person has
   accepted it (`member log accept-origin`): until then their verification fails and says why.
5. Run again after it was interrupted it goes on; until it is done nothing is signed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from exchange.configuration.settings import Settings, config_file, load_log_signer, load_receipt_key
from exchange.kernel.leases import Lease, acquire_lease, release_lease
from exchange.kernel.session import Database
from exchange.log.entries import View, record_event
from exchange.log.head_file import HeadFile, LogRefusedError, read_head_note
from exchange.log.sequencer import Sequencer, TickResult
from exchange.log.tables import LogCheckpoint
from exchange.membership.store import list_members
from exchange.operations.restore import LogState, compare_with_head
from exchange.registrars.propose import propose_statement
from keys.custody.files import read_private_file, write_private_file
from keys.statements.types import ExchangeStatement
from migrations.upgrade import check_current
from schemas.values.canonical import canonical_json
from tlog.notes import NoteSigner

EVENT = "log_restart"
_LEASE_LIFETIME = timedelta(minutes=10)
_MAX_CONFIG_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class NewOriginResult:
    """The log's former and new origin, its key and size now, and the proposal that the registrars are to sign."""

    former_origin: str
    origin: str
    vkey: str
    size: int
    proposal_id: str


def start_new_origin(database: Database, settings: Settings, now: datetime) -> NewOriginResult:
    """Restart the log. Raises LogRefusedError if a worker runs or the log needs no restart."""
    check_current(database)
    receipt_key = load_receipt_key(settings)
    lease = _take_lease(database, now)
    try:
        former, signer = _signers(database, settings)
        ticked = _restart(database, settings, former, signer, lease=lease, now=now)
    finally:
        with database.transaction() as session:
            release_lease(session, lease)

    def draft(sequence: int) -> ExchangeStatement:
        return ExchangeStatement(
            sequence=sequence,
            issued_at=now,
            exchange_id=settings.exchange_id,
            url=settings.url,
            log_origin=signer.name,
            log_vkey=str(signer.verifier_key),
            receipt_key=receipt_key.public_bytes,
        )

    proposal_id = propose_statement(database, "exchange", settings.exchange_id, draft, now)
    return NewOriginResult(former.name, signer.name, str(signer.verifier_key), ticked.size, proposal_id)


def _take_lease(database: Database, now: datetime) -> Lease:
    with database.transaction() as session:
        lease = acquire_lease(session, "sequencer", "new-origin", now, _LEASE_LIFETIME)
    if lease is None:
        raise LogRefusedError("a worker holds the log: stop it, wait until its lease has run out, then try again")
    return lease


def _signers(database: Database, settings: Settings) -> tuple[NoteSigner, NoteSigner]:
    """The key under the name that it signed with last, and under the one it shall sign with."""
    with database.reading() as session:
        note = session.scalar(select(LogCheckpoint.note).order_by(LogCheckpoint.size.desc()).limit(1))
        stored = settings.log_origin if note is None else note.partition("\n")[0]
        is_begun = stored != settings.log_origin
        if not is_begun and compare_with_head(session, settings)[0] is LogState.CONTINUES:
            raise LogRefusedError("the log continues its last signed head: it needs no new origin")
    origin = settings.log_origin if is_begun else _next_origin(stored)
    return _named(settings, stored), _named(settings, origin)


def _named(settings: Settings, origin: str) -> NoteSigner:
    return load_log_signer(dataclasses.replace(settings, log_origin=origin))


def _next_origin(origin: str) -> str:
    """`host/name` is followed by `host/name/restart-2`, and that by `host/name/restart-3`."""
    found = re.fullmatch(r"(.*)/restart-([1-9][0-9]{0,8})", origin)
    return f"{found[1]}/restart-{int(found[2]) + 1}" if found else f"{origin}/restart-2"


def _restart(
    database: Database, settings: Settings, former: NoteSigner, signer: NoteSigner, *, lease: Lease, now: datetime
) -> TickResult:
    _rewrite_config(settings, signer)
    kept = settings.head_file.with_name(f"signed-head.{hashlib.sha256(former.name.encode()).hexdigest()[:16]}")
    if settings.head_file.exists() and settings.head_file.read_text().partition("\n")[0] != signer.name:
        settings.head_file.replace(kept)
    head_file = HeadFile(settings.head_file, signer)
    if head_file.read() is None:
        head_file.create()
    with database.transaction() as session:
        size = session.scalar(select(LogCheckpoint.size).order_by(LogCheckpoint.size.desc()).limit(1)) or 0
        body = {
            "former_origin": former.name,
            "former_signed_size": _signed_size(kept, former),
            "origin": signer.name,
            "restored_size": size,
        }
        record_event(session, EVENT, [View(member.member_id, body) for member in list_members(session)], now, body)
    return Sequencer(database, signer, head_file, former=former).tick(now, lease)


def _signed_size(kept: Path, former: NoteSigner) -> int | None:
    head = read_head_note(kept, former.name, former.verifier_key)
    return None if head is None else head.size


def _rewrite_config(settings: Settings, signer: NoteSigner) -> None:
    """Put the new origin and key into the configuration, and leave the rest of it as the operator wrote it."""
    path = config_file(settings.home)
    text = read_private_file(path, _MAX_CONFIG_BYTES).decode()
    for name, value in (("log_origin", signer.name), ("log_vkey", str(signer.verifier_key))):
        line = f"{name} = {canonical_json(value).decode()}"
        text, count = re.subn(rf"^{name}\s*=.*$", lambda _: line, text, flags=re.MULTILINE)  # noqa: B023 - used at once
        if count != 1:
            raise LogRefusedError(
                f"{path} has no line {name}: it cannot be changed. Write `{line}` there, then try again"
            )
    write_private_file(path, text.encode())
