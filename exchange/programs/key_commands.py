"""`exchange member rotate-key`: for a representative's key that is lost, stolen or old; `exchange member four-eyes`:
what takes two of a member's people.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from exchange.programs.commands import CommandError, opened
from exchange.registrars.ask_for_two import NothingToChangeError, ask_for_two
from exchange.registrars.rotate_key import rotate_key
from keys.statements.replacement import verify_replacement
from keys.terminal.program import CommandResult, reports
from schemas.enrolments import KeyReplacement
from schemas.terms import FourEyes
from schemas.values.clock import utc_now
from schemas.values.encoding import to_base64

_MAX_FILE_BYTES = 4096


class RevokedKey(CommandResult, frozen=True):
    """A key that is refused from now on; `public_key` (base64) is its successor, if there is one."""

    representative_id: str
    state: str
    public_key: str | None
    proposal_id: str

    def text(self) -> str:
        signed = f"Registrars sign proposal {self.proposal_id}"
        if self.public_key is None:
            return f"The key of {self.representative_id} is revoked. {signed} to revoke it everywhere."
        return (
            f"The key of {self.representative_id} is revoked. {signed} to put {self.public_key} in its place;\n"
            "they compare it with what the member reads to them."
        )


class DraftedFourEyes(CommandResult, frozen=True):
    """What will take two people of a member once the registrars have signed it."""

    member_id: str
    proposal_id: str
    four_eyes: list[str]

    def text(self) -> str:
        listed = ", ".join(self.four_eyes) or "nothing"
        return f"Registrars sign proposal {self.proposal_id}; what takes two people: {listed}."


@click.command("rotate-key", epilog="Example: exchange member rotate-key acme/analyst --new-key replacement.json")
@click.argument("representative_id")
@click.option(
    "--new-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `member representative rotate` wrote; without it the key is revoked only.",
)
@click.pass_context
@reports
def rotate_key_command(context: click.Context, representative_id: str, new_key: Path | None) -> RevokedKey:
    """Refuse a representative's key at once, and draft its revocation or its successor for the registrars."""
    replacement = None if new_key is None else _read(new_key)
    with opened(context) as (_, database):
        proposal_id = rotate_key(database, representative_id, replacement, utc_now())
    return RevokedKey(
        representative_id=representative_id,
        state="revoked",
        public_key=None if replacement is None else to_base64(replacement.public_key),
        proposal_id=proposal_id,
    )


@click.command("four-eyes", epilog="Example: exchange member four-eyes acme --answers")
@click.argument("member_id")
@click.option(
    "--answers/--no-answers", required=True, default=None, help="One person prepares each answer, another sends it."
)
@click.pass_context
@reports
def four_eyes_command(context: click.Context, member_id: str, answers: bool) -> DraftedFourEyes:
    """Draft, at a member's wish, that its statement asks for two people. A member drafts it itself with `member
    representative four-eyes`.
    """
    with opened(context) as (_, database):
        try:
            proposal_id = ask_for_two(database, member_id, FourEyes.ANSWERS, utc_now(), is_wanted=answers)
        except NothingToChangeError as error:
            raise CommandError("nothing-to-change", str(error)) from None
    four_eyes = [FourEyes.ANSWERS.value] if answers else []
    return DraftedFourEyes(member_id=member_id, proposal_id=proposal_id, four_eyes=four_eyes)


def _read(path: Path) -> KeyReplacement:
    try:
        return verify_replacement(json.loads(path.read_bytes()[:_MAX_FILE_BYTES]))
    except OSError as error:
        raise CommandError("file", f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise CommandError("file", f"{path} holds no request for a new key") from None
