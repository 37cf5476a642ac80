"""Every feed of a sandbox walked by tools that are out there: `python -m tests.feed_walk [--alerts 1000]`.

`exchange sandbox --alerts N` runs on this machine. taxii2-client, stix2's TAXII source and cytaxii2 walk the whole
collection with a feed token; the OASIS validator reads every object; feedparser reads the Atom feed to its end, and
PyMISP every event of the MISP feed. Then the issuer withdraws one alert, and each reader finds it taken back. In the
end the reader's log verifies, with a disclosure for each version that a feed told it.

`--database-url postgresql` brings a PostgreSQL of its own. Progress goes to standard error, one JSON document to
standard output. Exit status 1 if a check fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from cytaxii2.cytaxii2 import cytaxii2
from stix2 import Filter
from stix2.datastore.taxii import TAXIICollectionSource
from stix2validator import ValidationOptions, validate_instance
from taxii2client.v21 import Collection, Server, as_pages

from tests.load.checks import Checks, tell
from tests.postgresql import postgresql_server
from tests.sandbox_process import RunningSandbox, sandbox_process

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import feedparser
    from pymisp import MISPEvent

GROUP = "taskforce"
READER, ISSUER = "b", "necc"
PAGE = 100
FIXED = 16
"""Objects that every collection holds, whatever the alerts (alerts/feeds/fixed_objects.py)."""


class Walk:
    """One reader of a running sandbox."""

    def __init__(self, sandbox: RunningSandbox, checks: Checks) -> None:
        self.sandbox = sandbox
        self.checks = checks
        self.token: str = sandbox.description["members"][READER]["feed_token"]
        self.taxii: dict[str, Any] = sandbox.description["taxii"]
        headers = {"Authorization": f"Bearer {self.token}"}
        self.client = httpx.Client(base_url=sandbox.description["exchange_url"], headers=headers, timeout=60)

    def get(self, target: str) -> httpx.Response:
        """A good answer."""
        return self.client.get(target).raise_for_status()

    def collection(self) -> Collection:
        """As taxii2-client opens it."""
        found: Collection = Server(self.taxii["discovery_url"], user="feed", password=self.token).default.collections[0]
        return found

    def taxii2_client(self) -> list[dict[str, Any]]:
        """Every object, page by page; each once, and the manifest tells of the same."""
        collection = self.collection()
        objects = [one for page in as_pages(collection.get_objects, per_request=PAGE) for one in page["objects"]]
        self.checks.check("taxii2-client gets each object once", _are_once(objects), len(objects))
        records = [one for page in as_pages(collection.get_manifest, per_request=PAGE) for one in page["objects"]]
        same = [one["id"] for one in records] == [one["id"] for one in objects]
        self.checks.check("the manifest tells of the same objects in the same order", same, len(records))
        return objects

    def stix2_source(self, reports: int) -> None:
        """Queries by type, and one object by its id."""
        source = TAXIICollectionSource(self.collection(), items_per_page=PAGE)
        found = source.query([Filter("type", "=", "report")])
        self.checks.check("stix2's TAXII source finds every report", len(found) == reports, len(found))
        self.checks.check("and each by its id", source.get(found[-1].id) == found[-1])

    def cytaxii2_poll(self, objects: int) -> None:
        """The third client polls to the end."""
        client = cytaxii2(discovery_url=self.taxii["discovery_url"], username="feed", password=self.token)
        (collection_id,) = self.taxii["collections"].values()
        found: list[dict[str, Any]] = []
        following: str | None = None
        while True:
            page = client.poll_request(collection_id, limit=PAGE, next=following)["response"]
            found += page.get("objects", [])
            following = page.get("next")
            if not page.get("more"):
                break
        self.checks.check("cytaxii2 polls every object", len(found) == objects and _are_once(found), len(found))

    def atom(self) -> list[Any]:
        """Every entry, by the links from page to page."""
        entries: list[Any] = []
        target: str | None = f"/feeds/{GROUP}.atom"
        while target:
            read = feedparser.parse(self.get(target).content)
            if read.bozo:
                self.checks.check("feedparser finds every page well-formed", False, target)
            entries += read.entries
            target = next((link.href for link in read.feed.links if link.rel == "next"), None)
        return entries

    def json_feed(self) -> list[dict[str, Any]]:
        """Every item, by `next_url`."""
        items: list[dict[str, Any]] = []
        target: str | None = f"/feeds/{GROUP}.json"
        while target:
            page = self.get(target).json()
            items += page["items"]
            target = page.get("next_url")
        return items

    def misp(self) -> dict[str, Any]:
        """Every event that the manifest names, by its id, as PyMISP reads it."""
        manifest: dict[str, Any] = self.get(f"/feeds/misp/{GROUP}/manifest.json").json()
        return {event_id: self.event(event_id) for event_id in manifest}

    def event(self, event_id: str) -> Any:
        """One event, strictly read."""
        event = MISPEvent(strict_validation=True)
        event.from_dict(**self.get(f"/feeds/misp/{GROUP}/{event_id}.json").json())
        return event


def _are_once(objects: list[dict[str, Any]]) -> bool:
    return len({(one["id"], one.get("modified")) for one in objects}) == len(objects)


def _faults(objects: list[dict[str, Any]]) -> list[str]:
    options = ValidationOptions(version="2.1")
    found = ((one["id"], validate_instance(one, options)) for one in objects)
    return [f"{object_id}: {error}" for object_id, result in found for error in result.errors]


def _portions(objects: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    return (objects[start : start + PAGE] for start in range(0, len(objects), PAGE))


def walk(sandbox: RunningSandbox, alerts: int, checks: Checks) -> dict[str, Any]:
    """All readers, before and after a withdrawal; figures."""
    reader = Walk(sandbox, checks)
    began = time.monotonic()
    objects = reader.taxii2_client()
    figures: dict[str, Any] = {"objects": Counter(one["type"] for one in objects), "total": len(objects)}
    reports = figures["objects"]["report"]
    checks.check("every alert is a report", reports == alerts, reports)
    reader.stix2_source(reports)
    reader.cytaxii2_poll(len(objects))
    with ProcessPoolExecutor(2) as pool:
        faults = [fault for found in pool.map(_faults, _portions(objects)) for fault in found]
    checks.check("the OASIS validator passes every object", not faults, faults[:3] or len(objects))
    checks.check("feedparser reads every alert", len(reader.atom()) == alerts)
    checks.check("the JSON feed holds every alert", len(reader.json_feed()) == alerts)
    events = reader.misp()
    checks.check("PyMISP reads an event of every alert", len(events) == alerts, len(events))
    figures["walked_s"] = round(time.monotonic() - began, 1)
    take_back(reader, objects)
    verified = sandbox.member(READER, "log", "verify").document
    checks.check("the reader's log verifies", verified.get("verified") is True, verified.get("entries"))
    return figures


def take_back(reader: Walk, objects: list[dict[str, Any]]) -> None:
    """Withdraw one alert, and find it taken back in every form."""
    checks, sandbox = reader.checks, reader.sandbox
    chosen = next(one for one in objects if one["type"] == "report")
    title = chosen["name"]
    alert = next(one for one in sandbox.member(ISSUER, "alert", "list").document["alerts"] if one["title"] == title)
    done = sandbox.member(ISSUER, "alert", "withdraw", alert["alert_id"], "--reason", "walked over").document
    checks.check("an alert is withdrawn", done.get("state") == "withdrawn", done)
    versions = reader.collection().get_object(chosen["id"], version="all")["objects"]
    checks.check("TAXII: revoked", [one.get("revoked", False) for one in versions] == [False, True])
    checks.check("and no version tells what it said", title not in json.dumps(versions))
    entry = next(one for one in reader.atom() if alert["reference"] in one.title)
    checks.check("Atom: withdrawn", entry.title.startswith("WITHDRAWN") and title not in json.dumps(entry))
    item = next(one for one in reader.json_feed() if alert["reference"] in one["title"])
    checks.check("JSON feed: withdrawn", item["title"].startswith("WITHDRAWN") and title not in json.dumps(item))
    event = reader.event(chosen["id"].removeprefix("report--"))
    live = [one for each in event.objects for one in each.attributes if not one.deleted]
    checks.check("MISP: withdrawn", event.info.startswith("WITHDRAWN") and title not in event.to_json(), live)
    read = sandbox.member(READER, "alert", "read", alert["alert_id"]).document
    checks.check("the reader is shown the reason alone", read["reason"] == "walked over", read["content"]["title"])


def main() -> int:
    """Exit status 0 when every check holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=1000, help="generated alerts (default 1,000)")
    parser.add_argument("--database-url", help="a PostgreSQL URL, or the word postgresql")
    arguments = parser.parse_args()
    checks = Checks()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="feeds-")))
        options = ["--banks", "a,b", "--alerts", str(arguments.alerts)]
        url = arguments.database_url
        if url == "postgresql":
            url = stack.enter_context(postgresql_server()).url()
        options += ["--database-url", url] if url else []
        tell(f"a sandbox with {arguments.alerts:,} alerts starts")
        began = time.monotonic()
        sandbox = stack.enter_context(sandbox_process(folder / "sandbox", *options, seconds=900))
        ready = round(time.monotonic() - began, 1)
        figures = {"ready_s": ready, **walk(sandbox, arguments.alerts, checks), "failed": checks.failed}
    print(json.dumps(figures, indent=2))  # noqa: T201
    return int(bool(checks.failed))


if __name__ == "__main__":
    sys.exit(main())
