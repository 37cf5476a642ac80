"""`vault export|backup|change-passphrase`: one's own rows and keys."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from keys.custody.files import CustodyError, make_private_folder, read_private_file, write_private_file
from member.commands.shared.common import Shown, counted, reporting
from member.commands.shared.passphrases import passphrase_of
from member.commands.shared.session import Session
from member.errors import VaultError, WrongKeyError
from member.identity.access import is_typed, lock_representative
from member.identity.home import Home, to_json
from member.identity.people import people_of
from member.identity.vault_folder import VaultFolder
from member.tables.exporting import formula_safe
from member.vault.row_states import StandingRows
from member.vault.store import Vault
from schemas.values.encoding import from_base64

_COLUMNS = (
    "indicator_type",
    "canonical",
    "value",
    "reason",
    "first_seen",
    "source_ref",
    "submission_id",
    "line",
    "extra",
    "state",
    "withdrawal_reason",
    "expires_on",
)
_BYTE_TRUE = ".raw.csv"
"""How the name of a file ends whose cells are to be as they are, for a program to read."""
_MAX_KEY_FILE_BYTES = 1 << 20


@click.group(epilog="Example: member vault export rows.csv")
def vault() -> None:
    """The encrypted vault: own rows and keys."""


@vault.command("export", epilog="Example: member vault export rows.csv")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
@reporting
def export_rows(session: Session, file: Path) -> Shown:
    """Write every own row, IN THE CLEAR, to a new CSV that only you can read.

    A spreadsheet may open it: an apostrophe stands before what it would take for a formula. A file whose name ends in
    .raw.csv has every cell as it is, for another program; open none of that kind in a spreadsheet.
    """
    is_raw = file.name.lower().endswith(_BYTE_TRUE)
    rows = StandingRows(
        session.workplace.vault, session.workplace.today()
    )  # opened first: a wrong passphrase leaves no file behind
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise VaultError(f"{file} exists already", "name a new file") from None
    exported = 0
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, _COLUMNS)
            writer.writeheader()
            for row in _exported(rows):
                writer.writerow(row if is_raw else {name: formula_safe(str(cell or "")) for name, cell in row.items()})
                exported += 1
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    warnings = [f"{file} holds identifiers in the clear; remove it when it is no longer needed"]
    if is_raw:
        warnings.append(f"{file} may hold what a spreadsheet takes for a formula: open it in none")
    document = {"exported": exported, "file": str(file), "formula_safe": not is_raw}
    return Shown(document, f"{counted(exported, 'row')} in {file}", warnings=warnings)


def _exported(rows: StandingRows) -> Iterator[dict[str, object]]:
    for standing in rows.every():
        row, source = standing.row, standing.row.source
        extra = ";".join(f"{name}={value}" for name, value in source.extra.items())
        shown: dict[str, object] = {name: getattr(source, name, "") for name in _COLUMNS}
        kind = {"indicator_type": row.indicator_type, "canonical": row.canonical, "extra": extra}
        stands = {name: getattr(standing, name) for name in ("state", "withdrawal_reason", "expires_on")}
        yield {**shown, **kind, **stands}


@vault.command("backup", epilog="Example: member vault backup /media/backup/bank-a-2026-11-22")
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_obj
@reporting
def backup(session: Session, folder: Path) -> Shown:
    """Copy vault and home to a new folder, encrypted as they are; it opens with the same passphrases.

    The key of each person lies in that person's home: each makes a backup of their own.
    """
    if folder.exists() and any(folder.iterdir()):
        raise VaultError(f"{folder} is not empty", "name a new folder")
    home = session.home
    try:
        make_private_folder(folder)
        session.workplace.vault.copy_to(folder / home.vault_path.name)
        for path in _small_files(home):
            data = read_private_file(path, _MAX_KEY_FILE_BYTES)
            write_private_file(folder / path.relative_to(home.path), data)
        _wrap_for_all(session, VaultFolder(folder, home.member_id))
        config = msgspec.structs.replace(home.config, vault=None)
        write_private_file(folder / "config.json", to_json(config))
    except CustodyError as error:
        raise VaultError(str(error)) from error
    return Shown({"folder": str(folder)}, f"backup in {folder}; put it back by using that folder as --home")


def _wrap_for_all(session: Session, copied: VaultFolder) -> None:
    """Put the key of the copied vault beside it, for all whom it opens for. Those that lie beside the vault may be of
    another: a change of the key may have stopped half way, or come between.
    """
    vault_key = session.workplace.unlocked.vault_key
    try:
        copy = Vault.open(copied.vault_path, vault_key, copied.member_id)
    except WrongKeyError as error:
        raise VaultError("the vault's key was changed meanwhile", "give the command again, for a new folder") from error
    with copy:
        for each in people_of(copy):
            copied.wrap(each.name, from_base64(each.wrap_key), vault_key)


def _small_files(home: Home) -> list[Path]:
    """Key files and the pinned root. The settings come last: a backup with settings is a whole one."""
    candidates = [*sorted((home.path / "keys").glob("*.key")), home.root_path]
    return [path for path in candidates if path.is_file()]


@vault.command("change-passphrase", epilog="Example: member --as authoriser vault change-passphrase")
@click.option(
    "--new-passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the new passphrase (mode 0600); typed twice without it.",
)
@click.pass_obj
@reporting
def change(session: Session, new_passphrase_file: Path | None) -> Shown:
    """Put the acting representative's keys under a new passphrase; those of others stay as they are."""
    name = session.acting_as
    unlocked = session.workplace.unlocked
    roles = session.home.config.representatives[name].roles
    typed = is_typed(session.home, roles)
    new = passphrase_of(f"{name} (new)", new_passphrase_file, confirm=True, from_environment=False, typed=typed)
    lock_representative(session.home, name, roles, unlocked.identity.key, unlocked.wrap_key, passphrase=new)
    warnings = []
    if session.home.config.passphrase_dir is not None:
        warnings = [
            f"the home's settings still name {session.home.config.passphrase_dir}/{name}: put the new one there"
        ]
    return Shown({"representative": name, "changed": True}, f"{name}'s passphrase is changed", warnings=warnings)
