"""Where one person works: a home, the keys that its passphrase opens, and what lies around them.

A `Workplace` is one unit of work: a call of the program, or one request to a program that runs for long. What it opens
(the vault, channels to servers) it opens when first needed and closes at its end, and it belongs to one thread, as an
open vault does. A program that runs for long keeps one for its home and unlocked keys, and opens `another` of it for
each unit of work: keys alone live longer than that. What the registrars say is read anew by each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import Self

from keys.statements.keyring import EpochStatement, Keyring, Root
from member.errors import MemberError
from member.identity.access import Unlocked, check_typed, open_vault
from member.identity.home import COUNTRY, Home
from member.log.origin import check_origin
from member.log.own_entries import OwnLog
from member.normalise.circumstances import HOME_COUNTRY, Circumstances
from member.statements.authority import (
    check_may_act,
    current_epoch,
    held_envelope,
    held_envelopes,
    held_keyring,
    load_root,
    stated_exchange,
    stated_roles,
    take_in,
)
from member.statements.freshness import Freshness, Library, confirm_freshness
from member.statements.holder_statements import HolderStatements
from member.statements.succession import refresh_keyring
from member.tokens.fault_spread import FaultSpread
from member.tokens.holders import HolderClient, connect_holders, epoch_info
from member.tokens.kept_conduct import VaultConductStore
from member.tokens.kept_faults import HolderFaults
from member.tokens.tokenise import Tokeniser
from member.transport.channel import Channel, Identity, RuntimeEnvironment
from member.transport.exchange_client import ExchangeClient
from member.vault.short_ids import ShortIds
from member.vault.store import Vault
from schemas.holder_faults import Evidence, FaultReport
from schemas.holders import Holder

_HOLDER_TIMEOUT_SECONDS = 20.0
_WORD_TIMEOUT_SECONDS = 5.0


class Workplace:
    """One person's work in one home. `unlock` opens the acting representative's keys; it is called once, when they are
    needed first.
    """

    def __init__(self, home: Home, unlock: Callable[[], Unlocked], around: RuntimeEnvironment) -> None:
        self.home = home
        self.around = around
        self._unlock = unlock
        self._stack = ExitStack()
        self._holders: dict[int, dict[int, HolderClient]] = {}
        self._tokenisers: list[tuple[int, Tokeniser, Callable[[Evidence], FaultReport | None]]] = []

    def another(self) -> Self:
        """The same home, its settings read anew, and the same keys for another unit of work, on whatever thread."""
        return type(self)(Home.open(self.home.path), lambda: self.unlocked, self.around)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failed: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep the faults of holders that were met, however the work ended, and close all that was opened."""
        with self._stack:
            for epoch, tokeniser, complete in self._tokenisers:
                if tokeniser.faults:
                    HolderFaults(self.vault).store(epoch, tokeniser.faults, self.around.clock(), complete)
            self._tokenisers.clear()

    @cached_property
    def unlocked(self) -> Unlocked:
        """The acting representative's keys."""
        return self._unlock()

    @property
    def acting_as(self) -> str:
        """The acting representative's name."""
        return self.unlocked.name

    @cached_property
    def identity(self) -> Identity:
        """As whom requests are signed. PassphraseError where a file served somebody who is stated to authorise."""
        if self._is_by_file and self.home.root_path.exists():
            self._check_typed(held_keyring(self.root, self.vault))
        return self.unlocked.identity

    @property
    def _is_by_file(self) -> bool:
        """Whether a file served a passphrase outside a sandbox."""
        return not (self.unlocked.was_typed or self.home.config.sandbox)

    def _check_typed(self, keyring: Keyring) -> None:
        check_typed(self.unlocked, stated_roles(keyring, self.unlocked.identity.key_id))

    def _check_may_act(self, keyring: Keyring) -> None:
        """Of what was just taken in. Raises NotEnrolledError, PassphraseError."""
        check_may_act(keyring, self.home.member_id, self.identity)
        if self._is_by_file:
            self._check_typed(keyring)

    @cached_property
    def vault(self) -> Vault:
        """The open vault."""
        return self._stack.enter_context(open_vault(self.home, self.unlocked))

    def number(self, kind: str, ids: Iterable[str]) -> dict[str, int]:
        """The short number of each id of a kind of things, for a list that shows them."""
        return ShortIds(self.vault, kind).number(ids)

    def find_id(self, kind: str, text: str, known: Callable[[], Iterable[str]] = tuple) -> str:
        """The id that a person means by an id, its beginning or a short number (member.vault.short_ids)."""
        return ShortIds(self.vault, kind).find(text, known)

    @cached_property
    def root(self) -> Root:
        """The registrars, as pinned."""
        return load_root(self.home.root_path)

    @cached_property
    def exchange(self) -> ExchangeClient:
        """The exchange, asked as the acting representative."""
        return ExchangeClient(self.exchange_channel)

    @cached_property
    def exchange_channel(self) -> Channel:
        """The way to the exchange, as the acting representative."""
        return self.channel(self.home.exchange_url, self.identity)

    def log_origin(self, keyring: Keyring) -> str:
        """The log that this member follows. MemberError if the registrars state another."""
        return check_origin(self.vault, stated_exchange(keyring).log_origin).origin

    def own_log(self, origin: str) -> OwnLog:
        """This member's own entries in the log of an origin."""
        return OwnLog(self.vault, self.exchange, self.home.member_id, origin, self.around.sleep)

    def exchange_as(self, identity: Identity | None, url: str | None = None) -> ExchangeClient:
        """The exchange, asked under another identity, or under none."""
        return ExchangeClient(self.channel(url or self.home.exchange_url, identity))

    def channel(self, url: str, identity: Identity | None) -> Channel:
        """A way to a server, closed with the work."""
        channel = Channel(url, identity, self.around)
        self._stack.callback(channel.close)
        return channel

    @cached_property
    def stated(self) -> Keyring:
        """What the registrars say as far as the exchange shows it, enough to check the log and to take back. The acting
        representative may act (NotEnrolledError otherwise).
        """
        keyring = self.refreshed_keyring()
        self._check_may_act(keyring)
        self.fault_spread(keyring).refresh(self.around.clock())
        return keyring

    def refreshed_keyring(self) -> Keyring:
        """What the vault holds, brought up to date from the exchange. NotEnrolledError before the signing."""

        def ask_holders(keyring: Keyring) -> None:
            with suppress(MemberError):  # whether they vouch is for whoever discloses; here only new roots matter
                self.freshness(keyring)

        return refresh_keyring(self.root, self.vault, self.exchange, ask_holders, self.around.tell)

    def fault_spread(self, keyring: Keyring) -> FaultSpread:
        """This member's part in telling faults of key holders."""
        return FaultSpread(self.vault, self.exchange, keyring, self.home.member_id, self.around.tell)

    @cached_property
    def keyring(self) -> Keyring:
        """What the registrars say at present: enough key holders vouch that nothing newer was stated.

        Raises StaleStatementsError, NotEnrolledError.
        """
        keyring, freshness = self.stated, self.freshness(self.stated)
        if freshness.taken:
            self.around.tell("the exchange did not show statements that the key holders have: tell the registrars")
            self.fault_spread(keyring).leave_out()
        self._check_may_act(keyring)
        freshness.check()
        return keyring

    def check_fresh(self) -> None:
        """Before what discloses without a look at the statements: enough key holders vouch for them, and whoever acts
        may. Raises StaleStatementsError, NotEnrolledError.
        """
        _ = self.keyring

    def holder_statements(
        self, holder: Holder, around: RuntimeEnvironment | None = None, identity: Identity | None = None
    ) -> HolderStatements:
        """A way to a key holder's word on the statements, closed with the work."""
        word = HolderStatements(holder, around or self.around, identity)
        self._stack.callback(word.close)
        return word

    def freshness(self, keyring: Keyring) -> Freshness:
        """Ask the key holders whether the keyring is up to date, and bring it up to date."""
        around = replace(self.around, patience=0.0, timeout=_WORD_TIMEOUT_SECONDS)
        identity = self.identity
        vault = self.vault
        library = Library(
            self.root,
            keyring,
            lambda: held_envelopes(vault),
            lambda found: take_in(keyring, vault, found),
            held_envelope(vault, "member", self.home.member_id),
        )

        def words_of(epoch: EpochStatement) -> list[HolderStatements]:
            return [self.holder_statements(holder, around, identity) for holder in epoch.holders]

        return confirm_freshness(library, words_of, vault, self.around.clock())

    @property
    def epoch(self) -> EpochStatement:
        """The epoch to tokenise in."""
        return current_epoch(self.keyring)

    def holders(self, epoch: EpochStatement) -> dict[int, HolderClient]:
        """An epoch's key holders, by index. Trying again is the tokeniser's business: it knows whom else to ask."""
        if epoch.epoch not in self._holders:
            around = replace(self.around, patience=0.0, timeout=_HOLDER_TIMEOUT_SECONDS)
            clients = connect_holders(epoch, self.identity, around)
            for client in clients.values():
                self._stack.callback(client.close)
            self._holders[epoch.epoch] = clients
        return self._holders[epoch.epoch]

    def tokeniser(self, number: int) -> Tokeniser:
        """A tokeniser for an epoch that holders still evaluate in."""
        epoch = self.keyring.epoch(number)
        secret = self.vault.cipher.mac("evaluations", str(number).encode())
        book = VaultConductStore(self.vault, number, epoch.sequence)
        tokeniser = Tokeniser(epoch_info(epoch), self.holders(epoch), secret, book=book)
        self._tokenisers.append((number, tokeniser, self._statements_beside(number)))
        return tokeniser

    def _statements_beside(self, number: int) -> Callable[[Evidence], FaultReport | None]:
        """What makes a report of evidence: the statements that it is met under, as they are now."""
        stated = held_envelope(self.vault, "epoch", str(number))
        own = held_envelope(self.vault, "member", self.home.member_id)
        if stated is None or own is None:
            return lambda evidence: None
        return lambda evidence: FaultReport(evidence=evidence, epoch_statement=stated, member_statement=own)

    @property
    def circumstances(self) -> Circumstances:
        """What normalising needs to know of this member."""
        return Circumstances(self.home.config.defaults.get(COUNTRY, HOME_COUNTRY), self.today)

    def today(self) -> date:
        """The day it is, in UTC."""
        return self.around.clock().date()
