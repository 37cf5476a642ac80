"""A bank at work: it uploads file after file, looks at its hits, asks, answers, and takes rows back.

A command that was killed, or that found no exchange, is given again, the same, until it comes to its end. Then its
figures must be those of a run that nothing ever happened to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.torture.drivers import REFUSED
from tests.torture.journal import Act
from tests.torture.member_process import Ended
from tests.torture.records import DOUBLED, LOST, UNEXPECTED, Records
from tests.torture.story.asking import Answering, Asking
from tests.torture.story.taking_back import Withdrawing
from tests.torture.work import Truth, Upload, band, make_upload

_RELIST_REASON = "new evidence"
"""With every file: without it, rows that were taken back would stay out of it (docs/adr/0040)."""


class Bank(Asking, Answering, Withdrawing):
    """A bank. How it asks and answers is in tests.torture.story.asking, how it takes back in
    tests.torture.story.taking_back.
    """

    def __init__(self, member: str, home: str, folder: Path, *, seed: int, truth: Truth, records: Records) -> None:
        super().__init__(member, home, folder, seed=seed, truth=truth, records=records)
        self._hits: list[dict[str, Any]] = []
        for act in self._done:
            self._take_up(act)
        if self._open is not None:
            self._before(self._open)

    def _take_up(self, act: Act) -> None:
        """What an earlier run has done, as far as it matters who holds what."""
        self._before(act)
        if REFUSED not in act:
            self._after(act)

    def _before(self, act: Act) -> None:
        if act["do"] in ("upload", "again"):
            self._truth.begin(self.member, self._upload_of(act))
        elif act["do"] == "withdraw":
            self._truth.begin_withdrawal(self.member, act["values"])

    def _after(self, act: Act) -> None:
        if act["do"] in ("upload", "again"):
            self._truth.acknowledge(self.member, self._upload_of(act))
        elif act["do"] == "withdraw":
            self._truth.end_withdrawal(self.member, act["values"])

    def _upload_of(self, act: Act) -> Upload:
        return make_upload(self._seed, self.member, act["number"])

    @property
    def done(self) -> int:
        """How many files were uploaded."""
        return len(self._acts("upload"))

    def _turn(self) -> None:
        uploaded = self._upload(self.done, "upload")
        if self.done % 5 == 0 and uploaded is not None and uploaded["is_whole"]:
            self.withdraw_submission(uploaded)
        self.answer_requests(2)
        self.look_at_hits(exactly=False)
        self.ask_about(self._hits)
        if self.done % 2 == 0:
            self.withdraw_some()
            self.acknowledge_corrections()
        if self.done % 3 == 0:
            self.read_answers(1)
            self.upload_again(self._rng.randrange(self.done))

    def _ended(self, act: Act, ended: Ended, cuts: int) -> Act | None:
        checks = {
            "upload": self._uploaded,
            "again": self._uploaded,
            "withdraw": self.withdrawn,
            "ask": self.asked,
            "answer": self.answered,
            "acknowledge": self.acknowledged,
        }
        done = checks[act["do"]](act, ended, cuts)
        if done is not None:
            self._after(act)
        return done

    # -- uploads

    def _upload(self, number: int, name: str) -> Act | None:
        upload = make_upload(self._seed, self.member, number)
        new = self._truth.begin(self.member, upload)
        file = str(upload.write(self._folder))
        return self._act(name, "submit", file, "--relist", _RELIST_REASON, number=number, new=new)

    def upload_again(self, number: int) -> None:
        """Of a file that was uploaded before all is duplicates, but for what was taken back since: listed again."""
        self._upload(number, "again")

    def _uploaded(self, act: Act, ended: Ended, cuts: int) -> Act | None:
        upload, document = self._upload_of(act), ended.document or {}
        if ended.status != 0:
            self._is_wrong("submit", ended)
            return None
        self._check_rows(upload, document, {act["new"], 0} if cuts else {act["new"]})
        first = act["do"] == "upload"
        self._records.count(submissions=int(first), resumed=int(first and cuts > 0), uploaded_again=int(not first))
        return {"submission_id": document["submission_id"], "is_whole": cuts == 0}

    def _check_rows(self, upload: Upload, document: dict[str, Any], accepted: set[int]) -> None:
        rejected = len(document["rejected"])
        rows = document["accepted"] + document["duplicates"] + document["left_out"] + rejected
        file = f"{self.member}: file {upload.number}"
        if rows != document["rows"] or rows != len(upload.rows) or rejected != upload.unreadable:
            self._records.fault(LOST, f"{file} has {len(upload.rows)} rows, told of {rows}")
        if document["accepted"] not in accepted:
            what = f"{file}: {document['accepted']} accepted, not one of {sorted(accepted)}"
            self._records.fault(DOUBLED if document["accepted"] > min(accepted) else LOST, what)

    # -- hits

    def look_at_hits(self, *, exactly: bool) -> None:
        """What is certain is shown, and nothing beyond what is possible. `exactly`: nothing changes meanwhile."""
        moment, certain = self._truth.moment(), self._truth.certain(self.member)
        ended = self._look("hits")
        if ended.status != 0 or ended.document is None:
            return
        either = self._truth.taken_back_since(moment)
        possible = self._truth.possible(self.member).keys() | either
        self._hits = ended.document["hits"]
        values = [value for hit in self._hits for value in hit["values"]]
        shown, fault = set(values), self._records.fault
        fault(LOST, f"{self.member} is not shown a hit", len(certain.keys() - shown - either))
        fault(UNEXPECTED, f"{self.member} is shown a hit that is none", len(shown - possible))
        fault(DOUBLED, f"{self.member} is shown a hit twice", len(values) - len(shown))
        if exactly:
            bands = {value: hit["institutions"] for hit in self._hits for value in hit["values"]}
            wrong = sum(bands.get(value) != band(holders) for value, holders in certain.items())
            fault(LOST, f"{self.member} is shown a hit with a wrong band", wrong)
        self._records.count(hits_listed=1)

    def finish(self) -> None:
        """Upload the last file again, and answer all that can be answered."""
        if self.done:
            self.upload_again(self.done - 1)
        while self.answer_requests(100):
            pass
