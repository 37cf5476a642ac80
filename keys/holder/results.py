"""What the commands of `keyholder` print: as one JSON document, and for people."""

from __future__ import annotations

import msgspec

from keys.terminal.program import CommandResult


class DescribedHolder(CommandResult, frozen=True):
    """Who a key holder is. The key that verifies its answers is base64."""

    holder_id: str
    url: str
    verify_key: str
    registrars_fingerprint: str


class NewHolder(DescribedHolder, frozen=True):
    """A home that was made."""

    home: str

    def text(self) -> str:
        return f"{self.holder_id} is set up; registrars' fingerprint {self.registrars_fingerprint}"


class DealtEpoch(CommandResult, frozen=True):
    """A key that was dealt; the draft of its statement is in the file `out`."""

    epoch: int
    threshold: int
    holders: int
    public_key: str
    out: str

    def text(self) -> str:
        return f"epoch {self.epoch} is dealt to {self.holders} holders; the registrars sign {self.out}"


class GrantedExtra(msgspec.Struct, frozen=True, kw_only=True):
    """A dated extra, and how much of it is used."""

    evaluations: int
    used: int
    ends_at: str


class MemberBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A member's budget and its use. `state` is the registrars', or `awaiting_statement`."""

    member_id: str
    state: str
    standing: int
    used: int
    renews_at: str
    grants: list[GrantedExtra]
    remaining: int
    evaluations_30_days: int


class AllowedMembers(CommandResult, frozen=True):
    """Members that are answered from now on."""

    members: list[MemberBudget]

    def text(self) -> str:
        return "\n".join(f"{one.member_id}: {one.standing} evaluations per 30 days" for one in self.members)


class GrantedMembers(CommandResult, frozen=True):
    """Members that were given an extra."""

    members: list[MemberBudget]

    def text(self) -> str:
        return "\n".join(f"{one.member_id}: {one.remaining} evaluations remain" for one in self.members)


class HeldEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch as stated, and whether a share of its key is here."""

    epoch: int
    state: str
    threshold: int
    share: bool


class HolderStatus(DescribedHolder, frozen=True):
    """Who it is, its epochs, and each member's budget."""

    shares: list[int]
    epochs: list[HeldEpoch]
    members: list[MemberBudget]

    def text(self) -> str:
        lines = [f"{self.holder_id} at {self.url}", f"registrars' fingerprint {self.registrars_fingerprint}"]
        lines += [f"epoch {one.epoch}: {one.state}" for one in self.epochs] or ["no epoch is stated yet"]
        lines += [
            f"{one.member_id} ({one.state}): {one.evaluations_30_days} in 30 days, {one.remaining} remain"
            for one in self.members
        ]
        return "\n".join(lines)
