"""Information requests as a member may read them. Three readers: the requester, a holder that took the request up, and
one that did not; to everyone else there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from msgspec import to_builtins
from msgspec.structs import asdict

from exchange.kernel.decision import refuse
from exchange.log.acting import UnknownObjectError
from exchange.requests.rules import DISCLOSING, is_offer
from exchange.requests.store import InformationRequest, RequestPart
from schemas.marking import Marking
from schemas.requests.messages import GivenAnswer, ListedRequest, RequestStatus, StatedAnswer, Waiting, WholeRequest
from schemas.terms import Direction, RequestOutcome, RequestState
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.values.message import narrowed


class UnknownRequestError(UnknownObjectError):
    """There is no request of that id that the asker may know of."""

    decision = refuse("unknown-request", "request_id", "there is no such request")


@dataclass(frozen=True, slots=True)
class Reach:
    """What answers may still be read of: submissions whose rows live and overlap with the other side's, the holders'
    and, for each holder, the sender's. Those of `taken_back` were withdrawn, so that the recipient knows why it is not
    given.
    """

    told_by_holders: Set[str] = frozenset()
    told_by_sender: Mapping[str, list[str]] = field(default_factory=dict)
    taken_back: Set[str] = frozenset()

    def has(self, submissions: Set[str], holder: str | None = None) -> bool:
        """Whether all that an answer tells of is there: of the holders, or of the sender to that holder."""
        return submissions <= (self.told_by_holders if holder is None else set(self.told_by_sender.get(holder, ())))


def status_of(info: InformationRequest, part: RequestPart | None = None) -> RequestStatus:
    """What an act answers: the request as its sender sees it, or a holder's part."""
    state = info.state if part is None else part.state
    return RequestStatus(request_id=info.request_id, state=state, due_at=to_rfc3339(info.due_at))


def listed(info: InformationRequest, part: RequestPart | None, kinds: Mapping[str, str]) -> ListedRequest:
    """What a list shows: for a holder all that it may know before it takes the request up. `kinds` by member."""
    terms = info.terms
    return ListedRequest(
        **asdict(status_of(info, part)),
        direction=(Direction.OUTGOING if part is None else Direction.INCOMING).value,
        token=to_base64(info.token),
        requester_kind=kinds.get(info.member_id, ""),
        mode=terms.mode,
        legal_gateway=terms.legal_gateway,
        urgency=terms.urgency,
    )


def for_holder(
    info: InformationRequest, part: RequestPart, kinds: Mapping[str, str], submissions: list[str], reach: Reach
) -> WholeRequest:
    """The request as the holder of a part reads it, but for the event of the reading. `submissions` are those of the
    holder whose live rows overlap with the requester's in an open group. Once it has taken the request up, it reads
    these, and who asks and why, as long as there are any.
    """
    taken_up = part.taken_up_at is not None
    offers = recipient_of(info, part) == part.member_id
    sealed = part.sealed if offers and reach.has(part.submissions, part.member_id) else None
    taken_back = reach.taken_back if offers else frozenset()
    answers = [_answer(info, part, sealed=sealed, is_named=True, taken_back=taken_back)]
    return _whole(
        listed(info, part, kinds),
        info,
        marking=part.marking if submissions else None,
        taken_up=taken_up,
        answers=[] if part.outcome is None else answers,
        submissions=submissions if taken_up else None,
        is_revealed=taken_up and bool(submissions),
    )


def for_requester(
    info: InformationRequest,
    parts: list[RequestPart],
    kinds: Mapping[str, str],
    reach: Reach,
    marking: Marking | None,
) -> WholeRequest:
    """The request as its sender reads it, but for the event of the reading. What was sealed is given within `reach`.
    `marking` is that of what it offers.
    """
    offers = is_offer(info.terms.mode)
    answered = sorted((part for part in parts if part.outcome is not None), key=_order)
    return _whole(
        listed(info, None, kinds),
        info,
        marking=marking if offers else None,
        taken_up=any(part.taken_up_at is not None for part in parts),
        waiting=[
            Waiting(institution=part.member_id, submissions=reach.told_by_sender.get(part.member_id, []))
            for part in parts
            if offers and part.state == RequestState.TAKEN_UP
        ],
        answers=[
            _answer(
                info,
                part,
                sealed=part.sealed if not offers and reach.has(part.submissions) else None,
                is_named=_is_named(part),
                taken_back=reach.taken_back,
            )
            for part in answered
        ],
    )


def _whole(
    head: ListedRequest,
    info: InformationRequest,
    *,
    marking: Marking | None,
    taken_up: bool,
    answers: list[GivenAnswer],
    waiting: list[Waiting] | None = None,
    submissions: list[str] | None = None,
    is_revealed: bool = True,
) -> WholeRequest:
    """`is_revealed`: with who asks and why, which a holder learns by taking the request up, and the requester knows."""
    return WholeRequest(
        **asdict(head),
        requester=info.member_id if is_revealed else None,
        requested_by=info.representative_id if is_revealed else None,
        encryption_key=to_base64(info.encryption_key) if is_revealed else None,
        terms=info.terms if is_revealed else None,
        proof=to_base64(info.proof) if is_revealed else None,
        marking=marking,
        taken_up=taken_up,
        waiting=waiting or [],
        answers=answers,
        submissions=submissions,
        event_id="",
    )


def digest_of_shown(shown: WholeRequest) -> str:
    """The digest (base64) that the log keeps of a request as it was shown: of all but the event of the reading."""
    return to_base64(digest({name: to_builtins(value) for name, value in asdict(shown).items() if name != "event_id"}))


def incoming_view(info: InformationRequest, part: RequestPart, kinds: Mapping[str, str]) -> dict[str, object]:
    """What the log says of a request to a holder that it reaches: what a list shows, but for its state."""
    shown = to_builtins(listed(info, part, kinds))
    return {name: value for name, value in shown.items() if name != "state"}


def request_view(info: InformationRequest) -> dict[str, object]:
    """What the log says of a request to its sender, and to a holder that took it up: the texts as a digest."""
    terms = info.terms
    codes = ("mode", "legal_gateway", "condition", "urgency", "fields", "confirmations")
    return {
        "request_id": info.request_id,
        "requester": info.member_id,
        "requested_by": info.representative_id,
        **{name: getattr(terms, name) for name in codes},
        "terms_sha256": to_base64(terms.sha256),
        "encryption_key_sha256": to_base64(digest(to_base64(info.encryption_key))),
        "due_at": to_rfc3339(info.due_at),
    }


def answer_view(info: InformationRequest, part: RequestPart) -> dict[str, object]:
    """What the log says of an answer to both sides: its details as a digest, of an unnamed one the outcome alone."""
    answer = _answer(info, part, sealed=None, is_named=_is_named(part))
    return {"request_id": part.request_id, **to_builtins(narrowed(answer, StatedAnswer))}


def discloser_of(info: InformationRequest, part: RequestPart) -> str:
    """Who said what the part was answered with."""
    return info.member_id if _is_released(info, part) else part.member_id


def recipient_of(info: InformationRequest, part: RequestPart) -> str:
    """Whom it is for."""
    return part.member_id if _is_released(info, part) else info.member_id


def _is_released(info: InformationRequest, part: RequestPart) -> bool:
    """Whether a sender disclosed to a holder what it had offered."""
    return is_offer(info.terms.mode) and _is_named(part)


def _is_named(part: RequestPart) -> bool:
    return part.outcome in DISCLOSING


def _order(part: RequestPart) -> tuple[bool, str]:
    """Named ones by their names; of the others no order tells who or when: refusals by reason, then no trace."""
    if _is_named(part):
        return False, part.member_id
    return True, part.refusal_reason or "~"


def _answer(
    info: InformationRequest,
    part: RequestPart,
    *,
    sealed: bytes | None,
    is_named: bool,
    taken_back: Set[str] = frozenset(),
) -> GivenAnswer:
    """`is_named`: with who answered and when, and the signature."""
    return GivenAnswer(
        outcome=part.outcome or RequestOutcome.NO_TRACE.value,
        institution=discloser_of(info, part) if is_named else None,
        recipient=recipient_of(info, part) if _is_named(part) else None,
        representative_id=part.answered_by if is_named else None,
        fields=part.fields,
        refusal_reason=part.refusal_reason,
        sealed=None if sealed is None else to_base64(sealed),
        sealed_sha256=None if part.sealed_sha256 is None else to_base64(part.sealed_sha256),
        signature=to_base64(part.signature) if is_named and part.signature is not None else None,
        marking=part.marking if is_named and part.outcome in DISCLOSING else None,
        prepared=part.prepared if is_named else None,
        answered_at=to_rfc3339(part.answered_at) if is_named and part.answered_at is not None else None,
        withdrawn=part.withdrawn_at is not None or bool(part.submissions & taken_back),
    )
