"""Uploads in progress and receipts: what a killed upload needs to go on, and the proof of what the exchange took.

An upload is found by the digest of its file and the terms it was asked for under. A part is confirmed when its receipt
stands here; a confirmed part is never sent again. An upload is forgotten when it ends; receipts stay,
and so does the role that each submission gave its subjects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from member.vault.store import Vault

_UPLOAD, _PART, _RECEIPT, _ROLE = "upload", "part", "receipt", "subject_role"


class Upload(msgspec.Struct, frozen=True):
    """An upload that has begun: its id and the envelope all its parts carry."""

    submission_id: str
    envelope: dict[str, Any]
    part_rows: int


class PartOutcome(msgspec.Struct, frozen=True):
    """What the exchange answered to one part. Rows are positions in the part, from 0."""

    accepted: int
    duplicates: int
    rejected: list[tuple[int, str, str]]
    hit_ids: list[str]


class Receipt(msgspec.Struct, frozen=True):
    """A receipt as received: the signed bytes and the exchange's Ed25519 signature (64 bytes)."""

    payload: bytes
    signature: bytes


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
            role = str(upload.envelope.get("subject_role", ""))
            self._vault.put(_ROLE, upload.submission_id.encode(), role.encode())

    def find(self, name: bytes) -> Upload | None:
        """The unfinished upload of this name."""
        payload = self._vault.get(_UPLOAD, name)
        return None if payload is None else msgspec.msgpack.decode(payload, type=Upload)

    def subject_role(self, submission_id: str) -> str:
        """What part a submission's subjects play (schemas.terms.SubjectRole); empty where that was not kept yet."""
        return (self._vault.get(_ROLE, submission_id.encode()) or b"").decode()

    def confirm(self, submission_id: str, part: int, outcome: PartOutcome, receipt: Receipt) -> None:
        """Keep the receipt and the outcome of a part, in one transaction."""
        name = _part_name(submission_id, part)
        with self._vault.transaction():
            self._vault.put(_RECEIPT, name, msgspec.msgpack.encode(receipt))
            self._vault.put(_PART, name, msgspec.msgpack.encode(outcome))

    def outcome(self, submission_id: str, part: int) -> PartOutcome | None:
        """What became of a part; None while it is not confirmed."""
        payload = self._vault.get(_PART, _part_name(submission_id, part))
        return None if payload is None else msgspec.msgpack.decode(payload, type=PartOutcome)

    def finish(self, name: bytes, upload: Upload, parts: int) -> None:
        """Forget an upload all of whose parts are confirmed; its receipts stay."""
        with self._vault.transaction():
            self._vault.delete(_UPLOAD, name)
            for part in range(parts):
                self._vault.delete(_PART, _part_name(upload.submission_id, part))

    def receipts(self) -> Iterator[Receipt]:
        """Every receipt this member was ever given."""
        for payload in self._vault.all(_RECEIPT):
            yield msgspec.msgpack.decode(payload, type=Receipt)

    def idempotency_key(self, submission_id: str, part: int) -> str:
        """The key of a part's POST: an HMAC under a vault secret (64 hex digits), never a hash of what is sent."""
        return self._vault.cipher.mac("idempotency", _part_name(submission_id, part)).hex()
