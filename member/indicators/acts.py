"""What is done with one's own rows: a file checked and submitted, the token of one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
from msgspec import UNSET, UnsetType

from keys.oprf.tokens import Token, oprf_input
from member.errors import MemberError
from member.identity.home import Home
from member.indicators.envelope import MAP, Terms
from member.indicators.left_out import LeftOut
from member.indicators.rejections import RejectedLine
from member.indicators.submit import SubmissionContext, Submitted, submit_file
from member.normalise.outcome import NormalisationError
from member.normalise.rules import normalise
from member.reporting import Report
from member.tables.column_map import NO_MAP, read_column_map
from member.tables.reading import CheckedFile, FileRefusedError, check_file
from member.tokens.quorums import HolderFault
from member.tokens.tokenise import Tokeniser
from member.vault.rows import VaultRows
from member.workplace.workplace import Workplace
from schemas.terms import NORMALISATION


class TokenView(msgspec.Struct, frozen=True):
    """The token (hexadecimal) of one value in an epoch."""

    type: str
    canonical: str
    token: str
    epoch: int


class RowsRefused(msgspec.Struct, frozen=True):
    """That nothing of a file was taken."""

    type: str
    detail: str


class NormalisedRow(msgspec.Struct, frozen=True):
    """What a row is normalised to, in a dry run."""

    line: int
    indicator_type: str
    canonical: str


class SubmittedView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file. Its lists of rows are read once: a file may have a million."""

    error: RowsRefused | UnsetType = UNSET
    submission_id: str | None
    rows: int
    accepted: int
    duplicates: int
    left_out: int
    left_out_rows: Iterator[LeftOut]
    rejected: Iterator[RejectedLine]
    rejected_file: str | None
    hits: int
    normalised: Iterator[NormalisedRow] | UnsetType = UNSET

    @classmethod
    def of(cls, done: Submitted, *, dry: bool) -> Self:
        """What was submitted or, in a dry run, would be."""
        tally, path = done.tally, done.tally.rejections.path
        taken = tally.accepted + tally.duplicates + len(tally.left_out)
        nothing = RowsRefused("every_row_refused", "every row is refused" if tally.rows else "the file has no rows")
        return cls(
            error=UNSET if taken else nothing,
            submission_id=done.submission_id,
            rows=tally.rows,
            accepted=tally.accepted,
            duplicates=tally.duplicates,
            left_out=len(tally.left_out),
            left_out_rows=tally.left_out.in_order(),
            rejected=tally.rejections.in_order(),
            rejected_file=None if path is None else str(path),
            hits=len(tally.hit_ids),
            normalised=(NormalisedRow(*row) for row in done.normalised) if dry else UNSET,
        )


@dataclass(frozen=True)
class Met:
    """What was done, and the faults of key holders that were met on the way."""

    faults: list[HolderFault]


@dataclass(frozen=True)
class MadeToken(Met):
    """A token, from the vault or made now."""

    token: TokenView


@dataclass(frozen=True)
class SubmittedHere(Met):
    """A file that was submitted."""

    submitted: Submitted


def check_to_submit(home: Home, path: Path, map_file: Path | None, sheet: str | None) -> CheckedFile:
    """Check a file to be submitted, read with a map of column names. A map that is only a default gives way to a file
    with our own column names. Raises FileRefusedError.
    """
    default = home.config.defaults.get(MAP)
    if map_file is not None or default is None:
        mapped = NO_MAP if map_file is None else read_column_map(map_file)
        return check_file(path, mapped, sheet)
    try:
        return check_file(path, read_column_map(Path(default)), sheet)
    except FileRefusedError as error:
        try:
            return check_file(path, NO_MAP, sheet)
        except FileRefusedError:
            raise error from None


def submit(
    workplace: Workplace,
    checked: CheckedFile,
    terms: Terms,
    *,
    relist: str | None,
    restart: bool,
    kept_back: Mapping[tuple[str, str], str],
    report: Report,
) -> SubmittedHere:
    """Submit a checked file; an upload that was stopped goes on. `relist` says why rows that were taken back are listed
    again (None: they are not), `kept_back` which common values are left out.
    """
    used: list[Tokeniser] = []

    def tokeniser(epoch: int) -> Tokeniser:
        used.append(workplace.tokeniser(epoch))
        return used[-1]

    context = SubmissionContext(
        workplace.home,
        workplace.vault,
        workplace.keyring,
        workplace.exchange,
        tokeniser,
        workplace.today,
        workplace.circumstances,
        kept_back,
    )
    done = submit_file(context, checked, terms, relist=relist, restart=restart, report=report)
    return SubmittedHere([fault for each in used for fault in each.faults], done)


def make_token(workplace: Workplace, indicator_type: str, value: str) -> MadeToken:
    """The token of one value in the present epoch; it costs one evaluation unless the vault knows it. MemberError for a
    value that cannot be one.
    """
    try:
        found = normalise(indicator_type, value, workplace.circumstances)
    except NormalisationError as error:
        raise MemberError(error.reason, error.hint or None, slug="not_normalisable") from error
    rows, epoch = VaultRows(workplace.vault), workplace.epoch.epoch
    lookup = rows.lookup(found.indicator_type, found.canonical)
    made: Token | None = rows.cached_tokens(epoch, [lookup]).get(lookup)
    faults: list[HolderFault] = []
    if made is None:
        tokeniser = workplace.tokeniser(epoch)
        (made,) = tokeniser.tokenise([oprf_input(NORMALISATION, found.indicator_type, found.canonical)])
        faults = list(tokeniser.faults)
    return MadeToken(faults, TokenView(found.indicator_type, found.canonical, made.token.hex(), epoch))
