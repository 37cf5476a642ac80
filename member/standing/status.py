"""How a member stands: its keys, its groups, its budgets, and what the log still owes it."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import msgspec

from keys.statements.fingerprints import fingerprint_of
from keys.statements.keyring import Keyring, UnknownStatementError
from member.errors import NotEnrolledError
from member.queries.client import QueryClient
from member.standing.notices import NoticeBoard
from member.statements.authority import own_statement
from member.tokens.holders import ask_budgets
from member.tokens.kept_faults import HolderFaults
from member.vault.rows import VaultRows
from member.workplace.workplace import Workplace
from schemas.terms import MemberKind, QueryState, Role
from schemas.values.encoding import from_base64

_MOST_NOTICES = 1000
"""How many unread notices are counted by kind at most."""

_AWAITING = "awaiting_registrars"


def describe_standing(workplace: Workplace) -> dict[str, Any]:
    """The document of `status`. A member that is not enrolled yet is shown too, with what there is."""
    home = workplace.home
    local = [
        {"representative_id": f"{home.member_id}/{name}", "public_key": each.public_key, "roles": each.roles}
        for name, each in home.config.representatives.items()
    ]
    document: dict[str, Any] = {
        "member_id": home.member_id,
        "state": "not_joined",
        "encryption_key_fingerprint": _fingerprint(home.config.encryption_key),
        "representatives": _with_fingerprints(local),
    }
    if home.config.exchange_url is None:
        return document
    try:
        keyring = workplace.refreshed_keyring()
        statement = own_statement(keyring, home.member_id)
    except NotEnrolledError:
        return {**document, "state": _AWAITING, "exchange_url": home.exchange_url}
    workplace.fault_spread(keyring).refresh(workplace.around.clock())
    signed = statement.to_wire()
    return {
        **document,
        "state": signed["state"],
        "kind": signed["kind"],
        "sector": signed["sector"],
        "representatives": _with_fingerprints(signed["representatives"]),
        "exchange_url": home.exchange_url,
        "registrars_fingerprint": keyring.roots.fingerprint,
        "epoch": _epoch(keyring),
        "statements": _freshness(workplace, keyring),
        **_from_servers(workplace, keyring),
        "holder_faults": [fault.listed() for fault in HolderFaults(workplace.vault).all()],
        "indicators": VaultRows(workplace.vault).count(),
    }


def _with_fingerprints(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a registrar compares before it signs: `registrar pending` shows the same."""
    return [{**person, "fingerprint": _fingerprint(person["public_key"])} for person in people]


def _fingerprint(public_key: str | None) -> str | None:
    return None if public_key is None else fingerprint_of(from_base64(public_key))


def _freshness(workplace: Workplace, keyring: Keyring) -> dict[str, Any] | None:
    """Whether the key holders vouch that nothing newer was stated; None before there are any."""
    try:
        return workplace.freshness(keyring).as_document()
    except NotEnrolledError:
        return None


def _epoch(keyring: Keyring) -> dict[str, Any] | None:
    try:
        epoch = keyring.current_epoch
    except UnknownStatementError:
        return None
    return {
        "epoch": epoch.epoch,
        "state": epoch.state.value,
        "threshold": epoch.threshold,
        "holders": len(epoch.holders),
    }


def _to_authorise(workplace: Workplace, kind: str) -> list[str]:
    """The queries that wait for the acting officer's authorisation; none is asked for where nobody asks queries."""
    key_id = workplace.unlocked.identity.key_id
    acting = workplace.home.config.representatives.get(workplace.acting_as)
    if kind != MemberKind.LAW_ENFORCEMENT or acting is None or Role.AUTHORISER not in acting.roles:
        return []
    waiting = [one.query for one in QueryClient.at(workplace).queries(QueryState.PENDING)]
    return [query.query_id for query in waiting if query.authorised_by == key_id]


def _from_servers(workplace: Workplace, keyring: Keyring) -> dict[str, Any]:
    standing = workplace.exchange.standing()
    try:
        holders = ask_budgets(workplace.holders(keyring.current_epoch))
    except UnknownStatementError:
        holders = ()
    return {
        "groups": msgspec.to_builtins(standing.groups),
        "log": msgspec.to_builtins(standing.log),
        "lag": len(workplace.exchange.log_page(0, limit=1).pending),
        "notices": standing.notices,
        "new_notices": dict(
            Counter(notice.kind for notice in islice(NoticeBoard.at(workplace).unread(), _MOST_NOTICES))
        ),
        "open_requests": msgspec.to_builtins(standing.open_requests),
        "queries_to_authorise": _to_authorise(workplace, standing.kind),
        "holders": msgspec.to_builtins(holders),
    }
