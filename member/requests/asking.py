"""Asking the holders of an indicator for more, or offering them more, and reading what is disclosed in answer.

A request leaves by these rules, in order:
1. It is about a hit of our own, whose token and detail key lie in our vault.
2. All that its gateway requires is there; what is missing is named, at once and in full, before anything is sent.
3. No text of it speaks of a suspicious activity report.
4. The terms are in the vault before they leave, with a proof that we hold the identifier.

What is disclosed, in answer to our request or of an offer that we took up, is shown by these rules, in order:
1. Who tells it is a member that the registrars signed, and another than we; of an offer, its sender.
2. An active authoriser of that member signed it, with the key that the registrars state, for this very request and with
   the marking that is shown; of an offer, another person than the one who made it. Where that member's statement asks
   for four eyes, another active person of it prepared it, and what opens is what was prepared.
3. It opens with our encryption key and the identifier's detail key, bound to the terms as we sent them or took them up.
4. Its details have the fields that it names. What is opened is kept in the vault.
5. One that its holder has taken back is shown as that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import msgspec

from keys.oprf.tokens import Token
from keys.sealing.holding import HoldingClaim, prove_holding
from keys.sealing.hybrid import Binding, EncryptionKey, SealingError, open_details
from keys.signatures.ed25519 import SignatureError, verify_signature
from keys.statements.keyring import Keyring, MemberState, RepresentativeState, UnknownStatementError
from keys.statements.types import MemberStatement, StatedRepresentative
from member.errors import AnswerError, HomeError, MemberError, RefusedError
from member.identity.enrolment import ENCRYPTION_SECRET
from member.next_steps import Act, Next
from member.requests.client import ReadRequest, RequestClient, read_bytes
from member.requests.details import check_texts, read_details
from member.requests.log import RequestLog
from member.requests.refusal import Broken, RuleRefusedError
from member.transport.channel import Identity, shown_token
from member.transport.exchange_client import ExchangeClient
from member.vault.hits import ShownHits
from member.vault.requests import KeptRequest, OpenedAnswer, RequestRecords
from member.vault.rows import VaultRows
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.requests.gateways import Gateway
from schemas.requests.messages import (
    NO_DETAILS,
    AnswerDetails,
    GivenAnswer,
    ListedRequest,
    NewRequest,
    RequestDraft,
    RequestStatus,
    RequestTerms,
    answer_to_sign,
)
from schemas.requests.prepared import PREPARED_DAYS, is_timely
from schemas.terms import OFFERS, Direction, FourEyes, RequestOutcome, RequestState, Role
from schemas.values.encoding import from_rfc3339, to_base64, to_rfc3339
from schemas.values.identifiers import uuid7

_IN_USE = 409
_TEXTS = ("purpose", "necessity", "proportionality")


@dataclass(frozen=True)
class RequestContext:
    """What asking and answering work with. `keyring` is what the registrars say at present, `origin` names
    the log that this member follows.
    """

    member_id: str
    identity: Identity
    vault: Vault
    keyring: Keyring
    exchange: ExchangeClient
    client: RequestClient
    clock: Callable[[], datetime]
    origin: str

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative. What was prepared too long ago is dropped."""
        identity, keyring = workplace.identity, workplace.keyring
        clock, vault, member_id = workplace.around.clock, workplace.vault, workplace.home.member_id
        origin = workplace.log_origin(keyring)
        RequestRecords(vault).forget_prepared_before(clock() - timedelta(days=PREPARED_DAYS))
        client = RequestClient.at(workplace)
        return cls(member_id, identity, vault, keyring, workplace.exchange, client, clock, origin)

    @property
    def records(self) -> RequestRecords:
        """The vault's records of requests."""
        return RequestRecords(self.vault)

    @property
    def log(self) -> RequestLog:
        """What was shown of requests, until the log is verified."""
        return RequestLog(self.vault, self.origin)

    def read(self, request_id: str) -> ReadRequest:
        """One request; the reading is kept, to be held against the log."""
        shown = self.client.read(request_id)
        self.log.keep(shown.event_id, "shown_sha256", shown.shown_sha256)
        if _is_over(shown):
            self.records.forget_prepared_of(request_id)
        if shown.direction == Direction.OUTGOING:
            answers = msgspec.to_builtins(shown.answers)
            self.log.keep_answers(shown.event_id, request_id, answers)
        return shown

    def take_up(self, request_id: str) -> ReadRequest:
        """Take up a request to us; its terms are kept, to be held against the log."""
        shown = self.client.take_up(request_id)
        self.log.keep(shown.event_id, "terms_sha256", "" if shown.terms is None else to_base64(shown.terms.sha256))
        return shown

    def every_request(self, **wanted: str | None) -> Iterator[ListedRequest]:
        """Every request of ours and to us; each page is kept, to be held against the log."""
        prepared = self.records.prepared_ids()
        for page in self.client.pages(**wanted):
            self.log.keep(page.event_id, "shown_sha256", page.shown_sha256)
            for over in (one.request_id for one in page.requests if one.request_id in prepared and _is_over(one)):
                self.records.forget_prepared_of(over)
            yield from page.requests

    def encryption_key(self) -> EncryptionKey:
        """Our private encryption key. HomeError unless it is the one that the registrars state."""
        secret = self.vault.get("secret", ENCRYPTION_SECRET)
        if secret is None:
            raise HomeError("this vault has no encryption key", "restore it from a backup")
        key = EncryptionKey(secret)
        if key.public_bytes != self.keyring.member(self.member_id).encryption_key:
            raise HomeError("the registrars state another encryption key than this vault holds", "tell the registrars")
        return key


@dataclass(frozen=True)
class ReadAnswer:
    """An answer as it is shown: opened details, or why it cannot be believed. Of one that was taken back the details
    are those that were opened before, if any.
    """

    given: GivenAnswer
    details: AnswerDetails = NO_DETAILS
    fault: str | None = None

    @property
    def is_withdrawn(self) -> bool:
        """Whether its holder has taken back what it tells."""
        return self.given.withdrawn

    @property
    def is_given_out(self) -> bool:
        """Whether the exchange still gives it out: not once it is taken back, out of reach, or long over."""
        return self.given.sealed is not None


def _is_over(request: ListedRequest) -> bool:
    """Whether we tell nothing more of it: an offer may be released to others after the first."""
    ended = {RequestState.LAPSED, RequestState.CANCELLED}
    return request.state in (ended if request.direction == Direction.OUTGOING else ended | {RequestState.ANSWERED})


def ask(context: RequestContext, draft: RequestDraft) -> RequestStatus:
    """Ask the holders of what a hit is about. A draft without a condition takes the one that goes with its mode. Raises
    RuleRefusedError, RefusedError, AnswerError.
    """
    token = own_token(context, draft.hit_id)
    gateway = context.client.gateways().get(draft.legal_gateway)
    broken = list(what_is_missing(draft, gateway))
    if broken or gateway is None:
        raise RuleRefusedError("nothing was sent", broken)
    noticed_id = context.records.noticed_id(draft.hit_id, draft.legal_gateway) if draft.nca_notice else None
    said = msgspec.structs.asdict(msgspec.structs.replace(draft, condition=_condition(draft, gateway)))
    encryption_key = context.encryption_key().public_bytes

    def make() -> NewRequest:
        terms = RequestTerms(**said, request_id=noticed_id or uuid7())
        claim = HoldingClaim(terms.request_id, context.member_id, encryption_key, msgspec.to_builtins(terms))
        asked_at = to_rfc3339(context.clock())
        asked = KeptRequest(terms.request_id, terms.hit_id, token.token, terms, asked_at, context.identity.key_id)
        context.records.keep_asked(asked)
        return NewRequest(**msgspec.structs.asdict(terms), proof=prove_holding(token.detail_key, claim))

    standing = _ask(context, noticed_id, lambda: context.client.ask(msgspec.to_builtins(said), make))
    asked = context.records.asked(standing.request_id)
    if asked is None or asked.terms != RequestTerms(**said, request_id=standing.request_id):
        raise AnswerError("the exchange answered for another request than was asked")
    context.records.forget_notice(draft.hit_id, draft.legal_gateway)
    return standing


def _ask(context: RequestContext, noticed_id: str | None, send: Callable[[], RequestStatus]) -> RequestStatus:
    """Send a request. One that is refused was not made, and leaves the id that a notice names to the next; one whose id
    is in use was.
    """
    try:
        return send()
    except RefusedError as error:
        if noticed_id is not None and error.is_final and error.status != _IN_USE:
            context.records.forget_asked(noticed_id)
        raise


def own_token(context: RequestContext, hit_id: str) -> Token:
    """The token and detail key behind one of our hits. MemberError for a hit that is not ours, or no longer there."""
    shown = ShownHits(context.vault).find(hit_id)
    if shown is None:
        found = next((hit for hit in context.exchange.hits() if hit.hit_id == hit_id), None)
        if found is None:
            raise MemberError(f"there is no hit {hit_id} of ours", slug="unknown_hit", then=Next(Act.LIST_HITS))
        shown = found
    token = VaultRows(context.vault).find_token(read_bytes(shown.token, "a hit's token", 32))
    if token is None:
        hint = "the row may be another machine's: ask from the home that submitted it"
        raise MemberError("this vault does not hold the row behind the hit", hint, slug="unknown_row")
    return token


def what_is_missing(draft: RequestDraft, gateway: Gateway | None) -> list[Broken]:
    """Every rule of the gateway that the request does not keep, as far as that shows at home."""
    if gateway is None:
        return [Broken("no-gateway", "legal_gateway", "name one of the legal gateways")]
    questions = {statement.field: statement.question for statement in gateway.statements}
    broken = [
        Broken(f"no-{name}", name, questions.get(name, "say it in a sentence"))
        for name in _TEXTS
        if not getattr(draft, name).strip()
    ]
    if draft.mode not in gateway.modes:
        broken.append(Broken("gateway-mode", "mode", f"{gateway.citation}: one of {', '.join(gateway.modes)}"))
    notice = gateway.prior_notice
    if notice is not None and draft.nca_notice is None:
        said = f"{gateway.citation}: first notify {notice.addressee}, then give its reference and when it was given"
        broken.append(Broken("no-prior-notice", "nca_notice", said))
    if draft.mode in OFFERS:
        broken += _unconfirmed(draft, gateway)
    return broken + check_texts((name, getattr(draft, name)) for name in _TEXTS)


def _unconfirmed(draft: RequestDraft, gateway: Gateway) -> list[Broken]:
    """Who offers discloses, and confirms what the gateway requires of that."""
    condition = _condition(draft, gateway)
    return [
        Broken("no-confirmation", "confirmations", f"{one.question} confirm {' or '.join(one.codes)}")
        for one in gateway.confirmations
        if one.condition in (None, condition) and not set(one.codes) & set(draft.confirmations)
    ]


def _condition(draft: RequestDraft, gateway: Gateway) -> str | None:
    """What was said, else the one condition that goes with the mode."""
    if draft.condition is not None:
        return draft.condition
    return next((one.condition for one in gateway.conditions if one.mode == draft.mode), None)


def read_answers(context: RequestContext, request: ReadRequest) -> list[ReadAnswer]:
    """The answers to a request of our own, or what an offer to us disclosed, opened. What cannot be believed is
    reported as that, beside the others.
    """
    is_own = request.direction == Direction.OUTGOING
    asked = context.records.asked(request.request_id) if is_own else _taken_up(request)
    mode = asked.terms.mode if is_own and asked is not None else request.mode
    is_told = is_own != (mode in OFFERS)
    return [
        _read_answer(context, asked, answer) if is_told else _own_answer(context, answer) for answer in request.answers
    ]


def _taken_up(request: ReadRequest) -> KeptRequest | None:
    """An offer as it was taken up: what was sealed opens under its very terms alone."""
    if request.terms is None or request.requester is None or request.requested_by is None:
        return None
    return KeptRequest(
        request.request_id, "", shown_token(request.token), request.terms, "", offered_by=request.requested_by
    )


_DISCLOSING = (RequestOutcome.FULL, RequestOutcome.PARTIAL)


def _own_answer(context: RequestContext, answer: GivenAnswer) -> ReadAnswer:
    is_ours = answer.institution == (context.member_id if answer.outcome in _DISCLOSING else None)
    return ReadAnswer(answer, fault=None if is_ours else "it is said to be another's than ours")


def _read_answer(context: RequestContext, asked: KeptRequest | None, answer: GivenAnswer) -> ReadAnswer:
    if answer.outcome not in _DISCLOSING:
        is_unnamed = (answer.institution, answer.recipient, answer.representative_id, answer.sealed) == (None,) * 4
        is_known = answer.outcome in (RequestOutcome.NO_TRACE, RequestOutcome.REFUSED)
        return ReadAnswer(
            answer, fault=None if is_known and is_unnamed else "nobody signed that it is of whom it names"
        )
    if asked is None:
        return ReadAnswer(answer, fault="this vault did not ask, and cannot open it")
    try:
        return ReadAnswer(answer, _open(context, asked, answer))
    except (AnswerError, SignatureError, SealingError) as error:
        return ReadAnswer(answer, fault=str(error))


def _open(context: RequestContext, asked: KeptRequest, answer: GivenAnswer) -> AnswerDetails:
    institution = answer.institution or ""
    kept, marking = context.records.opened(asked.request_id, institution), answer.marking
    if kept is not None:
        shown = (answer.outcome, answer.fields, answer.sealed_sha256, marking)
        if shown != (kept.outcome, kept.fields, kept.sealed_sha256, kept.marking):
            raise AnswerError("it is another answer than this member gave before")
        return kept.details
    if answer.withdrawn:
        return NO_DETAILS
    if answer.sealed is None:
        raise AnswerError("it is no longer given out, and was not opened here before")
    sealed = read_bytes(answer.sealed, "a sealed answer")
    _verify_signature(context, asked, answer, sealed)
    token = VaultRows(context.vault).find_token(asked.token)
    if token is None:
        raise AnswerError("the row that was asked about is gone from this vault")
    binding = Binding(asked.request_id, institution, context.member_id, asked.terms.sha256)
    payload = open_details(sealed, token.detail_key, context.encryption_key(), binding)
    fixed = None if answer.prepared is None else answer.prepared.details_commitment
    details = read_details(payload, answer.fields, None if fixed is None else read_bytes(fixed, "a commitment", 32))
    sealed_sha256 = to_base64(hashlib.sha256(sealed).digest())
    opened = OpenedAnswer(
        asked.request_id, institution, answer.outcome, answer.fields, sealed_sha256, details, context.origin, marking
    )
    context.records.keep_opened(opened)
    return details


def _verify_signature(context: RequestContext, asked: KeptRequest, answer: GivenAnswer, sealed: bytes) -> None:
    """Rules 1 and 2. Raises AnswerError, SignatureError."""
    if answer.institution == context.member_id or answer.recipient != context.member_id:
        raise AnswerError("nobody answers its own request, nor to another than its recipient")
    try:
        holder, person = _as_stated(context, answer)
    except UnknownStatementError:
        raise AnswerError("the registrars know nobody who could have answered so") from None
    if holder.member_id != answer.institution or holder.state is not MemberState.ACTIVE:
        raise AnswerError("who signed it is not of an active member that answers")
    if person.state is not RepresentativeState.ACTIVE or Role.AUTHORISER not in person.roles:
        raise AnswerError("who signed it is not an active authoriser")
    if asked.offered_by is not None:
        _check_two_people(context, asked.offered_by, holder, person)
    own = context.keyring.member(context.member_id).representatives
    if person.public_key in {each.public_key for each in own}:
        raise AnswerError("it is signed with a key of our own")
    message = answer_to_sign(
        request_id=asked.request_id,
        holder=holder.member_id,
        requester=context.member_id,
        outcome=answer.outcome,
        fields=answer.fields,
        refusal_reason=answer.refusal_reason,
        sealed=sealed,
        marking=msgspec.to_builtins(answer.marking),
        prepared=msgspec.to_builtins(answer.prepared),
    )
    _check_prepared(answer, holder, person)
    verify_signature(person.public_key, message, read_bytes(answer.signature, "a signature", 64))


def _check_prepared(answer: GivenAnswer, holder: MemberStatement, sender: StatedRepresentative) -> None:
    """Rule 2: two people of the holder, where its statement asks for them. What the preparer signed covers what the
    exchange alone sees besides: the exchange has checked it, and the sender's signature covers the preparer's. Raises
    AnswerError.
    """
    if answer.prepared is None:
        if FourEyes.ANSWERS in holder.four_eyes:
            raise AnswerError("nobody prepared it, and its holder's statement asks for two people")
        return
    people = {each.representative_id: each for each in holder.representatives}
    preparer = people.get(answer.prepared.representative_id)
    if preparer is None or preparer.state is not RepresentativeState.ACTIVE:
        raise AnswerError("whoever prepared it is not an active person of its holder")
    if preparer.representative_id == sender.representative_id or preparer.public_key == sender.public_key:
        raise AnswerError("one person prepared it and sent it")
    if (answer.prepared.details_commitment is None) != (answer.sealed is None):
        raise AnswerError("it does not say what was prepared")
    if not is_timely(_moment(answer.prepared.prepared_at), _moment(answer.answered_at)):
        raise AnswerError("it was sent too long after it was prepared, or before")


def _as_stated(context: RequestContext, answer: GivenAnswer) -> tuple[MemberStatement, StatedRepresentative]:
    """Who signed it, by what the registrars had stated when it was sent: what they state later (that somebody has left,
    that answers take two people) makes no earlier answer wrong. The log states the time too. UnknownStatementError.
    """
    key_id = answer.representative_id or ""
    held = context.keyring.member_at(key_id.partition("/")[0], _moment(answer.answered_at))
    for person in held.representatives:
        if person.representative_id == key_id:
            return held, person
    raise UnknownStatementError


def _moment(written: str | None) -> datetime:
    try:
        return from_rfc3339(written or "")
    except ValueError as error:
        raise AnswerError("the exchange showed an answer without a proper time") from error


def _check_two_people(
    context: RequestContext, offered_by: str, sender: MemberStatement, person: StatedRepresentative
) -> None:
    """Of an offer: its sender tells it, by another person than made it. Raises AnswerError."""
    try:
        offering, maker = context.keyring.representative(offered_by)
    except UnknownStatementError:
        raise AnswerError("the registrars know nobody who could have offered it") from None
    if offering.member_id != sender.member_id:
        raise AnswerError("it was disclosed by another than offered it")
    if person.representative_id == maker.representative_id or person.public_key == maker.public_key:
        raise AnswerError("one person offered it and released it")
