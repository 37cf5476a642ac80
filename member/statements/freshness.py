"""Whether anything newer was stated than this member has: t key holders must vouch that they know of nothing else.

The operator of the exchange could withhold a statement, that a member is suspended say, for ever. The key holders get
statements from the registrars themselves and sign dated snapshots (keys/statements/snapshots.py). Rules, in order:
1. The holders are those of the current epoch, also of one that is learnt of while they are asked. Each snapshot is
   verified, and never goes back behind one seen before, which the vault remembers.
2. A holder vouches for this member if all that it has in force is here too: its digest is ours, or its list was
   fetched, was what the digest says, and what we lacked of it was taken in, on the registrars' signatures.
3. t holders must vouch. A statement that all n holders have is then never missed; n - t + 1 are enough while none lies.
4. A snapshot counts until its end, also if its holder is away; after that everything stops: nothing is disclosed,
   submitted or answered on statements that may be out of date.
5. A holder that lacks what we have is handed it, our own statement first if it does not know us. Nobody is waited
   for longer than a few seconds.
6. A root that is not known here is taken from their lists only if t holders have it: those who left could sign another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from keys.statements.envelopes import Envelope, payload_digest
from keys.statements.keyring import EpochStatement, Keyring, Root, StatementError
from keys.statements.roots import roots_first
from keys.statements.snapshots import Snapshot, SnapshotError, check_progress, verify_snapshot
from member.errors import MemberError, NotEnrolledError, RefusedError
from member.next_steps import Act, Next
from member.statements.authority import build_keyring, current_epoch
from member.statements.holder_statements import Deadline, Envelopes, HolderStatements, Listed, ask_all
from member.vault.store import Vault
from schemas.holders import Holder, SignedSnapshot
from schemas.statements import StatementEnvelope
from schemas.values.encoding import to_rfc3339

_KIND = "snapshot"
_MAX_HANDED = 200
_MAX_EPOCHS = 8
_SUSPENDED = "member-suspended"
_STALE_HINT = (
    "nothing was sent; try again when enough key holders answer, and if that does not help ask the registrars to bring"
    " the key holders up to date"
)


class StaleStatementsError(MemberError):
    """Too few key holders vouch that nothing newer was stated."""

    slug = "statements-stale"


@dataclass(frozen=True)
class FreshnessState:
    """How a holder stands: whether it vouches for what this member has and until when, or why it does not."""

    holder_id: str
    valid_until: datetime | None
    problem: str | None


@dataclass(frozen=True)
class Freshness:
    """What the holders say together. `taken` counts statements that the exchange had not shown."""

    number: int
    needed: int
    vouchers: tuple[FreshnessState, ...]
    taken: int = 0

    @property
    def valid_until(self) -> datetime | None:
        """Until when enough holders vouch; None if too few do."""
        ends = sorted((each.valid_until for each in self.vouchers if each.valid_until is not None), reverse=True)
        return ends[self.needed - 1] if len(ends) >= self.needed else None

    def check(self) -> None:
        """Raise StaleStatementsError unless enough holders vouch."""
        if self.valid_until is not None:
            return
        reasons = {each.holder_id: each.problem for each in self.vouchers if each.problem is not None}
        count = sum(each.problem is None for each in self.vouchers)
        said = "; ".join(f"{holder_id}: {problem}" for holder_id, problem in reasons.items())
        detail = f"{count} of the {self.needed} key holders needed vouch that nothing newer was stated ({said})"
        raise StaleStatementsError(detail, _STALE_HINT, then=Next(Act.DELIVER_STATEMENTS), holders=reasons)

    def view(self) -> FreshnessView:
        """As the status shows it."""
        until = None if self.valid_until is None else to_rfc3339(self.valid_until)
        holders = {each.holder_id: each.problem or "vouches" for each in self.vouchers}
        return FreshnessView(self.number, self.needed, until, holders)


class FreshnessView(msgspec.Struct, frozen=True):
    """How many statements were stated, how many key holders must vouch for them and until when enough do (None: too
    few), and by holder `vouches` or why not.
    """

    number: int
    needed: int
    valid_until: str | None
    holders: Mapping[str, str]


@dataclass(frozen=True)
class Library:
    """The member's own statements: the keyring, the envelopes behind it, and how to take in more (gives how many).
    `own` is the one about this member.
    """

    root: Root
    keyring: Keyring
    envelopes: Callable[[], Envelopes]
    take_in: Callable[[Iterable[StatementEnvelope]], int]
    own: StatementEnvelope | None = None


class _Seen(msgspec.Struct, frozen=True):
    """What the vault remembers of a holder: its furthest snapshot, and the digest that was found covered by ours."""

    received: SignedSnapshot
    covered: str | None


def confirm_freshness(
    library: Library, words_of: Callable[[EpochStatement], Sequence[HolderStatements]], vault: Vault, now: datetime
) -> Freshness:
    """Ask the holders, take in what we lack, hand over what they lack; how fresh we are. Raises NotEnrolledError.

    If what was taken in makes another epoch the current one, its holders are asked: those before vouch no more.
    """
    taken = 0
    for _ in range(_MAX_EPOCHS):
        epoch = current_epoch(library.keyring)
        found = _ask(library, epoch, words_of(epoch), vault, now)
        taken += found.taken
        if current_epoch(library.keyring) == epoch:
            return replace(found, taken=taken)
    then = Next(Act.DELIVER_STATEMENTS)
    raise StaleStatementsError("the key holders state one epoch after the other", _STALE_HINT, then=then)


def _ask(
    library: Library, epoch: EpochStatement, words: Sequence[HolderStatements], vault: Vault, now: datetime
) -> Freshness:
    asked = ask_all({word.holder.holder_id: _snapshot_of(word) for word in words})
    ours = library.keyring.digest
    standing = {name: _weigh(word, asked[name], vault, ours, now) for name, word in _by_name(words).items()}
    differing = {name: word for name, word in _by_name(words).items() if standing[name].differs(ours)}
    listed = ask_all({name: _list_of(word, library.own) for name, word in differing.items()})
    lists = {name: found if isinstance(found, Exception) else found.envelopes for name, found in listed.items()}
    for name, answer in listed.items():
        if not isinstance(answer, Exception) and answer.renewed is not None:
            standing[name] = _weigh(differing[name], answer.renewed, vault, ours, now)
    _check_own_suspension(epoch, lists.values())
    read = {name: _read_list(library.root, standing[name], lists[name]) for name in differing}
    is_agreed = _agreed_roots(library, epoch, [each for each in read.values() if isinstance(each, Keyring)])
    taken = 0
    for name, theirs in read.items():
        standing[name], more = _take_list(library, standing[name], lists[name], theirs, is_agreed)
        taken += more
    held = library.envelopes()
    ask_all(
        {
            name: _hand_over(word, held, found)
            for name, word in differing.items()
            if standing[name].vouches and not isinstance(found := lists[name], Exception)
        }
    )
    _remember(vault, standing.values())
    return Freshness(
        library.keyring.number, epoch.threshold, tuple(each.voucher() for each in standing.values()), taken
    )


def _by_name(words: Iterable[HolderStatements]) -> dict[str, HolderStatements]:
    return {word.holder.holder_id: word for word in words}


@dataclass(frozen=True)
class _Standing:
    """What is known of one holder while it is weighed. It vouches if the digest of its snapshot is `covered`: all that
    it stands for is here.
    """

    holder_id: str
    received: SignedSnapshot | None = None
    snapshot: Snapshot | None = None
    covered: str | None = None
    is_live: bool = False
    problem: str | None = None

    @property
    def vouches(self) -> bool:
        return self.snapshot is not None and self.snapshot.digest == self.covered

    def differs(self, ours: str) -> bool:
        """Whether it has other statements than we, be it only fewer: then its list is fetched."""
        return self.is_live and self.snapshot is not None and self.snapshot.digest != ours

    def voucher(self) -> FreshnessState:
        if self.snapshot is not None and self.vouches:
            return FreshnessState(self.holder_id, self.snapshot.valid_until, None)
        return FreshnessState(self.holder_id, None, self.problem or "it has statements that could not be fetched")


def _weigh(word: HolderStatements, asked: Any, vault: Vault, ours: str, now: datetime) -> _Standing:
    """Rules 1 and 4: the snapshot just received if it is right, else the one remembered while it lasts."""
    holder_id = word.holder.holder_id
    seen, before = _recall(vault, word.holder)
    covered = None if seen is None else seen.covered
    if isinstance(asked, Exception):
        if seen is None or before is None or now >= before.valid_until:
            return _Standing(holder_id, problem=str(asked))
        covered = ours if before.digest == ours else covered
        return _Standing(holder_id, seen.received, before, covered, problem=str(asked))
    received, snapshot = asked
    try:
        check_progress(before, snapshot)
    except SnapshotError as error:
        # Not its earlier word either: who goes back, or says two things, vouches for nothing.
        return _Standing(holder_id, problem=str(error))
    return _Standing(holder_id, received, snapshot, ours if snapshot.digest == ours else covered, is_live=True)


def _check_own_suspension(epoch: EpochStatement, lists: Iterable[Any]) -> None:
    """A holder shows a suspended member nothing. NotEnrolledError once so many say so that the others cannot vouch."""
    said = sum(isinstance(found, RefusedError) and found.slug == _SUSPENDED for found in lists)
    if said > len(epoch.holders) - epoch.threshold:
        detail = "the registrars have suspended this member, the key holders say"
        raise NotEnrolledError(detail, "ask the registrars; the exchange does not show it", slug="suspended")


def _read_list(root: Root, standing: _Standing, asked: Any) -> Keyring | str:
    """What a holder's list says, or why it says nothing."""
    if isinstance(asked, Exception):
        return str(asked)
    try:
        theirs = build_keyring(root, roots_first(asked))
    except (MemberError, StatementError) as error:
        return str(error)
    if standing.snapshot is None or theirs.digest != standing.snapshot.digest:
        return "its list is not what it vouches for: it is changing, or it lies"
    return theirs


def _agreed_roots(library: Library, epoch: EpochStatement, lists: Sequence[Keyring]) -> Callable[[Keyring], bool]:
    """Rule 6: whether the newest root of a list is one of ours, or t holders have it."""

    def is_agreed(theirs: Keyring) -> bool:
        newest = theirs.roots.fingerprint
        count = sum(each.roots.leads_to(newest) for each in lists)
        return library.keyring.roots.leads_to(newest) or count >= epoch.threshold

    return is_agreed


def _take_list(
    library: Library, standing: _Standing, asked: Any, theirs: Keyring | str, is_agreed: Callable[[Keyring], bool]
) -> tuple[_Standing, int]:
    """Rule 2; how many statements were new here. What cannot be believed beside ours is that holder's own matter."""
    if isinstance(theirs, str):
        return replace(standing, problem=theirs), 0
    if not is_agreed(theirs):
        problem = f"too few key holders have root {theirs.roots.version} of its list, which is not known here"
        return replace(standing, problem=problem), 0
    try:
        return replace(standing, covered=theirs.digest), library.take_in(asked)
    except MemberError as error:
        return replace(standing, covered=None, problem=str(error)), 0


def _snapshot_of(word: HolderStatements) -> Callable[[Deadline], tuple[SignedSnapshot, Snapshot]]:
    return lambda until: word.snapshot()


def _list_of(word: HolderStatements, own: StatementEnvelope | None) -> Callable[[Deadline], Listed]:
    return lambda until: word.statements(until, own)


def _hand_over(word: HolderStatements, held: Envelopes, listed: Envelopes) -> Callable[[Deadline], None]:
    """Rule 5."""
    has = {payload_digest(Envelope.parse(envelope).payload) for envelope in listed}
    lacks = [each for each in held if payload_digest(Envelope.parse(each).payload) not in has]
    return lambda until: word.hand_over_all(lacks[:_MAX_HANDED], until)


def _recall(vault: Vault, holder: Holder) -> tuple[_Seen | None, Snapshot | None]:
    """What is remembered of a holder; its snapshot is read for what it said, also past its end."""
    payload = vault.get(_KIND, _name(holder))
    if payload is None:
        return None, None
    seen = msgspec.json.decode(payload, type=_Seen)
    return seen, _said(seen.received, holder)


def _said(received: SignedSnapshot, holder: Holder) -> Snapshot | None:
    try:
        return verify_snapshot(received, holder, None)
    except SnapshotError:
        return None


def _remember(vault: Vault, standing: Iterable[_Standing]) -> None:
    """The furthest word of each holder, whether or not it vouches: it must not go back behind it."""
    with vault.transaction():
        for each in standing:
            if each.is_live and each.received is not None:
                payload = msgspec.json.encode(_Seen(each.received, each.covered))
                vault.put(_KIND, each.holder_id.encode(), payload)


def forget_words(vault: Vault) -> None:
    """Forget what the holders vouched for. Inside a transaction of the caller."""
    vault.delete_all(_KIND)


def _name(holder: Holder) -> bytes:
    return holder.holder_id.encode()
