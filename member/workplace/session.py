"""What one command works with, opened when first needed and closed at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import click

from keys.statements.keyring import EpochStatement, Keyring, Root
from member.alerts.client import AlertClient
from member.alerts.subscriptions import SubscriptionClient
from member.corrections.log import DisclosureRecord
from member.errors import HomeError, MemberError, UsageError
from member.identity.access import Unlocked, check_typed, open_vault, unlock_registrar, unlock_representative
from member.identity.home import Home
from member.indicators.envelope import COUNTRY
from member.log.origin import check_origin
from member.log.own_entries import OwnLog
from member.normalise.circumstances import HOME_COUNTRY, Circumstances
from member.queries.client import QueryClient
from member.queries.desk import QueryDesk
from member.requests.asking import RequestDesk
from member.requests.client import RequestClient
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
from member.terminal import printable
from member.tokens.fault_spread import FaultSpread
from member.tokens.holders import HolderClient, connect_holders, epoch_info
from member.tokens.kept_conduct import VaultConductStore
from member.tokens.kept_faults import HolderFaults
from member.tokens.tokenise import Tokeniser
from member.transport.channel import Channel, Identity, RuntimeEnvironment
from member.transport.exchange_client import ExchangeClient
from member.vault.requests import RequestRecords
from member.vault.short_ids import ShortIds
from member.vault.store import Vault
from member.workplace.notices import NoticeBoard, NoticeLog
from schemas.holder_faults import Evidence, FaultReport
from schemas.holders import Holder
from schemas.requests.prepared import PREPARED_DAYS

_HOLDER_TIMEOUT_SECONDS = 20.0
_WORD_TIMEOUT_SECONDS = 5.0
DEFAULT = "analyst"
"""Who acts, if nothing is said."""


def default_environment() -> RuntimeEnvironment:
    """The real clock, real sleep and real network; what takes long is told on standard error."""
    return RuntimeEnvironment(
        lambda: datetime.now(UTC), time.sleep, lambda url: None, tell=lambda text: click.echo(printable(text), err=True)
    )


class Session:
    """One call of the program: which home, as whom, and how to answer."""

    def __init__(self, surroundings: RuntimeEnvironment) -> None:
        self._home_path: Path | None = None
        self.said_as: str | None = None
        self.around = surroundings
        self.as_json = False
        self._stack = ExitStack()
        self._holders: dict[int, dict[int, HolderClient]] = {}
        self._tokenisers: list[tuple[int, Tokeniser, Callable[[Evidence], FaultReport | None]]] = []

    def set_out(self, home_path: Path | None, said_as: str | None) -> None:
        """Take in what the command line says."""
        self._home_path = home_path
        self.said_as = said_as

    def close(self) -> None:
        """Keep the faults of holders that were met, however the command ended, and close all that was opened."""
        with self._stack:
            for epoch, tokeniser, complete in self._tokenisers:
                if tokeniser.faults:
                    HolderFaults(self.vault).store(epoch, tokeniser.faults, self.around.clock(), complete)
            self._tokenisers.clear()

    @property
    def home_path(self) -> Path:
        """--home, or the user's own."""
        return self._home_path or Path.home() / ".exchange-member"

    @property
    def acting_as(self) -> str:
        """--as; if it is not said whoever's home this is, in a home of several the analyst."""
        if self.said_as is not None:
            return self.said_as
        people = list(self.home.config.representatives)
        return people[0] if len(people) == 1 else DEFAULT

    @cached_property
    def home(self) -> Home:
        """The home, which must exist. Its reports of rejected rows are removed in time."""
        home = Home.open(self.home_path)
        home.remove_old_reports(self.around.clock())
        return home

    @cached_property
    def unlocked(self) -> Unlocked:
        """The acting representative's keys."""
        return unlock_representative(self.home, self.acting_as)

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
        return self.exchange_as(self.identity)

    @property
    def notice_board(self) -> NoticeBoard:
        """Notices, as the acting representative reads them."""
        return NoticeBoard(self.vault, self.exchange, self.acting_as)

    @property
    def notice_log(self) -> NoticeLog:
        """What notices are about."""
        origin = check_origin(self.vault, stated_exchange(self.stated).log_origin).origin
        return NoticeLog(self.own_log(origin))

    def own_log(self, origin: str) -> OwnLog:
        """This member's own entries in the log of an origin."""
        return OwnLog(self.vault, self.exchange, self.home.member_id, origin, self.around.sleep)

    @cached_property
    def alerts(self) -> AlertClient:
        """The exchange's alerts, asked as the acting representative."""
        return AlertClient(self.channel(self.home.exchange_url, self.identity))

    @cached_property
    def subscriptions(self) -> SubscriptionClient:
        """This member's subscriptions, asked for as the acting representative."""
        return SubscriptionClient(self.channel(self.home.exchange_url, self.identity))

    @cached_property
    def requests(self) -> RequestClient:
        """Information requests, asked and answered as the acting representative."""
        return RequestClient(self.channel(self.home.exchange_url, self.identity), self.vault)

    @property
    def request_desk(self) -> RequestDesk:
        """What asking and answering work with."""
        identity, keyring = self.identity, self.keyring
        clock, home = self.around.clock, self.home
        origin = check_origin(self.vault, stated_exchange(keyring).log_origin).origin
        RequestRecords(self.vault).forget_prepared_before(clock() - timedelta(days=PREPARED_DAYS))
        return RequestDesk(home.member_id, identity, self.vault, keyring, self.exchange, self.requests, clock, origin)

    @property
    def disclosure_record(self) -> DisclosureRecord:
        """What was shown of corrections and outcomes, until the log is verified."""
        return DisclosureRecord(self.vault, check_origin(self.vault, stated_exchange(self.stated).log_origin).origin)

    @cached_property
    def queries(self) -> QueryClient:
        """Law-enforcement queries, asked and authorised as the acting representative."""
        return QueryClient(self.channel(self.home.exchange_url, self.identity), self.vault, self.home.member_id)

    def queries_as(self, representative_id: str) -> QueryClient:
        """The same as another representative of this member whose key lies in this home: a sandbox's alone, since one
        run would ask and authorise. HomeError elsewhere.
        """
        member_id, _, name = representative_id.partition("/")
        if member_id != self.home.member_id:
            raise UsageError(f"{representative_id} is not of {self.home.member_id}", "name an officer of yours")
        if not self.home.config.sandbox:
            cure = f"leave out --approve; {name} then gives, in a home of their own: member query approve ID"
            raise HomeError(
                "one person does not ask and authorise: only a sandbox does both at once", cure, slug="same_person"
            )
        identity = unlock_representative(self.home, name).identity
        return QueryClient(self.channel(self.home.exchange_url, identity), self.vault, self.home.member_id)

    @property
    def query_desk(self) -> QueryDesk:
        """What asking queries works with."""
        epoch = self.epoch.epoch
        origin = check_origin(self.vault, stated_exchange(self.keyring).log_origin).origin
        return QueryDesk(self.vault, self.queries, epoch, lambda: self.tokeniser(epoch), origin)

    @cached_property
    def registrar(self) -> Identity:
        """The registrar whose key lies in this home."""
        return unlock_registrar(self.home)

    def exchange_as(self, identity: Identity | None, url: str | None = None) -> ExchangeClient:
        """The exchange, asked under another identity, or under none."""
        return ExchangeClient(self.channel(url or self.home.exchange_url, identity))

    def channel(self, url: str, identity: Identity | None) -> Channel:
        """A way to a server, closed with the session."""
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
            with suppress(MemberError):  # whether they vouch is for whoever discloses; here only new roots are wanted
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
        """A way to a key holder's word on the statements, closed with the session."""
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
