"""The feed over HTTP on loopback, walked by the clients that are out there, unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import requests
from cytaxii2.cytaxii2 import cytaxii2
from stix2 import Filter
from stix2.datastore.taxii import TAXIICollectionSource
from taxii2client.common import TokenAuth
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from alerts.feeds import extensions
from alerts.feeds.storing import store_objects
from alerts.store.alerts import StoredAlert
from exchange.membership.feed_tokens import make_feed_token
from schemas.terms import AlertState
from tests.alerts.factories import plant_alert
from tests.alerts.feeds.readers import ACCOUNT
from tests.alerts.feeds.taxii_reader import TAXII
from tests.alerts.feeds.test_stix import faults
from tests.load.served import serve
from tests.taskforce.founding import Taskforce

ALERTS = 40
OWN = 16
"""Objects that every collection holds."""


@dataclass(frozen=True)
class Served:
    """A feed of ALERTS alerts of three objects each; the last one is withdrawn."""

    url: str
    token: str

    @property
    def discovery(self) -> str:
        return f"{self.url}/taxii2/"

    def collection(self) -> Collection:
        """As taxii2-client opens it."""
        server = Server(self.discovery, user="feed", password=self.token)
        found: Collection = server.default.collections[0]
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    taskforce = Taskforce(f"sqlite:///{folder / 'test.db'}", folder, clock=lambda: datetime.now(UTC))
    try:
        for member_id in ("a", "b"):
            taskforce.add_member(member_id)
        taskforce.state_group(["a", "b"])
        for number in range(ALERTS):
            state = AlertState.WITHDRAWN if number == ALERTS - 1 else AlertState.PUBLISHED
            alert_id = plant_alert(taskforce, "a", state, title=f"Alert {number}", accounts=[ACCOUNT])
            with taskforce.database.transaction() as session:
                store_objects(session, session.get_one(StoredAlert, alert_id).alert, taskforce.clock())
        with taskforce.database.transaction() as session:
            token = make_feed_token(session, "b", "clients", "b/analyst", taskforce.clock())[1]
        with serve(taskforce, folder, workers=1, threads=4) as running:
            yield Served(running.url, token)
    finally:
        taskforce.close()


def test_taxii2_client_walks_the_feed(served: Served) -> None:
    for login in ({"user": "anybody", "password": served.token}, {"auth": TokenAuth(served.token)}):
        root: ApiRoot = Server(served.discovery, **login).default
        assert TAXII in root.versions
        (collection,) = root.collections
        pages = list(as_pages(collection.get_objects, per_request=17))
        objects = [one for page in pages for one in page.get("objects", [])]
        assert len(objects) == len({one["id"] for one in objects}) == OWN + 3 * ALERTS
        assert len(pages) == 8
        records = [one for page in as_pages(collection.get_manifest, per_request=50) for one in page["objects"]]
        assert [one["id"] for one in records] == [one["id"] for one in objects]
        (withdrawn,) = [one for one in objects if one["type"] == "report" and one.get("revoked")]
        assert collection.get_object(withdrawn["id"])["objects"] == [withdrawn]
        assert collection.object_versions(withdrawn["id"])["versions"] == [withdrawn["modified"]]
        since = datetime.fromisoformat(records[-4]["date_added"])
        assert [one["id"] for one in collection.get_objects(added_after=since)["objects"]] == [
            one["id"] for one in records[-3:]
        ]
        assert collection.get_objects(added_after=datetime(2099, 1, 1, tzinfo=UTC)) == {}
        with pytest.raises(requests.HTTPError, match="404"):
            collection.get_object("report--0")


def test_every_object_that_a_client_fetches_passes_the_oasis_validator(served: Served) -> None:
    collection = served.collection()
    objects = [one for page in as_pages(collection.get_objects, per_request=100) for one in page["objects"]]
    own = [one for one in objects if one["type"] not in ("report", "attack-pattern", "bank-account")]
    assert faults([*own, *objects[OWN : OWN + 3], *objects[-3:]]) == []


def test_stix2s_taxii_source_queries_the_feed(served: Served) -> None:
    source = TAXIICollectionSource(served.collection(), items_per_page=25)
    reports = source.query([Filter("type", "=", "report")])
    assert len(reports) == ALERTS
    last = next(one for one in reports if one.get("revoked"))
    assert source.get(last.id) == last
    assert [one["id"] for one in source.all_versions(last.id)] == [last.id]
    accounts = source.query([Filter("type", "=", "bank-account")])
    assert {one.get("iban") for one in accounts} == {ACCOUNT["iban"], None}, "the withdrawn one names none"
    marking = source.get(last.object_marking_refs[0])
    assert marking["name"] == "TLP:AMBER"
    assert source.get("report--00000000-0000-4000-8000-000000000000") is None


def test_cytaxii2_walks_the_feed(served: Served) -> None:
    client = cytaxii2(discovery_url=served.discovery, username="feed", password=served.token)
    assert client.root_discovery()["response"]["title"] == "Alerts"
    (collection,) = client.collection_request()["response"]["collections"]
    assert client.collection_data_request(collection["id"])["response"] == collection
    found, following = [], None
    while True:
        page = client.poll_request(collection["id"], limit=30, next=following)
        assert page["status"], page
        found += page["response"].get("objects", [])
        if not page["response"].get("more"):
            break
        following = page["response"]["next"]
    assert len({one["id"] for one in found}) == OWN + 3 * ALERTS
    assert client.poll_request(collection["id"], object_type="report", limit=500)["response"]["objects"]
    refused = client.inbox_request(collection["id"], json.dumps({"objects": []}))
    assert (refused["status"], refused["status_code"]) == (False, 403)


def test_a_client_that_truncates_added_dates_reads_each_object_once(served: Served) -> None:
    """One platform keeps X-TAXII-Date-Added-Last, cut to milliseconds, and asks from there; it never uses `next`."""
    with httpx.Client(
        base_url=served.url, headers={"Accept": TAXII}, auth=("x", served.token), trust_env=False
    ) as client:
        root = client.get("/taxii2/").json()["default"]
        (collection,) = client.get(f"{root}collections/").json()["collections"]
        seen: list[str] = []
        query: dict[str, str] = {"limit": "20"}
        for _ in range(50):
            answer = client.get(f"{root}collections/{collection['id']}/objects/", params=query)
            page = answer.json()
            if not page:
                break
            seen += [one["id"] for one in page["objects"]]
            query["added_after"] = answer.headers["X-TAXII-Date-Added-Last"][:-4] + "Z"
        assert query["added_after"].count(".") == 1
    assert len(seen) == len(set(seen)) == OWN + 3 * ALERTS


def test_a_report_tells_a_machine_what_a_person_is_told(served: Served) -> None:
    (report, *_) = served.collection().get_objects(type="report")["objects"]
    told = report["extensions"][extensions.ALERT]
    assert (told["colour"], told["legal_gateway"], told["issuer"]) == ("amber", "CCA2013_s7", "Member a")
    assert (told["review_by"], told["expires_on"]) == ("2027-05-01", "2027-11-01")
    assert report["external_references"] == [{"source_name": "JMLIT alert", "external_id": told["reference"]}]
    assert "Look for the employer's name." in report["description"]


def test_the_files_of_the_server_hold_no_token(served: Served, tmp_path_factory: pytest.TempPathFactory) -> None:
    logs = list(Path(tmp_path_factory.getbasetemp()).rglob("served.log"))
    assert logs
    assert all(served.token not in log.read_text() for log in logs)
