"""Answering what others ask about one's own rows.

An answer leaves by these rules, in order:
1. The request is not our own, and the row that it is about lies in our vault.
2. An authoriser takes it up. Who asks is an active member that the registrars signed, in an open group with us, and the
   key that the answer would be sealed to is the one that the registrars state.
3. The request proves that whoever asks holds the identifier itself, under these very terms. Without that nothing is
   told: a row planted with a stolen token is worth nothing. What remains is to refuse.
4. Only rows are told of whose group the requester is in, by the registrars' statements, whatever the exchange names;
   never one that we have taken back.
5. Only fields that were asked for are told, sealed for this request alone, and signed.
6. The answer is in the vault before it leaves. One whose arrival is not certain is sent again as it stands there,
   before anything else is said: nobody tells two things.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from keys.holding import HoldingClaim, HoldingError, verify_holding
from keys.keyring import GroupState, Keyring, MemberState, RepresentativeState, UnknownStatementError
from keys.sealing import Binding, SealingError, seal_details
from keys.statement_types import GroupStatement
from keys.tokens import Token
from member.channel import Identity
from member.errors import AnswerError, MemberError, RefusedError
from member.request_client import ReadRequest, RequestStanding, read_bytes
from member.request_details import collect_details, encode_details
from member.requests import RequestDesk
from member.rule_refusal import Broken, RuleRefusedError
from member.vault.requests import Reply
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.uploads import Uploads
from schemas.encoding import to_base64
from schemas.identifiers import uuid7
from schemas.terms import Direction, RefusalReason, RequestOutcome

_SHOWN_BEFORE = ("mode", "legal_gateway", "urgency")


class UnprovedError(MemberError):
    """Whoever asks has not shown what an answer takes; nothing was told."""

    slug = "not_proved"

    def __init__(self, why: str) -> None:
        reason = RefusalReason.PROOF_NOT_VALID.value
        super().__init__(f"nothing is told: {why}", f"member --as … request refuse ID --reason {reason}")
        self.why = why


@dataclass(frozen=True)
class TakenUp:
    """A request that this member has taken up, and its own indicator behind it, with those of its rows that may be told
    of; None if there are none. `doubt` says what is not proved.
    """

    request: ReadRequest
    token: Token | None
    own: OwnIndicator | None
    doubt: str | None

    @property
    def hindrance(self) -> str | None:
        """Why nothing may be told."""
        nothing = None if self.own is not None else "this vault holds no row of it that whoever asks may be told of"
        return self.doubt or nothing

    @property
    def submissions(self) -> list[str]:
        """Our submissions that are told of."""
        return [] if self.own is None else sorted({source.submission_id for source in self.own.sources})

    @property
    def fields(self) -> list[str]:
        """What was asked for."""
        return [str(name) for name in (self.request.terms or {}).get("fields", ())]


def take_up(desk: RequestDesk, request_id: str) -> TakenUp:
    """Take up a request to us, and check who asks and whether it holds the identifier. RuleRefusedError for our own."""
    listed = desk.read(request_id)
    if listed.direction != Direction.INCOMING:
        broken = Broken("own-request", "request_id", "nobody answers its own request: wait for the holders")
        raise RuleRefusedError("nothing was sent", [broken])
    token = VaultRows(desk.vault).find_token(listed.token_bytes())
    request = desk.take_up(request_id)
    own = None if token is None else _rows_to_tell(desk, request, token)
    return TakenUp(request, token, own, _doubt(desk, request, token))


def _rows_to_tell(desk: RequestDesk, request: ReadRequest, token: Token) -> OwnIndicator | None:
    """Rule 4: our indicator with those of its rows that the requester may be told of; None if there are none."""
    rows, uploads = VaultRows(desk.vault), Uploads(desk.vault)
    held = rows.find_by_tokens([token.token])[token.token]
    indicator, now = rows.lookup(held.indicator_type, held.canonical), desk.clock()
    shared = {group.group_id for group in open_groups(desk.keyring, {desk.member_id, request.requester or ""}, now)}

    def is_told(submission_id: str) -> bool:
        kept = uploads.envelope(submission_id)
        is_shared = kept is not None and kept.group in shared
        return is_shared and not uploads.is_withdrawn(submission_id, indicator)

    told = {name for name in request.submissions or () if is_told(name)}
    sources = [source for source in held.sources if source.submission_id in told]
    return OwnIndicator(held.indicator_type, held.canonical, sources) if sources else None


def _doubt(desk: RequestDesk, request: ReadRequest, token: Token | None) -> str | None:
    try:
        check_requester(desk.keyring, desk.member_id, desk.identity, request, desk.clock())
        if token is None:
            return "this vault does not hold the row that it is about"
        verify_holding(token.detail_key, _claim(request), read_bytes(request.proof, "a proof", 32))
    except (UnprovedError, HoldingError) as error:
        return error.why if isinstance(error, UnprovedError) else str(error)
    return None


def check_requester(keyring: Keyring, member_id: str, identity: Identity, request: ReadRequest, now: datetime) -> None:
    """Rule 2, against the registrars' statements alone. Raises UnprovedError."""
    try:
        requester, person = keyring.representative(request.requested_by or "")
    except UnknownStatementError:
        raise UnprovedError("the registrars know nobody who could have asked so") from None
    if requester.member_id != request.requester or requester.member_id == member_id:
        raise UnprovedError("whoever asked does not belong to the member that asks")
    if requester.state is not MemberState.ACTIVE or person.state is not RepresentativeState.ACTIVE:
        raise UnprovedError("whoever asks is suspended or revoked")
    if person.public_key == identity.key.public_bytes:
        raise UnprovedError("whoever asks has our own key")
    if requester.encryption_key != read_bytes(request.encryption_key, "an encryption key"):
        raise UnprovedError("the key to seal to is not the one that the registrars state")
    if not any(open_groups(keyring, {member_id, requester.member_id}, now)):
        raise UnprovedError("whoever asks shares no open group with us")
    terms = request.terms or {}
    if terms.get("request_id") != request.request_id:
        raise UnprovedError("its terms are another request's")
    if any(terms.get(name) != getattr(request, name) for name in _SHOWN_BEFORE):
        raise UnprovedError("its terms are others than those shown before it was taken up")


def open_groups(keyring: Keyring, members: Set[str], now: datetime) -> Iterator[GroupStatement]:
    """The open groups that all those members are in, by the registrars' statements."""
    for group in keyring.groups():
        is_open = group.state is GroupState.OPEN and (group.sunset is None or now < group.sunset)
        if is_open and members <= group.members:
            yield group


def _claim(request: ReadRequest) -> HoldingClaim:
    key = read_bytes(request.encryption_key, "an encryption key")
    return HoldingClaim(request.request_id, request.requester or "", key, request.terms or {})


@dataclass(frozen=True)
class _Said:
    """What is answered, before it is sealed and signed."""

    outcome: RequestOutcome
    fields: list[str]
    refusal_reason: str | None = None
    details: dict[str, Any] | None = None


def finish_begun(desk: RequestDesk, request_id: str) -> tuple[Reply, RequestStanding] | None:
    """Send the answer that was begun before and whose arrival is not certain, as it stands in the vault; None if there
    is none, or the exchange neither has it nor takes it.
    """
    reply = desk.records.reply(request_id)
    if reply is None:
        return None
    try:
        return reply, _post(desk, request_id, reply)
    except RefusedError as error:
        if error.is_final:
            return None
        raise


def tell(desk: RequestDesk, taken: TakenUp, fields: Sequence[str] | None, note: str, contact: str) -> RequestStanding:
    """Answer fully (`fields` None) or partly. Raises UnprovedError, RuleRefusedError, RefusedError."""
    if taken.hindrance is not None or taken.own is None:
        raise UnprovedError(taken.hindrance or "")
    told = taken.fields if fields is None else list(fields)
    not_asked = [name for name in told if name not in taken.fields]
    if not_asked or not told:
        asked = f"it asks for {', '.join(taken.fields)}"
        raise RuleRefusedError("nothing was sent", [Broken("not-asked-for", "fields", asked)])
    outcome = RequestOutcome.FULL if set(told) == set(taken.fields) else RequestOutcome.PARTIAL
    details = collect_details(taken.own, told, partial(_role_of, Uploads(desk.vault)), contact, note)
    return _send(desk, taken, _Said(outcome, told, details=details))


def _role_of(uploads: Uploads, submission_id: str) -> str:
    kept = uploads.envelope(submission_id)
    return "" if kept is None else kept.subject_role


def tell_nothing(desk: RequestDesk, taken: TakenUp, reason: str | None) -> RequestStanding:
    """Refuse for a reason, or answer no trace (None). No trace is an answer, and takes the same proof."""
    if reason is None and taken.doubt is not None and taken.token is not None:
        raise UnprovedError(taken.doubt)
    outcome = RequestOutcome.NO_TRACE if reason is None else RequestOutcome.REFUSED
    return _send(desk, taken, _Said(outcome, [], reason))


def _send(desk: RequestDesk, taken: TakenUp, said: _Said) -> RequestStanding:
    body = _signed_body(desk, taken, said)
    reply = Reply(uuid7(), body, said.outcome.value, said.fields, said.refusal_reason)
    desk.records.keep_reply(taken.request.request_id, reply)
    return _post(desk, taken.request.request_id, reply)


def _post(desk: RequestDesk, request_id: str, reply: Reply) -> RequestStanding:
    records = desk.records
    try:
        standing = desk.client.answer(request_id, reply.body, records.idempotency_key(f"{request_id}|{reply.attempt}"))
    except RefusedError as error:
        if error.is_final:
            records.forget_reply(request_id)
        raise
    records.forget_reply(request_id)
    return standing


def _signed_body(desk: RequestDesk, taken: TakenUp, said: _Said) -> bytes:
    from schemas.requests import answer_to_sign  # noqa: PLC0415 - marshmallow is slow to import, needed here only

    sealed = None if said.details is None else _seal(desk, taken, said.details)
    message = answer_to_sign(
        request_id=taken.request.request_id,
        holder=desk.member_id,
        requester=taken.request.requester or "",
        outcome=said.outcome.value,
        told=said.fields,
        refusal_reason=said.refusal_reason,
        sealed=sealed,
    )
    answer = {
        "outcome": said.outcome.value,
        "fields": said.fields,
        "refusal_reason": said.refusal_reason,
        "sealed": None if sealed is None else to_base64(sealed),
        "signature": to_base64(desk.identity.key.sign(message)),
        "submissions": [] if said.details is None else taken.submissions,
    }
    return msgspec.json.encode(answer)


def _seal(desk: RequestDesk, taken: TakenUp, details: dict[str, Any]) -> bytes:
    if taken.token is None:
        raise AnswerError("this vault does not hold the row that it is about")
    claim = _claim(taken.request)
    binding = Binding(claim.request_id, desk.member_id, claim.requester, claim.terms_sha256)
    try:
        return seal_details(encode_details(details), taken.token.detail_key, claim.encryption_key, binding)
    except SealingError as error:
        broken = Broken("too-long", "fields", f"{error}: leave out other_columns, or shorten the note")
        raise RuleRefusedError("nothing was sent", [broken]) from error
