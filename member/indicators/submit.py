"""Submitting a file: from rows to receipts, in bounded memory, and again from where it stopped.

In order, for each part of the file:
1. Tokens come from the vault; what is missing is tokenised, two batches at a time.
2. Rows and tokens are in the vault before anything leaves: a hit can always be looked up.
3. The part is posted under an Idempotency-Key that is the same after a kill; the exchange takes it once.
4. Rows that the exchange took as new, and that the vault knew from an earlier submission, are this one's from then on;
   duplicates stay the earlier one's, there as here.
5. The receipt is verified, and stored together with the outcome. Only then does the part count as sent.
6. A row that was taken back is left out (docs/adr/0040), also by an upload that goes on: a part that was posted with it
   goes as it was only if the exchange says that it has the part, from before it was taken back (docs/adr/0031).
7. A part that is refused the first time it leaves is forgotten with its rows. One that left before without an answer
   may be at the exchange, whatever it says to another person or another form of it: its rows stay.
A part whose outcome is stored is not sent again. When all parts are, the upload is forgotten: the same file is then a
new submission, all of whose rows are duplicates.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType

import msgspec

from keys.oprf.tokens import Token, oprf_input
from keys.statements.keyring import Keyring
from member.errors import AnswerError, RefusedError
from member.identity.home import Home
from member.indicators.envelope import Terms, fill_envelope
from member.indicators.intake import Accepted, Read, read_to_submit
from member.indicators.left_out import LeftOut, LeftOutRows
from member.indicators.parts import PART_ROWS, Part, cut_parts
from member.indicators.receipts import verify_receipt
from member.indicators.rejections import Rejections, collect_rejections
from member.indicators.relisting import OWN_REASON, check_reasons, reasons_of
from member.next_steps import Act, Next
from member.normalise.circumstances import DEFAULT, Circumstances
from member.reporting import Report
from member.statements.authority import current_epoch, stated_exchange, usable_epoch
from member.tables.reading import CheckedFile, Rejected, Row
from member.tokens.quorums import NoQuorumError
from member.tokens.tokenise import Tokeniser
from member.transport.exchange_client import ExchangeClient
from member.vault.hits import ShownHits
from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from member.vault.taken_back import TakenBackRows
from member.vault.uploads import PartForm, PartOutcome, Upload, Uploads
from schemas.rendering.words import in_words
from schemas.submissions import BAD_DAY, SubmissionAnswer, SubmittedPart
from schemas.terms import NORMALISATION
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7

_EARLIEST = date(1900, 1, 1)
"""The first day that the exchange takes."""
_SENT_AS = {"token": "value"}
_CONFLICT = "submission-conflict"
_SAYS_IT_IS_THERE = {_CONFLICT, "idempotency-key-reused", "partly-stored"}
_MAY_BE_THERE = (
    "the exchange may have rows of this upload, which was sent before: the person who sent it does the same again;"
    " or the file is submitted anew"
)
_TAKEN_BACK = "taken back as {}; submit --relist lists such a row again, with a reason"


@dataclass
class Tally:
    """What became of a file's rows so far."""

    rejections: Rejections
    accepted: int = 0
    duplicates: int = 0
    left_out: LeftOutRows = field(default_factory=LeftOutRows)
    hit_ids: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Rows accounted for."""
        return self.accepted + self.duplicates + len(self.left_out) + len(self.rejections)


@dataclass(frozen=True)
class Submitted:
    """The result of a submission, or of a dry run (then without an id)."""

    submission_id: str | None
    tally: Tally
    normalised: Sequence[tuple[int, str, str]] = ()


@dataclass(frozen=True)
class SubmissionContext:
    """What submitting works with."""

    home: Home
    vault: Vault
    keyring: Keyring
    exchange: ExchangeClient
    tokeniser: Callable[[int], Tokeniser]
    today: Callable[[], date]
    circumstances: Circumstances = DEFAULT
    kept_back: Mapping[tuple[str, str], str] = field(default_factory=dict)
    part_rows: int = PART_ROWS


def dry_run(
    home: Home,
    checked: CheckedFile,
    circumstances: Circumstances,
    kept_back: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Submitted:
    """Normalise a file and tell what would be sent; contacts nobody and opens no vault. Days are judged as the exchange
    judges them, which is a day more than today for those who are ahead of UTC.
    """
    normalised: list[tuple[int, str, str]] = []
    seen: set[bytes] = set()
    with collect_rejections(home.rejected_path(f"dry-run-{checked.sha256[:16]}"), checked) as rejections:
        tally = Tally(rejections)
        for read in read_to_submit(checked, circumstances, kept_back):
            item = _with_good_day(read, circumstances.today() + timedelta(days=1))
            if isinstance(item, Rejected):
                rejections.add(item)
                continue
            if isinstance(item, LeftOut):
                tally.left_out.add(item)
                continue
            found = item.canonical
            normalised.append((item.row.line, found.indicator_type, found.canonical))
            digest = hashlib.sha256(f"{found.indicator_type}|{found.canonical}".encode()).digest()
            tally.accepted += digest not in seen
            tally.duplicates += digest in seen
            seen.add(digest)
    return Submitted(None, tally, normalised)


def _with_good_day(item: Read, latest: date) -> Read:
    if not isinstance(item, Accepted) or item.row.first_seen is None or _EARLIEST <= item.row.first_seen <= latest:
        return item
    row = item.row
    return Rejected(row.line, "first_seen", _iso(row.first_seen), BAD_DAY, row.fields)


def submit_file(
    context: SubmissionContext,
    checked: CheckedFile,
    terms: Terms,
    *,
    relist: str | None = None,
    restart: bool,
    report: Report,
) -> Submitted:
    """Submit a file, or go on with the upload of it that was cut short. `relist` is why rows that were taken back are
    listed again, "" for each row's own reason; None leaves them out.
    """
    uploads = Uploads(context.vault)
    if relist == OWN_REASON:
        check_reasons(
            context.vault, read_to_submit(checked, context.circumstances, context.kept_back), terms.values["group"]
        )
    read_as = {"map": checked.map_digest, "sheet": checked.sheet}
    said = {"country": context.circumstances.country, "kept_back": bool(context.kept_back), "relist": relist, **read_as}
    name = checked.sha256.encode() + canonical_json({**terms.description(), **said})
    upload = None if restart else _unfinished(context, uploads, name)
    is_resumed = upload is not None
    if upload is None:
        epoch = current_epoch(context.keyring).epoch
        upload = Upload(uuid7(), fill_envelope(terms, epoch, context.today), context.part_rows, relist)
        uploads.begin(name, upload)
    with collect_rejections(context.home.rejected_path(upload.submission_id), checked) as rejections:
        sending = _Sending(context, uploads, upload, Tally(rejections), report, is_resumed=is_resumed)
        try:
            parts = sending.run(checked)
        except RefusedError as error:
            if error.is_final and not sending.has_sent:
                uploads.drop(name, upload)
            raise
    uploads.finish(name, upload, parts)
    return Submitted(upload.submission_id, sending.tally)


def _unfinished(context: SubmissionContext, uploads: Uploads, name: bytes) -> Upload | None:
    """The upload to go on with, unless its epoch has been retired or its rows would be expired on arrival."""
    upload = uploads.find(name)
    if upload is None or usable_epoch(context.keyring, upload.envelope.epoch) is None:
        return None
    return upload if upload.envelope.expires_on > context.today() else None


@dataclass
class _Prepared:
    """A part on its way: the form in which it leaves, the tokens known already, and which of its rows are being
    tokenised.
    """

    part: Part
    form: PartForm
    tokens: dict[bytes, Token]
    missing: list[int]


class _Sending:
    """One run of one upload."""

    def __init__(
        self,
        context: SubmissionContext,
        uploads: Uploads,
        upload: Upload,
        tally: Tally,
        report: Report,
        *,
        is_resumed: bool,
    ) -> None:
        self.tally = tally
        first = upload.submission_id, 0
        self.has_sent = bool(uploads.posted(*first)) or uploads.outcome(*first) is not None
        """Whether the exchange has a part of it, or may have: sent now, or before without an answer."""
        self._is_resumed = is_resumed
        self._context = context
        self._uploads = uploads
        self._upload = upload
        self._report = report
        self._rows = VaultRows(context.vault)
        self._shown = ShownHits(context.vault)
        self._taken = TakenBackRows(context.vault)
        self._group, self._epoch = upload.envelope.group, upload.envelope.epoch
        self._receipt_key = stated_exchange(context.keyring).receipt_key
        self._pending: deque[_Prepared] = deque()
        self._renewed: set[bytes] = set()
        self._parts = 0

    def run(self, checked: CheckedFile) -> int:
        """Send what is not sent yet; the number of parts."""
        tokeniser = self._context.tokeniser(self._epoch)
        try:
            for fresh in tokeniser.tokenise_batches(self._missing_inputs(checked)):
                self._send(self._pending.popleft(), fresh)
                self._report(self.tally.rows)
        except NoQuorumError as error:
            self._keep_answered(error.tokens)
            raise
        return self._parts

    def _keep_answered(self, tokens: Sequence[Token]) -> None:
        """Tokens of a part that could not be finished: they are paid for, and are not asked for again."""
        if tokens:
            prepared = self._pending[0]
            answered = zip(prepared.missing, tokens, strict=False)
            self._keep(prepared.part, {prepared.part.lookups[at]: token for at, token in answered})

    def _missing_inputs(self, checked: CheckedFile) -> Iterator[Sequence[bytes]]:
        """The inputs to tokenise, part by part; parts that are confirmed already are only counted."""
        items = read_to_submit(checked, self._context.circumstances, self._context.kept_back)
        for part in cut_parts(
            items, self._rows.lookup, self.tally.rejections.add, self.tally.left_out.add, self._upload.part_rows
        ):
            self.tally.duplicates += len(part.echoes)
            if part.rows:
                self._parts = part.number + 1
                outcome = self._uploads.outcome(self._upload.submission_id, part.number)
                if outcome is not None:
                    self.has_sent = True
                    self._count(part, outcome)
                    self._report(self.tally.rows)
                    continue
            prepared = self._prepare(part)
            self._pending.append(prepared)
            wanted = (prepared.part.rows[position].canonical for position in prepared.missing)
            yield [oprf_input(NORMALISATION, each.indicator_type, each.canonical) for each in wanted]

    def _prepare(self, part: Part) -> _Prepared:
        """All rows are sent, those that were taken back as such: the exchange keeps them out in this epoch too."""
        tokens = self._rows.cached_tokens(self._epoch, part.lookups)
        missing = [position for position, found in enumerate(part.lookups) if found not in tokens]
        return _Prepared(part, self._form(part), tokens, missing)

    def _form(self, part: Part) -> PartForm:
        """Left out is what of the part was taken back: ever, or since the upload began if it lists such rows again."""
        relist = self._upload.relist
        taken = {} if relist not in (None, OWN_REASON) else self._taken.reasons(part.lookups, self._group)
        since: dict[bytes, str] = {}
        if self._is_resumed:
            for found in part.lookups:
                reason = self._uploads.why_withdrawn(self._upload.submission_id, found)
                since |= {} if reason is None else {found: reason}
        out = since if relist is not None else taken | since
        again = taken.keys() - out.keys()
        return PartForm(
            [(at, out[found]) for at, found in enumerate(part.lookups) if found in out],
            [at for at, found in enumerate(part.lookups) if found in again],
        )

    def _send(self, prepared: _Prepared, fresh: Sequence[Token]) -> None:
        part = prepared.part
        found = {part.lookups[at]: token for at, token in zip(prepared.missing, fresh, strict=True)}
        known = self._keep(part, found)
        if not part.rows:
            self._take_over(known)
            return
        prepared.tokens.update(found)
        is_first = not self._uploads.posted(self._upload.submission_id, part.number)
        try:
            answer = self._post(prepared)
        except RefusedError as error:
            if error.is_final or error.follows_loss:
                self._refused(part, error, is_first=is_first and not error.follows_loss)
            raise
        receipt = verify_receipt(
            answer, receipt_key=self._receipt_key, member_id=self._context.home.member_id, rows=len(part.rows)
        )
        outcome = _outcome_of(answer, part)
        self._drop_refused(part, answer)
        accepted = _accepted_lookups(part, answer)
        known_out = {part.lookups[at] for at, _ in prepared.form.left_out}
        self._taken.keep(
            {part.lookups[at]: why for at, why in outcome.left_out if part.lookups[at] not in known_out}, self._group
        )
        self._taken.clear(sorted(_there(part, answer) - known_out), self._group)
        self._renewed.update(lookup for lookup, _ in known if lookup in accepted)
        self._take_over(known)
        self._shown.store(answer.hits)
        self._uploads.confirm(self._upload.submission_id, part.number, outcome, receipt)
        self.has_sent = True
        self._count(part, outcome)

    def _drop_refused(self, part: Part, answer: SubmissionAnswer) -> None:
        """A row that the exchange refused is none of ours there, and so none here; its echoes go with it."""
        refused = {part.lookups[one.row] for one in answer.rejected}
        own = self._own_rows(part) if refused else []
        gone = [row for row in own if self._rows.lookup(row.indicator_type, row.canonical) in refused]
        self._rows.drop(gone, self._group, self._epoch)

    def _refused(self, part: Part, error: RefusedError, *, is_first: bool) -> None:
        """Forget the rows of a refused part, unless the exchange may have them."""
        if is_first and error.slug not in _SAYS_IT_IS_THERE:
            self._rows.drop(self._own_rows(part), self._group, self._epoch)
            self._uploads.forget_posted(self._upload.submission_id, part.number)
            return
        self.has_sent = True
        error.hint = "; ".join(filter(None, (error.hint, _MAY_BE_THERE)))
        error.then = (Next(Act.RESTART_UPLOAD),)

    def _post(self, prepared: _Prepared) -> SubmissionAnswer:
        """Send a part. The exchange takes it in one form only: it has the one that was posted before if it refuses the
        present one for that.
        """
        submission_id, number = self._upload.submission_id, prepared.part.number
        before = [form for form in self._uploads.posted(submission_id, number) if form != prepared.form]
        self._uploads.keep_posted(submission_id, number, [*before, prepared.form])
        *forms, last = (prepared.form, *reversed(before))
        for form in forms:
            try:
                return self._post_as(prepared, form)
            except RefusedError as error:
                if error.slug != _CONFLICT:
                    raise
        return self._post_as(prepared, last)

    def _post_as(self, prepared: _Prepared, form: PartForm) -> SubmissionAnswer:
        submission_id, part = self._upload.submission_id, prepared.part
        body = self._body(part, [prepared.tokens[lookup].token for lookup in part.lookups], form)
        key = self._uploads.idempotency_key(submission_id, part.number, form)
        answer = self._context.exchange.submit_part(body, key)
        if (answer.submission_id, answer.part) != (submission_id, part.number):
            raise AnswerError("the exchange answered for another part than was sent")
        return answer

    def _keep(self, part: Part, tokens: dict[bytes, Token]) -> list[tuple[bytes, OwnRow]]:
        """Rows first, then their tokens: a token never stands for an indicator that is not there. Gives back the rows
        of indicators that were known before.
        """
        known = self._rows.store(self._own_rows(part), self._group, self._epoch)
        self._rows.store_tokens(self._epoch, tokens)
        return known

    def _own_rows(self, part: Part) -> list[OwnRow]:
        return [_own_row(row, self._upload.submission_id) for row in (*part.rows, *part.echoes)]

    def _take_over(self, known: Sequence[tuple[bytes, OwnRow]]) -> None:
        """An echo goes with its row. One whose row was confirmed in an earlier run stays where it was: if its old
        submission has ended, nothing is reported of it.
        """
        renewed = [row for lookup, row in known if lookup in self._renewed]
        self._rows.take_over(renewed, self._group, self._epoch)

    def _body(self, part: Part, tokens: Sequence[bytes], form: PartForm) -> bytes:
        rows = [
            [to_base64(token), item.canonical.indicator_type, _iso(item.row.first_seen) or None, None]
            for item, token in zip(part.rows, tokens, strict=True)
        ]
        sent = SubmittedPart(
            submission_id=self._upload.submission_id,
            part=part.number,
            envelope=self._upload.envelope,
            rows=rows,
            taken_back=form.left_out,
            relist=reasons_of(part, form.relisted) if form.relisted else self._upload.relist or None,
            relist_rows=form.relisted or None,
        )
        # Sent again byte for byte when it is resumed, by a later version too: the order of its fields must not matter.
        return msgspec.json.encode(sent, order="sorted")

    def _count(self, part: Part, outcome: PartOutcome) -> None:
        for position, reason in outcome.left_out:
            self.tally.left_out.add(LeftOut(part.rows[position].row.line, _TAKEN_BACK.format(in_words(reason))))
        self.tally.accepted += outcome.accepted
        self.tally.duplicates += outcome.duplicates
        self.tally.hit_ids.update(outcome.hit_ids)
        for position, column, reason in outcome.rejected:
            row = part.rows[position].row
            self.tally.rejections.add(Rejected(row.line, column, _value_of(row, column), reason, row.fields))


def _outcome_of(answer: SubmissionAnswer, part: Part) -> PartOutcome:
    rejected = [
        (refused.row, _SENT_AS.get(refused.field, refused.field), refused.reason) for refused in answer.rejected
    ]
    hit_ids = [hit.hit_id for hit in answer.hits]
    left_out = [(one.row, one.reason) for one in answer.left_out]
    last_line = max(item.row.line for item in (*part.rows, *part.echoes))
    return PartOutcome(answer.accepted, len(answer.duplicates), rejected, hit_ids, left_out, last_line)


def _accepted_lookups(part: Part, answer: SubmissionAnswer) -> set[bytes]:
    """The indicators of the part that were taken as new."""
    others = {*answer.duplicates, *(one.row for one in answer.rejected), *(one.row for one in answer.left_out)}
    return {lookup for position, lookup in enumerate(part.lookups) if position not in others}


def _there(part: Part, answer: SubmissionAnswer) -> set[bytes]:
    """The indicators of the part of which the exchange has a live row now."""
    return _accepted_lookups(part, answer) | {part.lookups[position] for position in answer.duplicates}


def _value_of(row: Row, column: str) -> str:
    """What stood in a column of the row; the value itself where the exchange names none of ours."""
    columns = {"indicator_type": row.indicator_type, "first_seen": _iso(row.first_seen)}
    return columns.get(column, row.value)


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _own_row(item: Accepted, submission_id: str) -> OwnRow:
    row = item.row
    source = Source(row.value, row.reason, _iso(row.first_seen), row.source_ref, row.extra, row.line, submission_id)
    return OwnRow(item.canonical.indicator_type, item.canonical.canonical, source)
