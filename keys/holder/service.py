"""What a key holder does for those who ask. Each request passes these rules, in order:

1. It is signed by a representative's key that the registrars' statements name, for this holder's own address, within
   60 seconds, and its nonce is new to all workers (keys/signing.py). The member has not asked too often within this
   minute, at all workers together.
2. The member is active and the key not revoked, by the statements stored at this moment; the holder itself allows the
   member; one of the representative's roles is among those that the route wants (keys/holder/access.py).
3. The epoch is stated, not retired, and the share here belongs to the commitment stated for this holder.
4. The quorum is exactly t distinct holders of the epoch, this one among them.
5. The budget reaches. The same request again under the same idempotency key is free; another under that key is refused.
6. The charge is committed before the answer leaves: no charge, no answer. A bad element costs nothing.
The holder never sees an identifier, and keeps no element: a digest of the request is all.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from keys.group import ELEMENT_BYTES, multiply_base
from keys.holder import store
from keys.holder.budget import Budget, BudgetExhaustedError, standing_evaluations
from keys.holder.database import Database
from keys.holder.settings import HomeError, Settings
from keys.keyring import (
    EpochState,
    EpochStatement,
    Keyring,
    MemberState,
    MemberStatement,
    Representative,
    RepresentativeState,
    StatementError,
    UnknownStatementError,
)
from keys.request_limits import RequestLimit, minute_of
from keys.signing import HeaderFields, VerifiedRequest, verify_request
from keys.statements import Envelope, Statement, read_payload, verify_statement
from keys.threshold import Share, evaluate_batch, prove_batch, scaled_share
from schemas.canonical import canonical_json
from schemas.terms import Role

MAX_ELEMENTS = 65_535
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)

log = structlog.get_logger("keyholder")


class StoreTamperedError(Exception):
    """The store holds a statement that the registrars did not sign; nothing is answered from it."""


class RefusedError(Exception):
    """A request is refused; `reason` is a slug and the message may be told to the asker.

    One of: member-suspended, key-revoked, member-not-allowed, role-missing, replayed-request, unknown-epoch,
    epoch-not-served, wrong-quorum, bad-length, idempotency-key, idempotency-conflict.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from: a member, through one of its representatives."""

    member_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came: `target` is path and query, still encoded."""

    method: str
    target: str
    headers: HeaderFields
    body: bytes


@dataclass(frozen=True, slots=True)
class Believed:
    """A request whose signature is right, and whose key it is by the statements of that moment."""

    request: VerifiedRequest
    member: MemberStatement
    person: Representative


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be evaluated: n * 32 bytes of elements, for a quorum of an epoch, with a proof or without."""

    epoch: int
    quorum: tuple[int, ...]
    proof: bool
    elements: bytes
    idempotency_key: str

    @property
    def digest(self) -> bytes:
        """SHA-256, 32 bytes, of all but the key. The elements are blinded, so it tells nothing of what they hide."""
        named = {"epoch": self.epoch, "quorum": list(self.quorum), "proof": self.proof}
        return hashlib.sha256(canonical_json(named) + self.elements).digest()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The answer: n * 32 bytes, and 64 bytes of proof if it was wanted."""

    elements: bytes
    proof: bytes | None


class HolderService:
    """The key holder at work, for one process. Safe for threads."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[int, Keyring] = (0, Keyring(settings.config.root))

    def now(self) -> datetime:
        """The time by the service's clock."""
        return self._clock()

    # -- the registrars' statements

    def keyring(self) -> Keyring:
        """The statements in force at this moment. Raises StoreTamperedError if the store holds what nobody signed."""
        with self.database.reading() as connection:
            position = store.latest_position(connection)
            known_position, known = self._known
            if position == known_position:
                return known
            keyring = self._read_keyring(connection)
        with self._lock:
            if position > self._known[0]:
                self._known = (position, keyring)
        return keyring

    def is_serving(self, epoch: EpochStatement) -> bool:
        """Whether evaluations of this epoch are answered here."""
        named = any(one.holder_id == self.settings.config.holder_id for one in epoch.holders)
        return named and epoch.state is not EpochState.RETIRED and epoch.epoch in self.settings.shares

    def check_shares(self) -> None:
        """Raise HomeError if a share does not belong to the commitment that the registrars state for this holder."""
        for epoch in self.keyring().epochs():
            self._check_own_share(epoch)

    def store_statement(self, envelope: Any) -> tuple[Statement, bool]:
        """Accept a statement that the registrars' quorum signed; the second value tells whether it is new here.

        What was accepted before is told by its digest, whoever signed this copy: a repeated one costs no signature.
        Raises StatementError, or RefusedError if an epoch statement does not fit the share held here.
        """
        known = self._find_accepted(envelope)
        if known is not None:
            return known, False
        statement = verify_statement(envelope, self.settings.config.root)
        with self.database.transaction() as connection:
            self.database.lock_statements(connection)
            keyring = self._read_keyring(connection)
            is_new = statement.sequence >= keyring.next_sequence(statement.type, statement.subject)
            parsed = keyring.add(envelope)
            if isinstance(parsed, EpochStatement):
                try:
                    self._check_own_share(parsed)
                except HomeError as error:
                    log.warning("epoch statement does not fit the share held here", epoch=parsed.epoch)
                    raise RefusedError("epoch-not-served", str(error)) from None
            if is_new:
                store.add_statement(connection, statement, envelope, self._clock())
        log.info("statement accepted", type=statement.type, sequence=statement.sequence, new=is_new)
        return statement, is_new

    def _find_accepted(self, envelope: Any) -> Statement | None:
        """The statement of an envelope whose payload was accepted before. Raises StatementError for one replaced since,
        or malformed.
        """
        payload = Envelope.parse(envelope).payload
        with self.database.reading() as connection:
            if not store.has_statement(connection, payload):
                return None
        statement = read_payload(payload)
        newest = self.keyring().next_sequence(statement.type, statement.subject) - 1
        if statement.sequence < newest:
            raise StatementError("stale", f"sequence {newest} is held already")
        return statement

    def _read_keyring(self, connection: Connection) -> Keyring:
        keyring = Keyring(self.settings.config.root)
        try:
            for envelope in store.list_envelopes(connection):
                keyring.add(envelope)
        except StatementError:
            raise StoreTamperedError("the store holds a statement that the registrars did not sign") from None
        return keyring

    def _check_own_share(self, epoch: EpochStatement) -> None:
        share = self.settings.shares.get(epoch.epoch)
        own = next((one for one in epoch.holders if one.holder_id == self.settings.config.holder_id), None)
        if own is None or share is None:
            return
        if own.verify_key != self.settings.config.verify_key:
            raise HomeError(f"epoch {epoch.epoch} states another signing key for this holder")
        if own.index != share.index or own.commitment != multiply_base(share.scalar):
            raise HomeError(f"the share of epoch {epoch.epoch} here does not belong to the commitment stated")

    # -- who asks

    def verify(self, request: ReceivedRequest) -> Believed:
        """Rule 1, but the nonce: who signed the request. Raises RequestSignatureError."""
        keyring = self.keyring()
        verified = verify_request(
            request.method,
            self.settings.config.url,
            request.target,
            request.headers,
            request.body,
            lambda key_id: keyring.representative(key_id)[1].public_key,
            self._clock(),
        )
        return Believed(verified, *keyring.representative(verified.key_id))

    def admit(self, believed: Believed, roles: frozenset[Role]) -> Caller:
        """The nonce, the number of requests, and rule 2 but the holder's own permission, for a route that wants one of
        `roles`. Raises RefusedError, LimitExceededError.
        """
        request, member, person, now = believed.request, believed.member, believed.person, self._clock()
        try:
            with self.database.transaction() as connection:
                store.remember_nonce(connection, request.key_id, request.nonce, request.created_at, now)
                # A repetition is not counted, since anyone could send it.
                made = store.count_request(connection, member.member_id, minute_of(now))
        except store.NonceSeenError:
            raise RefusedError("replayed-request", "this nonce was used before") from None
        RequestLimit(self.settings.config.requests_per_minute).check(made, now)
        if member.state is not MemberState.ACTIVE:
            raise RefusedError("member-suspended", "the registrars have suspended this member")
        if person.state is not RepresentativeState.ACTIVE:
            raise RefusedError("key-revoked", "the registrars have revoked this key")
        if not person.roles & roles:
            raise RefusedError("role-missing", "none of this representative's roles works with identifiers")
        return Caller(member.member_id, request.key_id)

    # -- evaluations

    def evaluate(self, caller: Caller, wanted: Wanted) -> Evaluated:
        """Rules 3 to 6. Raises RefusedError, BudgetExhaustedError, InvalidElementError naming the position."""
        count, rest = divmod(len(wanted.elements), ELEMENT_BYTES)
        if rest or not 1 <= count <= MAX_ELEMENTS:
            raise RefusedError("bad-length", f"the body is 1 to {MAX_ELEMENTS} elements of {ELEMENT_BYTES} bytes")
        if not _IDEMPOTENCY_KEY.fullmatch(wanted.idempotency_key):
            raise RefusedError("idempotency-key", "an Idempotency-Key of 1 to 128 visible characters is wanted")
        keyring = self.keyring()
        scaled = scaled_share(self._share_for(keyring, wanted), wanted.quorum)
        # Looked at before the work, so that nobody has work done that he cannot pay; decided after it, by the charge.
        with self.database.reading() as connection:
            self._plan(connection, keyring, caller, wanted, count)
        elements = evaluate_batch(scaled, wanted.elements)
        proof = prove_batch(scaled, wanted.elements, elements) if wanted.proof else None
        charged = self._charge(keyring, caller, wanted, count)
        log.info("evaluation answered", member_id=caller.member_id, evaluations=count, charged=charged)
        return Evaluated(elements, proof)

    def budget(self, caller: Caller) -> Budget:
        """The caller's budget now. Raises RefusedError."""
        keyring = self.keyring()
        with self.database.reading() as connection:
            member = _allowed(store.find_member(connection, caller.member_id))
            return store.read_budget(connection, member, standing_of(keyring, member), self._clock())

    def _share_for(self, keyring: Keyring, wanted: Wanted) -> Share:
        try:
            epoch = keyring.epoch(wanted.epoch)
        except UnknownStatementError:
            raise RefusedError("unknown-epoch", "the registrars state no such epoch") from None
        if epoch.state is EpochState.RETIRED:
            raise RefusedError("unknown-epoch", "this epoch is retired")
        share = self.settings.shares.get(wanted.epoch)
        own = next((one for one in epoch.holders if one.holder_id == self.settings.config.holder_id), None)
        if share is None or own is None:
            raise RefusedError("epoch-not-served", "this holder has no share of this epoch")
        named = set(wanted.quorum)
        if len(named) != len(wanted.quorum) or len(named) != epoch.threshold:
            raise RefusedError("wrong-quorum", f"a quorum is exactly {epoch.threshold} distinct holders")
        if own.index not in named or not named <= {one.index for one in epoch.holders}:
            raise RefusedError("wrong-quorum", "a quorum is of holders of the epoch, this one among them")
        return share

    def _charge(self, keyring: Keyring, caller: Caller, wanted: Wanted, count: int) -> bool:
        with self.database.transaction() as connection:
            planned = self._plan(connection, keyring, caller, wanted, count, lock=True)
            if planned is None:
                return False
            member, budget = planned
            now = self._clock()
            store.record_charge(
                connection,
                member,
                budget.charge(count, now),
                idempotency_key=wanted.idempotency_key,
                request_digest=wanted.digest,
                epoch=wanted.epoch,
                now=now,
            )
        return True

    def _plan(
        self,
        connection: Connection,
        keyring: Keyring,
        caller: Caller,
        wanted: Wanted,
        count: int,
        *,
        lock: bool = False,
    ) -> tuple[store.AllowedMember, Budget] | None:
        """The budget to charge, or None if this very request was charged before. Raises as evaluate does."""
        member = _allowed(store.find_member(connection, caller.member_id, lock=lock))
        before = store.find_charge(connection, caller.member_id, wanted.idempotency_key)
        if before is not None:
            if before.request_digest != wanted.digest:
                raise RefusedError("idempotency-conflict", "this Idempotency-Key belongs to another request")
            return None
        now = self._clock()
        budget = store.read_budget(connection, member, standing_of(keyring, member), now)
        if count > budget.remaining(now):
            raise BudgetExhaustedError(count, budget.remaining(now), budget.renews_at)
        return member, budget


def standing_of(keyring: Keyring, member: store.AllowedMember) -> int:
    """The member's standing budget: what the holder set, else what follows from its declared book; 0 while unknown."""
    if member.evaluations is not None:
        return member.evaluations
    try:
        book = keyring.member(member.member_id).declared_book
        epoch = keyring.current_epoch
    except UnknownStatementError:
        return 0
    return standing_evaluations(book, epoch.threshold, len(epoch.holders))


def _allowed(member: store.AllowedMember | None) -> store.AllowedMember:
    if member is None:
        raise RefusedError("member-not-allowed", "this holder does not answer this member")
    return member
