"""Two taskforces in which a bank submits the same row, which few or many others hold; what it sees, but for the band.

The others react to what they are told: they read their hits, take the correction in, and submit more.
"""

from __future__ import annotations

import re
from random import Random

from schemas.values.encoding import to_base64
from tests.exchange.corrections.taking_back import make_assessment, make_withdrawal
from tests.exchange.silence.reading import read_everything
from tests.exchange.silence.seen import Seen
from tests.exchange.silence.side import Side

SUBJECT, OTHERS = "a", ("b", "c", "d", "e", "f", "g", "h")
_BAND = re.compile(r'(?<="institutions": )"(1|2-4|5\+)"|(?<="told": )[0-9]+|(?<="told_at_least": )[0-9]+')
"""Of a hit; and the lower bound of it that a withdrawal is answered."""


def live_beside(side: Side, holders: int) -> None:
    """The bank submits a row that so many others hold, and lives with it until it takes it back; the others submit as
    many rows each, and do whatever follows.
    """
    token, banks = Random("shared").randbytes(32), side.scenario.banks
    for number, other in enumerate(OTHERS):
        assert banks[other].submit([token if number < holders else Random(number).randbytes(32)]).status_code == 201
    side.tick()
    side.ask(SUBJECT, "POST", "/v1/submissions", banks[SUBJECT].submission([token]))
    _go_on(side)
    (hit,) = side.read(SUBJECT, "/v1/hits")["hits"]
    assert hit["token"] == to_base64(token)
    side.ask(SUBJECT, "POST", "/v1/assessments", make_assessment(hit["hit_id"]))
    side.ask(SUBJECT, "POST", "/v1/submissions", banks[SUBJECT].submission([token], envelope={"theme": "drugs"}))
    _go_on(side)
    side.ask(SUBJECT, "POST", "/v1/withdrawals", make_withdrawal([token]))
    _go_on(side)
    read_everything(side, (SUBJECT,))


def _go_on(side: Side) -> None:
    """The others look at what there is, and the worker works; the bank looks after each tick."""
    for other in OTHERS:
        member = side.scenario.banks[other]
        member.hits()
        member.send("GET", "/v1/notices")
        for correction in member.send("GET", "/v1/corrections").get_json()["corrections"]:
            if correction["state"] == "open":
                target = f"/v1/corrections/{correction['correction_id']}"
                items = {"items": member.send("GET", target).get_json()["items"]}
                assert member.send("POST", f"{target}/acknowledgement", items).status_code == 200
    side.work()
    for _ in range(3):
        side.tick()
        side.read_openly("GET", "/log/checkpoint")
        side.read(SUBJECT, "/log/entries?limit=500&waiting=100")


def mask_band(side: Side) -> None:
    """Leave out how many others hold the row, which the bank is told, and what follows from it alone: lengths."""
    side.observed = [(label, _without_band(seen)) for label, seen in side.observed]


def _without_band(seen: Seen | tuple[str, ...]) -> Seen | tuple[str, ...]:
    if not isinstance(seen, Seen) or not _BAND.search(seen.body):
        return seen
    headers = tuple((name, value) for name, value in seen.headers if name != "Content-Length")
    return seen._replace(body=_BAND.sub('"<band>"', seen.body), headers=headers, length=0)
