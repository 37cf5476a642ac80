"""Answering what others ask about one's own rows, and releasing what one has offered.

An answer leaves by these rules, in order:
1. The request is not our own, and the row that it is about lies in our vault.
2. An authoriser takes it up. Who asks is an active member that the registrars signed, in an open group with us, and the
   key that the answer would be sealed to is the one that the registrars state.
3. The request proves that whoever asks holds the identifier itself, under these very terms. Without that nothing is
   disclosed: a row planted with a stolen token is worth nothing. What remains is to refuse.
4. Only rows are disclosed whose group the requester is in, by the registrars' statements, whatever the exchange names;
   never one that we have taken back.
5. Only fields that were asked for are disclosed, sealed for this request alone, and signed with how they are to be
   handled: our own rows' marking and the one shown to us, whichever is stricter.
6. The answer is in the vault before it leaves. One whose arrival is not certain is sent again as it stands there,
   before anything else is said: nobody tells two things.

To an offer nobody answers with details: it is refused, unseen or taken up, or taken up and waited for. What was offered
leaves by rules 4 to 6, released by an authoriser of ours who did not make the offer, to each holder that took it up: an
active member that the registrars signed, in an open group with us, sealed to the key that they state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

import msgspec

from keys.oprf.tokens import Token
from keys.sealing.holding import HoldingClaim, HoldingError, verify_holding
from keys.sealing.hybrid import Binding, SealingError, seal_details
from keys.statements.keyring import GroupState, Keyring, MemberState, RepresentativeState, UnknownStatementError
from keys.statements.types import GroupStatement, MemberStatement
from member.errors import MemberError, RefusedError
from member.next_steps import Act, Next
from member.requests.asking import RequestContext
from member.requests.client import ReadRequest, read_bytes
from member.requests.details import collect_details, encode_details
from member.requests.refusal import Broken, RuleRefusedError
from member.transport.channel import Identity, shown_token
from member.vault.requests import KeptRequest, Reply
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.uploads import Uploads
from schemas.marking import RELEASE_CODES, Marking, marking_of_envelope, strictest
from schemas.requests.messages import AnswerDetails, NewAnswer, Prepared, RequestStatus, Waiting, answer_to_sign
from schemas.terms import OFFERS, Direction, RefusalReason, RequestMode, RequestOutcome
from schemas.values.identifiers import uuid7

_SAME = "same-person"
_SHOWN_BEFORE = ("mode", "legal_gateway", "urgency")


class UnprovedError(MemberError):
    """Whoever asks has not shown what an answer requires; nothing was disclosed."""

    slug = "not_proved"

    def __init__(self, why: str) -> None:
        reason = RefusalReason.PROOF_NOT_VALID.value
        super().__init__(f"nothing is disclosed: {why}", "refuse it", then=Next(Act.REFUSE_REQUEST, {"reason": reason}))
        self.why = why


@dataclass(frozen=True)
class TakenUp:
    """A request that this member has taken up, and its own indicator behind it, with those of its rows that may be
    shown of; None if there are none. `doubt` says what is not proved. `is_new`: it was not taken up before.
    """

    request: ReadRequest
    token: Token | None
    own: OwnIndicator | None
    doubt: str | None
    is_new: bool = False

    @property
    def obstacle(self) -> str | None:
        """Why nothing may be disclosed."""
        nothing = None if self.own is not None else "this vault holds no row of it that may go to the requester"
        return self.doubt or nothing

    @property
    def fields(self) -> list[str]:
        """What was asked for."""
        return [] if self.request.terms is None else self.request.terms.fields


def take_up(context: RequestContext, request_id: str) -> TakenUp:
    """Take up a request to us, and check who asks and whether it holds the identifier. To take up an offer is to agree
    to receive it and to be named to its sender. RuleRefusedError for our own.
    """
    return _take_up(context, context.read(request_id))


def look_at(
    context: RequestContext, request_id: str, *, refusing: bool, agreed: AgreedDisclosure | None = None
) -> TakenUp:
    """A request to us, so as to answer it: taken up, but for an offer that is refused, which may stay unseen. Raises
    RuleRefusedError for our own, for an offer to be answered otherwise, and for a telling that cannot be right: all of
    that before it is taken up.
    """
    listed = context.read(request_id)
    if listed.mode not in OFFERS or listed.direction != Direction.INCOMING:
        broken = list(_what_shows_before(context, listed, agreed)) if agreed is not None else []
        if broken and listed.direction == Direction.INCOMING:
            raise RuleRefusedError("nothing was sent", broken)
        return _take_up(context, listed)
    if refusing:
        return TakenUp(listed, None, None, None)
    cure = "the sender of an offer tells, a holder does not: take it up to receive it, or refuse it"
    raise RuleRefusedError("nothing was sent", [Broken("offer", "outcome", cure)])


def look_to_prepare(context: RequestContext, request_id: str, *, refusing: bool) -> TakenUp:
    """A request to us, so as to prepare what another person sends: nothing is taken up by that. RuleRefusedError for
    our own, and for one that no authoriser has taken up, but for an offer that is to be refused.
    """
    read = context.read(request_id)
    broken = None
    if read.direction != Direction.INCOMING:
        broken = Broken("own-request", "request_id", "nobody answers its own request: wait for the holders")
    elif read.mode in OFFERS and not refusing:
        broken = Broken("offer", "outcome", "the sender of an offer tells, a holder does not: prepare a refusal")
    elif not read.taken_up and not (read.mode in OFFERS and refusing):
        broken = Broken("not-taken-up", "request_id", "an authoriser takes it up first")
    if broken is not None:
        raise RuleRefusedError("nothing was prepared", [broken])
    if not read.taken_up:
        return TakenUp(read, None, None, None)
    token = VaultRows(context.vault).find_token(shown_token(read.token))
    own = None if token is None else _disclosable_rows(context, read.requester or "", read.submissions or (), token)
    return TakenUp(read, token, own, _doubt(context, read, read, token))


def _what_shows_before(context: RequestContext, listed: ReadRequest, agreed: AgreedDisclosure) -> Iterator[Broken]:
    """What is wrong with a telling as far as that shows in a request that may not be taken up yet."""
    gateway = context.client.gateways().get(listed.legal_gateway)
    if gateway is None:
        return
    condition = next((one.condition for one in gateway.conditions if one.mode == listed.mode), None)
    wanted = [one for one in gateway.confirmations if one.condition in (None, condition)]
    for one in wanted:
        if not set(one.codes) & set(agreed.confirmations):
            said = f"{gateway.citation}: {one.question} confirm {' or '.join(one.codes)}"
            yield Broken("no-confirmation", "confirmations", said)
    known = {code for one in wanted for code in one.codes} | RELEASE_CODES
    unknown = [code for code in agreed.confirmations if code not in known]
    if unknown:
        said = f"{gateway.citation}: {', '.join(sorted(known))} can be confirmed here, not {', '.join(unknown)}"
        yield Broken("confirmation", "confirmations", said)


def _take_up(context: RequestContext, listed: ReadRequest) -> TakenUp:
    if listed.direction != Direction.INCOMING:
        broken = Broken("own-request", "request_id", "nobody answers its own request: wait for the holders")
        raise RuleRefusedError("nothing was sent", [broken])
    token = VaultRows(context.vault).find_token(shown_token(listed.token))
    request = context.take_up(listed.request_id)
    requester, named = request.requester or "", request.submissions or ()
    own = None if token is None else _disclosable_rows(context, requester, named, token)
    return TakenUp(request, token, own, _doubt(context, listed, request, token), is_new=not listed.taken_up)


def _disclosable_rows(
    context: RequestContext, recipient: str, named: Iterable[str], token: Token
) -> OwnIndicator | None:
    """Rule 4: our indicator with those of its rows, of the submissions that the exchange names, that the recipient may
    receive; None if there are none.
    """
    rows, uploads = VaultRows(context.vault), Uploads(context.vault)
    held = rows.find_by_tokens([token.token])[token.token]
    indicator, now = rows.lookup(held.indicator_type, held.canonical), context.clock()
    shared = {group.group_id for group in open_groups(context.keyring, {context.member_id, recipient}, now)}

    def is_disclosable(submission_id: str) -> bool:
        kept = uploads.envelope(submission_id)
        is_shared = kept is not None and kept.group in shared
        return is_shared and not uploads.is_withdrawn(submission_id, indicator)

    shareable = {name for name in named if is_disclosable(name)}
    sources = [source for source in held.sources if source.submission_id in shareable]
    return OwnIndicator(held.indicator_type, held.canonical, sources) if sources else None


def _doubt(context: RequestContext, listed: ReadRequest, request: ReadRequest, token: Token | None) -> str | None:
    if any(getattr(listed, name) != getattr(request, name) for name in (*_SHOWN_BEFORE, "requester_kind", "token")):
        return "it is another than was shown before it was taken up"
    try:
        check_requester(context.keyring, context.member_id, context.identity, request, context.clock())
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
    terms = request.terms
    if terms is None or terms.request_id != request.request_id:
        raise UnprovedError("its terms are another request's")
    if any(getattr(terms, name) != getattr(request, name) for name in _SHOWN_BEFORE):
        raise UnprovedError("its terms are others than those shown before it was taken up")


def open_groups(keyring: Keyring, members: Set[str], now: datetime) -> Iterator[GroupStatement]:
    """The open groups that all those members are in, by the registrars' statements."""
    for group in keyring.groups():
        is_open = group.state is GroupState.OPEN and (group.sunset is None or now < group.sunset)
        if is_open and members <= group.members:
            yield group


def _claim(request: ReadRequest) -> HoldingClaim:
    key = read_bytes(request.encryption_key, "an encryption key")
    return HoldingClaim(request.request_id, request.requester or "", key, msgspec.to_builtins(request.terms) or {})


@dataclass(frozen=True)
class UnsealedAnswer:
    """What is answered, before it is sealed and signed. The marking goes with details; `prepared` is by whom it was
    prepared, and the salt of what that one signed.
    """

    outcome: RequestOutcome
    fields: list[str]
    refusal_reason: str | None = None
    details: AnswerDetails | None = None
    marking: Marking | None = None
    confirmations: Sequence[str] = ()
    submissions: Sequence[str] = ()
    prepared: Prepared | None = None
    salt: bytes | None = None


@dataclass(frozen=True)
class Recipient:
    """To whom something is disclosed: `member_id` None for whoever made an offer that we refuse unseen. `key` is the
    one that the registrars state, `terms_sha256` the digest of the request's terms. `to` is said of an offer of ours.
    """

    member_id: str | None
    key: bytes = b""
    terms_sha256: bytes = b""
    detail_key: bytes = b""
    to: str | None = None


@dataclass(frozen=True)
class AgreedDisclosure:
    """What an authoriser agrees to disclose: these fields (None: all requested), with a note, confirming what gateway
    and marking require. `contact` is the desk that answers for rows without one.
    """

    fields: Sequence[str] | None
    note: str = ""
    contact: str = ""
    confirmations: Sequence[str] = ()


def finish_begun(context: RequestContext, request_id: str, to: str | None = None) -> tuple[Reply, RequestStatus] | None:
    """Send the answer, or the release to a holder, that was begun before and whose arrival is not certain, as it stands
    in the vault; None if there is none, or the exchange neither has it nor takes it.
    """
    reply = context.records.reply(request_id, to)
    if reply is None:
        return None
    try:
        return reply, _post(context, request_id, reply)
    except RefusedError as error:
        if error.is_final:
            return None
        raise


def draft_disclosure(
    context: RequestContext, taken: TakenUp, agreed: AgreedDisclosure
) -> tuple[Recipient, UnsealedAnswer]:
    """An answer that tells fully or partly, and whom. Raises UnprovedError, RuleRefusedError."""
    if taken.obstacle is not None or taken.own is None or taken.token is None:
        raise UnprovedError(taken.obstacle or "this vault does not hold the row that it is about")
    said = _collect(context, taken.own, taken.request, taken.fields, agreed)
    claim = _claim(taken.request)
    return Recipient(claim.requester, claim.encryption_key, claim.terms_sha256, taken.token.detail_key), said


def disclose(context: RequestContext, taken: TakenUp, agreed: AgreedDisclosure) -> RequestStatus:
    """Answer fully or partly. Raises UnprovedError, RuleRefusedError, RefusedError."""
    return send(context, taken.request.request_id, *draft_disclosure(context, taken, agreed))


def _collect(
    context: RequestContext, own: OwnIndicator, request: ReadRequest, wanted: Sequence[str], agreed: AgreedDisclosure
) -> UnsealedAnswer:
    """What is disclosed of our own rows. Raises RuleRefusedError."""
    chosen = list(wanted if agreed.fields is None else agreed.fields)
    if not chosen or not set(chosen) <= set(wanted):
        asked = f"it is about {', '.join(wanted)}"
        raise RuleRefusedError("nothing was sent", [Broken("not-asked-for", "fields", asked)])
    outcome = RequestOutcome.FULL if set(chosen) == set(wanted) else RequestOutcome.PARTIAL
    submissions = sorted({source.submission_id for source in own.sources})
    uploads = Uploads(context.vault)
    kept = {name: envelope for name in submissions if (envelope := uploads.envelope(name)) is not None}
    details = collect_details(own, chosen, lambda name: kept[name].subject_role, agreed.contact, agreed.note)
    shown = [] if request.marking is None else [request.marking]
    marking = strictest([*(marking_of_envelope(envelope) for envelope in kept.values()), *shown])
    return UnsealedAnswer(outcome, chosen, None, details, marking, agreed.confirmations, submissions)


def release(context: RequestContext, offer: ReadRequest, waiting: Sequence[Waiting], agreed: AgreedDisclosure) -> None:
    """Tell what we offered to these holders that took it up, one after the other. Raises RuleRefusedError,
    RefusedError, MemberError.
    """
    for recipient, said in what_to_release(context, offer, waiting, agreed):
        send(context, offer.request_id, recipient, said)


def what_to_release(
    context: RequestContext,
    offer: ReadRequest,
    waiting: Sequence[Waiting],
    agreed: AgreedDisclosure,
    *,
    preparing: bool = False,
) -> Iterator[tuple[Recipient, UnsealedAnswer]]:
    """What is disclosed to each of these holders of our offer; whoever made it may prepare that for another. Raises
    RuleRefusedError, MemberError.
    """
    asked = context.records.asked(offer.request_id)
    broken = [one for one in _what_bars(context, offer, asked, agreed, waiting) if not preparing or one.code != _SAME]
    if broken:
        raise RuleRefusedError("nothing was sent", broken)
    token = None if asked is None else VaultRows(context.vault).find_token(asked.token)
    if asked is None or token is None:
        hint = "it was offered from another home, or the row is gone"
        raise MemberError("this vault does not hold the offer and the row that it is about", hint, slug="unknown_row")
    for one in waiting:
        recipient = _recipient_of(context, one.institution, asked, token)
        own = _disclosable_rows(context, one.institution, one.submissions, token)
        if own is None:
            raise UnprovedError(f"this vault holds no row of it that may be disclosed to {one.institution}")
        fields = asked.terms.fields
        yield recipient, _collect(context, own, offer, fields, agreed)


def _what_bars(
    context: RequestContext,
    offer: ReadRequest,
    asked: KeptRequest | None,
    agreed: AgreedDisclosure,
    waiting: Sequence[Waiting],
) -> Iterator[Broken]:
    """What is disclosed may not rest on whom the exchange names as the offer's maker: the vault knows who it was."""
    if context.identity.key_id in (None if asked is None else asked.asked_by, offer.requested_by):
        yield Broken(_SAME, "representative", "another person than made the offer releases it")
    if not waiting:
        cure = "nobody to whom it was not disclosed yet has taken it up"
        yield Broken("not-taken-up", "to", cure)
    if offer.mode == RequestMode.ALERT and agreed.note:
        yield Broken("alert", "note", "an alert tells its fields alone: leave the note out, or provide")


def _recipient_of(context: RequestContext, member_id: str, asked: KeptRequest, token: Token) -> Recipient:
    """A holder that took up an offer of ours, as the registrars state it. Raises UnprovedError."""
    found = _find_member(context.keyring, member_id)
    if found is None or found.state is not MemberState.ACTIVE or member_id == context.member_id:
        raise UnprovedError(f"the registrars know no other active member {member_id}")
    if not any(open_groups(context.keyring, {context.member_id, member_id}, context.clock())):
        raise UnprovedError(f"{member_id} shares no open group with us")
    return Recipient(member_id, found.encryption_key, asked.terms.sha256, token.detail_key, to=member_id)


def _find_member(keyring: Keyring, member_id: str) -> MemberStatement | None:
    try:
        return keyring.member(member_id)
    except UnknownStatementError:
        return None


def send_refusal(context: RequestContext, taken: TakenUp, reason: str | None) -> RequestStatus:
    """Refuse for a reason, or answer no trace (None)."""
    return send(context, taken.request.request_id, *draft_refusal(taken, reason))


def draft_refusal(taken: TakenUp, reason: str | None) -> tuple[Recipient, UnsealedAnswer]:
    """A refusal for a reason, or no trace (None). No trace is an answer, and takes the same proof. UnprovedError."""
    if reason is None and taken.doubt is not None and taken.token is not None:
        raise UnprovedError(taken.doubt)
    outcome = RequestOutcome.NO_TRACE if reason is None else RequestOutcome.REFUSED
    return Recipient(taken.request.requester), UnsealedAnswer(outcome, [], reason)


def send(context: RequestContext, request_id: str, recipient: Recipient, said: UnsealedAnswer) -> RequestStatus:
    """Seal, sign and send an answer; it is in the vault before it leaves. Raises RuleRefusedError, RefusedError."""
    body = _signed_body(context, request_id, recipient, said)
    reply = Reply(uuid7(), body, said.outcome.value, said.fields, said.refusal_reason, recipient.to)
    context.records.keep_reply(request_id, reply)
    return _post(context, request_id, reply)


def _post(context: RequestContext, request_id: str, reply: Reply) -> RequestStatus:
    records = context.records
    try:
        standing = context.client.answer(
            request_id, reply.body, records.idempotency_key(f"{request_id}|{reply.attempt}")
        )
    except RefusedError as error:
        if error.is_final:
            records.forget_reply(request_id, reply.to)
        raise
    records.forget_reply(request_id, reply.to)
    records.forget_prepared(request_id, reply.to)
    return standing


def _signed_body(context: RequestContext, request_id: str, recipient: Recipient, said: UnsealedAnswer) -> bytes:
    sealed = None if said.details is None else _seal(context, request_id, recipient, said.details, said.salt)
    message = answer_to_sign(
        request_id=request_id,
        holder=context.member_id,
        requester=recipient.member_id,
        outcome=said.outcome.value,
        fields=said.fields,
        refusal_reason=said.refusal_reason,
        sealed=sealed,
        marking=msgspec.to_builtins(said.marking),
        prepared=msgspec.to_builtins(said.prepared),
    )
    answer = NewAnswer(
        to=recipient.to,
        outcome=said.outcome.value,
        fields=said.fields,
        refusal_reason=said.refusal_reason,
        sealed=sealed,
        marking=said.marking,
        confirmations=list(said.confirmations),
        signature=context.identity.key.sign(message),
        submissions=list(said.submissions),
        prepared=said.prepared,
    )
    return msgspec.json.encode(answer)


def _seal(
    context: RequestContext, request_id: str, recipient: Recipient, details: AnswerDetails, salt: bytes | None
) -> bytes:
    binding = Binding(request_id, context.member_id, recipient.member_id or "", recipient.terms_sha256)
    try:
        return seal_details(encode_details(details, salt), recipient.detail_key, recipient.key, binding)
    except SealingError as error:
        broken = Broken("too-long", "fields", f"{error}: leave out other_columns, or shorten the note")
        raise RuleRefusedError("nothing was sent", [broken]) from error
