"""What a sandbox holds, what its folder keeps for a second start, and how it describes itself."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

COORDINATOR = "necc"
REVIEWER = "reviewer"
LOAD_MEMBERS = ("load-1", "load-2")


class NamedLog(msgspec.Struct, frozen=True):
    """The log's origin and the key that verifies it."""

    origin: str
    vkey: str


@dataclass(frozen=True)
class SandboxPlan:
    """What the sandbox holds. `port` 0 takes a free one; no `database_url` means SQLite in the folder."""

    banks: tuple[str, ...] = ("a", "b", "c")
    agencies: tuple[str, ...] = ()
    holders: int = 3
    threshold: int = 2
    port: int = 0
    database_url: str | None = None
    indicators: int = 0
    alerts: int = 0

    @property
    def load_members(self) -> tuple[str, ...]:
        """The extra members under which generated rows are stored."""
        return LOAD_MEMBERS if self.indicators else ()

    @property
    def members(self) -> dict[str, str]:
        """Kind of each member, by its id; the coordinator last."""
        kinds = dict.fromkeys((*self.banks, *self.load_members), "financial_institution")
        kinds |= dict.fromkeys(self.reviewers, "regulator")
        kinds |= dict.fromkeys((*self.agencies, COORDINATOR), "law_enforcement")
        return kinds

    @property
    def reviewers(self) -> tuple[str, ...]:
        """The independent reviewer, who reads of the agencies' work at once."""
        return (REVIEWER,) if self.agencies else ()

    @property
    def in_group(self) -> list[str]:
        """The members that share rows, and may tokenise; the reviewer only reads the log."""
        return [member_id for member_id in self.members if member_id not in self.reviewers]


class SandboxState(msgspec.Struct):
    """What a second start needs (state.json): the plan, each program's port by its name, and the log."""

    plan: SandboxPlan
    ports: dict[str, int] = {}
    log: NamedLog | None = None


class DescribedMember(msgspec.Struct, frozen=True):
    """A member's home and kind, and the token of its feed reader."""

    home: str
    kind: str
    feed_token: str | None


class DescribedTaxii(msgspec.Struct, frozen=True):
    """Where a TAXII client begins, and each collection's id by its title."""

    discovery_url: str
    collections: dict[str, str]


class SandboxDescription(msgspec.Struct, frozen=True):
    """The document of sandbox.json."""

    exchange_url: str
    holders: list[str]
    threshold: int
    members: dict[str, DescribedMember]
    log: NamedLog | None
    taxii: DescribedTaxii | None
    feeds: dict[str, str] | None
    pids: dict[str, int]
