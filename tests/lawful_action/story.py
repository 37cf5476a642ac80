"""The story, step by step, each through the programs as a user runs them.

1. Banks submit; the asker has a hit on what the holder holds too.
2. An agency asks about it and about something that the asker alone holds, and watches; a second agency asks too.
3. The asker requests details under ECCTA 2023 s188, the holder's authoriser answers in part, the asker opens them.
4. A third bank submits what is watched.
5. The holder takes its row back; whoever was told is told, and acknowledges; nobody finds the row any more.
6. The log verifies for everyone. The query's entries are the agencies' and the reviewer's; when cover ends, the banks'.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from exchange.kernel.session import Database
from schemas.values.identifiers import uuid7
from tests.acceptance import Report
from tests.lawful_action.lists import ASKER, HOLDER, Key, Lists, OwnRow, rows_by_key, write_values
from tests.lawful_action.moments import end_cover, is_settled, ticks_until_told
from tests.lawful_action.seen import Look, Seen

AGENCIES, REVIEWER = ("nca", "met"), "reviewer"
FIRST, SECOND = AGENCIES
NECESSITY, PROPORTIONALITY = "our own records begin with the first payment", "one account, no names"
NOTE = "Told by telephone only: the customer knows nothing of it."
ASKED = ("reason", "first_seen", "local_reference", "contact", "other_columns")
TOLD = ("reason", "first_seen")
UNKNOWN = ("email", "held.by.nobody@nobody.example")
_TEXTS = (
    *("--purpose", "to decide whether to restrict the account"),
    *("--necessity", NECESSITY),
    *("--proportionality", PROPORTIONALITY),
)
_PATIENCE_SECONDS = 180.0
_ALERT = {
    "title": "Mule accounts paid by a parcel-fee fraud",
    "colour": "amber",
    "tlp": "AMBER",
    "audience": {"groups": ["taskforce"]},
    "overview": "Accounts opened with false papers take the takings of a fraud and empty into a wallet.",
    "red_flags": ["Many small payments of the same sum within a day"],
    "requested_action": "Look for this pattern.",
}


class Police(Enum):
    """What the agencies do while the banks do the same as ever."""

    NOTHING = "no query"
    COVERT = "covert queries and a watch"
    OVERT = "an overt query"


class HaltedError(Exception):
    """A step that the following ones rest on did not succeed; it was reported."""


class Ended(Protocol):
    """How a command ended."""

    @property
    def status(self) -> int: ...

    @property
    def document(self) -> dict[str, Any]: ...


class Programs(Protocol):
    """The member program in front of an exchange and its worker."""

    def member(self, member: str, *arguments: str) -> Ended:
        """Run `member` for one of the members."""

    def wait(self) -> None:
        """Give the worker time."""


@dataclass
class Story:
    """One run in one sandbox. With a `look`, what banks are shown is kept in `seen`, for a comparison."""

    programs: Programs
    lists: Lists
    database: Database
    folder: Path
    report: Report
    police: Police
    look: Look | None = None
    seen: dict[str, Seen] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    _rows: dict[str, dict[Key, list[OwnRow]]] = field(default_factory=dict)

    def tell(self) -> None:
        """The whole of it. Raises HaltedError."""
        self.submit()
        if self.police is not Police.NOTHING:
            self.agencies_ask()
        hit_id = self.hit_of_asker()
        request_id = self.ask(hit_id)
        self.answer(request_id)
        self.open(request_id)
        self.third_submits_late()
        self.publish_alert()
        self.keep_what_is_shown("while the row stands", request_id)
        self.record_outcomes(request_id)
        self.withdraw()
        self.nobody_finds_it(hit_id)
        self.keep_what_is_shown("after it was taken back", request_id, printed=True)
        if self.police is Police.COVERT:
            self.covert_entries()
            self.cover_ends()
        self.verify()

    # -- what the story is about

    @cached_property
    def last_day(self) -> date:
        """Of the queries, their cover and the watch."""
        return datetime.now(UTC).date() + timedelta(days=2)

    @cached_property
    def subject(self) -> Key:
        """What asker and holder hold, and no other bank."""
        shared = [key for key in self.lists.shared_by_two() if key in self._rows[ASKER] and key in self._rows[HOLDER]]
        if not shared:
            self.report.check("the two banks share something that no third holds", False)
            raise HaltedError
        return shared[0]

    @cached_property
    def watched(self) -> Key:
        """What the asker alone holds."""
        of_others = {key for bank, rows in self._rows.items() if bank != ASKER for key in rows}
        alone = self._rows[ASKER].keys() - of_others - self.lists.overlaps.keys()
        return min(key for key in alone if key[0] != "person")

    def own(self, bank: str, key: Key) -> list[OwnRow]:
        """The bank's rows of it, as its file has them."""
        return self._rows[bank][key]

    def _written(self, bank: str) -> tuple[str, ...]:
        """The subject as a bank writes it, as options of a command."""
        row = self.own(bank, self.subject)[0]
        return "--type", row.indicator_type, row.value

    # -- the steps

    def submit(self) -> None:
        for bank, path in self.lists.files.items():
            normalised = self.do(bank, "submit", str(path), "--dry-run")["normalised"]
            self._rows[bank] = rows_by_key(path, normalised)
            done = self.do(bank, "submit", str(path))
            adds_up = done["rows"] == done["accepted"] + done["duplicates"] + done["left_out"] + len(done["rejected"])
            self.check(f"{bank} submits", adds_up, rows=done["rows"], accepted=done["accepted"], hits=done["hits"])

    def agencies_ask(self) -> None:
        """The first agency asks a batch, and watches; the second asks about the same subject."""
        asker_row, watched_row = self.own(ASKER, self.subject)[0], self.own(ASKER, self.watched)[0]
        batch = [*((row.indicator_type, row.value) for row in (asker_row, watched_row)), UNKNOWN]
        path = write_values(self.folder / f"case-{self.police.name}.csv", batch)
        day = self.last_day.isoformat()
        how = ("--until", day, "--watch", day) if self.police is Police.COVERT else ("--overt", "--until", day)
        answered = self._query(FIRST, "OP-7", "--file", str(path), *how)
        found = {result["value"]: result["institutions"] for result in answered["results"]}
        wanted = {asker_row.value: [ASKER, HOLDER], watched_row.value: [ASKER], UNKNOWN[1]: []}
        self.check(f"{FIRST} finds who holds what, by name", found == wanted, institutions=list(found.values()))
        self.check(f"{FIRST} is alone on it so far", answered["deconfliction"] is False)
        if self.police is Police.OVERT:
            return
        second = self._query(SECOND, "MET-12", "--until", day, *self._written(HOLDER))
        first = self.do(FIRST, "query", "show", self.queries[FIRST])
        met = [
            (one["deconfliction"], [(other["agency"], other["officer"]) for other in one["others"]])
            for one in (first, second)
        ]
        wanted_met = [(True, [(other, f"{other}/authoriser")]) for other in (SECOND, FIRST)]
        self.check("both authorising officers learn of each other", met == wanted_met, found=met)

    def _query(self, agency: str, case: str, *question: str) -> dict[str, Any]:
        """Asked by one officer, authorised by another."""
        texts = (
            "--purpose",
            "who receives the takings",
            "--necessity",
            NECESSITY,
            "--proportionality",
            PROPORTIONALITY,
        )
        gateway = "CCA2013_s7" if agency == FIRST else "DPA2018_Sch2"
        grounds = ("--case", case, "--legal-gateway", gateway, *texts)
        asked = self.do(agency, "query", *grounds, "--authorised-by", "authoriser", *question)
        self.queries.setdefault(agency, asked["query_id"])
        unanswered = asked["state"] == "pending" and asked["results"] == []
        self.check(f"{agency} is told nothing before its authoriser agrees", unanswered)
        self.do(agency, "query", "approve", asked["query_id"], wanted=1)
        return self.do(agency, "--as", "authoriser", "query", "approve", asked["query_id"])

    def hit_of_asker(self) -> str:
        hits = self.do(ASKER, "hits")["hits"]
        found = [hit for hit in hits if (hit["indicator_type"], *hit["values"]) == self.subject]
        banded = [(hit["institutions"], hit["stage"]) for hit in found]
        self.check(f"{ASKER} has a hit on it, and {HOLDER} is not named", banded == [("1", "hit")], found=banded)
        return str(found[0]["hit_id"])

    def ask(self, hit_id: str) -> str:
        grounds = ("--legal-gateway", "ECCTA2023_s188", "--fields", ",".join(ASKED), "--urgency", "24h")
        missing = self.do(ASKER, "request", "create", hit_id, *grounds, wanted=1)
        named = json.dumps(missing["error"])
        self.check("what the gateway wants and is missing is named", "necessity" in named, found=missing["error"])
        done = self.do(ASKER, "request", "create", hit_id, *grounds, *_TEXTS)
        self.check(f"{ASKER} asks under ECCTA 2023 s188", done["state"] == "open", due_at=done["due_at"])
        return str(done["request_id"])

    def answer(self, request_id: str) -> None:
        waiting = self.do(HOLDER, "request", "list", "--incoming")["requests"]
        shown = [(one["request_id"], one["values"], "requester" in one) for one in waiting]
        expected = [(request_id, [self.subject[1]], False)]
        self.check(f"{HOLDER} sees that its own row is asked about, and not by whom", shown == expected)
        others = [bank for bank in self.lists.files if bank not in (ASKER, HOLDER)]
        asked = [bank for bank in others if self.do(bank, "request", "list", "--incoming")["requests"]]
        self.check("nobody else is asked", asked == [])
        self.do(HOLDER, "request", "answer", request_id, "--partial", ",".join(TOLD), wanted=1)
        partial = ("request", "answer", request_id, "--partial", ",".join(TOLD), "--note", NOTE)
        done = self.do(HOLDER, "--as", "authoriser", *partial)
        self.check(
            f"{HOLDER}'s authoriser answers in part, its analyst cannot", done["state"] == "answered", found=done
        )

    def open(self, request_id: str) -> None:
        rows = self.own(HOLDER, self.subject)
        reasons = list(dict.fromkeys(row.reason for row in rows if row.reason)) or None
        first_seen = min((row.first_seen for row in rows if row.first_seen), default=None)
        shown = self.do(ASKER, "request", "show", request_id)
        answers = [(one["institution"], one["outcome"], one["details"]) for one in shown["answers"]]
        expected = [(HOLDER, "partial", {"reason": reasons, "first_seen": first_seen, "note": NOTE})]
        self.check(f"{ASKER} opens what {HOLDER}'s own file says, and nothing else", answers == expected, found=answers)

    def third_submits_late(self) -> None:
        third, row = self.lists.third, self.own(ASKER, self.watched)[0]
        path = write_values(self.folder / f"late-{self.police.name}.csv", [(row.indicator_type, row.value)])
        done = self.do(third, "submit", str(path))
        self.check(f"{third} submits what {ASKER} holds", (done["accepted"], done["hits"]) == (1, 1))
        if self.police is not Police.COVERT:
            return
        met = self.until(lambda: self._entries(FIRST, "le_watch_matched"))
        shown = self.do(FIRST, "query", "show", self.queries[FIRST])["results"]
        names = [result["institutions"] for result in shown if result["value"] == row.value]
        self.check(f"{FIRST}'s watch tells of it", bool(met) and names == [sorted((ASKER, third))], institutions=names)

    def publish_alert(self) -> None:
        """So that feeds have something to tell."""
        if self.look is None:
            return
        path = self.folder / "alert.json"
        path.write_text(json.dumps(_ALERT))
        reference = self.do(ASKER, "alert", "draft", str(path))["reference"]
        for step in ("review", "release"):
            self.do(ASKER, "--as", "authoriser", "alert", step, reference)

    def record_outcomes(self, request_id: str) -> None:
        self.do(ASKER, "outcome", "record", "--request", request_id, "--usefulness", "useful")
        if self.police is Police.COVERT:
            arrests = ("--usefulness", "decisive", "--arrests", "2")
            self.do(FIRST, "outcome", "record", "--query", self.queries[FIRST], *arrests)
        found = self._outcomes()
        self.check(f"{HOLDER} learns what {ASKER} made of its answer", found == [(ASKER, "useful", None)], found=found)

    def _outcomes(self) -> list[tuple[str | None, str, int | None]]:
        told = self.do(HOLDER, "outcome", "list", "--received")["outcomes"]
        return [(one["recorder"], one["usefulness"], one["arrests"]) for one in told]

    def withdraw(self) -> None:
        done = self.do(HOLDER, "withdraw", *self._written(HOLDER), "--reason", "false_positive")
        counted = (done["withdrawn"], done["told"])
        self.check(f"{HOLDER} takes its row back, and counts those it may know of", counted == (1, 1), found=counted)
        asked = {Police.NOTHING: (), Police.COVERT: AGENCIES, Police.OVERT: (FIRST,)}[self.police]
        self.until(lambda: is_settled(self.database))
        written = {bank: self.own(bank, self.subject)[0].value for bank in (ASKER, HOLDER)}
        known_as = {ASKER: self.subject[1], FIRST: written[ASKER], SECOND: written[HOLDER]}
        for member in (ASKER, *asked):
            told = self._corrections(member)
            kinds = [sorted({item["kind"] for item in one["concerned"]}) for one in told]
            values = [sorted({value for item in one["concerned"] for value in item["values"]}) for one in told]
            is_right = [one["reason"] for one in told] == ["false_positive"] and values == [[known_as[member]]]
            self.check(f"{member} is told, and of which of its own values", is_right, kinds=kinds)
            for one in told:
                self.do(member, "corrections", "ack", one["correction_id"])
            self.check(f"{member} acknowledges", self._corrections(member) == [])
        ticks = ticks_until_told(self.database)
        self.check("all of them within one tick of the worker", ticks == dict.fromkeys((ASKER, *asked), 1), ticks=ticks)
        untold = [bank for bank in self.lists.files if bank != ASKER and self._corrections(bank, "--all")]
        self.check("nobody else is told", untold == [])

    def _corrections(self, member: str, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.do(member, "corrections", "list", *options)["corrections"]
        return found

    def nobody_finds_it(self, hit_id: str) -> None:
        for bank in (ASKER, HOLDER):
            hits = self.do(bank, "hits")["hits"]
            left = [hit for hit in hits if (hit["indicator_type"], *hit["values"]) == self.subject]
            self.check(f"{bank} has no hit on it any more", left == [])
        again = self.do(ASKER, "request", "create", hit_id, "--legal-gateway", "ECCTA2023_s188", *_TEXTS, wanted=1)
        self.check("the old hit carries no new request", "error" in again, type=again["error"]["type"])
        if self.police is Police.COVERT:
            self._agencies_find_it_gone()

    def _agencies_find_it_gone(self) -> None:
        for agency in AGENCIES:
            shown = self.do(agency, "query", "show", self.queries[agency])["results"]
            found = [name for result in shown for name in result["institutions"]]
            self.check(f"{agency}'s query finds {HOLDER} no more", HOLDER not in found, institutions=found)
        fresh = self._query(SECOND, "MET-13", "--until", self.last_day.isoformat(), *self._written(ASKER))
        names = [result["institutions"] for result in fresh["results"]]
        self.check("a later query finds the other's row alone", names == [[ASKER]], institutions=names)

    # -- the log

    def verify(self) -> None:
        for member in (*self.lists.files, *AGENCIES, REVIEWER):
            done = self.do(member, "log", "verify")
            self.check(f"{member} verifies the log", done["verified"] is True, entries=done["entries"])

    def covert_entries(self) -> None:
        """At once with the agencies and the reviewer, and with no bank."""
        for member in (*AGENCIES, REVIEWER):
            kinds = {entry["view"]["kind"] for entry in self._entries(member)}
            wanted = {"le_query_approved", "le_deconfliction", "correction"}
            self.check(f"{member}'s log has the covert query at once", wanted <= kinds, lacks=sorted(wanted - kinds))
        for bank in self.lists.files:
            told = [entry["view"]["kind"] for entry in self._entries(bank, "le_query_")]
            self.check(f"{bank}'s log has nothing of it", told == [], found=told)

    def cover_ends(self) -> None:
        self.programs.wait()
        end_cover(self.database)
        for bank, wanted in ((HOLDER, {FIRST, SECOND}), (ASKER, {FIRST, SECOND}), (self.lists.third, {FIRST})):
            told = self._entries(bank, "le_query_disclosed")
            agencies = {one["agency"] for entry in told for one in entry["view"]["told"]}
            self.check(f"{bank} then reads in its log who asked", agencies == wanted, found=sorted(agencies))
            self.check(f"and not {bank}: which case it was", "OP-7" not in json.dumps(told))
        outcomes = {(usefulness, arrests) for _, usefulness, arrests in self._outcomes()}
        self.check(f"and {HOLDER} what came of it", ("decisive", 2) in outcomes, found=sorted(map(str, outcomes)))

    def _entries(self, member: str, kind: str = "") -> list[dict[str, Any]]:
        entries = self.do(member, "log", "entries")["entries"]
        return [entry for entry in entries if entry["view"] and entry["view"]["kind"].startswith(kind)]

    # -- what banks are shown

    def keep_what_is_shown(self, when: str, request_id: str, *, printed: bool = False) -> None:
        if self.look is None:
            return
        self.until(lambda: is_settled(self.database))
        seen: Seen = {}
        for bank in self.lists.files:
            targets = (f"/v1/requests/{request_id}", f"/v1/queries/{self.queries.get(FIRST, uuid7())}")
            seen |= self.look.answered(bank, *targets) | (self.look.printed(bank) if printed else {})
        if printed:
            document = self.do(ASKER, "request", "show", request_id)
            seen[f"{ASKER}: member request show"] = self.look.lines(document)
            ticks = ticks_until_told(self.database)
            seen["in which tick of the worker banks were told"] = [
                f"{bank}: {ticks[bank]}" for bank in self.lists.files if bank in ticks
            ]
        self.seen[when] = seen

    # -- the machinery

    def do(self, member: str, *arguments: str, wanted: int = 0) -> dict[str, Any]:
        """Run `member` for a member; its document. Raises HaltedError, reported, if it ends otherwise than wanted."""
        done = self.programs.member(member, *arguments)
        if done.status != wanted:
            command = " ".join(arguments[:4])
            self.check(f"{member}: member {command}", False, status=done.status, error=done.document.get("error"))
            raise HaltedError
        return done.document

    def until(self, find: Callable[[], Any]) -> Any:
        """What `find` gives as soon as it is something, or its last nothing."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (found := find()) and time.monotonic() < deadline:
            self.programs.wait()
        return found

    def check(self, name: str, holds: bool, **figures: Any) -> None:
        """A line of the report."""
        self.report.check(f"{self.police.value}: {name}", holds, **figures)
