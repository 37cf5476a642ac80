"""Information requests on the wire: what is asked of the holders of an indicator, and what each of them answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from schemas.marking import Marking
from schemas.terms import (
    Direction,
    LegalGateway,
    MemberKind,
    RefusalReason,
    RequestField,
    RequestMode,
    RequestOutcome,
    RequestState,
    Urgency,
)
from schemas.values.canonical import canonical_json, digest
from schemas.values.encoding import to_base64
from schemas.values.message import (
    Code,
    Count,
    Digest,
    DigestText,
    Form,
    Identifier,
    Message,
    OwnId,
    RepresentativeId,
    ShortText,
    Signature,
    SignatureText,
    Time,
    Uuid,
    UuidText,
    WrittenTime,
    one_of,
)

_MAX_CODES = 16
REQUESTS_PAGE = 100
MAX_SUBMISSIONS = 1000
"""Of which an answer tells: a holder has one live row of a token in each group."""
SEALED_SIZES = (4096, 16_384, 65_536)
"""How many bytes a sealed answer has as a whole, encapsulated key and tags included: what is inside is padded, so that
its length says nothing, not even which suite sealed it.
"""

# Empty texts, lists and codes are read here and refused by the rules, so that the refusal is recorded.
Codes = Annotated[list[Code], Count(None, _MAX_CODES)]
FieldCode = Annotated[str, one_of(RequestField)]
Sealed = Annotated[bytes, Form("Padded", *SEALED_SIZES)]
"""What only the receiver can open."""
Texts = list[str] | None | msgspec.UnsetType

ANSWER_DOMAIN = b"exchange-answer-v1\0"
PREPARED_DOMAIN = b"exchange-prepared-answer-v1\0"


def answer_to_sign(
    *,
    request_id: str,
    holder: str,
    requester: str | None,
    outcome: str,
    fields: Sequence[str],
    refusal_reason: str | None,
    sealed: bytes | None,
    marking: Mapping[str, object] | None,
    prepared: Mapping[str, object] | None = None,
) -> bytes:
    """What the authoriser signs (Ed25519): the domain, then canonical JSON. Holder and requester are members' ids, of
    who discloses and who receives: of an offer its sender and the holder that took it up. The requester is null where a
    holder refuses an offer that it has not taken up. `fields` are those disclosed, in the order of the answer,
    `prepared` is that of the answer, with the preparer's signature.
    """
    signed = {
        "request_id": request_id,
        "holder": holder,
        "requester": requester,
        "outcome": outcome,
        "fields": list(fields),
        "refusal_reason": refusal_reason,
        "sealed_sha256": None if sealed is None else to_base64(hashlib.sha256(sealed).digest()),
        "marking": None if marking is None else dict(marking),
        "prepared": None if prepared is None else dict(prepared),
    }
    return ANSWER_DOMAIN + canonical_json(signed)


def prepared_to_sign(
    *,
    request_id: str,
    holder: str,
    requester: str | None,
    outcome: str,
    fields: Sequence[str],
    refusal_reason: str | None,
    details_commitment: bytes | None,
    marking: Mapping[str, object] | None,
    confirmations: Iterable[str],
    submissions: Iterable[str],
    prepared_at: str,
) -> bytes:
    """What whoever prepares an answer for another person to send signs (Ed25519): the domain, then canonical JSON.
    `details_commitment` is HMAC-SHA256 of the details, in canonical JSON, under a salt of 32 bytes that is sealed with
    them: the exchange learns nothing of them by it, and whoever opens them sees that they are those prepared.
    `prepared_at` is the time as it is written on the wire (RFC 3339, UTC).
    """
    signed = {
        "request_id": request_id,
        "holder": holder,
        "requester": requester,
        "outcome": outcome,
        "fields": list(fields),
        "refusal_reason": refusal_reason,
        "details_commitment": None if details_commitment is None else to_base64(details_commitment),
        "marking": None if marking is None else dict(marking),
        "confirmations": sorted(confirmations),
        "submissions": sorted(submissions),
        "prepared_at": prepared_at,
    }
    return PREPARED_DOMAIN + canonical_json(signed)


class PriorNotice(Message, frozen=True):
    """The notice that was given to the NCA before: its reference there, and when it was given."""

    reference: Annotated[str, Form("Text", 64)]
    given_at: WrittenTime


class RequestDraft(Message, frozen=True):
    """What is asked for, or offered, but for the id of the request."""

    hit_id: UuidText
    mode: Code
    legal_gateway: Code
    condition: Code | None
    purpose: ShortText
    necessity: ShortText
    proportionality: ShortText
    fields: Codes
    urgency: Code
    confirmations: Codes
    nca_notice: PriorNotice | None


class RequestTerms(RequestDraft, frozen=True, forbid_unknown_fields=True):
    """What a proof of holding covers: the request as it was sent, but for the proof itself. Its digest covers every
    field, so that terms with a field more are refused, not read without it.
    """

    request_id: OwnId

    @property
    def sha256(self) -> bytes:
        """The digest of the terms, 32 bytes."""
        return digest(msgspec.to_builtins(self))


class NewRequest(RequestTerms, frozen=True):
    """A request to all who hold what the hit is about. The client makes `request_id`, since the proof covers it."""

    proof: Digest


class RequestStatus(Message, frozen=True):
    """How a request stands after a step."""

    request_id: Uuid
    state: Annotated[str, one_of(RequestState)]
    due_at: Time


class Prepared(Message, frozen=True):
    """Who prepared an answer that another person of the same member sends. The commitment goes with `full` and
    `partial`.
    """

    representative_id: RepresentativeId
    signature: Signature
    details_commitment: Digest | None
    prepared_at: WrittenTime


class GivenPrepared(Message, frozen=True):
    """The same as it is read."""

    representative_id: RepresentativeId
    signature: SignatureText
    details_commitment: DigestText | None
    prepared_at: Time


class NewAnswer(Message, frozen=True):
    """A holder's answer, or the release of an offer to the holder `to`. `sealed` and `marking` go with `full` and
    `partial`, a reason with `refused`, and nothing with `no_trace`. The signature is always given: the authoriser's,
    over the answer (docs/wire-format.md). `submissions` names the discloser's own submissions that the details are
    taken from, of those that the request names; it is disclosed to nobody.
    """

    to: Identifier | None
    outcome: Annotated[str, one_of(RequestOutcome)]
    fields: Annotated[list[FieldCode], Count(None, len(RequestField))]
    refusal_reason: Annotated[str, one_of(RefusalReason)] | None
    sealed: Sealed | None
    marking: Marking | None
    confirmations: Codes
    signature: Signature
    submissions: Annotated[list[OwnId], Count(None, MAX_SUBMISSIONS)]
    prepared: Prepared | None


class AnswerDetails(Message, frozen=True, forbid_unknown_fields=True):
    """What is sealed in an answer: the distinct values of all rows, days as `2026-10-01`. A field of which nothing is
    held is null; one that was not agreed to is absent. `prepared_salt` (base64) goes with what was prepared by one
    person for another to send.
    """

    local_reference: Texts = msgspec.UNSET
    reason: Texts = msgspec.UNSET
    first_seen: str | msgspec.UnsetType | None = msgspec.UNSET
    last_seen: str | msgspec.UnsetType | None = msgspec.UNSET
    subject_role: Texts = msgspec.UNSET
    contact: Texts = msgspec.UNSET
    narrative: Texts = msgspec.UNSET
    other_columns: list[dict[str, str]] | msgspec.UnsetType | None = msgspec.UNSET
    note: str | msgspec.UnsetType = msgspec.UNSET
    prepared_salt: str | msgspec.UnsetType = msgspec.UNSET

    def stated(self) -> dict[str, object]:
        """The fields that are not absent, as they are written on the wire."""
        stated: dict[str, object] = msgspec.to_builtins(self)
        return stated


NO_DETAILS = AnswerDetails()


class StatedAnswer(Message, frozen=True):
    """What the log states of an answer to both sides. Which `institution` tells which `recipient` is said with `full`
    and `partial` alone.
    """

    outcome: Annotated[str, one_of(RequestOutcome)]
    institution: Identifier | None
    recipient: Identifier | None
    representative_id: RepresentativeId | None
    fields: list[FieldCode]
    refusal_reason: Annotated[str, one_of(RefusalReason)] | None
    sealed_sha256: DigestText | None
    signature: SignatureText | None
    prepared: GivenPrepared | None
    answered_at: Time | None


class GivenAnswer(StatedAnswer, frozen=True):
    """An answer as either side reads it. The marking is the one that the signature covers."""

    sealed: Annotated[str, msgspec.Meta(description="base64; null once purged, withdrawn or out of reach")] | None
    marking: Marking | None
    withdrawn: Annotated[bool, msgspec.Meta(description="the holder has taken back a row that the answer discloses")]


class ListedRequest(RequestStatus, frozen=True):
    """One request of a list. `token` (base64) finds the reader's own row. Of an incoming request that is not taken up
    this is all that a holder sees.
    """

    direction: Annotated[str, one_of(Direction)]
    token: DigestText
    requester_kind: Annotated[str, one_of(MemberKind)]
    mode: Annotated[str, one_of(RequestMode)]
    legal_gateway: Annotated[str, one_of(LegalGateway)]
    urgency: Annotated[str, one_of(Urgency)]


class Waiting(Message, frozen=True):
    """A holder that took up an offer, and those of the sender's submissions that may be disclosed to it."""

    institution: Identifier
    submissions: list[Uuid]


class WholeRequest(ListedRequest, frozen=True):
    """A request as one member may read it. To a holder who has not taken it up, `requester`, `encryption_key`, `terms`,
    `proof` and `marking` are null; `answers` are the requester's to read, and of a holder its own, or what it received.
    `submissions` names, to a holder that has taken it up, those of its own submissions whose live rows the request is
    about: those in groups in which the requester holds it too. `waiting` are those that took up an offer of the
    reader's and were not disclosed yet.
    """

    requester: Identifier | None
    requested_by: RepresentativeId | None
    encryption_key: Annotated[str, msgspec.Meta(description="base64")] | None
    terms: RequestTerms | None
    proof: DigestText | None
    marking: Marking | None
    taken_up: Annotated[
        bool, msgspec.Meta(description="whether any holder has taken it up, of one's own: whether oneself has")
    ]
    waiting: list[Waiting]
    answers: list[GivenAnswer]
    submissions: list[Uuid] | None
    event_id: Uuid


class RequestsQuery(Message, frozen=True):
    """Which requests, and where to go on."""

    direction: Annotated[str, one_of(Direction)] | None = None
    state: Annotated[str, one_of(RequestState)] | None = None
    cursor: UuidText | None = None
    limit: Annotated[int, Form("QueryInteger", 1, REQUESTS_PAGE)] = REQUESTS_PAGE


class RequestsPage(Message, frozen=True):
    """One page of requests, and the log's event of this reading."""

    requests: list[ListedRequest]
    next: str | None
    event_id: Uuid
