"""One run: a whole taskforce at work, a kill every second or so, and checks all the while.

A run's folder holds everything that it needs to go on after it was killed itself.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.torture import victims
from tests.torture.audit import Audit
from tests.torture.drivers import Driver, Reader
from tests.torture.programs import AGENCY, BANKS, REVIEWER, Postgresql, SandboxPrograms
from tests.torture.records import DOUBLED, UNEXPECTED, Records
from tests.torture.story.agency import Agency
from tests.torture.story.bank import Bank
from tests.torture.victims import Blow
from tests.torture.work import Truth

_Driver = TypeVar("_Driver", bound=Driver)
_VICTIM_SECONDS = 120.0
_WORK_SECONDS = 300.0
_EVERY_KIND_SECONDS = 600.0
_KILLS_AT_REST = 3
_ACTION = ("requests", "answers", "queries", "withdrawals", "corrections")


@dataclass(frozen=True)
class Plan:
    """What a run is told. `wrong`: the exchange answers that before it commits, and only it is killed."""

    kills: int
    seed: int
    postgresql: bool = False
    wrong: str | None = None
    audit_every: int = 10
    longest_pause: float = 2.0

    @property
    def victims(self) -> tuple[str, ...]:
        """The kinds of processes to kill."""
        if self.wrong is not None:
            return (victims.EXCHANGE,)
        return (*victims.COMMON, *(victims.OF_POSTGRESQL if self.postgresql else ()))


class OtherPlanError(Exception):
    """The folder holds a run under another plan."""


class Torture:
    """A run in a folder, which is `kept` to go on from, or not. `report` is told how it goes."""

    def __init__(self, folder: Path, plan: Plan, report: Callable[[str], None], *, kept: bool) -> None:
        self._folder = folder
        self._kept = kept
        self._plan = plan
        self._report = report
        self._state_file = folder / "state.json"
        self._by_victim: Counter[str] = Counter()
        self._kills = 0
        self._seconds = 0.0
        self._records = Records()
        self._truth = Truth()
        self._load_state()

    def _load_state(self) -> None:
        if not self._state_file.exists():
            return
        state = json.loads(self._state_file.read_text())
        if (state["seed"], state["postgresql"]) != (self._plan.seed, self._plan.postgresql):
            raise OtherPlanError(f"{self._folder} holds a run with another seed or database")
        self._by_victim = Counter(state["by_victim"])
        self._kills, self._seconds = state["kills"], state["seconds"]
        self._records.count(**state["figures"])

    def _save_state(self, started_at: float) -> None:
        draft = self._state_file.with_suffix(".draft")
        state: dict[str, Any] = {"seed": self._plan.seed, "postgresql": self._plan.postgresql, "kills": self._kills}
        state |= {"by_victim": self._by_victim, "figures": self._records.figures()}
        state |= {"seconds": self._seconds + time.monotonic() - started_at}
        draft.write_text(json.dumps(state))
        draft.replace(self._state_file)

    def run(self) -> dict[str, Any]:
        """Everything, from the number of kills that an earlier run in the folder has reached; the result."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._postgresql = Postgresql(self._folder) if self._plan.postgresql else None
        try:
            url = self._postgresql.url if self._postgresql else None
            self._report("the taskforce starts")
            self._programs = SandboxPrograms(self._folder, url, wrong=self._plan.wrong)
            try:
                return self._work(url or self._programs.database_url)
            finally:
                self._programs.stop()
        finally:
            if self._postgresql:
                self._postgresql.stop()
                if not self._kept or self._kills >= self._plan.kills:
                    shutil.rmtree(self._postgresql.folder, ignore_errors=True)

    def _work(self, url: str) -> dict[str, Any]:
        audit = Audit(url, self._records)
        self._banks = [self._make(Bank, bank) for bank in BANKS]
        self._agency = self._make(Agency, AGENCY)
        self._drivers: list[Driver] = [*self._banks, self._agency, self._make(Reader, REVIEWER)]
        started_at = time.monotonic()
        for driver in self._drivers:
            driver.start()
        try:
            self._strike_all(audit, started_at)
            if not self._records.has_faults():
                self._settle(audit)
                self._save_state(started_at)
            return self._result(audit, time.monotonic() - started_at)
        finally:
            for driver in self._drivers:
                driver.give_up()
            for driver in self._drivers:
                driver.join()

    def _make(self, kind: type[_Driver], member: str) -> _Driver:
        folder = self._folder / "members" / member
        home, seed = self._programs.home(member), self._plan.seed
        return kind(member, home, folder, seed=seed, truth=self._truth, records=self._records)

    def _strike_all(self, audit: Audit, started_at: float) -> None:
        """Every kill that is still to come, until something is found wrong."""
        self._answers, self._at_rest = 0, _KILLS_AT_REST  # work first
        self._wait_for_every_kind()
        plan = self._plan
        for blow in victims.make_schedule(plan.seed, plan.kills, plan.victims, plan.longest_pause)[self._kills :]:
            self._wait_for_work()
            self._strike(blow)
            self._save_state(started_at)
            if self._kills % plan.audit_every == 0:
                for driver in self._drivers:
                    driver.commands.note_answers()
                audit.run()
                self._print_progress()
            if self._records.has_faults():
                return

    def _wait_for_every_kind(self) -> None:
        """Nobody is killed before each kind of work has been done once: then every kill can hit any of it. A wrong
        exchange would not come so far.
        """
        deadline = time.monotonic() + _EVERY_KIND_SECONDS
        while not self._plan.wrong and not all(map(self._records.figures().get, _ACTION)):
            if self._records.has_faults():
                return
            if time.monotonic() > deadline:
                self._records.fault(UNEXPECTED, f"not every kind of work was done within {_EVERY_KIND_SECONDS:.0f} s")
                return
            time.sleep(0.1)

    def _wait_for_work(self) -> None:
        """Kills hit a taskforce at work: of `_KILLS_AT_REST` in a row, one at least follows an answer to a member."""
        deadline = time.monotonic() + _WORK_SECONDS
        while (answers := sum(driver.commands.answers() for driver in self._drivers)) == self._answers:
            if self._at_rest < _KILLS_AT_REST:
                self._at_rest += 1
                return
            if time.monotonic() > deadline:
                self._records.fault(UNEXPECTED, f"no member got an answer for {_WORK_SECONDS:.0f} s")
                return
            time.sleep(0.05)
        self._answers, self._at_rest = answers, 0

    def _strike(self, blow: Blow) -> None:
        folder = self._programs.folder
        hanging = None if blow.hanging is None else blow.choose(self._leaders(blow.hanging))
        if hanging is not None and victims.hang_group(hanging, folder):
            self._records.count(hangs=1)
        time.sleep(blow.delay)
        killed = self._kill(blow)
        if hanging is not None:
            victims.wake_group(hanging, folder)
        deadline = time.monotonic() + _VICTIM_SECONDS
        while not killed:
            if time.monotonic() > deadline:
                self._records.fault(UNEXPECTED, f"no {blow.kind} came back to be killed")
                return
            time.sleep(0.05)
            killed = self._kill(blow)
        self._kills += 1
        self._by_victim[blow.kind] += 1

    def _leaders(self, kind: str) -> list[int]:
        """The process ids of the programs of a kind, dead ones perhaps among them."""
        return [pid for name, pid in sorted(self._programs.pids().items()) if name.partition("-")[0] == kind]

    def _kill(self, blow: Blow) -> bool:
        """Whether there was a victim to be killed."""
        if blow.kind == victims.POSTGRES and self._postgresql:
            self._postgresql.kill()
            return True
        if blow.kind in (victims.POSTGRES_BACKEND, victims.MEMBER, victims.EXCHANGE_WORKER):
            found = self._single_processes(blow.kind)
            return bool(found) and victims.kill_one(blow.choose(found))
        return victims.kill_group(blow.choose(self._leaders(blow.kind)), self._programs.folder)

    def _single_processes(self, kind: str) -> list[int]:
        if kind == victims.POSTGRES_BACKEND:
            return self._postgresql.backends() if self._postgresql else []
        if kind == victims.MEMBER:
            return [pid for driver in self._drivers if (pid := driver.commands.running_pid()) is not None]
        (leader,) = self._leaders(victims.EXCHANGE)
        return victims.children_of(leader) if victims.belongs_to(leader, self._programs.folder) else []

    def _settle(self, audit: Audit) -> None:
        """Let everyone finish, and check everything exactly."""
        self._report("no more kills; the members finish")
        for driver in self._drivers:
            driver.leave()
        for driver in self._drivers:
            driver.join()
        for driver in self._drivers:
            driver.finish()
        self._acknowledge_all(audit)
        for bank in self._banks:
            bank.look_at_hits(exactly=True)
            bank.check_answers(self._answers_given())
        self._agency.check_every_query()
        audit.run(settled=True)
        for driver in self._drivers:
            driver.verify_log()

    def _acknowledge_all(self, audit: Audit) -> None:
        """Once the worker has told all that was taken back, every correction waits to be taken in, and then none."""
        audit.wait_for_worker()
        for member in (*self._banks, self._agency):
            member.acknowledge_corrections()
            if member.acknowledge_corrections():
                self._records.fault(DOUBLED, f"{member.member} is told again what it has taken in")

    def _answers_given(self) -> dict[str, list[tuple[str, str]]]:
        """By request, what the banks answered, as whoever asked must read it."""
        given: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for bank in self._banks:
            for request_id, answers in bank.answers_given().items():
                given[request_id] += answers
        return given

    def _print_progress(self) -> None:
        figures = self._records.figures()
        self._report(
            f"{self._kills} kills; {figures.get('submissions', 0)} files, "
            f"{figures.get('resumed', 0)} of them cut short and resumed; "
            f"{', '.join(f'{figures.get(name, 0)} {name}' for name in _ACTION)}; "
            f"{self._records.faults()}"
        )

    def _result(self, audit: Audit, seconds: float) -> dict[str, Any]:
        for line in self._records.described():
            self._report(line)
        return {
            "kills": self._kills,
            "by_victim": dict(sorted(self._by_victim.items())),
            **self._records.faults(),
            **dict.fromkeys(_ACTION, 0),
            **self._records.figures(),
            **audit.figures(),
            "database": "postgresql" if self._plan.postgresql else "sqlite",
            "seed": self._plan.seed,
            "seconds": round(self._seconds + seconds),
        }

    def has_faults(self) -> bool:
        """Whether anything was found wrong."""
        return self._records.has_faults()
