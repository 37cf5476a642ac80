"""Faults of key holders: judging what others show, by a member or by a registrar."""

from __future__ import annotations

from pathlib import Path

import msgspec

from keys.statements.keyring import Keyring
from member.errors import MemberError, UsageError
from member.next_steps import Act, Next
from member.statements.authority import held_keyring
from member.statements.kept import KeptStatements
from member.tokens.fault_spread import leave_out
from member.tokens.holder_faults import judge, read_report
from member.tokens.kept_faults import HolderFaults
from member.workplace.workplace import Workplace

_NO_FORCE_HINT = "the registrars have stated it anew since, or this home has not seen their statement"


class JudgedFault(msgspec.Struct, frozen=True):
    """What evidence shows of a holder; `in_force`: an epoch in force here names it with that key."""

    holder_id: str
    epoch: int
    kind: str
    reason: str
    in_force: bool
    left_out: bool


def judge_report(workplace: Workplace, file: Path, *, as_registrar: bool, leaves_out: bool) -> JudgedFault:
    """Judge evidence by the registrars' root in this home, asking nobody; `leaves_out`: ask the holder no more.
    MemberError if it shows nothing, or is to be acted on and no epoch in force names the holder so.
    """
    report = read_report(file)
    if as_registrar and leaves_out:
        raise UsageError("a registrar asks no key holder", "state the epoch anew, without the holder")
    keyring = _keyring(workplace, as_registrar=as_registrar)
    shown = judge(report, keyring)
    has_force, holder_id = shown.has_force(keyring.epochs()), shown.holder.holder_id
    if leaves_out:
        if not has_force:
            detail = f"no statement of an epoch in force here names {holder_id} with this key"
            raise MemberError(detail, _NO_FORCE_HINT, slug="no_force", then=Next(Act.SHOW_STATUS))
        HolderFaults(workplace.vault).store_shown(report, shown, workplace.around.clock())
        leave_out(workplace.vault, keyring, holder_id, shown.holder.verify_key, shown.reason)
    return JudgedFault(holder_id, shown.epoch, shown.kind, shown.reason, has_force, leaves_out)


def _keyring(workplace: Workplace, *, as_registrar: bool) -> Keyring:
    if as_registrar:
        return KeptStatements(workplace.home.path, workplace.root).keyring()
    return held_keyring(workplace.root, workplace.vault)
