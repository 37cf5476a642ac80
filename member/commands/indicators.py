"""`token`, `submit`: the daily work with one's own rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from keys.oprf.tokens import Token, oprf_input
from member.commands.shared.common import Shown, counted, reporting
from member.commands.shared.progress import show_progress
from member.commands.shared.session import Session
from member.commands.shared.values import given_values, value_file_option
from member.errors import FAILED, MemberError, UsageError
from member.indicators.common_values import common_values
from member.indicators.envelope import MAP, SETTINGS, MissingSettingError, Terms, read_terms
from member.indicators.relisting import OWN_REASON
from member.indicators.submit import Desk, Submitted, dry_run, submit_file
from member.normalise.outcome import NormalisationError
from member.normalise.rules import RULES, normalise
from member.tables.column_map import NO_MAP, read_column_map
from member.tables.reading import CheckedFile, FileRefusedError, check_file
from member.tables.standard_input import as_file
from member.tokens.tokenise import Tokeniser
from member.vault.rows import VaultRows
from schemas.rendering.words import in_words
from schemas.terms import NORMALISATION

_SHOWN_REJECTED = 20
_SHOWN_LINES = 20
_EXPIRES = "expires_days"
_OPTIONS = [name for name in SETTINGS if name != _EXPIRES]


@click.command(epilog="Example: member token --type bank_account 20000012345678")
@click.option("--type", "indicator_type", required=True, type=click.Choice(sorted(RULES)), help="What the value is.")
@click.argument("value", required=False)
@value_file_option
@click.pass_obj
@reporting
def token(session: Session, indicator_type: str, value: str | None, value_file: Path | None) -> Shown:
    """Show the token of one value in the present epoch. It costs one evaluation unless the vault knows it."""
    values = given_values([] if value is None else [value], value_file)
    if len(values) != 1:
        raise UsageError(f"expected one value, found {len(values)}", "VALUE, or --value-file F with one line")
    (value,) = values
    try:
        found = normalise(indicator_type, value, session.workplace.circumstances)
    except NormalisationError as error:
        raise MemberError(error.reason, error.hint or None, slug="not_normalisable") from error
    rows, epoch = VaultRows(session.workplace.vault), session.workplace.epoch.epoch
    lookup = rows.lookup(found.indicator_type, found.canonical)
    made: Token | None = rows.cached_tokens(epoch, [lookup]).get(lookup)
    warnings: list[str] = []
    if made is None:
        tokeniser = session.workplace.tokeniser(epoch)
        (made,) = tokeniser.tokenise([oprf_input(NORMALISATION, found.indicator_type, found.canonical)])
        warnings = _fault_warnings(tokeniser)
    document = {
        "type": found.indicator_type,
        "canonical": found.canonical,
        "token": made.token.hex(),
        "epoch": epoch,
    }
    return Shown(
        document, f"{found.indicator_type} {found.canonical}\n{made.token.hex()} (epoch {epoch})", warnings=warnings
    )


def _fault_warnings(tokeniser: Tokeniser) -> list[str]:
    return [f"key holder {fault.holder_id} is at fault: {fault.reason}" for fault in tokeniser.faults]


def option_for(setting: str) -> str:
    """The option of `submit` that gives a setting."""
    return "--expires" if setting == _EXPIRES else f"--{setting.replace('_', '-')}"


def _envelope_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for name in reversed(_OPTIONS):
        setting = SETTINGS[name]
        kind = click.Choice([code.value for code in setting.codes]) if setting.codes else None
        usual = f"default: {setting.cautious!s}" if setting.cautious else "default: config set"
        function = click.option(option_for(name), name, type=kind, help=f"Of the submission; {usual}.")(function)
    return function


@dataclass(frozen=True)
class _ReadAs:
    """How a file is to be read."""

    map_file: Path | None
    sheet: str | None
    kept_back: Mapping[tuple[str, str], str]


@click.command(
    epilog="Example: member submit suspects.csv --purpose 'mule accounts of operation X' --expires 2027-05-01"
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@_envelope_options
@click.option("--expires", help="The day after which the rows no longer count, YYYY-MM-DD.")
@click.option("--dry-run", "dry", is_flag=True, help="Contact nobody; show what each row is normalised to.")
@click.option("--map", "map_file", type=click.Path(path_type=Path), help="Names of your own columns (docs/uploads.md).")
@click.option("--sheet", help="Of a workbook: the sheet to read; its first if not said.")
@click.option("--include-common", is_flag=True, help="List values too common to mean anything as well (gmail.com).")
@click.option("--restart", is_flag=True, help="Forget an unfinished upload of this file and begin anew.")
@click.option(
    "--relist",
    is_flag=False,
    flag_value="",
    metavar="REASON",
    help="List rows again that were taken back, and why; without REASON each row's own reason. The log keeps it.",
)
@click.option("--reason", help="Why, if --relist does not say it.")
@click.pass_obj
@reporting
def submit(
    session: Session,
    /,
    *,
    file: Path,
    expires: str | None,
    dry: bool,
    map_file: Path | None,
    sheet: str | None,
    include_common: bool,
    restart: bool,
    relist: str | None,
    reason: str | None,
    **given: str | None,
) -> Shown:
    """Submit indicators from a CSV file, an .xlsx workbook, or standard input (-).

    The columns are indicator_type,value,reason,first_seen,source_ref by name, in any order. Rows that cannot be used
    are told by line, column and reason, and written to a CSV of their own. The same rows again are duplicates. Values
    that nearly every institution holds are left out and named, and so are rows that were taken back. An upload that was
    stopped goes on where it stopped when the command is given again.
    """
    relist = _relist_reason(relist, reason)
    kept_back = {} if include_common else common_values(session.home.path, session.workplace.circumstances)
    read_as = _ReadAs(map_file, sheet, kept_back)
    terms = None if dry else _terms(session, given, expires)
    with _as_file(session, file) as path:
        try:
            checked = _checked(session, path, read_as)
            if terms is None:
                return _show(dry_run(session.home, checked, session.workplace.circumstances, kept_back), [], dry=True)
            return _submit(session, checked, terms, relist=relist, restart=restart, kept_back=kept_back)
        except FileRefusedError as error:
            raise _refused(file, error) from error


def _terms(session: Session, given: Mapping[str, str | None], expires: str | None) -> Terms:
    try:
        return read_terms(given, session.home.config.defaults, expires)
    except MissingSettingError as error:
        options = ", ".join(map(option_for, error.missing))
        error.detail = f"not given, and without a default: {options}"
        error.hint = f"give {options}, or once for all: member config set {error.missing[0]} …"
        raise


def _relist_reason(relist: str | None, reason: str | None) -> str | None:
    """Why rows that were taken back are listed again, "" for each row's own reason; None if they are not."""
    if relist is None:
        if reason is not None:
            raise UsageError("--reason says why rows are listed again", "give it with --relist")
        return None
    given = relist or reason
    if not given:
        return OWN_REASON
    if not given.strip():
        raise UsageError("--relist with an empty reason", "submit FILE.csv --relist 'why they are listed again'")
    return given.strip()


@contextmanager
def _as_file(session: Session, file: Path) -> Iterator[Path]:
    if str(file) != "-":
        yield file
        return
    with as_file(sys.stdin.buffer, session.home.path) as path:
        yield path


def _checked(session: Session, path: Path, read_as: _ReadAs) -> CheckedFile:
    """A map that is only a default gives way to a file with our own column names."""
    usual = session.home.config.defaults.get(MAP)
    if read_as.map_file is not None or usual is None:
        mapped = NO_MAP if read_as.map_file is None else read_column_map(read_as.map_file)
        return check_file(path, mapped, read_as.sheet)
    try:
        return check_file(path, read_column_map(Path(usual)), read_as.sheet)
    except FileRefusedError as error:
        try:
            return check_file(path, NO_MAP, read_as.sheet)
        except FileRefusedError:
            raise error from None


def _submit(
    session: Session,
    checked: CheckedFile,
    terms: Terms,
    *,
    relist: str | None,
    restart: bool,
    kept_back: Mapping[tuple[str, str], str],
) -> Shown:
    used: list[Tokeniser] = []

    def tokeniser(epoch: int) -> Tokeniser:
        used.append(session.workplace.tokeniser(epoch))
        return used[-1]

    desk = Desk(
        session.home,
        session.workplace.vault,
        session.workplace.keyring,
        session.workplace.exchange,
        tokeniser,
        session.workplace.today,
        session.workplace.circumstances,
        kept_back,
    )
    with show_progress("submitting", checked.records) as report:
        done = submit_file(desk, checked, terms, relist=relist, restart=restart, report=report)
    return _show(done, [line for each in used for line in _fault_warnings(each)], dry=False)


def _refused(file: Path, error: FileRefusedError) -> MemberError:
    name = "standard input" if str(file) == "-" else file.name
    return MemberError(f"{name}: {error.found}", error.wanted, slug="file_refused")


def _show(done: Submitted, warnings: list[str], *, dry: bool) -> Shown:
    tally, path = done.tally, done.tally.rejections.path
    document: dict[str, object] = {
        "submission_id": done.submission_id,
        "rows": tally.rows,
        "accepted": tally.accepted,
        "duplicates": tally.duplicates,
        "left_out": len(tally.left_out),
        "left_out_rows": tally.left_out.in_order(),
        "rejected": tally.rejections.in_order(),
        "rejected_file": None if path is None else str(path),
        "hits": len(tally.hit_ids),
    }
    if dry:
        document["normalised"] = (
            {"line": line, "indicator_type": kind, "canonical": canonical} for line, kind, canonical in done.normalised
        )
    taken = tally.accepted + tally.duplicates + len(tally.left_out)
    if not taken:
        detail = "every row is refused" if tally.rows else "the file has no rows"
        document = {"error": {"type": "every_row_refused", "detail": detail}, **document}
    return Shown(document, "\n".join(_submit_lines(done, dry=dry)), None, warnings, 0 if taken else FAILED)


def _submit_lines(done: Submitted, *, dry: bool) -> Iterator[str]:
    tally = done.tally
    yield f"{counted(tally.rows, 'row')}: {tally.accepted:,} {'would be sent' if dry else 'accepted'}, " + (
        f"{counted(tally.duplicates, 'duplicate')}, {len(tally.rejections):,} rejected"
    )
    for reason, (count, lines) in tally.left_out.by_reason(_SHOWN_LINES).items():
        numbers = ", ".join(map(str, lines)) + (", …" if count > len(lines) else "")
        yield f"{counted(count, 'row')} left out ({'line' if count == 1 else 'lines'} {numbers}): {reason}"
    if not dry:
        yield f"submission {done.submission_id}"
        yield f"{len(tally.hit_ids):,} of this file's indicators overlap with another institution (member hits)"
    for position, row in enumerate(tally.rejections.in_order()):
        if position == _SHOWN_REJECTED:
            yield "  …"
            break
        yield f"  line {row.line}, {row.column or 'row'}: {row.reason}"
    if tally.rejections.path is not None:
        yield f"rejected rows, to mend and submit again: {tally.rejections.path}"
    if dry:
        for line, kind, canonical in done.normalised:
            yield f"  line {line}: {in_words(kind)} {canonical}"
