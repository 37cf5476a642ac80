"""What the operator writes straight into the exchange's database: rows with tokens that nobody computed, requests that
nobody made, people and members that no registrar signed, and answers of theirs. None of it gets or gives details.

Each forgery is right in everything but one: with that put right too, the same rows work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from exchange.membership import store as membership
from exchange.requests.store import InformationRequest, RequestPart
from keys.oprf.tokens import Token
from keys.sealing.holding import HoldingClaim, prove_holding
from keys.sealing.hybrid import Binding, EncryptionKey, seal_details
from keys.signatures.ed25519 import SigningKey
from member.commands.shared.passphrases import unlock_representative
from member.identity.home import Home
from member.requests.details import encode_details
from member.vault.rows import VaultRows
from schemas.requests.messages import AnswerDetails, answer_to_sign
from schemas.terms import RequestOutcome, RequestState
from tests.exchange.requests.planting import plant_request, plant_row
from tests.member.requests.test_requests import (
    BOSS,
    Shared,
    hits_of,
    new_account,
    refused_as,
    submit,
    vault_of,
)
from tests.taskforce.homes import GROUP, MemberHomes
from tests.taskforce.member_program import now

INVENTED, GHOST = SigningKey.generate(), SigningKey.generate()
INVENTED_KEY = EncryptionKey.generate().public_bytes


@pytest.fixture(scope="module")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """Of its own: what is planted here, others need not find."""
    founded = MemberHomes.found(tmp_path_factory.mktemp("planted"))
    yield founded
    founded.close()


@pytest.fixture(scope="module", autouse=True)
def invented(taskforce: MemberHomes) -> None:
    """A member that the operator invented, in the group, and an authoriser of bank a's and of bank b's."""
    with taskforce.database.transaction() as session:
        row = membership.Member(
            **{"member_id": "invented", "name": "Bank I", "kind": "financial_institution", "sector": "banking"},
            **{"state": "active", "declared_book": 1, "encryption_key": INVENTED_KEY, "sequence": 1},
            **{"updated_at": now(), "stopped_at": None},
        )
        membership.save_member(session, row, [_person("invented/authoriser", INVENTED)])
        session.add(membership.GroupMember(group_id=GROUP, member_id="invented"))
        session.add_all([_person("a/ghost", GHOST), _person("b/ghost", GHOST)])


def _person(name: str, key: SigningKey) -> membership.Representative:
    return membership.Representative(
        representative_id=name,
        member_id=name.partition("/")[0],
        public_key=key.public_bytes,
        roles_json='["investigator","authoriser"]',
        state="active",
    )


def token_of(taskforce: MemberHomes, bank: str, account: str) -> Token:
    """An account's token and detail key, from a bank's vault."""
    with vault_of(taskforce, bank) as vault:
        lookup = (rows := VaultRows(vault)).lookup("bank_account", account)
        return rows.cached_tokens(1, [lookup])[lookup]


@dataclass(frozen=True)
class Asker:
    """As whom the operator asks. `detail_key` None: that of the row itself."""

    member_id: str = "a"
    person: str = "a/analyst"
    encryption_key: bytes | None = None
    detail_key: bytes | None = None


def plant_asking(taskforce: MemberHomes, token: Token, asker: Asker) -> str:
    """A row of the asker's and its request about it to bank b, as if they had come by the way of all."""
    around: Any = SimpleNamespace(database=taskforce.database, clock=now)
    plant_row(around, asker.member_id, GROUP, token.token)
    request_id = plant_request(around, asker.member_id, ["b"], token.token)
    with taskforce.database.transaction() as session:
        info = session.get_one(InformationRequest, request_id)
        stated = session.get_one(membership.Member, asker.member_id).encryption_key
        info.representative_id = asker.person
        info.encryption_key = asker.encryption_key or stated
        claim = HoldingClaim(request_id, asker.member_id, info.encryption_key, msgspec.to_builtins(info.terms))
        info.proof = prove_holding(asker.detail_key or token.detail_key, claim)
    return request_id


@pytest.mark.parametrize(
    ("asker", "why"),
    [
        pytest.param(Asker(), None, id="all is right"),
        pytest.param(Asker(detail_key=bytes(32)), "not shown that it holds", id="a token that was never computed"),
        pytest.param(Asker(encryption_key=INVENTED_KEY), "registrars state", id="another key to seal to"),
        pytest.param(Asker(person="a/ghost"), "registrars know nobody", id="an invented person"),
        pytest.param(Asker("invented", "invented/authoriser"), "registrars know nobody", id="an invented member"),
    ],
)
def test_a_request_that_the_operator_planted_gets_no_answer(
    taskforce: MemberHomes, tmp_path: Path, asker: Asker, why: str | None
) -> None:
    account = new_account()
    submit(taskforce, tmp_path, "b", [account])
    request_id = plant_asking(taskforce, token_of(taskforce, "b", account), asker)
    taken = taskforce.run(*BOSS, "take-up", request_id)
    assert taken.status == 0, taken.document
    assert taken.document["proved"] is (why is None)
    if why is None:
        assert taskforce.run(*BOSS, "answer", request_id, "--full").document["state"] == "answered"
        return
    assert why in taken.document["doubt"]
    assert refused_as(taskforce.run(*BOSS, "answer", request_id, "--full")) == "not_proved"
    with taskforce.database.reading() as session:
        assert session.get_one(RequestPart, (request_id, "b")).outcome is None


@dataclass(frozen=True)
class Answerer:
    """As whom the operator answers."""

    member_id: str
    person: str
    key: SigningKey


def plant_answer(taskforce: MemberHomes, request_id: str, token: Token, answerer: Answerer) -> None:
    """An answer with details, sealed and signed as the rules want, by somebody who knows the identifier."""
    around: Any = SimpleNamespace(database=taskforce.database, clock=now)
    if answerer.member_id == "invented":
        plant_row(around, "invented", GROUP, token.token)
    with taskforce.database.transaction() as session:
        info = session.get_one(InformationRequest, request_id)
        claim = HoldingClaim(request_id, info.member_id, info.encryption_key, msgspec.to_builtins(info.terms))
        binding = Binding(request_id, answerer.member_id, info.member_id, claim.terms_sha256)
        details = encode_details(AnswerDetails(reason=["planted by the operator"]))
        sealed = seal_details(details, token.detail_key, info.encryption_key, binding)
        message = answer_to_sign(
            request_id=request_id,
            holder=answerer.member_id,
            requester=info.member_id,
            outcome="partial",
            fields=["reason"],
            refusal_reason=None,
            sealed=sealed,
            marking=None,
        )
        info.state = RequestState.ANSWERED.value
        part = session.get(RequestPart, (request_id, answerer.member_id))
        if part is None:
            part = RequestPart(request_id=request_id, member_id=answerer.member_id)
            session.add(part)
        part.state, part.representative_id = RequestState.ANSWERED.value, answerer.person
        part.answered_by = answerer.person
        part.taken_up_at = part.answered_at = now()
        part.outcome, part.fields_json = RequestOutcome.PARTIAL.value, json.dumps(["reason"])
        part.sealed, part.sealed_sha256 = sealed, hashlib.sha256(sealed).digest()
        part.signature = answerer.key.sign(message)


@pytest.fixture(scope="module")
def accounts(taskforce: MemberHomes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Accounts that both banks hold."""
    folder, made = tmp_path_factory.mktemp("shared"), [new_account() for _ in range(3)]
    submit(taskforce, folder, "b", made)
    submit(taskforce, folder, "a", made)
    hits = hits_of(taskforce)
    return iter([Shared(taskforce, account, hits[account]["hit_id"]) for account in made])


@pytest.mark.parametrize("person", ["b/authoriser", "b/ghost", "invented/authoriser"])
def test_an_answer_that_the_operator_planted_is_not_opened(
    taskforce: MemberHomes, accounts: Iterator[Shared], person: str
) -> None:
    shared = next(accounts)
    request_id = shared.ask()
    member_id = person.partition("/")[0]
    real = unlock_representative(Home.open(taskforce.home("b")), "authoriser").identity.key
    key = {"b/authoriser": real, "b/ghost": GHOST}.get(person, INVENTED)
    plant_answer(taskforce, request_id, token_of(taskforce, "a", shared.account), Answerer(member_id, person, key))
    shown = taskforce.run("a", "request", "show", request_id)
    answer = next(one for one in shown.document["answers"] if one["institution"] == member_id)
    if person == "b/authoriser":
        assert answer["details"] == {"reason": ["planted by the operator"]}, "with the bank's own key it is its answer"
        return
    assert refused_as(shown) == "bad_answer"
    assert (answer["details"], bool(answer["fault"])) == ({}, True)
