"""Files, codes and answers of any bytes: the member program reads them, or refuses them with its own error."""

from __future__ import annotations

import base64
import itertools
import json
import re
import sqlite3
import tracemalloc
from contextlib import closing
from datetime import date
from pathlib import Path

import click
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.signatures.messages import SigningKey
from keys.statements.keyring import Root, StatementError
from member.commands.shared.common import MemberGroup
from member.errors import AnswerError, MemberError, UsageError, VaultError
from member.identity.enrolment import check_code_fits, read_code
from member.identity.home import Config, Home
from member.indicators.receipts import verify_receipt
from member.indicators.submit import dry_run
from member.normalise.circumstances import Circumstances
from member.tables.reading import FileRefusedError, check_file, read_indicators
from member.transport.channel import decode
from member.transport.exchange_client import LogPage
from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from schemas.hits import HitsPage
from schemas.statements import StatementsPage
from schemas.status import Status
from schemas.submissions import RECEIPT_DOMAIN, SubmissionAnswer
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.any_input import JSON, changed_bytes, changed_fields, changed_text
from tests.keys.factories import make_root

TODAY = date(2026, 11, 22)
HEADER = "indicator_type,value,reason,first_seen,source_ref"
KEY = bytes(range(32))
_names = itertools.count()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose files the tests may spoil."""
    made = Home.make(tmp_path_factory.mktemp("any") / "home")
    made.save(member_id="a")
    return made


def written(home: Home, content: bytes) -> Path:
    path = home.path.parent / f"{next(_names)}.csv"
    path.write_bytes(content)
    return path


# rows


rows = st.sampled_from(
    [
        "phone,+442079460123,,,",
        "phone,+442079460{},,,",
        "phone,nothing,,,",
        "email,a{}@bank.example,,2026-03-05,r-{}",
        'person,"EXAMPLE,\nAnna|1980-01-31","two\r\nlines",,',
        'person,"Anna ""A"" {}|1980-01-31",,,"{}\n\n"',
        'person,"Anna "A" E|1980-01-31",,,',
        "phone,+442079460123,,",
        "phone,+442079460123,,,,,",
        "nothing,x,,,",
        "bank_account,{},,,",
        "phone," + "1" * 140_000 + ",,,",
        ",,,,",
        "",
        "  ",
    ]
)


@settings(max_examples=50)
@given(
    records=st.lists(st.tuples(rows, st.integers(100, 130)), min_size=1, max_size=30),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from([("utf-8", ""), ("utf-8", "\ufeff"), ("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff")]),
    last=st.booleans(),
)
def test_every_row_is_counted_and_has_the_line_a_reader_would_count(
    home: Home, records: list[tuple[str, int]], end: str, mark: tuple[str, str], last: bool
) -> None:
    """The lines are counted here by the ends of line in what was written before, without any CSV reader."""
    texts = [text.format(number, number) if "{" in text else text for text, number in records]
    content = mark[1] + end.join([HEADER, *texts]) + (end if last else "")
    wanted = [
        len(re.findall("\r\n|\r|\n", end.join([HEADER, *texts[:position], ""]))) + 1
        for position, text in enumerate(texts)
        if text.strip()
    ]
    path = written(home, content.encode(mark[0]))
    try:
        checked = check_file(path)
    except FileRefusedError:
        assert not wanted
        return
    assert [row.line for row in read_indicators(checked)] == wanted
    tally = dry_run(home, checked, Circumstances(today=lambda: TODAY)).tally
    rejected = list(tally.rejections.in_order())
    assert tally.accepted + tally.duplicates + len(rejected) == tally.rows == len(wanted)
    assert {row.line for row in rejected} <= set(wanted)


@given(
    changed_bytes((HEADER + '\nphone,+442079460123,"a, ""b""\nc",2026-03-05,r\nperson,"É|1980-01-31",,,\n').encode())
)
def test_a_file_with_a_changed_byte_is_refused_or_counted_whole(home: Home, content: bytes) -> None:
    try:
        checked = check_file(written(home, content))
    except FileRefusedError as refused:
        assert refused.wanted
        return
    tally = dry_run(home, checked, Circumstances(today=lambda: TODAY)).tally
    assert tally.accepted + tally.duplicates + len(tally.rejections) == tally.rows == checked.records


@pytest.mark.parametrize(
    "content",
    [
        b"x" * 10_000_000,
        b"value,indicator_type\nphone," + b"1" * 10_000_000 + b"\n",
        b'value,indicator_type\n"' + b"1\n" * 5_000_000,
        b"value,indicator_type\n" + b'"' * 10_000_000,
        b"," * 900_000 + b"\n" + b"," * 900_000,
        b"\n" * 100_000,
    ],
    ids=["one line", "one field", "an open quote", "quotes only", "a million columns", "line ends only"],
)
def test_a_monstrous_file_is_refused_in_bounded_memory(home: Home, content: bytes) -> None:
    path = written(home, content)
    tracemalloc.start()
    try:
        with pytest.raises(FileRefusedError):
            check_file(path)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
        path.unlink()


# codes


def code(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


INVITATION = {
    "exchange_url": "https://exchange.example",
    "member_id": "a",
    "secret": "secret",
    "registrars": make_root().to_wire(),
}


@given(st.text(max_size=100) | changed_text(code(INVITATION)) | (JSON | changed_fields(INVITATION)).map(code))
def test_a_code_of_any_text_is_refused_or_can_be_answered(home: Home, text: str) -> None:
    try:
        read = read_code(text)
        check_code_fits(home, read)
    except MemberError as error:
        assert error.hint
        return
    assert read.content.member_id == "a"
    assert read.content.exchange_url.startswith(("http://", "https://"))
    canonical_json(read.content.registrars)
    try:
        Root.parse(read.content.registrars)
    except StatementError:
        return


# the home


@given(
    st.binary(max_size=200) | changed_bytes(msgspec.json.encode(Config(member_id="a"))) | JSON.map(msgspec.json.encode)
)
def test_settings_of_any_bytes_are_read_or_refused(home: Home, content: bytes) -> None:
    path = home.path.parent / "odd"
    path.mkdir(exist_ok=True)
    (path / "config.json").write_bytes(content)
    try:
        Home.open(path)
    except MemberError:
        return


@pytest.fixture(scope="module")
def vault(home: Home) -> bytes:
    """The bytes of a vault with some rows and tokens."""
    path = home.path.parent / "right.sqlite"
    with Vault.create(path, KEY, "a") as made:
        source = Source("20000000012345", "mule", "2026-01-31", "ref", {}, 2, "s-1")
        VaultRows(made).store([OwnRow("bank_account", f"2000000001234{digit}", source) for digit in range(9)], "g", 1)
        made.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made.connection.execute("PRAGMA journal_mode=DELETE")
    return path.read_bytes()


def read_vault(path: Path, content: bytes) -> list[str]:
    """Everything that a vault of these bytes holds."""
    path.unlink(missing_ok=True)
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(content)
    with Vault.open(path, KEY, "a") as opened:
        return [row.canonical for row in VaultRows(opened).every_indicator()]


@settings(max_examples=60)
@given(st.data())
def test_a_vault_with_changed_bytes_is_refused_or_adds_no_value(home: Home, vault: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 50_000)) % len(vault)
    new = data.draw(st.binary(min_size=1, max_size=200))
    content = vault[:place] + new + vault[place + len(new) :]
    try:
        found = read_vault(home.path.parent / "odd.sqlite", content)
    except (VaultError, sqlite3.DatabaseError):
        return  # the program tells both as a vault that is to be restored
    assert set(found) <= {f"2000000001234{digit}" for digit in range(9)}


def test_a_vault_is_refused_when_sqlites_error_is_not_text(home: Home, vault: bytes) -> None:
    """Other bytes in the schema make the message itself undecodable."""
    content = vault.replace(b"PRIMARY KEY (kind, lookup)", b"PRIMARY KEY\x98\x80kind, lookup)", 1)
    assert content != vault
    with pytest.raises(VaultError, match="not a readable vault"):
        read_vault(home.path.parent / "odd.sqlite", content)


@given(st.binary(max_size=300))
def test_a_vault_of_any_bytes_is_refused(home: Home, content: bytes) -> None:
    with pytest.raises(VaultError):
        read_vault(home.path.parent / "odd.sqlite", content)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE records",
        "DROP TABLE indicators",
        "ALTER TABLE indicators RENAME COLUMN payload TO other",
        "UPDATE indicators SET payload = 'text'",
        "UPDATE indicators SET payload = 7",
        "UPDATE records SET payload = 7",
        "UPDATE records SET payload = 'text'",
        "UPDATE sources SET lookup = hex(lookup)",
    ],
)
def test_a_vault_whose_tables_were_changed_is_refused_as_a_vault(home: Home, vault: bytes, statement: str) -> None:
    path = home.path.parent / "changed.sqlite"
    path.write_bytes(vault)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises((VaultError, sqlite3.DatabaseError)):
        read_vault(path, path.read_bytes())


def test_the_program_tells_a_vault_that_sqlite_refuses_as_a_vault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.group(cls=MemberGroup)
    def program() -> None:
        """A program whose one command meets a spoiled page."""

    @program.command()
    def read() -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr("sys.argv", ["member", "read"])
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 1
    assert "the vault cannot be used" in capsys.readouterr().err


# answers


RECEIPT_KEY = SigningKey.from_seed(b"r" * 32)
SUBMISSION = uuid7()
PAYLOAD = {
    "member_id": "a",
    "submission_id": SUBMISSION,
    "part": 0,
    "accepted": 2,
    "duplicates": 1,
    "rejected": 0,
    "left_out": 0,
    "event_id": "e",
    "entry": to_base64(b"\1" * 33),
}


def answered(payload: bytes) -> dict[str, object]:
    signature = RECEIPT_KEY.sign(RECEIPT_DOMAIN + payload)
    return {
        "submission_id": SUBMISSION,
        "part": 0,
        "accepted": 2,
        "duplicates": [1],
        "rejected": [],
        "left_out": [],
        "receipt": {"payload": to_base64(payload), "signature": to_base64(signature)},
        "hits": [],
    }


@given(changed_fields(answered(canonical_json(PAYLOAD))))
def test_an_answer_with_any_field_changed_proves_nothing_or_the_same(document: object) -> None:
    body = msgspec.json.encode(document)
    try:
        answer = decode(body, SubmissionAnswer, "https://exchange.example")
        receipt = verify_receipt(answer, receipt_key=RECEIPT_KEY.public_bytes, member_id="a", rows=3)
    except AnswerError:
        return
    assert receipt.payload == canonical_json(PAYLOAD)
    assert (answer.accepted, answer.duplicates, answer.rejected) in [(2, [place], []) for place in range(3)]


@given(changed_fields(PAYLOAD) | JSON)
def test_any_payload_signed_as_a_receipt_fits_the_answer_or_is_refused(payload: object) -> None:
    document = answered(json.dumps(payload).encode())
    answer = decode(msgspec.json.encode(document), SubmissionAnswer, "https://exchange.example")
    try:
        verify_receipt(answer, receipt_key=RECEIPT_KEY.public_bytes, member_id="a", rows=3)
    except AnswerError:
        return
    assert isinstance(payload, dict)
    assert all(payload[name] == PAYLOAD[name] for name in ("member_id", "submission_id", "part", "accepted"))


@given(st.binary(max_size=200) | JSON.map(msgspec.json.encode))
def test_an_answer_of_any_bytes_is_read_or_named_as_none(body: bytes) -> None:
    for form in (SubmissionAnswer, HitsPage, Status, StatementsPage, LogPage):
        try:
            decode(body, form, "https://exchange.example")
        except AnswerError:
            continue


def test_a_code_says_what_is_wrong_with_it() -> None:
    for changes, told in (({"exchange_url": "ftp://x"}, "address"), ({"member_id": "No One"}, "member id")):
        with pytest.raises(UsageError, match=told):
            read_code(code(INVITATION | changes))
