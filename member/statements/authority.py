"""Whom this member believes: the registrars' statements, checked here and kept in the vault.

Rules, in order:
1. The root is the one pinned when joining, and what its quorum made of it since (keys/statements/roots.py): the vault
   keeps every root of the chain that is believed (member/statements/succession.py), so that nothing received later
   leads back.
2. Each statement counts only with the registrars' quorum (keys.statements.envelopes), whoever handed it over.
3. What was once believed is kept: an exchange that hides a statement, or offers an older one, changes nothing.
4. Two different statements of one sequence are a fault, and the command ends.
5. Acting needs a statement that names this member active and the acting representative's own key active.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from keys.statements.envelopes import ROOT, Envelope, Statement, read_payload
from keys.statements.keyring import (
    EpochState,
    EpochStatement,
    ExchangeStatement,
    Keyring,
    MemberState,
    MemberStatement,
    RepresentativeState,
    Root,
    StatementError,
    UnknownStatementError,
)
from keys.statements.roots import roots_first
from member.errors import AnswerError, HomeError, NotEnrolledError
from member.next_steps import Act, Next
from member.transport.channel import Identity
from member.vault.store import Vault
from schemas.statements import StatementEnvelope
from schemas.terms import Role

_KIND = "statement"
_STALE = "stale"
_BEFORE = "statement_before"
"""What was stated of members and epochs before: an answer is judged by what was stated when it was sent."""
_KEPT_BEFORE = frozenset({"member", "epoch"})
AWAITING = "the registrars have not signed this member's enrolment yet"
AWAITING_HINT = "ask the registrars; it takes effect as soon as enough of them have signed"


def load_root(path: Path) -> Root:
    """The pinned root. HomeError if there is none."""
    try:
        return Root.load(path)
    except StatementError as error:
        raise HomeError(f"the registrars' root cannot be used: {error}", then=Next(Act.JOIN)) from error


def held_keyring(root: Root, vault: Vault) -> Keyring:
    """The keyring from what the vault holds, asking nobody."""
    return replay(root, (_kept(payload) for kind in (_BEFORE, _KIND) for payload in vault.all(kind)))


def replay(root: Root, envelopes: Iterable[StatementEnvelope]) -> Keyring:
    """The keyring from what was kept, in any order. What does not count under the root pinned is passed over: another
    may have been pinned by hand since. AnswerError for what is no statement.
    """
    keyring = Keyring(root)
    kept = in_order(envelopes)
    links = [None, *(each for each in kept if head_of(each).type == ROOT)]
    waiting = sorted((each for each in kept if head_of(each).type != ROOT), key=lambda each: head_of(each).sequence)
    for link in links:
        # What counted before a change of registrars is taken in before it: it is what was stated then.
        if link is None or _counted(keyring, link):
            waiting = [each for each in waiting if not _counted(keyring, each)]
    return keyring


def head_of(envelope: StatementEnvelope) -> Statement:
    """What an envelope is about. Raises StatementError for what is no statement."""
    return read_payload(Envelope.parse(envelope).payload)


def _counted(keyring: Keyring, envelope: StatementEnvelope) -> bool:
    """Whether the keyring took it in; what it refuses may count under a later root."""
    try:
        keyring.add(envelope)
    except StatementError:
        return False
    return True


def build_keyring(root: Root, envelopes: Iterable[StatementEnvelope]) -> Keyring:
    """A keyring from statements in the order in which they were accepted."""
    keyring = Keyring(root)
    for envelope in envelopes:
        _add(keyring, envelope)
    return keyring


def take_in(keyring: Keyring, vault: Vault, envelopes: Iterable[StatementEnvelope], *, is_strict: bool = True) -> int:
    """Add what is newer to the keyring and keep it in the vault; how many statements were. AnswerError for one that is
    not to be believed, unless it is merely passed over (`is_strict` False); what came before it stays taken in.
    """
    taken, wrong = 0, None
    with vault.transaction():
        for envelope in in_order(envelopes):
            head = head_of(envelope)
            try:
                is_new = not keyring.knows(head.payload) and _add(keyring, envelope)
            except AnswerError as error:
                if not is_strict:
                    continue
                wrong = error
                break
            if is_new:
                taken += 1
                _keep(vault, head, envelope)
    if wrong is not None:
        raise wrong
    return taken


def _keep(vault: Vault, head: Statement, envelope: StatementEnvelope) -> None:
    name = _name_of(head)
    held = vault.get(_KIND, name)
    if head.type in _KEPT_BEFORE and held is not None:
        vault.put(_BEFORE, name + f"|{head.sequence}".encode(), held)
    vault.put(_KIND, name, msgspec.json.encode(envelope))


def _name_of(head: Statement) -> bytes:
    """Every root has a place of its own: each leads to the next."""
    return f"{head.type}|{head.sequence if head.type == ROOT else head.subject}".encode()


def drop_statements(vault: Vault) -> None:
    """Forget all. Inside a transaction of the caller."""
    vault.delete_all(_KIND)
    vault.delete_all(_BEFORE)


def drop_links(vault: Vault, is_astray: Callable[[Statement], bool]) -> int:
    """Forget these roots, as many as there are. Inside a transaction of the caller."""
    held = [head_of(envelope) for envelope in held_envelopes(vault)]
    astray = [head for head in held if head.type == ROOT and is_astray(head)]
    for head in astray:
        vault.delete(_KIND, _name_of(head))
    return len(astray)


def in_order(envelopes: Iterable[StatementEnvelope]) -> list[StatementEnvelope]:
    """Roots first. AnswerError for what is no statement."""
    try:
        return roots_first(envelopes)
    except StatementError as error:
        raise AnswerError(f"a statement cannot be believed: {error}", "tell the registrars") from error


def held_envelopes(vault: Vault) -> list[StatementEnvelope]:
    """The envelopes in force that the vault keeps."""
    return [_kept(payload) for payload in vault.all(_KIND)]


def held_envelope(vault: Vault, kind: str, subject: str) -> StatementEnvelope | None:
    """The envelope of the statement in force about a subject, as the vault keeps it."""
    payload = vault.get(_KIND, f"{kind}|{subject}".encode())
    return None if payload is None else _kept(payload)


def _kept(payload: bytes) -> StatementEnvelope:
    return msgspec.json.decode(payload, type=StatementEnvelope)


def _add(keyring: Keyring, envelope: StatementEnvelope) -> bool:
    """Whether the statement is now the one in force."""
    try:
        keyring.add(envelope)
    except StatementError as error:
        if error.reason == _STALE:
            return False
        raise AnswerError(f"a statement cannot be believed: {error}", "tell the registrars") from error
    return True


def own_statement(keyring: Keyring, member_id: str) -> MemberStatement:
    """What the registrars say of this member. NotEnrolledError while they say nothing."""
    try:
        return keyring.member(member_id)
    except UnknownStatementError:
        raise NotEnrolledError(AWAITING, AWAITING_HINT, slug="awaiting_registrars") from None


def check_may_act(keyring: Keyring, member_id: str, identity: Identity) -> MemberStatement:
    """The member's statement. NotEnrolledError unless member and representative are active, with this very key."""
    statement = own_statement(keyring, member_id)
    if statement.state is not MemberState.ACTIVE:
        raise NotEnrolledError(f"the registrars have suspended {member_id}", slug="suspended")
    for person in statement.representatives:
        if person.representative_id == identity.key_id and person.state is RepresentativeState.ACTIVE:
            if person.public_key == identity.key.public_bytes:
                return statement
            raise NotEnrolledError(f"the registrars signed another key for {identity.key_id}", slug="other_key")
    detail, then = f"no statement names {identity.key_id} as active", Next(Act.LIST_REPRESENTATIVES)
    raise NotEnrolledError(detail, "the registrars sign changes", slug="not_a_representative", then=then)


def stated_roles(keyring: Keyring, representative_id: str) -> frozenset[Role]:
    """The roles that the registrars have stated of a representative; none for one whom they have not stated."""
    try:
        _, person = keyring.representative(representative_id)
    except UnknownStatementError:
        return frozenset()
    return person.roles


def current_epoch(keyring: Keyring) -> EpochStatement:
    """The epoch to tokenise in. NotEnrolledError while the registrars have signed none."""
    try:
        return keyring.current_epoch
    except UnknownStatementError:
        raise NotEnrolledError("the registrars have signed no key epoch yet", slug="no_epoch") from None


def usable_epoch(keyring: Keyring, number: int) -> EpochStatement | None:
    """The epoch of this number if holders still evaluate in it."""
    try:
        epoch = keyring.epoch(number)
    except UnknownStatementError:
        return None
    return None if epoch.state is EpochState.RETIRED else epoch


def stated_exchange(keyring: Keyring) -> ExchangeStatement:
    """The exchange as the registrars state it: its log's key and its receipts' key."""
    try:
        return keyring.exchange
    except UnknownStatementError:
        raise NotEnrolledError(
            "the registrars have signed no statement of the exchange yet", slug="no_exchange"
        ) from None
