"""Uploads in progress and receipts: what a killed upload needs to go on, and the proof of what the exchange took.

An upload is found by the digest of its file and the terms it was asked for under. A part is confirmed when its receipt
stands here; a confirmed part is never sent again. An upload is forgotten when it ends; receipts stay,
and so do the group that each submission was made to, how it is marked, the role that it gave its subjects, and what of
it was taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from member.vault.store import Vault
from schemas.submissions import KeptEnvelope, SubmissionEnvelope
from schemas.values.message import narrowed

_UPLOAD, _PART, _RECEIPT, _ENVELOPE, _WITHDRAWN = "upload", "part", "receipt", "envelope", "withdrawn"
_POSTED = "posted_part"


class Upload(msgspec.Struct, frozen=True):
    """An upload that has begun: its id, the envelope that all its parts carry, and why it lists again what was taken
    back: a text, "" for each row's own reason, None if it does not.
    """

    submission_id: str
    envelope: SubmissionEnvelope
    part_rows: int
    relist: str | None = None


class PartForm(msgspec.Struct, frozen=True):
    """A form in which a part is posted, by positions in it, which another vault key does not change: what it leaves out
    as taken back and why, and what it lists again for the rows' own reasons.
    """

    left_out: list[tuple[int, str]] = []
    relisted: list[int] = []


class PartOutcome(msgspec.Struct, frozen=True):
    """What the exchange answered to one part. Rows are positions in it, from 0; those left out come with the reason for
    which they were taken back. `last_line` is the last line of the file that the part has a row of.
    """

    accepted: int
    duplicates: int
    rejected: list[tuple[int, str, str]]
    hit_ids: list[str]
    left_out: list[tuple[int, str]] = []
    last_line: int = 0


class Receipt(msgspec.Struct, frozen=True):
    """A receipt as received: the signed bytes and the exchange's Ed25519 signature (64 bytes)."""

    payload: bytes
    signature: bytes


def _withdrawn_name(submission_id: str, number: int | None) -> bytes:
    return submission_id.encode() + (b"" if number is None else f"|{number}".encode())


def _part_name(submission_id: str, part: int) -> bytes:
    return f"{submission_id}|{part}".encode()


class Uploads:
    """The upload records of an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def begin(self, name: bytes, upload: Upload) -> None:
        """Remember that an upload has begun, before its first part leaves."""
        with self._vault.transaction():
            self._vault.put(_UPLOAD, name, msgspec.msgpack.encode(upload))
            kept = msgspec.msgpack.encode(narrowed(upload.envelope, KeptEnvelope))
            self._vault.put(_ENVELOPE, upload.submission_id.encode(), kept)

    def drop(self, name: bytes, upload: Upload) -> None:
        """Forget an upload that was refused before anything of it was taken."""
        with self._vault.transaction():
            self._vault.delete(_UPLOAD, name)
            self._vault.delete(_ENVELOPE, upload.submission_id.encode())
            self._vault.delete(_POSTED, _part_name(upload.submission_id, 0))

    def find(self, name: bytes) -> Upload | None:
        """The unfinished upload of this name."""
        payload = self._vault.get(_UPLOAD, name)
        return None if payload is None else msgspec.msgpack.decode(payload, type=Upload)

    def unfinished(self) -> Iterator[Upload]:
        """Every upload that has begun and is not finished."""
        for payload in self._vault.all(_UPLOAD):
            yield msgspec.msgpack.decode(payload, type=Upload)

    def envelope(self, submission_id: str) -> KeptEnvelope | None:
        """What is kept of a submission's envelope; None for a submission that this vault did not make, or did when
        nothing of it was kept yet.
        """
        payload = self._vault.get(_ENVELOPE, submission_id.encode())
        return None if payload is None else msgspec.msgpack.decode(payload, type=KeptEnvelope)

    def keep_withdrawn(self, submission_id: str, indicator: bytes | None, reason: str) -> None:
        """Note that a submission was taken back (None), or its rows of an indicator (by look-up) alone, and why. Inside
        a transaction of the caller. The note is found by the indicator's number: a look-up changes with the vault key.
        """
        number = None if indicator is None else self._number(indicator)
        if indicator is None or number is not None:
            self._vault.put(_WITHDRAWN, _withdrawn_name(submission_id, number), reason.encode())

    def _number(self, indicator: bytes) -> int | None:
        query = "SELECT indicator_id FROM indicators WHERE lookup = ?"
        row = self._vault.connection.execute(query, (indicator,)).fetchone()
        return None if row is None else int(row[0])

    def why_withdrawn(self, submission_id: str, indicator: bytes | None) -> str | None:
        """Why this vault has taken back a submission's rows of an indicator (None: all of them), None if it has not."""
        number = None if indicator is None else self._number(indicator)
        for one in dict.fromkeys((number, None)):
            reason = self._vault.get(_WITHDRAWN, _withdrawn_name(submission_id, one))
            if reason is not None:
                return reason.decode()
        return None

    def is_withdrawn(self, submission_id: str, indicator: bytes | None) -> bool:
        """Whether this vault has taken back a submission's rows of an indicator; None: all of them."""
        return self.why_withdrawn(submission_id, indicator) is not None

    def has_withdrawn(self) -> bool:
        """Whether this vault has taken back anything at all."""
        return next(self._vault.all(_WITHDRAWN), None) is not None

    def confirm(self, submission_id: str, part: int, outcome: PartOutcome, receipt: Receipt) -> None:
        """Keep the receipt and the outcome of a part, in one transaction."""
        name = _part_name(submission_id, part)
        with self._vault.transaction():
            self._vault.put(_RECEIPT, name, msgspec.msgpack.encode(receipt))
            self._vault.put(_PART, name, msgspec.msgpack.encode(outcome))
            self._vault.delete(_POSTED, name)

    def keep_posted(self, submission_id: str, part: int, forms: Sequence[PartForm]) -> None:
        """Note, before it leaves, in which forms a part was posted, the latest last."""
        with self._vault.transaction():
            self._vault.put(_POSTED, _part_name(submission_id, part), msgspec.msgpack.encode(forms))

    def forget_posted(self, submission_id: str, part: int) -> None:
        """Note that a part was refused the first time it left: the exchange does not have it."""
        with self._vault.transaction():
            self._vault.delete(_POSTED, _part_name(submission_id, part))

    def posted(self, submission_id: str, part: int) -> list[PartForm]:
        """The forms in which a part was posted that is not confirmed."""
        payload = self._vault.get(_POSTED, _part_name(submission_id, part))
        return [] if payload is None else msgspec.msgpack.decode(payload, type=list[PartForm])

    def outcome(self, submission_id: str, part: int) -> PartOutcome | None:
        """What became of a part; None while it is not confirmed."""
        payload = self._vault.get(_PART, _part_name(submission_id, part))
        return None if payload is None else msgspec.msgpack.decode(payload, type=PartOutcome)

    def confirmed_line(self, submission_id: str) -> int:
        """Up to which line of its file an unfinished upload is confirmed; 0 if nothing of it is. Parts are cut and
        confirmed in the order of the lines.
        """
        part, line = 0, 0
        while (outcome := self.outcome(submission_id, part)) is not None:
            part, line = part + 1, outcome.last_line
        return line

    def finish(self, name: bytes, upload: Upload, parts: int) -> None:
        """Forget an upload all of whose parts are confirmed; its receipts stay."""
        with self._vault.transaction():
            self._vault.delete(_UPLOAD, name)
            for part in range(parts):
                self._vault.delete(_PART, _part_name(upload.submission_id, part))
                self._vault.delete(_POSTED, _part_name(upload.submission_id, part))

    def receipts(self) -> Iterator[Receipt]:
        """Every receipt this member was ever given."""
        for payload in self._vault.all(_RECEIPT):
            yield msgspec.msgpack.decode(payload, type=Receipt)

    def groups(self) -> set[str]:
        """Every group that something was submitted to."""
        kept = (msgspec.msgpack.decode(payload, type=KeptEnvelope) for payload in self._vault.all(_ENVELOPE))
        return {one.group for one in kept}

    def idempotency_key(self, submission_id: str, part: int, form: PartForm) -> str:
        """The key of a part's POST in one form: an HMAC under a vault secret (64 hex digits), never a hash of what is
        sent.
        """
        said = msgspec.msgpack.encode(form)
        return self._vault.cipher.mac("idempotency", _part_name(submission_id, part), said).hex()
