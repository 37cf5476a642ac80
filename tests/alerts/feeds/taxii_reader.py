"""A TAXII reader in the test's process, and what it walks."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import TestResponse

from tests.alerts.feeds.readers import FeedReader
from tests.taskforce.founding import Taskforce

TAXII = "application/taxii+json;version=2.1"
API = "/taxii2/api"


class TaxiiReader:
    """A member's TAXII client."""

    def __init__(self, taskforce: Taskforce, member_id: str) -> None:
        self.reader = FeedReader(taskforce, member_id)

    def ask(self, path: str, /, accept: str = TAXII, **query: Any) -> TestResponse:
        """The answer to a path of the API root; `match_id` stands for match[id], and so on."""
        target = f"{API}/{path}" + (f"?{urlencode(fields_of(query))}" if query else "")
        return self.reader.get(target, Accept=accept)

    def read(self, path: str, /, **query: Any) -> Any:
        """What a good answer holds."""
        answer = self.ask(path, **query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == TAXII
        return json.loads(answer.data)

    def collections(self) -> dict[str, str]:
        """Ids by title."""
        return {one["title"]: one["id"] for one in self.read("collections/").get("collections", ())}

    def objects(self, group_id: str = "taskforce", /, **query: Any) -> list[dict[str, Any]]:
        """All objects of a group's collection, page by page."""
        return self.walk(f"collections/{self.collections()[group_id]}/objects/", **query)

    def alert_objects(self, group_id: str = "taskforce", /, **query: Any) -> list[dict[str, Any]]:
        """Those that are of alerts."""
        kinds = ("report", "attack-pattern", "bank-account")
        return [one for one in self.objects(group_id, **query) if one["type"] in kinds]

    def walk(self, path: str, /, **query: Any) -> list[Any]:
        """The objects, records or versions of all pages."""
        found: list[Any] = []
        while True:
            page = self.read(path, **query)
            found += page.get("objects", page.get("versions", []))
            if not page.get("more"):
                return found
            query["next"] = page["next"]


def fields_of(query: dict[str, Any]) -> dict[str, str]:
    """Query fields by their names on the wire."""
    return {
        f"match[{name.removeprefix('match_')}]" if name.startswith("match_") else name: str(value)
        for name, value in query.items()
    }
