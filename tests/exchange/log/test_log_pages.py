"""The log's pages: the formats that outside tools read, and paths from hostile ones."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_smorest import Api

from exchange.log.pages import create_log_blueprint
from exchange.log.receipts import waiting_entries
from keys.signatures.ed25519 import verify_signature
from keys.signatures.messages import SigningKey
from schemas.log import PromisedEntry
from schemas.submissions import RECEIPT_DOMAIN
from schemas.values.canonical import parse_canonical_json
from schemas.values.encoding import from_base64, to_rfc3339
from tests.exchange.log.laboratory import ORIGIN, SIGNER, Laboratory
from tlog.checkpoint import open_checkpoint
from tlog.entries import entry_commitment
from tlog.hashing import leaf_hash
from tlog.tiles import TileHashReader, decode_entries

RECEIPT_KEY = SigningKey.from_seed(bytes(32))


@pytest.fixture
def client(laboratory: Laboratory) -> FlaskClient:
    def waiting(member_id: str, most: int, after: str) -> list[PromisedEntry]:
        return waiting_entries(laboratory.database, RECEIPT_KEY, member_id, most, after=after, delay=74)

    app = Flask("log")
    app.config.update(API_TITLE="log", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    Api(app).register_blueprint(create_log_blueprint(laboratory.database, lambda: "a", waiting))
    return app.test_client()


def test_an_outsider_reads_and_verifies_the_whole_log(laboratory: Laboratory, client: FlaskClient) -> None:
    laboratory.add_members(513)
    laboratory.record({"a": {}})
    laboratory.tick()
    laboratory.tick()
    answer = client.get("/log/checkpoint")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"
    head = open_checkpoint(answer.data, ORIGIN, [SIGNER.verifier_key]).checkpoint
    tree = TileHashReader(head.size, head.root, lambda path: client.get(f"/log/{path}").data)
    bundle = client.get("/log/tile/entries/003")
    assert bundle.content_type == "application/octet-stream"
    for offset, entry in enumerate(decode_entries(bundle.data, 256)):
        assert tree.leaf(3 * 256 + offset) == leaf_hash(entry)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/004.p/4", "tile/entries/004.p/3"])
def test_tiles_may_be_kept_for_ever(path: str, laboratory: Laboratory, client: FlaskClient) -> None:
    laboratory.add_members(513)
    laboratory.record({"a": {}})
    laboratory.tick()
    laboratory.tick()
    answer = client.get(f"/log/{path}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000",
        "tile/0/000.p/17",
        "tile/1/000.p/1",
        "tile/0/001.p/1",
        "tile/63/000",
        "tile/64/000",
        "tile/0/0",
        "tile/entries/000",
        "tile/entries/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001",
        "tile/-1/000",
        "tile/",
        "tile",
        "tile/0/%00",
        "tile/0/000%0a",
        "tile/0/..%2f..%2fetc",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/x/000",
        "tile/0/%D9%A0%D9%A0%D9%A0",
        "tile/0/" + "9" * 5000,
        "tile/0/000.p/" + "9" * 5000,
        "tile/0/%ff",
    ],
)
def test_paths_outside_the_published_tree_are_not_found(path: str, laboratory: Laboratory, client: FlaskClient) -> None:
    laboratory.tick()
    answer = client.get(f"/log/{path}")
    assert answer.status_code == 404


def test_refusals_are_problem_details(laboratory: Laboratory, client: FlaskClient) -> None:
    for path in ("/log/tile/0/000", "/log/checkpoint"):
        answer = client.get(path)
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert answer.json["type"] == "urn:exchange:problem:not-found"
        assert answer.json["status"] == 404


def test_own_entries_come_in_pages(laboratory: Laboratory, client: FlaskClient) -> None:
    laboratory.record_many("a", 5)
    laboratory.record_many("b", 5)
    laboratory.settle()
    laboratory.record_many("a", 1)
    numbers, after = [], 0
    for _ in range(3):
        page = client.get(f"/log/entries?after={after}&limit=2").json
        assert page is not None
        numbers += [entry["number"] for entry in page["entries"]]
        assert len(page["pending"]) == 1
        after = page["next"]
    assert numbers == [1, 2, 3, 4, 5]
    assert after is None


def test_own_entries_are_not_cached(client: FlaskClient) -> None:
    assert client.get("/log/entries").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=+1",
        "after=x",
        "after=1&after=2",
        "limit=0",
        "limit=501",
        "limit=" + "9" * 5000,
        "after=%D9%A1",
        "after=",
    ],
)
def test_other_parameters_are_refused(query: str, client: FlaskClient) -> None:
    answer = client.get(f"/log/entries?{query}")
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["type"] == "urn:exchange:problem:invalid-parameter"


def test_large_views_make_short_pages(laboratory: Laboratory, client: FlaskClient) -> None:
    for _ in range(5):
        laboratory.record({"a": {"hits": ["x" * 3_000_000]}})
    laboratory.settle()
    first = client.get("/log/entries").json
    assert first is not None
    assert [entry["number"] for entry in first["entries"]] == [1, 2]
    assert first["next"] == 2


def test_an_entry_is_readable_at_once_under_a_signed_receipt(laboratory: Laboratory, client: FlaskClient) -> None:
    event = laboratory.record({"a": {"n": 1}, "b": {"n": 2}})
    for _ in range(3):
        laboratory.record({"a": {}})
    page = client.get("/log/entries?waiting=1").json
    assert page is not None
    (row,) = page["waiting"]
    assert page["entries"] == []
    assert (row["event_id"], row["entry_id"]) == (event.event_id, page["pending"][0])
    entry = from_base64(row["entry"])
    assert entry_commitment(from_base64(row["salt"]), from_base64(row["view"])) == entry == event.entries["a"]
    payload = from_base64(row["receipt"]["payload"])
    verify_signature(RECEIPT_KEY.public_bytes, RECEIPT_DOMAIN + payload, from_base64(row["receipt"]["signature"]))
    assert parse_canonical_json(payload) == {
        "event_id": event.event_id, "member_id": "a", "entry": row["entry"], "maximum_merge_delay_seconds": 74,
        "committed_at": to_rfc3339(laboratory.now - timedelta(seconds=3)),
    }  # fmt: skip
    laboratory.settle()
    assert client.get("/log/entries?waiting=10").json["waiting"] == []  # type: ignore[index]


@pytest.mark.parametrize("number", ["-1", "501", "x", "01", ""])
def test_a_wrong_number_of_waiting_entries_is_refused(number: str, client: FlaskClient) -> None:
    assert client.get(f"/log/entries?waiting={number}").status_code == 422


def test_waiting_entries_are_read_in_pages_to_the_end(laboratory: Laboratory, client: FlaskClient) -> None:
    for number in range(5):
        laboratory.record({"a": {"n": number}, "b": {}})
    found: list[str] = []
    while True:
        behind = f"&waiting_after={found[-1]}" if found else ""
        page = client.get(f"/log/entries?waiting=2{behind}").json
        assert page is not None
        if not page["waiting"]:
            break
        assert len(page["waiting"]) <= 2
        found += [row["entry_id"] for row in page["waiting"]]
    assert found == sorted(page["pending"])
    assert len(found) == 5


@pytest.mark.parametrize("query", ["waiting_after=%00", "waiting_after=X", "waiting_after=a&waiting_after=b"])
def test_a_wrong_id_behind_which_to_read_on_is_refused(query: str, client: FlaskClient) -> None:
    assert client.get(f"/log/entries?waiting=1&{query}").status_code == 422
