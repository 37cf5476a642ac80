"""Information requests in the vault: what we asked under which terms, the answers as they were opened, and the answer
that we are giving, until the exchange has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from member.errors import MemberError
from member.vault.store import Vault
from schemas.marking import Marking
from schemas.requests.messages import AnswerDetails, RequestTerms
from schemas.values.encoding import from_rfc3339

_ASKED, _OPENED, _REPLY, _NOTICE = "request", "request_answer", "request_reply", "request_notice"
_PREPARED = "answer_draft"


class KeptRequest(msgspec.Struct, frozen=True):
    """A request of our own, kept before it leaves: its terms are what its answers are bound to. `asked_by` is the
    person of ours who made it. `offered_by` is who made an offer that we took up; it is not kept.
    """

    request_id: str
    hit_id: str
    token: bytes
    terms: RequestTerms
    asked_at: str
    asked_by: str | None = None
    offered_by: str | None = None


class OpenedAnswer(msgspec.Struct, frozen=True):
    """An answer that was verified and opened, under the log of `origin`; it stays readable when the exchange has purged
    what was sealed.
    """

    request_id: str
    institution: str
    outcome: str
    fields: list[str]
    sealed_sha256: str
    details: AnswerDetails
    origin: str
    marking: Marking | None = None


class Reply(msgspec.Struct, frozen=True):
    """An answer of ours on its way: the body as it leaves, and what it says, for the person who gives it again. `to` is
    the holder to which an offer of ours is released.
    """

    attempt: str
    body: bytes
    outcome: str
    fields: list[str]
    refusal_reason: str | None
    to: str | None = None


class PreparedAnswer(msgspec.Struct, frozen=True):
    """An answer, or the release of an offer to the holder `to`, that one person prepared for another to send: all that
    is disclosed, in the clear, and the preparer's signature over it. `salt` goes with details.
    """

    request_id: str
    to: str | None
    requester: str | None
    prepared_by: str
    outcome: str
    fields: list[str]
    refusal_reason: str | None
    details: AnswerDetails | None
    marking: Marking | None
    confirmations: list[str]
    submissions: list[str]
    salt: bytes | None
    signature: bytes
    prepared_at: str


class RequestRecords:
    """The request records of an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def keep_asked(self, asked: KeptRequest) -> None:
        """Keep a request of our own, before it leaves. Inside a transaction of the caller. MemberError for an id that
        other terms were sent under: its answers are bound to those.
        """
        before = self.asked(asked.request_id)
        if before is not None and before.terms != asked.terms:
            raise MemberError(f"other terms were sent as request {asked.request_id}", "ask anew", slug="id_in_use")
        self._vault.put(_ASKED, asked.request_id.encode(), msgspec.msgpack.encode(asked))

    def forget_asked(self, request_id: str) -> None:
        """The request was refused: nothing can come of it."""
        with self._vault.transaction():
            self._vault.delete(_ASKED, request_id.encode())

    def asked(self, request_id: str) -> KeptRequest | None:
        """A request of our own; None for one that this vault did not ask."""
        payload = self._vault.get(_ASKED, request_id.encode())
        return None if payload is None else msgspec.msgpack.decode(payload, type=KeptRequest)

    def keep_opened(self, answer: OpenedAnswer) -> None:
        """Keep an answer as it was opened."""
        with self._vault.transaction():
            name = f"{answer.request_id}|{answer.institution}".encode()
            self._vault.put(_OPENED, name, msgspec.msgpack.encode(answer))

    def opened(self, request_id: str, institution: str) -> OpenedAnswer | None:
        """An answer that was opened before."""
        payload = self._vault.get(_OPENED, f"{request_id}|{institution}".encode())
        return None if payload is None else msgspec.msgpack.decode(payload, type=OpenedAnswer)

    def opened_under(self, origin: str) -> Iterator[OpenedAnswer]:
        """All answers that were opened under the log of an origin."""
        kept = (msgspec.msgpack.decode(payload, type=OpenedAnswer) for payload in self._vault.all(_OPENED))
        return (answer for answer in kept if answer.origin == origin)

    def keep_reply(self, request_id: str, reply: Reply) -> None:
        """Keep an answer of ours, before it leaves."""
        with self._vault.transaction():
            self._vault.put(_REPLY, _reply_name(request_id, reply.to), msgspec.msgpack.encode(reply))

    def reply(self, request_id: str, to: str | None = None) -> Reply | None:
        """The answer of ours, or the release to a holder, whose arrival is not certain yet."""
        payload = self._vault.get(_REPLY, _reply_name(request_id, to))
        return None if payload is None else msgspec.msgpack.decode(payload, type=Reply)

    def forget_reply(self, request_id: str, to: str | None = None) -> None:
        """The exchange has the answer, or has refused it."""
        with self._vault.transaction():
            self._vault.delete(_REPLY, _reply_name(request_id, to))

    def keep_prepared(self, prepared: PreparedAnswer) -> None:
        """Keep what was prepared, in place of what was prepared before."""
        with self._vault.transaction():
            name = _reply_name(prepared.request_id, prepared.to)
            self._vault.put(_PREPARED, name, msgspec.msgpack.encode(prepared))

    def prepared(self, request_id: str, to: str | None = None) -> PreparedAnswer | None:
        """What was prepared, and not sent yet."""
        payload = self._vault.get(_PREPARED, _reply_name(request_id, to))
        return None if payload is None else msgspec.msgpack.decode(payload, type=PreparedAnswer)

    def forget_prepared(self, request_id: str, to: str | None = None) -> None:
        """It was sent."""
        with self._vault.transaction():
            self._vault.delete(_PREPARED, _reply_name(request_id, to))

    def prepared_ids(self) -> set[str]:
        """The requests for which something is prepared."""
        return {one.request_id for one in self._every_prepared()}

    def forget_prepared_of(self, request_id: str) -> None:
        """The request has ended: nothing of it is sent any more."""
        self._forget([one for one in self._every_prepared() if one.request_id == request_id])

    def forget_prepared_before(self, moment: datetime) -> None:
        """What was prepared earlier is too old to be sent."""
        self._forget([one for one in self._every_prepared() if from_rfc3339(one.prepared_at) < moment])

    def _every_prepared(self) -> Iterator[PreparedAnswer]:
        return (msgspec.msgpack.decode(each, type=PreparedAnswer) for each in self._vault.all(_PREPARED))

    def _forget(self, prepared: Sequence[PreparedAnswer]) -> None:
        if prepared:
            with self._vault.transaction():
                for one in prepared:
                    self._vault.delete(_PREPARED, _reply_name(one.request_id, one.to))

    def keep_notice(self, hit_id: str, legal_gateway: str, request_id: str) -> None:
        """Keep the id that a drafted notice names, for the request that follows it."""
        with self._vault.transaction():
            self._vault.put(_NOTICE, f"{hit_id}|{legal_gateway}".encode(), request_id.encode())

    def forget_notice(self, hit_id: str, legal_gateway: str) -> None:
        """The request that the notice named has been made: another one requires another notice."""
        with self._vault.transaction():
            self._vault.delete(_NOTICE, f"{hit_id}|{legal_gateway}".encode())

    def noticed_id(self, hit_id: str, legal_gateway: str) -> str | None:
        """The id that the notice for this request names."""
        payload = self._vault.get(_NOTICE, f"{hit_id}|{legal_gateway}".encode())
        return None if payload is None else payload.decode()

    def idempotency_key(self, name: str) -> str:
        """The key of a POST about requests: an HMAC under a vault secret (64 hex digits)."""
        return self._vault.cipher.mac("idempotency", f"request|{name}".encode()).hex()


def _reply_name(request_id: str, to: str | None) -> bytes:
    return (request_id if to is None else f"{request_id}|{to}").encode()
