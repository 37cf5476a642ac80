"""The exchange's own files and the bodies of requests, of any bytes: a value, or the documented error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.configuration.settings import Settings, SettingsError, config_file, load_settings, write_config
from exchange.log.head_file import HeadFile, LogRefusedError
from exchange.web.forms import read_json
from exchange.web.problems import InvalidFormError
from tests.any_input import JSON, changed_bytes
from tests.keys.factories import make_root
from tlog.checkpoint import Checkpoint, sign_checkpoint
from tlog.hashing import EMPTY_ROOT
from tlog.notes import NoteSigner

SIGNER = NoteSigner("exchange.example/log", b"l" * 32)
CONFIGURED: dict[str, Any] = {
    "exchange_id": "uk",
    "url": "https://exchange.example",
    "database_url": "sqlite:////srv/exchange.db",
    "log_origin": SIGNER.name,
    "log_vkey": str(SIGNER.verifier_key),
    "tick_seconds": 60,
    "passphrase_file": "/srv/passphrase",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exchange that is set up."""
    folder = tmp_path_factory.mktemp("any") / "home"
    write_config(folder, CONFIGURED)
    (folder / "registrars.json").write_text(json.dumps(make_root().to_wire()))
    return folder


def load(home: Path, content: bytes, **environ: str) -> Settings | None:
    """The settings of a configuration, None if it is refused by its own error."""
    config_file(home).write_bytes(content)
    try:
        return load_settings(home, environ)
    except SettingsError as refused:
        assert str(home) in str(refused) or len(str(refused)) < 200
        return None


GOOD = "".join(f"{name} = {json.dumps(value)}\n" for name, value in CONFIGURED.items()).encode()
toml_values = st.sampled_from(
    ["5", "-1", "0.5", "true", "[]", "{}", "2026-11-22", '""', '"x"', "inf", "[[1]]", '"\\u0000"']
)


@given(st.binary(max_size=200) | changed_bytes(GOOD))
def test_a_configuration_of_any_bytes_is_read_or_refused(home: Path, content: bytes) -> None:
    found = load(home, content)
    if found is not None:
        assert found.url.startswith(("http://", "https://"))
        assert found.exchange_id


@given(st.sampled_from(sorted(CONFIGURED)), toml_values)
def test_a_setting_of_any_kind_is_read_or_refused_by_its_name(home: Path, name: str, value: str) -> None:
    others = "".join(f"{other} = {json.dumps(given)}\n" for other, given in CONFIGURED.items() if other != name)
    config_file(home).write_text(f"{others}{name} = {value}\n")
    try:
        found = load_settings(home, {})
    except SettingsError as refused:
        assert name in str(refused)
        return
    assert value in {"5", '"x"', '""'}
    assert isinstance(getattr(found, name), str | int | Path | None)


@given(st.sampled_from(sorted(CONFIGURED)), st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30))
def test_an_environment_of_any_text_is_read_or_refused(home: Path, name: str, value: str) -> None:
    load(home, GOOD, **{f"EXCHANGE_{name.upper()}": value})


def test_a_misspelt_setting_is_named(home: Path) -> None:
    config_file(home).write_bytes(GOOD + b"tick_second = 5\n")
    with pytest.raises(SettingsError, match="'tick_second' is not a setting"):
        load_settings(home, {})


HEAD = sign_checkpoint(Checkpoint(SIGNER.name, 0, EMPTY_ROOT), SIGNER).encode()


@given(st.binary(max_size=200) | changed_bytes(HEAD))
def test_a_head_file_of_any_bytes_is_the_signed_head_or_stops_the_log(home: Path, content: bytes) -> None:
    path = home / "signed-head"
    path.write_bytes(content)
    try:
        found = HeadFile(path, SIGNER).read()
    except LogRefusedError:
        return
    assert found == Checkpoint(SIGNER.name, 0, EMPTY_ROOT)


@given(st.binary(max_size=200) | JSON.map(json.dumps).map(str.encode))
def test_a_body_of_any_bytes_is_json_or_refused(body: bytes) -> None:
    try:
        value = read_json(body)
    except InvalidFormError:
        return
    assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    "body",
    [b"", b"[" * 1_000_000, b'{"a":' * 500_000, b'"\\ud800"', b"\xff", b"\xef\xbb\xbf{}", b"NaN", b"1e400", b"{}{}"],
)
def test_depth_surrogates_and_numbers_beyond_any_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidFormError):
        read_json(body)
