"""One call of the program: which home, as whom, and how to answer."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import click

from member.commands.shared.passphrases import unlock_registrar, unlock_representative
from member.errors import HomeError, UsageError
from member.identity.home import Home
from member.plain import printable
from member.transport.channel import Identity, RuntimeEnvironment
from member.workplace.workplace import Workplace

DEFAULT = "analyst"
"""Who acts, if nothing is said."""


def default_environment() -> RuntimeEnvironment:
    """The real clock, real sleep and real network; what takes long is reported on standard error."""
    return RuntimeEnvironment(
        lambda: datetime.now(UTC), time.sleep, lambda url: None, tell=lambda text: click.echo(printable(text), err=True)
    )


class Session:
    """What belongs to one call of the program; the work itself is done at a `Workplace`, made when first needed."""

    def __init__(self, surroundings: RuntimeEnvironment) -> None:
        self._home_path: Path | None = None
        self.said_as: str | None = None
        self.around = surroundings
        self.as_json = False
        self._stack = ExitStack()

    def set_out(self, home_path: Path | None, said_as: str | None) -> None:
        """Take in what the command line says."""
        self._home_path = home_path
        self.said_as = said_as

    def close(self) -> None:
        """End the work, however the command ended."""
        self._stack.close()

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
        home.remove_mark_of_vault()
        return home

    @cached_property
    def workplace(self) -> Workplace:
        """Where the acting representative works; its passphrase is asked for when its keys are needed first."""
        home = self.home
        return self._stack.enter_context(
            Workplace(home, lambda: unlock_representative(home, self.acting_as), self.around)
        )

    @cached_property
    def registrar(self) -> Identity:
        """The registrar whose key lies in this home."""
        return unlock_registrar(self.home)

    def officer(self, representative_id: str) -> Identity:
        """Another representative of this member whose key lies in this home: a sandbox's alone, since one run would ask
        and authorise. HomeError elsewhere.
        """
        member_id, _, name = representative_id.partition("/")
        if member_id != self.home.member_id:
            raise UsageError(f"{representative_id} is not of {self.home.member_id}", "name an officer of yours")
        if not self.home.config.sandbox:
            cure = f"leave out --approve; {name} then gives, in a home of their own: member query approve ID"
            raise HomeError(
                "one person does not ask and authorise: only a sandbox does both at once", cure, slug="same_person"
            )
        return unlock_representative(self.home, name).identity
