"""The registrars' statements as the exchange shows them, and when new registrars are believed.

Those who were registrars can sign a root of their own that leads elsewhere, and whoever took it could never follow the
others. So a link of the chain of roots is kept by these rules, in order:
1. What the vault holds under another root than the one pinned here, or of links that do not lead through the root that
   was pinned by hand since, is set aside, and what the key holders vouched for under it is forgotten.
2. Links up to the root pinned are taken in with it: a person compared its fingerprint.
3. A later one is only when t key holders of the current epoch have it in force (member/statements/freshness.py). Until
   then what is signed counts under the root held here, and what only counts under the new one waits.
4. Who knows no key holder yet has nobody to ask, and takes what is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from keys.statements.envelopes import ROOT
from keys.statements.keyring import Keyring, Root, StatementError, UnknownStatementError
from keys.statements.roots import Roots
from member.errors import NotEnrolledError, RefusedError
from member.statements.authority import (
    AWAITING,
    AWAITING_HINT,
    drop_links,
    drop_statements,
    head_of,
    held_keyring,
    in_order,
    take_in,
)
from member.statements.freshness import forget_words
from member.transport.exchange_client import ExchangeClient
from member.vault.store import Vault
from schemas.statements import StatementEnvelope

Envelopes = list[StatementEnvelope]
_UNAUTHENTICATED = 401
_PINNED = "pinned_root"
_NOT_YET = (
    "the exchange shows new registrars that too few key holders have in force: what only they signed does not count"
    " yet; ask the registrars to bring the key holders up to date"
)


def refresh_keyring(
    root: Root,
    vault: Vault,
    exchange: ExchangeClient,
    ask_holders: Callable[[Keyring], object],
    tell: Callable[[str], None],
) -> Keyring:
    """The keyring as the vault holds it, brought up to date from the exchange. `ask_holders` brings one up to date from
    the key holders. NotEnrolledError before the signing.
    """
    _set_others_aside(root, vault)
    keyring = held_keyring(root, vault)
    offered = _offered(keyring, exchange)
    keyring = _reach_pinned(root, vault, keyring, offered)
    later = _later_links(keyring, offered)
    if not keyring.roots.is_reached or not later:
        take_in(keyring, vault, [each for each in offered if each not in later])
        return keyring
    take_in(keyring, vault, _others(offered), is_strict=False)
    if _knows_holders(keyring):
        ask_holders(keyring)
        if _later_links(keyring, offered):
            tell(_NOT_YET)
            take_in(keyring, vault, _others(offered), is_strict=False)
            return keyring
    take_in(keyring, vault, offered)
    return keyring


def _offered(keyring: Keyring, exchange: ExchangeClient) -> Envelopes:
    try:
        return in_order(exchange.statements())
    except RefusedError as error:
        if error.status == _UNAUTHENTICATED and not any(keyring.members()):
            raise NotEnrolledError(AWAITING, AWAITING_HINT, slug="awaiting_registrars") from error
        raise


def _later_links(keyring: Keyring, offered: Envelopes) -> Envelopes:
    """The roots that would lead further than the newest one here."""
    heads = ((head_of(each), each) for each in offered)
    return [each for head, each in heads if head.type == ROOT and head.sequence > keyring.roots.version]


def _others(offered: Envelopes) -> Envelopes:
    return [each for each in offered if head_of(each).type != ROOT]


def _knows_holders(keyring: Keyring) -> bool:
    try:
        return bool(keyring.current_epoch.holders)
    except UnknownStatementError:
        return False


def _set_others_aside(root: Root, vault: Vault) -> None:
    """Rule 1, for a first root that was pinned anew."""
    first = Root(root.quorum, root.registrars).fingerprint.encode()
    held = vault.get(_PINNED, b"first")
    if held == first:
        return
    with vault.transaction():
        if held is not None:
            drop_statements(vault)
            forget_words(vault)
        vault.put(_PINNED, b"first", first)


def _reach_pinned(root: Root, vault: Vault, keyring: Keyring, offered: Envelopes) -> Keyring:
    """Rule 2, and rule 1 for links that lead elsewhere, once those are shown that lead to the root pinned."""
    if root.anchor is None or keyring.roots.is_reached:
        return keyring
    last = root.anchor.version
    leading = [each for each in offered if head_of(each).type == ROOT and head_of(each).sequence <= last]
    chain = Roots(root)
    try:
        for each in leading:
            chain.add(each)
    except StatementError:
        return keyring
    if not chain.is_reached:
        return keyring
    with vault.transaction():
        if drop_links(vault, lambda head: not chain.knows(head)):
            forget_words(vault)
    reached = held_keyring(root, vault)
    take_in(reached, vault, leading)
    return reached
