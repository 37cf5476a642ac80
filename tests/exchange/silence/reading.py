"""Everything that a bank may read, read."""

from __future__ import annotations

import json
from typing import Any

from tests.exchange.silence.side import CELL, Side

OPEN = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/log/checkpoint")
LISTS = (
    *("/v1/status", "/v1/hits", "/v1/notices", "/log/entries?limit=500", "/v1/gateways", "/v1/statements"),
    *("/v1/requests", "/v1/requests?direction=incoming", "/v1/queries", "/v1/corrections"),
    *("/v1/outcomes", "/v1/outcomes/received", "/v1/alerts", "/v1/subscriptions", "/v1/feed-tokens"),
    "/v1/holder-faults",
)
GROUPS = ("taskforce", CELL)


def read_everything(side: Side, banks: tuple[str, ...]) -> None:
    """Every list, as each of the banks; the feeds, as the first of them, since all are in the same groups; what anyone
    may read, once.
    """
    for target in OPEN:
        side.read_openly("GET", target)
    size = int(side.read_openly("GET", "/log/checkpoint").text.splitlines()[1])
    side.read_openly("GET", f"/log/tile/0/{'000' if size >= 256 else f'000.p/{size}'}")
    side.read_openly("POST", "/v1/enrolments", {"code": "invented"})
    for bank in banks:
        for target in LISTS:
            side.read(bank, target)
    _read_feeds(side, banks[0])


def _read_feeds(side: Side, bank: str) -> None:
    for group in GROUPS:
        for name in (f"{group}.atom", f"{group}.json", f"misp/{group}/manifest.json", f"misp/{group}/hashes.csv"):
            side.read_feed(bank, "GET", f"/feeds/{name}")
    events = json.loads(side.read_feed(bank, "GET", "/feeds/misp/taskforce/manifest.json").text)
    oldest = sorted(events, key=lambda event_id: int(events[event_id]["timestamp"]))[:1]
    for event_id in (*oldest, "0"):
        side.read_feed(bank, "GET", f"/feeds/misp/taskforce/{event_id}.json")
        side.read_feed(bank, "GET", f"/feeds/taskforce/{event_id}.html")
    for target in ("/taxii2/", "/taxii2/api/", "/taxii2/api/status/1/", "/taxii2/api/collections/"):
        side.read_feed(bank, "GET", target)
    for collection in side.read_feed(bank, "GET", "/taxii2/api/collections/").get_json(force=True)["collections"]:
        _read_collection(side, bank, f"/taxii2/api/collections/{collection['id']}/")


def _read_collection(side: Side, bank: str, target: str) -> None:
    """Its objects page by page, and what of TAXII is for writing."""
    for name in ("", "manifest/", "objects/?limit=2"):
        side.read_feed(bank, "GET", target + name)
    listed: dict[str, Any] = side.read_feed(bank, "GET", f"{target}objects/").get_json(force=True)
    for one in listed.get("objects", ())[-1:]:
        for name in ("", "versions/"):
            side.read_feed(bank, "GET", f"{target}objects/{one['id']}/{name}")
        side.read_feed(bank, "DELETE", f"{target}objects/{one['id']}/")
    side.read_feed(bank, "POST", f"{target}objects/")
