"""What banks must learn when the cover of a query ends, held against what was fixed when its agency learned it.

1. At a bank: what it received when cover had ended names this bank and an agency that the registrars state, and is
   committed to anew with its salt. The result is shown, to be compared with what a reviewer has of the same query.
2. At an independent reviewer: each disclosure to an agency fixed a commitment for each bank. Once disclosed to the
   bank, the reviewer's entry of that has the same commitment; where the last day of the query has passed and nothing
   has it, the bank received nothing, something late, or something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from member.log.chain import OwnEntry
from schemas.queries.cover import QueryDisclosure, commit_to_disclosure
from schemas.values.encoding import from_base64, to_base64

OVERDUE = timedelta(days=1)
"""How long after its last day a query's cover may last until the exchange's worker has notified the banks."""

_SALT_BYTES = 32


class CoverState(StrEnum):
    """The state of what must be disclosed to a bank."""

    OPEN = "open"
    TOLD = "told"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class Commitment:
    """What a bank must learn of one disclosure, as it was fixed (base64)."""

    query_id: str
    bank: str
    commitment: str


@dataclass(frozen=True)
class DisclosedCover:
    """What a bank learned of one disclosure when cover had ended, and its commitment as it comes out here (base64)."""

    stated: QueryDisclosure
    commitment: str


class WithheldDisclosure(msgspec.Struct, frozen=True):
    """What must be disclosed to a bank, as it was fixed; `told_at` is when it was."""

    query_id: str
    bank: str
    commitment: str
    fixed_at: str
    until: str
    state: CoverState
    told_at: str | None


@dataclass
class CoverCheck:
    """Give `look_at` every entry, then `finish`, or list what was found. `agencies` are the members that the registrars
    state as law enforcement, `regulators` those that may be independent reviewers, in whatever state.
    """

    today: date
    agencies: Set[str]
    regulators: Set[str]
    disclosed: list[DisclosedCover] = field(default_factory=list)
    _fixed: dict[Commitment, OwnEntry] = field(default_factory=dict)
    _told: dict[Commitment, str] = field(default_factory=dict)
    _until: dict[str, date] = field(default_factory=dict)
    _erased: int = 0

    def look_at(self, entry: OwnEntry) -> None:
        """Raises LogFault for an entry that is not of the form that it should have."""
        view = entry.view
        if view is None:
            self._erased += 1
            return
        try:
            self._take_in(entry, view)
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
            raise entry.fault("its view of a query's cover has a missing field or one of an invalid format") from None

    def _take_in(self, entry: OwnEntry, view: Mapping[str, Any]) -> None:
        if "withheld" in view or (str(view["kind"]).startswith("le_") and "until" in view):
            until = date.fromisoformat(view["until"])
            _ = until + OVERDUE  # OverflowError: no query has such a last day
            self._until[view["query_id"]] = until
        for bank, commitment in view.get("withheld", {}).items():
            self._fixed.setdefault(Commitment(view["query_id"], bank, commitment), entry)
        if view["kind"] != "le_query_disclosed":
            return
        for bank, commitments in view.get("disclosed", {}).items():
            for commitment in commitments:
                self._told[Commitment(view["query_id"], bank, commitment)] = view["recorded_at"]
        for disclosed in self._disclosed_to_bank(entry, view):
            self.disclosed.append(_as_disclosed(entry, disclosed, self.agencies))

    def _disclosed_to_bank(self, entry: OwnEntry, view: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """What was disclosed to a member as a holder. An agency's view of its own query tells nothing, a reviewer's
        names the banks unless it is a holder itself; everyone else's discloses something. Raises LogFault.
        """
        disclosed, member_id = view.get("told"), view["member_id"]
        if disclosed is None and member_id in self.agencies and view.get("agency") == member_id:
            return ()
        names = isinstance(disclosed, list) and all(isinstance(one, str) for one in disclosed)
        if names and "disclosed" in view and member_id in self.regulators:
            return ()
        if not (isinstance(disclosed, list) and disclosed and all(isinstance(one, Mapping) for one in disclosed)):
            raise entry.fault("it says that rows were disclosed to an agency, and not which")
        return disclosed

    def withheld(self) -> Iterator[WithheldDisclosure]:
        """Every commitment that this member saw fixed, in the order of the log."""
        for one, entry in self._fixed.items():
            yield WithheldDisclosure(
                query_id=one.query_id,
                bank=one.bank,
                commitment=one.commitment,
                fixed_at=(entry.view or {})["recorded_at"],
                until=self._until[one.query_id].isoformat(),
                state=self._state_of(one),
                told_at=self._told.get(one),
            )

    def _state_of(self, one: Commitment) -> CoverState:
        if one in self._told:
            return CoverState.TOLD
        return CoverState.OVERDUE if self.today > self._until[one.query_id] + OVERDUE else CoverState.OPEN

    def finish(self) -> None:
        """Raises LogFault for a commitment that is overdue, unless an erased entry may have honoured it: each those of
        one query, at most.
        """
        overdue = {one: entry for one, entry in self._fixed.items() if self._state_of(one) is CoverState.OVERDUE}
        if len({one.query_id for one in overdue}) <= self._erased:
            return
        one, entry = next(iter(overdue.items()))
        over = self._until[one.query_id].isoformat()
        raise entry.fault(
            f"the last day of query {one.query_id} was {over}, and what this fixed was not disclosed to {one.bank}"
        )


def _as_disclosed(entry: OwnEntry, disclosed: Mapping[str, Any], agencies: Set[str]) -> DisclosedCover:
    """What a bank learned of one disclosure, and its commitment as it comes out here. Raises LogFault."""
    view = entry.view or {}
    body = {name: value for name, value in disclosed.items() if name != "salt"}
    stated = msgspec.convert(body, QueryDisclosure)
    if (stated.holder, stated.query_id) != (view["member_id"], view["query_id"]):
        raise entry.fault("it tells of another bank, or of another query, than it is about")
    if stated.agency not in agencies:
        raise entry.fault("it names an agency that the registrars do not state")
    commitment = commit_to_disclosure(from_base64(disclosed["salt"], _SALT_BYTES), body)
    return DisclosedCover(stated, to_base64(commitment))
