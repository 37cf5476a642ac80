"""Requests a minute at a key holder: counted for each member over all workers, and refused with its signature."""

from __future__ import annotations

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select
from werkzeug.wrappers import Request

from edge.caller_address import caller_address, parse_proxies
from edge.request_limits import DEFAULT_LIMIT
from keys.holder.access import SIGNED
from keys.holder.database import open_database
from keys.holder.settings import HolderHomeError, create_home, load_config
from keys.holder.tables import request_counts
from keys.signatures.messages import SignedRequest, SigningKey
from keys.statements.keyring import MemberState
from tests.keys.factories import Member, make_member, make_root, sign
from tests.keys.holder.simulator import HolderSimulator, make_elements, problem_of

LIMIT = 4
ELEMENTS = make_elements(1)


def _limited(holder: HolderSimulator) -> HolderSimulator:
    """Another worker of the holder, with a limit."""
    config = dataclasses.replace(holder.settings.config, requests_per_minute=LIMIT)
    settings = dataclasses.replace(holder.settings, config=config)
    return HolderSimulator(settings, open_database(config.database_url), holder.clock)


def test_a_member_beyond_its_limit_is_told_when_to_come_back(holder: HolderSimulator, member: Member) -> None:
    limited = _limited(holder)
    limited.allow("b", 10)
    limited.clock.advance(seconds=25)
    answers = [limited.ask(member, ELEMENTS, key=f"key-{number}") for number in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429]
    assert (problem_of(answers[-1]), answers[-1].headers["Retry-After"]) == ("request-limit", "35")
    # Signed, so that nobody between can say it in the holder's place; `ask` has checked that.
    assert "Signature" in answers[-1].headers
    assert limited.ask(make_member("b"), ELEMENTS).status_code == 200
    limited.clock.advance(seconds=35)
    assert limited.ask(member, ELEMENTS, key="key-9").status_code == 200
    assert limited.budget(member)["remaining"] == 10 - LIMIT - 1
    with limited.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(request_counts)).scalar_one() == 2
    limited.database.dispose()


def test_a_check_of_a_paid_batch_has_the_limit_once_more(holder: HolderSimulator, member: Member) -> None:
    limited = _limited(holder)
    assert limited.ask(member, ELEMENTS, key="batch", proof=False).status_code == 200
    for number in range(LIMIT):
        limited.ask(member, ELEMENTS, key=f"key-{number}")
    assert problem_of(limited.ask(member, ELEMENTS, key="unpaid", batch="key")) == "request-limit"
    for _ in range(LIMIT - 2):
        assert limited.ask(member, ELEMENTS, key="check", batch="batch").status_code == 200
    assert problem_of(limited.ask(member, ELEMENTS, key="check", batch="batch")) == "request-limit"
    limited.database.dispose()


def test_the_limit_holds_across_workers_that_count_at_once(holder: HolderSimulator, member: Member) -> None:
    workers = [_limited(holder) for _ in range(2)]

    def ask(turn: int) -> int:
        worker = workers[turn % 2]
        headers = worker.sign(member, "GET", "/v1/budget")
        # A client of its own: the simulator's is for one thread.
        answer = worker.client.application.test_client().get("/v1/budget", headers=headers)
        worker.verify(answer, SignedRequest("GET", f"{worker.settings.config.url}/v1/budget", headers))
        return answer.status_code

    with ThreadPoolExecutor(4) as pool:
        assert Counter(pool.map(ask, range(10))) == {200: LIMIT, 429: 10 - LIMIT}
    for worker in workers:
        worker.database.dispose()


def test_a_stranger_cannot_use_up_a_members_limit(holder: HolderSimulator, member: Member) -> None:
    limited = _limited(holder)
    headers = limited.sign(member, "GET", "/v1/budget")
    assert limited.client.get("/v1/budget", headers=headers).status_code == 200
    for _ in range(2 * LIMIT):
        assert problem_of(limited.client.get("/v1/budget", headers=headers)) == "replayed-request"
        assert limited.client.get("/v1/budget").status_code == 401
    answers = [
        limited.client.get("/v1/budget", headers=limited.sign(member, "GET", "/v1/budget")) for _ in range(LIMIT)
    ]
    assert [answer.status_code for answer in answers] == [200] * (LIMIT - 1) + [429]
    limited.database.dispose()


@pytest.mark.parametrize("value", ["0", "many", "1000001"])
def test_a_limit_that_is_none_stops_the_start(tmp_path: Path, value: str) -> None:
    home = tmp_path / "home"
    create_home(home, "holder-1", "https://holder-1.example", make_root(), b"correct horse battery staple")
    assert load_config(home, {}).requests_per_minute == DEFAULT_LIMIT
    assert load_config(home, {"KEYHOLDER_REQUESTS_PER_MINUTE": "7"}).requests_per_minute == 7
    with pytest.raises(HolderHomeError):
        load_config(home, {"KEYHOLDER_REQUESTS_PER_MINUTE": value})


def test_strangers_are_limited_by_address_and_members_are_not(holder: HolderSimulator, member: Member) -> None:
    config = dataclasses.replace(holder.settings.config, unsigned_per_minute=LIMIT, proxies=parse_proxies("10.0.0.1"))
    settings = dataclasses.replace(holder.settings, config=config)
    limited = HolderSimulator(settings, open_database(config.database_url), holder.clock)

    def ask(peer: str, forwarded: str | None = None) -> int:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return limited.client.get("/v1/epochs", headers=headers, environ_base={"REMOTE_ADDR": peer}).status_code

    assert [ask("192.0.2.1", f"198.51.100.{turn}") for turn in range(LIMIT + 1)] == [200] * LIMIT + [429]
    assert [ask("10.0.0.1", "192.0.2.9, 192.0.2.1"), ask("10.0.0.1", "192.0.2.1, 192.0.2.9")] == [429, 200]
    body = {"payloadType": "", "payload": "", "signatures": []}
    refused = limited.client.post("/v1/statements", json=body, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert (problem_of(refused), refused.headers["Retry-After"]) == ("request-limit", "60")
    headers = limited.sign(member, "GET", "/v1/budget")
    asked = limited.client.get("/v1/budget", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert asked.status_code == 200
    healthy = [limited.client.get("/healthz", environ_base={"REMOTE_ADDR": "192.0.2.1"}) for _ in range(LIMIT + 1)]
    assert {answer.status_code for answer in healthy} == {200}
    limited.clock.advance(seconds=60)
    assert ask("192.0.2.1") == 200
    limited.database.dispose()


def _with_few_strangers(holder: HolderSimulator) -> HolderSimulator:
    """Another worker of the holder, with a limit for what does not authenticate."""
    config = dataclasses.replace(holder.settings.config, unsigned_per_minute=LIMIT)
    settings = dataclasses.replace(holder.settings, config=config)
    return HolderSimulator(settings, open_database(config.database_url), holder.clock)


def _ask_forged(holder: HolderSimulator, member: Member, route: str, *, address: str = "127.0.0.1") -> int:
    """Ask under the member's name with another's key."""
    method, target = route.split(" ")
    body = ELEMENTS if method == "POST" else b""
    headers = holder.sign(dataclasses.replace(member, key=SigningKey.generate()), method, target, body)
    asked = holder.client.open(target, method=method, data=body, headers=headers, environ_base={"REMOTE_ADDR": address})
    return asked.status_code


@pytest.mark.parametrize("route", sorted(SIGNED))
def test_refused_signatures_are_limited_by_address(
    holder: HolderSimulator, member: Member, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = _with_few_strangers(holder)
    route = f"{route}?epoch=1&quorum=1,2&proof=yes" if "evaluations" in route else route
    assert [_ask_forged(limited, member, route) for _ in range(LIMIT)] == [401] * LIMIT
    with monkeypatch.context() as patch:
        patch.delattr(Request, "get_data")  # whoever reads the body now fails with 500
        assert _ask_forged(limited, member, route) == 429
    assert _ask_forged(limited, member, route, address="192.0.2.7") == 401
    limited.clock.advance(seconds=60)
    assert _ask_forged(limited, member, route) == 401
    limited.database.dispose()


def test_what_is_not_signed_or_a_replay_is_limited_by_address(holder: HolderSimulator, member: Member) -> None:
    limited = _with_few_strangers(holder)

    def ask(headers: dict[str, str], address: str) -> int:
        environ = {"REMOTE_ADDR": address}
        return limited.client.get("/v1/budget", headers=headers, environ_base=environ).status_code

    assert [ask({}, "192.0.2.7") for _ in range(LIMIT + 1)] == [401] * LIMIT + [429]
    signed = limited.sign(member, "GET", "/v1/budget")
    assert ask(signed, "192.0.2.8") == 200
    assert [ask(signed, "192.0.2.9") for _ in range(LIMIT + 1)] == [401] * LIMIT + [429]
    limited.database.dispose()


@pytest.mark.parametrize("route", sorted(SIGNED))
@pytest.mark.parametrize("is_suspended", [True, False], ids=["suspended", "revoked"])
def test_who_may_not_act_any_more_is_limited_by_key_and_address(
    holder: HolderSimulator, member: Member, route: str, is_suspended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from an address where its others still authenticate, and from ever new ones."""
    limited = _with_few_strangers(holder)
    assert limited.ask(member, ELEMENTS, key="earlier").status_code == 200
    ended = member.changed(state=MemberState.SUSPENDED) if is_suspended else member.revoked()
    limited.state(sign(ended))
    method, path = route.split(" ")
    target = f"{path}?epoch=1&quorum=1,2&proof=yes" if method == "POST" else path
    body = ELEMENTS if method == "POST" else b""

    def ask(address: str) -> str:
        headers = limited.sign(member, method, target, body)
        environ = {"REMOTE_ADDR": address}
        answer = limited.client.open(target, method=method, data=body, headers=headers, environ_base=environ)
        assert answer.status_code in {403, 429}
        return problem_of(answer)

    reason = "member-suspended" if is_suspended else "key-revoked"
    assert [ask(f"192.0.2.{turn}") for turn in range(LIMIT)] == [reason] * LIMIT
    with monkeypatch.context() as patch:
        patch.delattr(Request, "get_data")  # whoever reads the body now fails with 500
        assert {ask("127.0.0.1"), ask("198.51.100.1")} == {"request-limit"}
    limited.clock.advance(seconds=60)
    assert ask("127.0.0.1") == reason
    assert limited.ask(make_member("b"), ELEMENTS).status_code == 403  # not allowed here, but heard
    limited.database.dispose()


def test_what_the_suspended_ask_counts_at_their_address(holder: HolderSimulator, member: Member) -> None:
    """Else ever new keys of suspended members would call from there without end."""
    limited = _with_few_strangers(holder)
    limited.state(sign(member.changed(state=MemberState.SUSPENDED)))
    address, other, route = "192.0.2.7", make_member("b"), "GET /v1/budget"
    for _ in range(LIMIT):
        headers = limited.sign(member, "GET", "/v1/budget")
        asked = limited.client.get("/v1/budget", headers=headers, environ_base={"REMOTE_ADDR": address})
        assert problem_of(asked) == "member-suspended"
    assert _ask_forged(limited, other, route, address=address) == 429
    assert _ask_forged(limited, other, route, address="192.0.2.8") == 401
    limited.database.dispose()


def test_a_stranger_beside_a_quiet_member_does_not_shut_it_out(holder: HolderSimulator, member: Member) -> None:
    limited = _with_few_strangers(holder)
    assert limited.ask(member, ELEMENTS).status_code == 200
    limited.clock.advance(days=6)
    for _ in range(3 * LIMIT):
        limited.client.get("/v1/epochs")
        limited.client.get("/v1/budget")
        _ask_forged(limited, member, "GET /v1/budget")
    assert limited.client.get("/v1/epochs").status_code == 429
    assert limited.ask(member, ELEMENTS, key="key-2").status_code == 200
    limited.database.dispose()


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1, 198.51.100.2", "198.51.100.2"),
        ("::ffff:10.0.0.1", "198.51.100.2", "198.51.100.2"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, garbled", "10.0.0.1"),
        ("2001:db8::1", None, "2001:db8::/64"),
        ("10.0.0.1", "2001:db8::2:3", "2001:db8::/64"),
        (None, "198.51.100.1", "unknown"),
    ],
)
def test_the_address_counted_is_what_a_stated_proxy_saw(peer: str | None, forwarded: str | None, counted: str) -> None:
    assert caller_address(peer, forwarded, parse_proxies("10.0.0.1, 10.0.0.2")) == counted


def test_a_proxy_that_is_no_address_stops_the_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    create_home(home, "holder-1", "https://holder-1.example", make_root(), b"correct horse battery staple")
    variables = {"KEYHOLDER_PROXIES": "127.0.0.1, ::1", "KEYHOLDER_UNSIGNED_PER_MINUTE": "9"}
    config = load_config(home, variables)
    assert (config.proxies, config.unsigned_per_minute) == (parse_proxies("127.0.0.1, ::1"), 9)
    with pytest.raises(HolderHomeError):
        load_config(home, {"KEYHOLDER_PROXIES": "the proxy"})
