"""`token`, `submit`: the daily work with one's own rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from member.commands.shared.common import Shown, counted, reporting
from member.commands.shared.progress import show_progress
from member.commands.shared.session import Session
from member.commands.shared.values import given_values, value_file_option
from member.errors import FAILED, MemberError, UsageError
from member.indicators import acts
from member.indicators.acts import SubmittedView, check_to_submit
from member.indicators.common_values import common_values
from member.indicators.envelope import SETTINGS, MissingSettingError, Terms, read_terms
from member.indicators.relisting import OWN_REASON
from member.indicators.submit import Submitted, dry_run
from member.normalise.rules import RULES
from member.tables.reading import CheckedFile, FileRefusedError
from member.tables.streams import as_file
from member.tokens.quorums import HolderFault
from schemas.rendering.words import in_words

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
    made = acts.make_token(session.workplace, indicator_type, values[0])
    one = made.token
    text = f"{one.type} {one.canonical}\n{one.token} (epoch {one.epoch})"
    return Shown(one, text, warnings=_fault_warnings(made.faults))


def _fault_warnings(faults: Sequence[HolderFault]) -> list[str]:
    return [f"key holder {fault.holder_id} is at fault: {fault.reason}" for fault in faults]


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
    are reported by line, column and reason, and written to a CSV of their own. The same rows again are duplicates.
    Values that nearly every institution holds are left out and named, and so are rows that were taken back. An upload
    that was stopped goes on where it stopped when the command is given again.
    """
    relist = _relist_reason(relist, reason)
    kept_back = {} if include_common else common_values(session.home.path, session.workplace.circumstances)
    terms = None if dry else _terms(session, given, expires)
    with _as_file(session, file) as path:
        try:
            checked = check_to_submit(session.home, path, map_file, sheet)
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


def _submit(
    session: Session,
    checked: CheckedFile,
    terms: Terms,
    *,
    relist: str | None,
    restart: bool,
    kept_back: Mapping[tuple[str, str], str],
) -> Shown:
    with show_progress("submitting", checked.records) as report:
        done = acts.submit(
            session.workplace, checked, terms, relist=relist, restart=restart, kept_back=kept_back, report=report
        )
    return _show(done.submitted, _fault_warnings(done.faults), dry=False)


def _refused(file: Path, error: FileRefusedError) -> MemberError:
    name = "standard input" if str(file) == "-" else file.name
    return MemberError(f"{name}: {error.found}", error.wanted, slug="file_refused")


def _show(done: Submitted, warnings: list[str], *, dry: bool) -> Shown:
    document = SubmittedView.of(done, dry=dry)
    failed = FAILED if document.error else 0
    return Shown(document, "\n".join(_submit_lines(done, dry=dry)), None, warnings, failed)


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
