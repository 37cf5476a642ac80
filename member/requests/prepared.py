"""Four eyes inside one's own institution: one person prepares what another sends.

Rules, in order:
1. What is prepared is looked at as an answer is: the request is proved, the rows may be shown, the fields were asked
   for. Its preparer signs all of it, for this request alone; the details by a commitment, so that the exchange can
   check the signature and learns nothing of them.
2. Another person sends it: with another id and another key, by the registrars' statements.
3. What is sent is what was prepared, and what would be prepared today: what has changed since is prepared anew, and so
   is what was prepared a week ago.
4. Whoever sends has seen it: at a terminal it is shown, elsewhere it is named by its digest.
5. What is not sent is dropped: when the request has ended or was answered otherwise, and when it is too old.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import replace

import msgspec

from keys.signatures.ed25519 import SignatureError, verify_signature
from keys.statements.keyring import RepresentativeState
from member.errors import MemberError
from member.inputs import InputError
from member.next_steps import Act, Next
from member.requests.answering import (
    AgreedDisclosure,
    Recipient,
    TakenUp,
    UnsealedAnswer,
    draft_disclosure,
    draft_refusal,
    send,
)
from member.requests.asking import RequestContext
from member.requests.details import SALT_BYTES, commit_to
from member.requests.refusal import Broken, RuleRefusedError
from member.vault.requests import PreparedAnswer
from schemas.requests.messages import Prepared, RequestStatus, prepared_to_sign
from schemas.requests.prepared import PREPARED_DAYS, is_timely
from schemas.terms import RequestOutcome
from schemas.values.encoding import from_rfc3339, to_rfc3339


def prepare(context: RequestContext, request_id: str, recipient: Recipient, said: UnsealedAnswer) -> PreparedAnswer:
    """Keep an answer, signed by its preparer, for another person to send."""
    salt = None if said.details is None else os.urandom(SALT_BYTES)
    unsigned = PreparedAnswer(
        request_id=request_id,
        to=recipient.to,
        requester=recipient.member_id,
        prepared_by=context.identity.key_id,
        outcome=said.outcome.value,
        fields=list(said.fields),
        refusal_reason=said.refusal_reason,
        details=said.details,
        marking=said.marking,
        confirmations=sorted(said.confirmations),
        submissions=sorted(said.submissions),
        salt=salt,
        signature=b"",
        prepared_at=to_rfc3339(context.clock()),
    )
    signature = context.identity.key.sign(_signed(context.member_id, unsigned))
    prepared = msgspec.structs.replace(unsigned, signature=signature)
    context.records.keep_prepared(prepared)
    return prepared


def find_prepared(context: RequestContext, request_id: str, to: str | None = None) -> PreparedAnswer:
    """What another person of ours prepared. MemberError for nothing; RuleRefusedError for what this person prepared, or
    what was changed since.
    """
    prepared = context.records.prepared(request_id, to)
    if prepared is None or (prepared.request_id, prepared.to) != (request_id, to):
        raise MemberError("nobody has prepared an answer to it", slug="not_prepared", then=Next(Act.PREPARE_ANSWER))
    broken = _what_bars(context, prepared)
    if broken is not None:
        raise RuleRefusedError("nothing was sent", [broken])
    return prepared


def _what_bars(context: RequestContext, prepared: PreparedAnswer) -> Broken | None:
    if not is_timely(from_rfc3339(prepared.prepared_at), context.clock()):
        return Broken("prepared-too-old", "prepared", f"after {PREPARED_DAYS} days it is prepared anew")
    people = {each.representative_id: each for each in context.keyring.member(context.member_id).representatives}
    preparer = people.get(prepared.prepared_by)
    if preparer is None or preparer.state is not RepresentativeState.ACTIVE:
        return Broken(
            "preparer", "prepared", "whoever prepared it is not an active representative of ours: prepare it anew"
        )
    if prepared.prepared_by == context.identity.key_id or preparer.public_key == context.identity.key.public_bytes:
        return Broken("same-preparer", "representative", "another person than prepared it sends it")
    try:
        verify_signature(preparer.public_key, _signed(context.member_id, prepared), prepared.signature)
    except SignatureError:
        return Broken("preparers-signature", "prepared", "it was changed since it was prepared: prepare it anew")
    return None


def prepared_digest(member_id: str, prepared: PreparedAnswer) -> str:
    """What tells one prepared answer from another: SHA-256, 64 hexadecimal digits, of what its preparer signed. It says
    nothing of the details to whoever has not the salt.
    """
    return hashlib.sha256(_signed(member_id, prepared)).hexdigest()


def check_digests(member_id: str, prepared: Sequence[PreparedAnswer], digests: Collection[str]) -> None:
    """InputError unless whoever sends without looking at the screen names each by its digest, and no other."""
    found = {prepared_digest(member_id, one) for one in prepared}
    if not digests:
        raise InputError("digests", "what was prepared was not shown to you", "the digest of what you have read")
    if found != set(digests):
        raise MemberError("something else was prepared than what you name", "read it again", slug="other_digest")


def send_prepared(context: RequestContext, taken: TakenUp, prepared: PreparedAnswer) -> RequestStatus:
    """Send an answer that another person prepared. Raises RuleRefusedError, UnprovedError, RefusedError."""
    recipient = Recipient(taken.request.requester)
    if prepared.details is not None:
        recipient, today = draft_disclosure(context, taken, AgreedDisclosure(prepared.fields, _note_of(prepared)))
        check_unchanged(prepared, today)
    elif prepared.outcome == RequestOutcome.NO_TRACE:
        recipient, _ = draft_refusal(taken, None)
    return send_as_prepared(context, prepared, recipient)


def send_as_prepared(context: RequestContext, prepared: PreparedAnswer, recipient: Recipient) -> RequestStatus:
    """Seal and send it to that recipient, with both signatures."""
    if recipient.member_id != prepared.requester:
        changed = Broken("prepared-for-another", "prepared", "it was prepared for another recipient: prepare it anew")
        raise RuleRefusedError("nothing was sent", [changed])
    return send(context, prepared.request_id, recipient, _said(prepared))


def check_unchanged(prepared: PreparedAnswer, today: UnsealedAnswer) -> None:
    """Rule 3. RuleRefusedError if rows were added or taken back, or marked otherwise, since it was prepared."""
    same = (sorted(today.submissions), today.marking) == (prepared.submissions, prepared.marking)
    if not same:
        changed = Broken("rows-changed", "prepared", "the rows have changed since it was prepared: prepare it anew")
        raise RuleRefusedError("nothing was sent", [changed])


def _note_of(prepared: PreparedAnswer) -> str:
    return "" if prepared.details is None else prepared.details.note or ""


def _said(prepared: PreparedAnswer) -> UnsealedAnswer:
    fixed = _commitment(prepared)
    by = Prepared(
        representative_id=prepared.prepared_by,
        signature=prepared.signature,
        details_commitment=fixed,
        prepared_at=prepared.prepared_at,
    )
    said = UnsealedAnswer(RequestOutcome(prepared.outcome), prepared.fields, prepared.refusal_reason)
    return replace(
        said,
        details=prepared.details,
        marking=prepared.marking,
        confirmations=prepared.confirmations,
        submissions=prepared.submissions,
        prepared=by,
        salt=prepared.salt,
    )


def _commitment(prepared: PreparedAnswer) -> bytes | None:
    return None if prepared.details is None or prepared.salt is None else commit_to(prepared.details, prepared.salt)


def _signed(member_id: str, prepared: PreparedAnswer) -> bytes:
    return prepared_to_sign(
        request_id=prepared.request_id,
        holder=member_id,
        requester=prepared.requester,
        outcome=prepared.outcome,
        fields=prepared.fields,
        refusal_reason=prepared.refusal_reason,
        details_commitment=_commitment(prepared),
        marking=msgspec.to_builtins(prepared.marking),
        confirmations=prepared.confirmations,
        submissions=prepared.submissions,
        prepared_at=prepared.prepared_at,
    )
