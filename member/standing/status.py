"""How a member stands: its keys, its groups, its budgets, and what the log still owes it."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from msgspec.structs import replace

from keys.statements.fingerprints import fingerprint_of
from keys.statements.keyring import Keyring, MemberStatement, UnknownStatementError
from member.errors import NotEnrolledError
from member.identity.home import Home
from member.queries.client import QueryClient
from member.standing.notices import NoticeBoard
from member.standing.views import EpochView, PersonView, StandingView
from member.statements.authority import own_statement
from member.statements.freshness import FreshnessView
from member.tokens.holders import ask_budgets
from member.tokens.kept_faults import HolderFaults
from member.vault.rows import VaultRows
from member.workplace.workplace import Workplace
from schemas.terms import MemberKind, QueryState, Role
from schemas.values.encoding import from_base64, to_base64

_MAX_NOTICES = 1000
"""How many unread notices are counted by kind at most."""

_AWAITING = "awaiting_registrars"


def describe_standing(workplace: Workplace) -> StandingView:
    """How this member stands. One that is not enrolled yet is shown too, with what there is."""
    home = workplace.home
    shown = StandingView(
        member_id=home.member_id,
        state="not_joined",
        encryption_key_fingerprint=_fingerprint(home.config.encryption_key),
        representatives=_local_people(home),
    )
    if home.config.exchange_url is None:
        return shown
    try:
        keyring = workplace.refreshed_keyring()
        statement = own_statement(keyring, home.member_id)
    except NotEnrolledError:
        return replace(shown, state=_AWAITING, exchange_url=home.exchange_url)
    workplace.fault_spread(keyring).refresh(workplace.around.clock())
    signed = replace(
        shown,
        state=statement.state.value,
        kind=statement.kind.value,
        sector=statement.sector.value,
        representatives=_signed_people(statement),
        exchange_url=home.exchange_url,
        registrars_fingerprint=keyring.roots.fingerprint,
        epoch=_epoch(keyring),
        statements=_freshness(workplace, keyring),
    )
    return replace(
        _with_servers(workplace, keyring, signed),
        holder_faults=[fault.listed() for fault in HolderFaults(workplace.vault).all()],
        indicators=VaultRows(workplace.vault).count(),
    )


def _local_people(home: Home) -> list[PersonView]:
    return [
        PersonView(
            representative_id=f"{home.member_id}/{name}",
            public_key=each.public_key,
            roles=each.roles,
            fingerprint=fingerprint_of(from_base64(each.public_key)),
        )
        for name, each in home.config.representatives.items()
    ]


def _signed_people(statement: MemberStatement) -> list[PersonView]:
    return [
        PersonView(
            representative_id=each.representative_id,
            public_key=to_base64(each.public_key),
            roles=sorted(each.roles),
            state=each.state.value,
            fingerprint=fingerprint_of(each.public_key),
        )
        for each in statement.representatives
    ]


def _fingerprint(public_key: str | None) -> str | None:
    return None if public_key is None else fingerprint_of(from_base64(public_key))


def _freshness(workplace: Workplace, keyring: Keyring) -> FreshnessView | None:
    """Whether the key holders vouch that nothing newer was stated; None before there are any."""
    try:
        return workplace.freshness(keyring).view()
    except NotEnrolledError:
        return None


def _epoch(keyring: Keyring) -> EpochView | None:
    try:
        epoch = keyring.current_epoch
    except UnknownStatementError:
        return None
    return EpochView(epoch.epoch, epoch.state.value, epoch.threshold, len(epoch.holders))


def _to_authorise(workplace: Workplace, kind: str) -> list[str]:
    """The queries that wait for the acting officer's authorisation; none is asked for where nobody asks queries."""
    key_id = workplace.unlocked.identity.key_id
    acting = workplace.home.config.representatives.get(workplace.acting_as)
    if kind != MemberKind.LAW_ENFORCEMENT or acting is None or Role.AUTHORISER not in acting.roles:
        return []
    waiting = [one.query for one in QueryClient.at(workplace).queries(QueryState.PENDING)]
    return [query.query_id for query in waiting if query.authorised_by == key_id]


def _with_servers(workplace: Workplace, keyring: Keyring, shown: StandingView) -> StandingView:
    """With what the exchange and the key holders say."""
    standing = workplace.exchange.standing()
    try:
        holders = ask_budgets(workplace.holders(keyring.current_epoch))
    except UnknownStatementError:
        holders = ()
    lag = len(workplace.exchange.log_page(0, limit=1).pending)
    unread = islice(NoticeBoard.at(workplace).unread(), _MAX_NOTICES)
    return replace(
        shown,
        groups=standing.groups,
        log=standing.log,
        lag=lag,
        notices=standing.notices,
        new_notices=dict(Counter(notice.kind for notice in unread)),
        open_requests=standing.open_requests,
        queries_to_authorise=_to_authorise(workplace, standing.kind),
        holders=holders,
    )
