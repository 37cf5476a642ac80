"""Members at work: each uploads file after file, looks at its hits, and uploads an earlier file again.

A command that was killed, or that found no exchange, is given again, the same, until it comes to its end. Then its
figures must be those of a run that nothing ever happened to.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

from tests.torture.member_process import Ended, MemberProcess
from tests.torture.records import DOUBLED, LOST, UNEXPECTED, UNLOGGED, Records, fingerprint
from tests.torture.victims import kill_one
from tests.torture.work import Truth, Upload, band, make_upload

_PASSING = frozenset({"unreachable", "unavailable", "log-unavailable", "no_quorum"})
_STUCK_SECONDS = 600.0


class GivenUpError(Exception):
    """The run is over."""


class Driver(threading.Thread):
    """One member, until `leave`; then it ends what it has begun. `folder` keeps its files, taps and journal."""

    def __init__(self, member: str, home: str, folder: Path, *, seed: int, truth: Truth, records: Records) -> None:
        super().__init__(name=f"driver-{member}", daemon=True)
        self.member = member
        self._home = home
        self._folder = folder
        self._seed = seed
        self._truth = truth
        self._records = records
        self._leaving, self._giving_up = threading.Event(), threading.Event()
        self._current: MemberProcess | None = None
        self._commands = 0
        self._answers = 0
        self._rng = random.Random(f"{seed}/driver/{member}")
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = folder / "journal"
        self._done = self._take_up()
        self._is_resumed = self._commands > 0

    def _take_up(self) -> int:
        """What an earlier run has done: how many files."""
        self._commands = max((int(path.stem) for path in self._folder.glob("*.tap")), default=0)
        for left_behind in self._folder.glob("*.result"):
            left_behind.unlink()
        done = len(self._journal.read_text().split()) if self._journal.exists() else 0
        for number in range(done):
            upload = make_upload(self._seed, self.member, number)
            self._truth.begin(self.member, upload)
            self._truth.acknowledge(self.member, upload)
        self._records.read_taps(self.member, self._folder)
        return done

    @property
    def done(self) -> int:
        """How many files were uploaded."""
        return self._done

    def running_pid(self) -> int | None:
        """The process of the command that runs now."""
        current = self._current
        return current.pid if current is not None and current.is_running() else None

    def answers(self) -> int:
        """How many answers told this member something until now."""
        current = self._current
        return self._answers + (0 if current is None else current.answers())

    def note_answers(self) -> None:
        """Put on record what the command that runs now was told so far."""
        current = self._current
        if current is not None:
            self._records.show(self.member, current.tapped())

    def leave(self) -> None:
        """Let the thread end after the file in hand."""
        self._leaving.set()

    def give_up(self) -> None:
        """End the thread, whatever it does."""
        self._leaving.set()
        self._giving_up.set()
        if (pid := self.running_pid()) is not None:
            kill_one(pid)

    def run(self) -> None:
        """Work."""
        try:
            while not self._leaving.is_set():
                self._upload_next()
                if self._done % 3 == 0:
                    self.look_at_hits(exactly=False)
                if self._done % 5 == 0:
                    self.upload_again(self._rng.randrange(self._done))
        except GivenUpError:
            return
        except Exception as error:  # noqa: BLE001 - a driver that ends must be seen in the result
            self._records.fault(UNEXPECTED, f"{self.member}: {type(error).__name__}: {error}")

    def _upload_next(self) -> None:
        upload = make_upload(self._seed, self.member, self._done)
        new = self._truth.begin(self.member, upload)
        ended, cuts = self.command("submit", str(upload.write(self._folder)))
        # The last command of an earlier run may have come to its end unseen.
        self._check_submitted(upload, ended, {new, 0} if cuts or self._is_resumed else {new})
        self._is_resumed = False
        self._truth.acknowledge(self.member, upload)
        with self._journal.open("a") as journal:
            journal.write(f"{upload.number}\n")
        self._done += 1
        self._records.count(submissions=1, resumed=int(cuts > 0))

    def upload_again(self, number: int) -> None:
        """A file that was uploaded before is all duplicates."""
        upload = make_upload(self._seed, self.member, number)
        ended, _ = self.command("submit", str(upload.write(self._folder)))
        self._check_submitted(upload, ended, {0})
        self._records.count(uploaded_again=1)

    def _check_submitted(self, upload: Upload, ended: Ended, accepted: set[int]) -> None:
        document = ended.document or {}
        if ended.status != 0:
            self._records.fault(UNEXPECTED, f"{self.member} submit ended with {ended.status}: {document.get('error')}")
            return
        rejected = len(document["rejected"])
        rows = document["accepted"] + document["duplicates"] + rejected
        if rows != document["rows"] or rows != len(upload.rows) or rejected != upload.unreadable:
            self._records.fault(
                LOST, f"{self.member}: file {upload.number} has {len(upload.rows)} rows, told of {rows}"
            )
        if document["accepted"] not in accepted:
            what = (
                f"{self.member}: file {upload.number}: {document['accepted']} accepted, not one of {sorted(accepted)}"
            )
            self._records.fault(DOUBLED if document["accepted"] > min(accepted) else LOST, what)

    def look_at_hits(self, *, exactly: bool) -> None:
        """What is certain is shown, and nothing beyond what is possible. `exactly`: nobody uploads meanwhile."""
        certain = self._truth.certain(self.member)
        ended, _ = self.command("hits")
        possible = self._truth.possible(self.member)
        if ended.status != 0 or ended.document is None:
            self._records.fault(UNEXPECTED, f"{self.member} hits ended with {ended.status}: {ended.document}")
            return
        values = [value for hit in ended.document["hits"] for value in hit["values"]]
        shown = set(values)
        self._records.fault(LOST, f"{self.member} is not shown a hit", len(certain.keys() - shown))
        self._records.fault(UNEXPECTED, f"{self.member} is shown a hit that is none", len(shown - possible.keys()))
        self._records.fault(DOUBLED, f"{self.member} is shown a hit twice", len(values) - len(shown))
        if exactly:
            bands = {value: hit["institutions"] for hit in ended.document["hits"] for value in hit["values"]}
            wrong = sum(bands.get(value) != band(holders) for value, holders in certain.items())
            self._records.fault(LOST, f"{self.member} is shown a hit with a wrong band", wrong)
        self._records.count(hits_listed=1)

    def verify_log(self) -> None:
        """`log verify` holds, and each receipt, reading and hit that was shown is in an entry of this member."""
        shown = self._records.shown()[self.member]
        verified, _ = self.command("log", "verify")
        listed, _ = self.command("log", "entries")
        if verified.status != 0 or listed.status != 0 or listed.document is None:
            self._records.fault(UNLOGGED, f"{self.member}: the log does not verify: {verified.document}")
            return
        entries = listed.document["entries"]
        by_event = {entry["event_id"]: entry["entry"] for entry in entries}
        views: list[dict[str, Any]] = [entry["view"] for entry in entries]
        disclosed = {fingerprint(hit) for view in views for hit in view.get("hits", ())}
        parts = [(view["submission_id"], view["part"]) for view in views if view["kind"] == "match" and "part" in view]
        fault = self._records.fault
        fault(UNLOGGED, f"a receipt of {self.member}", sum(by_event.get(e) != b for e, b in shown.receipts.items()))
        fault(UNLOGGED, f"a reading by {self.member}", len(shown.readings - by_event.keys()))
        fault(UNLOGGED, f"a hit shown to {self.member}", len(shown.hits - disclosed))
        fault(DOUBLED, f"events of {self.member} have two entries", len(entries) - len(by_event))
        fault(DOUBLED, f"parts of {self.member} were recorded twice", len(parts) - len(set(parts)))
        self._records.count(entries_verified=len(entries), hits_shown=len(shown.hits))

    def command(self, *arguments: str) -> tuple[Ended, int]:
        """How the command ended when nothing cut it short any more, and how often something had."""
        cuts, started_at = 0, time.monotonic()
        while True:
            if self._giving_up.is_set():
                raise GivenUpError
            self._commands += 1
            self._current = MemberProcess(self._home, list(arguments), self._folder, f"{self._commands:06}")
            ended = self._current.wait()
            self._answers += len(ended.tapped)
            self._current = None
            self._records.show(self.member, ended.tapped)
            if not ended.was_killed and ended.problem not in _PASSING:
                return ended, cuts
            cuts += 1
            if time.monotonic() - started_at > _STUCK_SECONDS:
                raise TimeoutError(f"{arguments} does not come to an end")
