"""Taking back one's own rows, and the corrections of what was disclosed to a member, as it sees them.

A row is named to the exchange by its tokens, of every epoch in which it may lie there. What a correction concerns comes
back as tokens too, and is looked up among one's own indicators at home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Self

import msgspec

from member.corrections.log import DisclosureRecord
from member.errors import AnswerError, MemberError, RefusedError, UsageError
from member.next_steps import Act, Next
from member.normalise.circumstances import DEFAULT, Circumstances
from member.normalise.outcome import NormalisationError
from member.normalise.rules import normalise
from member.queries.asked import AskedSubject, asked_about
from member.transport import wire
from member.transport.channel import Channel, decode, shown_digest, shown_token
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.rows import OwnIndicator, VaultRows
from member.vault.store import Vault
from member.vault.taken_back import TakenBackRows
from member.vault.uploads import Uploads
from member.workplace.workplace import Workplace
from schemas.values.identifiers import uuid7
from schemas.withdrawals import (
    CORRECTIONS_PAGE,
    MAX_TOKENS,
    ConcernedItem,
    CorrectionsPage,
    CorrectionStatus,
    ListedCorrection,
    NewWithdrawal,
    ReadCorrection,
    TakenIn,
    Withdrawn,
)

_OF_QUERIES = {"query", "watch"}
_TRIES = 3
"""How often a correction to which more is being added is read."""


class DescribedItem(msgspec.Struct, frozen=True):
    """One thing that a correction concerns, with what this vault knows of it."""

    kind: str
    object_id: str
    indicator_type: str | None
    values: list[str]
    source_refs: list[str]


@dataclass(frozen=True)
class RowsToWithdraw:
    """Own rows as the exchange knows them, by tokens or by submission (the other is None), and as the vault does: each
    submission with the look-up of the indicator that is taken out of it, None for all of it. `hanging` are those of
    the submissions whose upload is not finished.
    """

    tokens: list[bytes] | None
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

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative."""
        return cls(workplace.exchange_channel, workplace.vault)

    def withdraw(self, reason: str, rows: RowsToWithdraw) -> Withdrawn:
        """Take rows back; the vault then knows that they are. What was sent before and not decided on is sent to its
        end first; what was submitted since, or may have been, is then taken back by another withdrawal.
        """
        wanted = NewWithdrawal(
            withdrawal_id=uuid7(), tokens=rows.tokens, submission_id=rows.submission_id, reason=reason
        )
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

    def _finish_begun(self, wanted: NewWithdrawal) -> Withdrawn | None:
        """What the same command sent before, decided on now; None if nothing was, or it was refused."""
        if not self._outgoing.is_on_its_way(wire.WITHDRAWALS, _said(wanted)):
            return None
        try:
            return self._post(wanted, [], lambda concerned: self._keep(concerned, wanted.reason))
        except RefusedError as error:
            if error.is_final:
                return None
            raise

    def _post(
        self,
        wanted: NewWithdrawal,
        settled: Sequence[tuple[str, bytes | None]],
        keep: Callable[[Sequence[tuple[str, bytes | None]]], None],
    ) -> Withdrawn:
        read = reading(Withdrawn, "withdrawal_id", self._server)
        return self._outgoing.post(wire.WITHDRAWALS, _said(wanted), lambda: wanted, read, beside=settled, keep=keep)

    def _keep_all(self, rows: RowsToWithdraw, left: Sequence[tuple[str, bytes | None]], reason: str) -> None:
        self._keep(left, reason)
        self._taken.mark(rows.indicators, reason)

    def _keep(self, concerned: Sequence[tuple[str, bytes | None]], reason: str) -> None:
        for submission_id, indicator in concerned:
            self._uploads.keep_withdrawn(submission_id, indicator, reason)

    def corrections(self, log: DisclosureRecord, *, every: bool = False) -> Iterator[ListedCorrection]:
        """The open corrections of what this member received, or every one, page by page; kept to be held against the
        log.
        """
        wanted: dict[str, str | int] = {"limit": CORRECTIONS_PAGE} | ({} if every else {"state": "open"})
        pages: list[CorrectionsPage] = []
        for page, body in walk(self._channel, wire.CORRECTIONS, wanted, CorrectionsPage, ListBound("corrections")):
            pages.append(page)
            log.keep_reading(page.event_id, shown_digest(msgspec.json.decode(body)["corrections"]))
            for one in page.corrections:
                log.keep_correction(page.event_id, one.correction_id, one.reason, one.items)
            yield from page.corrections
        listed = [one.correction_id for shown in pages for one in shown.corrections]
        log.keep_listing([shown.event_id for shown in pages], listed)

    def concerned(self, log: DisclosureRecord, correction_id: str) -> list[ConcernedItem]:
        """Everything that a correction concerns; kept to be held against the log. One to which more is added while its
        pages are read is read again.
        """
        for _ in range(_TRIES):
            *_, last = pages = list(self._read(log, correction_id))
            found = sorted({one for page in pages for one in page.concerned}, key=_order)
            if len(found) == last.items:
                shown = [[one.token, one.kind, one.object_id] for one in found]
                log.keep_concerned(last.event_id, correction_id, last.reason, shown)
                return found
        raise AnswerError("the exchange shows other things than it counts in a correction")

    def _read(self, log: DisclosureRecord, correction_id: str) -> Iterator[ReadCorrection]:
        path, bound = f"{wire.CORRECTIONS}/{correction_id}", ListBound("what a correction concerns")
        for page, body in walk(self._channel, path, {"cursor": 0}, ReadCorrection, bound):
            if page.correction_id != correction_id:
                raise AnswerError("the exchange showed another correction than was asked for")
            log.keep_reading(page.event_id, shown_digest(msgspec.json.decode(body)["concerned"]))
            yield page

    def acknowledge(self, log: DisclosureRecord, correction_id: str) -> tuple[CorrectionStatus, list[ConcernedItem]]:
        """Read a correction to its end and say that all of it was taken in; what it concerns. When more of it comes
        meanwhile, it is read again: MemberError if that goes on.
        """
        for _ in range(_TRIES):
            items = self.concerned(log, correction_id)
            path, taken_in = f"{wire.CORRECTIONS}/{correction_id}/acknowledgement", TakenIn(items=len(items))
            try:
                answer = self._channel.post(path, msgspec.json.encode(taken_in))
            except RefusedError as error:
                if not _is_other_count(error):
                    raise
            else:
                return decode(answer.body, CorrectionStatus, self._server), items
        detail = f"more is being added to correction {correction_id}; it is not acknowledged"
        raise MemberError(detail, "run the same command again in a minute", slug="more-items")


def _said(wanted: NewWithdrawal) -> dict[str, object]:
    """What a person said of it: all but the id."""
    said: dict[str, object] = msgspec.to_builtins(wanted)
    del said["withdrawal_id"]
    return said


def _order(item: ConcernedItem) -> tuple[bytes, str, str]:
    """The order in which the log's digest has them."""
    return shown_token(item.token), item.kind, item.object_id


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
    vault: Vault, indicator_type: str, values: Sequence[str], circumstances: Circumstances = DEFAULT
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
            raise MemberError(f"{value} is not among your rows", slug="unknown", then=Next(Act.LIST_ROWS))
        tokens += known
        indicator = rows.lookup(found.indicator_type, found.canonical)
        indicators.append(indicator)
        held = rows.find_by_tokens(known[:1])[known[0]]
        submissions = hanging.union(source.submission_id for source in held.sources)
        concerned += [(one, indicator) for one in sorted(submissions) if not uploads.is_withdrawn(one, indicator)]
    tokens = list(dict.fromkeys(tokens))
    if len(tokens) > MAX_TOKENS:
        raise UsageError(f"{len(tokens):,} tokens, at most {MAX_TOKENS:,} at once", "or take back a whole submission")
    return RowsToWithdraw(tokens, None, concerned, hanging, indicators)


def describe_concerned(vault: Vault, items: Sequence[ConcernedItem]) -> list[DescribedItem]:
    """What a correction concerns, with the values that this vault knows: those of own rows, and those that a query of
    ours asked about.
    """
    own = VaultRows(vault).find_by_tokens([shown_token(item.token) for item in items])
    asked = {item.object_id: asked_about(vault, item.object_id) for item in items if item.kind in _OF_QUERIES}
    return [_describe(item, own.get(shown_token(item.token)), asked.get(item.object_id, ())) for item in items]


def _describe(item: ConcernedItem, held: OwnIndicator | None, asked: Sequence[AskedSubject]) -> DescribedItem:
    about = [one for one in asked if one.token == shown_token(item.token)]
    types = [one.indicator_type for one in about] if held is None else [held.indicator_type]
    values = [one.value for one in about] if held is None else [held.canonical]
    references = [] if held is None else [source.source_ref for source in held.sources if source.source_ref]
    return DescribedItem(
        kind=item.kind,
        object_id=item.object_id,
        indicator_type=next(iter(types), None),
        values=list(dict.fromkeys(values)),
        source_refs=list(dict.fromkeys(references)),
    )
