"""What a key holder does for those who ask. Each request passes these rules, in order:

1. It is signed by a representative's key that the registrars' statements name, for this holder's own address, within
   60 seconds (keys/signatures/messages.py); the member is active and the key not revoked, by the statements stored at
   this moment. An address whose signatures are refused too often, and a key that may not act any more, is refused
   before its body is read (edge/source_limits.py).
2. The nonce is new to all workers. The member has not asked too often within this minute, at all workers together. The
   holder itself allows the member; one of the representative's roles is among those that the route wants
   (keys/holder/access.py).
3. The epoch is stated, not retired, and the share here belongs to the commitment stated for this holder.
4. The quorum is exactly t distinct holders of the epoch, this one among them.
5. Few of the member's requests are under way (a check need not wait for that), and the budget reaches. A batch without
   proofs is charged its rows and CHECKS: as many proved elements are then answered to requests that name the batch,
   whatever its budget is by then.
6. The charge is committed before the work begins: nobody has work done that he cannot pay for. An element that shows
   only at work to be none is charged like any other, since an honest member sends none.
7. The same request again under the same idempotency key is free, and no new work as long as its answer is kept; while
   it is under way it is refused, and begun COMPUTATIONS times at most (a check CHECK_COMPUTATIONS times). Another
   request under that key is refused.
The holder never sees an identifier, and stores no element: a digest of the request is all. Answers are kept in memory.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import accumulate

import msgspec
import structlog
from sqlalchemy import Connection

from edge.request_limits import RequestLimit, minute_of
from keys.holder import store
from keys.holder.answers import Evaluated, KeptAnswer, KeptAnswers
from keys.holder.budget import Budget, Charge, standing_evaluations
from keys.holder.database import HolderDatabase
from keys.holder.requests import (
    AuthenticatedRequest,
    EvaluationRequest,
    InProgressError,
    MemberCaller,
    ReceivedRequest,
    RequestRefusedError,
    StoreTamperedError,
    unverified_head,
)
from keys.holder.settings import HolderHomeError, HolderSettings
from keys.oprf.group import ELEMENT_BYTES, check_batch_form, multiply_base
from keys.oprf.threshold import Share, evaluate_batch, prove_batch, scaled_share
from keys.signatures.messages import verify_request
from keys.statements.envelopes import (
    ROOT,
    Envelope,
    Statement,
    StatementError,
    read_payload,
)
from keys.statements.keyring import (
    EpochState,
    EpochStatement,
    Keyring,
    MemberState,
    RepresentativeState,
    UnknownStatementError,
)
from keys.statements.snapshots import sign_snapshot
from schemas.holders import SignedSnapshot
from schemas.statements import StatementEnvelope
from schemas.terms import Role

MAX_ELEMENTS = 65_535
PAGE_BYTES = 4 * 1024 * 1024
CHECKS = 2
"""Proved elements that a batch without proofs is charged for: its check, and the one that names a liar."""
COMPUTATIONS = 3
CHECK_COMPUTATIONS = 64
"""Of one element about a batch: a lost answer spoils the batch, and is held against the holder."""
IN_FLIGHT = 4
"""Evaluations of one member under way at a time, at all workers together."""
REPLAYED = "replayed-request"
_SUSPENDED, _REVOKED = "member-suspended", "key-revoked"
BARRED = frozenset({_SUSPENDED, _REVOKED})
"""Why somebody may not act any more, whatever is asked."""
_LEASE = timedelta(seconds=10)
_LEASE_OF_AN_ELEMENT = timedelta(microseconds=500)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)

log = structlog.get_logger("keyholder")


class HolderService:
    """The key holder at work, for one process. Safe for threads."""

    def __init__(self, settings: HolderSettings, database: HolderDatabase, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[int, Keyring] = (0, Keyring(settings.config.root))
        self._answers = KeptAnswers()
        # The keyring is kept beside, so that its identity is not another's while it stands for it.
        self._vouched: tuple[tuple[int, int], SignedSnapshot, Keyring] | None = None

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

    def snapshot(self) -> SignedSnapshot:
        """This holder's dated word on what is in force here, signed anew at most once a minute and for each change."""
        keyring, now = self.keyring(), self._clock()
        made = (id(keyring), minute_of(now))
        with self._lock:
            if self._vouched is None or self._vouched[0] != made:
                config = self.settings.config
                signed = sign_snapshot(keyring, config.holder_id, self.settings.signing_key, now)
                self._vouched = (made, signed, keyring)
            return self._vouched[1]

    def statements_page(self, after: int, limit: int) -> tuple[list[StatementEnvelope], int | None]:
        """Envelopes accepted behind a position, in order, and the position to go on from: so many, or as many as have
        PAGE_BYTES together, but one at least.
        """
        with self.database.reading() as connection:
            found = store.list_page(connection, after, limit)
        sizes = accumulate(len(envelope) for _, envelope in found)
        count = max(1, sum(size <= PAGE_BYTES for size in sizes))
        page = [msgspec.json.decode(envelope, type=StatementEnvelope) for _, envelope in found[:count]]
        return page, found[count - 1][0] if len(page) == limit or count < len(found) else None

    def is_serving(self, epoch: EpochStatement) -> bool:
        """Whether evaluations of this epoch are answered here."""
        named = any(one.holder_id == self.settings.config.holder_id for one in epoch.holders)
        return named and epoch.state is not EpochState.RETIRED and epoch.epoch in self.settings.shares

    def check_shares(self) -> None:
        """Raise HolderHomeError if a share does not belong to the commitment that is stated for this holder."""
        for epoch in self.keyring().epochs():
            self._check_own_share(epoch)

    def store_statement(self, envelope: object) -> tuple[Statement, bool]:
        """Accept a statement that the registrars' quorum signed; the second value tells whether it is new here.

        What was accepted before, and counts still, is recognised by its digest, whoever signed this copy: a repeated
        one costs no signature, nor does one that another has overtaken, though it was never seen here.
        Raises StatementError, or RequestRefusedError if an epoch statement does not fit the share held here.
        """
        known = self._find_accepted(envelope)
        if known is not None:
            return known, False
        statement = self._check_signed(envelope)
        with self.database.transaction() as connection:
            self.database.lock_statements(connection)
            keyring = self._read_keyring(connection)
            is_new = statement.sequence >= keyring.next_sequence(statement.type, statement.subject)
            parsed = keyring.add(envelope)
            if isinstance(parsed, EpochStatement):
                try:
                    self._check_own_share(parsed)
                except HolderHomeError as error:
                    log.warning("epoch statement does not fit the share held here", epoch=parsed.epoch)
                    raise RequestRefusedError("epoch-not-served", str(error)) from None
            if is_new:
                store.add_statement(connection, statement, Envelope.parse(envelope).to_wire(), self._clock())
        log.info("statement accepted", type=statement.type, sequence=statement.sequence, new=is_new)
        return statement, is_new

    def _check_signed(self, envelope: object) -> Statement:
        """The statement of an envelope whose signatures count at present: those who left are refused before the lock.
        Raises StatementError.
        """
        roots = self.keyring().roots
        statement, is_newest = roots.read(envelope)
        if statement.type == ROOT:
            roots.check_link(envelope)
        else:
            roots.check_counts(statement, is_newest)
        return statement

    def _find_accepted(self, envelope: object) -> Statement | None:
        """The statement of an envelope whose payload is in force, None for one that is newer. Raises StatementError for
        any other that could not come into force, and for what is malformed. What nobody has signed is not read whole:
        that takes the hundredfold of refusing it.
        """
        payload, keyring = Envelope.parse(envelope).payload, self.keyring()
        kind, subject, sequence = unverified_head(payload)
        newest = keyring.next_sequence(kind, subject) - 1
        if sequence < newest:
            raise StatementError("stale", f"sequence {newest} is held already")
        if keyring.knows(payload):
            return read_payload(payload)
        if sequence == newest:
            raise StatementError("conflict", f"another statement has sequence {newest} already")
        return None

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
            raise HolderHomeError(f"epoch {epoch.epoch} states another signing key for this holder")
        if own.index != share.index or own.commitment != multiply_base(share.scalar):
            raise HolderHomeError(f"the share of epoch {epoch.epoch} here does not belong to the commitment stated")

    # -- who asks

    def verify(self, request: ReceivedRequest) -> AuthenticatedRequest:
        """Who signed the request, be it that he may not act any more. Raises RequestSignatureError."""
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
        return AuthenticatedRequest(verified, *keyring.representative(verified.key_id))

    def admit(
        self, authenticated: AuthenticatedRequest, roles: frozenset[Role], checked_batch: str | None = None
    ) -> MemberCaller:
        """Whether who asks may still act, its nonce, the number of requests, and the rest of rule 2 but the holder's
        own permission, for a route that requires one of `roles`. What names a batch that is paid for is answered up to
        twice the limit: refusing a check spoils the batch. Raises RequestRefusedError, LimitExceededError.
        """
        request, member, person, now = authenticated.request, authenticated.member, authenticated.person, self._clock()
        if member.state is not MemberState.ACTIVE:
            raise RequestRefusedError(_SUSPENDED, "the registrars have suspended this member")
        if person.state is not RepresentativeState.ACTIVE:
            raise RequestRefusedError(_REVOKED, "the registrars have revoked this key")
        try:
            with self.database.transaction() as connection:
                store.remember_nonce(connection, request.key_id, request.nonce, request.created_at, now)
                # A repetition is not counted, since anyone could send it.
                made = store.count_request(connection, member.member_id, minute_of(now))
                batch = checked_batch and store.find_charge(connection, member.member_id, checked_batch)
        except store.NonceSeenError:
            raise RequestRefusedError(REPLAYED, "this nonce was used before") from None
        RequestLimit(self.settings.config.requests_per_minute * (2 if batch else 1)).check(made, now)
        if not person.roles & roles:
            raise RequestRefusedError("role-missing", "none of this representative's roles works with identifiers")
        return MemberCaller(member.member_id, request.key_id)

    # -- evaluations

    def evaluate(self, caller: MemberCaller, asked: EvaluationRequest) -> Evaluated:
        """Rules 3 to 7. Raises RequestRefusedError, BudgetExhaustedError, InProgressError, InvalidElementError."""
        _check_form(asked)
        keyring = self.keyring()
        share = self._share_for(keyring, asked)
        scaled = scaled_share(share, asked.quorum)
        kept = self._find_answer(caller, asked)
        if kept is not None:
            return kept
        charged = self._begin(keyring, caller, asked)
        if isinstance(charged, Evaluated):
            return charged
        try:
            elements = evaluate_batch(scaled, asked.elements)
            proof = prove_batch(scaled, asked.elements, elements) if asked.proof else None
            evaluated = Evaluated(elements, multiply_base(share.scalar), proof)
            self._answers.keep(caller.member_id, asked.idempotency_key, KeptAnswer(asked.digest, evaluated))
        finally:
            with self.database.transaction() as connection:
                store.finish_work(connection, caller.member_id, asked.idempotency_key)
        log.info("evaluation answered", member_id=caller.member_id, evaluations=asked.count, charged=charged)
        return evaluated

    def budget(self, caller: MemberCaller) -> Budget:
        """The caller's budget now. Raises RequestRefusedError."""
        keyring = self.keyring()
        with self.database.reading() as connection:
            member = _allowed(store.find_member(connection, caller.member_id))
            return store.read_budget(connection, member, standing_of(keyring, member), self._clock())

    def _share_for(self, keyring: Keyring, asked: EvaluationRequest) -> Share:
        try:
            epoch = keyring.epoch(asked.epoch)
        except UnknownStatementError:
            raise RequestRefusedError("unknown-epoch", "the registrars state no such epoch") from None
        if epoch.state is EpochState.RETIRED:
            raise RequestRefusedError("unknown-epoch", "this epoch is retired")
        share = self.settings.shares.get(asked.epoch)
        own = next((one for one in epoch.holders if one.holder_id == self.settings.config.holder_id), None)
        if share is None or own is None:
            raise RequestRefusedError("epoch-not-served", "this holder has no share of this epoch")
        named = set(asked.quorum)
        if len(named) != len(asked.quorum) or len(named) != epoch.threshold:
            raise RequestRefusedError("wrong-quorum", f"a quorum is exactly {epoch.threshold} distinct holders")
        if own.index not in named or not named <= {one.index for one in epoch.holders}:
            raise RequestRefusedError("wrong-quorum", "a quorum is of holders of the epoch, this one among them")
        return share

    def _find_answer(self, caller: MemberCaller, asked: EvaluationRequest) -> Evaluated | None:
        """The answer to this very request if it is kept."""
        kept = self._answers.find(caller.member_id, asked.idempotency_key)
        if kept is None:
            return None
        with self.database.reading() as connection:
            _allowed(store.find_member(connection, caller.member_id))
        _check_same(kept.request_digest, asked)
        return kept.evaluated

    def _begin(self, keyring: Keyring, caller: MemberCaller, asked: EvaluationRequest) -> int | Evaluated:
        """Rules 5 to 7: what it is charged, once this worker may begin it; or its answer, if it came in meanwhile."""
        now = self._clock()
        until = now + _LEASE + asked.count * _LEASE_OF_AN_ELEMENT
        with self.database.transaction() as connection:
            member = _allowed(store.find_member(connection, caller.member_id, lock=True))
            before = store.find_charge(connection, caller.member_id, asked.idempotency_key)
            if before is not None:
                _check_under_way(before, asked, now)
                kept = self._answers.find(caller.member_id, asked.idempotency_key)
                if kept is not None:  # it is kept before its work is called finished
                    return kept.evaluated
            # A check is one element of a batch that is paid for: putting it off would spoil the batch.
            if asked.checked_batch is None and store.count_under_way(connection, caller.member_id, now) >= IN_FLIGHT:
                raise InProgressError(f"{IN_FLIGHT} evaluations of this member are under way")
            if before is not None:
                _check_computations(before, asked)
                store.begin_again(connection, caller.member_id, asked.idempotency_key, until)
                return 0
            checks = 0 if asked.proof else CHECKS
            charge = self._charge(connection, keyring, member, asked, checks)
            store.record_charge(
                connection,
                member,
                charge,
                idempotency_key=asked.idempotency_key,
                request_digest=asked.digest,
                epoch=asked.epoch,
                quorum=asked.quorum_text,
                checks=checks,
                batch_key=asked.checked_batch,
                working_until=until,
                now=now,
            )
        return charge.standing + sum(charge.grants.values())

    def _charge(
        self,
        connection: Connection,
        keyring: Keyring,
        member: store.AllowedMember,
        asked: EvaluationRequest,
        checks: int,
    ) -> Charge:
        """What a new request costs: nothing for a check that its batch has paid for."""
        if asked.checked_batch is not None:
            batch = store.find_charge(connection, member.member_id, asked.checked_batch)
            if batch is None or (batch.epoch, batch.quorum) != (asked.epoch, asked.quorum_text) or not batch.checks:
                raise RequestRefusedError("unknown-batch", "no check of such a batch of this member is paid for")
            store.use_check(connection, member.member_id, asked.checked_batch)
            return Charge(0, {})
        now, count = self._clock(), asked.count + checks
        budget = store.read_budget(connection, member, standing_of(keyring, member), now)
        return budget.charge(count, now)


def _check_form(asked: EvaluationRequest) -> None:
    if len(asked.elements) % ELEMENT_BYTES or not 1 <= asked.count <= MAX_ELEMENTS:
        raise RequestRefusedError("bad-length", f"the body is 1 to {MAX_ELEMENTS} elements of {ELEMENT_BYTES} bytes")
    if asked.checked_batch is not None and (asked.count != 1 or not asked.proof):
        raise RequestRefusedError("bad-length", "the check of a batch is one element, proved")
    if not _IDEMPOTENCY_KEY.fullmatch(asked.idempotency_key):
        raise RequestRefusedError("idempotency-key", "expected an Idempotency-Key of 1 to 128 visible characters")
    check_batch_form(asked.elements)


def _check_same(request_digest: bytes, asked: EvaluationRequest) -> None:
    if request_digest != asked.digest:
        raise RequestRefusedError("idempotency-conflict", "this Idempotency-Key belongs to another request")


def _check_under_way(before: store.RecordedCharge, asked: EvaluationRequest, now: datetime) -> None:
    _check_same(before.request_digest, asked)
    if before.working_until is not None and before.working_until > now:
        raise InProgressError("this very request is under way")


def _check_computations(before: store.RecordedCharge, asked: EvaluationRequest) -> None:
    most = COMPUTATIONS if asked.checked_batch is None else CHECK_COMPUTATIONS
    if before.computations >= most:
        raise RequestRefusedError("answered-before", f"this request was computed {most} times; ask under another key")


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
        raise RequestRefusedError("member-not-allowed", "this holder does not answer this member")
    return member
