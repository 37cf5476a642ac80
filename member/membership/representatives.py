"""Who acts for this member: letting people in and out, new keys, and what the registrars are to sign of it.

What takes effect only by the registrars' signatures is drafted; a draft is handed out before the vault changes, so that
nobody is let in or out of whom no draft is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from keys.custody.files import is_group_shared
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.ed25519 import SigningKey
from keys.statements.keyring import Keyring, MemberStatement, RepresentativeState, StatedRepresentative
from keys.statements.replacement import sign_replacement
from member.errors import MemberError, NotEnrolledError, RefusedError, UnreachableError, UsageError, quoted
from member.identity.access import REGISTRAR, check_passphrase, check_vault_key, lock_representative
from member.identity.home import LocalRepresentative
from member.identity.people import Person, let_in, let_out, people_of, put_under_new_key
from member.identity.vault_folder import JoiningRequest
from member.inputs import InputError
from member.next_steps import Act, Next
from member.statements.authority import held_keyring, own_statement
from member.vault.rekey import clear_journal
from member.workplace.workplace import Workplace
from schemas.terms import FourEyes, Role
from schemas.values.encoding import from_base64, to_base64

ROLES = ", ".join(role.value for role in Role)
HandOut = Callable[[object], None]
"""Takes a document for the registrars or the operator; raises if it has no place to go."""


class ListedRepresentative(msgspec.Struct, frozen=True):
    """Somebody who acts for this member: as the registrars signed it, or as it asks to be signed."""

    representative_id: str
    public_key: str
    roles: Sequence[str]
    state: str
    key_here: bool
    vault_opens: bool


def list_representatives(workplace: Workplace) -> list[ListedRepresentative]:
    """Those whom the registrars signed, in their order, then those whom they have not."""
    member_id, local = workplace.home.member_id, workplace.home.config.representatives
    signed = own_statement(workplace.keyring, member_id).representatives
    admitted = {each.name: each for each in people_of(workplace.vault)}
    said = {each.representative_id: (each.public_key, sorted(each.roles), each.state.value) for each in signed}
    awaiting = "awaiting_registrars"
    unsigned: dict[str, tuple[str, Sequence[str], str]] = {
        name: (each.public_key, [], awaiting) for name, each in admitted.items()
    }
    unsigned |= {name: (each.public_key, each.roles, awaiting) for name, each in local.items()}
    people: dict[str, tuple[str, Sequence[str], str]] = {
        one: (to_base64(key), roles, state) for one, (key, roles, state) in said.items()
    }
    for name, each in unsigned.items():
        people.setdefault(f"{member_id}/{name}", each)
    return [
        ListedRepresentative(one, *each, key_here=_name_of(one) in local, vault_opens=_name_of(one) in admitted)
        for one, each in people.items()
    ]


@dataclass(frozen=True)
class Admission:
    """Somebody to be let in. `is_back`: the registrars have signed it before, under a key that is lost. `draft` is the
    statement that they are to sign, None where there is nothing to sign.
    """

    request: JoiningRequest
    representative_id: str
    is_back: bool
    draft: dict[str, object] | None


def find_request(workplace: Workplace, name: str) -> JoiningRequest:
    """What somebody who made a key in a home of their own asks; the fingerprint is to be compared."""
    return workplace.home.vault_folder.find_request(name)


def check_fingerprint(request: JoiningRequest, given: str) -> None:
    """MemberError unless the fingerprint, in hexadecimal with or without blanks and colons, is that of the request."""
    if re.sub(r"[\s:]", "", given).lower() != request.fingerprint:
        hint = "do not let it in; ask the new representative in person"
        detail = f"{request.name} asks with another key than the one whose fingerprint you were given"
        raise MemberError(detail, hint, slug="other_key", found=request.fingerprint)


def plan_admission(workplace: Workplace, request: JoiningRequest) -> Admission:
    """What letting somebody in takes. UsageError for a role that there is not and for one whose key is revoked,
    MemberError for another's key.
    """
    roles = read_roles(",".join(request.roles))
    representative_id = f"{workplace.home.member_id}/{request.name}"
    if workplace.home.config.exchange_url is None:
        return Admission(request, representative_id, is_back=False, draft=None)
    key = from_base64(request.public_key, 32)
    signed = StatedRepresentative(representative_id, key, roles, RepresentativeState.ACTIVE)
    statement = own_statement(workplace.keyring, workplace.home.member_id)
    is_back = _comes_back(statement, signed)
    draft = None if is_back else _draft(workplace, statement, (*statement.representatives, signed))
    return Admission(request, representative_id, is_back, draft)


def admit(workplace: Workplace, admission: Admission) -> None:
    """Open the vault for somebody."""
    request, folder = admission.request, workplace.home.vault_folder
    person = Person(request.name, request.public_key, request.wrap_key)
    with workplace.vault.transaction():
        let_in(workplace.vault, folder, workplace.unlocked.vault_key, person)
    folder.forget_request(request.name)


def check_new_here(workplace: Workplace, name: str) -> None:
    """UsageError for the name of somebody who has a key in this home."""
    if name in workplace.home.config.representatives or name == REGISTRAR:
        raise UsageError(f"{name} has a key in this home already")


def add_here(
    workplace: Workplace, name: str, roles: frozenset[Role], passphrase: Callable[[], bytes], hand_out: HandOut
) -> str:
    """In a sandbox: make a key for a further representative in this home; its id."""
    home, statement = workplace.home, own_statement(workplace.keyring, workplace.home.member_id)
    words = passphrase()
    check_passphrase(home, name, words)
    key = SigningKey.generate()
    person = StatedRepresentative(f"{home.member_id}/{name}", key.public_bytes, roles, RepresentativeState.ACTIVE)
    hand_out(_draft(workplace, statement, (*statement.representatives, person)))
    _keep_keys(workplace, name, key, words, roles)
    return person.representative_id


class RotatedKey(msgspec.Struct, frozen=True):
    """A new key (base64), which counts when the registrars have signed it."""

    representative_id: str
    public_key: str


def signed_person(workplace: Workplace, name: str) -> StatedRepresentative:
    """Whoever is to make a new key: oneself; in a sandbox anybody who has a key. Raises UsageError."""
    if not workplace.home.config.sandbox and name != workplace.acting_as:
        raise UsageError(f"{name} makes a new key in a home of their own", "nobody makes a key for another person")
    representative_id = f"{workplace.home.member_id}/{name}"
    statement = own_statement(_latest_keyring(workplace), workplace.home.member_id)
    for each in statement.representatives:
        if each.representative_id == representative_id:
            return each
    raise UsageError(
        f"the registrars have signed no {representative_id}", then=Next(Act.ADD_REPRESENTATIVE, {"name": name})
    )


def rotate(workplace: Workplace, person: StatedRepresentative, passphrase: bytes, hand_out: HandOut) -> RotatedKey:
    """Make a new key for somebody, and a request for the operator: the old key is gone from this home at once."""
    name = _name_of(person.representative_id)
    check_passphrase(workplace.home, name, passphrase)
    key = SigningKey.generate()
    hand_out(sign_replacement(person.representative_id, person.public_key, key))
    public = _keep_keys(workplace, name, key, passphrase, person.roles).public_key
    return RotatedKey(person.representative_id, public)


@dataclass(frozen=True)
class Removal:
    """Somebody to be let out. `draft` is the statement that revokes the key, None where none was signed."""

    name: str
    signed: frozenset[str]
    draft: dict[str, object] | None


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was let out. `old_key_cleared` is None where the vault's key was not changed, False while another
    program has the vault open; `leave_group_of` is a folder shared with a group of system users; `unsigned` are people
    whom the vault opens for and the registrars have not signed.
    """

    representative_id: str
    draft: str | None
    vault_key_changed: bool
    old_key_cleared: bool | None
    leave_group_of: str | None
    vault_opens_for: Sequence[str]
    unsigned: Sequence[str]


def plan_removal(workplace: Workplace, name: str) -> Removal:
    """What letting somebody out takes. UsageError for oneself, and for somebody whom the vault does not open for."""
    home = workplace.home
    if name == workplace.acting_as:
        raise UsageError("nobody removes themselves", "another person for whom the vault opens does")
    signed = _signed_people(workplace)
    if name in signed:
        people = {**signed, name: replace(signed[name], state=RepresentativeState.REVOKED)}
        statement = own_statement(workplace.keyring, home.member_id)
        return Removal(name, frozenset(signed), _draft(workplace, statement, tuple(people.values())))
    if name not in {each.name for each in people_of(workplace.vault)}:
        raise UsageError(f"the vault does not open for {name}", then=Next(Act.LIST_REPRESENTATIVES))
    return Removal(name, frozenset(signed), None)


def remove(workplace: Workplace, removal: Removal, draft: str | None, *, change_vault_key: bool) -> Removed:
    """Close the vault for somebody; `draft` says where the draft went."""
    home, vault, vault_key = workplace.home, workplace.vault, workplace.unlocked.vault_key
    with vault.transaction():
        let_in(vault, home.vault_folder, vault_key, _own(workplace))
        let_out(vault, home.vault_folder, removal.name)
    if change_vault_key:
        check_vault_key(home, put_under_new_key(vault, home.vault_folder, vault_key))
    is_cleared = clear_journal(vault) if change_vault_key else None
    opens_for = [each.name for each in people_of(vault)]
    has_joined, folder = home.config.exchange_url is not None, home.vault_folder.path
    return Removed(
        representative_id=f"{home.member_id}/{removal.name}",
        draft=draft,
        vault_key_changed=change_vault_key,
        old_key_cleared=is_cleared,
        leave_group_of=str(folder) if is_group_shared(folder) else None,
        vault_opens_for=opens_for,
        unsigned=[each for each in opens_for if has_joined and each not in removal.signed],
    )


def four_eyes_of(workplace: Workplace) -> list[str]:
    """What takes two people of this member, by its own wish."""
    return sorted(own_statement(workplace.keyring, workplace.home.member_id).four_eyes)


def draft_four_eyes(workplace: Workplace, *, answers: bool) -> tuple[list[str], dict[str, object]]:
    """What is to take two people once the registrars have signed it, and the draft of that."""
    statement = own_statement(workplace.keyring, workplace.home.member_id)
    chosen = statement.four_eyes | {FourEyes.ANSWERS} if answers else statement.four_eyes - {FourEyes.ANSWERS}
    return sorted(chosen), _draft(workplace, replace(statement, four_eyes=chosen), statement.representatives)


def read_roles(text: str) -> frozenset[Role]:
    """The roles of `a,b`, at least one. Raises InputError."""
    names = [name for name in re.split(r"[,\s]+", text) if name]
    try:
        roles = frozenset(Role(name) for name in names)
    except ValueError:
        raise InputError("roles", f"{quoted(text)} names no role we know", f"from: {ROLES}") from None
    if not roles:
        raise InputError("roles", "a representative has a role", f"from: {ROLES}")
    return roles


def _comes_back(statement: MemberStatement, person: StatedRepresentative) -> bool:
    """Whether the registrars have signed that person already, under a key that is lost. UsageError for one whose
    key is revoked, MemberError for another's key.
    """
    is_back = False
    for other in statement.representatives:
        if other.representative_id == person.representative_id:
            is_back = True
            if other.state is not RepresentativeState.ACTIVE:
                raise UsageError(f"{person.representative_id} was removed", "make a home under another name")
        elif other.public_key == person.public_key:
            detail = f"{person.representative_id} has the key of {other.representative_id}: one person is not two"
            raise MemberError(detail, "each person makes a key in a home of their own", slug="same_key")
    return is_back


def _keep_keys(
    workplace: Workplace, name: str, key: SigningKey, passphrase: bytes, roles: frozenset[Role]
) -> LocalRepresentative:
    """Put a representative's new keys into this home, and open the vault for them: whenever it stops, the vault opens
    for those that lie here.
    """
    home, wrap_key = workplace.home, EncryptionKey.generate()
    vault_key = workplace.unlocked.vault_key
    public = to_base64(key.public_bytes)
    with workplace.vault.transaction():
        person = Person(name, public, to_base64(wrap_key.public_bytes))
        let_in(workplace.vault, home.vault_folder, vault_key, person, ahead=True)
        lock_representative(home, name, roles, key, wrap_key, passphrase=passphrase)
    home.vault_folder.wrap(name, wrap_key.public_bytes, vault_key)
    local = LocalRepresentative(sorted(role.value for role in roles), public)
    home.save(representatives={**home.config.representatives, name: local})
    return local


def _signed_people(workplace: Workplace) -> dict[str, StatedRepresentative]:
    """This member's representatives as the registrars signed them, by name; none before it has joined."""
    if workplace.home.config.exchange_url is None:
        return {}
    statement = own_statement(workplace.keyring, workplace.home.member_id)
    return {_name_of(person.representative_id): person for person in statement.representatives}


def _own(workplace: Workplace) -> Person:
    """Whoever acts, by the keys of this home: what the vault says of them may be older, or another's."""
    unlocked = workplace.unlocked
    public = to_base64(unlocked.identity.key.public_bytes)
    return Person(unlocked.name, public, to_base64(unlocked.wrap_key.public_bytes))


def _latest_keyring(workplace: Workplace) -> Keyring:
    """As the exchange has it or, since it may refuse the acting key already, as the vault has it."""
    try:
        return workplace.refreshed_keyring()
    except (RefusedError, UnreachableError, NotEnrolledError):
        return held_keyring(workplace.root, workplace.vault)


def _draft(
    workplace: Workplace, statement: MemberStatement, people: tuple[StatedRepresentative, ...]
) -> dict[str, object]:
    """The next statement of this member, with these people."""
    now = workplace.around.clock()
    return replace(statement, sequence=statement.sequence + 1, issued_at=now, representatives=people).to_wire()


def _name_of(representative_id: str) -> str:
    return representative_id.partition("/")[2]
