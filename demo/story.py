"""The story of the README on generated data: upload, overlap, hits, a question about one and its answer, an alert, what
the operator could see, the log verified.

Three banks each hold accounts that nobody else knows and a few that others hold too, written in their own way. What
must be found is known from how the data were made, and the demonstration fails when anything is missing or too much.
"""

from __future__ import annotations

import csv
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from demo.answers import (
    AlertStep,
    Done,
    DraftedAlert,
    FoundHit,
    ListedHits,
    ListedRequests,
    ListedResponses,
    LogVerdict,
    MadeRequest,
    OpenedAlert,
    ShownRequest,
    Uploaded,
)
from demo.plan import SandboxPlan
from demo.sandbox import GROUP, Sandbox
from demo.steps import run_command
from keys.terminal.program import CommandResult
from schemas.rendering.words import in_words

_GIVEN = ("Amina", "Björn", "Chloé", "Dmitri", "Eilidh", "Farid", "Grace", "Hiro")
_FAMILY = ("Okafor", "O'Neill", "Sørensen", "Łukasik", "Haddad", "Nakamura", "Price", "Silva")
BANKS = ("a", "b", "c")
_ALERT = {
    "title": "Mule accounts paid by a parcel-fee fraud",
    "colour": "amber",
    "tlp": "AMBER",
    "audience": {"groups": [GROUP]},
    "overview": "Accounts opened with false papers take the takings of a **parcel-fee fraud** and empty into a wallet.",
    "red_flags": ["Many small payments of the same sum within a day", "The balance leaves for a wallet within an hour"],
    "requested_action": "Look for these patterns among accounts younger than a year, and say what you find.",
}
_ASKED = ("reason", "first_seen", "local_reference", "contact")
_DISCLOSED = ("reason", "first_seen")
_NOTE = "We restricted the account at noon; please do not contact the customer."
_QUESTION = (
    *("--legal-gateway", "ECCTA2023_s188", "--fields", ",".join(_ASKED), "--urgency", "immediate"),
    *("--purpose", "to decide whether to restrict the account"),
    *("--necessity", "our own records begin with the first payment in"),
    *("--proportionality", "one account, four fields, no customer's name"),
)
_SQLITE = b"SQLite format 3\0"


class DemonstrationError(RuntimeError):
    """What was found is not what the data hold; the message says which bank and how."""


@dataclass(frozen=True)
class Story:
    """The rows of each bank as its file prints them, and the canonical forms that must be disclosed to it."""

    rows: dict[str, list[tuple[str, str, str]]]
    expected: dict[str, set[str]]


class UploadAndHits(msgspec.Struct, frozen=True):
    """How many rows of a bank were accepted, how many were known to others at once, and all its hits as printed."""

    accepted: int
    hits_at_upload: int
    hits: list[dict[str, Any]]

    def found(self) -> list[FoundHit]:
        """What the story reads of the hits."""
        return msgspec.convert(self.hits, list[FoundHit])


class AnsweredRequest(msgspec.Struct, frozen=True):
    """A request, who answered it, and the fields of the answer."""

    request_id: str
    institution: str
    told: list[str]


class PublishedAlert(msgspec.Struct, frozen=True):
    """An alert, and the members that put it to use."""

    reference: str
    state: str
    implemented: list[str]


class Demonstration(CommandResult, frozen=True):
    """What happened; `log_verified` counts the entries of each bank."""

    members: dict[str, UploadAndHits]
    request: AnsweredRequest
    alert: PublishedAlert
    identifiers_at_rest: int
    log_verified: dict[str, int]
    seconds: float

    def text(self) -> str:
        return f"Every overlap was found, and nothing else. {self.seconds} s"


def _gb_iban(account: str) -> str:
    body = "LOYD" + account
    numbers = "".join(str(int(character, 36)) for character in body + "GB00")
    return f"GB{98 - int(numbers) % 97:02d}{body}"


def _private_rows(rng: random.Random, count: int) -> Iterator[tuple[str, str, str]]:
    for _ in range(count):
        kind = rng.choice(("bank_account", "wallet", "phone", "email"))
        digits = f"{rng.randrange(10**14):014d}"
        value = {
            "bank_account": f"{digits[:2]}-{digits[2:4]}-{digits[4:6]} {digits[6:]}",
            "wallet": f"0x{rng.getrandbits(160):040x}",
            "phone": f"+44 7700 9{digits[:5]}",
            "email": f"payments{digits}@example.com",
        }[kind]
        yield kind, value, "account opened with false papers"


def generate_story(rng: random.Random, private: int = 40) -> Story:
    """Three banks' rows: `private` of each bank's own, and four shared indicators in different writings."""
    account = f"{rng.randrange(10**14):014d}"
    wallet = f"0x{rng.getrandbits(160):040x}"
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    born = f"{rng.randrange(1960, 2000)}-0{rng.randrange(1, 10)}-1{rng.randrange(10)}"
    host = f"parcel-fee-{rng.randrange(10**6):06d}.example"
    iban = _gb_iban(account)
    shared = {
        "a": [
            ("bank_account", f"{account[:2]}-{account[2:4]}-{account[4:6]} {account[6:]}", "mule account"),
            ("wallet", wallet.upper().replace("0X", "0x"), "ransom payments"),
            ("person", f"{family.upper()}, {given}|{born}", "controls the mule accounts"),
        ],
        "b": [
            ("iban", " ".join(iban[i : i + 4] for i in range(0, len(iban), 4)), "mule account"),
            ("wallet", wallet, "ransom payments"),
            ("domain", f"hxxps://www.{host}/pay", "phishing"),
        ],
        "c": [
            ("wallet", wallet, "cash-out"),
            ("person", f"{given} {family}|{born[8:]}/{born[5:7]}/{born[:4]}", "named on two accounts"),
            ("domain", host.upper(), "phishing"),
        ],
    }
    rows = {}
    for bank in BANKS:
        rows[bank] = [*shared[bank], *_private_rows(rng, private)]
        rng.shuffle(rows[bank])
    name = "person"  # the one type whose canonical form is not among the values above
    expected = {"a": {account, wallet, name}, "b": {account, wallet, host}, "c": {wallet, name, host}}
    return Story(rows, expected)


def _write_upload(path: Path, rows: list[tuple[str, str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("indicator_type", "value", "reason", "first_seen", "source_ref"))
        writer.writerows((kind, value, reason, "2026-10-01", "") for kind, value, reason in rows)


def _found(hits: list[FoundHit]) -> set[str]:
    return {"person" if hit.indicator_type == "person" else hit.values[0] for hit in hits}


def count_identifiers_at_rest(sandbox: Sandbox, story: Story) -> tuple[int, int]:
    """Files of the exchange and the key holders that were searched, and how many identifiers any of them holds."""
    needles = {value.encode() for rows in story.rows.values() for _, value, _ in rows}
    needles |= {value.encode() for values in story.expected.values() for value in values if value != "person"}
    needles.add(_NOTE.encode())
    files = [path for part in ("exchange", "holders", "logs") for path in (sandbox.folder / part).rglob("*")]
    for path in files:
        if _read(path).startswith(_SQLITE):
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA wal_checkpoint")
    contents = [content for content in map(_read, files) if content]
    return len(contents), sum(any(needle in content for content in contents) for needle in needles)


def _read(path: Path) -> bytes:
    """What a file holds; nothing of a folder, or of a file that was replaced meanwhile by its next version."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return b""


def _play(sandbox: Sandbox, story: Story, say: Callable[[str], None]) -> dict[str, UploadAndHits]:
    homes = {bank: str(sandbox.member_home(bank)) for bank in BANKS}
    uploads = {}
    for bank in BANKS:
        path = sandbox.folder / f"{bank}.csv"
        _write_upload(path, story.rows[bank])
        done = uploads[bank] = run_command(Uploaded, "member", "--home", homes[bank], "submit", str(path))
        say(f"bank {bank} uploads {done.rows} rows: {done.accepted} accepted, {done.hits} known to others")
    say("each bank now sees its overlaps, and never who the others are:")
    with ThreadPoolExecutor(2) as pool:
        listed = list(pool.map(lambda bank: run_command(ListedHits, "member", "--home", homes[bank], "hits"), BANKS))
    members = {}
    for bank, printed in zip(BANKS, listed, strict=True):
        members[bank] = member = UploadAndHits(uploads[bank].accepted, uploads[bank].hits, printed.hits)
        for hit in member.found():
            say(f"  bank {bank}: {describe_hit(hit)}")
        if _found(member.found()) != story.expected[bank]:
            counted = f"{len(printed.hits)} overlaps, {len(story.expected[bank])} exist"
            raise DemonstrationError(f"bank {bank} was shown {counted}")
    return members


def describe_hit(hit: FoundHit) -> str:
    """What a bank is shown of a hit, in a line."""
    others = f"{hit.institutions} {'other' if hit.institutions == '1' else 'others'}"
    return f"{in_words(hit.indicator_type)} {hit.values[0]} is held by {others}"


def _play_request(sandbox: Sandbox, hits: list[FoundHit], say: Callable[[str], None]) -> AnsweredRequest:
    """One bank asks about the account that it shares with one other; that one's authoriser answers in part."""
    asker, holder = (["--home", str(sandbox.member_home(bank))] for bank in BANKS[:2])
    hit = next(hit for hit in hits if hit.indicator_type == "bank_account")
    request_id = run_command(MadeRequest, "member", *asker, "request", "create", hit.hit_id, *_QUESTION).request_id
    say(f"bank {BANKS[0]} asks whoever holds {hit.values[0]}, and does not learn who that is")
    waiting = run_command(ListedRequests, "member", *holder, "request", "list", "--incoming").requests
    if [(one.request_id, one.values) for one in waiting] != [(request_id, hit.values)]:
        raise DemonstrationError(f"bank {BANKS[1]} was brought {len(waiting)} requests, not the one about its account")
    answering = "answer", request_id, "--partial", ",".join(_DISCLOSED), "--note", _NOTE
    run_command(Done, "member", *holder, "--as", "authoriser", "request", *answering)
    fields = ", ".join(_DISCLOSED)
    say(f"bank {BANKS[1]}'s authoriser takes it up, sees who asks and why, and discloses {fields}, sealed")
    (answer,) = run_command(ShownRequest, "member", *asker, "request", "show", request_id).answers
    if (answer.institution, set(answer.details)) != (BANKS[1], {*_DISCLOSED, "note"}):
        raise DemonstrationError(f"{answer.institution} disclosed {sorted(answer.details)}, not what was agreed")
    say(f"bank {BANKS[0]} opens what bank {answer.institution} disclosed: {answer.details['note']}")
    return AnsweredRequest(request_id, answer.institution, list(_DISCLOSED))


def _play_alert(sandbox: Sandbox, say: Callable[[str], None]) -> PublishedAlert:
    """One bank warns the others: drafted by one person, released by another, read and answered by the rest."""
    issuer, *readers = ((bank, ["--home", str(sandbox.member_home(bank))]) for bank in BANKS)
    path = sandbox.folder / "alert.json"
    path.write_text(json.dumps(_ALERT))
    reference = run_command(DraftedAlert, "member", *issuer[1], "alert", "draft", str(path)).reference
    say(f"bank {issuer[0]}'s analyst drafts the alert {reference}: {_ALERT['title']}")
    for step in ("review", "release"):
        state = run_command(AlertStep, "member", *issuer[1], "--as", "authoriser", "alert", step, reference).state
    if state != "published":
        raise DemonstrationError(f"the alert {reference} is {state}, not published")
    say(f"a colleague reviews and releases it: {reference} is {state}")
    with ThreadPoolExecutor(2) as pool:
        read = dict(pool.map(lambda reader: (reader[0], _read_and_answer(reader[1], reference)), readers))
    for bank, title in read.items():
        if title != _ALERT["title"]:
            raise DemonstrationError(f"bank {bank} read another alert than {reference}")
        say(f"bank {bank} reads it and puts it to use")
    answers = run_command(ListedResponses, "member", *issuer[1], "alert", "responses", reference).responses
    implemented = sorted(answer.member_id for answer in answers if answer.implemented_at)
    if implemented != sorted(read):
        raise DemonstrationError(f"the alert {reference} was put to use by {implemented}, not by all who said so")
    return PublishedAlert(reference, state, implemented)


def _read_and_answer(home: list[str], reference: str) -> str:
    title = run_command(OpenedAlert, "member", *home, "alert", "read", reference).content.title
    run_command(Done, "member", *home, "alert", "ack", reference, "--implemented")
    return title


def run_demonstration(say: Callable[[str], None]) -> Demonstration:
    """Play the story in a temporary sandbox; what happened.

    Raises DemonstrationError when an overlap is missing or too much, an answer has other fields than were agreed, the
    alert does not reach all, an identifier or a detail is found at the exchange or a holder, or the log does not
    verify; SandboxError when the sandbox does not start.
    """
    started = time.monotonic()
    story = generate_story(random.Random())  # noqa: S311 - invented data, not secrets
    with tempfile.TemporaryDirectory(prefix="exchange-demo-") as folder:
        sandbox = Sandbox(Path(folder) / "sandbox", say)
        try:
            sandbox.start(SandboxPlan(banks=BANKS))
            members = _play(sandbox, story, say)
            meanwhile: list[str] = []
            with ThreadPoolExecutor(2) as pool:
                alerted = pool.submit(_play_alert, sandbox, meanwhile.append)
                request = _play_request(sandbox, members[BANKS[0]].found(), say)
                alert = alerted.result()
            for line in meanwhile:
                say(line)
            searched, found = count_identifiers_at_rest(sandbox, story)
            say(f"searched {searched} files of the exchange and the key holders: {found} identifiers in them")
            if found:
                raise DemonstrationError(f"{found} identifiers lie at the exchange or a key holder")
            with ThreadPoolExecutor(2) as pool:
                verified = list(pool.map(lambda bank: _verify(sandbox, bank), BANKS))
            say(f"the log verifies for every bank: {', '.join(f'{n} entries of {b}' for b, n in verified)}")
        finally:
            sandbox.stop()
    seconds = round(time.monotonic() - started, 1)
    say(f"done in {seconds} s")
    return Demonstration(
        members=members,
        request=request,
        alert=alert,
        identifiers_at_rest=found,
        log_verified=dict(verified),
        seconds=seconds,
    )


def _verify(sandbox: Sandbox, bank: str) -> tuple[str, int]:
    log = run_command(LogVerdict, "member", "--home", str(sandbox.member_home(bank)), "log", "verify")
    if not log.verified:
        raise DemonstrationError(f"the log does not verify for bank {bank}")
    return bank, log.entries
