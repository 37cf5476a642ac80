"""The program `exchange`: its commands, their documents and exit codes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.configuration.settings import SettingsError, load_receipt_key, load_settings
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import Root, sign_statement
from schemas.values.encoding import from_base64, to_base64
from tests.taskforce.clock import Clock
from wsgi import compose

ROOT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, Any]]
NECC, FCA = (SigningKey.from_seed(name.encode().ljust(32, b".")) for name in ("necc", "fca"))


@pytest.fixture
def home(tmp_path: Path, run: Run) -> Path:
    """An exchange that `init` set up."""
    registrars = {"registrar_id": "necc", "public_key": to_base64(NECC.public_bytes)}
    (tmp_path / "registrars.json").write_text(json.dumps({"quorum": 1, "registrars": [registrars]}))
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase of the tests\n")
    passphrase.chmod(0o600)
    code, done = run(
        *("--home", tmp_path / "home", "init", "--registrars", tmp_path / "registrars.json"),
        *("--url", "https://Exchange.test/", "--exchange-id", "uk", "--passphrase-file", passphrase),
    )
    assert code == 0, done
    assert (done["url"], done["log"]["origin"]) == ("https://exchange.test", "exchange.test/uk")
    return tmp_path / "home"


def enrol(run: Run, home: Path, member_id: str) -> str:
    """The code that invites a member."""
    code, done = run(
        *("--home", home, "member", "enrol", member_id, "--kind", "telecom", "--name", member_id.capitalize()),
        *("--sector", "telecommunications", "--declared-book", "5000"),
    )
    assert (code, done["member_id"]) == (0, member_id)
    return str(done["code"])


def test_what_the_operator_drafts_waits_for_the_registrars(home: Path, run: Run) -> None:
    assert len(enrol(run, home, "acme")) > 100
    group = ("--home", home, "group", "create", "ring", "--kind", "cell", "--objective", "one ring")
    code, done = run(*group, "--members", "acme,acmee", "--sunset", "2027-03-31")
    assert (code, done["error"]["type"]) == (1, "unknown-member")
    assert "nobody was enrolled as acmee" in done["error"]["detail"]
    code, done = run(*group, "--members", "acme", "--sunset", "2027-03-31")
    assert (code, done["group_id"]) == (0, "ring")
    assert run("--home", home, "member", "list") == (0, {"members": []})
    code, done = run("--home", home, "log", "status")
    assert (code, done["size"], done["pending"]) == (0, 0, 0)


def test_what_cannot_be_done_is_told_as_a_document(home: Path, tmp_path: Path, run: Run) -> None:
    for arguments, wanted_code, kind in (
        (("group", "create", "ring", "--kind", "cell", "--objective", "x", "--members", "a"), 2, "usage"),
        (("group", "create", "No Identifier", "--objective", "x", "--members", "a"), 2, "usage"),
        (("nonsense",), 2, "usage"),
        (("group", "close", "ring"), 1, "unknown-group"),
        (("member", "suspend", "nobody"), 1, "unknown-member"),
        (("member", "rotate-key", "nobody/analyst"), 1, "unknown-representative"),
        (("member", "four-eyes", "nobody", "--answers"), 1, "unknown-member"),
        (("member", "rotate-key", "a/b", "--new-key", str(tmp_path / "registrars.json")), 1, "new-key"),
        (("member", "rotate-key", "a/b", "--new-key", str(tmp_path / "passphrase")), 1, "file"),
        (("epoch", "propose", str(tmp_path / "missing.json")), 1, "file"),
        (("epoch", "propose", str(tmp_path / "registrars.json")), 1, "file"),
    ):
        code, done = run("--home", home, *arguments)
        assert (code, done["error"]["type"]) == (wanted_code, kind), arguments
        assert done["error"]["detail"]
    assert run("--home", tmp_path / "nowhere", "log", "status")[1]["error"]["type"] == "settings"


def test_a_draft_is_made_once_listed_and_discarded(home: Path, tmp_path: Path, run: Run) -> None:
    enrol(run, home, "a")
    group = ("--home", home, "group", "create", "ring", "--members", "a", "--objective")
    code, first = run(*group, "one ring")
    assert code == 0
    code, again = run(*group, "one ring")
    assert (code, again["error"]["type"]) == (1, "statement")
    assert f"exchange proposal discard {first['proposal_id']}" in again["error"]["detail"]
    holders = [
        {"index": i, "holder_id": f"h-{i}", "url": f"https://h-{i}.test", "commitment": "", "verify_key": ""}
        for i in (1, 2)
    ]
    (tmp_path / "epoch.json").write_text(json.dumps({"epoch": 1, "holders": holders}))
    assert run("--home", home, "epoch", "propose", tmp_path / "epoch.json")[1]["error"]["type"] == "statement"
    listed = run("--home", home, "proposal", "list")[1]["proposals"]
    assert {(each["type"], each["subject"], each["signatures"]) for each in listed} == {
        ("exchange", "uk", 0),
        ("group", "ring", 0),
    }
    exported = tmp_path / "proposals.json"
    assert run("--home", home, "proposal", "export", exported) == (0, {"file": str(exported), "proposals": 2})
    assert run("--home", home, "proposal", "export", exported)[1]["error"]["type"] == "file"
    code, gone = run("--home", home, "proposal", "discard", first["proposal_id"][:10])
    assert (code, gone["state"], gone["proposal_id"]) == (0, "discarded", first["proposal_id"])
    code, none = run("--home", home, "proposal", "discard", first["proposal_id"])
    assert (code, none["error"]["type"]) == (1, "unknown")
    assert run(*group, "another ring")[0] == 0
    (tmp_path / "signed.json").write_text("{}")
    assert run("--home", home, "proposal", "submit", tmp_path / "signed.json")[1]["error"]["type"] == "file"


def signed(folder: Path, payload: str, **keys: SigningKey) -> Path:
    """The file that `registrar sign` writes: one envelope from each registrar."""
    file = folder / f"signed-{'-'.join(keys)}.json"
    envelopes = [sign_statement(from_base64(payload), name, key) for name, key in keys.items()]
    file.write_text(json.dumps({"envelopes": envelopes}, default=msgspec.to_builtins))
    return file


def test_signatures_made_off_line_are_handed_in(home: Path, tmp_path: Path, run: Run) -> None:
    exported = tmp_path / "proposals.json"
    assert run("--home", home, "proposal", "export", exported)[0] == 0
    (waiting,) = json.loads(exported.read_text())["proposals"]
    code, done = run("--home", home, "proposal", "submit", signed(tmp_path, waiting["payload"], stranger=FCA))
    assert (code, done["error"]["type"]) == (1, "refused")
    assert f"{waiting['proposal_id']}: no registrar's signature" in done["error"]["detail"]
    code, done = run("--home", home, "proposal", "submit", signed(tmp_path, waiting["payload"], fca=FCA, necc=NECC))
    assert (code, "of 2 statements 1 were taken in" in done["error"]["detail"]) == (1, True)
    code, done = run("--home", home, "proposal", "submit", signed(tmp_path, waiting["payload"], necc=NECC))
    assert (code, [each["state"] for each in done["submitted"]]) == (0, ["effective"])
    assert run("--home", home, "proposal", "list") == (0, {"proposals": []})


def test_registrars_are_replaced_by_the_program(home: Path, tmp_path: Path, run: Run) -> None:
    successors = {"quorum": 1, "registrars": [{"registrar_id": "fca", "public_key": to_base64(FCA.public_bytes)}]}
    (tmp_path / "new.json").write_text(json.dumps(successors))
    code, before = run("--home", home, "root", "show")
    assert (code, before["version"], [each["registrar_id"] for each in before["registrars"]]) == (0, 1, ["necc"])
    code, drafted = run("--home", home, "root", "propose", tmp_path / "new.json")
    assert (code, drafted["version"]) == (0, 2)
    assert run("--home", home, "root", "propose", tmp_path / "new.json")[1]["error"]["type"] == "statement"
    exported = tmp_path / "proposals.json"
    assert run("--home", home, "proposal", "export", exported)[0] == 0
    (payload,) = [
        each["payload"]
        for each in json.loads(exported.read_text())["proposals"]
        if each["proposal_id"] == drafted["proposal_id"]
    ]
    code, half = run("--home", home, "proposal", "submit", signed(tmp_path, payload, necc=NECC))
    assert (code, half["submitted"][0]["state"], half["submitted"][0]["quorum"]) == (0, "collecting", 2)
    code, done = run("--home", home, "proposal", "submit", signed(tmp_path, payload, fca=FCA))
    assert (code, done["submitted"][0]["state"]) == (0, "effective")
    code, after = run("--home", home, "root", "show")
    assert (after["version"], after["registrars_fingerprint"]) == (2, drafted["proposal_id"])
    code, written = run("--home", home, "root", "export", tmp_path / "pin.json")
    assert code == 0
    assert Root.load(tmp_path / "pin.json").fingerprint == written["registrars_fingerprint"] == drafted["proposal_id"]
    assert run("--home", home, "root", "export", tmp_path / "pin.json")[1]["error"]["type"] == "file"
    assert run("--home", home, "root", "propose", tmp_path / "pin.json")[1]["error"]["type"] == "statement"
    assert run("--home", home, "root", "restore", tmp_path / "pin.json")[1]["error"]["type"] == "file"
    (tmp_path / "in-force.json").write_text(
        json.dumps([sign_statement(from_base64(payload), "necc", NECC)], default=msgspec.to_builtins)
    )
    code, taken = run("--home", home, "root", "restore", tmp_path / "in-force.json")
    assert (code, taken["statements"], taken["version"]) == (0, [], 2)
    (tmp_path / "in-force.json").write_text('[{"payload": 1}]')
    assert run("--home", home, "root", "restore", tmp_path / "in-force.json")[1]["error"]["type"] == "statement"
    enrolled = ("member", "enrol", "acme", "--kind", "telecom", "--name", "A", "--sector", "telecommunications")
    code, invited = run("--home", home, *enrolled, "--declared-book", "9")
    content = json.loads(base64.urlsafe_b64decode(invited["code"] + "=="))
    assert content["registrars"]["newest"] == {"version": 2, "fingerprint": drafted["proposal_id"]}


def test_a_home_is_set_up_once(home: Path, tmp_path: Path, run: Run) -> None:
    again = ("--registrars", tmp_path / "registrars.json", "--url", "https://other.test", "--exchange-id", "uk")
    code, done = run("--home", home, "init", *again)
    assert (code, done["error"]["type"]) == (1, "settings")


def test_the_settings_make_an_application_and_show_no_secret(home: Path) -> None:
    settings = load_settings(home, {"EXCHANGE_DATABASE_URL": f"sqlite:///{home / 'exchange.db'}?canary=hidden-word"})
    assert "hidden-word" not in repr(settings)
    settings = load_settings(home, {})
    app = compose(settings, Clock())
    client = app.test_client()
    assert client.get("/readyz").status_code == 200
    document = client.get("/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    assert {"/v1/submissions", "/v1/hits", "/v1/notices", "/log/checkpoint"} <= set(document["paths"])
    assert settings.root == Root.load(home / "registrars.json")


def test_how_long_the_log_may_stand_still_is_set_like_the_rest(home: Path) -> None:
    assert load_settings(home, {}).log_stale_seconds == 3600
    settings = load_settings(home, {"EXCHANGE_LOG_STALE_SECONDS": "900"})
    database = compose(settings, Clock()).extensions["exchange"].database
    assert database.log_stale_seconds == 900
    database.dispose()
    for wrong in ("0", "86401", "soon"):
        with pytest.raises(SettingsError):
            load_settings(home, {"EXCHANGE_LOG_STALE_SECONDS": wrong})


def test_a_missing_secret_stops_the_start_by_name(home: Path, tmp_path: Path) -> None:
    (tmp_path / "passphrase").unlink()
    with pytest.raises(SettingsError, match="receipt key"):
        load_receipt_key(load_settings(home, {}), {})
    (home / "config.toml").write_text('url = "https://exchange.test"\n')
    with pytest.raises(SettingsError, match="exchange_id is missing"):
        load_settings(home, {})


def test_the_program_leaves_with_its_exit_code() -> None:
    command = [sys.executable, "-c", "from exchange.programs.cli import main; main()", "nonsense", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, cwd=ROOT)
    assert (done.returncode, json.loads(done.stdout)["error"]["type"]) == (2, "usage")
