"""Which log this member follows. A log that was started anew is another log, even if the registrars signed it: what the
former one recorded may be gone, so this member's own person has to accept it.

1. The first log that is verified is the one followed; its origin is the registrars' word.
2. When the registrars state another origin, every check of the log fails and says so, until the new one is accepted
   by name. Nothing else accepts it.
3. Accepting verifies the new log whole, and keeps what the former one promised and the new one lacks: such receipts
   are reported in every later verification.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from member.errors import MemberError
from member.log.witness import load_seen
from member.next_steps import Act, Next
from member.vault.store import Vault

_KIND = "log-origin"
_FOLLOWED = b"followed"


@dataclass(frozen=True)
class FollowedLog:
    """The origin followed; who accepted it and when, None for the first; and the events whose receipts it lacks."""

    origin: str
    accepted_by: str | None = None
    accepted_at: str | None = None
    lost_events: tuple[str, ...] = ()


def followed_log(vault: Vault) -> FollowedLog | None:
    """The log that this member follows, None before the first verification."""
    payload = vault.get(_KIND, _FOLLOWED)
    return None if payload is None else msgspec.msgpack.decode(payload, type=FollowedLog)


def follow(vault: Vault, log: FollowedLog) -> None:
    """Follow a log from now on."""
    with vault.transaction():
        vault.put(_KIND, _FOLLOWED, msgspec.msgpack.encode(log))


def check_origin(vault: Vault, stated_origin: str) -> FollowedLog:
    """The log followed, which must be the one stated. MemberError `log_restarted` otherwise."""
    log = followed_log(vault)
    if log is None:
        if load_seen(vault, stated_origin) is None and any(True for _ in vault.all("log")):
            raise _restarted(stated_origin, None)
        log = FollowedLog(stated_origin)
        follow(vault, log)
    if log.origin != stated_origin:
        raise _restarted(stated_origin, log.origin)
    return log


def _restarted(stated: str, followed: str | None) -> MemberError:
    former = "the one verified before" if followed is None else followed
    return MemberError(
        f"the registrars state another log than {former}: {stated}. The log was started anew, and what the former one "
        "recorded may be gone",
        "ask the registrars why; if their answer holds, follow it",
        slug="log_restarted",
        then=Next(Act.ACCEPT_ORIGIN, {"origin": stated}),
        origin=stated,
        former_origin=followed,
    )
