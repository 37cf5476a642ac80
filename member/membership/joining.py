"""Joining an exchange: by a one-time code, or where the first people of this member have joined.

In order: the code fits this home; a person compares the registrars' fingerprint with one received another way; each
person for whom the vault opens answers the code; the last answer is sent, and only then are the registrars pinned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from keys.signatures.ed25519 import SigningKey
from keys.statements.keyring import Root, StatementError
from member.errors import HomeError, MemberError
from member.identity.enrolment import (
    ReadCode,
    answer_code,
    check_code_fits,
    enrolment_request,
    joined_exchange,
    pin_root,
    read_code,
)
from member.identity.home import Home
from member.inputs import InputError
from member.next_steps import Act, Next
from member.statements.authority import held_keyring
from member.workplace.workplace import Workplace


@dataclass(frozen=True)
class ReadInvitation:
    """A code that fits this home, and the registrars that it names: their fingerprint is to be compared."""

    code: ReadCode
    root: Root


class Joined(msgspec.Struct, frozen=True):
    """How it stands with joining; `waiting_for` are the people whose answers are missing."""

    state: str
    waiting_for: Sequence[str] | UnsetType
    exchange_url: str
    registrars_fingerprint: str


def read_invitation(home: Home, code: str) -> ReadInvitation:
    """What a code says. InputError for none, HomeError for one that is not for this home."""
    parsed = read_code(code)
    check_code_fits(home, parsed)
    return ReadInvitation(parsed, _read_root(parsed.content.registrars))


def join(workplace: Workplace, invitation: ReadInvitation, keys: Mapping[str, SigningKey]) -> Joined:
    """Answer a code whose registrars were compared, with the keys of this home's people by name; sent with the last
    answer.
    """
    home, said, fingerprint = workplace.home, invitation.code.content, invitation.root.fingerprint
    waiting = answer_code(home, workplace.vault, invitation.code, keys)
    if waiting:
        pin_root(home, said.registrars, said.exchange_url)
        return Joined("awaiting_people", waiting, said.exchange_url, fingerprint)
    exchange = workplace.exchange_as(None, said.exchange_url)
    state = exchange.enrol(enrolment_request(home, workplace.vault, invitation.code))
    pin_root(home, said.registrars, said.exchange_url)
    return Joined(state, UNSET, said.exchange_url, fingerprint)


def root_to_follow(workplace: Workplace) -> Root:
    """The registrars with which the others have joined, as they are now: their fingerprint is to be compared."""
    joined = joined_exchange(workplace.vault)
    root = held_keyring(_read_root(joined.registrars), workplace.vault).roots.as_pinned()
    if workplace.home.root_path.exists():
        raise HomeError("this home has pinned its registrars already", then=Next(Act.SHOW_STATUS))
    return root


def join_others(workplace: Workplace, root: Root) -> Joined:
    """Join where the others have joined, once `root` was compared."""
    url = joined_exchange(workplace.vault).exchange_url
    pin_root(workplace.home, root.to_wire(), url)
    return Joined("joined", UNSET, url, root.fingerprint)


def check_fingerprint(root: Root, given: str) -> None:
    """MemberError unless the fingerprint, in hexadecimal with or without blanks and colons, is the registrars'."""
    if re.sub(r"[\s:]", "", given).lower() != root.fingerprint:
        detail = "the code names other registrars than those whose fingerprint you were given"
        raise MemberError(detail, "do not join; ask the registrars", slug="wrong_registrars", found=root.fingerprint)


def _read_root(registrars: Mapping[str, object]) -> Root:
    try:
        return Root.parse(registrars)
    except StatementError as error:
        raise InputError("code", f"it is not usable: {error}") from error
