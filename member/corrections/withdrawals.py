"""Taking back one's own rows, and the corrections of what one was told, as a member sees them.

A row is named to the exchange by its tokens, of every epoch in which it may lie there. What a correction concerns comes
back as tokens too, and is looked up among one's own indicators at home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from member.corrections.log import ToldLog
from member.errors import AnswerError, MemberError, RefusedError, UsedWronglyError
from member.normalise.circumstances import USUAL, Circumstances
from member.normalise.outcome import NormalisationError
from member.normalise.rules import normalise
from member.queries.desk import AskedSubject, asked_about
from member.transport import wire
from member.transport.channel import Channel, decode, shown_digest
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.store import Vault
from member.vault.taken_back import TakenBackRows
from member.vault.uploads import Uploads
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_base64
from schemas.values.identifiers import uuid7

MOST_TOKENS = 1000
_OF_QUERIES = {"query", "watch"}
_PAGE = 100
_TRIES = 3
"""How often a correction to which more is being added is read."""


class Withdrawn(msgspec.Struct, frozen=True):
    """How many rows were taken back, and how many members, of those that this one may know of, are told at least."""

    withdrawal_id: str
    withdrawn: int
    told: int
    event_id: str


class Correction(msgspec.Struct, frozen=True):
    """Something that this member was told is taken back. `items` counts what it concerns."""

    correction_id: str
    reason: str
    items: int
    told_at: str
    due_at: str
    acknowledged_at: str | None
    is_overdue: bool


class Concerned(msgspec.Struct, frozen=True):
    """One thing that had been told: by which hit, request or query, about which token (base64)."""

    token: str
    kind: str
    object_id: str

    def token_bytes(self) -> bytes:
        """The token, 32 bytes; AnswerError if it is none."""
        try:
            return from_base64(self.token, 32)
        except ValueError as error:
            raise AnswerError("the exchange showed a correction without a proper token") from error

    def sort_key(self) -> tuple[bytes, str, str]:
        """The order in which the log's digest has them."""
        return self.token_bytes(), self.kind, self.object_id


class CorrectionStanding(msgspec.Struct, frozen=True):
    """How a correction stands after it was acknowledged."""

    correction_id: str
    acknowledged_at: str


class _CorrectionsPage(msgspec.Struct, frozen=True):
    corrections: list[Correction]
    next: str | None
    event_id: str


class _ReadCorrection(msgspec.Struct, frozen=True):
    correction_id: str
    reason: str
    items: int
    concerned: list[Concerned]
    next: int | None
    event_id: str


@dataclass(frozen=True)
class RowsToWithdraw:
    """Own rows as the exchange knows them, by tokens or by submission (the other is None), and as the vault does: each
    submission with the look-up of the indicator that is taken out of it, None for all of it. `hanging` are those of
    the submissions whose upload is not finished.
    """

    tokens: Sequence[bytes] | None
    submission_id: str | None
    concerned: Sequence[tuple[str, bytes | None]]
    hanging: Set[str]
    indicators: Sequence[bytes] = ()
    """Those taken back in every group, by look-up."""

    @classmethod
    def of_submission(cls, vault: Vault, submission_id: str) -> Self:
        """All rows of a submission."""
        return cls(None, submission_id, [(submission_id, None)], _hanging(vault) & {submission_id})


class WithdrawalClient:
    """The requests of one representative about withdrawals and corrections."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        self._channel = channel
        self._outgoing = Outgoing(vault, channel)
        self._vault = vault
        self._uploads = Uploads(vault)
        self._taken = TakenBackRows(vault)
        self._server = channel.base_url

    def withdraw(self, reason: str, rows: RowsToWithdraw) -> Withdrawn:
        """Take rows back; the vault then knows that they are. What was sent before and not decided on is sent to its
        end first; what was submitted since, or may have been, is then taken back by another withdrawal.
        """
        listed = None if rows.tokens is None else [to_base64(token) for token in rows.tokens]
        wanted = {"tokens": listed, "submission_id": rows.submission_id, "reason": reason}
        before = self._finish_begun(wanted)
        left = [one for one in rows.concerned if not self._uploads.is_withdrawn(*one)]
        if before is not None and not left:
            with self._vault.transaction():
                self._taken.mark(rows.indicators, reason)
            return before
        settled = [one for one in left if one[0] not in rows.hanging]
        try:
            return self._post(wanted, settled, lambda _: self._keep_all(rows, left, reason))
        except RefusedError as error:
            if not _is_nothing_left(error):
                raise
            with self._vault.transaction():
                # none of it lives: what a hanging upload has of it stays out of its other parts
                self._keep_all(rows, left, reason)
            if before is None:
                raise
            return before

    def _finish_begun(self, wanted: dict[str, Any]) -> Withdrawn | None:
        """What the same command sent before, decided on now; None if nothing was, or it was refused."""
        if not self._outgoing.is_on_its_way(wire.WITHDRAWALS, wanted):
            return None
        try:
            return self._post(wanted, [], lambda concerned: self._keep(concerned, wanted["reason"]))
        except RefusedError as error:
            if error.is_final:
                return None
            raise

    def _post(
        self,
        wanted: dict[str, Any],
        settled: Sequence[tuple[str, bytes | None]],
        keep: Callable[[Sequence[tuple[str, bytes | None]]], None],
    ) -> Withdrawn:
        def make() -> dict[str, Any]:
            return {"withdrawal_id": uuid7(), **wanted}

        read = reading(Withdrawn, "withdrawal_id", self._server)
        return self._outgoing.post(wire.WITHDRAWALS, wanted, make, read, beside=settled, keep=keep)

    def _keep_all(self, rows: RowsToWithdraw, left: Sequence[tuple[str, bytes | None]], reason: str) -> None:
        self._keep(left, reason)
        self._taken.mark(rows.indicators, reason)

    def _keep(self, concerned: Sequence[tuple[str, bytes | None]], reason: str) -> None:
        for submission_id, indicator in concerned:
            self._uploads.keep_withdrawn(submission_id, indicator, reason)

    def corrections(self, log: ToldLog, *, every: bool = False) -> Iterator[Correction]:
        """The open corrections of what this member was told, or every one, page by page; kept to be held against the
        log.
        """
        wanted: dict[str, str | int] = {"limit": _PAGE} | ({} if every else {"state": "open"})
        pages: list[_CorrectionsPage] = []
        for page, body in walk(self._channel, wire.CORRECTIONS, wanted, _CorrectionsPage, ListBound("corrections")):
            pages.append(page)
            log.keep_reading(page.event_id, shown_digest(msgspec.json.decode(body)["corrections"]))
            for one in page.corrections:
                log.keep_correction(page.event_id, one.correction_id, one.reason, one.items)
            yield from page.corrections
        listed = [one.correction_id for shown in pages for one in shown.corrections]
        log.keep_listing([shown.event_id for shown in pages], listed)

    def concerned(self, log: ToldLog, correction_id: str) -> list[Concerned]:
        """Everything that a correction concerns; kept to be held against the log. One that more is told of while its
        pages are read is read again.
        """
        for _ in range(_TRIES):
            *_, last = pages = list(self._read(log, correction_id))
            found = sorted({one for page in pages for one in page.concerned}, key=Concerned.sort_key)
            if len(found) == last.items:
                shown = [[one.token, one.kind, one.object_id] for one in found]
                log.keep_concerned(last.event_id, correction_id, last.reason, shown)
                return found
        raise AnswerError("the exchange shows other things than it counts in a correction")

    def _read(self, log: ToldLog, correction_id: str) -> Iterator[_ReadCorrection]:
        path, bound = f"{wire.CORRECTIONS}/{correction_id}", ListBound("what a correction concerns")
        for page, body in walk(self._channel, path, {"cursor": 0}, _ReadCorrection, bound):
            if page.correction_id != correction_id:
                raise AnswerError("the exchange showed another correction than was asked for")
            log.keep_reading(page.event_id, shown_digest(msgspec.json.decode(body)["concerned"]))
            yield page

    def acknowledge(self, log: ToldLog, correction_id: str) -> tuple[CorrectionStanding, list[Concerned]]:
        """Read a correction to its end and say that all of it was taken in; what it concerns. When more of it is told
        meanwhile, it is read again: MemberError if that goes on.
        """
        for _ in range(_TRIES):
            items = self.concerned(log, correction_id)
            body = canonical_json({"items": len(items)})
            try:
                answer = self._channel.post(f"{wire.CORRECTIONS}/{correction_id}/acknowledgement", body)
            except RefusedError as error:
                if not _is_other_count(error):
                    raise
            else:
                return decode(answer.body, CorrectionStanding, self._server), items
        detail = f"more is being added to correction {correction_id}; it is not acknowledged"
        raise MemberError(detail, "run the same command again in a minute", slug="more-items")


def _is_other_count(error: RefusedError) -> bool:
    """Whether an acknowledgement was refused because the correction concerns more than was read, or less."""
    reasons = error.fields.get("problem", {}).get("reasons", ())
    return any(reason.get("code") in {"more-items", "fewer-items"} for reason in reasons)


def _is_nothing_left(error: RefusedError) -> bool:
    """Whether a withdrawal was refused because nothing that it names lives."""
    reasons = error.fields.get("problem", {}).get("reasons")
    listed = reasons if isinstance(reasons, list) else []
    return any(isinstance(reason, dict) and reason.get("code") == "no-live-row" for reason in listed)


def _hanging(vault: Vault) -> set[str]:
    """The submissions whose uploads are not finished."""
    return {upload.submission_id for upload in Uploads(vault).unfinished()}


def rows_of_values(
    vault: Vault, indicator_type: str, values: Sequence[str], circumstances: Circumstances = USUAL
) -> RowsToWithdraw:
    """The rows with those values that are not taken back yet, also of uploads that are not finished: the exchange may
    have taken them though its answer was lost, and what it has not taken stays out when the upload goes on.
    MemberError, naming the value, for one that this member never submitted.
    """
    rows, uploads = VaultRows(vault), Uploads(vault)
    hanging = _hanging(vault)
    tokens: list[bytes] = []
    concerned: list[tuple[str, bytes | None]] = []
    indicators: list[bytes] = []
    for value in values:
        try:
            found = normalise(indicator_type, value, circumstances)
        except NormalisationError as error:
            raise MemberError(f"{value}: {error.reason}", error.hint or None, slug="not_normalisable") from error
        known = rows.tokens_of(found.indicator_type, found.canonical)
        if not known:
            raise MemberError(f"{value} is not among your rows", "member rows lists them", slug="unknown")
        tokens += known
        indicator = rows.lookup(found.indicator_type, found.canonical)
        indicators.append(indicator)
        held = rows.find_by_tokens(known[:1])[known[0]]
        submissions = hanging.union(source.submission_id for source in held.sources)
        concerned += [(one, indicator) for one in sorted(submissions) if not uploads.is_withdrawn(one, indicator)]
    tokens = list(dict.fromkeys(tokens))
    if len(tokens) > MOST_TOKENS:
        raise UsedWronglyError(f"{len(tokens):,} tokens, at most {MOST_TOKENS:,} at once", "or --submission ID")
    return RowsToWithdraw(tokens, None, concerned, hanging, indicators)


def describe_concerned(vault: Vault, items: Sequence[Concerned]) -> list[dict[str, Any]]:
    """What a correction concerns, with the values that this vault knows: those of own rows, and those that a query of
    ours asked about.
    """
    own = VaultRows(vault).find_by_tokens([item.token_bytes() for item in items])
    asked = {item.object_id: asked_about(vault, item.object_id) for item in items if item.kind in _OF_QUERIES}
    return [_describe(item, own.get(item.token_bytes()), asked.get(item.object_id, ())) for item in items]


def _describe(item: Concerned, held: OwnIndicator | None, asked: Sequence[AskedSubject]) -> dict[str, Any]:
    about = [one for one in asked if one.token == item.token_bytes()]
    types = [one.indicator_type for one in about] if held is None else [held.indicator_type]
    values = [one.value for one in about] if held is None else [held.canonical]
    references = [] if held is None else [source.source_ref for source in held.sources if source.source_ref]
    return {
        "kind": item.kind,
        "object_id": item.object_id,
        "indicator_type": next(iter(types), None),
        "values": list(dict.fromkeys(values)),
        "source_refs": list(dict.fromkeys(references)),
    }
