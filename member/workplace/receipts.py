"""Receipts of what waits for its place in the log."""

from __future__ import annotations

from member.errors import MemberError
from member.log.chain import LogFault, WaitingEntry
from member.log.faults import naming_entry
from member.log.waiting_entries import WaitingEntries
from member.statements.authority import stated_exchange
from member.workplace.workplace import Workplace


def keep_receipts(workplace: Workplace) -> list[WaitingEntry]:
    """Read what waits for its place in the log, and keep its receipts. LogFault for one that is worth nothing."""
    stated = stated_exchange(workplace.stated)
    waiting = WaitingEntries(workplace.vault, stated.log_origin, workplace.home.member_id)
    return waiting.take_in(workplace.exchange.waiting_entries(), stated.receipt_key, workplace.around.clock())


def missing_receipt(workplace: Workplace) -> str | None:
    """Keep the receipts of what was just done; why there is none yet, if the exchange could not be asked for them.
    MemberError naming the entry for one that is worth nothing.
    """
    with naming_entry():
        try:
            keep_receipts(workplace)
        except LogFault:
            raise
        except MemberError as error:
            return error.detail
    return None
