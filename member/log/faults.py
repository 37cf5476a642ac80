"""A fault of the log as the error that a person is shown: with the entry that it is at, and the receipts that prove
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from member.errors import MemberError
from member.log.chain import LogFault


@contextmanager
def naming_entry() -> Iterator[None]:
    """MemberError naming the entry for a LogFault."""
    try:
        yield
    except LogFault as fault:
        failure = MemberError(fault.detail, fault.hint, slug=fault.slug, entry=fault.where)
        if fault.receipts:
            failure.fields["receipts"] = fault.receipts
        raise failure from fault
