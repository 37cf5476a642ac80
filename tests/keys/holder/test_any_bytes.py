"""A key holder's requests and configuration of any bytes: an answer in its own form, or the documented error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys.custody.files import CustodyError, write_private_file
from keys.holder.settings import HolderHomeError, create_home, load_config
from tests.any_input import JSON, changed_bytes, changed_fields
from tests.keys.factories import Member, make_member, make_root, sign
from tests.keys.holder.simulator import EVALUATIONS, HolderSimulator, make_elements, problem_of

ELEMENTS = make_elements(3)
REUSED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(max_size=12) | st.sampled_from(
    ["1", "1,2", "2,1", "1,1", "65536", "01", "1,3,2", "yes", "no", "١", "-1", "+1"]
)


@REUSED
@given(body=st.binary(max_size=120) | changed_bytes(ELEMENTS), number=st.integers())
def test_elements_of_any_bytes_are_evaluated_or_refused(
    light_holder: HolderSimulator, member: Member, body: bytes, number: int
) -> None:
    light_holder.allow("a", 10_000)
    before = light_holder.budget(member)["remaining"]
    answer = light_holder.ask(member, body, key=f"key-{number}-{len(body)}-{hash(body)}")
    charged = before - light_holder.budget(member)["remaining"]
    if answer.status_code == 200:
        assert len(answer.data) == len(body)
        assert charged in {0, len(body) // 32}
        return
    assert 400 <= answer.status_code < 500
    assert problem_of(answer)
    assert charged in ({0, len(body) // 32} if problem_of(answer) == "bad-element" else {0})


@REUSED
@given(epoch=texts, quorum=texts, proof=texts, more=st.dictionaries(texts, texts, max_size=1), key=texts)
def test_a_query_of_any_text_is_answered_or_refused(  # noqa: PLR0917 - the fields of a query
    light_holder: HolderSimulator, member: Member, epoch: str, quorum: str, proof: str, more: dict[str, str], key: str
) -> None:
    fields = {"epoch": epoch, "quorum": quorum, "proof": proof, **more}
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields.items())
    target = f"{EVALUATIONS}?{query}"
    name = f"key-{key}" if key.isascii() and key.isprintable() else "key"
    answer = light_holder.send(target, ELEMENTS, light_holder.sign(member, "POST", target, ELEMENTS, key=name))
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    assert answer.status_code == 200 or problem_of(answer)


HEADERS = [
    "Signature",
    "Signature-Input",
    "Content-Digest",
    "Idempotency-Key",
    "Content-Type",
    "Content-Length",
    "Host",
]


@REUSED
@given(name=st.sampled_from(HEADERS), value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60))
def test_a_header_of_any_text_is_refused_or_changes_nothing(
    light_holder: HolderSimulator, member: Member, name: str, value: str
) -> None:
    target = f"{EVALUATIONS}?epoch=1&quorum=1,2"
    headers = light_holder.sign(member, "POST", target, ELEMENTS) | {name: value}
    answer = light_holder.client.post(target, data=ELEMENTS, headers=headers)
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    if answer.status_code != 200:
        assert problem_of(answer)


@REUSED
@given(value=JSON | changed_fields(msgspec.to_builtins(sign(make_member("c").statement))))
def test_a_statement_of_any_json_is_taken_or_refused(light_holder: HolderSimulator, value: Any) -> None:
    answer = light_holder.client.post("/v1/statements", json=value)
    if answer.status_code == 200:
        assert answer.get_json()["subject"] == "c"
        return
    assert 400 <= answer.status_code < 500
    assert problem_of(answer)


@REUSED
@given(body=st.binary(max_size=80) | st.just(b"[" * 200_000))
def test_a_statement_of_any_bytes_is_refused(light_holder: HolderSimulator, body: bytes) -> None:
    answer = light_holder.client.post("/v1/statements", data=body, content_type="application/json")
    assert 400 <= answer.status_code < 500
    assert problem_of(answer)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key holder's home."""
    path = tmp_path_factory.mktemp("any") / "home"
    create_home(path, "holder-1", "https://holder-1.example", make_root(), b"a passphrase")
    (path / "config.json").rename(path / "right.json")
    return path


@given(data=st.data())
def test_a_configuration_of_any_bytes_is_read_or_refused(home: Path, data: st.DataObject) -> None:
    right = json.loads((home / "right.json").read_bytes())
    content = data.draw(
        st.binary(max_size=100)
        | changed_bytes(json.dumps(right).encode())
        | changed_fields(right).map(json.dumps).map(str.encode)
    )
    write_private_file(home / "config.json", content)
    try:
        found = load_config(home)
    except (HolderHomeError, CustodyError):
        return
    assert found.holder_id
    assert found.root.quorum >= 1
