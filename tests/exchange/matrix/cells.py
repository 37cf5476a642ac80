"""The cells of the permission matrix: who asks for what, in which state, naming whose object.

A cell is one request. The dimensions come from the code lists of schemas/terms.py and from the routes; nothing here
says what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas.terms import MemberKind, Role

ROLE_SETS: dict[str, frozenset[Role]] = {
    "none": frozenset(),
    **{role.value: frozenset({role}) for role in Role},
    "all": frozenset(Role),
}
OTHER_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Caller(StrEnum):
    """Who signs the request."""

    UNSIGNED = "nobody"
    INVENTED_KEY = "a key that no statement names"
    IMPOSTOR = "another key in a representative's name"
    OTHER_MEMBER = "another member's key in a representative's name"
    FALSE_REGISTRAR = "another key in a registrar's name"
    REGISTRAR = "a registrar"
    REPRESENTATIVE = "a representative"
    FEED_TOKEN = "a feed token"
    INVENTED_TOKEN = "a feed token that nobody was given"
    REVOKED_TOKEN = "a revoked feed token"
    SUSPENDED_TOKEN = "a suspended member's feed token"


TOKENS = (Caller.FEED_TOKEN, Caller.INVENTED_TOKEN, Caller.REVOKED_TOKEN, Caller.SUSPENDED_TOKEN)
STRANGERS = tuple(caller for caller in Caller if caller not in {Caller.REGISTRAR, Caller.REPRESENTATIVE, *TOKENS})


class State(StrEnum):
    """How the member, its key, its group or the epoch stands."""

    ACTIVE = "active"
    STOPPED = "member stopped by the operator"
    SUSPENDED = "member suspended by the registrars"
    KEY_REVOKED = "key revoked by the registrars"
    KEY_WITHDRAWN = "key revoked by the operator"
    NOT_IN_GROUP = "member not in the group"
    GROUP_CLOSED = "group closed"
    GROUP_PAST_SUNSET = "group past its sunset"
    EPOCH_RETIRED = "epoch retired"
    NOT_ALLOWED = "member not allowed by the holder"


class Tenant(StrEnum):
    """Whose object the request names."""

    OWN = "its own"
    OTHERS_SUBMISSION = "another member's submission id"
    OTHERS_GROUP = "a group of others"
    OTHERS_KEY = "an idempotency key that another member used"
    USED_KEY = "an idempotency key of its own, used for another request"
    OTHERS_CURSOR = "a cursor out of another member's pages"
    OTHERS_CODE = "an enrolment code of another"
    ADDRESSED_ALERT = "another member's alert that is addressed to it"
    OTHERS_ALERT = "another member's alert that is not addressed to it"
    OTHERS_COLLECTION = "a collection of a group of others"
    OTHERS_TOKEN = "another member's feed token"
    OTHERS_SUBSCRIPTION = "another member's subscription"
    OTHERS_HIT = "another member's hit"
    OTHERS_ROW = "another member's row"
    OTHERS_CORRECTION = "another member's correction"
    OTHERS_REQUEST = "an information request between others"
    OTHERS_QUERY = "another agency's query"
    OTHERS_EVALUATION = "what another agency asked of a key holder"


@dataclass(frozen=True, slots=True)
class Cell:
    """One request. `route` is `METHOD /path` as the URL map writes it; kind and roles are of a representative only."""

    route: str
    caller: Caller
    tenant: Tenant = Tenant.OWN
    state: State = State.ACTIVE
    kind: MemberKind | None = None
    roles: str = ""


def is_overseer(cell: Cell) -> bool:
    """Whether an independent reviewer asks."""
    return cell.kind is MemberKind.REGULATOR and Role.REVIEWER in ROLE_SETS[cell.roles]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell is answered with: the status, and the slug of the problem if it is one."""

    status: int
    slug: str | None = None

    @property
    def is_granted(self) -> bool:
        """Whether the request got what it asked for."""
        return self.slug is None


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What varies at one service: routes, states, the tenants that a route can name, and who calls besides
    representatives.
    """

    routes: Sequence[str]
    states: Sequence[State]
    tenants: Mapping[str, Sequence[Tenant]]
    callers: Sequence[Caller] = (*STRANGERS, Caller.REGISTRAR)

    def cells(self) -> Iterator[Cell]:
        """Every cell."""
        for route in self.routes:
            for tenant in self.tenants.get(route, (Tenant.OWN,)):
                yield from (Cell(route, caller, tenant) for caller in self.callers)
                for state in self.states:
                    for kind in MemberKind:
                        for roles in ROLE_SETS:
                            yield Cell(route, Caller.REPRESENTATIVE, tenant, state, kind, roles)
        yield from self.closed_methods()

    def closed_methods(self) -> Iterator[Cell]:
        """Methods that a path does not take."""
        paths = sorted({route.partition(" ")[2] for route in self.routes})
        for path in paths:
            for method in OTHER_METHODS:
                if f"{method} {path}" not in self.routes:
                    yield Cell(f"{method} {path}", Caller.UNSIGNED)


def is_in_slice(cell: Cell) -> bool:
    """Whether a cell is in the smaller part that every run of the tests sends: kinds of member in turn, so that on each
    route and in each state every set of roles and every kind is there; what is not one's own is named with every set
    of roles by active members, and with all roles in every state. Whatever depends on two dimensions shows in it.
    """
    if cell.kind is None:
        return True
    if cell.tenant is not Tenant.OWN and cell.state is not State.ACTIVE and cell.roles != "all":
        return False
    turn = list(State).index(cell.state) + list(ROLE_SETS).index(cell.roles)
    return list(MemberKind).index(cell.kind) == turn % len(MemberKind)


Judge = Callable[[Cell], Outcome]
"""What a cell is to be answered with."""
