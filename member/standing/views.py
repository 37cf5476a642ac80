"""How a member stands, as it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from member.statements.freshness import FreshnessView
from member.tokens.holders import HolderState
from member.tokens.kept_faults import ListedFault
from schemas.status import GroupStatus, LogSummary, OpenRequests


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A representative, with what a registrar compares before it signs: `registrar pending` shows the same. `state` is
    that of the registrars' statement, absent before there is one.
    """

    representative_id: str
    public_key: str
    roles: Sequence[str]
    state: str | UnsetType = UNSET
    fingerprint: str


class EpochView(msgspec.Struct, frozen=True):
    """The epoch to tokenise in: how many of its key holders are needed, and how many there are."""

    epoch: int
    state: str
    threshold: int
    holders: int


class StandingView(msgspec.Struct, frozen=True, kw_only=True):
    """How a member stands. What only a signed member has is absent before; `statements` is None before there are key
    holders, `lag` counts own entries without a place in the log, `new_notices` those that were not shown, by kind.
    """

    member_id: str
    state: str
    encryption_key_fingerprint: str | None
    representatives: Sequence[PersonView]
    kind: str | UnsetType = UNSET
    sector: str | UnsetType = UNSET
    exchange_url: str | UnsetType = UNSET
    registrars_fingerprint: str | UnsetType = UNSET
    epoch: EpochView | UnsetType | None = UNSET
    statements: FreshnessView | UnsetType | None = UNSET
    groups: Sequence[GroupStatus] | UnsetType = UNSET
    log: LogSummary | UnsetType = UNSET
    lag: int | UnsetType = UNSET
    notices: int | UnsetType = UNSET
    new_notices: Mapping[str, int] | UnsetType = UNSET
    open_requests: OpenRequests | UnsetType = UNSET
    queries_to_authorise: Sequence[str] | UnsetType = UNSET
    holders: Sequence[HolderState] | UnsetType = UNSET
    holder_faults: Sequence[ListedFault] | UnsetType = UNSET
    indicators: int | UnsetType = UNSET
