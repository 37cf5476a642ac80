"""The main job with real programs: upload, overlap, hits, log, alerts; and what an attacker or a crash does to it.

One file, so that one test process runs it all on the same two taskforces: they take longest to set up.
"""

from __future__ import annotations

import os
import signal
import stat
import time
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import httpx
import pytest
import sqlalchemy

from keys.holder.settings import load_config, open_settings
from keys.oprf import group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.threshold import Share
from keys.oprf.tokens import oprf_input, split_output
from tests.acceptance import flipped
from tests.end_to_end.conftest import ALERTS, BANKS, UploadedSandbox, write_upload
from tests.sandbox_process import Done, run

pytestmark = pytest.mark.timeout(600)

TAXII = "application/taxii+json;version=2.1"


def _values(taskforce: UploadedSandbox, bank: str) -> set[str]:
    done = taskforce.sandbox.member(bank, "hits")
    assert done.status == 0, done.document
    return {
        "person" if hit["indicator_type"] == "person" else value
        for hit in done.document["hits"]
        for value in hit["values"]
    }


def test_each_bank_is_told_its_overlaps_and_nothing_else(taskforce: UploadedSandbox) -> None:
    for bank in BANKS:
        assert _values(taskforce, bank) == taskforce.story.expected[bank]


def test_a_hit_names_nobody_and_gives_a_band(taskforce: UploadedSandbox) -> None:
    hits = taskforce.sandbox.member("a", "hits").document["hits"]
    by_type = {hit["indicator_type"]: hit for hit in hits}
    assert by_type["wallet"]["institutions"] == "2-4"
    assert by_type["bank_account"]["institutions"] == "1"
    disclosed = {"hit_id", "indicator_type", "values", "source_refs", "institutions", "sectors", "themes", "first_seen"}
    own = {"stage", "came_at", "changed_at", "new", "state", "requests", "assessed", "outcome", "widely_held"}
    assert set(by_type["wallet"]) == disclosed | own


def test_the_same_file_again_changes_nothing(taskforce: UploadedSandbox) -> None:
    before = _values(taskforce, "b")
    done = taskforce.sandbox.member("b", "submit", str(taskforce.files["b"]))
    rows = len(taskforce.story.rows["b"])
    assert done.status == 0
    assert (done.document["accepted"], done.document["duplicates"], done.document["rows"]) == (0, rows, rows)
    assert _values(taskforce, "b") == before


def test_a_dry_run_contacts_nobody_and_shows_the_canonical_forms(taskforce: UploadedSandbox, tmp_path: Path) -> None:
    path = write_upload(tmp_path / "new.csv", [("bank_account", "20-00-00 55779911", "test")])
    done = taskforce.sandbox.member("a", "submit", str(path), "--dry-run")
    expected = [{"line": 2, "indicator_type": "bank_account", "canonical": "20000055779911"}]
    assert done.document["normalised"] == expected
    status = taskforce.sandbox.member("a", "submit", str(path)).document
    assert status["accepted"] == 1


def test_bad_rows_are_named_by_line_and_the_good_ones_kept(taskforce: UploadedSandbox, tmp_path: Path) -> None:
    rows = [("phone", "+44 7700 900123", "good"), ("phone", "call me", "bad"), ("passport", "123456789", "unknown")]
    done = taskforce.sandbox.member("c", "submit", str(write_upload(tmp_path / "mixed.csv", rows)))
    assert done.status == 0
    assert done.document["accepted"] == 1
    assert [row["line"] for row in done.document["rejected"]] == [3, 4]
    assert Path(done.document["rejected_file"]).is_file()


def test_a_file_in_another_encoding_is_refused_as_a_whole(taskforce: UploadedSandbox, tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("indicator_type,value\nperson,José Müller|1970-01-01\n".encode("cp1252"))
    done = taskforce.sandbox.member("a", "submit", str(path))
    assert done.status == 1
    assert "UTF-8" in done.document["error"]["detail"]


def test_the_log_verifies_for_every_bank(taskforce: UploadedSandbox) -> None:
    for bank in BANKS:
        done = taskforce.sandbox.member(bank, "log", "verify")
        assert done.status == 0, done.document
        assert done.document["verified"] is True
        assert done.document["entries"] > 0


@pytest.mark.parametrize(
    ("table", "column"),
    [("log_entries", "view"), ("log_entries", "salt"), ("log_entries", "entry"), ("log_leaves", "entry")],
)
def test_an_operator_who_changes_one_byte_is_caught_and_the_entry_named(
    taskforce: UploadedSandbox, table: str, column: str
) -> None:
    assert taskforce.sandbox.member("a", "log", "verify").status == 0
    engine = sqlalchemy.create_engine(taskforce.database_url)
    query = "SELECT entry_id, idx FROM log_numbers WHERE member_id = 'a' ORDER BY number DESC LIMIT 1"
    with engine.begin() as connection:
        entry_id, index = connection.execute(sqlalchemy.text(query)).one()
    key, value = ("idx", index) if table == "log_leaves" else ("entry_id", entry_id)
    with flipped(engine, table, column, key, value):
        done = taskforce.sandbox.member("a", "log", "verify")
    engine.dispose()
    assert done.status == 1
    assert done.document["error"]["entry"]["index"] == index
    assert taskforce.sandbox.member("a", "log", "verify").status == 0


def test_no_identifier_lies_at_the_exchange_or_a_holder(taskforce: UploadedSandbox) -> None:
    needles = {value.encode() for rows in taskforce.story.rows.values() for _, value, _ in rows}
    needles |= {v.encode() for values in taskforce.story.expected.values() for v in values if v != "person"}
    folder = taskforce.sandbox.folder
    files = [path for part in ("exchange", "holders", "logs") for path in (folder / part).rglob("*") if path.is_file()]
    if taskforce.database_url.startswith("postgresql"):
        data = Path(taskforce.database_url.partition("host=")[2])
        files += [path for path in data.rglob("*") if path.is_file()]
    assert len(files) > 10
    searched = 0
    for path in files:
        with suppress(FileNotFoundError):  # a draft that was renamed, a segment that was recycled meanwhile
            content = path.read_bytes()
            assert not [needle for needle in needles if needle in content], path
            searched += 1
    assert searched > 0.9 * len(files)
    assert any(needle in taskforce.files["a"].read_bytes() for needle in needles)


def test_a_member_cannot_use_another_members_home_without_its_passphrase(taskforce: UploadedSandbox) -> None:
    done = run("member", "--home", taskforce.sandbox.home("a"), "--as", "nobody", "hits")
    assert done.status in (1, 2)
    assert "hits" not in done.document


def test_a_group_in_force_is_not_drafted_anew(taskforce: UploadedSandbox) -> None:
    operator = ("exchange", "--home", str(taskforce.sandbox.folder / "exchange"))
    again = run(*operator, "group", "create", "taskforce", "--kind", "taskforce", "--members", "a", "--objective", "x")
    assert (again.status, again.document["error"]["type"]) == (1, "group-exists"), "all but a would have been dropped"
    assert run(*operator, "proposal", "list").document["proposals"] == []


def test_an_exchange_that_was_killed_comes_back_with_everything(taskforce: UploadedSandbox) -> None:
    old = taskforce.sandbox.pids()["exchange"]
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while taskforce.sandbox.pids()["exchange"] == old:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert _values(taskforce, "c") == taskforce.story.expected["c"]


def test_a_key_holder_that_is_down_is_survived(taskforce: UploadedSandbox, tmp_path: Path) -> None:
    rows = [("wallet", f"0x{number:040x}", "new") for number in range(1, 301)]
    path = write_upload(tmp_path / "wallets.csv", rows)
    pid = taskforce.sandbox.pids()["holder-2"]
    os.killpg(pid, signal.SIGSTOP)
    try:
        done = taskforce.sandbox.member("b", "submit", str(path))
    finally:
        os.killpg(pid, signal.SIGCONT)
    assert done.status == 0, (done.document, done.said)
    assert done.document["accepted"] == len(rows)


# A thief with the whole exchange database: what key shares are needed before a guessed account can be tested


def _stolen_tokens(taskforce: UploadedSandbox) -> set[bytes]:
    """Every 32-byte value in any column of any table: the thief need not know which one is the token."""
    engine = sqlalchemy.create_engine(taskforce.database_url)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(table.select())]
    engine.dispose()
    return {bytes(value) for row in rows for value in row if isinstance(value, bytes | memoryview) and len(value) == 32}


def _stolen_shares(taskforce: UploadedSandbox) -> list[Share]:
    folder = taskforce.sandbox.folder
    shares = []
    for home in sorted((folder / "holders").iterdir()):
        passphrase = (folder / "passphrases" / home.name).read_bytes().strip()
        shares.append(open_settings(load_config(Path(home)), passphrase).shares[1])
    return shares


def _token(key: bytes, account: str) -> bytes:
    return split_output(oprf.evaluate_unblinded(key, oprf_input("n1", "bank_account", account))).token


def test_one_share_and_the_database_do_not_test_a_guess_but_two_shares_do(taskforce: UploadedSandbox) -> None:
    account = next(value for value in taskforce.story.expected["a"] if value.isdigit())
    stolen = _stolen_tokens(taskforce)
    shares = _stolen_shares(taskforce)
    assert len(shares) == 3
    for share in shares:
        others = [other.index for other in shares if other.index != share.index]
        keys = [share.scalar, *(threshold.scaled_share(share, (share.index, other)) for other in others)]
        assert not stolen & {_token(key, account) for key in keys}
    for pair in combinations(shares, 2):
        quorum = (pair[0].index, pair[1].index)
        key = sum(group.scalar_to_int(threshold.scaled_share(share, quorum)) for share in pair)
        assert _token(group.scalar_from_int(key), account) in stolen
        assert _token(group.scalar_from_int(key), "20000098765432") not in stolen


# Alerts: one bank warns the others, people and feed readers read it, a withdrawal reaches them


def objects_of(taskforce: UploadedSandbox, member: str, **query: str) -> list[dict[str, object]]:
    """Every object of the group's collection, as a feed reader of the member walks it."""
    description = taskforce.sandbox.description
    headers = {
        "Authorization": f"Bearer {description['members'][member]['feed_token']}",
        "Accept": TAXII,
    }
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as client:
        root = client.get(description["taxii"]["discovery_url"]).json()["default"]
        url = f"{root}collections/{description['taxii']['collections']['taskforce']}/objects/"
        found: list[dict[str, object]] = []
        while True:
            answer = client.get(url, params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page.get("objects", [])
            if not page.get("more"):
                return found
            query = {**query, "next": page["next"]}


def done_by(taskforce: UploadedSandbox, member: str, *arguments: str) -> Done:
    done = taskforce.sandbox.member(member, *arguments)
    assert done.status == 0, (done.document, done.said)
    return done


def test_generated_alerts_are_there_for_people_and_for_feed_readers(taskforce: UploadedSandbox) -> None:
    listed = done_by(taskforce, "b", "alert", "list", "--state", "published").document["alerts"]
    generated = [alert for alert in listed if alert["member_id"] == "necc"]
    assert len(generated) == ALERTS
    assert {alert["colour"] for alert in generated} == {"red", "amber", "green"}
    reports = objects_of(taskforce, "b", **{"match[type]": "report"})
    names = {str(report["name"]) for report in reports}
    assert all(any(alert["title"] in name for name in names) for alert in generated)


def test_one_bank_warns_the_others_and_takes_it_back(taskforce: UploadedSandbox, tmp_path: Path) -> None:
    path, pdf, page = (tmp_path / name for name in ("alert.json", "alert.pdf", "alert.html"))
    done_by(taskforce, "a", "alert", "template", str(path))
    reference = done_by(taskforce, "a", "alert", "draft", str(path)).document["reference"]
    assert taskforce.sandbox.member("a", "alert", "release", reference).status == 1
    for step in ("review", "release"):
        done_by(taskforce, "a", "--as", "authoriser", "alert", step, reference)
    read = done_by(taskforce, "b", "alert", "read", reference, "--pdf", str(pdf), "--html", str(page)).document
    assert read["reference"] == reference
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert reference in page.read_text()
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600
    done_by(taskforce, "b", "alert", "ack", reference, "--implemented")
    (answer,) = done_by(taskforce, "a", "alert", "responses", reference).document["responses"]
    assert answer["member_id"] == "b"
    done_by(taskforce, "a", "alert", "withdraw", reference, "--reason", "one of the accounts is a victim's")
    (report,) = [one for one in objects_of(taskforce, "c") if reference in str(one.get("external_references"))]
    assert report["revoked"] is True
    for bank in ("a", "b", "c"):
        assert done_by(taskforce, bank, "log", "verify").document["verified"] is True


def test_a_feed_token_that_is_revoked_reads_nothing_more(taskforce: UploadedSandbox) -> None:
    made = done_by(taskforce, "c", "feed", "token", "--name", "platform").document
    url = taskforce.sandbox.description["taxii"]["discovery_url"]
    headers = {"Authorization": f"Bearer {made['token']}", "Accept": TAXII}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
    listed = done_by(taskforce, "c", "feed", "list").document["feed_tokens"]
    assert [one["name"] for one in listed if one["token_id"] == made["token_id"]] == ["platform"]
    assert made["token"] not in str(listed)
    done_by(taskforce, "c", "feed", "revoke", made["token_id"])
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 401
