"""`registrar`: the key of a registrar, and where it works. What it signs: member/commands/registrars/approvals.py."""

from __future__ import annotations

from pathlib import Path

import click

from keys.custody.new_home import is_unfinished, whole_home
from keys.signatures.ed25519 import SigningKey
from keys.signatures.urls import canonical_url
from keys.statements.fingerprints import in_fours
from keys.statements.keyring import Root, StatementError
from member.commands.registrars.approvals import approve, deliver, export, pending, show, sign, submit
from member.commands.shared.common import Shown, reporting
from member.commands.shared.passphrases import passphrase_of
from member.commands.shared.session import Session
from member.errors import HomeError, UsageError
from member.identity.access import REGISTRAR, lock_registrar
from member.identity.enrolment import check_id, pin_root, registrars_text
from member.identity.home import Home, LocalRegistrar
from member.statements.authority import load_root
from schemas.values.encoding import to_base64


@click.group(epilog="Example: member registrar pending")
def registrar() -> None:
    """Sign who is a member, with which keys, in which group."""


@registrar.command("init", epilog="Example: member --home ~/registrar registrar init necc")
@click.argument("registrar_id")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The passphrase (mode 0600); typed twice without it.",
)
@click.pass_obj
@reporting
def init(session: Session, registrar_id: str, passphrase_file: Path | None) -> Shown:
    """Make a registrar's key. The home may be a member's too."""
    check_id(registrar_id, "registrar id")
    if not is_unfinished(session.home_path):
        _check_keyless(Home.find(session.home_path))
    file = None if passphrase_file is None else passphrase_file.resolve()
    passphrase = passphrase_of(REGISTRAR, file, confirm=True)
    with whole_home(session.home_path):
        home = Home.make(session.home_path)
        _check_keyless(home)
        key = SigningKey.generate()
        lock_registrar(home, key, passphrase)
        public = to_base64(key.public_bytes)
        home.save(registrar=LocalRegistrar(registrar_id, public, None if file is None else str(file)))
    document = {"registrar_id": registrar_id, "public_key": public}
    return Shown(document, f"registrar {registrar_id}\npublic key {public}")


def _check_keyless(home: Home) -> None:
    if home.config.registrar is not None:
        raise HomeError(f"the registrar {home.config.registrar.registrar_id} has its key in this home already")


@registrar.command(
    "connect", epilog="Example: member registrar connect --exchange-url https://x --registrars root.json"
)
@click.option("--exchange-url", required=True, help="Where the exchange is.")
@click.option(
    "--registrars",
    "root_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The registrars' root: a JSON file with quorum and public keys.",
)
@click.pass_obj
@reporting
def connect(session: Session, exchange_url: str, root_file: Path) -> Shown:
    """Say where the exchange is and who the registrars are."""
    home = session.home
    if home.config.registrar is None:
        raise HomeError("no registrar's key lies in this home", "member registrar init ID")
    try:
        canonical_url(exchange_url)
        root = Root.load(root_file)
    except StatementError as error:
        raise UsageError(f"{root_file}: {error}") from error
    except ValueError as error:
        raise UsageError(f"--exchange-url: {error}") from error
    _check_pinned(home, root)
    pin_root(home, root.to_wire(), exchange_url)
    names = [each.registrar_id for each in root.registrars]
    document = {"exchange_url": home.exchange_url, "registrars_fingerprint": root.fingerprint, "registrars": names}
    return Shown(
        document, f"{home.exchange_url}, registrars {registrars_text(root)}; fingerprint {in_fours(root.fingerprint)}"
    )


def _check_pinned(home: Home, root: Root) -> None:
    """HomeError if the home has pinned others, or a later root of them."""
    if not home.root_path.exists():
        return
    pinned = load_root(home.root_path)
    if (pinned.quorum, pinned.registrars) != (root.quorum, root.registrars):
        raise HomeError("this home has pinned other registrars already")
    if pinned.anchor is not None and (root.anchor is None or root.anchor.version < pinned.anchor.version):
        raise HomeError(f"this home has pinned a later root already: {pinned.anchor.version}")


for _command in (pending, show, approve, export, sign, submit, deliver):
    registrar.add_command(_command)
