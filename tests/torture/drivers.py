"""Members at work, each in a thread of its own, until they are told to leave."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import ClassVar

from tests.torture.commands import Commands, GivenUpError
from tests.torture.journal import Act, Journal
from tests.torture.member_process import Ended
from tests.torture.records import UNEXPECTED, Records
from tests.torture.story.own_log import check_own_log
from tests.torture.work import Truth

REFUSED = "was_refused"


class Driver(threading.Thread):
    """One member, until `leave`; then it ends what it has begun. `folder` keeps its files, taps and journal.

    A kind of member says in `_turn` what it does over and over, and in `_ended` what must come of each act.
    """

    _AS: ClassVar[tuple[str, ...]] = ("--as", "authoriser")

    def __init__(self, member: str, home: str, folder: Path, *, seed: int, truth: Truth, records: Records) -> None:
        super().__init__(name=f"driver-{member}", daemon=True)
        self.member = member
        self.commands = Commands(member, home, folder, records)
        self._folder = folder
        self._seed = seed
        self._truth = truth
        self._records = records
        self._leaving = threading.Event()
        self._rng = random.Random(f"{seed}/driver/{member}")
        self._journal = Journal(folder / "journal")
        self._done, self._open = self._journal.read()

    def leave(self) -> None:
        """Let the thread end after the turn in hand."""
        self._leaving.set()

    def give_up(self) -> None:
        """End the thread, whatever it does."""
        self._leaving.set()
        self.commands.give_up()

    def run(self) -> None:
        """Work."""
        try:
            if self._open is not None:
                self._carry_on(self._open)
            while not self._leaving.is_set():
                self._turn()
        except GivenUpError:
            return
        except Exception as error:  # noqa: BLE001 - a driver that ends must be seen in the result
            self._records.fault(UNEXPECTED, f"{self.member}: {type(error).__name__}: {error}")

    def _turn(self) -> None:
        """What the member does over and over."""
        raise NotImplementedError

    def _ended(self, act: Act, ended: Ended, cuts: int) -> Act | None:
        """Check what came of an act; what must be known of it later, None if nothing came of it."""
        raise NotImplementedError

    def finish(self) -> None:
        """What is left to do when nobody is killed any more."""

    def _act(self, name: str, *arguments: str, **known: object) -> Act | None:
        """Do something that lasts; what came of it, None if it was refused."""
        act: Act = {"do": name, "arguments": list(arguments), **known}
        self._journal.begin(act)
        return self._carry_on(act, cuts=0)

    def _carry_on(self, act: Act, cuts: int = 1) -> Act | None:
        """Bring an act to its end. One that an earlier run had begun counts as cut short."""
        ended, more = self.commands.run(*act["arguments"])
        done = self._ended(act, ended, cuts + more)
        known = {REFUSED: True} if done is None else done
        self._journal.end(known)
        self._done.append({**act, **known})
        return None if done is None else self._done[-1]

    def _acts(self, name: str) -> list[Act]:
        """The acts of that name that came to something."""
        return [act for act in self._done if act["do"] == name and REFUSED not in act]

    def _look(self, *arguments: str) -> Ended:
        """A command that changes nothing, which must go well."""
        ended, _ = self.commands.run(*arguments)
        if ended.status != 0 or ended.document is None:
            self._is_wrong(arguments, ended)
        return ended

    def _is_wrong(self, arguments: object, ended: Ended) -> None:
        error = (ended.document or {}).get("error")
        self._records.fault(UNEXPECTED, f"{self.member}: {arguments} ended with {ended.status}: {error}")

    def verify_log(self) -> None:
        """`log verify` holds, and all that was told is in this member's log, once."""
        check_own_log(self.commands, self._records)


class Reader(Driver):
    """A member that does nothing but read its log."""

    def _turn(self) -> None:
        self._leaving.wait()


def refused_for(ended: Ended) -> set[str]:
    """The rules for which a command was refused; its error's type where it names none."""
    error = (ended.document or {}).get("error") or {}
    reasons = error.get("problem", {}).get("reasons") or []
    return {reason["code"] for reason in reasons} or ({str(error["type"])} if error else set())
