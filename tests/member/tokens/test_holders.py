"""What a member believes of a key holder: its signed word, a refusal's too. The holders are real; the lies are made of
their answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import httpx
import msgspec
import pytest

from keys.faults.evidence import EvidenceError, parse_evidence, verify_evidence
from keys.holder.settings import HolderSettings
from keys.holder.web import create_app
from keys.oprf.threshold import Dealing
from keys.signatures.messages import SignedRequest, SigningKey, sign_response
from keys.statements.keyring import Keyring, MemberState
from member.errors import AnswerError
from member.tokens.evaluation import Evaluation, HolderAnswerError, HolderRefusedError, HolderUnavailableError
from member.tokens.holders import HolderClient
from member.transport.channel import Identity, RuntimeEnvironment
from schemas.holder_faults import Evidence
from schemas.holders import Holder
from schemas.values.encoding import to_base64
from tests.keys.factories import Member, holder_key, make_dealing, make_epoch, make_member, make_root, sign
from tests.keys.holder.simulator import HolderSimulator, make_elements, make_settings, migrate
from tests.member.indicators.test_submission import replaced
from tests.taskforce.clock import Clock
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import accounts, write_csv

ELEMENTS = make_elements(2)
DEALING = make_dealing()
COMMITMENT = to_base64(DEALING.commitments[1])

Lie = Callable[[httpx.Request, httpx.Response], httpx.Response]


class Desk:
    """A holder, and the client of a member that reaches it through whoever sits between."""

    def __init__(self, dealing: Dealing, folder: Path) -> None:
        url = f"sqlite:///{folder / 'holder.db'}"
        self.clock = Clock()
        self.server = HolderSimulator(make_settings(dealing, database_url=url), migrate(url), self.clock)
        self.settings: HolderSettings = self.server.settings
        self.member = make_member("a")
        self.stated = make_epoch(dealing).holders[0]
        self.server.state(sign(make_epoch(dealing)), sign(self.member.statement))
        self.server.allow("a", 10)

    def client(
        self, lie: Lie = lambda request, answer: answer, *, member: Member | None = None, holder: Holder | None = None
    ) -> HolderClient:
        app = create_app(self.settings, database=self.server.database, clock=self.clock)

        def raw(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            query = environ.get("QUERY_STRING", "")
            environ["RAW_URI"] = environ["PATH_INFO"] + (f"?{query}" if query else "")
            return app(environ, start_response)

        true = httpx.WSGITransport(raw)

        def between(request: httpx.Request) -> httpx.Response:
            answer = true.handle_request(request)
            answer.read()
            return lie(request, answer)

        asker = member or self.member
        around = RuntimeEnvironment(
            self.clock, lambda seconds: None, lambda url: httpx.MockTransport(between), patience=0.0
        )
        return HolderClient(holder or self.stated, Identity(asker.key_id, asker.key), around)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(DEALING, tmp_path_factory.mktemp("desk"))
    yield made
    made.server.database.dispose()


def ask(client: HolderClient, *, rows: int = 2, quorum: tuple[int, ...] = (1, 2), key: str = "a" * 16) -> None:
    client.evaluate(make_elements(rows), epoch=1, quorum=quorum, proof=False, idempotency_key=key)


def stripped(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    kept = {name: value for name, value in answer.headers.items() if "signature" not in name}
    return httpx.Response(answer.status_code, headers=kept, content=answer.content)


def reworded(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    document = json.loads(answer.content) | {"detail": "the registrars have suspended this member"}
    return httpx.Response(answer.status_code, headers=_without_length(answer), content=json.dumps(document))


def softened(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    """The signed body under another status."""
    return httpx.Response(422, headers=_without_length(answer), content=answer.content)


def _without_length(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "content-length"}


def forged(status: int, slug: str, key: SigningKey, key_id: str = "holder-1") -> Lie:
    """A refusal signed with some other key."""

    def lie(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        body = json.dumps({"type": f"urn:exchange:problem:{slug}", "detail": "no"}).encode()
        asked = SignedRequest(request.method, str(request.url), request.headers)
        signed = sign_response(status, {}, body, request=asked, key_id=key_id, key=key, clock=Clock())
        return httpx.Response(status, headers=signed | {"Content-Type": "application/problem+json"}, content=body)

    return lie


def test_a_signed_refusal_is_told_as_the_holder_gave_it(desk: Desk) -> None:
    with pytest.raises(HolderRefusedError, match="exactly 2 distinct holders"):
        ask(desk.client(), quorum=(1, 2, 3))
    with pytest.raises(HolderRefusedError, match="budget"):
        ask(desk.client(), rows=11)


@pytest.mark.parametrize("lie", [stripped, reworded, softened])
def test_a_refusal_without_the_holders_signature_is_a_fault_with_its_name(desk: Desk, lie: Lie) -> None:
    with pytest.raises(HolderAnswerError, match="holder-1 answered 4"):
        ask(desk.client(lie), quorum=(1, 2, 3))


@pytest.mark.parametrize(
    "lie",
    [
        forged(403, "member-suspended", SigningKey.generate()),
        forged(401, "request-signature", SigningKey.generate()),
        forged(429, "budget-exhausted", holder_key(2), "holder-2"),
        forged(503, "unavailable", SigningKey.generate()),
        forged(403, "unknown-key", holder_key(2)),
    ],
)
def test_nobody_else_can_refuse_in_a_holders_name(desk: Desk, lie: Lie) -> None:
    with pytest.raises(HolderAnswerError, match="holder-1"):
        ask(desk.client(lie))


def test_an_old_refusal_cannot_stand_as_the_answer_to_a_new_request(desk: Desk) -> None:
    kept: list[httpx.Response] = []

    def keeping(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        kept.append(answer)
        return answer

    with pytest.raises(HolderRefusedError):
        ask(desk.client(keeping), quorum=(1, 2, 3))
    with pytest.raises(HolderAnswerError, match="holder-1"):
        ask(desk.client(lambda request, answer: kept[0]))


def resigned(
    status: int = 200,
    body: bytes = ELEMENTS,
    proof: str | None = None,
    *,
    spaced: bool = False,
    commitment: str | None = COMMITMENT,
) -> Lie:
    """An evaluation that the holder itself signed, in a form that an honest one does not give."""

    def lie(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        asked = SignedRequest(request.method, str(request.url), request.headers)
        named = {} if commitment is None else {"Evaluation-Commitment": commitment}
        headers = named | ({} if proof is None else {"Evaluation-Proof": proof})
        signed = sign_response(
            status, headers, body, request=asked, key_id="holder-1", key=holder_key(1), clock=Clock()
        )
        if spaced:
            signed["Signature-Input"] = signed["Signature-Input"].replace(";created", "; created")
        return httpx.Response(status, headers=signed, content=body)

    return lie


def evaluated(client: HolderClient) -> Evaluation:
    return client.evaluate(ELEMENTS, epoch=1, quorum=(1, 2), proof=False, idempotency_key="b" * 16)


@pytest.mark.parametrize(
    "lie",
    [
        resigned(),
        resigned(proof="AAAA"),
        resigned(proof=""),
        resigned(proof="A" * 2049),
        resigned(proof="A\tA"),
        resigned(body=bytes(32 * 65_536)),
        resigned(status=201),
        resigned(spaced=True),
        resigned(commitment=None),
        resigned(commitment="AAAA"),
    ],
    ids=["plain", "proof", "empty proof", "long proof", "tab", "long body", "201", "space", "no share", "no element"],
)
def test_what_is_accepted_can_be_shown_to_others(desk: Desk, lie: Lie) -> None:
    keyring = Keyring(make_root())
    for statement in (make_epoch(DEALING), desk.member.statement):
        keyring.add(sign(statement))
    try:
        exchange = evaluated(desk.client(lie)).exchange
    except HolderAnswerError as refusal:
        exchange = refusal.exchange
        if exchange is None:
            return
    assert exchange is not None
    evidence = parse_evidence(msgspec.to_builtins(Evidence("malformed", "holder-1", 1, exchange, None, None)))
    # It is read and its signatures believed: what then is shown is the mathematics' word.
    with pytest.raises(EvidenceError, match="as many elements as were asked about"):
        verify_evidence(evidence, keyring.epoch(1), lambda key_id: keyring.representative(key_id)[1].public_key)


def test_an_answer_with_another_share_than_stated_is_no_fault(desk: Desk) -> None:
    """The registrars have stated the epoch anew, and the holder has not heard of it."""
    refreshed = msgspec.structs.replace(desk.stated, commitment=DEALING.commitments[2])
    with pytest.raises(HolderRefusedError, match="another share"):
        evaluated(desk.client(resigned(), holder=refreshed))


def test_a_stranger_is_told_so_unsigned_and_that_is_no_fault(desk: Desk) -> None:
    """There is no believed request to bind a signature to: the clock is wrong, or the statement has not arrived."""
    with pytest.raises(HolderRefusedError, match="no representative with this keyid"):
        ask(desk.client(member=make_member("late")))
    stranger = Member(desk.member.statement, SigningKey.generate())
    with pytest.raises(HolderRefusedError, match="not signed as"):
        ask(desk.client(member=stranger))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_unsigned_busy_server_is_no_answer_and_no_fault(desk: Desk, status: int) -> None:
    with pytest.raises(HolderUnavailableError):
        ask(desk.client(lambda request, answer: httpx.Response(status)))


@pytest.mark.parametrize("status", [200, 204, 400, 403, 404, 409, 418, 422])
def test_any_other_unsigned_answer_is_a_fault(desk: Desk, status: int) -> None:
    with pytest.raises(HolderAnswerError, match=f"holder-1 answered {status}"):
        ask(desk.client(lambda request, answer: httpx.Response(status, json={"type": "about:blank"})))


def test_a_budget_is_believed_by_the_same_rule(desk: Desk) -> None:
    assert desk.client().budget().remaining <= 10
    with pytest.raises(AnswerError, match="holder-1"):
        desk.client(stripped).budget()


def test_a_suspended_members_refusal_is_signed_and_believed(tmp_path: Path) -> None:
    desk = Desk(make_dealing(), tmp_path)
    ask(desk.client())
    desk.server.state(sign(desk.member.changed(state=MemberState.SUSPENDED)))
    with pytest.raises(HolderRefusedError, match="suspended this member"):
        ask(desk.client())
    with pytest.raises(HolderAnswerError, match="holder-1"):
        ask(desk.client(stripped))
    desk.server.database.dispose()


def test_a_holder_that_refuses_unsigned_is_left_out_and_recorded(taskforce: MemberHomes, tmp_path: Path) -> None:
    """The registrars state the holder's key: what it will not sign, it has not said."""

    def refusing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("403 FORBIDDEN", [("Content-Type", "application/problem+json")])
        return [b'{"type":"urn:exchange:problem:member-suspended","detail":"you are suspended"}']

    liar: WSGIApplication = refusing
    for attempt in range(40):  # two of the three are drawn at random
        with replaced(taskforce, "http://holder-2.test", liar):
            file = write_csv(tmp_path / f"{attempt}.csv", *accounts(900_000 + attempt))
            done = taskforce.run("b", "submit", str(file))
        assert (done.status, done.document["accepted"]) == (0, 1)
        faults = taskforce.run("b", "status").document["holder_faults"]
        if faults:
            break
    assert {fault["holder_id"] for fault in faults} == {"holder-2"}
    assert "answered 403" in faults[0]["reason"]
    assert "you are suspended" not in json.dumps(faults)
