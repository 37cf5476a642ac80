"""What a registrar is shown of key holders at fault: what each did, by the registrars' root alone, and the digest of
the waiting statement that leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from keys.fault_report import ShownFault
from keys.keyring import EpochStatement, Keyring, UnknownStatementError
from member.statements.registrar import ReadProposal
from member.tokens.fault_spread import read_listed
from member.transport.exchange_client import ExchangeClient

_TOO_FEW = "none waits: with too few holders left hold a ceremony for a new epoch, else exchange epoch propose"


def shown_faults(exchange: ExchangeClient, keyring: Keyring, proposals: Sequence[ReadProposal]) -> list[dict[str, Any]]:
    """Every reported fault that is proved and counts beside the statements in force. Raises MemberError."""
    listed = [each for page in exchange.holder_faults() for each in page.reports]
    found = [read_listed(each, keyring) for each in listed]
    return [
        {
            "holder_id": shown.holder.holder_id,
            "epoch": shown.epoch,
            "kind": shown.kind,
            "reason": shown.reason,
            "report_id": report.report_id,
            "digest": _digest_without(shown, proposals),
        }
        for report, shown in (each for each in found if each is not None)
        if shown.has_force(_in_force(keyring, shown.epoch))
    ]


def faults_text(faults: Iterable[dict[str, Any]]) -> list[str]:
    """As a person reads them."""
    return [
        f"key holder {each['holder_id']} is at fault (epoch {each['epoch']}): {each['reason']}\n"
        f"  statement without it: {each['digest'] or _TOO_FEW}"
        for each in faults
    ]


def _in_force(keyring: Keyring, epoch: int) -> EpochStatement | None:
    try:
        return keyring.epoch(epoch)
    except UnknownStatementError:
        return None


def _digest_without(shown: ShownFault, proposals: Iterable[ReadProposal]) -> str | None:
    """The digest of the waiting statement of the epoch that no longer names the holder with these keys."""
    for each in proposals:
        statement = each.statement
        if not isinstance(statement, EpochStatement) or statement.epoch != shown.epoch:
            continue
        if not shown.has_force(statement):
            return each.digest
    return None
