"""Cosigning the log that is followed, and following one that was started anew."""

from __future__ import annotations

import msgspec

from member.errors import MemberError
from member.inputs import InputError
from member.log.faults import naming_entry
from member.log.origin import FollowedLog, check_origin, follow, followed_log
from member.log.witness import cosign_newest, load_seen, store_seen
from member.statements.authority import stated_exchange
from member.verification.verify import promised_to, verifier_of
from member.verification.views import CosignedView
from member.workplace.workplace import Workplace
from schemas.values.encoding import to_rfc3339


class AcceptedOrigin(msgspec.Struct, frozen=True):
    """A log that is followed from now on: our entries in it, how many were in the former one (None if that was never
    verified), and the events whose receipts have no entry in it.
    """

    origin: str
    former_origin: str | None
    entries: int
    entries_before: int | None
    lost: list[str]


def accept_origin(workplace: Workplace, origin: str) -> AcceptedOrigin:
    """Follow a log that was started anew, once the registrars have said why: it is verified whole first. InputError for
    another than the registrars state, and for the one that is followed; MemberError for a fault.
    """
    stated = stated_exchange(workplace.stated)
    former = followed_log(workplace.vault)
    if origin != stated.log_origin:
        raise InputError("origin", f"the registrars state the log {stated.log_origin}, not {origin}")
    if former is not None and former.origin == origin:
        raise InputError("origin", f"{origin} is the log that is followed already")
    events: set[str] = set()
    with naming_entry():
        verifier = verifier_of(workplace, stated)
        found = verifier.verify(each=lambda entry: events.add(entry.event_id))
        if found.waiting:
            raise MemberError(f"{len(found.waiting)} entries have no place in the log yet", "try again in a minute")
        promised = promised_to(workplace, origin)
        lost = sorted(receipt.event_id for receipt in promised if receipt.event_id not in events)
        verifier.verify(found.seen, [receipt for receipt in promised if receipt.event_id in events])
    before = None if former is None else load_seen(workplace.vault, former.origin)
    accepted_at = to_rfc3339(workplace.around.clock())
    follow(workplace.vault, FollowedLog(origin, workplace.acting_as, accepted_at, tuple(lost)))
    store_seen(workplace.vault, origin, found.seen)
    former_origin = None if former is None else former.origin
    return AcceptedOrigin(origin, former_origin, found.entries, None if before is None else before.number, lost)


def cosign(workplace: Workplace) -> CosignedView:
    """Cosign the newest checkpoint, if it continues the one cosigned last."""
    stated = stated_exchange(workplace.stated)
    now = workplace.around.clock()
    check_origin(workplace.vault, stated.log_origin)
    cosigned = cosign_newest(workplace.vault, workplace.exchange, stated, workplace.home.member_id, now)
    return CosignedView(stated.log_origin, cosigned.size, cosigned.line, cosigned.witness_key, cosigned.note)
