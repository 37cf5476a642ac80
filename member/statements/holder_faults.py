"""What a registrar is shown of key holders at fault: what each did, by the registrars' root alone, and the digest of
the waiting statement that leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from keys.faults.evidence import EvidenceError
from keys.faults.report import ShownFault, report_id_of
from keys.statements.keyring import EpochState, EpochStatement, Keyring
from member.statements.proposals import ReadProposal
from member.tokens.fault_spread import read_listed
from member.transport.exchange_client import ExchangeClient
from schemas.holder_faults import FaultReport, ListedReport

_TOO_FEW = "none waits: with too few holders left hold a ceremony for a new epoch, else exchange epoch propose"


class ProvedFault(msgspec.Struct, frozen=True):
    """A proved fault of a key holder that an epoch names; `digest` is that of the waiting statement of the epoch
    without the holder, None if there is none.
    """

    holder_id: str
    epoch: int
    kind: str
    reason: str
    report_id: str
    digest: str | None


def shown_faults(exchange: ExchangeClient, keyring: Keyring, proposals: Sequence[ReadProposal]) -> list[ProvedFault]:
    """Every reported fault that is proved, once for each epoch in force that names its holder. Raises MemberError."""
    listed = [each for page in exchange.holder_faults() for each in page.reports]
    return [
        ProvedFault(
            holder_id=shown.holder.holder_id,
            epoch=stated.epoch,
            kind=shown.kind,
            reason=shown.reason,
            report_id=report_id_of(report),
            digest=_digest_without(shown, stated.epoch, proposals),
        )
        for report, shown in _proved(listed, keyring)
        for stated in shown.counts_in(keyring.epochs())
    ]


def _proved(listed: Iterable[ListedReport], keyring: Keyring) -> Iterator[tuple[FaultReport, ShownFault]]:
    for each in listed:
        try:
            found = read_listed(each, keyring)
        except EvidenceError:
            continue
        if found is not None:
            yield found


def faults_text(faults: Iterable[ProvedFault]) -> list[str]:
    """As a person reads them."""
    return [
        f"key holder {each.holder_id} is at fault (epoch {each.epoch}): {each.reason}\n"
        f"  statement without it: {each.digest or _TOO_FEW}"
        for each in faults
    ]


def _digest_without(shown: ShownFault, epoch: int, proposals: Iterable[ReadProposal]) -> str | None:
    """The digest of the waiting statement of an epoch that no longer names the holder with this key."""
    for each in proposals:
        statement = each.statement
        if not isinstance(statement, EpochStatement) or statement.epoch != epoch:
            continue
        if statement.state is EpochState.RETIRED or shown.named_by(statement) is None:
            return each.digest
    return None
